"""Raters beside human annotators on the same images: how often either errs, and whether on the same ones and alike.

    found = compare("human_random", labels, rater_counts, human_counts)     # counts [n, K]: how often a class was given
    found.both_err / found.by_chance    # 1 where their errors have nothing to do with each other
    found.correlation                   # of the shares of raters and of people who err on an image
    found.confusions                    # of what is taken for what

Pairs of a rater and a person are counted, on the images that both have labelled. A class that all find hard brings
errors together without a hard image in it; `by_class` is what would be seen if it were the class alone.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from noisy_label_datasets.noise.metrics import Estimate

_LEAST = 3  # images that a correlation needs


@dataclasses.dataclass(frozen=True)
class SameImages:
    """Raters and people on the images that both have labelled.

    Attributes:
      name: whose labels the people's are: 'human_random'.
      num_examples: how many images.
      raters_err, people_err: the share of wrong labels, of an image by each, averaged over the images.
      both_err: how often a rater and a person err on the same image.
      by_chance: how often they would if their errors had nothing to do with each other.
      by_class: ... nothing but that both err more in some classes than in others.
      two_people_err: how often two people err on the same image; None: no image has labels of two.
      correlation: of the shares of raters and of people who err on an image; None: either err on all images alike.
      confusions: correlation of the shares of each class that raters and people take for each other class; None: one
        of them makes no error, or all errors alike.
    """

    name: str
    num_examples: int
    raters_err: float
    people_err: float
    both_err: float
    by_chance: float
    by_class: float
    two_people_err: float | None
    correlation: Estimate | None
    confusions: float | None


def compare(name: str, labels: np.ndarray, rater_counts: np.ndarray, human_counts: np.ndarray) -> SameImages | None:
    """Returns how raters and people err on the images that both have labelled; None: there are fewer than three.

    Args:
      name: of the people's labels.
      labels: [n] clean labels.
      rater_counts: [n, K], how often raters gave each class to each image.
      human_counts: [n, K], how often people did.
    """
    both = (rater_counts.sum(axis=1) > 0) & (human_counts.sum(axis=1) > 0)
    if both.sum() < _LEAST:
        return None
    labels, rater_counts, human_counts = labels[both], rater_counts[both], human_counts[both]
    raters, people = (_errors(counts, labels) for counts in (rater_counts, human_counts))
    confusion = [_confusion(counts, labels) for counts in (rater_counts, human_counts)]
    off_diagonal = ~np.eye(human_counts.shape[1], dtype=bool)
    correlation = _correlation(raters, people)
    return SameImages(
        name=name,
        num_examples=len(labels),
        raters_err=float(raters.mean()),
        people_err=float(people.mean()),
        both_err=float((raters * people).mean()),
        by_chance=float(raters.mean() * people.mean()),
        by_class=_by_class(raters, people, labels),
        two_people_err=_two_of(human_counts, labels),
        correlation=None
        if correlation is None
        else Estimate(correlation, 1.96 * (1 - correlation**2) / math.sqrt(len(labels))),
        confusions=_correlation(confusion[0][off_diagonal], confusion[1][off_diagonal]),
    )


def _errors(counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the share of wrong labels of each image [n]."""
    return 1 - counts[np.arange(len(labels)), labels] / counts.sum(axis=1)


def _by_class(raters: np.ndarray, people: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of pairs that would both err if it depended on the class alone how often either errs."""
    sizes = np.maximum(np.bincount(labels), 1)
    of_class = [np.bincount(labels, weights=errors) / sizes for errors in (raters, people)]
    return float((of_class[0] * of_class[1])[labels].mean())


def _two_of(counts: np.ndarray, labels: np.ndarray) -> float | None:
    """Returns how often two of those who labelled an image both err, over the images that two labelled."""
    given = counts.sum(axis=1).astype(np.float64)
    wrong = given - counts[np.arange(len(labels)), labels]
    several = given > 1
    if not several.any():
        return None
    return float(np.mean((wrong * (wrong - 1) / np.maximum(given * (given - 1), 1))[several]))


def _confusion(counts: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the share of each class's labels that are of each class [K, K]; a class without images is a row of 0."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    total = np.zeros((counts.shape[1], counts.shape[1]))
    np.add.at(total, labels, shares)
    return total / np.maximum(total.sum(axis=1, keepdims=True), 1)


def _correlation(values: np.ndarray, others: np.ndarray) -> float | None:
    """Returns Pearson's correlation; None where either does not vary."""
    if len(values) < _LEAST or np.ptp(values) == 0 or np.ptp(others) == 0:
        return None
    return float(np.corrcoef(values, others)[0, 1])
