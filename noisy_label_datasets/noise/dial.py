"""The dial: noisy labels sampled from rescaled rater probabilities, so that a target error rate is met.

    probabilities = labels.calibration.calibrated(predictions, "noisy_label_train")
    setting = solve("error_odds", probabilities, labels, 0.30, uniforms)
    noisy_labels = draw("error_odds", probabilities, labels, setting, uniforms)      # 30 % of them are wrong

Each rater's label of an image is sampled from the class probabilities that this rater gave this image, after they have
been rescaled. There are three rescalings; `solve` finds the setting at which the labels have the target error rate:

    error_odds    the probability of every wrong class is multiplied by a factor, then all are normalised. Labels of
                  human annotators are brought to an error rate in the same way (`noise_models.upsampled_errors`). It
                  reaches every rate, and leaves images alone on which no rater is in doubt.
    temperature   all probabilities to the power 1 / temperature, then normalised: towards 0 the hard labels, towards
                  infinity a uniform distribution. It needs no clean label to draw, and cannot go below the error rate
                  of the hard labels.

    skill         raters differ in skill as human annotators do, and err where an image is too hard for them: where the
                  odds that the pool gives a wrong class, times the rater's factor, are above 1. The wrong class is
                  sampled from the rater's own probabilities. `SPREAD` says how far apart the factors are; the better
                  a rater, the smaller its factor.

`skill` is item response theory's view of raters (Rasch 1960; Embretson & Reise 2013) without its randomness (Guttman
1950): an image has a difficulty, a rater an ability, and the difference decides. With the first two rescalings it is
random which raters err on an image that the pool is unsure of; with `skill` it depends on the rater. A `SPREAD` of 1
lets as many raters err on an image as the pool's probabilities say. `error_odds` samples raters who are all alike.

At a factor or temperature of 1 the first two sample from the rater's own probabilities. These are seldom calibrated:
networks trained with label smoothing are underconfident, others overconfident. They are therefore calibrated first, by
temperature scaling (Guo et al. 2017, "On calibration of modern neural networks"), which brings the labels nearer to
those of human annotators. Labels are drawn at fixed `uniforms`, so that datasets of two rates differ in little more
than their rates require. docs/measuring.md compares the rescalings with each other and with human annotators.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.noise.class_values import ClassValues, class_values
from noisy_label_datasets.noise.rescalings import RESCALINGS, Rescaling

__all__ = ["RESCALINGS", "SEED", "DialError", "abilities", "common", "draw", "solve"]

SEED = "dial"
"""The seed of the draws (`uniforms_of_ids`). It is no text to be shown: another value would change every label."""


class DialError(NoisyLabelsError):
    """An error rate that a pool cannot give, or a rescaling that does not exist."""


def abilities(probabilities: ClassValues, labels: np.ndarray, spread: float) -> np.ndarray:
    """[R] binary logarithms of the raters' factors: quantiles of a logistic distribution, the lowest for the best."""
    of_clean = probabilities.at(labels).mean(axis=0)
    quantiles = (np.arange(len(of_clean)) + 0.5) / len(of_clean)
    logarithms = np.empty(len(of_clean))
    logarithms[np.argsort(-of_clean, kind="stable")] = spread * np.log2(quantiles / (1 - quantiles))
    return logarithms


def draw(
    rescaling: str,
    probabilities: ClassValues | np.ndarray,
    labels: np.ndarray,
    setting: float | np.ndarray,
    uniforms: np.ndarray,
) -> np.ndarray:
    """Draws each rater's label at a setting of a rescaling.

    Args:
      rescaling: of `RESCALINGS`.
      probabilities: [n, R, K] float, each rater's distribution over the classes.
      labels: [n] clean labels.
      setting: above 0; one for the pool, or [R], one per rater.
      uniforms: [n, R] in [0, 1).

    Returns:
      [n, R] int32.
    """
    given = class_values(probabilities)
    settings = np.broadcast_to(np.asarray(setting, dtype=np.float64), given.shape[1:2])
    used = _rescaling(rescaling)
    drawn = np.empty(uniforms.shape, np.int32)
    for rows in given.blocks():
        drawn[rows] = used.draw(given[rows], labels[rows], settings, uniforms[rows])
    return drawn


def solve(
    rescaling: str,
    probabilities: ClassValues | np.ndarray,
    labels: np.ndarray,
    rate: float | Sequence[float],
    uniforms: np.ndarray,
) -> np.ndarray:
    """The setting at which the labels that are really drawn have the target error rate.

    Args:
      rescaling: of `RESCALINGS`.
      probabilities: [n, R, K].
      labels: [n] clean labels.
      rate: target share of wrong labels: of all of them, which gives one setting for the pool and keeps good raters
        better than bad ones; or R rates, one per rater, which gives a setting for each.
      uniforms: [n, R] in [0, 1), those that the labels will be drawn at.

    Returns:
      [R] float64 settings; for a single rate all equal, but for `skill` (`abilities`).

    Raises:
      DialError: a rate that the rescaling cannot reach with these probabilities.
    """
    given = class_values(probabilities)
    num_raters = given.shape[1]
    target = np.asarray(rate, dtype=np.float64)
    if target.shape not in ((), (num_raters,)):
        raise DialError(f"a dial takes one error rate or one for each of the {num_raters} raters, not {target.shape}")

    used = _rescaling(rescaling)
    spread = abilities(given, labels, used.spread) if not target.ndim else np.zeros(num_raters)
    count = used.counter(given, labels, uniforms)

    def realised(log_setting: np.ndarray) -> np.ndarray:
        wrong = count(np.exp2(log_setting + spread))
        return wrong / len(labels) if target.ndim else np.asarray(wrong.sum() / uniforms.size)

    low, high = (np.full(target.shape, end, dtype=np.float64) for end in (used.low, used.high))
    lowest, highest = realised(low), realised(high)
    if (target < lowest).any() or (target > highest).any():
        reach = ", ".join(f"{a:.3f} .. {b:.3f}" for a, b in zip(lowest.flat, highest.flat, strict=True))
        raise DialError(f"a rater error rate of {rate} is out of this pool's reach by {rescaling}: {reach}")
    for _ in range(18):  # 0.0003 of an octave, hence less than 0.0001 of a rate
        count = count.between(np.exp2(low + spread), np.exp2(high + spread))
        middle = (low + high) / 2
        below = realised(middle) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.exp2((low + high) / 2 + spread)


def common(settings: np.ndarray) -> float:
    """The one number that settings [R] of `solve` depend on: their geometric mean, which abilities do not move."""
    return float(np.exp(np.log(settings).mean()))


def _rescaling(name: str) -> Rescaling:
    if name not in RESCALINGS:
        raise DialError(f"no rescaling {name!r}; there are {', '.join(RESCALINGS)}")
    return RESCALINGS[name]
