"""Algorithms that are a loss: cross-entropy, bootstrapping, generalized cross-entropy, ELR, F-correction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from noisy_label_learning import losses, transition
from noisy_label_learning.algorithms.base import Algorithm, Batch, Stage
from noisy_label_learning.errors import require


@dataclasses.dataclass(frozen=True)
class CrossEntropy(Algorithm):
    """The baseline: the labels are taken for true."""

    name: ClassVar[str] = "cross_entropy"


@dataclasses.dataclass(frozen=True)
class Bootstrap(Algorithm):
    """Bootstrapping (Reed et al. 2014): the target is part label, part the network's own prediction.

    Attributes:
      hard: whether the prediction enters as its most likely class or as probabilities.
      beta: weight of the label; None: 0.95 (soft) or 0.8 (hard), as published.
      stop_gradient: of soft bootstrapping: whether no gradient flows through the prediction.
    """

    name: ClassVar[str] = "bootstrap"
    hard: bool = False
    beta: float | None = None
    stop_gradient: bool = False

    def __post_init__(self) -> None:
        require(self.beta is None or 0 <= self.beta <= 1, "beta", self.beta, "in [0, 1]")

    def loss(self, logits: jax.Array, targets: jax.Array) -> jax.Array:
        """Returns the losses [b]; see `Algorithm`."""
        if self.hard:
            return losses.bootstrap_hard(logits, targets, 0.8 if self.beta is None else self.beta)
        beta = 0.95 if self.beta is None else self.beta
        return losses.bootstrap_soft(logits, targets, beta, stop_gradient=self.stop_gradient)


@dataclasses.dataclass(frozen=True)
class GeneralizedCrossEntropy(Algorithm):
    """Generalized cross-entropy (Zhang & Sabuncu 2018), between cross-entropy (q -> 0) and mean absolute error (q = 1).

    Attributes:
      q: 0.7 as published.
    """

    name: ClassVar[str] = "generalized_cross_entropy"
    q: float = 0.7

    def __post_init__(self) -> None:
        require(0 < self.q <= 1, "q", self.q, "in (0, 1]")

    def loss(self, logits: jax.Array, targets: jax.Array) -> jax.Array:
        """Returns the losses [b]; see `Algorithm`."""
        return losses.generalized_cross_entropy(logits, targets, self.q)


@dataclasses.dataclass(frozen=True)
class ELR(Algorithm):
    """Early-learning regularization (Liu et al. 2020): what was learned first is held against what is memorised later.

    Attributes:
      weight: lambda; 3 for CIFAR-10 and 7 for CIFAR-100 as published.
      beta: of the running mean of an example's predictions; 0.7 and 0.9 as published.
    """

    name: ClassVar[str] = "elr"
    weight: float = 3.0
    beta: float = 0.7

    def __post_init__(self) -> None:
        require(self.weight >= 0, "weight", self.weight, "0 or more")
        require(0 <= self.beta < 1, "beta", self.beta, "in [0, 1)")

    def memory(self, num_examples: int, num_classes: int) -> jax.Array:
        """Returns zeros [n, K]; see `Algorithm`."""
        return jnp.zeros((num_examples, num_classes), jnp.float32)

    def losses(self, outputs: jax.Array, batch: Batch, memory: Any, constants: Any) -> tuple[jax.Array, Any]:
        """Returns the losses [b] and the running means [n, K]; see `Algorithm`."""
        of_examples, remembered = losses.early_learning_regularization(
            outputs, batch.targets, memory[batch.rows], weight=self.weight, beta=self.beta
        )
        return of_examples, memory.at[batch.rows].set(remembered)


@dataclasses.dataclass(frozen=True)
class ForwardCorrection(Algorithm):
    """F-correction (Patrini et al. 2017): the network's prediction is sent through a transition matrix.

    The matrix is that of a first network (see `transition`); the training itself starts anew.

    Attributes:
      percentile: of the anchor examples; None: as published.
    """

    name: ClassVar[str] = "f_correction"
    percentile: float | None = None

    def __post_init__(self) -> None:
        require(self.percentile is None or 0 < self.percentile <= 100, "percentile", self.percentile, "in (0, 100]")

    def prepare(self, stage: Stage) -> tuple[Any, Mapping[str, Any]]:
        """Trains the first network; returns the matrix; see `Algorithm`."""
        estimated = transition.anchor_transition(stage.first_network(), self.percentile)
        return jnp.asarray(estimated, jnp.float32), {"transition": estimated.round(6).tolist()}

    def losses(self, outputs: jax.Array, batch: Batch, memory: Any, constants: Any) -> tuple[jax.Array, Any]:
        """Returns the losses [b]; see `Algorithm`."""
        return losses.forward_corrected(outputs, batch.targets, constants), memory
