"""The instance-dependence figures on noise whose true figures are known."""

import dataclasses

import numpy as np
import pytest

from noisy_label_datasets.noise import metrics, noise_models
from noisy_label_datasets.noise.errors import NoiseError
from noisy_label_datasets.noise.instance_dependence import instance_dependence

N, K = 30_000, 4
LABELS = np.random.default_rng(0).integers(K, size=N)


def test_independent_noise_has_none():
    noisy = noise_models.independent_flips(LABELS, 0.4, K, np.random.default_rng(1).random((N, 8)))
    found = instance_dependence(noisy, LABELS, K)
    assert [found.vote_variance, found.flip_rate_variance, found.class_variance] == pytest.approx([0] * 3, abs=2e-3)
    assert np.isnan(found.explained_by_class)


def test_class_conditional_noise_is_explained_by_the_class():
    errors = np.array([0.1, 0.2, 0.4, 0.7])
    transition = errors[:, None] * (1 - np.eye(K)) / (K - 1) + np.diag(1 - errors)
    found = instance_dependence(
        noise_models.class_conditional_flips(LABELS, transition, np.random.default_rng(2).random((N, 8))), LABELS, K
    )
    assert found.vote_variance == pytest.approx(0, abs=2e-3)
    assert found.class_variance == pytest.approx(np.var(errors), abs=2e-3)
    assert found.explained_by_class == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("raters", [2, 12])
def test_a_known_spread_of_difficulty_is_found_whatever_the_number_of_raters(raters):
    rng = np.random.default_rng(3)
    error = rng.beta(2, 3, N)  # variance 0.04, the same in every class; a wrong label is always the next class
    soft = np.eye(K)[LABELS] * (1 - error)[:, None] + np.eye(K)[(LABELS + 1) % K] * error[:, None]
    noisy = noise_models.sample_labels(soft[:, None], rng.random((N, raters)))
    found = instance_dependence(noisy, LABELS, K)
    assert found.flip_rate_variance == pytest.approx(0.04, abs=0.006)
    assert found.vote_variance == pytest.approx(0.08, abs=0.012)  # two entries of that variance
    assert found.explained_by_class == pytest.approx(0, abs=0.03)


def test_raters_of_unequal_skill_are_not_taken_for_examples_of_unequal_difficulty():
    transitions = np.stack([noise_models.independent_transition(rate, K) for rate in (0.05, 0.3, 0.7)])
    noisy = noise_models.class_conditional_flips(LABELS, transitions, np.random.default_rng(4).random((N, 3)))
    found = instance_dependence(noisy, LABELS, K)
    assert [found.vote_variance, found.flip_rate_variance] == pytest.approx([0, 0], abs=4e-3)


def test_small_classes_of_unequal_examples_are_not_taken_for_unequal_classes():
    # Many tiny datasets whose classes are alike and whose examples are not: the mean class variance is zero.
    rng = np.random.default_rng(6)
    labels = np.repeat(np.arange(K), 4)
    found = []
    for _ in range(2_000):
        wrong = rng.random((len(labels), 3)) < rng.beta(0.5, 0.5, (len(labels), 1))
        found.append(instance_dependence(np.where(wrong, (labels[:, None] + 1) % K, labels[:, None]), labels, K))
    class_variance = [each.class_variance for each in found]
    assert abs(np.mean(class_variance)) < 4 * np.std(class_variance) / np.sqrt(len(found))
    assert np.mean([each.flip_rate_variance for each in found]) == pytest.approx(1 / 8, abs=0.01)


def test_unbiased_in_small_classes():
    # The mean over many tiny datasets of class-conditional noise is zero: no bias from estimating the class means.
    rng = np.random.default_rng(5)
    labels = np.repeat(np.arange(K), 3)
    transition = rng.dirichlet(np.ones(K), size=K)
    found = [
        instance_dependence(
            noise_models.class_conditional_flips(labels, transition, rng.random((len(labels), 3))), labels, K
        ).vote_variance
        for _ in range(2_000)
    ]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))


def test_errors_name_the_fault():
    with pytest.raises(NoiseError, match="at least 2 raters"):
        instance_dependence(np.zeros((4, 1), int), np.zeros(4, int), 2)
    with pytest.raises(NoiseError, match="examples that all have labelled, not 2 and 0"):
        instance_dependence(np.array([[0, -1], [-1, 1]]), np.zeros(2, int), 2)
    with pytest.raises(NoiseError, match="class 1 has a single example"):
        instance_dependence(np.zeros((3, 2), int), np.array([0, 0, 1]), 2)


def test_examples_without_all_labels_are_left_out():
    rng = np.random.default_rng(6)
    noisy, clean = rng.integers(K, size=(60, 3)), rng.integers(2, size=60)
    more = np.concatenate([noisy, np.full((5, 3), metrics.MISSING), [[0, metrics.MISSING, 1]]])
    more_clean = np.concatenate([clean, rng.integers(K, size=6)])
    order = rng.permutation(66)
    found = instance_dependence(more[order], more_clean[order], K)
    expected = instance_dependence(noisy, clean, K)
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(expected), nan_ok=True)
