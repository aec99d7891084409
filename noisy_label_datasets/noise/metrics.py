"""Measures of label noise.

    noisy_labels = np.array([[0, 0, 1], [1, 1, 1]])   # [n, R]: two examples, three raters
    labels = np.array([0, 1])                         # [n]: the clean labels
    rater_error_rate(noisy_labels, labels)            # 1/6
    krippendorff_alpha(noisy_labels, num_classes=2)   # 0.44...

Throughout, `noisy_labels` is an integer array [n, R] with one column per rater; -1 (`MISSING`) means that a rater did
not label an example. It is left out of every figure, so that examples without labels change none. `labels` is an
integer array [n] of clean labels in 0 .. K-1. Confusion matrices have clean classes as rows, noisy classes as columns.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from noisy_label_datasets.noise.errors import NoiseError

MISSING = -1


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean with the half-width of its 95 % confidence interval (normal approximation)."""

    value: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.half_width:.3f}"

    @classmethod
    def of_mean(cls, samples: np.ndarray) -> Estimate:
        """The mean of independent samples [n], n >= 2."""
        if len(samples) < 2:
            raise NoiseError(f"an interval needs at least 2 samples, not {len(samples)}")
        return cls(float(np.mean(samples)), float(1.96 * np.std(samples, ddof=1) / math.sqrt(len(samples))))

    @classmethod
    def of_ratio(cls, samples: np.ndarray, others: np.ndarray) -> Estimate:
        """The ratio of the means of two quantities of the same n examples, by the delta method."""
        ratio = samples.mean() / others.mean()
        return cls(float(ratio), cls.of_mean((samples - ratio * others) / others.mean()).half_width)


def is_labelled(noisy_labels: np.ndarray) -> np.ndarray:
    """Returns which examples at least one rater labelled: [n] bool."""
    return (np.asarray(noisy_labels) != MISSING).any(axis=1)


# ---------------------------------------------------------------------------------------------------------------------
# Rater error rates (Section 2.2 of Gu et al. 2021)


def _errors(noisy_labels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (wrong, given), both [n, R] bool."""
    noisy_labels, labels = np.asarray(noisy_labels), np.asarray(labels)
    if noisy_labels.ndim != 2 or labels.shape != noisy_labels.shape[:1]:
        raise NoiseError(
            f"noisy_labels must be [n, R] and labels [n], not {list(noisy_labels.shape)} and {list(labels.shape)}"
        )
    given = noisy_labels != MISSING
    return given & (noisy_labels != labels[:, None]), given


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def rater_error_rate(noisy_labels: np.ndarray, labels: np.ndarray) -> float:
    """The share of wrong labels among all the labels given by all the raters; nan if there are none."""
    wrong, given = _errors(noisy_labels, labels)
    return float(_share(wrong.sum(), given.sum()))


def error_rate_by_rater(noisy_labels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of wrong labels of each rater, [R] float64; nan for a rater that labelled nothing."""
    wrong, given = _errors(noisy_labels, labels)
    return _share(wrong.sum(axis=0), given.sum(axis=0))


def error_rate_by_example(noisy_labels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The share of wrong labels on each example, [n] float64; nan for an example that nobody labelled."""
    wrong, given = _errors(noisy_labels, labels)
    return _share(wrong.sum(axis=1), given.sum(axis=1))


def error_rate_by_class(noisy_labels: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The share of wrong labels on the examples of each clean class, [K] float64; nan for a class without labels."""
    wrong, given = _errors(noisy_labels, labels)
    labels = _checked(labels, num_classes, "labels")
    wrong_a_class = np.bincount(labels, weights=wrong.sum(axis=1), minlength=num_classes)
    return _share(wrong_a_class, np.bincount(labels, weights=given.sum(axis=1), minlength=num_classes))


def confusion_matrix(noisy_labels: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts [K, K] int64: entry (i, j) is how many labels j were given to examples of clean class i.

    Args:
      noisy_labels: [n, R], or [n] for a single rater.
      labels: [n] clean labels.
      num_classes: K.
    """
    labels = _checked(labels, num_classes, "labels")
    noisy_labels = np.asarray(noisy_labels)
    if noisy_labels.shape[:1] != labels.shape:
        raise NoiseError(f"noisy_labels {list(noisy_labels.shape)} and labels {list(labels.shape)} differ in length")
    noisy_labels = _checked(noisy_labels.reshape(len(labels), -1), num_classes, "noisy_labels", lowest=MISSING)
    cells = labels[:, None] * num_classes + noisy_labels
    return np.bincount(cells[noisy_labels != MISSING], minlength=num_classes**2).reshape(num_classes, num_classes)


# ---------------------------------------------------------------------------------------------------------------------
# Agreement between raters; none of it needs clean labels


def krippendorff_alpha(noisy_labels: np.ndarray, num_classes: int) -> float:
    """Krippendorff's alpha for nominal data: 1 is full agreement, 0 what chance gives, below 0 systematic disagreement.

    One minus the ratio of observed to expected disagreement over all pairable labels, that is, labels of examples with
    at least two (Hayes and Krippendorff 2007, `Answering the call for a standard reliability measure for coding data`).
    Computed from how often each class was given to each example, in O(n R) memory, whatever K is.

    Returns:
      alpha; nan where it is not defined: no example has two labels, or all the labels are of one class.
    """
    example, label, count = _votes(noisy_labels, num_classes)
    labels_an_example = np.bincount(example, weights=count)
    pairable = labels_an_example[example] >= 2
    example, label, count = example[pairable], label[pairable], count[pairable]
    total = count.sum()
    # Ordered pairs of unequal labels: within an example, weighted by 1 / (labels - 1), and over the whole data.
    observed = (count * (labels_an_example[example] - count) / (labels_an_example[example] - 1)).sum()
    labels_a_class = np.bincount(label, weights=count, minlength=num_classes)
    expected = (labels_a_class * (total - labels_a_class)).sum()
    return float(1 - (total - 1) * observed / expected) if expected > 0 else math.nan


def agreement(noisy_labels: np.ndarray, num_classes: int) -> float:
    """The share of pairs of raters who agree, averaged over the examples with at least two labels; nan without any."""
    example, _, count = _votes(noisy_labels, num_classes)
    labels_an_example = np.bincount(example, weights=count)
    agreeing = np.bincount(example, weights=count * (count - 1))
    several = labels_an_example >= 2
    pairs = labels_an_example[several] * (labels_an_example[several] - 1)
    return float(np.mean(agreeing[several] / pairs)) if several.any() else math.nan


def fleiss_kappa(noisy_labels: np.ndarray, num_classes: int) -> float:
    """Fleiss' kappa: agreement beyond chance for a fixed number of ratings per example (Fleiss 1971).

    Raises:
      NoiseError: the labelled examples have different numbers of ratings, or there are none; use
        `krippendorff_alpha`, which is made for that.
    """
    example, label, count = _votes(noisy_labels, num_classes)
    ratings = np.bincount(example, weights=count)
    ratings = ratings[ratings > 0]
    if len(ratings) == 0 or ratings.min() != ratings.max() or ratings[0] < 2:
        raise NoiseError("Fleiss' kappa needs the same number of ratings, at least 2, on every example")
    shares = np.bincount(label, weights=count, minlength=num_classes) / count.sum()
    chance = (shares**2).sum()
    return float((agreement(noisy_labels, num_classes) - chance) / (1 - chance)) if chance < 1 else math.nan


# ---------------------------------------------------------------------------------------------------------------------
# Distance between datasets (Section 2.3)


def vote_counts(noisy_labels: np.ndarray, num_classes: int) -> np.ndarray:
    """How often each class was given to each example, [n, K] int64."""
    example, label, count = _votes(noisy_labels, num_classes)
    counts = np.zeros((len(noisy_labels), num_classes), np.int64)
    counts[example, label] = count
    return counts


def vote_shares(noisy_labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The soft labels of a dataset: the share of each class among an example's labels, [n, K] float64.

    The row of an example without labels is nan.
    """
    counts = vote_counts(noisy_labels, num_classes)
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=1, keepdims=True)


def total_variation(soft_labels: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Half the L1 distance between two soft labels of each example, [n]; both [n, K] with rows that sum to one.

    Rows of nan, which `vote_shares` gives an example without labels, are at distance nan. For distributions it lies
    between 0 and 1. Rows may hold negative entries (see `noise_models.extrapolated_errors`), and the distance may then
    exceed 1.
    """
    soft_labels, others = np.asarray(soft_labels), np.asarray(others)
    if soft_labels.shape != others.shape or soft_labels.ndim != 2:
        raise NoiseError(f"soft labels must be two [n, K], not {list(soft_labels.shape)} and {list(others.shape)}")
    for rows in (soft_labels, others):
        sums = rows.sum(axis=1)
        if not np.allclose(sums[~np.isnan(sums)], 1, atol=1e-5):
            raise NoiseError("the entries of every soft label must sum to 1")
    return np.abs(soft_labels - others).sum(axis=1) / 2


def mean_total_variation(soft_labels: np.ndarray, others: np.ndarray) -> Estimate:
    """The mean total variation distance (Section 2.3) between two datasets of soft labels [n, K], with its interval.

    Examples without labels in either (rows of nan) are left out.

    Raises:
      NoiseError: fewer than 2 examples are left.
    """
    distances = total_variation(soft_labels, others)
    return Estimate.of_mean(distances[~np.isnan(distances)])


def _votes(noisy_labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The non-zero votes as (example [m], label [m], count [m] float64), ordered by example."""
    noisy_labels = np.asarray(noisy_labels)
    if noisy_labels.ndim != 2:
        raise NoiseError(f"noisy_labels must be [n, R], not {list(noisy_labels.shape)}")
    noisy_labels = _checked(noisy_labels, num_classes, "noisy_labels", lowest=MISSING)
    cells = np.arange(len(noisy_labels))[:, None] * num_classes + noisy_labels
    cells, count = np.unique(cells[noisy_labels != MISSING], return_counts=True)
    return cells // num_classes, cells % num_classes, count.astype(np.float64)


def _checked(labels: np.ndarray, num_classes: int, name: str, lowest: int = 0) -> np.ndarray:
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise NoiseError(f"{name} must be integers, not {labels.dtype}")
    labels = labels.astype(np.int64, copy=False)
    if labels.size and not (lowest <= labels.min() and labels.max() < num_classes):
        raise NoiseError(f"{name} must lie in {lowest} .. {num_classes - 1}; found {labels.min()} .. {labels.max()}")
    return labels
