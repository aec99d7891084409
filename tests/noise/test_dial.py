"""The dial for noise: it reaches the rate, by every rescaling, and stays instance-dependent."""

import numpy as np
import pytest

from noisy_label_datasets.noise import dial, metrics, noise_models, rescalings
from noisy_label_datasets.noise.class_values import AllClasses
from noisy_label_datasets.noise.instance_dependence import instance_dependence
from noisy_label_datasets.noise.temperature_scaling import calibration

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


@pytest.mark.parametrize(
    ("rescaling", "rate"),
    [("error_odds", 0.01), ("error_odds", 0.2), ("error_odds", 0.9)]
    + [("temperature", rate) for rate in (0.08, 0.35, 0.79)]
    + [("skill", rate) for rate in (0.01, 0.2, 0.9)],
)
def test_the_realised_rate_is_the_wanted_one(pool, rescaling, rate):
    probabilities, labels, uniforms = pool
    setting = dial.solve(rescaling, probabilities, labels, rate, uniforms)
    assert setting.shape == (R,)
    noisy = dial.draw(rescaling, probabilities, labels, setting, uniforms)
    assert metrics.rater_error_rate(noisy, labels) == pytest.approx(rate, abs=3e-4)
    # And on labels drawn anew, up to the luck of the draw (a standard error is at most 0.0015).
    again = dial.draw(rescaling, probabilities, labels, setting, np.random.default_rng(1).random((N, R)))
    assert metrics.rater_error_rate(again, labels) == pytest.approx(rate, abs=6e-3)


@pytest.mark.parametrize("rescaling", dial.RESCALINGS)
def test_one_setting_keeps_the_order_of_the_raters_and_one_each_sets_their_rates(pool, rescaling):
    probabilities, labels, uniforms = pool
    own = metrics.error_rate_by_rater(probabilities.argmax(axis=-1), labels)
    setting = dial.solve(rescaling, probabilities, labels, 0.2, uniforms)
    noisy = dial.draw(rescaling, probabilities, labels, setting, uniforms)
    assert np.argsort(metrics.error_rate_by_rater(noisy, labels)).tolist() == np.argsort(own).tolist()
    wanted = [0.2, 0.3, 0.15, 0.4, 0.1, 0.25]
    setting = dial.solve(rescaling, probabilities, labels, wanted, uniforms)
    noisy = dial.draw(rescaling, probabilities, labels, setting, uniforms)
    np.testing.assert_allclose(metrics.error_rate_by_rater(noisy, labels), wanted, atol=3e-4)


@pytest.mark.parametrize("rescaling", ["error_odds", "temperature"])
def test_at_one_the_labels_are_what_the_raters_believe(pool, rescaling):
    probabilities, labels, uniforms = pool
    noisy = dial.draw(rescaling, probabilities, labels, 1.0, uniforms)
    np.testing.assert_array_equal(noisy, noise_models.sample_labels(probabilities, uniforms))


def test_temperatures_zero_and_infinite(pool):
    probabilities, labels, uniforms = pool
    cold = dial.draw("temperature", probabilities, labels, 1e-6, uniforms)
    np.testing.assert_array_equal(cold, probabilities.argmax(axis=-1))
    hot = dial.draw("temperature", probabilities, labels, 1e6, uniforms)
    np.testing.assert_allclose(np.bincount(hot.ravel()) / hot.size, 1 / K, atol=0.006)


def test_error_odds_rescale_raters_as_human_labels_are_rescaled(pool):
    probabilities, labels, _ = pool
    one = np.ascontiguousarray(probabilities[:, :1])
    expected = noise_models.upsampled_errors(one[:, 0].astype(np.float64), labels, 0.3)
    uniforms = np.random.default_rng(2).random((N, 1))
    setting = dial.solve("error_odds", one, labels, 0.3, uniforms)
    turned = rescalings.with_error_odds(AllClasses.of(one), labels, setting).dense()[:, 0]
    np.testing.assert_allclose(turned / turned.sum(axis=1, keepdims=True), expected, atol=0.02)


def test_with_skill_a_rater_errs_where_the_image_is_too_hard_for_it(pool):
    probabilities, labels, uniforms = pool
    setting = dial.solve("skill", probabilities, labels, 0.2, uniforms)
    errs = dial.draw("skill", probabilities, labels, setting, uniforms) != labels[:, None]
    mean_wrong = 1 - probabilities.mean(axis=1)[np.arange(N), labels].astype(np.float64)
    np.testing.assert_array_equal(errs, (mean_wrong / (1 - mean_wrong))[:, None] * setting > 1)
    # Guttman's scale: who errs on an image is worse than who does not.
    by_skill = errs[:, np.argsort(setting)]
    assert (by_skill[:, 1:] >= by_skill[:, :-1]).all()
    # The quantiles of the logistic distribution at 1/12, 3/12 .. 11/12.
    steps = np.diff(np.log(np.sort(setting)))
    expected = rescalings.SPREAD * np.diff(np.log([1 / 11, 3 / 9, 5 / 7, 7 / 5, 9 / 3, 11 / 1]))
    np.testing.assert_allclose(steps, expected, rtol=1e-9)


def test_with_skill_the_wrong_class_is_sampled_from_the_raters_own_belief(pool):
    probabilities, labels, _ = pool
    uniforms = np.random.default_rng(4).random((N, R))
    noisy = dial.draw("skill", probabilities, labels, 1e12, uniforms)  # too hard for all
    assert (noisy != labels[:, None]).all()
    wrong = probabilities.astype(np.float64)
    np.put_along_axis(wrong, labels[:, None, None], 0.0, axis=-1)
    wrong /= wrong.sum(axis=-1, keepdims=True)
    for rater in range(R):
        counts = np.bincount(noisy[:, rater], minlength=K)
        expected, variance = wrong[:, rater].sum(axis=0), (wrong[:, rater] * (1 - wrong[:, rater])).sum(axis=0)
        assert (np.abs(counts - expected) < 4 * np.sqrt(variance)).all()


def test_with_skill_a_rater_that_is_sure_names_what_the_others_think_of():
    probabilities = np.array([[[1.0, 0.0, 0.0], [0.2, 0.8, 0.0]]], np.float32)
    noisy = dial.draw("skill", probabilities, np.array([0]), 10.0, np.full((1, 2), 0.5))
    assert noisy.tolist() == [[1, 1]]


@pytest.mark.parametrize("rescaling", dial.RESCALINGS)
def test_the_noise_depends_on_the_image_at_every_rate(pool, rescaling):
    probabilities, labels, uniforms = pool
    for rate in (0.1, 0.3, 0.6):
        setting = dial.solve(rescaling, probabilities, labels, rate, uniforms)
        found = instance_dependence(dial.draw(rescaling, probabilities, labels, setting, uniforms), labels, K)
        assert found.explained_by_class < 0.05
        # As a share of the most that it could be at this rate: images that all raters or none get wrong.
        assert found.flip_rate_variance / (rate * (1 - rate)) > 0.02


def test_errors_say_what_is_in_reach(pool):
    probabilities, labels, uniforms = pool
    own = metrics.rater_error_rate(probabilities.argmax(axis=-1), labels)
    with pytest.raises(dial.DialError, match=rf"0\.01 is out of .* by temperature: {own:.3f} \.\. 0\.(79|80)"):
        dial.solve("temperature", probabilities, labels, 0.01, uniforms)
    with pytest.raises(dial.DialError, match="out of this pool's reach"):
        dial.solve("temperature", probabilities, labels, [0.2] * 5 + [0.9], uniforms)
    with pytest.raises(dial.DialError, match="each of the 6 raters"):
        dial.solve("error_odds", probabilities, labels, [0.2, 0.3], uniforms)
    with pytest.raises(dial.DialError, match="no rescaling 'volume'; there are error_odds, temperature, skill"):
        dial.solve("volume", probabilities, labels, 0.2, uniforms)


def test_calibration_finds_the_temperature_that_makes_the_probabilities_true():
    rng = np.random.default_rng(2)
    logits = 2 * rng.normal(size=(N, 1, K))
    meant = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    labels = noise_models.sample_labels(meant, rng.random((N, 1)))[:, 0]
    distortions = np.array([0.5, 1.0, 3.0])  # too sure, as meant, too modest
    given = rescalings.tempered(AllClasses.of(np.repeat(meant, 3, axis=1)), distortions).normalised().dense()
    given = given.astype(np.float32)
    found = calibration(given, labels)
    np.testing.assert_allclose(found, 1 / distortions, rtol=0.05)
    # The same by a search: no temperature nearby makes the clean labels likelier.
    for rater, best in enumerate(found):
        losses = []
        for temperature in best * np.array([0.97, 1.0, 1.03]):
            turned = rescalings.tempered(AllClasses.of(given[:, [rater]]), np.array([temperature])).dense()
            turned = turned[:, 0].astype(np.float64)
            losses.append(-np.log(turned[np.arange(N), labels] / turned.sum(axis=-1)).mean())
        assert losses[1] < min(losses[0], losses[2])


@pytest.mark.parametrize("rescaling", dial.RESCALINGS)
def test_wrong_labels_are_counted_as_they_would_be_drawn(pool, rescaling):
    """At settings of all sizes, and at those where a label turns wrong: there rounding decides, as when it is drawn."""
    probabilities, labels, uniforms = (array[:2000].copy() for array in pool)
    rng = np.random.default_rng(3)
    probabilities[rng.random(probabilities.shape) < 0.1] = 0  # raters who rule classes out, the clean one among them
    probabilities[:500] = rng.integers(0, 3, (500, R, K)) / 4  # simple shares: levels lie on the limits of classes
    uniforms[:500] = rng.integers(0, 8, (500, R)) / 8
    count = dial.RESCALINGS[rescaling].counter(AllClasses.of(probabilities), labels, uniforms)
    limits = [0.125, 0.25, 1 / 3, 0.5, 1.0, 2.0, 3.0, 4.0, 7.0]
    for setting in [*limits, *np.nextafter(limits, 9), *np.exp2(rng.uniform(-7, 9, 40)), 2.0**-40, 2.0**40]:
        settings = setting * np.exp2(rng.integers(-1, 2, R))
        if rescaling == "temperature":
            settings = np.clip(settings, 2.0**-7, 2.0**9)
        drawn = dial.draw(rescaling, probabilities, labels, settings, uniforms)
        np.testing.assert_array_equal(count(settings), (drawn != labels[:, None]).sum(axis=0))


def test_calibration_is_a_bisection_to_the_last_bit(pool):
    probabilities, labels, _ = (array[:3000] for array in pool)
    probabilities = probabilities.copy()
    probabilities[:, 0] = np.eye(K, dtype=np.float32)[labels]  # one who is always right and sure of it
    probabilities[:, 1] = np.eye(K, dtype=np.float32)[(labels + 1) % K]  # and one who never is
    probabilities[:, 2] = 1 / K
    logs = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).astype(np.float64)
    of_clean = np.take_along_axis(logs, labels[:, None, None], axis=-1)[..., 0].mean(axis=0)
    low, high = np.full(R, 1 / 32), np.full(R, 32.0)
    for _ in range(40):
        middle = np.sqrt(low * high)
        weights = np.exp((logs - logs.max(axis=-1, keepdims=True)) * middle[:, None])
        expected = ((weights * logs).sum(axis=-1) / weights.sum(axis=-1)).mean(axis=0)
        low, high = np.where(expected < of_clean, middle, low), np.where(expected < of_clean, high, middle)
    np.testing.assert_array_equal(calibration(probabilities, labels), 1 / np.sqrt(low * high))
