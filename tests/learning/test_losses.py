"""Losses: values by hand, the same computed another way, and a test for every mistake that is known of them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from noisy_label_learning import losses

LOGITS = jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]))
LABELS = np.array([0, 1])
TARGETS = jax.nn.one_hot(LABELS, 3)


def random_logits(n=6, k=4, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(0, 2, (n, k)), jnp.float32)


def test_cross_entropy_by_hand():
    np.testing.assert_allclose(losses.cross_entropy(LOGITS, TARGETS), -np.log([0.7, 0.25]), rtol=1e-6)
    soft = jnp.array([[0.5, 0.5, 0.0], [0.0, 0.2, 0.8]])
    by_hand = [-0.5 * np.log(0.7) - 0.5 * np.log(0.2), -0.2 * np.log(0.25) - 0.8 * np.log(0.5)]
    np.testing.assert_allclose(losses.cross_entropy(LOGITS, soft), by_hand, rtol=1e-6)


def test_soft_bootstrap_by_hand():
    entropy = -(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1))
    found = losses.bootstrap_soft(LOGITS, TARGETS, 0.95)[0]
    np.testing.assert_allclose(found, -0.95 * np.log(0.7) + 0.05 * entropy, rtol=1e-6)


def test_soft_bootstrap_s_gradient_flows_through_the_prediction():
    """With the target held fixed it would be beta (q - t): a published port does so without saying it."""
    logits, targets, beta = random_logits(), jax.nn.one_hot(np.arange(6) % 4, 4), 0.8
    q = np.asarray(jax.nn.softmax(logits), np.float64)
    log_q = np.log(q)
    entropy = -(q * log_q).sum(1, keepdims=True)
    through = beta * (q - targets) - (1 - beta) * q * (log_q + entropy)
    gradient = jax.jit(jax.grad(lambda x: losses.bootstrap_soft(x, targets, beta).sum()))(logits)
    np.testing.assert_allclose(gradient, through, atol=1e-5)
    stopped = jax.jit(jax.grad(lambda x: losses.bootstrap_soft(x, targets, beta, stop_gradient=True).sum()))(logits)
    np.testing.assert_allclose(stopped, beta * (q - targets), atol=1e-5)
    assert np.abs(gradient - stopped).max() > 0.01


def test_hard_bootstrap_by_hand():
    # The second example is predicted to be class 2.
    found = losses.bootstrap_hard(LOGITS, TARGETS, 0.8)
    by_hand = [-np.log(0.7), -0.8 * np.log(0.25) - 0.2 * np.log(0.5)]
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_generalized_cross_entropy(q):
    p = np.array([0.7, 0.25])
    np.testing.assert_allclose(losses.generalized_cross_entropy(LOGITS, TARGETS, q), (1 - p**q) / q, rtol=1e-5)
    # Equation 7 of Zhang & Sabuncu: its gradient is p_y^q times that of cross-entropy.
    logits, targets = random_logits(), jax.nn.one_hot(np.arange(6) % 4, 4)
    of_gce = jax.jit(jax.grad(lambda x: losses.generalized_cross_entropy(x, targets, q).sum()))(logits)
    of_ce = jax.grad(lambda x: losses.cross_entropy(x, targets).sum())(logits)
    p_y = (jax.nn.softmax(logits) * targets).sum(1, keepdims=True)
    np.testing.assert_allclose(of_gce, p_y**q * of_ce, atol=1e-6)


def test_generalized_cross_entropy_is_cross_entropy_in_the_limit_and_finite_where_nothing_is_left():
    np.testing.assert_allclose(
        losses.generalized_cross_entropy(LOGITS, TARGETS, 1e-4), losses.cross_entropy(LOGITS, TARGETS), rtol=1e-3
    )
    certain = jnp.array([[200.0, 0.0, 0.0]])
    gradient = jax.grad(lambda x: losses.generalized_cross_entropy(x, jnp.array([[0.0, 1.0, 0.0]]), 0.7).sum())(certain)
    assert np.isfinite(gradient).all()


def test_forward_correction_by_hand():
    transition = np.array([[0.8, 0.2, 0.0], [0.1, 0.9, 0.0], [0.0, 0.5, 0.5]])
    p = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    noisy = p @ transition  # P(noisy label j) = sum_i p_i T_ij
    found = losses.forward_corrected(LOGITS, TARGETS, jnp.asarray(transition))
    np.testing.assert_allclose(found, -np.log([noisy[0, 0], noisy[1, 1]]), rtol=1e-5)
    # The other orientation, T p, is another number: the test would see it.
    assert abs((transition @ p[0])[0] - noisy[0, 0]) > 0.01


def test_forward_correction_with_the_identity_is_cross_entropy():
    logits, targets = random_logits(), jax.nn.one_hot(np.arange(6) % 4, 4)
    np.testing.assert_allclose(
        losses.forward_corrected(logits, targets, jnp.eye(4)), losses.cross_entropy(logits, targets), rtol=1e-5
    )


def test_early_learning_regularization_by_hand():
    remembered = jnp.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    found, new = losses.early_learning_regularization(LOGITS, TARGETS, remembered, weight=3.0, beta=0.7)
    p = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    updated = 0.7 * np.asarray(remembered) + 0.3 * p
    by_hand = -np.log([0.7, 0.25]) + 3 * np.log(1 - (p * updated).sum(1))
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)
    np.testing.assert_allclose(new, updated, rtol=1e-5)


def test_no_gradient_flows_through_what_elr_remembers():
    remembered = jnp.full((2, 3), 1 / 3)

    def loss(logits, constant_logits):
        # The same loss, the remembered predictions those of other logits.
        p, q = jax.nn.softmax(logits), jax.nn.softmax(constant_logits)
        updated = 0.7 * remembered + 0.3 * q
        return (losses.cross_entropy(logits, TARGETS) + 3 * jnp.log(1 - (p * updated).sum(1))).sum()

    gradient_of = jax.grad(
        lambda x: losses.early_learning_regularization(x, TARGETS, remembered, weight=3.0, beta=0.7)[0].sum()
    )
    np.testing.assert_allclose(jax.jit(gradient_of)(LOGITS), jax.jit(jax.grad(loss))(LOGITS, LOGITS), atol=1e-5)


# ---------------------------------------------------------------------------------------------------------------------
# MCSoftMax


# One compilation is cheaper than one per operation.
sampled_softmax = jax.jit(losses.heteroscedastic_log_probabilities, static_argnames=("temperature", "samples"))
mixed_up = jax.jit(losses.mixed)


def draws(mean, diagonal, factors, samples, temperature=1.0, key=0):
    shape = (*np.shape(mean), 0) if factors is None else np.shape(factors)
    factors = jnp.zeros(shape) if factors is None else jnp.asarray(factors)
    return sampled_softmax(
        jnp.asarray(mean), jnp.asarray(diagonal), factors, jax.random.key(key), temperature=temperature, samples=samples
    )


def integral(difference, deviation, temperature=1.0):
    """P(class 1) of two classes: the mean of a logistic function of a Gaussian, by quadrature in one dimension."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    return (weights * special.expit((difference + deviation * nodes) / temperature)).sum() / weights.sum()


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_two_classes_against_the_exact_integral(temperature):
    mean, diagonal = np.array([[0.2, 1.0]], np.float32), np.array([[1.5, 0.8]], np.float32)
    exact = integral(0.8, np.hypot(1.5, 0.8), temperature)
    found = np.exp(draws(mean, diagonal, None, 40_000, temperature))[0]
    assert abs(found[1] - exact) < 4 * 0.5 / np.sqrt(40_000)
    np.testing.assert_allclose(found.sum(), 1, rtol=1e-5)


def test_the_gradient_is_that_of_the_exact_integral():
    mean, diagonal = jnp.array([[0.2, 1.0]]), jnp.array([[1.5, 0.8]])
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)

    def exact(mean):
        z = mean[0, 1] - mean[0, 0] + np.float32(np.hypot(1.5, 0.8)) * nodes.astype(np.float32)
        return jnp.log((weights * jax.nn.sigmoid(z)).sum() / weights.sum())

    def sampled(mean):
        empty = jnp.zeros((1, 2, 0))
        return losses.heteroscedastic_log_probabilities(
            mean, diagonal, empty, jax.random.key(1), temperature=1.0, samples=40_000
        )[0, 1]

    np.testing.assert_allclose(jax.jit(jax.grad(sampled))(mean), jax.jit(jax.grad(exact))(mean), atol=0.01)


def test_low_rank_noise_has_the_covariance_v_v_transposed():
    """One factor that moves both classes alike changes nothing; one that parts them is a deviation of their
    difference."""
    mean, none = np.array([[0.2, 1.0]], np.float32), np.full((1, 2), 1e-6, np.float32)
    together = np.exp(draws(mean, none, np.array([[[2.0], [2.0]]]), 2000))[0, 1]
    np.testing.assert_allclose(together, special.expit(0.8), rtol=1e-4)
    apart = np.exp(draws(mean, none, np.array([[[1.0], [-1.0]]]), 40_000))[0, 1]
    assert abs(apart - integral(0.8, 2.0)) < 4 * 0.5 / np.sqrt(40_000)


def test_every_class_has_noise_of_its_own():
    """Noise that all classes share, as in a published implementation, cancels in the softmax."""
    mean, diagonal = np.zeros((1, 2), np.float32), np.full((1, 2), 3.0, np.float32)
    one = jax.vmap(
        lambda key: losses.heteroscedastic_log_probabilities(
            mean, diagonal, jnp.zeros((1, 2, 0)), key, temperature=1.0, samples=1
        )
    )
    single = np.exp(jax.jit(one)(jax.random.split(jax.random.key(0), 50))[:, 0, 1])
    assert np.std(single) > 0.2
    mean = np.array([[0.0, 2.0]], np.float32)
    assert abs(np.exp(draws(mean, diagonal, None, 20_000))[0, 1] - special.expit(2.0)) > 0.1


def test_it_is_the_log_of_a_mean_of_probabilities():
    """Neither the softmax of mean logits nor the mean of log-probabilities."""
    mean, diagonal = np.array([[0.0, 2.0]], np.float32), np.full((1, 2), 3.0, np.float32)
    found = draws(mean, diagonal, None, 20_000)[0, 1]
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    mean_of_logs = (weights * -np.logaddexp(0, -(2 + np.sqrt(18) * nodes))).sum() / weights.sum()
    assert abs(found - np.log(integral(2.0, np.sqrt(18)))) < 0.02
    assert abs(found - mean_of_logs) > 0.5
    assert abs(found - np.log(special.expit(2.0))) > 0.1


def test_large_logits_do_not_overflow():
    found = draws(np.array([[1000.0, -1000.0]], np.float32), np.ones((1, 2), np.float32), None, 10)
    assert np.isfinite(found).all()


# ---------------------------------------------------------------------------------------------------------------------
# Co-Teaching


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_losses_are_those_of_a_sort(seed):
    rng = np.random.default_rng(seed)
    values, count = rng.choice(10, 32) + 0.5, int(rng.integers(1, 33))  # with ties
    expected = np.zeros(32)
    for row in sorted(range(32), key=lambda i: (values[i], i))[:count]:
        expected[row] = 1
    np.testing.assert_array_equal(losses.smallest(jnp.asarray(values), jnp.asarray(count)), expected)


@pytest.mark.parametrize(
    ("rate", "size", "kept"),
    [(0.0, 128, 128), (0.2, 128, 102), (0.5, 128, 64), (0.8, 100, 20), (0.9, 10, 1), (0.999, 10, 1)],
)
def test_how_many_are_kept(rate, size, kept):
    assert int(losses.kept_count(size, jnp.float32(rate))) == kept


def test_the_forget_rate_rises_as_published():
    for epoch, exponent in itertools.product((0, 1, 4, 10, 20), (0.5, 1.0, 2.0)):
        expected = 0.4 * min(epoch**exponent / 10, 1)
        np.testing.assert_allclose(losses.forget_rate(jnp.float32(epoch), 0.4, 10.0, exponent), expected, rtol=1e-5)


def test_the_released_code_s_schedule_agrees_for_exponent_one_only():
    """bhanML/Co-teaching: linspace(0, rate ** exponent, T_k), which reaches the rate one epoch earlier."""
    linspace = np.linspace(0, 0.4**2, 10)
    paper = [float(losses.forget_rate(jnp.float32(t), 0.4, 10.0, 2.0)) for t in range(10)]
    assert np.abs(linspace - paper).max() > 0.1


# ---------------------------------------------------------------------------------------------------------------------
# MentorMix


def test_weights_and_the_running_percentile_against_a_loop():
    rng = np.random.default_rng(0)
    mean = expected_mean = 0.0
    for _ in range(6):
        values = rng.exponential(1, 50).astype(np.float32)
        weights, mean = losses.running_percentile(jnp.asarray(values), mean, percentile=0.7, decay=0.5)
        expected_mean = 0.5 * expected_mean + 0.5 * np.percentile(values, 70)
        np.testing.assert_allclose(mean, expected_mean, rtol=1e-5)
        np.testing.assert_array_equal(weights, [1.0 if value <= expected_mean else 0.0 for value in values])


def test_the_decay_matters_as_it_does_in_a_port_that_failed():
    """A decay of 0.0001 forgets all but the last batch; the published 0.5 does not."""
    first, second = jnp.full(10, 4.0), jnp.linspace(0.0, 1.0, 10)
    _, mean = losses.running_percentile(first, 0.0, percentile=0.5, decay=0.5)
    assert float(mean) == 2.0  # from 0
    weights, _ = losses.running_percentile(second, mean, percentile=0.5, decay=0.5)
    assert weights.sum() == 10  # the mean, 1.25, is above all
    _, forgetful = losses.running_percentile(first, 0.0, percentile=0.5, decay=0.0001)
    weights, _ = losses.running_percentile(second, forgetful, percentile=0.5, decay=0.0001)
    assert weights.sum() == 5


def test_mixed_examples_against_a_loop():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 3, 3, 1)).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 40)]
    weights = (rng.random(40) < 0.6).astype(np.float32)
    key = jax.random.key(3)
    quantiles = losses.beta_quantiles(2.0)
    found_inputs, found_targets = mixed_up(
        jnp.asarray(inputs), jnp.asarray(targets), jnp.asarray(weights), key, quantiles=jnp.asarray(quantiles)
    )
    partner_key, ratio_key = jax.random.split(key)
    partners = np.asarray(jax.random.categorical(partner_key, jnp.asarray(weights), shape=(40,)))
    ratios = stats.beta.ppf(np.asarray(jax.random.uniform(ratio_key, (40,)), np.float64), 2, 2)
    for i in range(40):
        ratio = max(ratios[i], 1 - ratios[i])
        if weights[i] < 0.5:  # the partner dominates an example that is not trusted
            ratio = 1 - ratio
        for found, given in ((found_inputs, inputs), (found_targets, targets)):
            np.testing.assert_allclose(found[i], ratio * given[i] + (1 - ratio) * given[partners[i]], atol=2e-3)


def test_partners_are_drawn_by_the_softmax_of_the_weights():
    weights = jnp.array([1.0] * 5 + [0.0] * 5)
    rows = jnp.eye(10)
    keys, even = jax.random.split(jax.random.key(0), 300), jnp.full(2, 0.5)
    mixed, _ = jax.jit(jax.vmap(lambda key: losses.mixed(rows, rows, weights, key, quantiles=even)))(keys)
    # With even shares and one-hot rows, what is not the diagonal tells the partner.
    picked = np.round(2 * np.asarray(mixed) - np.eye(10)).sum(axis=(0, 1))
    trusted = picked[:5].sum() / picked.sum()
    expected = np.e / (np.e + 1)
    assert stats.binomtest(int(picked[:5].sum()), int(picked.sum()), expected).pvalue > 1e-3, trusted


@pytest.mark.parametrize("alpha", [2.0, 8.0])
def test_ratios_have_the_beta_distribution(alpha):
    uniforms = np.random.default_rng(0).random(20_000)
    quantiles = losses.beta_quantiles(alpha)
    ratios = np.interp(uniforms, np.linspace(0, 1, len(quantiles)), quantiles)
    assert stats.kstest(ratios, stats.beta(alpha, alpha).cdf).pvalue > 1e-3
