"""Transition matrices, RoG's Gaussians, noise rates and statistics, against hand values, scikit-learn and SciPy."""

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from noisy_label_learning import generative, statistics
from noisy_label_learning.algorithms import noise_rate
from noisy_label_learning.correctors import Corrected
from noisy_label_learning.errors import LearningError
from noisy_label_learning.transition import anchor_transition
from tests.learning.problems import planted, symmetric


def test_anchors_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]])
    np.testing.assert_allclose(anchor_transition(probabilities, 100.0), [[0.9, 0.1], [0.3, 0.7]])
    # At or below the 66th percentile: 0.8 of class 0, 0.55 of class 1.
    np.testing.assert_allclose(anchor_transition(probabilities, 66.0), [[0.8, 0.2], [0.45, 0.55]])


def test_each_class_looks_at_all_images():
    """The original zeroes a view of p_i above the percentile, so that later rows see zeros where they should not."""
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(5, 0.3), 400)
    before = probabilities.copy()
    found = anchor_transition(probabilities)
    np.testing.assert_array_equal(probabilities, before)
    for i in range(5):
        alone = [row for row in probabilities if row[i] <= np.percentile(probabilities[:, i], 97, method="higher")]
        np.testing.assert_allclose(found[i], max(alone, key=lambda row: row[i]))


def test_a_hundred_classes_take_the_largest():
    probabilities = np.random.default_rng(0).dirichlet(np.full(100, 0.1), 500)
    np.testing.assert_allclose(anchor_transition(probabilities), probabilities[probabilities.argmax(axis=0)])


def test_the_transition_of_perfect_posteriors_is_recovered():
    transition = np.array([[0.7, 0.3, 0.0], [0.0, 0.8, 0.2], [0.1, 0.1, 0.8]])
    clean = np.random.default_rng(0).dirichlet(np.full(3, 0.05), 5000)
    np.testing.assert_allclose(anchor_transition(clean @ transition), transition, atol=0.02)


# ---------------------------------------------------------------------------------------------------------------------
# RoG


def gaussians(n=400, seed=0, distance=3.0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    means = np.zeros((3, 4))
    means[:, :3] = distance * np.eye(3)
    mixing = rng.normal(size=(4, 4)) * 0.4 + np.eye(4)
    return means[labels] + rng.normal(size=(n, 4)) @ mixing, labels


def test_without_trimming_it_is_linear_discriminant_analysis():
    features, labels = gaussians(n=399)  # classes alike in size: scikit-learn weighs their covariances alike
    found = generative.RobustGaussian.fit(features, labels, num_classes=3, seed=0, kept_share=1.0)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", priors=np.full(3, 1 / 3)).fit(features, labels)
    others, _ = gaussians(seed=1)
    np.testing.assert_allclose(
        generative.posteriors(found.log_likelihoods(others)), theirs.predict_proba(others), atol=1e-6
    )


def test_trimming_finds_the_means_under_wrong_labels():
    features, labels = gaussians(n=3000, distance=6.0)
    noisy = np.where(np.random.default_rng(1).random(3000) < 0.2, (labels + 1) % 3, labels)
    truth = np.stack([features[labels == k].mean(axis=0) for k in range(3)])
    errors = [
        np.abs(
            generative.RobustGaussian.fit(features, noisy, num_classes=3, seed=0, kept_share=share).means - truth
        ).max()
        for share in (1.0, 0.7)
    ]
    assert errors[0] > 1.0
    assert errors[1] < 0.5


def test_the_step_keeps_the_nearest_of_each_class():
    features, labels = gaussians(n=60)
    found = generative.RobustGaussian.fit(features, labels, num_classes=3, seed=5, kept_share=0.7)
    rng = np.random.default_rng(5)
    rows = [np.flatnonzero(labels == k) for k in range(3)]
    drawn = [rng.permutation(each)[:14] for each in rows]
    means = [features[each].mean(axis=0) for each in drawn]
    residuals = np.concatenate([features[each] - mean for each, mean in zip(drawn, means, strict=True)])
    precision = np.linalg.inv(residuals.T @ residuals / len(residuals))
    for k, each in enumerate(rows):
        distances = [(features[i] - means[k]) @ precision @ (features[i] - means[k]) for i in each]
        nearest = each[np.argsort(distances)[:14]]
        np.testing.assert_allclose(found.means[k], features[nearest].mean(axis=0), atol=1e-8)


def test_layers_are_weighted_as_a_grid_search_weights_them():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    good = 0.7 * np.eye(3)[labels] + 0.3 * rng.dirichlet(np.ones(3), 400)
    other = 0.5 * np.eye(3)[labels] + 0.5 * rng.dirichlet(np.full(3, 0.2), 400)
    weights = generative.layer_weights([good, other], labels, trusted_share=1.0)
    grid = np.linspace(0, 1, 1001)
    of_label = [p[np.arange(400), labels] for p in (good, other)]
    losses = [-np.log(w * of_label[0] + (1 - w) * of_label[1]).mean() for w in grid]
    assert abs(weights[0] - grid[np.argmin(losses)]) < 0.005
    np.testing.assert_allclose(weights.sum(), 1)


def test_a_layer_that_knows_nothing_gets_no_weight():
    labels = np.arange(90) % 3
    sharp, flat = 0.8 * np.eye(3)[labels] + 0.2 / 3, np.full((90, 3), 1 / 3)
    assert generative.layer_weights([flat, sharp], labels)[1] > 0.99


def test_bad_features():
    features, labels = gaussians(n=30)
    features[3, 1] = np.nan
    with pytest.raises(LearningError, match="1 values that are not finite"):
        generative.RobustGaussian.fit(features, labels, num_classes=3, seed=0)
    with pytest.raises(LearningError, match="no example is labelled 3"):
        generative.RobustGaussian.fit(gaussians(n=30)[0], labels, num_classes=4, seed=0)


# ---------------------------------------------------------------------------------------------------------------------
# Noise rates


def test_agreement_gives_the_rate_of_independent_flips():
    rng = np.random.default_rng(0)
    for rate, num_classes in itertools.product((0.1, 0.4), (2, 10)):
        labels = rng.integers(0, num_classes, 20_000)
        wrong = rng.random((20_000, 3)) < rate
        noisy = np.where(
            wrong, (labels[:, None] + rng.integers(1, num_classes, (20_000, 3))) % num_classes, labels[:, None]
        )
        assert abs(noise_rate.of_agreement(noisy, num_classes).rate - rate) < 0.015


def test_where_a_rate_comes_from_is_said():
    problem = planted(np.stack([symmetric(0.3)] * 3), n=900, accuracies=(0.6, 0.7, 0.8))
    data = problem.data
    plain = Corrected(np.eye(3)[data.train.noisy_label], 0)
    assert noise_rate.resolved(0.25, data, plain) == noise_rate.NoiseRate(0.25, "told")
    of_raters = noise_rate.resolved("raters", data, plain)
    assert of_raters.source == "raters"
    np.testing.assert_allclose(of_raters.rate, 0.3)
    paired = noise_rate.resolved("paired_subset", data, plain)
    wrong = np.mean(data.train.noisy_label[data.paired.rows] != data.paired.clean_labels)
    assert (paired.rate, paired.source) == (wrong, "paired_subset")
    assert abs(paired.rate - 0.3) < 2 * paired.half_width
    assert noise_rate.resolved("agreement", data, plain).source == "agreement"
    corrected = Corrected(plain.probabilities, 5, expected_error=0.1)
    assert noise_rate.resolved("raters", data, corrected) == noise_rate.NoiseRate(0.1, "corrector")


def test_rates_that_cannot_be():
    problem = planted(symmetric(0.2)[None], n=90, accuracies=(float("nan"),))
    plain = Corrected(np.eye(3)[problem.data.train.noisy_label], 0)
    for setting, message in (
        (1.0, r"noise_rate is 1.0; it has to be in \[0, 1\)"),
        ("guess", "no source of the noise rate 'guess'; there are agreement, paired_subset, raters"),
        ("agreement", "one label per example"),
        ("raters", "wanted a number each"),
    ):
        with pytest.raises(LearningError, match=message):
            noise_rate.resolved(setting, problem.data, plain)


# ---------------------------------------------------------------------------------------------------------------------
# Statistics


def test_paired_differences_against_scipy():
    rng = np.random.default_rng(0)
    baseline = rng.normal(60, 5, 6)
    better = baseline + rng.normal(1, 0.5, 6)
    found = statistics.paired_difference(better, baseline)
    theirs = stats.ttest_rel(better, baseline)
    interval = theirs.confidence_interval(0.95)
    np.testing.assert_allclose(found.interval, (interval.low, interval.high))
    np.testing.assert_allclose(found.p_value, theirs.pvalue)
    # Pairing is what tells them apart: unpaired, the spread of the seeds hides the gain.
    assert found.sign == 1
    assert stats.ttest_ind(better, baseline).pvalue > 0.05


def test_an_interval_by_hand():
    found = statistics.summary([1.0, 2.0, 3.0])
    np.testing.assert_allclose([found.mean, found.std, found.half_width], [2, 1, 4.3027 / np.sqrt(3)], rtol=1e-4)
    single = statistics.summary([5.0])
    assert (single.mean, single.interval, single.p_value, single.sign) == (5.0, None, None, 0)


def test_holm_by_hand():
    """Holm's procedure on p = 0.01, 0.04, 0.03, 0.005: times 3, 1, 2, 4, made monotone."""
    np.testing.assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_what_has_no_mean():
    for values in ([], [1.0, float("nan")]):
        with pytest.raises(LearningError, match="finite"):
            statistics.summary(values)
    with pytest.raises(LearningError, match="as many"):
        statistics.paired_difference([1.0], [1.0, 2.0])


@pytest.mark.parametrize("count", [3, 8])
def test_lines_against_scipy_and_numpy(count):
    rng = np.random.default_rng(count)
    x = rng.normal(size=count)
    y = 2 - 3 * x + rng.normal(size=count)
    line, expected = statistics.linear_fit(x, y), stats.linregress(x, y)
    assert (line.slope, line.intercept) == pytest.approx((expected.slope, expected.intercept))
    quantile = stats.t.ppf(0.975, count - 2)
    assert line.slope_half_width == pytest.approx(quantile * expected.stderr)
    assert line.intercept_half_width == pytest.approx(quantile * expected.intercept_stderr)
    assert [line.slope, line.intercept] == pytest.approx(np.polyfit(x, y, 1))
    assert line.at(0.5) == pytest.approx(np.polyval(np.polyfit(x, y, 1), 0.5))


def test_two_points_are_a_line_without_an_interval():
    line = statistics.linear_fit([1, 3], [2, 8])
    assert (line.slope, line.intercept, line.slope_interval) == (3, -1, None)


@pytest.mark.parametrize("x", [[1, 1, 1], [1, np.nan, 2], [1, 2]])
def test_what_has_no_line(x):
    with pytest.raises(LearningError, match="a line needs"):
        statistics.linear_fit(x, [1, 2, 3])


def test_rank_correlation_against_scipy_and_without_ranks():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, 9), rng.integers(0, 5, 9)
    assert statistics.rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert np.isnan(statistics.rank_correlation([1, 1, 1], [1, 2, 3]))
