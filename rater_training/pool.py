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
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from noisy_label_datasets.arrays import CleanDataset
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.metrics import rater_error_rate
from noisy_label_datasets.predictions import PredictionsWriter
from noisy_label_datasets.splits import LABELLED_SPLITS
from rater_training import architectures, engine, features
from rater_training.checkpoints import Checkpoints
from rater_training.config import PoolConfig, RaterConfig
from rater_training.weights import PoolWeights

_SOFTWARE = ("jax", "jaxlib", "flax", "optax", "numpy")
_LOSSES_KEPT = 20
CHECKPOINTS = "checkpoints"  # beside the artifact's files while raters are in training
WEIGHTS = "weights"  # beside them where weights are kept


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
    keep_weights: bool = False,
) -> bool:
    """Trains what is missing of a pool, labels the splits it was not trained on, writes the artifact.

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
      keep_weights: store the trained networks too, in `out/weights` (`rater_training.weights`). Raters whose labels are
        stored without their weights are trained anew.

    Returns:
      Whether the artifact is finished.

    Raises:
      PoolError: the pool is for another dataset, image shape or number of classes; or every rater failed.
      PredictionsError: `out` holds something else.
    """
    check_pool(dataset, pool)
    wanted = pool.select(only) if only else pool.raters
    data_fingerprint = dataset.fingerprint()
    writer = open_writer(dataset, pool.level, out)
    weights = PoolWeights(pathlib.Path(out) / WEIGHTS) if keep_weights else None

    def train(position: int, rater: RaterConfig) -> str | None:
        """Trains and stores a rater; returns why it failed, if it did."""
        fingerprint = rater.fingerprint(data_fingerprint)
        listener.started(rater, position)
        if writer.has_rater(rater.id, fingerprint) and (weights is None or weights.has_rater(rater.id, fingerprint)):
            listener.finished(rater, "stored already", trained=False)
            return None
        checkpoints = Checkpoints(pathlib.Path(out) / CHECKPOINTS / rater.id, fingerprint)
        try:
            probabilities, known, trained = train_rater(dataset, rater, listener, checkpoints)
        except engine.Diverged as error:
            # As happened to one of the paper's PCam raters (Appendix A): the pool goes without it, and says so.
            listener.finished(rater, f"FAILED: {error}", trained=True)
            return str(error)
        if weights is not None:
            weights.save_rater(
                rater,
                trained,
                image_shape=pool.image_shape,
                num_classes=pool.num_classes,
                fingerprint=fingerprint,
                features=known,
            )
        writer.write_rater(rater.id, fingerprint=fingerprint, probabilities=probabilities, features=known)
        checkpoints.remove()
        noisy = {split: p.argmax(axis=1)[:, None] for split, p in probabilities.items()}
        error_rate = rater_error_rate(noisy["noisy_label_train"], dataset.splits["noisy_label_train"].labels)
        listener.finished(rater, f"error rate {error_rate:.3f} on noisy_label_train", trained=True)
        return None

    jobs = [(position, rater) for position, rater in enumerate(pool.raters) if rater in wanted]
    failures = _run(train, jobs, at_once)
    return finish_pool(writer, dataset, pool, failures, note=note)


def open_writer(dataset: CleanDataset, level: str, out: str | os.PathLike) -> PredictionsWriter:
    """Returns the writer of the artifact of a pool that labels a dataset; opens a folder, new or begun."""
    return PredictionsWriter(
        out,
        dataset=dataset.name,
        level=level,
        base={"name": dataset.base_name, "version": dataset.base_version},
        split_plan=dataset.split_plan,
        class_names=dataset.class_names,
        examples={split: (dataset.splits[split].ids, dataset.splits[split].labels) for split in LABELLED_SPLITS},
    )


def finish_pool(
    writer: PredictionsWriter, dataset: CleanDataset, pool: PoolConfig, failures: Mapping[str, str], *, note: str = ""
) -> bool:
    """Makes a finished artifact of a folder in which no rater is missing; returns whether that is so.

    Raises:
      PoolError: every rater failed.
    """
    fingerprint = dataset.fingerprint()
    stored = [rater.id for rater in pool.raters if writer.has_rater(rater.id, rater.fingerprint(fingerprint))]
    if len(stored) + len(failures) < len(pool.raters):
        return False
    if not stored:
        raise PoolError(f"pool {pool.name}: every rater failed: {'; '.join(failures.values())}")
    provenance = _provenance(pool, note)
    if not (writer.folder / "manifest.json").exists() or failures:
        writer.finish(stored, failures=failures, provenance=provenance)
    if (writer.folder / WEIGHTS).exists():
        PoolWeights(writer.folder / WEIGHTS).finish(
            pool, class_names=dataset.class_names, rater_ids=stored, failures=failures, provenance=provenance
        )
    shutil.rmtree(writer.folder / CHECKPOINTS, ignore_errors=True)
    return True


def _run(
    train: Callable[[int, RaterConfig], str | None], jobs: list[tuple[int, RaterConfig]], at_once: int
) -> dict[str, str]:
    """Trains raters, `at_once` of them beside one another; returns the failures by rater id.

    What interrupts one of them, or the caller, ends the run without waiting for the others: what is stored is whole.
    """
    executor = concurrent.futures.ThreadPoolExecutor(at_once)
    futures = {executor.submit(train, position, rater): rater for position, rater in jobs}
    try:
        for future in concurrent.futures.as_completed(futures):
            future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()
    return {rater.id: reason for future, rater in futures.items() if (reason := future.result()) is not None}


def label(trained: engine.TrainedRater, images: np.ndarray, *, with_flip: bool) -> np.ndarray:
    """Returns a rater's class probabilities [n, K] float64 of images [n, h, w, c] uint8."""
    return softmax(trained.logits(images, with_flip=with_flip))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities [n, K] float64 of logits [n, K]."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def train_rater(
    dataset: CleanDataset, rater: RaterConfig, listener: Listener, checkpoints: Checkpoints
) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any], engine.TrainedRater]:
    """Returns a new rater's class probabilities, split -> [n, K], its features, and the network itself.

    Raises:
      Diverged: the loss is no longer finite.
      CheckpointError: the checkpoint is of another configuration or of other data.
    """
    clean = dataset.splits["clean_label_train"]
    trained = engine.train(
        rater,
        np.asarray(clean.images),
        clean.labels,
        num_classes=len(dataset.class_names),
        on_progress=lambda step, loss: listener.progressed(rater, step, loss),
        checkpoints=checkpoints,
    )
    probabilities = {
        split: label(trained, dataset.splits[split].images, with_flip=rater.label_with_flip)
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
    return probabilities, known, trained


def _training_log(trained: engine.TrainedRater) -> Mapping[str, Any]:
    """Returns when, where and with what a rater was trained, and how its loss fell."""
    device = jax.devices()[0]
    every = -(-len(trained.history) // _LOSSES_KEPT)
    kept = trained.history[::-1][::every][::-1]  # from the end, so that the final loss is among them
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": f"{device.platform}: {device.device_kind}",
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


def check_pool(dataset: CleanDataset, pool: PoolConfig) -> None:
    """Raises PoolError if a pool is for another dataset, or has an architecture that there is not."""
    unknown = sorted({rater.architecture for rater in pool.raters} - set(architectures.ARCHITECTURES))
    if unknown:
        allowed = ", ".join(sorted(architectures.ARCHITECTURES))
        raise PoolError(f"pool {pool.name} names the architectures {', '.join(unknown)}; there are {allowed}")
    image_shape = dataset.splits["clean_label_train"].images.shape[1:]
    given = (dataset.name, tuple(image_shape), len(dataset.class_names))
    wanted = (pool.dataset, tuple(pool.image_shape), pool.num_classes)
    if given != wanted:
        raise PoolError(f"pool {pool.name} is for (dataset, image shape, classes) {wanted}; these arrays are {given}")
