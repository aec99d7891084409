"""Metrics against hand-counted values, published examples and the `krippendorff` package."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.errors import NoiseError

NOISY = np.array([[0, 0, 1], [1, 1, 1], [2, 0, -1], [0, 2, 2]])
CLEAN = np.array([0, 1, 2, 2])


def test_error_rates_by_hand():
    assert metrics.rater_error_rate(NOISY, CLEAN) == 3 / 11
    np.testing.assert_array_equal(metrics.error_rate_by_rater(NOISY, CLEAN), [1 / 4, 1 / 4, 1 / 3])
    np.testing.assert_array_equal(metrics.error_rate_by_example(NOISY, CLEAN), [1 / 3, 0, 1 / 2, 1 / 3])
    np.testing.assert_array_equal(metrics.error_rate_by_class(NOISY, CLEAN, 4), [1 / 3, 0, 2 / 5, np.nan])


def test_confusion_matrix_by_hand():
    expected = [[2, 1, 0], [0, 3, 0], [2, 0, 3]]
    np.testing.assert_array_equal(metrics.confusion_matrix(NOISY, CLEAN, 3), expected)
    a_rater = sum(metrics.confusion_matrix(NOISY[:, r], CLEAN, 3) for r in range(3))
    np.testing.assert_array_equal(a_rater, expected)


def test_alpha_of_the_published_example():
    # Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), data C: nominal alpha 0.743.
    observers = [
        "1 2 3 3 2 1 4 1 2 * * *",
        "1 2 3 3 2 2 4 1 2 5 * 3",
        "* 3 3 3 2 3 4 2 2 5 1 *",
        "1 2 3 3 2 4 4 1 2 5 1 *",
    ]
    ratings = np.array([[-1 if c == "*" else int(c) - 1 for c in row.split()] for row in observers]).T
    assert metrics.krippendorff_alpha(ratings, 5) == pytest.approx(0.743, abs=5e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 9), st.integers(2, 12), st.floats(0, 0.6), st.integers(0, 2**32 - 1))
def test_alpha_equals_the_krippendorff_package(n, raters, classes, missing, seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=(n, 1))
    noisy = np.where(rng.random((n, raters)) < 0.5, truth, rng.integers(classes, size=(n, raters)))
    noisy[rng.random((n, raters)) < missing] = metrics.MISSING
    noisy[0, :2] = 0, 1  # at least one pair, of two classes, so that alpha is defined
    with_nan = np.where(noisy == metrics.MISSING, np.nan, noisy).T
    expected = krippendorff.alpha(with_nan, level_of_measurement="nominal")
    assert metrics.krippendorff_alpha(noisy, classes) == pytest.approx(expected, abs=1e-9)


def test_alpha_is_undefined_without_variation_or_pairs():
    assert np.isnan(metrics.krippendorff_alpha(np.ones((5, 3), int), 2))
    assert np.isnan(metrics.krippendorff_alpha(np.array([[0, -1], [-1, 1]]), 2))


def test_fleiss_kappa_of_the_published_example():
    # Fleiss (1971) as tabulated on ten subjects, 14 raters, five categories: kappa 0.210, mean agreement 0.378.
    counts = """0 0 0 0 14  0 2 6 4 2  0 0 3 5 6  0 3 9 2 0  2 2 8 1 1
                7 7 0 0 0  3 2 6 3 0  2 5 3 2 2  6 5 2 1 0  0 2 2 3 7"""
    counts = np.array(counts.split(), int).reshape(10, 5)
    ratings = np.array([np.repeat(np.arange(5), row) for row in counts])
    assert metrics.agreement(ratings, 5) == pytest.approx(0.378, abs=5e-4)
    assert metrics.fleiss_kappa(ratings, 5) == pytest.approx(0.210, abs=5e-4)
    with pytest.raises(NoiseError, match="same number of ratings"):
        metrics.fleiss_kappa(NOISY, 3)


@pytest.mark.parametrize(
    ("noisy", "message"),
    [
        (np.array([[0, 3]]), r"0 \.\. 3"),
        (np.array([[0, -2]]), r"-2 \.\. 0"),
        (np.array([[0.0, 1.0]]), "float64"),
        (np.array([0, 1]), r"\[n, R\]"),
    ],
)
def test_labels_out_of_range_are_named(noisy, message):
    with pytest.raises(NoiseError, match=message):
        metrics.krippendorff_alpha(noisy, 3)


def test_unequal_lengths_are_named():
    with pytest.raises(NoiseError, match=r"\[4, 3\] and \[3\]"):
        metrics.rater_error_rate(NOISY, CLEAN[:3])


def test_vote_shares_and_their_distance_by_hand():
    shares = metrics.vote_shares(NOISY, 3)
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3, 0], [0, 1, 0], [1 / 2, 0, 1 / 2], [1 / 3, 0, 2 / 3]])
    np.testing.assert_allclose(metrics.total_variation(shares, np.eye(3)[CLEAN]), [1 / 3, 0, 1 / 2, 1 / 3])
    distance = metrics.mean_total_variation(shares, np.eye(3)[CLEAN])
    assert distance.value == pytest.approx(7 / 24)
    assert distance.half_width == pytest.approx(1.96 * np.std([1 / 3, 0, 1 / 2, 1 / 3], ddof=1) / 2)


def test_the_interval_of_the_distance_covers_the_truth():
    rng = np.random.default_rng(0)
    clean = np.eye(2)[np.zeros(400, int)]
    covered = []
    for _ in range(400):
        wrong = rng.beta(1, 3, 400)  # mean 1/4
        distance = metrics.mean_total_variation(np.stack([1 - wrong, wrong], axis=1), clean)
        covered.append(abs(distance.value - 0.25) <= distance.half_width)
    assert 0.91 <= np.mean(covered) <= 0.98


def test_what_is_not_a_soft_label_is_refused():
    with pytest.raises(NoiseError, match="sum to 1"):
        metrics.mean_total_variation(np.ones((3, 2)), np.eye(2)[[0, 1, 0]])
    with pytest.raises(NoiseError, match=r"\[3, 2\] and \[2, 2\]"):
        metrics.mean_total_variation(np.eye(2)[[0, 1, 0]], np.eye(2))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 30), st.integers(2, 6), st.integers(2, 5), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_examples_that_nobody_labelled_change_no_figure(n, raters, classes, unlabelled, seed):
    rng = np.random.default_rng(seed)
    noisy, clean = rng.integers(classes, size=(n, raters)), rng.integers(classes, size=n)
    order = rng.permutation(n + unlabelled)
    more_noisy = np.concatenate([noisy, np.full((unlabelled, raters), metrics.MISSING)])[order]
    more_clean = np.concatenate([clean, rng.integers(classes, size=unlabelled)])[order]
    for of_both in (metrics.rater_error_rate, metrics.error_rate_by_rater):
        np.testing.assert_equal(of_both(more_noisy, more_clean), of_both(noisy, clean))
    for of_classes in (metrics.error_rate_by_class, metrics.confusion_matrix):
        np.testing.assert_equal(of_classes(more_noisy, more_clean, classes), of_classes(noisy, clean, classes))
    for of_raters in (metrics.krippendorff_alpha, metrics.agreement, metrics.fleiss_kappa):
        assert of_raters(more_noisy, classes) == pytest.approx(of_raters(noisy, classes), nan_ok=True)
    shares, more_shares = (metrics.vote_shares(each, classes) for each in (noisy, more_noisy))
    distance = metrics.mean_total_variation(shares, np.eye(classes)[clean])
    again = metrics.mean_total_variation(more_shares, np.eye(classes)[more_clean])
    assert (again.value, again.half_width) == pytest.approx((distance.value, distance.half_width))
    np.testing.assert_array_equal(metrics.is_labelled(more_noisy), order < n)
    by_example = metrics.error_rate_by_example(more_noisy, more_clean)
    np.testing.assert_array_equal(np.isnan(by_example), order >= n)


def test_where_nobody_labelled_anything_figures_are_undefined():
    noisy, clean = np.full((3, 2), metrics.MISSING), np.array([0, 1, 1])
    assert np.isnan(metrics.rater_error_rate(noisy, clean))
    assert np.isnan(metrics.error_rate_by_rater(noisy, clean)).all()
    assert np.isnan(metrics.krippendorff_alpha(noisy, 2))
    assert np.isnan(metrics.agreement(noisy, 2))
    assert metrics.confusion_matrix(noisy, clean, 2).sum() == 0
    assert np.isnan(metrics.vote_shares(noisy, 2)).all()
    with pytest.raises(NoiseError, match="at least 2 samples, not 0"):
        metrics.mean_total_variation(metrics.vote_shares(noisy, 2), np.eye(2)[clean])
    with pytest.raises(NoiseError, match="same number of ratings"):
        metrics.fleiss_kappa(noisy, 2)
