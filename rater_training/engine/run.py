"""A run of the training loop: what it starts from, and its result."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from noisy_label_datasets.errors import NoisyLabelsError
from rater_training.engine.checkpoints import Checkpoints


class Diverged(NoisyLabelsError, RuntimeError):
    """Training reached a loss that is not a number, or infinite."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
      name: in messages.
      state: what the step function starts from, a pytree of arrays.
      steps: how many.
      seed: of the order of examples, augmentation and the steps' random numbers.
      hyper: what the step function gets as its third argument, a pytree of arrays.
      checkpoints: where the state is saved from time to time, and from where it resumes; None: nowhere. Read and
        written by process 0.
    """

    name: str
    state: Any
    steps: int
    seed: int = 0
    hyper: Any = ()
    checkpoints: Checkpoints | None = None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is done with the state between two calls.

    Attributes:
      every: at the multiples of this number of steps, and after the last step.
      run: step, state -> the state, as it is or changed (with a copy of the best parameters, say), and an entry of the
        run's curve, which is JSON. Of vmapped runs the state has their axis first, and the entry is a list, one each.
    """

    every: int
    run: Callable[[int, Any], tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of a run.

    Attributes:
      state: after the last step, on the program's devices.
      history: (step, mean loss since the last entry) pairs, as progress was reported.
      curve: (step, entry) pairs of the evaluation.
      wall_seconds: time spent, compilation included, since the last start.
    """

    state: Any
    history: tuple[tuple[int, float], ...]
    curve: tuple[tuple[int, Any], ...]
    wall_seconds: float
