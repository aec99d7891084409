"""Losses for training with noisy labels: pure functions of logits and targets, one number per example.

    losses = generalized_cross_entropy(logits, jax.nn.one_hot(labels, 10), q=0.7)      # [b]

Throughout, `logits` are [b, K] float32 and `targets` [b, K] float32, rows that sum to 1: one-hot, or the soft labels of
a corrector. Nothing here takes a mean: what weighs examples, or drops some, decides what they are averaged over.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def cross_entropy(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Returns -sum_k t_k log q_k, [b], where q are the softmax probabilities."""
    return -(targets * jax.nn.log_softmax(logits)).sum(axis=-1)


def bootstrap_soft(logits: jax.Array, targets: jax.Array, beta: float, *, stop_gradient: bool = False) -> jax.Array:
    """Returns the cross-entropy to beta t + (1 - beta) q, [b] (Reed et al. 2014, Equation 6).

    Args:
      logits, targets: see the module.
      beta: weight of the given label.
      stop_gradient: whether q is a constant within the target. As published it is not, and the second part is the
        entropy of the prediction, which is lowered.
    """
    log_q = jax.nn.log_softmax(logits)
    q = jnp.exp(log_q)
    if stop_gradient:
        q = jax.lax.stop_gradient(q)
    return -((beta * targets + (1 - beta) * q) * log_q).sum(axis=-1)


def bootstrap_hard(logits: jax.Array, targets: jax.Array, beta: float) -> jax.Array:
    """Returns the cross-entropy to beta t + (1 - beta) one_hot(argmax q), [b] (Reed et al. 2014, Equation 7)."""
    predicted = jax.nn.one_hot(logits.argmax(axis=-1), logits.shape[-1])  # argmax has no gradient
    return cross_entropy(logits, beta * targets + (1 - beta) * predicted)


def generalized_cross_entropy(logits: jax.Array, targets: jax.Array, q: float) -> jax.Array:
    """Returns sum_k t_k (1 - p_k^q) / q, [b]: cross-entropy for q -> 0, mean absolute error / 2 for q = 1.

    Zhang & Sabuncu (NeurIPS 2018), Equation 6. The power is taken of the logarithm, so that the gradient is finite
    where p_k is 0.
    """
    return -(targets * jnp.expm1(q * jax.nn.log_softmax(logits))).sum(axis=-1) / q


def forward_corrected(logits: jax.Array, targets: jax.Array, transition: jax.Array) -> jax.Array:
    """Returns the cross-entropy of the noisy label under T^T p, [b] (Patrini et al. 2017, Theorem 2).

    Args:
      logits, targets: see the module.
      transition: [K, K], rows are true classes and sum to 1: T_ij = P(noisy label j | true class i).
    """
    # A sum of probabilities in logarithms: log sum_i p_i T_ij, which no vanishing p_i makes infinite in its gradient.
    log_noisy = jax.nn.logsumexp(
        jax.nn.log_softmax(logits)[:, :, None] + jnp.log(jnp.maximum(transition, 1e-12))[None], axis=1
    )
    return -(targets * log_noisy).sum(axis=-1)


def early_learning_regularization(
    logits: jax.Array, targets: jax.Array, remembered: jax.Array, *, weight: float, beta: float
) -> tuple[jax.Array, jax.Array]:
    """Returns ELR's losses [b] and the predictions to remember [b, K] (Liu et al. NeurIPS 2020, Equations 6 and 9).

    loss = cross-entropy + weight log(1 - <p, r>), where r = beta remembered + (1 - beta) p is a constant of the step.

    Args:
      logits, targets: see the module.
      remembered: [b, K], the running mean of these examples' predictions, zeros before the first.
      weight: of the regularisation (lambda).
      beta: of the running mean.
    """
    p = jnp.clip(jax.nn.softmax(logits), 1e-4, 1 - 1e-4)
    constant = jax.lax.stop_gradient(p)
    remembered = beta * remembered + (1 - beta) * constant / constant.sum(axis=-1, keepdims=True)
    inner = (p * remembered).sum(axis=-1)
    return cross_entropy(logits, targets) + weight * jnp.log1p(-jnp.minimum(inner, 1 - 1e-4)), remembered


def heteroscedastic_log_probabilities(
    mean: jax.Array, diagonal: jax.Array, factors: jax.Array, key: jax.Array, *, temperature: float, samples: int
) -> jax.Array:
    """Returns log p [b, K], p the mean over noise of softmax(u / T) with u = mean + V eps_r + d * eps_k.

    Collier et al. (2020 without V, 2021 with it). The mean is one of probabilities, in logarithms: a mean of logits or
    of losses is another quantity. All examples of a call share the draws (common random numbers): the estimate of each
    is what it would be with draws of its own, and a batch costs the random numbers of one example.

    Args:
      mean: [b, K].
      diagonal: [b, K], standard deviations d, above 0.
      factors: [b, K, F], V; F may be 0.
      key: of the noise; every class of every sample has a draw of its own.
      temperature: T.
      samples: S, how many draws.
    """
    of_classes, of_factors = jax.random.split(key)
    # Classes before examples: sums over a last axis of ten are slow on a CPU.
    u = mean.T[None] + diagonal.T[None] * jax.random.normal(of_classes, (samples, mean.shape[1], 1))
    if factors.shape[-1]:
        noise = jax.random.normal(of_factors, (samples, factors.shape[-1]))
        u = u + jnp.einsum("sf,bkf->skb", noise, factors)
    return jax.nn.logsumexp(jax.nn.log_softmax(u / temperature, axis=1), axis=0).T - np.log(samples)


# ---------------------------------------------------------------------------------------------------------------------
# Which examples count


def kept_count(batch_size: int, forget_rate: jax.Array) -> jax.Array:
    """Returns how many examples of a batch are kept at a forget rate: floor((1 - rate) batch_size), at least 1."""
    # A rate of 0.8 in float32 must not turn 20.000 kept examples into 19.
    return jnp.maximum(jnp.floor((1 - forget_rate) * batch_size + 1e-4), 1).astype(jnp.int32)


def smallest(losses: jax.Array, count: jax.Array) -> jax.Array:
    """Returns a mask [b] float32 of the `count` smallest losses; of equal ones the earlier in the batch."""
    ranks = jnp.argsort(jnp.argsort(losses, stable=True), stable=True)
    return (ranks < count).astype(jnp.float32)


def forget_rate(epoch: jax.Array, noise_rate: float, ramp_epochs: float, exponent: float) -> jax.Array:
    """Returns R(T) = tau min(T^c / T_k, 1) (Han et al. 2018, Algorithm 1, with the exponent of its Section 3).

    Args:
      epoch: T, epochs done, from 0.
      noise_rate: tau.
      ramp_epochs: T_k.
      exponent: c.
    """
    return noise_rate * jnp.minimum(epoch**exponent / ramp_epochs, 1)


def running_percentile(
    losses: jax.Array, mean: jax.Array, *, percentile: float, decay: float
) -> tuple[jax.Array, jax.Array]:
    """Returns MentorMix's weights [b], 1 up to the running mean of the batches' percentile and else 0, and that mean.

    Jiang et al. (2020), Section 4: the threshold is an exponential mean that starts at 0. A loss at the threshold
    counts.
    """
    mean = decay * mean + (1 - decay) * jnp.percentile(losses, 100 * percentile)
    return (losses <= mean).astype(jnp.float32), mean


def counted_by_label(counts: jax.Array, targets: jax.Array, weights: jax.Array, *, decay: float = 0.99) -> jax.Array:
    """Returns how many examples of each label were trusted, and how many there were, over about the last 100 batches.

    Args:
      counts: [2, K] float32, of the batches before; zeros before the first.
      targets: [b, K], rows summing to 1.
      weights: [b], 1 for trusted examples and 0 for others.
      decay: of what was counted before.
    """
    return decay * counts + jnp.stack([weights @ targets, targets.sum(axis=0)])


def shares_by_label(counts: jax.Array) -> np.ndarray:
    """Returns the share of each label's examples that was trusted [K] float64; nan where there were none."""
    trusted, seen = np.asarray(counts, np.float64)
    return np.divide(trusted, seen, out=np.full_like(seen, np.nan), where=seen > 0)


def beta_quantiles(alpha: float, count: int = 1025) -> np.ndarray:
    """Returns the quantiles [count] float32 of Beta(alpha, alpha) at `count` evenly spaced probabilities from 0 to 1.

    Drawing is then one interpolation, where JAX's own sampler takes longer than a step of a small network.
    """
    from scipy import special  # comes with JAX

    return special.betaincinv(alpha, alpha, np.linspace(0, 1, count)).astype(np.float32)


def mixed(
    inputs: jax.Array, targets: jax.Array, weights: jax.Array, key: jax.Array, *, quantiles: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns MentorMix's mixed inputs [b, ...] and targets [b, K] (Jiang et al. 2020, Algorithm 1).

    The partner of each example is drawn from the batch by softmax(weights). lambda ~ Beta(alpha, alpha) is turned so
    that the better of the two dominates: max(lambda, 1 - lambda) for a trusted example, else what is left of it.

    Args:
      inputs, targets: the batch.
      weights: [b], 1 for trusted examples and 0 for others.
      key: of partners and lambda.
      quantiles: of the Beta distribution (`beta_quantiles`).
    """
    partner_key, ratio_key = jax.random.split(key)
    partners = jax.random.categorical(partner_key, weights, shape=(len(weights),))
    uniforms = jax.random.uniform(ratio_key, (len(weights),))
    ratio = jnp.interp(uniforms, jnp.linspace(0, 1, len(quantiles)), quantiles)
    ratio = jnp.maximum(ratio, 1 - ratio)
    ratio = jnp.where(weights >= 0.5, ratio, 1 - ratio)

    def mix(values: jax.Array) -> jax.Array:
        share = ratio.reshape(-1, *[1] * (values.ndim - 1))
        return share * values + (1 - share) * values[partners]

    return mix(inputs), mix(targets)
