"""A dial for noise: labels of any wanted rater error rate from the probabilities that a pool of raters left behind.

    probabilities = calibrated(predictions, "noisy_label_train")
    setting = solve("error_odds", probabilities, labels, 0.30, uniforms)
    noisy_labels = draw("error_odds", probabilities, labels, setting, uniforms)      # 30 % of them are wrong

A rater's label is sampled from what this rater thought of this image, turned up or down by one of two knobs:

    error_odds    the probability of every wrong class times a factor, then normalised. It is how people's labels are
                  brought to an error rate (`noise_models.upsampled_errors`), reaches every rate, and leaves images that
                  nobody doubts alone.
    temperature   all probabilities to the power 1 / temperature, then normalised: towards 0 the hard labels, towards
                  infinity any class alike. It needs no clean label to draw, and cannot go below the error rate of the
                  hard labels.

At a factor or temperature of 1 both sample what the rater believes. Networks seldom mean the probabilities they give
(those trained with label smoothing are too modest, others too sure), so these are calibrated first, by temperature
scaling (Guo et al. 2017, "On calibration of modern neural networks"); that brings the labels nearer to people's. Labels
are drawn at fixed `uniforms`: datasets of two rates differ in little more than their rates ask. docs/measuring.md
compares the knobs with each other and with people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from noisy_label_datasets import metrics, noise_models
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.predictions import RaterPredictions

CALIBRATED_ON = "clean_label_valid"  # no rater was trained on it, and no labels of the dial are needed there
_SHARPEST, _FLATTEST = 32.0, 1 / 32  # bounds of 1 / temperature


class DialError(NoisyLabelsError):
    """An error rate that a pool cannot give, or a knob that there is not."""


def calibration(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The temperature of each rater at which the clean labels are most likely by its probabilities.

    Args:
        probabilities: [n, R, K] of examples that the raters were not trained on.
        labels: [n] clean labels.

    Returns:
        [R] float64 in 1/32 .. 32; below 1: this rater is too modest.
    """
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).astype(np.float64)
    of_clean = np.take_along_axis(logs, labels[:, None, None], axis=-1)[..., 0].mean(axis=0)
    low, high = (np.full(logs.shape[1], end) for end in (_FLATTEST, _SHARPEST))
    for _ in range(40):
        # The negative log-likelihood is convex in 1 / temperature; its derivative is what this compares with zero.
        middle = np.sqrt(low * high)
        weights = np.exp((logs - logs.max(axis=-1, keepdims=True)) * middle[:, None])
        expected = ((weights * logs).sum(axis=-1) / weights.sum(axis=-1)).mean(axis=0)
        low, high = np.where(expected < of_clean, middle, low), np.where(expected < of_clean, high, middle)
    return 1 / np.sqrt(low * high)


def calibrated(predictions: RaterPredictions, split: str) -> np.ndarray:
    """The probabilities [n, R, K] float32 of a pool on a split, each rater's calibrated on `clean_label_valid`."""
    known = predictions.probabilities(CALIBRATED_ON), predictions.clean_labels[CALIBRATED_ON]
    turned = tempered(predictions.probabilities(split), predictions.clean_labels[split], calibration(*known))
    return turned / turned.sum(axis=-1, keepdims=True)


def tempered(probabilities: np.ndarray, labels: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Probabilities [n, R, K] to the power 1 / temperature [R], up to a factor that keeps the largest at 1."""
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    logs -= logs.max(axis=-1, keepdims=True)
    return np.exp(logs / temperature[:, None].astype(logs.dtype))


def with_error_odds(probabilities: np.ndarray, labels: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Probabilities [n, R, K] with those of the wrong classes times a factor [R], not normalised."""
    scaled = probabilities * factor[:, None].astype(probabilities.dtype)
    clean = labels[:, None, None]
    np.put_along_axis(scaled, clean, np.take_along_axis(probabilities, clean, axis=-1), axis=-1)
    return scaled


class Knob(NamedTuple):
    """How probabilities are turned by settings [R], and the binary logarithms of the lowest and the highest setting."""

    turn: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    low: float
    high: float


KNOBS: Mapping[str, Knob] = {
    "error_odds": Knob(with_error_odds, -40, 40),
    "temperature": Knob(tempered, -7, 9),
}


def draw(
    knob: str, probabilities: np.ndarray, labels: np.ndarray, setting: float | np.ndarray, uniforms: np.ndarray
) -> np.ndarray:
    """Draws each rater's label at a setting of a knob.

    Args:
        knob: of `KNOBS`.
        probabilities: [n, R, K] float, each rater's distribution over the classes.
        labels: [n] clean labels.
        setting: above 0; one for the pool, or [R], one a rater.
        uniforms: [n, R] in [0, 1).

    Returns:
        [n, R] int32.
    """
    settings = np.broadcast_to(np.asarray(setting, dtype=np.float64), probabilities.shape[1:2])
    return noise_models.sample_labels(_knob(knob).turn(probabilities, labels, settings), uniforms)


def solve(
    knob: str, probabilities: np.ndarray, labels: np.ndarray, rate: float | Sequence[float], uniforms: np.ndarray
) -> np.ndarray:
    """The setting at which the labels that are really drawn have the wanted error rate.

    Args:
        knob: of `KNOBS`.
        probabilities: [n, R, K].
        labels: [n] clean labels.
        rate: wanted share of wrong labels: of all of them, which gives one setting for the pool and keeps good raters
            better than bad ones; or R rates, one a rater, which gives a setting for each.
        uniforms: [n, R] in [0, 1), those that the labels will be drawn at.

    Returns:
        [R] float64 settings, all equal for a single rate.

    Raises:
        DialError: a rate that the knob cannot reach with these probabilities.
    """
    num_raters = probabilities.shape[1]
    wanted = np.asarray(rate, dtype=np.float64)
    if wanted.shape not in ((), (num_raters,)):
        raise DialError(f"a dial takes one error rate or one for each of the {num_raters} raters, not {wanted.shape}")

    def realised(log_setting: np.ndarray) -> np.ndarray:
        noisy_labels = draw(knob, probabilities, labels, np.exp2(log_setting), uniforms)
        if wanted.ndim:
            return metrics.error_rate_by_rater(noisy_labels, labels)
        return np.asarray(metrics.rater_error_rate(noisy_labels, labels))

    low, high = (np.full(wanted.shape, end, dtype=np.float64) for end in (_knob(knob).low, _knob(knob).high))
    lowest, highest = realised(low), realised(high)
    if (wanted < lowest).any() or (wanted > highest).any():
        reach = ", ".join(f"{a:.3f} .. {b:.3f}" for a, b in zip(lowest.flat, highest.flat, strict=True))
        raise DialError(f"a rater error rate of {rate} is out of this pool's reach by {knob}: {reach}")
    for _ in range(18):  # 0.0003 of an octave, hence less than 0.0001 of a rate
        middle = (low + high) / 2
        below = realised(middle) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.broadcast_to(np.exp2((low + high) / 2), (num_raters,)).copy()


def _knob(name: str) -> Knob:
    if name not in KNOBS:
        raise DialError(f"no knob {name!r}; there are {', '.join(KNOBS)}")
    return KNOBS[name]
