"""The three ways in which the dial rescales a pool's probabilities; see `dial`.

    noisy_labels = ErrorOdds().draw(probabilities, labels, settings, uniforms)
    count = ErrorOdds().counter(probabilities, labels, uniforms)
    count(settings)                                 # how many of each rater's would be wrong, without drawing them

A label is right where the level it is drawn at lies in the share of the clean class. A counter computes that, and draws
those labels alone that are so near to a limit that rounding decides.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import numpy as np

from noisy_label_datasets.noise.class_values import ROUNDING_OF_SUMS, AllClasses, ClassValues, Shares

# How far apart the raters' factors are for `skill`: their logarithms are quantiles of a logistic distribution of this
# scale. At the error rate of human annotators raters then agree as these do (docs/measuring.md).
SPREAD = 1.1
_NEXT_TO_NOTHING = 1e-6
_ROUNDING = 1e-6  # more than products in single precision are off


def tempered(probabilities: ClassValues, temperature: np.ndarray) -> ClassValues:
    """Probabilities to the power 1 / temperature [R] or [n, R], with a factor that makes the largest 1."""
    return _powers(_logs_below_largest(probabilities), temperature)


def _logs_below_largest(probabilities: ClassValues) -> ClassValues:
    logs = probabilities.map(lambda p: np.log(np.maximum(p, np.finfo(np.float32).tiny)))
    return logs.map(np.subtract, logs.largest())


def _powers(logs: ClassValues, temperature: np.ndarray) -> ClassValues:
    return logs.map(lambda values: np.exp(values / temperature.astype(values.dtype)))


def with_error_odds(probabilities: ClassValues, labels: np.ndarray, factor: np.ndarray) -> ClassValues:
    """Probabilities with those of the wrong classes times a factor [R] or [n, R], not normalised."""
    scaled = probabilities.map(lambda p: p * factor.astype(p.dtype))
    return scaled.with_values(labels, probabilities.at(labels))


def with_skill(probabilities: np.ndarray, labels: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """[n, R, K]: 1 for the clean class where the image is not too hard for the rater, else the wrong classes' as given.

    It is too hard where the odds of a wrong class in the mean over the raters, times the rater's factor [R], exceed 1.
    """
    clean = labels[:, None, None]
    pool = probabilities.mean(axis=1, keepdims=True, dtype=np.float64)
    right = np.take_along_axis(pool, clean, axis=-1)
    np.put_along_axis(pool, clean, 0.0, axis=-1)
    errs = pool.sum(axis=-1, keepdims=True) * factor[:, None] > right  # [n, R, 1]
    # A rater that is certain of the clean class gives a wrong one to which the pool gives some probability.
    wrong = np.maximum(probabilities, _NEXT_TO_NOTHING * pool)
    np.put_along_axis(wrong, clean, 0.0, axis=-1)
    rescaled = np.where(errs, wrong, 0).astype(probabilities.dtype)
    np.put_along_axis(rescaled, clean, 1 - errs.astype(rescaled.dtype), axis=-1)
    return rescaled


class Counter(abc.ABC):
    """How many labels of each rater are wrong that are drawn at settings."""

    @abc.abstractmethod
    def __call__(self, settings: np.ndarray) -> np.ndarray:
        """Returns how many of each rater [R] are wrong at its setting [R]."""

    def between(self, low: np.ndarray, high: np.ndarray) -> Counter:
        """Returns a counter for settings between two [R]: it may know some labels already."""
        return self


class Rescaling(abc.ABC):
    """A way to rescale the probabilities of a pool.

    Attributes:
      low, high: binary logarithms of the lowest and the highest setting.
      spread: how far apart the raters' settings are where all have one target rate; 0: the same for all.
    """

    low: ClassVar[float]
    high: ClassVar[float]
    spread: ClassVar[float] = 0.0

    @abc.abstractmethod
    def draw(
        self, probabilities: ClassValues, labels: np.ndarray, settings: np.ndarray, uniforms: np.ndarray
    ) -> np.ndarray:
        """Returns labels [n, R] drawn at settings [R]; labels: [n] clean ones; uniforms: [n, R]."""

    @abc.abstractmethod
    def counter(self, probabilities: ClassValues, labels: np.ndarray, uniforms: np.ndarray) -> Counter:
        """Returns what counts the wrong ones among the labels that would be drawn."""


class ErrorOdds(Rescaling):
    """`with_error_odds`."""

    low, high = -40, 40

    def draw(
        self, probabilities: ClassValues, labels: np.ndarray, settings: np.ndarray, uniforms: np.ndarray
    ) -> np.ndarray:
        """See `Rescaling`."""
        return with_error_odds(probabilities, labels, settings).sample(uniforms)

    def counter(self, probabilities: ClassValues, labels: np.ndarray, uniforms: np.ndarray) -> Counter:
        """See `Rescaling`."""
        return _ErrorOddsCounter(probabilities, labels, uniforms)


class _ErrorOddsCounter(Counter):
    """The more weight wrong classes have, the narrower the share of the clean class.

    A label that is drawn at a fixed number is right up to one factor, and wrong beyond it.
    """

    def __init__(self, probabilities: ClassValues, labels: np.ndarray, uniforms: np.ndarray) -> None:
        self._probabilities, self._labels, self._uniforms = probabilities, labels, uniforms
        self._right_up_to, self._wrong_beyond = (np.full(uniforms.shape, np.inf) for _ in range(2))
        for rows in probabilities.blocks():
            before, of_clean, after = probabilities[rows].shares(labels[rows])
            # At a factor f the label is drawn at the level u * (f * wrong + of_clean), and the clean class has the
            # levels from f * before to f * before + of_clean: two inequalities, of f times a difference and a multiple
            # of `of_clean`.
            u = uniforms[rows]
            level = u * (before + after)
            rounding = _ROUNDING * (level + before)
            for difference, room in ((before - level, u * of_clean), (level - before, (1 - u) * of_clean)):
                for limit, sign in ((self._right_up_to[rows], 1), (self._wrong_beyond[rows], -1)):
                    slope = difference + sign * rounding
                    at = np.full_like(slope, np.inf)
                    np.divide(room * (1 - sign * _ROUNDING), slope, out=at, where=slope > 0)
                    np.minimum(limit, at, out=limit)
            self._wrong_beyond[rows][of_clean == 0] = self._right_up_to[rows][of_clean == 0] = 0
        self._right_sorted, self._wrong_sorted = (
            np.sort(limits.T, axis=-1) for limits in (self._right_up_to, self._wrong_beyond)
        )

    def __call__(self, settings: np.ndarray) -> np.ndarray:
        """See `Counter`."""
        raters = list(zip(settings, self._right_sorted, self._wrong_sorted, strict=True))
        num_wrong = np.array([np.searchsorted(wrong, setting) for setting, _, wrong in raters])
        num_open = [np.searchsorted(right, setting, side="right") for setting, right, _ in raters] - num_wrong
        for rater in np.flatnonzero(num_open):
            setting, wrong_beyond = settings[rater], self._wrong_beyond[:, rater]
            (rows,) = np.nonzero((setting >= self._right_up_to[:, rater]) & (setting <= wrong_beyond))
            weights = self._probabilities.of_labels(rows, np.full(len(rows), rater))
            scaled = with_error_odds(weights, self._labels[rows], np.full((len(rows), 1), setting))
            drawn = scaled.sample(self._uniforms[rows, rater][:, None])[:, 0]
            num_wrong[rater] += (drawn != self._labels[rows]).sum()
        return num_wrong


class Temperature(Rescaling):
    """`tempered`."""

    low, high = -7, 9

    def draw(
        self, probabilities: ClassValues, labels: np.ndarray, settings: np.ndarray, uniforms: np.ndarray
    ) -> np.ndarray:
        """See `Rescaling`."""
        return tempered(probabilities, settings).sample(uniforms)

    def counter(self, probabilities: ClassValues, labels: np.ndarray, uniforms: np.ndarray) -> Counter:
        """See `Rescaling`."""
        return _TemperatureCounter.of(_logs_below_largest(probabilities), labels, uniforms)


@dataclasses.dataclass(frozen=True, eq=False)
class _TemperatureCounter(Counter):
    """Counts label by label, and those alone that are right at some temperatures in question and wrong at others.

    How far the level that a label is drawn at lies beyond what is before the clean class is a sum over the weights:
    u times those at and after the clean class, less 1 - u times those before it. It is right from 0 on, and up to the
    clean class's own weight. That is computed in single precision, and labels are drawn where this may decide.

    Attributes:
      logs: [m, 1, K] of m labels, the largest 0.
      labels: [m] clean ones.
      raters: [m] whose they are.
      uniforms: [m].
      factors: [C, m] float32 each, of the weights before the clean class, at it and after it.
      known_wrong: [R] how many others of each rater are wrong.
      computed: settings [R] and the sums of weights times factors at them, kept for `between`.
    """

    logs: ClassValues
    labels: np.ndarray
    raters: np.ndarray
    uniforms: np.ndarray
    factors: Shares
    known_wrong: np.ndarray
    computed: list[tuple[np.ndarray, Shares]] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, logs: ClassValues, labels: np.ndarray, uniforms: np.ndarray) -> Counter:
        """Returns a counter of all labels: logs [n, R, K], the largest 0; labels [n]; uniforms [n, R]."""
        factors = Shares(*np.empty((3, *logs.values.shape), np.float32))
        for part in logs.blocks():
            before, at, after = logs[part].standing_for(labels[part])
            np.multiply(before, 1 - uniforms[part], out=factors.before[:, part], casting="same_kind")
            factors.at[:, part] = at
            np.multiply(after, uniforms[part], out=factors.after[:, part], casting="same_kind")
        rows, raters = (places.ravel() for places in np.indices(uniforms.shape))
        return cls(
            logs.of_labels(rows, raters),
            labels[rows],
            raters,
            uniforms.ravel(),
            Shares(*(factor.reshape(len(factor), -1) for factor in factors)),
            np.zeros(uniforms.shape[1], np.int64),
        )

    @property
    def _rounding(self) -> float:
        return _ROUNDING * self.logs.num_classes  # the largest weight is 1

    def __call__(self, settings: np.ndarray) -> np.ndarray:
        """See `Counter`."""
        before, at, after = self._sums(settings)
        beyond = self.uniforms * at + after - before
        wrong = (beyond < 0) | (beyond >= at)
        (unsure,) = np.nonzero(np.minimum(np.abs(beyond), np.abs(beyond - at)) <= self._rounding)
        weights = _powers(self.logs[unsure], settings[self.raters[unsure]][:, None])
        wrong[unsure] = weights.sample(self.uniforms[unsure][:, None])[:, 0] != self.labels[unsure]
        return self.known_wrong + np.bincount(self.raters[wrong], minlength=len(settings))

    def between(self, low: np.ndarray, high: np.ndarray) -> Counter:
        """See `Counter`."""
        if (high > 4 * low).any():
            return self  # it would not be worth its while
        # No weight falls as the temperature rises, so all lie between those at the ends.
        least, most = self._sums(low), self._sums(high)
        at_least, at_most = least.after - most.before, most.after - least.before
        of_least, of_most = self.uniforms * least.at, self.uniforms * most.at
        rounding = self._rounding
        is_right = (of_least + at_least > rounding) & (least.at - of_least - at_most > rounding)
        is_wrong = (of_most + at_most < -rounding) | (most.at - of_most - at_least < -rounding)
        (open_,) = np.nonzero(~(is_right | is_wrong))
        if len(open_) > 0.8 * len(self.labels):
            return self
        return _TemperatureCounter(
            self.logs[open_],
            self.labels[open_],
            self.raters[open_],
            self.uniforms[open_],
            Shares(*(factor[:, open_] for factor in self.factors)),
            self.known_wrong + np.bincount(self.raters[is_wrong], minlength=len(low)),
            [(end, Shares(*(share[open_] for share in sums))) for end, sums in ((low, least), (high, most))],
        )

    def _sums(self, settings: np.ndarray) -> Shares:
        for of, sums in self.computed:
            if np.array_equal(of, settings):
                return sums
        sums = Shares(*np.empty((3, len(self.labels)), np.float32))
        temperature = settings.astype(np.float32)[self.raters][:, None]
        for rows in self.logs.blocks():
            weights = _powers(self.logs[rows], temperature[rows]).values[..., 0]
            for factor, share in zip(self.factors, sums, strict=True):
                np.einsum("cm,cm->m", weights, factor[:, rows], out=share[rows], casting="same_kind")
        self.computed[:] = [*self.computed[-2:], (settings, sums)]
        return sums


class Skill(Rescaling):
    """`with_skill`."""

    low, high = -40, 40
    spread = SPREAD

    def draw(
        self, probabilities: ClassValues, labels: np.ndarray, settings: np.ndarray, uniforms: np.ndarray
    ) -> np.ndarray:
        """See `Rescaling`."""
        wrong, right = _odds_of_pool(probabilities, labels)
        errs, unsure = _exceeds(wrong * settings, right)
        drawn = np.repeat(labels[:, None].astype(np.int32), uniforms.shape[1], axis=1)
        rows, raters = np.nonzero(errs)
        own = probabilities.of_labels(rows, raters).with_values(labels[rows], 0)
        drawn[rows, raters] = own.sample(uniforms[rows, raters][:, None])[:, 0]
        # Where the pool may give a class more than a rater does who errs, each class has a value of its own.
        is_raised = errs & (probabilities.smallest() <= 2 * _NEXT_TO_NOTHING * wrong)
        (rows,) = np.nonzero((unsure | is_raised).any(axis=1))
        rescaled = with_skill(probabilities[rows].dense(), labels[rows], settings)
        drawn[rows] = AllClasses.of(rescaled).sample(uniforms[rows])
        return drawn

    def counter(self, probabilities: ClassValues, labels: np.ndarray, uniforms: np.ndarray) -> Counter:
        """See `Rescaling`."""
        return _SkillCounter(probabilities, labels)


class _SkillCounter(Counter):
    """Counts the images that are too hard for the rater: those beyond whose odds its factor lies."""

    def __init__(self, probabilities: ClassValues, labels: np.ndarray) -> None:
        self._probabilities, self._labels = probabilities, labels
        wrong, right = np.empty((2, len(labels)))
        for rows in probabilities.blocks():
            of_wrong, of_right = _odds_of_pool(probabilities[rows], labels[rows])
            wrong[rows], right[rows] = of_wrong[:, 0], of_right[:, 0]
        odds = np.divide(right, wrong, out=np.full_like(right, np.inf), where=wrong > 0)
        self._order = np.argsort(odds)
        self._odds = odds[self._order]

    def __call__(self, settings: np.ndarray) -> np.ndarray:
        """See `Counter`."""
        near = 4 * ROUNDING_OF_SUMS
        first, last = (np.searchsorted(self._odds, settings * (1 + sign * near)) for sign in (-1, 1))
        for rater in np.flatnonzero(first < last):
            rows = self._order[first[rater] : last[rater]]
            labels = self._labels[rows]
            rescaled = with_skill(self._probabilities[rows].dense(), labels, settings)[:, rater]
            first[rater] += (rescaled[np.arange(len(rows)), labels] == 0).sum()
        return first


def _odds_of_pool(probabilities: ClassValues, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns means over the raters, [n, 1] each: of what they give to wrong classes, and to the clean one."""
    wrong, right = probabilities.others(labels), probabilities.at(labels)
    return wrong.mean(axis=1, keepdims=True), right.mean(axis=1, keepdims=True, dtype=np.float64)


def _exceeds(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns where sums exceed others, and where that is so little that rounding decides."""
    return left > right, np.abs(left - right) <= ROUNDING_OF_SUMS * (left + right)


RESCALINGS: dict[str, Rescaling] = {"error_odds": ErrorOdds(), "temperature": Temperature(), "skill": Skill()}
