"""Co-Teaching: two networks, each trained on what the other finds easy (Han et al., NeurIPS 2018)."""

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


@dataclasses.dataclass(frozen=True)
class CoTeaching(Algorithm):
    """Of every batch each network picks the examples of smallest loss, and its peer is trained on them.

    Attributes:
      noise_rate: the share that is dropped in the end (tau): a number, or where it comes from ('raters',
        'paired_subset', 'agreement'); the record says which, and the rate.
      ramp_epochs: T_k, epochs until that share is reached; 10 as published.
      exponent: c; 1 as published.
    """

    name: ClassVar[str] = "co_teaching"
    networks: ClassVar[int] = 2
    noise_rate: float | str = "raters"
    ramp_epochs: float = 10.0
    exponent: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.noise_rate, str):
            require(0 <= self.noise_rate < 1, "noise_rate, the final forget rate,", self.noise_rate, "in [0, 1)")
        require(self.ramp_epochs > 0, "ramp_epochs", self.ramp_epochs, "above 0")
        require(self.exponent > 0, "exponent", self.exponent, "above 0")

    def prepare(self, stage: Stage) -> tuple[Any, Mapping[str, Any]]:
        """Returns the noise rate; see `Algorithm`."""
        estimated = stage.noise_rate(self.noise_rate)
        return scalar(estimated.rate), {"noise_rate": dataclasses.asdict(estimated)}

    def memory(self, num_examples: int, num_classes: int) -> jax.Array:
        """Returns counts of labels, 0; see `Algorithm`."""
        return jnp.zeros((2, num_classes))

    def trusted(self, memory: Any) -> np.ndarray:
        """Returns which share of each label's examples the first network was trained on in the end; see `Algorithm`."""
        return losses.shares_by_label(memory)

    def gradients(self, apply: Apply, networks: Networks, batch: Batch, memory: Any, constants: Any) -> Gradients:
        """Returns both networks' gradients; see `Algorithm`."""
        rate = losses.forget_rate(batch.epoch, constants, self.ramp_epochs, self.exponent)
        count = losses.kept_count(len(batch.rows), rate)

        def of_examples(params: tuple[Any, ...]) -> tuple[list[jax.Array], list[Any]]:
            outputs = [
                apply(own, statistics, batch.inputs)
                for own, statistics in zip(params, networks.statistics, strict=True)
            ]
            return [losses.cross_entropy(logits, batch.targets) for logits, _ in outputs], [new for _, new in outputs]

        def total(params: tuple[Any, ...]) -> tuple[jax.Array, Any]:
            (first, second), statistics = of_examples(params)
            by_first, by_second = (losses.smallest(jax.lax.stop_gradient(each), count) for each in (first, second))
            # One mean over what is kept: dividing it once more makes the learning rate depend on the forget rate.
            means = (first * by_second).sum() / count, (second * by_first).sum() / count
            counts = losses.counted_by_label(memory, batch.targets, by_second)
            return means[0] + means[1], (tuple(statistics), counts, (means[0] + means[1]) / 2)

        gradients, (statistics, counts, loss) = jax.grad(total, has_aux=True)(networks.params)
        return Gradients(gradients, statistics, counts, loss)
