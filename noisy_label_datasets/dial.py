"""A dial for noise: labels of any wanted rater error rate from the probabilities that a pool of raters left behind.

    temperature = solve_temperature(probabilities, labels, 0.30, uniforms)
    noisy_labels = labels_at(probabilities, temperature, uniforms)      # 30 % of them are wrong

A rater's label is drawn from its probabilities raised to the power 1 / temperature and normalised. Towards temperature
0 that is the rater's hard label, at 1 a draw from what the rater believes, and towards infinity any class alike. The
error rate rises from that of the hard labels to (K-1) / K, and every wrong label is still drawn from what *this* rater
thought of *this* image. Labels are drawn at fixed `uniforms`: datasets of two rates differ in little more than their
rates ask.

Below the error rate of its hard labels a pool cannot go, and far above it the draws flatten towards independent noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noisy_label_datasets import metrics, noise_models
from noisy_label_datasets.errors import NoisyLabelsError

LOWEST, HIGHEST = 2.0**-7, 2.0**9  # temperatures; beyond them nothing changes but in the last digits


class DialError(NoisyLabelsError):
    """An error rate that a pool cannot give."""


def labels_at(probabilities: np.ndarray, temperature: float | np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Draws each rater's label at a temperature.

    Args:
        probabilities: [n, R, K] float, each rater's distribution over the classes.
        temperature: above 0; one for the pool, or [R], one a rater.
        uniforms: [n, R] in [0, 1).

    Returns:
        [n, R] int32.
    """
    return noise_models.sample_labels(_tempered(np.asarray(probabilities), temperature), uniforms)


def solve_temperature(
    probabilities: np.ndarray, labels: np.ndarray, rate: float | Sequence[float], uniforms: np.ndarray
) -> np.ndarray:
    """The temperature at which the labels that are really drawn have the wanted error rate.

    Args:
        probabilities: [n, R, K].
        labels: [n] clean labels.
        rate: wanted share of wrong labels: of all of them, which gives one temperature for the pool and keeps good
            raters better than bad ones; or R rates, one a rater, which gives a temperature for each.
        uniforms: [n, R] in [0, 1), those that the labels will be drawn at.

    Returns:
        [R] float64 temperatures, all equal for a single rate.

    Raises:
        DialError: a rate below that of the hard labels, or above the one where all classes are alike.
    """
    num_raters = probabilities.shape[1]
    wanted = np.asarray(rate, dtype=np.float64)
    if wanted.shape not in ((), (num_raters,)):
        raise DialError(f"a dial takes one error rate or one for each of the {num_raters} raters, not {wanted.shape}")

    def realised(log_temperature: np.ndarray) -> np.ndarray:
        noisy_labels = labels_at(probabilities, np.exp2(log_temperature), uniforms)
        if wanted.ndim:
            return metrics.error_rate_by_rater(noisy_labels, labels)
        return np.asarray(metrics.rater_error_rate(noisy_labels, labels))

    low, high = (np.full(wanted.shape, np.log2(end)) for end in (LOWEST, HIGHEST))
    lowest, highest = realised(low), realised(high)
    if (wanted < lowest).any() or (wanted > highest).any():
        reach = " ".join(f"{a:.3f} .. {b:.3f}" for a, b in zip(lowest.flat, highest.flat, strict=True))
        raise DialError(f"a rater error rate of {rate} is out of this pool's reach: {reach}")
    for _ in range(24):  # to a millionth of the range
        middle = (low + high) / 2
        below = realised(middle) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.broadcast_to(np.exp2((low + high) / 2), (num_raters,)).copy()


def _tempered(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Probabilities to the power 1 / temperature, up to a factor that keeps the largest at 1."""
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    logs -= logs.max(axis=-1, keepdims=True)
    return np.exp(logs / np.broadcast_to(temperature, probabilities.shape[1])[:, None].astype(logs.dtype))
