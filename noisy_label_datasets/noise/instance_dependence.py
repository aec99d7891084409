"""What tells instance-dependent noise apart from class-dependent noise.

Where noise depends on the class alone, two raters who label an example of a class agree no more often than two raters
who label two different examples of that class. Every figure here measures how far that is from true. All come from
*pairs of different raters*: a product of two raters' errors has no sampling noise of its own in its mean, so that the
figures are unbiased and do not depend on how many raters there are (the raw variance of ten votes is mostly the noise
of drawing ten votes).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.errors import NoiseError


@dataclasses.dataclass(frozen=True)
class InstanceDependence:
    """How much of the noise depends on the example, beyond its class. The variances are covariances of two raters.

    Attributes:
      vote_variance: variance, within a class, of the distribution that an example's votes are drawn from, summed over
        the K entries. 0 for independent and class-conditional noise.
      flip_rate_variance: variance, within a class, of the probability that an example is labelled wrongly. 0 for
        independent and class-conditional noise.
      class_variance: variance of that probability between the classes. 0 for independent noise.
      explained_by_class: class_variance over the sum of the last two: the share of the spread between examples' error
        rates that their class alone explains. 1 for class-conditional noise, towards 0 for instance-dependent
        noise; nan where no spread can be told from chance (independent noise).
    """

    vote_variance: float
    flip_rate_variance: float
    class_variance: float
    explained_by_class: float


def instance_dependence(noisy_labels: np.ndarray, labels: np.ndarray, num_classes: int) -> InstanceDependence:
    """Measures a dataset of at least two raters on the examples that all of them have labelled.

    Args:
      noisy_labels: [n, R] integers in 0 .. K-1, or `metrics.MISSING`: an example with one of these is left out.
      labels: [n] clean labels in 0 .. K-1; each class that occurs has at least two examples that all have labelled.
      num_classes: K.

    Raises:
      NoiseError: fewer than two raters, no example that all have labelled, or a class with a single one.
    """
    noisy_labels, labels = np.asarray(noisy_labels), np.asarray(labels)
    complete = (noisy_labels != metrics.MISSING).all(axis=1)
    noisy_labels, labels = noisy_labels[complete], labels[complete]
    num_examples, num_raters = noisy_labels.shape
    if num_raters < 2 or not num_examples:
        raise NoiseError(
            f"needs at least 2 raters and examples that all have labelled, not {num_raters} and {num_examples}"
        )
    size = np.bincount(labels, minlength=num_classes)
    if (size == 1).any():
        raise NoiseError(f"class {np.argmax(size == 1)} has a single example: a variance needs two")
    pairs = num_raters * (num_raters - 1)

    # Two raters on one example, averaged over the examples of a class: how often both are wrong, both say the same.
    wrong = (noisy_labels != labels[:, None]).sum(axis=1)
    both_wrong = _class_mean((wrong**2 - wrong) / pairs, labels, size)
    votes = metrics.vote_shares(noisy_labels, num_classes) * num_raters
    both_agree = _class_mean(((votes**2).sum(axis=1) - num_raters) / pairs, labels, size)

    # Two raters on two different examples of a class; what one example has in common with itself is taken out.
    confusion = np.stack(
        [metrics.confusion_matrix(rater, labels, num_classes) for rater in noisy_labels.T]
    )  # [R, K, K]
    share = confusion / np.maximum(size, 1)[:, None]
    error = 1 - np.diagonal(share, axis1=1, axis2=2)  # [R, K]
    wrong_apart = (error.sum(axis=0) ** 2 - (error**2).sum(axis=0)) / pairs
    agree_apart = ((share.sum(axis=0) ** 2).sum(axis=1) - (share**2).sum(axis=(0, 2))) / pairs
    unbiased = size / np.maximum(size - 1, 1)

    weight = size / num_examples
    flip_variance = unbiased * (both_wrong - wrong_apart)  # [K]
    mean_error = weight @ error.T  # [R]
    between = weight @ wrong_apart - (mean_error.sum() ** 2 - (mean_error**2).sum()) / pairs
    # Less what the means of so many examples of unequal difficulty differ by chance.
    class_variance = between - (weight * (1 - weight) * flip_variance / np.maximum(size, 1)).sum()
    flip_rate_variance = weight @ flip_variance
    # What the mean covariance of independent errors would come out as by chance.
    rate = mean_error.mean()
    standard_error = rate * (1 - rate) * math.sqrt(2 / (pairs * num_examples))
    class_part, flip_part = max(class_variance, 0), max(flip_rate_variance, 0)
    discernible = class_part + flip_part > 4 * standard_error
    return InstanceDependence(
        vote_variance=float(weight @ (unbiased * (both_agree - agree_apart))),
        flip_rate_variance=float(flip_rate_variance),
        class_variance=float(class_variance),
        explained_by_class=float(class_part / (class_part + flip_part)) if discernible else math.nan,
    )


def _class_mean(values: np.ndarray, labels: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.bincount(labels, weights=values, minlength=len(size)) / np.maximum(size, 1)
