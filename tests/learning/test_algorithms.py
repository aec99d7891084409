"""Steps of the algorithms on a linear network, against gradients and selections computed apart from them."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from noisy_label_learning import losses
from noisy_label_learning.algorithms import (
    ALGORITHMS,
    ELR,
    Batch,
    Bootstrap,
    CoTeaching,
    CrossEntropy,
    ForwardCorrection,
    GeneralizedCrossEntropy,
    MCSoftMax,
    MentorMix,
    Networks,
    RoG,
    Stage,
)
from noisy_label_learning.algorithms.noise_rate import NoiseRate
from noisy_label_learning.errors import LearningError
from noisy_label_learning.runs.config import Schedule, by_name

B, D, K = 12, 5, 3


def apply(params, statistics, inputs):
    """A linear network; its statistics count the batches."""
    return inputs @ params, statistics + 1


def batch(epoch=20.0, progress=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return Batch(
        inputs=jnp.asarray(rng.normal(size=(B, D)), jnp.float32),
        targets=jax.nn.one_hot(rng.integers(0, K, B), K),
        rows=jnp.asarray(rng.permutation(100)[:B]),
        epoch=jnp.float32(epoch),
        progress=jnp.float32(progress),
        key=jax.random.key(seed),
    )


def networks(count=1, outputs=K):
    rng = np.random.default_rng(1)
    params = tuple(jnp.asarray(rng.normal(size=(D, outputs)), jnp.float32) for _ in range(count))
    return Networks(params, (jnp.zeros(()),) * count)


def stage(first_network=None, rate=0.4):
    def fail():
        raise AssertionError("no first network was to be trained")

    return Stage(None, None, lambda setting: NoiseRate(rate, str(setting)), first_network or fail)


def step(algorithm, networks, batch, memory=(), constants=()):
    """What one step makes of a batch, compiled as in training."""
    return jax.jit(lambda *given: algorithm.gradients(apply, *given))(networks, batch, memory, constants)


def test_cross_entropy_s_gradient_by_hand():
    made = step(CrossEntropy(), networks(), batch(), (), ())
    inputs, targets = batch().inputs, batch().targets
    p = jax.nn.softmax(inputs @ networks().params[0])
    np.testing.assert_allclose(made.gradients[0], inputs.T @ (p - targets) / B, atol=1e-6)
    assert made.statistics == (1.0,)


def test_each_network_of_co_teaching_is_trained_on_what_its_peer_finds_easy():
    algorithm = CoTeaching(noise_rate=0.4, ramp_epochs=10)
    constants, details = algorithm.prepare(stage(rate=0.5))
    assert details == {"noise_rate": {"rate": 0.5, "source": "0.4", "half_width": None}}
    both, seen = networks(2), batch()
    made = step(algorithm, both, seen, algorithm.memory(100, K), constants)
    outputs = [seen.inputs @ params for params in both.params]
    of_examples = [-(np.asarray(seen.targets) * np.asarray(jax.nn.log_softmax(o))).sum(1) for o in outputs]
    kept = [sorted(range(B), key=lambda i, v=values: v[i])[:6] for values in of_examples]  # half of twelve
    assert set(kept[0]) != set(kept[1])
    for own, peer in ((0, 1), (1, 0)):
        rows = np.array(kept[peer])
        p = jax.nn.softmax(outputs[own][rows])
        # The mean over the kept ones. Divided by their number once more, as the released code does, it is a sixth.
        expected = seen.inputs[rows].T @ (p - seen.targets[rows]) / 6
        np.testing.assert_allclose(made.gradients[own], expected, atol=1e-6)
    labels = np.asarray(seen.targets).argmax(axis=1)
    of_labels = [np.mean([i in kept[1] for i in np.flatnonzero(labels == k)]) for k in range(K)]
    np.testing.assert_allclose(algorithm.trusted(made.memory), of_labels, rtol=1e-5)


def test_in_the_first_epoch_co_teaching_keeps_all():
    algorithm = CoTeaching()
    made = step(algorithm, networks(2), batch(epoch=0.0), algorithm.memory(100, K), algorithm.prepare(stage())[0])
    plain = step(CrossEntropy(), networks(), batch(), (), ())
    np.testing.assert_allclose(made.gradients[0], plain.gradients[0], atol=1e-6)


def test_elr_remembers_each_example_by_its_row():
    algorithm = ELR()
    memory = algorithm.memory(100, K)
    seen = batch()
    made = step(algorithm, networks(), seen, memory, ())
    p = jax.nn.softmax(seen.inputs @ networks().params[0])
    np.testing.assert_allclose(made.memory[seen.rows], 0.3 * p, atol=1e-4)
    others = np.setdiff1d(np.arange(100), seen.rows)
    assert not np.asarray(made.memory)[others].any()


def test_mentor_mix_is_mixup_while_it_burns_in():
    algorithm = MentorMix(second=True)
    constants, details = algorithm.prepare(stage(rate=0.55))
    assert (details["percentile"], details["alpha"], details["second"]) == (0.6, 8.0, True)  # of the nearest, 0.6
    seen = batch(progress=0.05)
    made = step(algorithm, networks(), seen, algorithm.memory(100, K), constants)
    inputs, targets = jax.jit(losses.mixed)(seen.inputs, seen.targets, jnp.ones(B), seen.key, quantiles=constants[1])
    plain = step(CrossEntropy(), networks(), seen._replace(inputs=inputs, targets=targets), (), ())
    np.testing.assert_allclose(made.gradients[0], plain.gradients[0], atol=1e-6)
    assert (np.asarray(made.memory[:2]) > 0).all()  # the running percentiles are kept all the same
    np.testing.assert_allclose(made.memory[2], [seen.targets.sum(axis=0)] * 2)  # all are trusted


@pytest.mark.parametrize("second", [False, True])
def test_mentor_mix_after_the_burn_in_against_a_loop(second):
    algorithm = MentorMix(percentile=0.5, alpha=2.0, second=second)
    constants, _ = algorithm.prepare(stage())
    seen, params = batch(), networks().params[0]
    start = (jnp.float32(1.0), jnp.float32(1.5), jnp.full((2, K), 3.0))
    made = step(algorithm, networks(), seen, start, constants)
    plain = -(np.asarray(seen.targets) * np.asarray(jax.nn.log_softmax(seen.inputs @ params))).sum(1)
    threshold = 0.5 * 1.0 + 0.5 * np.percentile(plain, 50)
    weights = jnp.asarray([1.0 if value <= threshold else 0.0 for value in plain])
    inputs, targets = jax.jit(losses.mixed)(seen.inputs, seen.targets, weights, seen.key, quantiles=constants[1])
    mixed = -(np.asarray(targets) * np.asarray(jax.nn.log_softmax(inputs @ params))).sum(1)
    again = 0.5 * 1.5 + 0.5 * np.percentile(mixed, 50)
    kept = np.array([1.0 if value <= again or not second else 0.0 for value in mixed])
    expected = inputs.T @ ((jax.nn.softmax(inputs @ params) - targets) * kept[:, None]) / B  # over all, not the kept
    np.testing.assert_allclose(made.gradients[0], expected, atol=1e-5)
    np.testing.assert_allclose(made.memory[:2], (threshold, again), rtol=1e-5)
    trusted, all_examples = 0.99 * 3 + weights @ seen.targets, 0.99 * 3 + seen.targets.sum(axis=0)
    np.testing.assert_allclose(algorithm.trusted(made.memory), trusted / all_examples, rtol=1e-5)
    np.testing.assert_allclose(made.loss, (mixed * kept).mean(), rtol=1e-5)


@pytest.mark.parametrize(("num_classes", "factors"), [(2, 0), (2, 1), (5, 3)])
def test_mc_softmax_s_outputs(num_classes, factors):
    algorithm = MCSoftMax(factors=factors, samples=50)
    outputs = np.random.default_rng(0).normal(size=(7, algorithm.outputs(num_classes))).astype(np.float32)
    assert outputs.shape[1] == num_classes * (2 + factors)
    probabilities = jax.jit(algorithm.log_probabilities)
    found = probabilities(jnp.asarray(outputs))
    assert found.shape == (7, num_classes)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found, probabilities(jnp.asarray(outputs)))  # the same draws always


def test_mc_softmax_without_noise_is_cross_entropy():
    algorithm = MCSoftMax(samples=3)
    mean = np.random.default_rng(0).normal(size=(B, K)).astype(np.float32)
    outputs = jnp.asarray(np.concatenate([mean, np.full((B, K), -30.0, np.float32)], axis=1))  # deviation 1e-3
    found, _ = jax.jit(algorithm.losses)(outputs, batch(), (), ())
    np.testing.assert_allclose(found, losses.cross_entropy(jnp.asarray(mean), batch().targets), atol=0.01)


def test_f_correction_takes_the_matrix_of_a_first_network():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(K), 50)
    constants, details = ForwardCorrection().prepare(stage(lambda: probabilities))
    np.testing.assert_allclose(constants, details["transition"], atol=1e-5)
    np.testing.assert_allclose(constants.sum(axis=1), 1, rtol=1e-5)


def test_an_unknown_algorithm_names_those_there_are():
    with pytest.raises(
        LearningError, match="no algorithm 'coteaching'; there are bootstrap, co_teaching, cross_entropy"
    ):
        by_name("algorithm", "coteaching", ALGORITHMS, {})
    with pytest.raises(LearningError, match="algorithm elr has no setting 'lambda'; it has weight, beta"):
        by_name("algorithm", "elr", ALGORITHMS, {"lambda": 3})
    with pytest.raises(LearningError, match="it has none"):
        by_name("algorithm", "cross_entropy", ALGORITHMS, {"beta": 3})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CoTeaching(noise_rate=1.0), r"forget rate, is 1.0; it has to be in \[0, 1\)"),
        (lambda: CoTeaching(ramp_epochs=0), "ramp_epochs is 0"),
        (lambda: MentorMix(percentile=1.5), "percentile is 1.5"),
        (lambda: MentorMix(noise_rate=-0.1), "noise_rate is -0.1"),
        (lambda: MCSoftMax(samples=0), "samples is 0"),
        (lambda: MCSoftMax(temperature=0), "temperature is 0"),
        (lambda: Bootstrap(beta=2), "beta is 2"),
        (lambda: GeneralizedCrossEntropy(q=0), "q is 0"),
        (lambda: ELR(beta=1), "beta is 1"),
        (lambda: RoG(kept_share=0), "kept_share is 0"),
        (lambda: ForwardCorrection(percentile=101), "percentile is 101"),
    ],
)
def test_settings_that_cannot_be(make, message):
    with pytest.raises(LearningError, match=message):
        make()


def test_all_are_frozen_and_compare_by_value():
    for kind in ALGORITHMS.values():
        assert kind() == kind()
        assert hash(kind()) == hash(kind())
        assert dataclasses.fields(kind) is not None


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("elr", {"weight": "high"}, "setting 'weight' of algorithm elr is 'high'; it has to be a number"),
        ("elr", {"weight": math.inf}, "is inf; it has to be a number"),
        ("elr", {"weight": True}, "is True; it has to be a number"),
        ("mc_softmax", {"samples": 2.5}, "is 2.5; it has to be a whole number"),
        ("co_teaching", {"noise_rate": None}, "is None; it has to be a number or text"),
    ],
)
def test_a_setting_of_another_kind_is_named(name, settings, message):
    with pytest.raises(LearningError, match=message):
        by_name("algorithm", name, ALGORITHMS, settings)


@pytest.mark.parametrize("rate", [math.nan, math.inf, 0.0, -1.0])
def test_a_learning_rate_is_a_number_above_zero(rate):
    with pytest.raises(LearningError, match="it has to be above 0, and finite"):
        Schedule(learning_rate=rate)
