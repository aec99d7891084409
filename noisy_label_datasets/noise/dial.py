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

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.noise import noise_models

SEED = "dial"
"""The seed of the draws (`uniforms_of_ids`). It is no text to be shown: another value would change every label."""

# How far apart the raters' factors are for `skill`: their logarithms are quantiles of a logistic distribution of this
# scale. At the error rate of human annotators raters then agree as these do (docs/measuring.md).
SPREAD = 1.1
_SHARPEST, _FLATTEST = 32.0, 1 / 32  # bounds of 1 / temperature
_NEXT_TO_NOTHING = 1e-6
_NEAR = 1e-11  # how near Newton's method comes, where it has come to an end
_BLOCK = 2**16  # numbers, of 8 bytes at most
_ROUNDING = 1e-6  # more than products in single precision are off


class DialError(NoisyLabelsError):
    """An error rate that a pool cannot give, or a rescaling that does not exist."""


def calibration(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The temperature of each rater at which the clean labels are most likely by its probabilities.

    Args:
      probabilities: [n, R, K] of examples that the raters were not trained on.
      labels: [n] clean labels.

    Returns:
      [R] float64 in 1/32 .. 32; below 1: this rater is underconfident.
    """
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).astype(np.float64)
    of_clean = np.take_along_axis(logs, labels[:, None, None], axis=-1)[..., 0].mean(axis=0)
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

    def __init__(self, logs: np.ndarray) -> None:
        """Takes log-probabilities [n, R, K] float64."""
        self._logs = logs
        self._largest = logs.max(axis=-1, keepdims=True)

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
        for rows in blocks(self._logs.shape):
            logs = self._logs[rows]
            weights = (logs - self._largest[rows]) * power[:, None]
            np.exp(weights, out=weights)
            total = weights.sum(axis=-1)
            for moment in found[:, rows]:
                np.multiply(weights, logs, out=weights)
                np.divide(weights.sum(axis=-1), total, out=moment)
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


def tempered(probabilities: np.ndarray, labels: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Probabilities [n, R, K] to the power 1 / temperature [R] or [n, R], with a factor that makes the largest 1."""
    logs = _logs_below_largest(probabilities)
    return np.exp(logs / temperature[..., None].astype(logs.dtype))


def _logs_below_largest(probabilities: np.ndarray) -> np.ndarray:
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
    logs -= logs.max(axis=-1, keepdims=True)
    return logs


def with_error_odds(probabilities: np.ndarray, labels: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Probabilities [n, R, K] with those of the wrong classes times a factor [R] or [n, R], not normalised."""
    scaled = probabilities * factor[..., None].astype(probabilities.dtype)
    clean = labels[:, None, None]
    np.put_along_axis(scaled, clean, np.take_along_axis(probabilities, clean, axis=-1), axis=-1)
    return scaled


def with_skill(probabilities: np.ndarray, labels: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """[n, R, K]: 1 for the clean class where the image is not too hard for the rater, else the wrong classes' as given.

    It is too hard where the odds of a wrong class in the mean over the raters, times the rater's factor [R], exceed 1.
    """
    clean = labels[:, None, None]
    pool, right = _pool_and_right(probabilities, labels)
    errs = pool.sum(axis=-1, keepdims=True) * factor[:, None] > right  # [n, R, 1]
    # A rater that is certain of the clean class gives a wrong one to which the pool gives some probability.
    wrong = np.maximum(probabilities, _NEXT_TO_NOTHING * pool)
    np.put_along_axis(wrong, clean, 0.0, axis=-1)
    rescaled = np.where(errs, wrong, 0).astype(probabilities.dtype)
    np.put_along_axis(rescaled, clean, 1 - errs.astype(rescaled.dtype), axis=-1)
    return rescaled


def _pool_and_right(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns means over the raters: wrong classes' probabilities [n, 1, K], and the clean one's [n, 1, 1]."""
    clean = labels[:, None, None]
    pool = probabilities.mean(axis=1, keepdims=True, dtype=np.float64)
    right = np.take_along_axis(pool, clean, axis=-1)
    np.put_along_axis(pool, clean, 0.0, axis=-1)
    return pool, right


def abilities(probabilities: np.ndarray, labels: np.ndarray, spread: float) -> np.ndarray:
    """[R] binary logarithms of the raters' factors: quantiles of a logistic distribution, the lowest for the best."""
    of_clean = np.take_along_axis(probabilities, labels[:, None, None], axis=-1)[..., 0].mean(axis=0)
    quantiles = (np.arange(len(of_clean)) + 0.5) / len(of_clean)
    logarithms = np.empty(len(of_clean))
    logarithms[np.argsort(-of_clean, kind="stable")] = spread * np.log2(quantiles / (1 - quantiles))
    return logarithms


Counter = Callable[[np.ndarray], np.ndarray]
"""From settings [R] to how many labels of each rater [R] are wrong that are drawn at them."""


def count_tempered(probabilities: np.ndarray, labels: np.ndarray, uniforms: np.ndarray) -> Counter:
    """Counts the wrong labels of `tempered`, class by class, drawing labels only where rounding could decide."""
    by_class = np.ascontiguousarray(np.moveaxis(_logs_below_largest(probabilities), -1, 0))  # [K, n, R]
    of_class = [np.flatnonzero(labels == label) for label in range(len(by_class))]
    weights = np.empty_like(by_class[0])

    def count(settings: np.ndarray) -> np.ndarray:
        temperature = settings.astype(by_class.dtype)
        up_to, before, through = (np.zeros(uniforms.shape) for _ in range(3))
        for logs, rows in zip(by_class, of_class, strict=True):
            before[rows] = up_to[rows]
            np.exp(np.divide(logs, temperature, out=weights), out=weights)
            up_to += weights
            through[rows] = up_to[rows]
        # The label is right where the level is in the share of the clean class, between what is before and through it.
        level, rounding = uniforms * up_to, _ROUNDING * up_to
        wrong = (level < before) | (level >= through)
        near = np.minimum(np.abs(level - before), np.abs(level - through)) <= rounding
        rows, raters = np.nonzero(near)
        rescaled = tempered(probabilities[rows, raters][:, None], labels[rows], settings[raters][:, None])
        drawn = noise_models.sample_labels(rescaled, uniforms[rows, raters][:, None])[:, 0]
        of_near = np.bincount(raters[drawn != labels[rows]], minlength=len(settings))
        return (wrong & ~near).sum(axis=0) + of_near

    return count


def count_with_error_odds(probabilities: np.ndarray, labels: np.ndarray, uniforms: np.ndarray) -> Counter:
    """Counts the wrong labels of `with_error_odds`, drawing labels only where rounding could decide.

    The more weight wrong classes have, the narrower the share of the clean class: a label that is drawn at a fixed
    number is right up to one factor, and wrong beyond it.
    """
    clean = labels[:, None, None]
    up_to = np.cumsum(probabilities, axis=-1, dtype=np.float64)
    of_clean = np.take_along_axis(probabilities, clean, axis=-1)[..., 0].astype(np.float64)
    before = np.take_along_axis(up_to, clean, axis=-1)[..., 0] - of_clean
    # At a factor f the label is drawn at the level u * (f * wrong + of_clean), and the clean class has the levels from
    # f * before to f * before + of_clean: two inequalities, of f times a difference and a multiple of `of_clean`.
    level = uniforms * (up_to[..., -1] - of_clean)
    rounding = _ROUNDING * (level + before)
    right_up_to, wrong_beyond = np.full_like(level, np.inf), np.full_like(level, np.inf)
    for difference, room in ((before - level, uniforms * of_clean), (level - before, (1 - uniforms) * of_clean)):
        for limit, sign in ((right_up_to, 1), (wrong_beyond, -1)):
            slope = difference + sign * rounding
            at = np.divide(room * (1 - sign * _ROUNDING), slope, out=np.full_like(slope, np.inf), where=slope > 0)
            np.minimum(limit, at, out=limit)
    wrong_beyond[of_clean == 0] = 0

    def count(settings: np.ndarray) -> np.ndarray:
        wrong = settings > wrong_beyond
        rows, raters = np.nonzero((settings >= right_up_to) & ~wrong)
        scaled = with_error_odds(probabilities[rows, raters][:, None], labels[rows], settings[raters][:, None])
        drawn = noise_models.sample_labels(scaled, uniforms[rows, raters][:, None])[:, 0]
        return wrong.sum(axis=0) + np.bincount(raters[drawn != labels[rows]], minlength=len(settings))

    return count


def count_with_skill(probabilities: np.ndarray, labels: np.ndarray, uniforms: np.ndarray) -> Counter:
    """Counts the wrong labels of `with_skill`: those of the images that are too hard for the rater."""
    pool, right = _pool_and_right(probabilities, labels)
    wrong = pool.sum(axis=-1, keepdims=True)

    def count(settings: np.ndarray) -> np.ndarray:
        return (wrong * settings[:, None] > right)[..., 0].sum(axis=0)

    return count


class Rescaling(NamedTuple):
    """A way to rescale the probabilities of a pool.

    Attributes:
      rescale: probabilities [n, R, K], labels [n], settings [R] -> what labels are sampled from, not normalised.
      counter: probabilities [n, R, K], labels [n], uniforms [n, R] -> how many labels are wrong that are drawn at
        settings.
      low, high: binary logarithms of the lowest and the highest setting.
      spread: how far apart the raters' settings are where all have one target rate; 0: the same for all.
    """

    rescale: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    counter: Callable[[np.ndarray, np.ndarray, np.ndarray], Counter]
    low: float
    high: float
    spread: float = 0.0


RESCALINGS: Mapping[str, Rescaling] = {
    "error_odds": Rescaling(with_error_odds, count_with_error_odds, -40, 40),
    "temperature": Rescaling(tempered, count_tempered, -7, 9),
    "skill": Rescaling(with_skill, count_with_skill, -40, 40, SPREAD),
}


def draw(
    rescaling: str, probabilities: np.ndarray, labels: np.ndarray, setting: float | np.ndarray, uniforms: np.ndarray
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
    settings = np.broadcast_to(np.asarray(setting, dtype=np.float64), probabilities.shape[1:2])
    rescale = _rescaling(rescaling).rescale
    drawn = np.empty(uniforms.shape, np.int32)
    for rows in blocks(probabilities.shape):
        rescaled = rescale(probabilities[rows], labels[rows], settings)
        drawn[rows] = noise_models.sample_labels(rescaled, uniforms[rows])
    return drawn


def blocks(shape: tuple[int, int, int]) -> Iterator[slice]:
    """Returns which rows of [n, R, K] to work on at a time: as few as are computed on faster than memory is had."""
    rows = max(1, _BLOCK // (shape[1] * shape[2]))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


def solve(
    rescaling: str, probabilities: np.ndarray, labels: np.ndarray, rate: float | Sequence[float], uniforms: np.ndarray
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
    num_raters = probabilities.shape[1]
    target = np.asarray(rate, dtype=np.float64)
    if target.shape not in ((), (num_raters,)):
        raise DialError(f"a dial takes one error rate or one for each of the {num_raters} raters, not {target.shape}")

    used = _rescaling(rescaling)
    spread = abilities(probabilities, labels, used.spread) if not target.ndim else np.zeros(num_raters)

    count = used.counter(probabilities, labels, uniforms)

    def realised(log_setting: np.ndarray) -> np.ndarray:
        wrong = count(np.exp2(log_setting + spread))
        return wrong / len(labels) if target.ndim else np.asarray(wrong.sum() / uniforms.size)

    low, high = (np.full(target.shape, end, dtype=np.float64) for end in (used.low, used.high))
    lowest, highest = realised(low), realised(high)
    if (target < lowest).any() or (target > highest).any():
        reach = ", ".join(f"{a:.3f} .. {b:.3f}" for a, b in zip(lowest.flat, highest.flat, strict=True))
        raise DialError(f"a rater error rate of {rate} is out of this pool's reach by {rescaling}: {reach}")
    for _ in range(18):  # 0.0003 of an octave, hence less than 0.0001 of a rate
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
