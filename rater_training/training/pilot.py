"""Pilots: how often a rater errs on `clean_label_valid` after growing numbers of steps, before any pool is made.

    pilots = run_pilots(dataset, raters, "pilots/photos_noisy", PilotLines(raters), enough=0.07)
    pilots[0].candidates     # ((RaterConfig(..., steps=1, schedule_steps=400), 0.9), ...)

A candidate is a whole configuration, and its error rate is exactly that of the rater which is trained by it: a pilot is
that training, looked at on its way (`RaterConfig.schedule_steps`). Raters on the features of a published network are
trained to the end on growing shares of them. A pilot is stored as soon as it is done and not run again.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from noisy_label_datasets import schema
from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.files import to_json, write_atomically
from rater_training.config import RaterConfig
from rater_training.engine import frozen, raters
from rater_training.engine.examples import Normalization
from rater_training.engine.loop import Diverged
from rater_training.engine.trained import TrainedRater
from rater_training.training.one_rater import label

SHARES = (0.01, 0.02, 0.04, 0.08, 0.2, 0.5, 1.0)
"""Of a published network's features, that a frozen rater is tried on."""

MOST_MEASURED = 2000
"""How many images of `clean_label_valid` an error rate is measured on at most, drawn at random."""

_FORMAT = "noisy_label_datasets/pilot"
_STORED = schema.Record(
    {
        "format": schema.Exactly(_FORMAT),
        "format_version": schema.Exactly(1),
        "fingerprint": schema.Text(),
        "measured": schema.ListOf(schema.ListOf(schema.Number(0), least=2, most=2)),
        "is_whole": schema.OneOf((True, False)),
    }
)


class PilotListener(Protocol):
    """Is informed of pilots; from several threads."""

    def measured(self, rater: RaterConfig, value: float, error: float) -> None:
        """A rater has this error rate; value: its steps, or the share of features that it sees."""

    def finished(self, rater: RaterConfig, message: str) -> None:
        """The pilot of a rater is over, or was stored already."""


@dataclasses.dataclass(frozen=True)
class Pilot:
    """What the pilot of one rater has shown.

    Attributes:
      rater: whose pilot it is.
      measured: (steps or share, error rate), in the order in which they were measured.
      is_whole: whether there is nothing more to be measured; else it was stopped, since the rater erred little enough.
    """

    rater: RaterConfig
    measured: tuple[tuple[float, float], ...]
    is_whole: bool

    @property
    def candidates(self) -> tuple[tuple[RaterConfig, float], ...]:
        """Each configuration that was measured, with its error rate."""
        return tuple((_candidate(self.rater, value), error) for value, error in self.measured)

    def is_enough(self, enough: float) -> bool:
        """Returns whether there is nothing more to be measured for a rater that errs as little as `enough`."""
        return self.is_whole or any(error <= enough for _, error in self.measured)


def run_pilots(
    dataset: CleanDataset,
    of_raters: Sequence[RaterConfig],
    folder: str | os.PathLike,
    listener: PilotListener,
    *,
    enough: float,
    num_parallel: int = 1,
) -> list[Pilot]:
    """Returns the pilots of raters, those that are stored and those that are run now; stores each when it is done.

    Args:
      dataset: the raters are trained on its `clean_label_train`.
      of_raters: each with the most steps that it may be trained for.
      folder: where pilots are stored, new or begun; of other data or raters they are run again.
      listener: informed of the progress.
      enough: an error rate at which a pilot is stopped.
      num_parallel: how many are run in parallel, with the same results.

    Raises:
      TrainingDataError, PretrainedError: as `engine.raters.train`.
      OSError: a pilot cannot be stored.
    """
    data_fingerprint = dataset.fingerprint()
    normalization = Normalization.of(dataset.splits["clean_label_train"].images)
    measured_on = _drawn(dataset)

    def pilot_of(rater: RaterConfig) -> Pilot:
        path, fingerprint = pathlib.Path(folder) / f"{rater.id}.json", rater.fingerprint(data_fingerprint)
        stored = _read(path, rater, fingerprint)
        if stored is not None and stored.is_enough(enough):
            listener.finished(rater, "pilot stored already")
            return stored
        pilot = _run(dataset, rater, measured_on, normalization, enough, listener)
        write_atomically(path, to_json(_to_json(pilot, fingerprint)))
        listener.finished(rater, f"pilot stored, {len(pilot.measured)} error rates")
        return pilot

    executor = concurrent.futures.ThreadPoolExecutor(num_parallel)
    futures = [executor.submit(pilot_of, rater) for rater in of_raters]
    try:
        return [future.result() for future in futures]
    finally:  # an interrupt or a failure does not wait for the others: what is stored is complete
        executor.shutdown(wait=False, cancel_futures=True)


class _Enough(Exception):
    """A pilot has shown what it was run for."""


def _run(
    dataset: CleanDataset,
    rater: RaterConfig,
    measured_on: tuple[np.ndarray, np.ndarray],
    normalization: Normalization,
    enough: float,
    listener: PilotListener,
) -> Pilot:
    clean, num_classes = dataset.splits["clean_label_train"], len(dataset.class_names)
    images = np.asarray(clean.images)
    measured: list[tuple[float, float]] = []

    def measure(value: float, trained: TrainedRater) -> None:
        probabilities = label(trained, measured_on[0], with_flip=rater.label_with_flip)
        error = float((probabilities.argmax(axis=1) != measured_on[1]).mean())
        measured.append((value, error))
        listener.measured(rater, value, error)
        if error <= enough:
            raise _Enough

    try:
        if rater.frozen:
            for share in SHARES:
                trained = frozen.train(_candidate(rater, share), images, clean.labels, num_classes=num_classes)
                measure(share, trained)
        else:
            raters.train(
                rater,
                images,
                clean.labels,
                num_classes=num_classes,
                normalization=normalization,
                watched_at=growing_steps(rater.steps),
                watch=measure,
            )
    except _Enough:
        return Pilot(rater, tuple(measured), is_whole=False)
    except Diverged:  # what it was before is as good as any other
        pass
    return Pilot(rater, tuple(measured), is_whole=True)


def growing_steps(most: int) -> tuple[int, ...]:
    """Returns the steps after which a pilot of at most so many is measured: 1, 2, ..., 15, 16, 18, 20, 22, ..."""
    steps, step = [], 1
    while step < most:
        steps.append(step)
        step = max(step + 1, round(step * 11 / 10))
    return (*steps, most)


def _candidate(rater: RaterConfig, value: float) -> RaterConfig:
    """Returns the configuration of a rater that a pilot has measured; value: its steps, or the share of features."""
    if rater.frozen:
        return dataclasses.replace(rater, features_share=float(value))
    if value == rater.steps:
        return rater
    return dataclasses.replace(rater, steps=int(value), schedule_steps=rater.steps)


def _drawn(dataset: CleanDataset) -> tuple[np.ndarray, np.ndarray]:
    """Returns images and labels of `clean_label_valid`, of which at most `MOST_MEASURED` are drawn."""
    valid = dataset.splits["clean_label_valid"]
    rows = np.sort(np.random.default_rng(0).permutation(len(valid))[:MOST_MEASURED])
    return np.asarray(valid.images)[rows], np.asarray(valid.labels)[rows]


def _read(path: pathlib.Path, rater: RaterConfig, fingerprint: str) -> Pilot | None:
    """Returns a stored pilot; None: there is none of this rater and these data that can be read."""
    try:
        stored = schema.read_json(path.read_bytes(), _STORED)
    except (OSError, schema.SchemaError):
        return None
    if stored["fingerprint"] != fingerprint:
        return None
    measured = tuple((value, error) for value, error in stored["measured"])
    return Pilot(rater, measured, bool(stored["is_whole"]))


def _to_json(pilot: Pilot, fingerprint: str) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "format_version": 1,
        "fingerprint": fingerprint,
        "measured": [list(pair) for pair in pilot.measured],
        "is_whole": pilot.is_whole,
    }
