"""What an algorithm is: frozen hyperparameters and pure functions. A new loss is one class with one method.

    @dataclasses.dataclass(frozen=True)
    class SymmetricCrossEntropy(Algorithm):
        name: ClassVar[str] = "symmetric_cross_entropy"
        alpha: float = 0.1

        def loss(self, logits, targets):
            ...
            return losses                      # [b], one per example

From simple to general, an algorithm overrides `loss` (of logits and targets), `losses` (which also sees what is
remembered of each example, and the randomness of the step), or `gradients` (a whole step: two networks, mixed images).
What surrounds the step is the engine's: order, crops, learning rate, optimiser, checkpoints.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from noisy_label_learning import losses as losses_
from noisy_label_learning.algorithms.noise_rate import NoiseRate
from noisy_label_learning.correctors.base import Corrected
from noisy_label_learning.problem import TrainingData

# (parameters, statistics, inputs) of a network in training mode -> its outputs and its new statistics.
Apply = Callable[[Any, Any, jax.Array], tuple[jax.Array, Any]]


class Batch(NamedTuple):
    """What a step sees.

    Attributes:
      inputs: [b, h, w, c] float32, cropped, flipped, normalised.
      targets: [b, K] float32, rows summing to 1.
      rows: [b] int32, places of the examples in the training split.
      epoch: [] float32, epochs done, from 0.
      progress: [] float32, share of the training that is done, in [0, 1).
      key: randomness of this step.
    """

    inputs: jax.Array
    targets: jax.Array
    rows: jax.Array
    epoch: jax.Array
    progress: jax.Array
    key: jax.Array


class Networks(NamedTuple):
    """The networks that an algorithm trains: one, or several that start from different seeds.

    Attributes:
      params: their parameters, a tuple of trees.
      statistics: their batch statistics and other variables that no gradient flows to, a tuple of trees.
    """

    params: tuple[Any, ...]
    statistics: tuple[Any, ...]


class Gradients(NamedTuple):
    """What an algorithm makes of a batch.

    Attributes:
      gradients: of the parameters, a tuple of trees.
      statistics: the new ones.
      memory: the new one.
      loss: [] float32, the mean, for the curve.
    """

    gradients: tuple[Any, ...]
    statistics: tuple[Any, ...]
    memory: Any
    loss: jax.Array


@dataclasses.dataclass(frozen=True)
class Stage:
    """What an algorithm may ask for before the training begins.

    Attributes:
      data: all that a learner may see.
      corrected: the targets it will be trained on.
      noise_rate: 'raters', 'paired_subset', 'agreement' or a number -> the rate of wrong labels.
      first_network: trains a network by cross-entropy on the same targets and returns the class probabilities [n, K]
        of the training images in evaluation mode, from the epoch of the lowest loss on noisy validation.
    """

    data: TrainingData
    corrected: Corrected
    noise_rate: Callable[[float | str], NoiseRate]
    first_network: Callable[[], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained network as an algorithm's `classifier` sees it.

    Attributes:
      features: images [n, h, w, c] uint8 -> spatially averaged outputs [n, d] of several layers, in evaluation mode.
      data: all that a learner may see.
      labels: [n], the labels it was trained on.
      seed: of the run.
    """

    features: Callable[[np.ndarray], list[np.ndarray]]
    data: TrainingData
    labels: np.ndarray
    seed: int


@dataclasses.dataclass(frozen=True)
class Algorithm:
    """A way to learn from noisy labels; subclasses add their hyperparameters as fields.

    Attributes:
      name: as commands and records have it.
      networks: how many networks are trained; the first is the one that is evaluated.
    """

    name: ClassVar[str]
    networks: ClassVar[int] = 1

    def outputs(self, num_classes: int) -> int:
        """Returns how many numbers the network gives for an image; K unless an algorithm needs more."""
        return num_classes

    def memory(self, num_examples: int, num_classes: int) -> Any:
        """Returns what is remembered from step to step, as it is before the first: a tree of arrays."""
        return ()

    def prepare(self, stage: Stage) -> tuple[Any, Mapping[str, Any]]:
        """Returns numbers that hold for the whole training (a tree of arrays) and what the record says of them."""
        return (), {}

    def loss(self, logits: jax.Array, targets: jax.Array) -> jax.Array:
        """Returns the loss of each example [b] of logits and targets [b, K]."""
        return losses_.cross_entropy(logits, targets)

    def losses(self, outputs: jax.Array, batch: Batch, memory: Any, constants: Any) -> tuple[jax.Array, Any]:
        """Returns the loss of each example [b], and the new memory.

        Args:
          outputs: of the network, [b, `outputs(K)`] float32.
          batch: what the step sees.
          memory: as the last step left it.
          constants: of `prepare`.
        """
        return self.loss(outputs, batch.targets), memory

    def gradients(self, apply: Apply, networks: Networks, batch: Batch, memory: Any, constants: Any) -> Gradients:
        """Returns what one step makes of a batch: unless overridden, the gradient of the mean loss.

        Args:
          apply: runs a network in training mode.
          networks: before the step.
          batch, memory, constants: as of `losses`.
        """

        def mean_loss(params: Any) -> tuple[jax.Array, tuple[Any, Any]]:
            outputs, statistics = apply(params, networks.statistics[0], batch.inputs)
            losses, remembered = self.losses(outputs, batch, memory, constants)
            return losses.mean(), (statistics, remembered)

        (loss, (statistics, remembered)), gradients = jax.value_and_grad(mean_loss, has_aux=True)(networks.params[0])
        return Gradients((gradients,), (statistics,), remembered, loss)

    def log_probabilities(self, outputs: jax.Array) -> jax.Array:
        """Returns log p [b, K] of the outputs [b, `outputs(K)`] of the first network in evaluation mode."""
        return jax.nn.log_softmax(outputs)

    def trusted(self, memory: Any) -> np.ndarray | None:
        """Returns which share of each label's examples [K] was trained on in the end; None: the algorithm chooses none.

        Args:
          memory: as the last step left it.
        """
        return None

    def classifier(self, trained: Trained) -> Callable[[np.ndarray], np.ndarray] | None:
        """Returns what classifies images after training, [n, h, w, c] uint8 -> [n, K]; None: the network does."""
        return None


def scalar(value: float) -> jax.Array:
    """Returns a number as the compiled loop takes it, so that another value needs no other compilation."""
    return jnp.asarray(value, jnp.float32)
