"""Trains the raters of a pool and stores each as soon as it is done.

    train_pool(CleanDataset.load(folder), get_pool("digits/medium"), "predictions/digits_noisy/medium")

Killed at any moment and started again, it resumes with the raters that are not stored, each from its last checkpoint.
Started twice at a time, the second run waits for the rater that the first is training, and says for whom it waits.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import jax
import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.lease import Lease
from noisy_label_datasets.noise.metrics import rater_error_rate
from rater_training.config import PoolConfig, RaterConfig
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.devices import DEFAULT_DEVICE, Devices
from rater_training.engine.examples import Normalization, is_streamed
from rater_training.engine.loop import Diverged
from rater_training.engine.raters import train_vmapped, vmappable_groups
from rater_training.pretrained.start import check_available
from rater_training.training.one_rater import RaterResult, label_splits, train_rater
from rater_training.training.pool_folder import PoolError, PoolFolder, check_pool, checkpoints_folder


class Listener(Protocol):
    """Is informed of the progress of a pool; from several threads where raters are trained in parallel."""

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
    num_parallel: int = 1,
    num_vmapped: int | None = 1,
    devices: Devices = DEFAULT_DEVICE,
    streamed: bool | None = None,
    save_weights: bool = False,
) -> bool:
    """Trains what is missing of a pool, labels the splits it was not trained on, writes the artifact.

    Of several processes (`engine.devices`) each calls it with the same arguments; process 0 alone writes.

    Args:
      dataset: the five clean splits; the raters are trained on `clean_label_train`.
      pool: which raters.
      out: folder of the rater-prediction artifact, new or unfinished.
      listener: informed of the progress.
      only: ids of the raters to train in this run; all where empty. The artifact is finished by the run after which
        no rater is missing.
      note: a note for the provenance, stored by the run that finishes the artifact.
      num_parallel: how many raters are trained in parallel, each with the same result as alone. One network does not
        keep the cores of a CPU busy, least of all while it is compiled; an accelerator is busy with one.
      num_vmapped: at most how many raters of one architecture are trained in one loop (`jax.vmap`), each
        with the same result as alone but for rounding; None: any number. Raters whose images are streamed are not.
      devices: which share every batch.
      streamed: as of `engine.raters.train`.
      save_weights: store the trained networks too, in `out/weights` (`training.weights`). Raters whose labels are
        stored without their weights are trained again. Not with several processes.

    Returns:
      Whether the artifact is finished.

    Raises:
      PoolError: the pool is for another dataset, image shape or number of classes; or every rater failed.
      LeaseLost: another process has taken over one of the raters, having seen no sign of life of this one.
      HeldError: of several processes, another run is training one of the raters.
      PredictionsError: `out` holds something else.
      PretrainedError: published weights that a rater starts from are not installed; nothing was trained.
      TrainingDataError, DevicesError, CheckpointError: as `engine.raters.train`.
    """
    check_pool(dataset, pool)
    if save_weights and jax.process_count() > 1:
        raise PoolError(f"weights are saved by one process, not by {jax.process_count()}")
    if num_parallel > 1 and devices.count > 1:
        raise PoolError(
            f"num_parallel is {num_parallel}; on {devices.count} devices, which share every batch, it has to be 1"
        )
    wanted = pool.select(only) if only else pool.raters
    run = _Run(dataset, pool, out, listener, devices, streamed, save_weights)
    run.check_weights(wanted)
    failures = _in_threads(run.train, run.groups(wanted, num_vmapped), num_parallel)
    return run.finish(failures, note)


class _Run:
    """One call of `train_pool`."""

    def __init__(
        self,
        dataset: CleanDataset,
        pool: PoolConfig,
        out: str | os.PathLike,
        listener: Listener,
        devices: Devices,
        streamed: bool | None,
        save_weights: bool,
    ) -> None:
        self._dataset, self._pool, self._out, self._listener = dataset, pool, out, listener
        self._devices, self._streamed = devices, streamed
        self._data_fingerprint = dataset.fingerprint()
        self._lock = threading.Lock()  # groups of raters are trained in several threads
        self._statistics: Normalization | None = None
        self._leases: dict[str, Lease] = {}  # by rater id, of process 0
        self._folder: PoolFolder | None = None  # process 0 alone writes
        if devices.is_primary:
            self._folder = PoolFolder(
                dataset, pool, out, data_fingerprint=self._data_fingerprint, save_weights=save_weights
            )

    def check_weights(self, raters: Sequence[RaterConfig]) -> None:
        """Raises PretrainedError if published weights are missing that a rater yet to be trained starts from."""
        for rater in raters:
            if rater.pretrained and not self._is_stored(rater):
                check_available(rater)

    def groups(self, raters: Sequence[RaterConfig], num_vmapped: int | None) -> list[list[RaterConfig]]:
        """Returns the raters in groups, each of which is trained in one loop."""
        images = self._dataset.splits["clean_label_train"].images
        groups: list[list[RaterConfig]] = []
        for group in vmappable_groups(raters, num_vmapped):
            if group[0].frozen or is_streamed(images, group[0].augmentation, self._devices, self._streamed):
                # Each streamed one has an order of its own: vmapped they would share only the copy from the host.
                # Frozen ones share their features as it is.
                groups.extend([rater] for rater in group)
            else:
                groups.append(group)
        return groups

    def train(self, group: list[RaterConfig]) -> dict[str, str]:
        """Trains and stores the raters of a group; returns why they failed, by id, of those that did."""
        for rater in group:
            self._listener.started(rater, self._pool.raters.index(rater))
        with contextlib.ExitStack() as claims:
            if self._folder is not None:
                for rater in group:
                    if not self._is_stored(rater):
                        self._leases[rater.id] = claims.enter_context(self._lease(rater))
            return self._train_missing(group)

    def _train_missing(self, group: list[RaterConfig]) -> dict[str, str]:
        failures = {}
        # Asked after the leases were taken: another process may have stored a rater in the meantime.
        is_missing = ~self._devices.broadcast(np.array([self._is_stored(rater) for rater in group]))
        missing = [rater for rater, missing in zip(group, is_missing, strict=True) if missing]
        for rater in group:
            if rater not in missing:
                self._listener.finished(rater, "stored already", trained=False)
        for rater, outcome in self._outcomes(group, missing):
            if isinstance(outcome, Diverged):
                # As happened to one of the paper's PCam raters (Appendix A): the manifest says so.
                failures[rater.id] = str(outcome)
                self._listener.finished(rater, f"FAILED: {outcome}", trained=True)
            else:
                self._store(rater, outcome)
        return failures

    def _outcomes(
        self, group: list[RaterConfig], missing: list[RaterConfig]
    ) -> Iterator[tuple[RaterConfig, RaterResult | Diverged]]:
        checkpoints = {rater.id: self._checkpoints(rater) for rater in missing}
        if len(group) == 1:
            for rater in missing:
                try:
                    yield rater, self._alone(rater, checkpoints[rater.id])
                except Diverged as error:
                    yield rater, error
            return
        clean = self._dataset.splits["clean_label_train"]
        training = train_vmapped(
            group,
            np.asarray(clean.images),
            clean.labels,
            num_classes=len(self._dataset.class_names),
            on_progress=self._progressed,
            checkpoints=checkpoints,
            active=[rater.id for rater in missing],
            devices=self._devices,
            normalization=self._normalization(),
        )
        for rater, result in training:
            yield rater, result if isinstance(result, Diverged) else label_splits(self._dataset, rater, result)

    def _alone(self, rater: RaterConfig, checkpoints: Checkpoints) -> RaterResult:
        return train_rater(
            self._dataset,
            rater,
            on_progress=lambda step, loss: self._progressed(rater, step, loss),
            checkpoints=checkpoints,
            devices=self._devices,
            streamed=self._streamed,
            normalization=self._normalization(),
        )

    def _progressed(self, rater: RaterConfig, step: int, loss: float) -> None:
        if rater.id in self._leases:
            self._leases[rater.id].check()
        self._listener.progressed(rater, step, loss)

    def _lease(self, rater: RaterConfig) -> Lease:
        """Returns the claim to a rater, so that no two processes write checkpoints to one folder.

        Workers of a pipeline take the same one. Process 0 of several does not wait, since the others wait for it.
        """
        return Lease(checkpoints_folder(self._out) / f"{rater.id}.lease", wait=jax.process_count() == 1)

    def _normalization(self) -> Normalization:
        """Returns the statistics of the training images, which all raters share; computed once."""
        with self._lock:
            if self._statistics is None:
                self._statistics = Normalization.of(self._dataset.splits["clean_label_train"].images)
            return self._statistics

    def _store(self, rater: RaterConfig, result: RaterResult) -> None:
        if self._folder is not None:
            self._leases[rater.id].check()
            self._folder.write_rater(rater, result)
            self._checkpoints(rater).remove()
        noisy = result.probabilities["noisy_label_train"].argmax(axis=1)[:, None]
        error_rate = rater_error_rate(noisy, self._dataset.splits["noisy_label_train"].labels)
        self._listener.finished(rater, f"error rate {error_rate:.3f} on noisy_label_train", trained=True)

    def _is_stored(self, rater: RaterConfig) -> bool:
        return self._folder is not None and self._folder.has_rater(rater)

    def _checkpoints(self, rater: RaterConfig) -> Checkpoints:
        return Checkpoints(checkpoints_folder(self._out) / rater.id, rater.fingerprint(self._data_fingerprint))

    def finish(self, failures: Mapping[str, str], note: str) -> bool:
        """Writes the manifest if no rater is missing; returns whether none is."""
        # All but process 0 take its word.
        finished = self._folder is None or self._folder.finish(failures, note=note)
        return bool(self._devices.broadcast(np.array(finished)))


def _in_threads(
    train: Callable[[list[RaterConfig]], dict[str, str]], groups: list[list[RaterConfig]], num_parallel: int
) -> dict[str, str]:
    """Trains groups of raters, `num_parallel` of them in parallel; returns the failures by rater id.

    An exception in one of them, or in the caller, ends the run without waiting; what is stored is complete.
    """
    executor = concurrent.futures.ThreadPoolExecutor(num_parallel)
    futures = [executor.submit(train, group) for group in groups]
    try:
        for future in concurrent.futures.as_completed(futures):
            future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        raise
    executor.shutdown()
    return {rater_id: reason for future in futures for rater_id, reason in future.result().items()}
