"""How many of the labels are wrong, for the algorithms that ask for it: told, or estimated without clean labels.

estimate = resolved("raters", data, corrected)
estimate.rate, estimate.source          # 0.48, "raters"
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from noisy_label_datasets.noise.noise_models import bisect
from noisy_label_learning.correctors.base import Corrected
from noisy_label_learning.errors import LearningError, require, unknown
from noisy_label_learning.problem import TrainingData

SOURCES = ("raters", "paired_subset", "agreement")


@dataclasses.dataclass(frozen=True)
class NoiseRate:
    """A share of wrong labels.

    Attributes:
      rate: in [0, 1).
      source: "told"; "paired_subset"; "agreement" of the raters; "raters": their accuracy on `clean_label_valid`,
        one of the features that come with a pool; or "corrector: " and what a corrector's expectation of its own
        labels' errors rests on.
      half_width: of the 95 % interval of what was counted (Wald); None where nothing was.
    """

    rate: float
    source: str
    half_width: float | None = None


def of_paired_subset(noisy_labels: np.ndarray, clean_labels: np.ndarray) -> NoiseRate:
    """Returns the share of noisy labels [m] that differ from the clean ones [m]."""
    wrong = float(np.mean(noisy_labels != clean_labels))
    return NoiseRate(wrong, "paired_subset", 1.96 * math.sqrt(wrong * (1 - wrong) / len(noisy_labels)))


def of_agreement(noisy_labels: np.ndarray, num_classes: int) -> NoiseRate:
    """Returns the rate at which independent flips would agree as often as these raters, of labels [n, R].

    Two raters who err independently at rate e, towards any other class alike, agree with probability
    (1 - e)^2 + e^2 / (K - 1). Raters who err on the same images agree more, so this is a lower bound on real data, and
    a low one: on `digits_noisy/high` it finds about half the rate.

    Raises:
      LearningError: no example has two labels.
    """
    from noisy_label_datasets.noise.metrics import agreement

    agreeing = agreement(noisy_labels, num_classes)
    if math.isnan(agreeing):
        raise LearningError("the raters' agreement needs examples with two labels or more; here are none")
    worst = (num_classes - 1) / num_classes  # labels drawn at random
    rate = bisect(lambda e: -((1 - e) ** 2 + e**2 / (num_classes - 1)), -agreeing, 0.0, worst)
    return NoiseRate(rate, "agreement")


def of_raters(accuracies: np.ndarray) -> NoiseRate:
    """Returns one minus the mean accuracy [R] of the raters, each of whom gives as many labels.

    Raises:
      LearningError: an accuracy that is not a number, or none.
    """
    if not len(accuracies) or not np.isfinite(accuracies).all():
        raise LearningError(f"the raters' accuracies are {np.asarray(accuracies).tolist()}; wanted a number each")
    return NoiseRate(float(1 - np.mean(accuracies)), "raters")


def told(rate: float) -> NoiseRate:
    """Returns a rate that is known from elsewhere."""
    require(0 <= rate < 1, "noise_rate", rate, "in [0, 1)")
    return NoiseRate(float(rate), "told")


def resolved(setting: float | str, data: TrainingData, corrected: Corrected) -> NoiseRate:
    """Returns the noise rate that an algorithm asks for.

    Args:
      setting: a number, or where the rate comes from: 'raters', 'paired_subset' or 'agreement'. A corrector's labels
        are no longer the raters': where it has an estimate of their errors, that is meant, unless they can be counted
        on the paired subset ('paired_subset', and no clean label has gone into them).
      data: what a learner may see.
      corrected: the targets it will be trained on.

    Raises:
      LearningError: no such source, or it has nothing to go by.
    """
    if not isinstance(setting, str):
        return told(setting)
    if setting not in SOURCES:
        raise unknown("source of the noise rate", setting, SOURCES)
    countable = setting == "paired_subset" and not corrected.clean_labels_used
    if corrected.expected_error is not None and not countable:
        return NoiseRate(min(corrected.expected_error, 0.99), f"corrector: {corrected.error_basis}".rstrip(": "))
    if setting == "paired_subset":
        data.check_paired("the noise rate from the paired subset")
        return of_paired_subset(corrected.labels[data.paired.rows], data.paired.clean_labels)
    if setting == "agreement":
        data.check_several_raters("the noise rate from the raters' agreement")
        return of_agreement(data.train.noisy_labels, data.num_classes)
    return of_raters(np.array([float(rater.get("accuracy", math.nan)) for rater in data.raters]))
