"""What an explorer shows, wherever it was read from."""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
from collections.abc import Iterable, Sequence

import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError

MOST_IMAGES = 5_000  # a page of 40 MB at the most, which a telephone still opens


class ExploreError(NoisyLabelsError, ValueError):
    """Something that cannot be explored as it was asked for."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One example of a dataset.

    Attributes:
      id: the base dataset's own id.
      image: encoded, PNG or JPEG; None: it is not shown.
      label: the clean label.
      noisy_labels: [R]; -1: this rater did not label the example.
      noisy_label: the one label to train on.
      noisy_label_rater: whose label that is; -1: it is the clean one.
    """

    id: str
    image: bytes | None
    label: int
    noisy_labels: np.ndarray
    noisy_label: int
    noisy_label_rater: int


@dataclasses.dataclass(frozen=True)
class Explored:
    """Some examples of a split, with all that is known of them.

    Attributes:
      name: 'digits_noisy/medium'.
      version: '2.0.0'; '' where it is not known.
      split: 'noisy_label_train'.
      num_examples: of the whole split.
      seed: by which the examples were chosen.
      class_names: of the K classes.
      rater_ids: of the R raters.
      examples: n of them, in the order of their ids; all with images, or none.
      probabilities: [n, R, K] float32 of the raters whose labels these are; None: there are none.
      no_probabilities: why there are none, as a sentence; '' where there are.
    """

    name: str
    version: str
    split: str
    num_examples: int
    seed: int
    class_names: tuple[str, ...]
    rater_ids: tuple[str, ...]
    examples: Sequence[Example]
    probabilities: np.ndarray | None = None
    no_probabilities: str = ""

    def __post_init__(self) -> None:
        num_raters, num_classes = len(self.rater_ids), len(self.class_names)
        for example in self.examples:
            given = [example.label, example.noisy_label, *example.noisy_labels.tolist()]
            if example.noisy_labels.shape != (num_raters,) or not all(-1 <= label < num_classes for label in given):
                raise ExploreError(
                    f"{self.name}, {example.id[:80]!r}: labels {given[:20]} do not fit {num_raters} raters and "
                    f"{num_classes} classes"
                )
        if len({example.image is None for example in self.examples}) > 1:
            raise ExploreError(f"{self.name}: some of these examples have an image, others none")
        shape = (len(self.examples), num_raters, num_classes)
        if self.probabilities is not None and self.probabilities.shape != shape:
            raise ExploreError(f"{self.name}: probabilities {self.probabilities.shape}, expected {shape}")

    @property
    def has_images(self) -> bool:
        """Whether images are shown."""
        return any(example.image is not None for example in self.examples)


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which examples of a split are shown.

    Attributes:
      split: the split.
      max_images: how many at the most.
      seed: of the choice, which depends on the ids alone: the same examples of a dataset in whatever order or format.
    """

    split: str = "noisy_label_train"
    max_images: int = 1_000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.max_images <= MOST_IMAGES:
            raise ExploreError(f"max_images is {self.max_images}; it has to be from 1 to {MOST_IMAGES:,}")

    def check_split(self, splits: Iterable[str], name: str) -> None:
        """Raises ExploreError if the split is none of those that a dataset has."""
        if self.split not in (there := list(splits)):
            raise ExploreError(f"{name} has no split {self.split!r}; there are {', '.join(there) or 'none'}")

    def take(self, examples: Iterable[Example]) -> tuple[list[Example], int]:
        """Returns the examples that are shown, in the order of their ids, and how many there were to choose from.

        Raises:
          ExploreError: there are none.
        """
        total = 0

        def counted() -> Iterable[Example]:
            nonlocal total
            for example in examples:
                total += 1
                yield example

        chosen = heapq.nsmallest(self.max_images, counted(), key=lambda example: self._rank(example.id))
        if not chosen:
            raise ExploreError(f"the split {self.split} has no examples")
        return sorted(chosen, key=lambda example: example.id), total

    def _rank(self, id_: str) -> bytes:
        return hashlib.sha256(f"explore:{self.seed}:{id_}".encode(errors="surrogatepass")).digest()
