"""The dial for noise: it reaches the rate, from the hard labels up, and stays instance-dependent."""

import numpy as np
import pytest

from noisy_label_datasets import dial, metrics
from noisy_label_datasets.instance_dependence import instance_dependence

N, R, K = 20_000, 6, 5


@pytest.fixture(scope="module")
def pool():
    """Raters of unequal skill who find the same images hard: [N, R, K] probabilities and the clean labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=N)
    evidence = 4.0 * np.eye(K)[labels] + rng.normal(size=(N, K))
    logits = evidence[:, None] * np.linspace(0.8, 1.6, R)[:, None] + 0.6 * rng.normal(size=(N, R, K))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return probabilities.astype(np.float32), labels, rng.random((N, R))


@pytest.mark.parametrize("rate", [0.08, 0.2, 0.35, 0.6, 0.79])
def test_the_realised_rate_is_the_wanted_one(pool, rate):
    probabilities, labels, uniforms = pool
    temperature = dial.solve_temperature(probabilities, labels, rate, uniforms)
    assert temperature.shape == (R,)
    noisy = dial.labels_at(probabilities, temperature, uniforms)
    assert metrics.rater_error_rate(noisy, labels) == pytest.approx(rate, abs=2e-4)
    # And on labels drawn anew, up to the luck of the draw (a standard error is at most 0.0015).
    again = dial.labels_at(probabilities, temperature, np.random.default_rng(1).random((N, R)))
    assert metrics.rater_error_rate(again, labels) == pytest.approx(rate, abs=6e-3)


def test_one_temperature_keeps_the_order_of_the_raters_and_one_each_sets_their_rates(pool):
    probabilities, labels, uniforms = pool
    own = metrics.error_rate_by_rater(probabilities.argmax(axis=-1), labels)
    noisy = dial.labels_at(probabilities, dial.solve_temperature(probabilities, labels, 0.2, uniforms), uniforms)
    assert np.argsort(metrics.error_rate_by_rater(noisy, labels)).tolist() == np.argsort(own).tolist()
    wanted = [0.2, 0.3, 0.15, 0.4, 0.1, 0.25]
    noisy = dial.labels_at(probabilities, dial.solve_temperature(probabilities, labels, wanted, uniforms), uniforms)
    np.testing.assert_allclose(metrics.error_rate_by_rater(noisy, labels), wanted, atol=2e-4)


def test_temperatures_zero_one_and_infinite(pool):
    probabilities, labels, uniforms = pool
    cold = dial.labels_at(probabilities, 1e-6, uniforms)
    np.testing.assert_array_equal(cold, probabilities.argmax(axis=-1))
    believed = dial.labels_at(probabilities, 1.0, uniforms)
    expected = np.stack([probabilities[labels == c].mean(axis=(0, 1)) for c in range(K)])
    found = metrics.confusion_matrix(believed, labels, K) / (R * np.bincount(labels))[:, None]
    np.testing.assert_allclose(found, expected, atol=0.012)
    hot = dial.labels_at(probabilities, 1e6, uniforms)
    np.testing.assert_allclose(np.bincount(hot.ravel()) / hot.size, 1 / K, atol=0.006)


def test_the_noise_hangs_on_the_image_and_less_as_the_dial_is_turned_up(pool):
    probabilities, labels, uniforms = pool
    shares = []
    for rate in (0.1, 0.3, 0.6):
        noisy = dial.labels_at(probabilities, dial.solve_temperature(probabilities, labels, rate, uniforms), uniforms)
        found = instance_dependence(noisy, labels, K)
        assert found.explained_by_class < 0.05
        # As a share of the most that it could be at this rate: images that all raters or none get wrong.
        shares.append(found.flip_rate_variance / (rate * (1 - rate)))
    assert shares[0] > shares[1] > shares[2] > 0.02


def test_out_of_reach_says_what_is_in_reach(pool):
    probabilities, labels, uniforms = pool
    own = metrics.rater_error_rate(probabilities.argmax(axis=-1), labels)
    with pytest.raises(dial.DialError, match=rf"0\.01 is out of this pool's reach: {own:.3f} \.\. 0\.(79|80)"):
        dial.solve_temperature(probabilities, labels, 0.01, uniforms)
    with pytest.raises(dial.DialError, match="out of this pool's reach"):
        dial.solve_temperature(probabilities, labels, [0.2] * 5 + [0.9], uniforms)
    with pytest.raises(dial.DialError, match="each of the 6 raters"):
        dial.solve_temperature(probabilities, labels, [0.2, 0.3], uniforms)
