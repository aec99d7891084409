"""Comparing algorithms over the seeds that they share.

    gain = paired_difference(mentor_mix, cross_entropy)     # accuracies [S] each, of the same S seeds
    gain.mean, gain.interval, gain.p_value
    holm([each.p_value for each in gains])                  # adjusted for the number of algorithms

Seeds are shared by all algorithms (the same labels, initial weights and order of the images), so what counts is the
difference of a seed, whose spread is smaller than that of the accuracies.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from noisy_label_learning.errors import LearningError

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Summary:
    """A mean over seeds.

    Attributes:
      mean: of the seeds.
      std: with S - 1 in the denominator; None for one seed.
      half_width: of the 95 % interval (Student's t); None for one seed.
      seeds: S.
      p_value: two-sided, of a mean of zero (for differences: the paired t-test); None for one seed.
    """

    mean: float
    std: float | None
    half_width: float | None
    seeds: int
    p_value: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval."""
        return None if self.half_width is None else (self.mean - self.half_width, self.mean + self.half_width)

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0."""
        if self.interval is None:
            return 0
        low, high = self.interval
        return int(low > 0) - int(high < 0)


def summary(values: Sequence[float] | np.ndarray) -> Summary:
    """Returns mean, spread and interval of one value a seed [S], S >= 1.

    Raises:
      LearningError: no value, or one that is not finite: a diverged run has no place in a mean.
    """
    from scipy import stats  # comes with scikit-learn

    values = np.asarray(values, np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise LearningError(f"a mean needs finite values, at least one; given {values.tolist()}")
    mean, count = float(values.mean()), len(values)
    if count == 1:
        return Summary(mean, None, None, 1, None)
    std = float(values.std(ddof=1))
    error = std / math.sqrt(count)
    half_width = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1)) * error
    statistic = abs(mean) / error if error else 0.0 if mean == 0 else math.inf
    p_value = float(2 * stats.t.sf(statistic, count - 1))
    return Summary(mean, std, half_width, count, p_value)


def paired_difference(values: Sequence[float] | np.ndarray, baseline: Sequence[float] | np.ndarray) -> Summary:
    """Returns the mean of the differences to a baseline, seed by seed, with its interval and the paired t-test.

    Args:
      values, baseline: [S] each, of the same seeds in the same order.
    """
    values, baseline = np.asarray(values, np.float64), np.asarray(baseline, np.float64)
    if values.shape != baseline.shape:
        raise LearningError(f"pairs need as many values on both sides, given {values.shape} and {baseline.shape}")
    return summary(values - baseline)


@dataclasses.dataclass(frozen=True)
class Line:
    """A straight line through points, by least squares.

    Attributes:
      slope, intercept: of the line.
      slope_half_width, intercept_half_width: of their 95 % intervals (Student's t, errors alike and independent); None
        for two points.
      points: how many there are.
    """

    slope: float
    intercept: float
    slope_half_width: float | None
    intercept_half_width: float | None
    points: int

    def at(self, x: float) -> float:
        """Returns the line's value."""
        return self.intercept + self.slope * x

    @property
    def slope_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the slope."""
        half = self.slope_half_width
        return None if half is None else (self.slope - half, self.slope + half)


def linear_fit(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> Line:
    """Returns the least-squares line of y [n] on x [n].

    Raises:
      LearningError: fewer than two different x, other lengths, or values that are not finite.
    """
    from scipy import stats

    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise LearningError(f"a line needs as many x as y, given {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or len(np.unique(x)) < 2:
        raise LearningError(f"a line needs finite points of two x or more, given x {x.tolist()}, y {y.tolist()}")
    count, centred = len(x), x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / spread
    intercept = float(y.mean() - slope * x.mean())
    if count == 2:
        return Line(slope, intercept, None, None, 2)
    residuals = y - intercept - slope * x
    variance = float(residuals @ residuals) / (count - 2)
    quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 2))
    return Line(
        slope,
        intercept,
        quantile * math.sqrt(variance / spread),
        quantile * math.sqrt(variance * (1 / count + float(x.mean()) ** 2 / spread)),
        count,
    )


def rank_correlation(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> float:
    """Returns Spearman's rank correlation of x [n] and y [n], ties by their mean rank; NaN where one side is constant.

    Raises:
      LearningError: fewer than two values, or other lengths.
    """
    from scipy import stats

    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        raise LearningError(f"a correlation needs as many x as y, two or more, given {x.shape} and {y.shape}")
    ranks = [stats.rankdata(values) for values in (x, y)]
    if any(of_side.std() == 0 for of_side in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values adjusted for their number, in the order given (Holm 1979).

    The i-th smallest of m is multiplied by m - i + 1, made no smaller than the one before it, and cut at 1.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
