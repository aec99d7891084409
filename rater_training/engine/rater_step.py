"""The step of rater training: a batch in, the next parameters, statistics and optimizer state out.

step = RaterStep(graphdef, num_classes=10, optimizer="nesterov")
state, loss = step(RaterState(params, statistics, opt_state), batch, hyperparameters(rater))
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rater_training.config import RaterConfig
from rater_training.engine.batches import Batch
from rater_training.engine.optimizers import OPTIMIZERS


class RaterState(NamedTuple):
    """The part of a rater that changes during training."""

    params: Any
    statistics: Any  # batch statistics and other variables that no gradient flows to
    opt_state: Any


class Hyperparameters(NamedTuple):
    """The numbers of a `RaterConfig` that the compiled loop takes as arguments, each a float32 scalar."""

    learning_rate: jax.Array
    total_steps: jax.Array
    warmup_steps: jax.Array
    momentum: jax.Array
    weight_decay: jax.Array
    label_smoothing: jax.Array


def hyperparameters(rater: RaterConfig) -> Hyperparameters:
    """Returns a rater's numbers as float32 scalars."""
    scheduled = rater.schedule_steps or rater.steps
    numbers = Hyperparameters(
        learning_rate=rater.learning_rate,
        total_steps=scheduled,
        warmup_steps=round(rater.warmup_fraction * scheduled),
        momentum=rater.momentum,
        weight_decay=rater.weight_decay,
        label_smoothing=rater.label_smoothing,
    )
    return jax.tree.map(lambda number: jax.device_put(np.float32(number)), numbers)


def learning_rate(step: jax.Array, hyper: Hyperparameters) -> jax.Array:
    """Returns the rate of a step: a linear rise from zero over the warm-up, then a cosine from the peak to zero."""
    rising = (step + 1) / jnp.maximum(hyper.warmup_steps, 1)
    done = (step - hyper.warmup_steps) / jnp.maximum(hyper.total_steps - hyper.warmup_steps, 1)
    falling = 0.5 * (1 + jnp.cos(jnp.pi * done))
    return hyper.learning_rate * jnp.where(step < hyper.warmup_steps, rising, falling)


@dataclasses.dataclass(frozen=True)
class RaterStep:
    """Cross-entropy to the labels, and the optimizer's update.

    Attributes:
      graphdef: of the Flax NNX module.
      num_classes: number of classes.
      optimizer: a key of `OPTIMIZERS`.
    """

    graphdef: Any
    num_classes: int
    optimizer: str = "nesterov"

    def __call__(self, state: RaterState, batch: Batch, hyper: Hyperparameters) -> tuple[RaterState, jax.Array]:
        """Runs one step on a batch with the array `labels`, [b] int32; returns the new state and the mean loss."""
        one_hot = jax.nn.one_hot(batch.arrays["labels"], self.num_classes)
        targets = optax.smooth_labels(one_hot, hyper.label_smoothing)

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            module = nnx.merge(self.graphdef, params, state.statistics, copy=True)
            logits = module(batch.images, train=True)
            loss = optax.softmax_cross_entropy(logits, targets).mean()
            return loss, nnx.split(module, nnx.Param, ...)[2]

        (loss, statistics), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        rate = learning_rate(batch.step.astype(jnp.float32), hyper)
        params, opt_state = OPTIMIZERS[self.optimizer].update(
            state.params, state.opt_state, gradients, rate, hyper.momentum, hyper.weight_decay
        )
        return RaterState(params, statistics, opt_state), loss
