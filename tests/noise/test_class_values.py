"""Values of the most probable classes alone against the same values of all classes, and known values."""

import numpy as np
import pytest

from noisy_label_datasets.noise import dial, rescalings
from noisy_label_datasets.noise.class_values import AllClasses, MostProbable
from noisy_label_datasets.noise.noise_models import sample_labels
from noisy_label_datasets.noise.temperature_scaling import calibration

N, R, K, OWN = 3000, 4, 30, 5


def made_up(kind, seed=0):
    """Probabilities of which OWN classes have their own and the others share one: values, clean labels, uniforms."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(K, size=N)
    order = np.argsort(rng.random((N, R, K)), axis=-1)
    is_clean = order == labels[:, None, None]  # brought to the front for half of the labels, so that it is kept there
    order = np.take_along_axis(order, np.argsort(~is_clean & (rng.random((N, R, 1)) < 0.5), -1, kind="stable"), -1)
    classes = np.sort(order[..., :OWN], axis=-1)
    own, rest = rng.exponential(size=(N, R, OWN)) ** 3, 0.01 * rng.random((N, R)) ** 3
    if kind == "ties":
        own, rest = rng.integers(0, 3, own.shape) / 4, np.full(rest.shape, 0.125)
    elif kind == "nothing left":
        own, rest = own + 1e-3, np.zeros(rest.shape)
    elif kind == "one alone":
        own[..., 1:] = rest[..., None] = 0
        own[..., 0] = 1
    stored = np.concatenate([own, rest[..., None]], axis=-1)
    stored /= (own.sum(axis=-1) + (K - OWN) * rest)[..., None]
    stored = np.moveaxis(stored, -1, 0).astype(np.float32)
    uniforms = rng.random((N, R))
    uniforms[: N // 3] = rng.integers(0, 16, (N // 3, R)) / 16  # numbers that lie on limits of classes
    return MostProbable(np.moveaxis(classes, -1, 0).astype(np.int8), stored, K), labels, uniforms


@pytest.fixture(params=["any", "ties", "nothing left", "one alone"], scope="module")
def given(request):
    return made_up(request.param)


def test_known_values():
    values = MostProbable(np.array([[[1]], [[3]]], np.int8), np.array([[[0.5]], [[0.2]], [[0.1]]], np.float32), 5)
    np.testing.assert_allclose(values.dense(), [[[0.1, 0.5, 0.1, 0.2, 0.1]]])
    assert (values.shape, values.sum().item()) == ((1, 1, 5), pytest.approx(1))
    for class_, shares in enumerate([(0, 0.1, 0.9), (0.1, 0.5, 0.4), (0.6, 0.1, 0.3), (0.7, 0.2, 0.1), (0.9, 0.1, 0)]):
        np.testing.assert_allclose(np.ravel(values.shares(np.array([class_]))), shares, atol=1e-7)
    drawn = [values.sample(np.array([[u]])).item() for u in (0, 0.05, 0.15, 0.55, 0.65, 0.75, 0.85, 0.95)]
    assert drawn == [0, 0, 1, 1, 2, 3, 3, 4]
    raised, lowered = (values.with_values(np.array([c]), v) for c, v in ((2, 0.7), (3, 0.0)))
    np.testing.assert_allclose(raised.dense(), [[[0.1, 0.5, 0.7, 0.2, 0.1]]])
    np.testing.assert_allclose(lowered.dense(), [[[0.1, 0.5, 0.1, 0.0, 0.1]]])
    assert lowered.sum().item() == pytest.approx(0.8)


def test_both_forms_hold_and_add_up_the_same(given):
    values, labels, _ = given
    dense = AllClasses.of(values.dense())
    np.testing.assert_array_equal(values.sum_in_order(), values.dense().sum(axis=-1))
    np.testing.assert_array_equal(values.normalised().dense(), dense.normalised().dense())
    for form in (values, dense):
        np.testing.assert_array_equal(form.largest(), values.dense().max(axis=-1))
        np.testing.assert_array_equal(form.smallest(), values.dense().min(axis=-1))
        np.testing.assert_allclose(form.sum(), values.dense().sum(axis=-1), rtol=1e-6)
        expected = np.take_along_axis(values.dense(), labels[:, None, None], axis=-1)[..., 0]
        np.testing.assert_array_equal(form.at(labels), expected)
        before = np.where(np.arange(K) < labels[:, None, None], values.dense(), 0).sum(axis=-1, dtype=np.float64)
        after = np.where(np.arange(K) > labels[:, None, None], values.dense(), 0).sum(axis=-1, dtype=np.float64)
        for share, wanted in zip(form.shares(labels), (before, expected, after), strict=True):
            np.testing.assert_allclose(share, wanted, rtol=1e-12, atol=1e-18)
        np.testing.assert_allclose(form.others(labels), before + after, rtol=1e-12, atol=1e-18)
        other = form.with_values(labels, 0.25).dense()
        np.testing.assert_array_equal(other, np.where(np.arange(K) == labels[:, None, None], 0.25, values.dense()))
        parts = type(form).joined([form[rows] for rows in form.blocks()], axis=0)
        np.testing.assert_array_equal(parts.dense(), values.dense())
        rows, raters = np.array([5, 0, 5]), np.array([1, 3, 2])
        np.testing.assert_array_equal(form.of_labels(rows, raters).dense()[:, 0], values.dense()[rows, raters])


def test_both_forms_draw_the_same_labels(given):
    values, labels, uniforms = given
    for form in (values, values.with_values(labels, 0.25), values.with_values(labels, 0.0)):
        expected = sample_labels(form.dense(), uniforms)
        np.testing.assert_array_equal(form.sample(uniforms), expected)
        np.testing.assert_array_equal(AllClasses.of(form.dense()).sample(uniforms), expected)


@pytest.mark.parametrize("rescaling", dial.RESCALINGS)
def test_the_dial_draws_and_counts_the_same_labels(given, rescaling):
    values, labels, uniforms = given
    dense = values.dense()
    count = dial.RESCALINGS[rescaling].counter(values, labels, uniforms)
    for setting in (2.0**-6, 0.3, 1.0, 1.7, 2.0**8):
        settings = setting * np.array([0.5, 1.0, 1.0, 2.0])
        drawn = dial.draw(rescaling, values, labels, settings, uniforms)
        np.testing.assert_array_equal(drawn, dial.draw(rescaling, dense, labels, settings, uniforms))
        np.testing.assert_array_equal(count(settings), (drawn != labels[:, None]).sum(axis=0))


@pytest.mark.parametrize("rescaling", dial.RESCALINGS)
@pytest.mark.parametrize("rate", [0.9, [0.95, 0.9, 0.92, 0.94]])
def test_the_dial_finds_the_same_settings(rescaling, rate):
    values, labels, uniforms = made_up("any")
    settings = dial.solve(rescaling, values, labels, rate, uniforms)
    np.testing.assert_array_equal(settings, dial.solve(rescaling, values.dense(), labels, rate, uniforms))


def test_what_is_known_between_two_temperatures_changes_no_count():
    values, labels, uniforms = made_up("any", seed=1)
    count = dial.RESCALINGS["temperature"].counter(values, labels, uniforms)
    low, high = np.full(R, 0.8), np.full(R, 1.3)
    known = count.between(low, high).between(0.9 * np.ones(R), 1.2 * np.ones(R))
    assert known is not count
    for temperature in np.linspace(0.9, 1.2, 7):
        np.testing.assert_array_equal(known(np.full(R, temperature)), count(np.full(R, temperature)))


def test_raters_are_calibrated_alike():
    values, labels, _ = made_up("any")
    found = calibration(values, labels)
    np.testing.assert_allclose(found, calibration(values.dense(), labels), rtol=1e-11)
    turned = [form.dense() for v in (values, AllClasses.of(values.dense())) for form in [rescalings.tempered(v, found)]]
    np.testing.assert_array_equal(*turned)
