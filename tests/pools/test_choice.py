"""The choice of a pool's raters: every pair tried on a small case, and what is promised on drawn error curves."""

import itertools

import numpy as np
import pytest

from rater_training.pools.choice import SPREAD, choose, nearest_reached, tolerance


def curves(seed, raters=10):
    """Error rates that fall from chance (0.9) to a rater's own limit, each at its own pace, with noise."""
    rng = np.random.default_rng(seed)
    steps = np.array([1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 29, 35, 42, 50, 60, 72, 86, 103, 124, 149])
    limits, paces = rng.uniform(0.03, 0.12, raters), rng.uniform(15, 40, raters)
    return [
        np.clip(limit + (0.9 - limit) * np.exp(-steps / pace) + rng.normal(0, 0.01, len(steps)), 0, 1).tolist()
        for limit, pace in zip(limits, paces, strict=True)
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [0.15, 0.3, 0.5])
def test_mean_and_spread_are_had_where_they_can_be(rate, seed):
    errors = curves(seed)
    choice = choose(rate, errors)
    taken = [of_rater[place] for of_rater, place in zip(errors, choice.places, strict=True) if place is not None]
    assert choice.errors == tuple(taken)
    assert abs(np.mean(taken) - rate) <= 0.03 * rate + 1e-9
    assert max(taken) >= SPREAD * min(taken)
    assert choice.is_reached
    assert choice.is_spread
    assert max(taken) < 2 * rate  # nobody makes up for the others


def test_two_raters_are_chosen_as_by_trying_every_pair():
    errors = [[0.8, 0.5, 0.28, 0.2, 0.1], [0.9, 0.42, 0.3, 0.16]]
    pairs = [pair for pair in itertools.product(*errors) if max(pair) >= SPREAD * min(pair)]
    nearest = min(pairs, key=lambda pair: abs(np.mean(pair) - 0.25))
    assert nearest == (0.2, 0.3)
    assert choose(0.25, errors).errors == nearest
    assert choose(0.25, errors).places == (3, 2)


@pytest.mark.parametrize(
    ("rate", "errors", "nearest", "instead"),
    [
        (0.05, [[0.85, 0.2], [0.86, 0.21], [0.85, 0.19]], 0.2, 0.19),  # too hard: none of them ever errs so little
        (0.4, [[0.85, 0.1], [0.86, 0.11], [0.85, 0.09]], 0.1, 0.11),  # too easy: they learn it in one step
        (0.3, [[0.85, 0.004], [0.86, 0.003], [0.85, 0.006]], 0.0043, 0.78),  # two digits of the mean, 0.00, are no rate
        (0.4, [[0.9, 0.05], [0.9, 0.3]], 0.175, None),  # no two of a kind
    ],
)
def test_a_rate_that_no_rater_has_is_not_reached_by_a_mean_of_good_and_ignorant_ones(rate, errors, nearest, instead):
    choice = choose(rate, errors, chance=0.9)
    assert not choice.is_reached
    assert choice.mean == pytest.approx(nearest, abs=1e-4)
    assert nearest_reached(rate, errors, chance=0.9) == instead
    if instead is not None:
        assert choose(instead, errors, chance=0.9).is_reached


def test_raters_of_two_classes_stay_away_from_chance():
    errors = [np.linspace(0.5, 0.2, 31).round(2).tolist()] * 6
    choice = choose(0.4, errors, chance=0.5)
    assert choice.is_reached
    assert choice.is_spread
    assert max(choice.errors) <= 0.48


def test_a_rater_that_never_errs_about_as_often_is_not_in_the_pool():
    choice = choose(0.1, [[0.5, 0.12], [0.5, 0.1], [0.5, 0.09], [0.9, 0.6]])
    assert choice.places == (1, 1, 1, None)
    assert len(choice.errors) == 3


def test_the_same_errors_give_the_same_choice():
    assert choose(0.2, curves(7)) == choose(0.2, curves(7))


@pytest.mark.parametrize(("rate", "within"), [(0.05, 0.01), (0.1, 0.01), (0.4, 0.04)])
def test_a_rate_is_reached_within_a_tenth_of_it_or_one_percent(rate, within):
    assert tolerance(rate) == pytest.approx(within)
