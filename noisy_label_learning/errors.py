"""What can be wrong with what a user asks of learning with noisy labels."""

from __future__ import annotations

from collections.abc import Iterable

from noisy_label_datasets.errors import NoisyLabelsError


class LearningError(NoisyLabelsError, ValueError):
    """Settings or data that cannot be learned with; the message says what was given and what is allowed."""


def require(holds: bool, name: str, value: object, allowed: str) -> None:
    """Raises LearningError that names an argument, its value and what is allowed, unless the condition holds."""
    if not holds:
        raise LearningError(f"{name} is {value!r}; it has to be {allowed}")


def unknown(what: str, given: str, known: Iterable[str]) -> LearningError:
    """Returns the error of a name that is none of those that there are."""
    return LearningError(f"no {what} {given!r}; there are {', '.join(sorted(known))}")
