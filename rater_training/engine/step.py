"""One step of training: a batch in, the next state out.

    state, loss = update(state, pixels, labels, scale, hyper, setup)

`loop` runs many of them in one compiled call, on images that lie on the device; `streaming` on batches from the host;
`members` on several raters at a time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from rater_training.config import Augmentation, RaterConfig
from rater_training.engine.batches import augmentation_key, draw
from rater_training.engine.devices import DEFAULT_DEVICE, Devices
from rater_training.engine.optimizers import OPTIMIZERS
from rater_training.engine.trained import normalized


class TrainState(NamedTuple):
    """All that changes while training: what a checkpoint has to hold."""

    step: jax.Array  # [] int32: steps done
    params: Any
    statistics: Any  # batch statistics and other variables that no gradient flows to
    momentum: Any  # the optimiser's state


@dataclasses.dataclass(frozen=True)
class Setup:
    """What a training loop is compiled for; everything else about a rater is an argument of it.

    Attributes:
      graphdef: of the Flax NNX module.
      batch_size, augmentation: of the rater.
      num_classes: number of classes.
      devices: where it runs.
      optimizer: of the rater.
    """

    graphdef: Any
    batch_size: int
    augmentation: Augmentation
    num_classes: int
    devices: Devices = DEFAULT_DEVICE
    optimizer: str = "nesterov"


# Runs a number of steps: state, count -> the new state and the mean loss, a float32 scalar.
Steps = Callable[[TrainState, int], tuple[TrainState, jax.Array]]


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
    numbers = Hyperparameters(
        learning_rate=rater.learning_rate,
        total_steps=rater.steps,
        warmup_steps=round(rater.warmup_fraction * rater.steps),
        momentum=rater.momentum,
        weight_decay=rater.weight_decay,
        label_smoothing=rater.label_smoothing,
    )
    return jax.tree.map(lambda number: jnp.asarray(number, jnp.float32), numbers)


def learning_rate(step: jax.Array, hyper: Hyperparameters) -> jax.Array:
    """Returns the rate of a step: a linear rise from zero over the warm-up, then a cosine from the peak to zero."""
    rising = (step + 1) / jnp.maximum(hyper.warmup_steps, 1)
    done = (step - hyper.warmup_steps) / jnp.maximum(hyper.total_steps - hyper.warmup_steps, 1)
    falling = 0.5 * (1 + jnp.cos(jnp.pi * done))
    return hyper.learning_rate * jnp.where(step < hyper.warmup_steps, rising, falling)


def resident_step(
    state: TrainState,
    order: jax.Array,
    batch: jax.Array,
    data: tuple[jax.Array, jax.Array],
    key: jax.Array,
    scale: tuple[jax.Array, jax.Array],
    hyper: Hyperparameters,
    setup: Setup,
) -> tuple[TrainState, jax.Array]:
    """Runs one step on resident images: batch number `batch` of the epoch whose order is given."""
    images, labels = data
    chosen = jax.lax.dynamic_slice_in_dim(order, batch * setup.batch_size, setup.batch_size)
    chosen = setup.devices.spread(chosen)
    pixels = draw(images, chosen, augmentation_key(key, state.step), setup.augmentation)
    return update(state, pixels, labels[chosen], scale, hyper, setup)


def update(
    state: TrainState,
    pixels: jax.Array,
    labels: jax.Array,
    scale: tuple[jax.Array, jax.Array],
    hyper: Hyperparameters,
    setup: Setup,
) -> tuple[TrainState, jax.Array]:
    """Runs one step on a batch; returns the new state and the batch's mean loss.

    Args:
      state: before the step.
      pixels: [batch_size, h, w, c] uint8, cropped and mirrored.
      labels: [batch_size] int32.
      scale: mean and standard deviation [c] of the pixels.
      hyper: the rater's numbers.
      setup: what the loop is compiled for.
    """
    inputs = normalized(setup.devices.spread(pixels), scale)
    targets = optax.smooth_labels(jax.nn.one_hot(labels, setup.num_classes), hyper.label_smoothing)

    def loss_of(params: Any) -> tuple[jax.Array, Any]:
        module = nnx.merge(setup.graphdef, params, state.statistics, copy=True)
        logits = module(inputs, train=True)
        loss = optax.softmax_cross_entropy(logits, targets).mean()
        return loss, nnx.split(module, nnx.Param, ...)[2]

    (loss, statistics), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    rate = learning_rate(state.step.astype(jnp.float32), hyper)
    params, momentum = OPTIMIZERS[setup.optimizer].step(
        state.params, state.momentum, gradients, rate, hyper.momentum, hyper.weight_decay
    )
    return setup.devices.whole((TrainState(state.step + 1, params, statistics, momentum), loss))
