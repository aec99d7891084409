"""Which raters make a pool of a wanted error rate: of each rater's pilot, what gives the mean and a spread.

    choice = choose(0.2, errors)    # errors: of each rater, those measured in its pilot, such as one per checkpoint
    choice.places                   # of each rater which of them; None: it is not in the pool

Pure functions of the measured error rates; nothing is trained here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

SPREAD = 1.3
"""How many times as often as the best rater the worst one should err, where that can be had."""

_CLOSE = 0.03  # share of the wanted rate: nearer to it the mean need not be
_LEAST_RATERS = 0.5  # the share of the raters that a pool has at least


@dataclasses.dataclass(frozen=True)
class Choice:
    """The raters of a pool whose mean error rate is the nearest there is to a wanted one.

    Attributes:
      rate: the wanted mean error rate.
      places: of each rater, which of its measured error rates is taken; None: the rater is not in the pool.
      errors: those error rates, of the raters that are in the pool.
      limits: between which a rater of the pool should err: from half as often as wanted to twice as often, and not
        near chance.
    """

    rate: float
    places: tuple[int | None, ...]
    errors: tuple[float, ...]
    limits: tuple[float, float]

    @property
    def mean(self) -> float:
        """The mean error rate."""
        return math.fsum(self.errors) / len(self.errors)

    @property
    def is_reached(self) -> bool:
        """Whether the mean is the wanted rate, but for a tenth of it or one percent of the images; no rater is far off.

        Raters who know everything and raters who know nothing have any mean together, and are no pool.
        """
        within = all(self.limits[0] <= error <= self.limits[1] for error in self.errors)
        return within and abs(self.mean - self.rate) <= tolerance(self.rate)

    @property
    def is_spread(self) -> bool:
        """Whether the worst rater errs enough more than the best."""
        return max(self.errors) >= SPREAD * min(self.errors)


def tolerance(rate: float) -> float:
    """Returns how far the mean of a pool may be from the rate that its name says."""
    return max(0.1 * rate, 0.01)


def choose(rate: float, errors: Sequence[Sequence[float]], *, chance: float = 1.0) -> Choice:
    """Returns the raters whose mean error rate is nearest to the wanted one, spread around it.

    Each rater has a rate of its own to come near to, evenly spaced around the wanted one; the lowest is of the rater
    that can err least. Then single raters take another of their error rates for as long as that brings the pool nearer:
    to the mean before all, to the spread, and to the raters' own rates.

    Args:
      rate: the wanted mean, in (0, chance).
      errors: of each rater one measured error rate at least.
      chance: how often who guesses errs.
    """
    above = chance / rate - 1
    limits = (0.5 * rate, rate * (1 + min(1.0, 0.8 * above)))
    spread = min(0.25, 0.5 * above)
    able = [i for i, of_rater in enumerate(errors) if any(limits[0] <= error <= limits[1] for error in of_rater)]
    if len(able) < max(2, math.ceil(_LEAST_RATERS * len(errors))):
        nearest = [min(range(len(of_rater)), key=lambda place: abs(of_rater[place] - rate)) for of_rater in errors]
        return Choice(rate, tuple(nearest), tuple(errors[i][place] for i, place in enumerate(nearest)), limits)
    order = sorted(able, key=lambda i: (min(errors[i]), i))
    own = np.linspace(1 - spread, 1 + spread, len(order))
    allowed = [[place for place, error in enumerate(errors[i]) if limits[0] <= error <= limits[1]] for i in order]
    measured = [np.asarray(errors[i], float)[places] / rate for i, places in zip(order, allowed, strict=True)]
    picked = [int(np.abs(of_rater - wanted).argmin()) for of_rater, wanted in zip(measured, own, strict=True)]

    def cost(rows: Sequence[int]) -> float:
        taken = np.array([of_rater[row] for of_rater, row in zip(measured, rows, strict=True)])
        off = abs(taken.mean() - 1)
        too_alike = max(0.0, SPREAD * taken.min() - taken.max())
        # Squares, so that no rater errs far too often to make up for the others.
        return float(10 * max(0.0, off - _CLOSE) + off + 3 * too_alike + np.square(taken - own).mean())

    best = cost(picked)
    while True:
        changes = [
            (cost([*picked[:rater], row, *picked[rater + 1 :]]), rater, row)
            for rater, of_rater in enumerate(measured)
            for row in range(len(of_rater))
            if row != picked[rater]
        ]
        if not changes or min(changes)[0] >= best - 1e-12:
            break
        best, rater, row = min(changes)
        picked[rater] = row
    places: list[int | None] = [None] * len(errors)
    for i, of_rater, row in zip(order, allowed, picked, strict=True):
        places[i] = of_rater[row]
    taken = tuple(float(errors[i][place]) for i, place in enumerate(places) if place is not None)
    return Choice(rate, tuple(places), taken, limits)


def nearest_reached(rate: float, errors: Sequence[Sequence[float]], *, chance: float = 1.0) -> float | None:
    """Returns the rate nearest to one that is not reached, in hundredths, that is; None: none of the raters' rates is.

    Args:
      rate: the wanted mean.
      errors, chance: as `choose` takes them.
    """
    measured = [error for of_rater in errors for error in of_rater]
    hundredths = [k / 100 for k in range(1, 100) if 0.5 * min(measured) <= k / 100 < min(chance, 2 * max(measured))]
    for candidate in sorted(hundredths, key=lambda candidate: abs(candidate - rate)):
        if choose(candidate, errors, chance=chance).is_reached:
            return candidate
    return None
