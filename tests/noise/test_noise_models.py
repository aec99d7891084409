"""Noise models against the formulas of Section 2.1 and against what they are for."""

import numpy as np
import pytest

from noisy_label_datasets.noise import metrics, noise_models
from noisy_label_datasets.noise.errors import NoiseError

N, R, K = 20_000, 10, 10


@pytest.fixture
def labels():
    return np.random.default_rng(1).integers(K, size=N)


@pytest.fixture
def uniforms():
    return np.random.default_rng(2).random((N, R))


@pytest.mark.parametrize("rate", [0.0, 0.13, 0.5, 1.0])
def test_half_the_labels_are_wrong_at_a_rate_of_one_half(labels, uniforms, rate):
    noisy = noise_models.independent_flips(labels, rate, K, uniforms)
    assert metrics.rater_error_rate(noisy, labels) == pytest.approx(rate, abs=0.005)  # 4.5 standard errors at most
    confusion = metrics.confusion_matrix(noisy, labels, K) / (R * np.bincount(labels))[:, None]
    off_diagonal = confusion[~np.eye(K, dtype=bool)]
    np.testing.assert_allclose(off_diagonal, rate / 9, atol=0.012)


def test_flips_of_raters_are_independent_given_the_class(labels, uniforms):
    noisy = noise_models.independent_flips(labels, 0.3, K, uniforms)
    correlation = np.corrcoef((noisy != labels[:, None]).T)
    assert np.abs(correlation[~np.eye(R, dtype=bool)]).max() < 0.035  # 5 standard errors


def test_class_conditional_flips_reproduce_the_confusion_they_were_estimated_from(labels, uniforms):
    transition = np.random.default_rng(3).dirichlet(np.ones(K), size=K)
    noisy = noise_models.class_conditional_flips(labels, transition, uniforms)
    np.testing.assert_allclose(noise_models.estimate_transition(noisy, labels, K), transition, atol=0.02)


def test_a_transition_a_rater(labels, uniforms):
    rates = [0.1, 0.6]
    transitions = np.stack([noise_models.independent_transition(rate, K) for rate in rates])
    noisy = noise_models.class_conditional_flips(labels, transitions, uniforms[:, :2])
    np.testing.assert_allclose(metrics.error_rate_by_rater(noisy, labels), rates, atol=0.015)


def test_flips_are_sampled_from_the_row_of_each_labels_class(labels, uniforms):
    transitions = np.random.default_rng(3).dirichlet(np.ones(10), size=(uniforms.shape[1], 10))
    transitions[:, :, 4] = 0  # an empty share, on whose bounds a number may lie
    transitions /= transitions.sum(axis=-1, keepdims=True)
    uniforms = uniforms.copy()
    uniforms[0], uniforms[1] = 0.0, 1 - 2**-53
    flipped = noise_models.class_conditional_flips(labels, transitions, uniforms)
    whole = transitions[:, labels].transpose(1, 0, 2)
    np.testing.assert_array_equal(flipped, noise_models.sample_labels(whole, uniforms))


def test_sampled_labels_follow_their_probabilities():
    probabilities = np.random.default_rng(4).dirichlet(np.ones(4), size=3)  # three raters
    uniforms = np.random.default_rng(5).random((40_000, 3))
    labels = noise_models.sample_labels(np.broadcast_to(probabilities, (40_000, 3, 4)), uniforms)
    shares = np.stack([np.bincount(rater, minlength=4) / 40_000 for rater in labels.T])
    np.testing.assert_allclose(shares, probabilities, atol=0.012)


def test_sampling_never_leaves_the_classes_nor_draws_the_impossible():
    probabilities = np.array([[[0.0, 0.1, 0.2, 0.0]]], dtype=np.float32)  # not normalised
    edges = np.array([[0.0, np.nextafter(1, 0), 1 / 3 - 1e-6, 1 / 3 + 1e-6]])
    np.testing.assert_array_equal(noise_models.sample_labels(probabilities, edges), [[1, 2, 1, 2]])


def test_uniforms_hang_on_the_id_alone():
    ids = [f"train_{i:05d}" for i in range(2_000)]
    numbers = noise_models.uniforms_of_ids(ids, R, "flips")
    order = np.random.default_rng(6).permutation(len(ids))[:500]
    np.testing.assert_array_equal(noise_models.uniforms_of_ids([ids[i] for i in order], R, "flips"), numbers[order])
    assert not np.isin(noise_models.uniforms_of_ids(ids, R, "others"), numbers).any()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    # Kolmogorov-Smirnov distance of 20,000 numbers from the uniform distribution: 0.0115 at the 1 % level.
    assert np.abs(np.sort(numbers.ravel()) - np.arange(20_000) / 20_000).max() < 0.0115


def human_like(labels):
    """Soft labels of which two thirds hold no error at all, as people's do."""
    rng = np.random.default_rng(7)
    wrong = rng.dirichlet(np.full(K, 0.3), size=N)
    weight = np.where(rng.random(N) < 0.65, 0, rng.beta(1, 4, N))[:, None]
    return np.eye(K)[labels] * (1 - weight) + wrong * weight


@pytest.mark.parametrize("rate", [0.02, 0.13, 0.3])
def test_upsampled_errors_have_the_rate_and_keep_the_proportions_of_the_wrong_votes(labels, rate):
    soft = human_like(labels)
    more = noise_models.upsampled_errors(soft, labels, rate)
    np.testing.assert_allclose(more.sum(axis=1), 1)
    assert more.min() >= 0
    right = np.arange(N), labels
    assert 1 - more[right].mean() == pytest.approx(rate, abs=1e-9)
    odds = [(1 - s[right]) / np.maximum(s[right], 1e-12) for s in (soft, more)]
    factor = odds[1][odds[0] > 0] / odds[0][odds[0] > 0]
    np.testing.assert_allclose(factor, factor[0], rtol=1e-6)


def test_upsampling_cannot_make_errors_where_nobody_erred(labels):
    with pytest.raises(NoiseError, match=r"0 \.\. 0\.3"):
        noise_models.upsampled_errors(human_like(labels), labels, 0.5)


def test_extrapolated_errors_by_hand():
    soft = np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])
    moved = noise_models.extrapolated_errors(
        soft, np.array([0, 1]), 0.75
    )  # the mean error is 0.25: three times as much
    np.testing.assert_allclose(moved, [[-0.5, 1.5, 0.0], [0.0, 1.0, 0.0]])


def test_subsampled_ratings(uniforms):
    noisy = np.broadcast_to(np.arange(R), (N, R))
    kept = noise_models.subsampled_ratings(noisy, 3, uniforms)
    np.testing.assert_array_equal((kept != metrics.MISSING).sum(axis=1), 3)
    np.testing.assert_array_equal(kept[kept != metrics.MISSING], noisy[kept != metrics.MISSING])
    np.testing.assert_allclose((kept != metrics.MISSING).mean(axis=0), 0.3, atol=0.016)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: noise_models.independent_transition(1.2, 10), r"0 \.\. 1, not 1\.2"),
        (lambda: noise_models.independent_transition(0.2, 1), "at least 2 classes"),
        (lambda: noise_models.class_conditional_flips(np.zeros(2, int), np.ones((2, 2)), np.zeros((2, 1))), "sum to 1"),
        (lambda: noise_models.estimate_transition(np.zeros((2, 1), int), np.zeros(2, int), 2), "class 1"),
        (lambda: noise_models.subsampled_ratings(np.zeros((2, 3), int), 4, np.zeros((2, 3))), r"1 \.\. 3 labels"),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(NoiseError, match=message):
        call()
