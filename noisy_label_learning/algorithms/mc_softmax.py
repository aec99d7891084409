"""MCSoftMax: a softmax whose logits are noisy, by as much as the image makes them (Collier et al. 2020, 2021)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from noisy_label_learning.algorithms.base import Algorithm, Batch
from noisy_label_learning.errors import require
from noisy_label_learning.losses import heteroscedastic_log_probabilities

_SMALLEST_DEVIATION = 1e-3


@dataclasses.dataclass(frozen=True)
class MCSoftMax(Algorithm):
    """Heteroscedastic classification with Monte Carlo samples of the logits' noise.

    The network's last layer gives, for each class, a mean, a standard deviation and `factors` entries of the low-rank
    part of the covariance.

    Attributes:
      factors: rank; 0 for a diagonal covariance as in Collier et al. (2020); the later paper's CIFAR has 6.
      temperature: of the softmax; above 1 for smoother gradients. 1.3 for the later paper's CIFAR.
      samples: per example and step. A hundred have a tenth of one sample's standard error; the authors' CIFAR
        configuration takes 10,000 on accelerators.
    """

    name: ClassVar[str] = "mc_softmax"
    factors: int = 0
    temperature: float = 1.0
    samples: int = 100

    def __post_init__(self) -> None:
        require(self.factors >= 0, "factors", self.factors, "0 or more")
        require(self.temperature > 0, "temperature", self.temperature, "above 0")
        require(self.samples >= 1, "samples", self.samples, "1 or more")

    def outputs(self, num_classes: int) -> int:
        """Returns K (2 + factors); see `Algorithm`."""
        return num_classes * (2 + self.factors)

    def losses(self, outputs: jax.Array, batch: Batch, memory: Any, constants: Any) -> tuple[jax.Array, Any]:
        """Returns the losses [b]; see `Algorithm`."""
        return -(batch.targets * self._log_probabilities(outputs, batch.key)).sum(axis=-1), memory

    def log_probabilities(self, outputs: jax.Array) -> jax.Array:
        """Returns log p [b, K], always with the same draws; see `Algorithm`."""
        return self._log_probabilities(outputs, jax.random.key(0))

    def _log_probabilities(self, outputs: jax.Array, key: jax.Array) -> jax.Array:
        of_classes = outputs.reshape(len(outputs), 2 + self.factors, -1)  # [b, 2 + F, K]
        return heteroscedastic_log_probabilities(
            of_classes[:, 0],
            jax.nn.softplus(of_classes[:, 1]) + _SMALLEST_DEVIATION,
            jnp.swapaxes(of_classes[:, 2:], 1, 2),
            key,
            temperature=self.temperature,
            samples=self.samples,
        )
