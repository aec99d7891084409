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
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from noisy_label_datasets.files import pack_arrays, sha256, to_json, unpack_arrays, write_atomically
from noisy_label_datasets.lease import taking_turns
from noisy_label_learning.correctors.base import one_hot
from noisy_label_learning.problem import Problem
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.evaluating import Evaluator, LabelledChunks
from noisy_label_learning.runs.training import trained_classifier
from rater_training.engine.checkpoints import Checkpoints

_FORMAT_VERSION = 1
OnPriorEpoch = Callable[[RunConfig, str, int, int], None]
"""The run that needs the network, what it is for, epochs done, of how many."""


class PriorNetworks:
    """Classifiers that are trained by cross-entropy on one problem's images."""

    def __init__(
        self,
        problem: Problem,
        folder: str | os.PathLike | None = None,
        *,
        on_epoch: OnPriorEpoch = lambda config, what, epoch, epochs: None,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        """Opens them.

        Args:
          problem: whose images and labels are learned from.
          folder: of runs, where predictions and checkpoints are kept; None: in memory, and nothing is resumed.
          on_epoch: is told of the progress.
          checkpoint_seconds: how long after a checkpoint the next one is due.
        """
        self._problem = problem
        self._folder = None if folder is None else pathlib.Path(folder)
        self._on_epoch = on_epoch
        self._checkpoint_seconds = checkpoint_seconds
        self._valid = LabelledChunks.of(np.asarray(problem.data.valid.images), problem.data.valid.noisy_label)
        self._found: dict[str, tuple[np.ndarray, ...]] = {}

    def classifier_logits(
        self, config: RunConfig, rows: np.ndarray, labels: np.ndarray, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the logits of an auxiliary classifier that is trained for as many steps as a run; see `Tools`.

        Args:
          config: the run that needs it.
          rows: [m] of the training split, what it is trained on.
          labels: [m].
          seed: of everything.

        Returns:
          [n, K] and [v, K] float32, of the training and of the validation images.
        """
        data = self._problem.data
        steps = config.schedule.epochs * config.schedule.steps_per_epoch(len(data.train))

        def train(checkpoints: Checkpoints | None) -> Iterable[np.ndarray]:
            def score(evaluator: Evaluator, params: Any, statistics: Any) -> float:
                accuracy, loss = evaluator.measure(params, statistics, self._valid)
                return float(accuracy - 1e-3 * loss)  # of equal accuracies the lower loss, as runs are selected

            evaluator, params, statistics = self._trained(
                config,
                "an auxiliary classifier",
                rows,
                one_hot(labels, data.num_classes),
                steps,
                seed,
                score,
                checkpoints,
            )
            return (evaluator.log_probabilities(params, statistics, split.images) for split in (data.train, data.valid))

        of_train, of_valid = self._kept(config, "classifier_logits", (rows, labels), seed, train)
        return of_train, of_valid

    def first_network(self, config: RunConfig, targets: np.ndarray) -> np.ndarray:
        """Returns the class probabilities [n, K] float64 of a network that is trained on a run's own targets [n, K].

        It is that of the epoch with the lowest loss on noisy validation (Patrini et al. 2017).
        """
        data = self._problem.data
        everything = np.arange(len(targets))
        steps = config.schedule.epochs * config.schedule.steps_per_epoch(len(targets))

        def train(checkpoints: Checkpoints | None) -> Iterable[np.ndarray]:
            def score(evaluator: Evaluator, params: Any, statistics: Any) -> float:
                return -float(evaluator.measure(params, statistics, self._valid)[1])

            evaluator, params, statistics = self._trained(
                config, "a first network", everything, targets, steps, config.seed, score, checkpoints
            )
            yield evaluator.log_probabilities(params, statistics, data.train.images)

        (log_p,) = self._kept(config, "first_network", (targets,), config.seed, train)
        return np.exp(log_p.astype(np.float64))

    def _trained(
        self,
        config: RunConfig,
        what: str,
        rows: np.ndarray,
        targets: np.ndarray,
        steps: int,
        seed: int,
        score: Callable[[Evaluator, Any, Any], float],
        checkpoints: Checkpoints | None,
    ) -> tuple[Evaluator, Any, Any]:
        epochs = steps // max(1, len(rows) // config.schedule.batch_size)

        def on_epoch(epoch: int, evaluator: Evaluator, params: Any, statistics: Any) -> float:
            self._on_epoch(config, what, epoch, epochs)
            return score(evaluator, params, statistics)

        return trained_classifier(
            np.asarray(self._problem.data.train.images)[rows],
            targets,
            config.network,
            config.schedule,
            steps=steps,
            seed=seed,
            on_epoch=on_epoch,
            checkpoints=checkpoints,
        )

    def _kept(
        self,
        config: RunConfig,
        kind: str,
        learned_from: tuple[np.ndarray, ...],
        seed: int,
        train: Callable[[Checkpoints | None], Iterable[np.ndarray]],
    ) -> tuple[np.ndarray, ...]:
        """Returns what `train` returns, or once returned."""
        key = self._key(config, kind, learned_from, seed)
        with contextlib.ExitStack() as turns:
            if self._folder is None:
                if key not in self._found:
                    self._found[key] = tuple(train(None))
                return self._found[key]
            path = self._folder / "prior_networks" / f"{key}.npz"
            checkpoints = Checkpoints(self._folder / "checkpoints" / key, key, every_seconds=self._checkpoint_seconds)
            if (found := _stored(path)) is None:
                turns.enter_context(taking_turns(self._folder / "checkpoints" / key))
                found = _stored(path)  # perhaps by whoever had the lease before
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


def _stored(path: pathlib.Path) -> tuple[np.ndarray, ...] | None:
    """Returns the arrays of a file, or None where there is none or it is not whole."""
    try:
        arrays = unpack_arrays(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return tuple(arrays[str(number)] for number in range(len(arrays)))
