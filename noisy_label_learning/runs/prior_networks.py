"""Networks that a corrector or an algorithm has trained beforehand: each is trained once, and what came of it is kept.

    prior = PriorNetworks(problem, "runs/digits")
    logits, of_valid = prior.classifier_logits(config, rows, labels, seed)      # LQM's auxiliary classifier
    probabilities = prior.first_network(config, targets)                        # of F-correction

    runs/digits/
      prior_networks/<key>.npz      # predictions, for every run that needs them; removed, they are computed again
      checkpoints/<key>/            # of one in training, removed at its end

The key is a hash of images, labels, network, schedule and seed: runs whose settings differ elsewhere share a network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from noisy_label_datasets.files import pack_arrays, sha256, to_json, unpack_arrays, write_atomically
from noisy_label_datasets.lease import taking_turns
from noisy_label_learning.correctors.base import one_hot
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import Problem
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.evaluating import LabelledChunks
from noisy_label_learning.runs.training import TrainedClassifier, normalization_of, trained_classifier
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.examples import Normalization

_FORMAT_VERSION = 2
_LOGITS = 2  # arrays of a classifier, before those of the network itself
# Of a training's length and highest rate: the first that were tried. Few labels are soon learned, and what was learned
# of many is to be kept.
_TUNING_LENGTH, _TUNING_RATE = 0.25, 0.1
OnPriorEpoch = Callable[[RunConfig, str, int, int], None]
"""The run that needs the network, what it is for, epochs done, of how many."""


class PriorNetworks:
    """Classifiers that are trained by cross-entropy on one problem's images."""

    def __init__(
        self,
        problem: Problem,
        folder: str | os.PathLike | None = None,
        *,
        of_images: Normalization | None = None,
        on_epoch: OnPriorEpoch = lambda config, what, epoch, epochs: None,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        """Opens them.

        Args:
          problem: whose images and labels are learned from.
          folder: of runs, where predictions and checkpoints are kept; None: in memory, and nothing is resumed.
          of_images: statistics of the training images; None: they are computed.
          on_epoch: is told of the progress.
          checkpoint_seconds: how long after a checkpoint the next one is due.
        """
        self._problem = problem
        self._folder = None if folder is None else pathlib.Path(folder)
        self._of_images = Normalization.of(problem.data.train.images) if of_images is None else of_images
        self._on_epoch = on_epoch
        self._checkpoint_seconds = checkpoint_seconds
        self._found: dict[str, tuple[np.ndarray, ...]] = {}

    @functools.cached_property  # of most problems no network is trained beforehand
    def _valid(self) -> LabelledChunks:
        valid = self._problem.data.valid
        return LabelledChunks.of(np.asarray(valid.images), valid.noisy_label)

    def classifier_logits(
        self,
        config: RunConfig,
        rows: np.ndarray,
        labels: np.ndarray,
        seed: int,
        tuned_on: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the logits of an auxiliary classifier that is trained for as many steps as a run; see `Tools`.

        Args:
          config: the run that needs it.
          rows: [m] of the training split, what it is trained on.
          labels: [m].
          seed: of everything.
          tuned_on: rows [p] and cleaner labels [p] that it is fine-tuned on thereafter.

        Returns:
          [n, K] and [v, K] float32, of the training and of the validation images.

        Raises:
          LearningError: a network with random numbers of its own cannot be fine-tuned.
        """

        def score(found: TrainedClassifier) -> float:
            accuracy, loss = found.evaluator.measure(found.params, found.statistics, self._valid)
            return float(accuracy - 1e-3 * loss)  # of equal accuracies the lower loss, as runs are selected

        def train(checkpoints: Checkpoints | None) -> Iterable[np.ndarray]:
            found = self._trained(config, "an auxiliary classifier", rows, labels, seed, checkpoints, score=score)
            return (*self._logits(found), *((found.leaves() or ()) if tuned_on else ()))

        first = self._kept(
            config, "classifier", (rows, labels), seed, train, least=_LOGITS + 1 if tuned_on else _LOGITS
        )
        if tuned_on is None:
            return first[0], first[1]
        starts_from = first[_LOGITS:]
        if not starts_from:
            raise LearningError(f"{config.network.architecture} has random numbers of its own: it cannot be fine-tuned")

        def tune(checkpoints: Checkpoints | None) -> Iterable[np.ndarray]:
            of_tuning = dataclasses.replace(
                config.schedule,
                epochs=max(1, round(_TUNING_LENGTH * config.schedule.epochs)),
                learning_rate=_TUNING_RATE * config.schedule.learning_rate,
            )
            return self._logits(
                self._trained(
                    dataclasses.replace(config, schedule=of_tuning),
                    "an auxiliary classifier, fine-tuned",
                    *tuned_on,
                    seed,
                    checkpoints,
                    starts_from=starts_from,
                )
            )

        of_train, of_valid = self._kept(config, "tuned_classifier", (rows, labels, *tuned_on), seed, tune)
        return of_train, of_valid

    def first_network(self, config: RunConfig, targets: np.ndarray) -> np.ndarray:
        """Returns the class probabilities [n, K] float64 of a network that is trained on a run's own targets [n, K].

        It is that of the epoch with the lowest loss on noisy validation (Patrini et al. 2017).
        """

        def score(found: TrainedClassifier) -> float:
            return -float(found.evaluator.measure(found.params, found.statistics, self._valid)[1])

        def train(checkpoints: Checkpoints | None) -> Iterable[np.ndarray]:
            rows = np.arange(len(targets))
            found = self._trained(config, "a first network", rows, targets, config.seed, checkpoints, score=score)
            yield next(self._logits(found))

        (log_p,) = self._kept(config, "first_network", (targets,), config.seed, train)
        return np.exp(log_p.astype(np.float64))

    def _trained(
        self,
        config: RunConfig,
        what: str,
        rows: np.ndarray,
        labels: np.ndarray,
        seed: int,
        checkpoints: Checkpoints | None,
        *,
        score: Callable[[TrainedClassifier], float] | None = None,
        starts_from: tuple[np.ndarray, ...] | None = None,
    ) -> TrainedClassifier:
        """Trains a network on labels [m] or targets [m, K]; of the epoch of the highest score, or the last."""
        data, schedule = self._problem.data, config.schedule

        def on_epoch(epoch: int, found: TrainedClassifier) -> float:
            self._on_epoch(config, what, epoch, schedule.epochs)
            return epoch if score is None else score(found)

        return trained_classifier(
            np.asarray(data.train.images)[rows],
            one_hot(labels, data.num_classes) if labels.ndim == 1 else labels,
            config.network,
            schedule,
            normalization=normalization_of(config.network, self._of_images),
            steps=schedule.epochs * schedule.steps_per_epoch(len(data.train)),
            seed=seed,
            starts_from=starts_from,
            on_epoch=on_epoch,
            checkpoints=checkpoints,
        )

    def _logits(self, found: TrainedClassifier) -> Iterator[np.ndarray]:
        """Yields those of the training images [n, K], then of the validation images [v, K]."""
        for split in (self._problem.data.train, self._problem.data.valid):
            yield found.log_probabilities(split.images)

    def _kept(
        self,
        config: RunConfig,
        kind: str,
        learned_from: tuple[np.ndarray, ...],
        seed: int,
        train: Callable[[Checkpoints | None], Iterable[np.ndarray]],
        *,
        least: int = 1,
    ) -> tuple[np.ndarray, ...]:
        """Returns what `train` returns, or once returned, if these are at least so many arrays."""
        key = self._key(config, kind, learned_from, seed)
        with contextlib.ExitStack() as turns:
            if self._folder is None:
                if len(self._found.get(key, ())) < least:
                    self._found[key] = tuple(train(None))
                return self._found[key]
            path = self._folder / "prior_networks" / f"{key}.npz"
            checkpoints = Checkpoints(self._folder / "checkpoints" / key, key, every_seconds=self._checkpoint_seconds)
            if (found := _stored(path, least)) is None:
                turns.enter_context(taking_turns(self._folder / "checkpoints" / key))
                found = _stored(path, least)  # perhaps by whoever had the lease before
            if found is None:
                found = tuple(train(checkpoints))
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, pack_arrays({str(number): array for number, array in enumerate(found)}))
                checkpoints.remove()
            return found

    def _key(self, config: RunConfig, kind: str, learned_from: tuple[np.ndarray, ...], seed: int) -> str:
        digest = hashlib.sha256()
        for array in learned_from:
            digest.update(f"{array.dtype} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return sha256(
            to_json(
                {
                    "format": _FORMAT_VERSION,
                    "kind": kind,
                    "images": self._problem.images_sha256,
                    "labels": self._problem.labels_sha256,
                    "learned_from": digest.hexdigest(),
                    "network": config.network.to_json(),
                    "schedule": dataclasses.asdict(config.schedule),
                    "seed": seed,
                }
            )
        )


def _stored(path: pathlib.Path, least: int) -> tuple[np.ndarray, ...] | None:
    """Returns the arrays of a file, or None where there is none, it is not whole, or holds fewer."""
    try:
        arrays = unpack_arrays(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return tuple(arrays[str(number)] for number in range(len(arrays))) if len(arrays) >= least else None
