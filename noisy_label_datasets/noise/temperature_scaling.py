"""Temperature scaling: the temperature at which a rater's probabilities are the truest (Guo et al. 2017).

`calibration(probabilities, labels)` is below 1 where a rater is underconfident, above 1 where it is overconfident.
"""

from __future__ import annotations

import numpy as np

from noisy_label_datasets.noise.class_values import ClassValues, class_values

_SHARPEST, _FLATTEST = 32.0, 1 / 32  # bounds of 1 / temperature
_NEAR = 1e-11  # how near Newton's method comes, where it has come to an end


def calibration(probabilities: ClassValues | np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The temperature of each rater at which the clean labels are most likely by its probabilities.

    Args:
      probabilities: [n, R, K] of examples that the raters were not trained on.
      labels: [n] clean labels.

    Returns:
      [R] float64 in 1/32 .. 32; below 1: this rater is underconfident.
    """
    logs = class_values(probabilities).map(
        lambda p: np.log(np.maximum(p, np.finfo(np.float32).tiny)).astype(np.float64)
    )
    of_clean = logs.at(labels).mean(axis=0)
    expectation = _Expectation(logs)
    low, high = (np.full(logs.shape[1], end) for end in (_FLATTEST, _SHARPEST))
    # The negative log-likelihood is convex in 1 / temperature; its derivative is what is compared with zero, so what is
    # seen at one value decides for all on its side. Newton's method finds the place; of the bisection's steps, whose
    # result this is to the last bit, those alone are computed that come nearer to it.
    below, above = low, high
    for guess in _newton(expectation, of_clean, low, high):
        is_low = expectation.at(guess) < of_clean
        below, above = np.where(is_low, guess, below), np.where(is_low, above, guess)
    for _ in range(40):
        middle = np.sqrt(low * high)
        is_low = middle <= below
        if not (is_low | (middle >= above)).all():
            is_low = np.where((below < middle) & (middle < above), expectation.at(middle) < of_clean, is_low)
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return 1 / np.sqrt(low * high)


class _Expectation:
    """The mean log-probability under probabilities to a power, by rater."""

    def __init__(self, logs: ClassValues) -> None:
        """Takes log-probabilities, float64."""
        self._logs = logs
        self._below_largest = logs.map(np.subtract, logs.largest())

    def at(self, power: np.ndarray) -> np.ndarray:
        """Returns it at a power each [R]: [R] float64."""
        return self._moments(power, 1)[0].mean(axis=0)

    def with_slope(self, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns it and its derivative, the mean variance, [R] each."""
        mean, square = self._moments(power, 2)
        return mean.mean(axis=0), (square - mean**2).mean(axis=0)

    def _moments(self, power: np.ndarray, number: int) -> np.ndarray:
        """Returns the mean log-probability of each example and rater, and that of its powers: [number, n, R]."""
        found = np.empty((number, *self._logs.shape[:2]))
        for rows in self._logs.blocks():
            logs = self._logs[rows]
            weights = self._below_largest[rows].map(lambda below: np.exp(below * power))
            total = weights.sum()
            for moment in found[:, rows]:
                weights = weights.map(np.multiply, logs)
                np.divide(weights.sum(), total, out=moment)
        return found


def _newton(
    expectation: _Expectation, wanted: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns powers [R] a little below and a little above those at which an expectation is the wanted one [R]."""
    power = np.ones_like(wanted)
    for _ in range(7):
        found, slope = expectation.with_slope(power)
        step = np.divide(wanted - found, slope, out=np.zeros_like(slope), where=slope > 0)
        power = np.clip(power + np.clip(step, -0.5 * power, power), low, high)
        if (np.abs(step) < 1e-6 * power).all():  # the next step would be the square of it
            break
    return power * (1 - _NEAR), power * (1 + _NEAR)
