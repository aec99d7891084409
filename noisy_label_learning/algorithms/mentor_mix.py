"""MentorMix: examples are mixed so that those of small loss dominate (Jiang et al., ICML 2020)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from noisy_label_learning import losses
from noisy_label_learning.algorithms.base import Algorithm, Apply, Batch, Gradients, Networks, Stage, scalar
from noisy_label_learning.errors import require

# Noise rate -> percentile, alpha, second weighting: the authors' README, for CIFAR.
PUBLISHED: Mapping[float, tuple[float, float, bool]] = {
    0.2: (0.8, 2.0, False),
    0.4: (0.6, 8.0, False),
    0.6: (0.6, 8.0, True),
    0.8: (0.2, 4.0, True),
}


@dataclasses.dataclass(frozen=True)
class MentorMix(Algorithm):
    """Weights by a running percentile of the losses, partners drawn by weight, Mixup towards the trusted one.

    The percentile is one for all classes. Under raters' noise, which is of some classes more than of others, it can
    leave out the hard classes as a whole, and these are then not learned: the record says which share of each label's
    examples was trusted, and a longer burn-in or a higher percentile is the remedy.

    Attributes:
      noise_rate: a number, or where it comes from, as of Co-Teaching; what is None below is what the authors
        publish for the nearest rate.
      percentile: gamma_p, in [0, 1].
      alpha: of lambda's Beta distribution.
      second: whether mixed examples are weighted once more by their own losses.
      decay: of the running percentile; 0.5 as published.
      burn_in: share of the training in which all weights are 1.
    """

    name: ClassVar[str] = "mentor_mix"
    noise_rate: float | str = "raters"
    percentile: float | None = None
    alpha: float | None = None
    second: bool | None = None
    decay: float = 0.5
    burn_in: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.noise_rate, str):
            require(0 <= self.noise_rate < 1, "noise_rate", self.noise_rate, "in [0, 1)")
        require(self.percentile is None or 0 <= self.percentile <= 1, "percentile", self.percentile, "in [0, 1]")
        require(self.alpha is None or self.alpha > 0, "alpha", self.alpha, "above 0")
        require(0 <= self.decay < 1, "decay", self.decay, "in [0, 1)")
        require(0 <= self.burn_in <= 1, "burn_in", self.burn_in, "in [0, 1]")

    def prepare(self, stage: Stage) -> tuple[Any, Mapping[str, Any]]:
        """Returns percentile, quantiles of lambda, and whether there is a second weighting; see `Algorithm`."""
        estimated = stage.noise_rate(self.noise_rate)
        published = PUBLISHED[min(PUBLISHED, key=lambda rate: abs(rate - estimated.rate))]
        own = (self.percentile, self.alpha, self.second)
        percentile, alpha, second = (p if o is None else o for o, p in zip(own, published, strict=True))
        constants = (scalar(percentile), jnp.asarray(losses.beta_quantiles(alpha)), scalar(second))
        chosen = {"percentile": percentile, "alpha": alpha, "second": second}
        return constants, {"noise_rate": dataclasses.asdict(estimated), **chosen}

    def memory(self, num_examples: int, num_classes: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns running percentiles of plain and of mixed losses, and counts of labels, all 0; see `Algorithm`."""
        return scalar(0), scalar(0), jnp.zeros((2, num_classes))

    def trusted(self, memory: Any) -> np.ndarray:
        """Returns which share of each label's examples had the weight 1 in the end; see `Algorithm`."""
        return losses.shares_by_label(memory[2])

    def gradients(self, apply: Apply, networks: Networks, batch: Batch, memory: Any, constants: Any) -> Gradients:
        """Returns the gradients of the mixed batch's loss; see `Algorithm`."""
        percentile, quantiles, second = constants
        of_plain, of_mixed, counts = memory
        burning_in = batch.progress < self.burn_in

        def weighted(values: jax.Array, mean: jax.Array) -> tuple[jax.Array, jax.Array]:
            weights, mean = losses.running_percentile(values, mean, percentile=percentile, decay=self.decay)
            return jnp.where(burning_in, jnp.ones_like(weights), weights), mean

        outputs, _ = apply(networks.params[0], networks.statistics[0], batch.inputs)
        plain = jax.lax.stop_gradient(losses.cross_entropy(outputs, batch.targets))
        weights, of_plain = weighted(plain, of_plain)
        counts = losses.counted_by_label(counts, batch.targets, weights)
        inputs, targets = losses.mixed(batch.inputs, batch.targets, weights, batch.key, quantiles=quantiles)

        def mean_loss(params: Any) -> tuple[jax.Array, tuple[Any, Any]]:
            outputs, statistics = apply(params, networks.statistics[0], inputs)
            mixed = losses.cross_entropy(outputs, targets)
            again, mean = weighted(jax.lax.stop_gradient(mixed), of_mixed)
            loss = (mixed * jnp.where(second > 0, again, jnp.ones_like(again))).mean()
            return loss, (statistics, mean)

        (loss, (statistics, of_mixed)), gradients = jax.value_and_grad(mean_loss, has_aux=True)(networks.params[0])
        return Gradients((gradients,), (statistics,), (of_plain, of_mixed, counts), loss)
