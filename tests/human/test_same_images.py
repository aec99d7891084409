"""Raters beside human annotators: by hand, by simulation of the model, and at the edges."""

import numpy as np
import pytest

from noisy_label_datasets.human.same_images import compare
from noisy_label_datasets.noise import metrics, noise_models

N, K = 30_000, 4


def counts(noisy_labels):
    return metrics.vote_counts(np.asarray(noisy_labels), K)


def test_four_images_by_hand():
    labels = np.array([0, 1, 2, 3, 3])
    raters = counts([[0, 1], [1, 1], [0, 0], [3, 2], [3, 3]])  # wrong: 1/2, 0, 1, 1/2, and an image of theirs alone
    people = counts([[0, 2], [1, 1], [2, 0], [3, 3], [-1, -1]])  # wrong: 1/2, 0, 1/2, 0
    found = compare("people", labels, raters, people)
    assert found.num_examples == 4
    assert found.raters_err == pytest.approx(2 / 4)
    assert found.people_err == pytest.approx(1 / 4)
    assert found.both_err == pytest.approx((1 / 4 + 0 + 1 / 2 + 0) / 4)
    assert found.by_chance == pytest.approx(1 / 8)
    assert found.by_class == pytest.approx(found.both_err)  # each class has one image
    assert found.two_people_err == 0
    assert found.correlation.value == pytest.approx(np.corrcoef([0.5, 0, 1, 0.5], [0.5, 0, 0.5, 0])[0, 1])
    # Of class 0 half is taken for 1 by raters, for 2 by people; of class 2 all is taken for 0, and half.
    by_raters, by_people = np.zeros((K, K)), np.zeros((K, K))
    by_raters[0, 1], by_raters[2, 0], by_raters[3, 2] = 0.5, 1, 0.5
    by_people[0, 2], by_people[2, 0] = 0.5, 0.5
    off = ~np.eye(K, dtype=bool)
    assert found.confusions == pytest.approx(np.corrcoef(by_raters[off], by_people[off])[0, 1])


def flips(rng, labels, rates, num_raters):
    """Labels [n, R] of raters who err on an image as often as `rates` [n] says, towards the next class."""
    wrong = rng.random((len(labels), num_raters)) < rates[:, None]
    return np.where(wrong, (labels[:, None] + 1) % K, labels[:, None])


def test_errors_that_have_to_do_with_nothing_with_the_class_and_with_the_image():
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=N)
    by_class = np.array([0.05, 0.1, 0.2, 0.45])[labels]
    by_image = rng.beta(0.5, 2, N)
    for rates, over_chance, class_over_chance in (
        (np.full(N, 0.2), 1, 1),
        (by_class, np.mean(by_class**2) / 0.2**2, np.mean(by_class**2) / 0.2**2),
        (by_image, np.mean(by_image**2) / by_image.mean() ** 2, 1),  # beta: 0.2 on average, a variance of 0.046
    ):
        found = compare("people", labels, counts(flips(rng, labels, rates, 8)), counts(flips(rng, labels, rates, 3)))
        assert found.both_err / found.by_chance == pytest.approx(over_chance, rel=0.04)
        assert found.by_class / found.by_chance == pytest.approx(class_over_chance, rel=0.04)
        # People are like the raters here, so that two of them err together as often.
        assert found.two_people_err == pytest.approx(found.both_err, rel=0.06)
        assert found.confusions > 0.8  # both take a class for the next one
    # Where images differ alone: covariance over the spreads of means of 8 and of 3 draws.
    between, within = by_image.var(), np.mean(by_image * (1 - by_image))
    expected = between / np.sqrt((between + within / 8) * (between + within / 3))
    assert found.correlation.value == pytest.approx(expected, abs=3 * found.correlation.half_width)
    assert found.correlation.half_width == pytest.approx(1.96 * (1 - expected**2) / np.sqrt(N), rel=0.1)


def test_who_takes_classes_for_others_has_other_confusions():
    rng = np.random.default_rng(1)
    labels = rng.integers(K, size=N)
    turned = np.where(rng.random((N, 2)) < 0.3, (labels[:, None] + 2) % K, labels[:, None])
    found = compare("people", labels, counts(flips(rng, labels, np.full(N, 0.3), 2)), counts(turned))
    assert found.confusions == pytest.approx(-1 / (K - 2), abs=0.05)  # one of three other classes each, never the same
    assert abs(found.correlation.value) < 3 * found.correlation.half_width


def test_at_the_edges():
    labels = np.arange(8) % K
    right, none = counts(labels[:, None]), counts(np.full((8, 1), -1))
    assert compare("people", labels, right, none) is None
    found = compare("people", labels, right, right)
    assert (found.raters_err, found.both_err, found.by_chance, found.two_people_err) == (0, 0, 0, None)
    assert found.correlation is None
    assert found.confusions is None
    uniforms = np.random.default_rng(0).random((8, 1))
    some = counts(noise_models.independent_flips(labels, 0.5, K, uniforms))
    assert compare("people", labels, some, right).correlation is None
