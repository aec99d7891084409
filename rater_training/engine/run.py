"""A run of the training loop: what it starts from, and its result."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
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
      every: at the multiples of this number of steps, or at these steps; and after the last step.
      run: step, state -> the state, as it is or changed (with a copy of the best parameters, say), and an entry of the
        run's curve, which is JSON. Of vmapped runs the state has their axis first, and the entry is a list, one each.
    """

    every: int | Sequence[int]
    run: Callable[[int, Any], tuple[Any, Any]]

    def next_after(self, step: int) -> float:
        """Returns the first step after this one at which it is due; infinity: there is none but the last."""
        if isinstance(self.every, int):
            return (step // self.every + 1) * self.every
        return min((at for at in self.every if at > step), default=math.inf)

    def is_due(self, step: int) -> bool:
        """Returns whether it is due at a step that is not the last."""
        return step % self.every == 0 if isinstance(self.every, int) else step in self.every


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
