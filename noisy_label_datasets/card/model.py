"""What a noise card shows, whatever it is shown on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets.human.same_images import SameImages
from noisy_label_datasets.human.table1 import Table1


@dataclasses.dataclass(frozen=True)
class NoiseCard:
    """The noise card of one config of one dataset.

    Attributes:
      name: 'cifar10_noisy/medium'.
      version: '1.0.0'.
      summary: a sentence or two on what the dataset is.
      class_names: of the K classes.
      splits: split -> number of examples, in order.
      raters: R mappings of features, in the order of the labels; {"id": ...} at least.
      noise: `noise_figures` of the labels.
      provenance: what it came from and how: short texts by name.
      images: id -> [h, w] or [h, w, c] uint8, of examples that the figures name.
      table1: the comparison with human labels, where there are any.
      people: raters beside human annotators on the same images, by each kind of human labels that is at hand.
    """

    name: str
    version: str
    summary: str
    class_names: Sequence[str]
    splits: Mapping[str, int]
    raters: Sequence[Mapping[str, Any]]
    noise: Mapping[str, Any]
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    images: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    table1: Table1 | None = None
    people: Sequence[SameImages] = ()

    @property
    def load_line(self) -> str:
        """The line of Python that loads the dataset."""
        return f"tfds.load('{self.name}', split='noisy_label_train', as_supervised=True)"

    def confusions(self, count: int) -> list[tuple[str, str, float]]:
        """The most frequent confusions: (clean class, given class, share of the clean class's labels)."""
        shares = self.confusion_shares()
        np.fill_diagonal(shares, 0)
        order = np.argsort(-shares, axis=None, kind="stable")[:count]
        pairs = zip(*np.unravel_index(order, shares.shape), strict=True)
        return [(self.class_names[i], self.class_names[j], float(shares[i, j])) for i, j in pairs if shares[i, j] > 0]

    def confusion_shares(self) -> np.ndarray:
        """The confusion matrix with rows that sum to 1 (or to 0 for a class without labels): [K, K] float64."""
        counts = np.array(self.noise["confusion_matrix"], dtype=np.float64)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def right_votes_by_class_alone(self) -> np.ndarray:
        """How many examples 0 .. R raters would label rightly if errors depended on the class alone: [R + 1] float64.

        A binomial distribution per class, at the class's error rate. The real counts lie further out on both sides, the
        more so the more the noise depends on the image.
        """
        num_raters = self.noise["num_raters"]
        examples = np.array(self.noise["confusion_matrix"]).sum(axis=1) / num_raters
        expected = np.zeros(num_raters + 1)
        for size, error in zip(examples, self.noise["error_rate_by_class"], strict=True):
            if error is not None:
                expected += size * binomial(num_raters, 1 - error)
        return expected

    def rater_errors(self) -> list[tuple[str, float]]:
        """(rater id, error rate), the best rater first; raters that labelled nothing are left out."""
        pairs = zip((str(rater["id"]) for rater in self.raters), self.noise["error_rate_by_rater"], strict=True)
        return sorted(((name, error) for name, error in pairs if error is not None), key=lambda pair: pair[1])


def binomial(trials: int, probability: float) -> np.ndarray:
    """The binomial distribution [trials + 1], by convolution."""
    distribution = np.ones(1)
    for _ in range(trials):
        distribution = np.convolve(distribution, [1 - probability, probability])
    return distribution


def percent(share: float | None) -> str:
    """0.1234 -> '12.3 %', with a no-break space; None, a figure that is not defined -> '–'."""
    return "–" if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def decimal(value: float | None, digits: int = 3) -> str:
    """0.12345 -> '0.123'; None -> '–'."""
    return "–" if value is None else f"{value:.{digits}f}"


def times(share: float | None, other: float) -> str:
    """0.03, 0.02 -> '1.5×', how often the one is the other; None, or an other of 0 -> '–'."""
    return "–" if share is None or not other else f"{share / other:.1f}×"


def ratio(table: Table1, reference: str) -> float | None:
    """The distance of the raters over that of independent flips, from the 'paper' or the 'proper' reference."""
    estimate = table.ratios[reference]
    return None if estimate is None else estimate.value
