"""Trains the raters of a pool and stores each as soon as it is done.

    train_pool(CleanDataset.load(folder), get_pool("digits/medium"), "predictions/digits_noisy/medium")

Killed at any moment and started again, it goes on with the raters that are not stored, each from its last checkpoint.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import importlib.metadata
import os
import pathlib
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np

from noisy_label_datasets.arrays import CleanDataset
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.metrics import rater_error_rate
from noisy_label_datasets.predictions import PredictionsWriter
from noisy_label_datasets.splits import LABELLED_SPLITS
from rater_training import architectures, engine, features, members
from rater_training.checkpoints import Checkpoints
from rater_training.config import PoolConfig, RaterConfig
from rater_training.devices import DEFAULT_DEVICE, Devices
from rater_training.trained import TrainedRater

_SOFTWARE = ("jax", "jaxlib", "flax", "optax", "numpy")
_LOSSES_KEPT = 20
_CHECKPOINTS = "checkpoints"  # beside the artifact's files while raters are in training

# What a rater says, labelled split -> [n, K] float64 class probabilities, and its features (JSON).
Labels = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


class PoolError(NoisyLabelsError):
    """A pool that cannot be trained on this dataset, or of which no rater could be trained."""


class Listener(Protocol):
    """What is told how a pool is coming along; from several threads where raters are trained beside one another."""

    def started(self, rater: RaterConfig, position: int) -> None:
        """A rater begins; `position` counts from 0 in the pool."""

    def progressed(self, rater: RaterConfig, step: int, loss: float) -> None:
        """A rater has done `step` steps; mean loss of the last ones."""

    def finished(self, rater: RaterConfig, message: str, *, trained: bool) -> None:
        """A rater is stored, was stored already (`trained` false), or failed; the message says which."""


def train_pool(
    dataset: CleanDataset,
    pool: PoolConfig,
    out: str | os.PathLike,
    listener: Listener,
    *,
    only: tuple[str, ...] = (),
    note: str = "",
    at_once: int = 1,
    together: int | None = 1,
    devices: Devices = DEFAULT_DEVICE,
    streamed: bool | None = None,
) -> bool:
    """Trains what is missing of a pool, labels the splits it was not trained on, writes the artifact.

    Of several processes (`rater_training.devices`) each calls it with the same arguments; process 0 alone writes.

    Args:
      dataset: the five clean splits; the raters are trained on `clean_label_train`.
      pool: which raters.
      out: folder of the rater-prediction artifact, new or begun.
      listener: is told of the progress.
      only: ids of the raters to train in this run; all where empty. The artifact is finished by the run after which
        no rater is missing.
      note: what a reader of the provenance should know besides; kept by the run that finishes the artifact.
      at_once: how many raters are trained beside one another, each with the same result as alone. One network does not
        keep the cores of a CPU busy, least of all while it is compiled; an accelerator is busy with one.
      together: at most how many raters of one architecture are trained in one loop (`rater_training.members`), each
        with the same result as alone but for rounding; None: any number. Raters whose images are streamed are not.
      devices: which share every batch.
      streamed: as of `engine.train`.

    Returns:
      Whether the artifact is finished.

    Raises:
      PoolError: the pool is for another dataset, image shape or number of classes; or every rater failed.
      PredictionsError: `out` holds something else.
      TrainingDataError, DevicesError, CheckpointError: as `engine.train`.
    """
    _check(dataset, pool)
    if at_once > 1 and devices.count > 1:
        raise PoolError(f"at_once is {at_once}; on {devices.count} devices, which share every batch, it has to be 1")
    wanted = pool.select(only) if only else pool.raters
    run = _Run(dataset, pool, pathlib.Path(out), listener, devices, streamed)
    failures = _in_threads(run.train, run.groups(wanted, together), at_once)
    return run.finish(failures, note)


class _Run:
    """One call of `train_pool`."""

    def __init__(
        self,
        dataset: CleanDataset,
        pool: PoolConfig,
        out: pathlib.Path,
        listener: Listener,
        devices: Devices,
        streamed: bool | None,
    ) -> None:
        self._dataset, self._pool, self._out, self._listener = dataset, pool, out, listener
        self._devices, self._streamed = devices, streamed
        self._data_fingerprint = dataset.fingerprint()
        self._writer = _writer(dataset, pool, out) if devices.leads else None

    def groups(self, raters: Sequence[RaterConfig], together: int | None) -> list[list[RaterConfig]]:
        """Returns the raters in groups, each of which is trained in one loop."""
        images = self._dataset.splits["clean_label_train"].images
        groups: list[list[RaterConfig]] = []
        for group in members.alike(raters, together):
            if engine.is_streamed(images, group[0].augmentation, self._devices, self._streamed):
                # Every rater has an order of its own: together they would only share the way from the host.
                groups.extend([rater] for rater in group)
            else:
                groups.append(group)
        return groups

    def train(self, group: list[RaterConfig]) -> dict[str, str]:
        """Trains and stores the raters of a group; returns why they failed, by id, of those that did."""
        failures = {}
        for rater in group:
            self._listener.started(rater, self._pool.raters.index(rater))
        is_missing = ~self._devices.agreed(np.array([self._is_stored(rater) for rater in group]))
        missing = [rater for rater, missing in zip(group, is_missing, strict=True) if missing]
        for rater in group:
            if rater not in missing:
                self._listener.finished(rater, "stored already", trained=False)
        for rater, outcome in self._outcomes(group, missing):
            if isinstance(outcome, engine.Diverged):
                # As happened to one of the paper's PCam raters (Appendix A): the pool goes without it, and says so.
                failures[rater.id] = str(outcome)
                self._listener.finished(rater, f"FAILED: {outcome}", trained=True)
            else:
                self._store(rater, *outcome)
        return failures

    def _outcomes(
        self, group: list[RaterConfig], missing: list[RaterConfig]
    ) -> Iterator[tuple[RaterConfig, Labels | engine.Diverged]]:
        checkpoints = {rater.id: self._checkpoints(rater) for rater in missing}
        if len(group) == 1:
            for rater in missing:
                try:
                    yield rater, self._alone(rater, checkpoints[rater.id])
                except engine.Diverged as error:
                    yield rater, error
            return
        clean = self._dataset.splits["clean_label_train"]
        for start, some in members.in_step(missing, checkpoints, self._devices):
            training = members.train_together(
                group,
                np.asarray(clean.images),
                clean.labels,
                num_classes=len(self._dataset.class_names),
                on_progress=self._listener.progressed,
                checkpoints=checkpoints,
                start=start,
                active=[rater.id for rater in some],
                devices=self._devices,
            )
            for rater, result in training:
                yield rater, result if isinstance(result, engine.Diverged) else _said(self._dataset, rater, result)

    def _alone(self, rater: RaterConfig, checkpoints: Checkpoints) -> Labels:
        return train_rater(
            self._dataset,
            rater,
            on_progress=lambda step, loss: self._listener.progressed(rater, step, loss),
            checkpoints=checkpoints,
            devices=self._devices,
            streamed=self._streamed,
        )

    def _store(self, rater: RaterConfig, probabilities: Mapping[str, np.ndarray], known: Mapping[str, Any]) -> None:
        if self._writer is not None:
            fingerprint = rater.fingerprint(self._data_fingerprint)
            self._writer.write_rater(rater.id, fingerprint=fingerprint, probabilities=probabilities, features=known)
            self._checkpoints(rater).remove()
        noisy = probabilities["noisy_label_train"].argmax(axis=1)[:, None]
        error_rate = rater_error_rate(noisy, self._dataset.splits["noisy_label_train"].labels)
        self._listener.finished(rater, f"error rate {error_rate:.3f} on noisy_label_train", trained=True)

    def _is_stored(self, rater: RaterConfig) -> bool:
        return self._writer is not None and self._writer.has_rater(rater.id, rater.fingerprint(self._data_fingerprint))

    def _checkpoints(self, rater: RaterConfig) -> Checkpoints:
        return Checkpoints(self._out / _CHECKPOINTS / rater.id, rater.fingerprint(self._data_fingerprint))

    def finish(self, failures: Mapping[str, str], note: str) -> bool:
        """Writes the manifest if no rater is missing; returns whether none is."""
        stored = [r.id for r, kept in zip(self._pool.raters, self._stored_of_pool(), strict=True) if kept]
        if len(stored) + len(failures) < len(self._pool.raters):
            return False
        if not stored:
            raise PoolError(f"pool {self._pool.name}: every rater failed: {'; '.join(failures.values())}")
        if self._writer is not None:
            if not (self._out / "manifest.json").exists() or failures:
                self._writer.finish(stored, failures=failures, provenance=_provenance(self._pool, note))
            shutil.rmtree(self._out / _CHECKPOINTS, ignore_errors=True)
        return True

    def _stored_of_pool(self) -> np.ndarray:
        return self._devices.agreed(np.array([self._is_stored(rater) for rater in self._pool.raters]))


def _writer(dataset: CleanDataset, pool: PoolConfig, out: pathlib.Path) -> PredictionsWriter:
    return PredictionsWriter(
        out,
        dataset=dataset.name,
        level=pool.level,
        base={"name": dataset.base_name, "version": dataset.base_version},
        split_plan=dataset.split_plan,
        class_names=dataset.class_names,
        examples={split: (dataset.splits[split].ids, dataset.splits[split].labels) for split in LABELLED_SPLITS},
    )


def _in_threads(
    train: Callable[[list[RaterConfig]], dict[str, str]], groups: list[list[RaterConfig]], at_once: int
) -> dict[str, str]:
    """Trains groups of raters, `at_once` of them beside one another; returns the failures by rater id.

    What interrupts one of them, or the caller, ends the run without waiting for the others: what is stored is whole.
    """
    executor = concurrent.futures.ThreadPoolExecutor(at_once)
    futures = [executor.submit(train, group) for group in groups]
    try:
        for future in concurrent.futures.as_completed(futures):
            future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()
    return {rater_id: reason for future in futures for rater_id, reason in future.result().items()}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities [n, K] float64 of logits [n, K]."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def train_rater(
    dataset: CleanDataset,
    rater: RaterConfig,
    *,
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
    checkpoints: Checkpoints | None = None,
    devices: Devices = DEFAULT_DEVICE,
    streamed: bool | None = None,
) -> Labels:
    """Trains one rater on `clean_label_train` and has it label the other splits.

    Args:
      dataset: the five clean splits.
      rater: the network and how it is trained.
      on_progress: called every few seconds with the steps done and the mean loss of the steps since the last call.
      checkpoints: where its state is kept from time to time, and from where it goes on; None: nowhere.
      devices, streamed: as of `engine.train`.

    Returns:
      Class probabilities, labelled split -> [n, K] float64, and the rater's features (JSON): what
      `PredictionsWriter.write_rater` takes.

    Raises:
      TrainingDataError, DevicesError, Diverged, CheckpointError: as `engine.train`.
    """
    clean = dataset.splits["clean_label_train"]
    trained = engine.train(
        rater,
        np.asarray(clean.images),
        clean.labels,
        num_classes=len(dataset.class_names),
        on_progress=on_progress,
        checkpoints=checkpoints,
        devices=devices,
        streamed=streamed,
    )
    return _said(dataset, rater, trained)


def _said(dataset: CleanDataset, rater: RaterConfig, trained: TrainedRater) -> Labels:
    probabilities = {
        split: softmax(trained.logits(dataset.splits[split].images, with_flip=rater.label_with_flip))
        for split in LABELLED_SPLITS
    }
    known = {
        "architecture": rater.architecture,
        "width": rater.width,
        "num_parameters": trained.num_parameters,
        "steps": rater.steps,
        "batch_size": rater.batch_size,
        "learning_rate": rater.learning_rate,
        "seed": rater.seed,
        "experience": rater.examples_seen,
        **features.performance(probabilities["clean_label_valid"], dataset.splits["clean_label_valid"].labels),
        "wall_seconds": round(trained.wall_seconds, 1),
        "training_log": _training_log(trained),
    }
    return probabilities, known


def _training_log(trained: TrainedRater) -> Mapping[str, Any]:
    """Returns when, where and with what a rater was trained, and how its loss fell."""
    device = jax.devices()[0]
    every = -(-len(trained.history) // _LOSSES_KEPT)
    kept = trained.history[::-1][::every][::-1]  # from the end, so that the final loss is among them
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": f"{device.platform}: {device.device_kind}",
        **({"devices": trained.devices.count} if trained.devices.count > 1 else {}),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "python": platform.python_version(),
        "software": {name: importlib.metadata.version(name) for name in _SOFTWARE},
        "losses": [{"step": step, "loss": round(loss, 4)} for step, loss in kept],
    }


def _provenance(pool: PoolConfig, note: str) -> Mapping[str, Any]:
    return {
        "pool": dataclasses.asdict(pool),
        "trained_on": "clean_label_train",
        "labels": "argmax of the probabilities",
        **({"note": note} if note else {}),
    }


def _check(dataset: CleanDataset, pool: PoolConfig) -> None:
    unknown = sorted({rater.architecture for rater in pool.raters} - set(architectures.ARCHITECTURES))
    if unknown:
        allowed = ", ".join(sorted(architectures.ARCHITECTURES))
        raise PoolError(f"pool {pool.name} names the architectures {', '.join(unknown)}; there are {allowed}")
    image_shape = dataset.splits["clean_label_train"].images.shape[1:]
    given = (dataset.name, tuple(image_shape), len(dataset.class_names))
    wanted = (pool.dataset, tuple(pool.image_shape), pool.num_classes)
    if given != wanted:
        raise PoolError(f"pool {pool.name} is for (dataset, image shape, classes) {wanted}; these arrays are {given}")
