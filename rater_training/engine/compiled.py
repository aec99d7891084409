"""The compiled part of the training loop: many steps in one call, for one run or for several vmapped ones.

    state, loss = run_steps(LoopState(step, state), None, 100, inputs=inputs, program=program, vmapped=False)

What a step does depends on the state, the key and the step's number only, so any division of a training into calls
gives the same result. `loop` decides how many steps a call has, and what happens between calls.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rater_training.config import NO_AUGMENTATION, Augmentation
from rater_training.engine.batches import Batch, augmentation_key, draw, order_of, step_key
from rater_training.engine.devices import DEFAULT_DEVICE, Devices
from rater_training.engine.examples import normalized

# A step of training: state, batch, hyper -> the next state, and the batch's mean loss, a float32 scalar.
Step = Callable[[Any, Batch, Any], tuple[Any, jax.Array]]


@dataclasses.dataclass(frozen=True)
class Program:
    """What a training loop is compiled for; everything else about a run is an argument of it.

    Attributes:
      step: state, batch, hyper -> the next state, and the batch's mean loss. The state is any pytree of arrays, and
        keeps its structure, shapes and dtypes. Two programs share a compilation if they are equal: a function of a
        module or a frozen dataclass with `__call__`, not a closure that is made anew for each run.
      batch_size: examples per step, drawn without replacement within an epoch; what an epoch leaves over is dropped.
      augmentation: of the images.
      devices: where it runs.
    """

    step: Step
    batch_size: int
    augmentation: Augmentation = NO_AUGMENTATION
    devices: Devices = DEFAULT_DEVICE


class LoopState(NamedTuple):
    """All that changes while training, which is what a checkpoint holds; donated to the compiled loop."""

    step: jax.Array  # [] int32: steps done; the same for all of several vmapped runs
    state: Any  # of the step function; of vmapped runs every leaf has their axis first


class Inputs(NamedTuple):
    """What the compiled loop reads and does not change.

    Attributes:
      images: [n, h + 2 p, w + 2 p, c] uint8, resident and padded for the crop; None: there are none, or streamed.
      arrays: of `Examples`, resident; None where they are streamed.
      scale: mean and standard deviation [c] of the pixels; None without images.
      key: of order, augmentation and steps; [M] of vmapped runs.
      hyper: the run's numbers, any pytree; of vmapped runs every leaf has their axis first.
    """

    images: Any
    arrays: Any
    scale: Any
    key: jax.Array
    hyper: Any


def num_examples(inputs: Inputs) -> int:
    """Returns n of resident examples."""
    return len(jax.tree.leaves((inputs.images, inputs.arrays))[0])


def advance(state: Any, pixels: Any, batch: Batch, scale: Any, hyper: Any, program: Program) -> tuple[Any, jax.Array]:
    """Runs one step.

    Args:
      state: of the step function.
      pixels: [b, h, w, c] uint8, cropped and flipped; None: no images.
      batch: all else.
      scale: of `Inputs`.
      hyper: of `Inputs`.
      program: what is run.
    """
    if pixels is not None:
        batch = batch._replace(images=normalized(program.devices.shard_batch(pixels), scale))
    return program.devices.replicate(program.step(state, batch, hyper))


def _resident_step(
    state: Any, order: jax.Array, step: jax.Array, key: jax.Array, hyper: Any, *, inputs: Inputs, program: Program
) -> tuple[Any, jax.Array]:
    """Runs one step on resident examples, in the order [n] of the epoch."""
    epoch, number = jnp.divmod(step, len(order) // program.batch_size)
    chosen = jax.lax.dynamic_slice_in_dim(order, number * program.batch_size, program.batch_size)
    chosen = program.devices.shard_batch(chosen)
    pixels = None
    if inputs.images is not None:
        pixels = draw(inputs.images, chosen, augmentation_key(key, step), program.augmentation)
    arrays = jax.tree.map(lambda array: array[chosen], inputs.arrays)
    batch = Batch(None, arrays, chosen, step_key(key, step), step, epoch)
    return advance(state, pixels, batch, inputs.scale, hyper, program)


@functools.partial(jax.jit, static_argnames=("program", "vmapped"), donate_argnames=("loop_state",))
def run_steps(
    loop_state: LoopState, active: jax.Array | None, count: int, *, inputs: Inputs, program: Program, vmapped: bool
) -> tuple[LoopState, jax.Array]:
    """Runs `count` steps on resident examples; returns the new state and the mean loss, [M] of vmapped runs.

    Args:
      loop_state: before the steps; its arrays are used up.
      active: [M] bool, which of the vmapped runs take the steps; the others stay as they are. None for a single run.
      count: how many steps.
      inputs: what the steps read.
      program: what is run.
      vmapped: whether state, key and hyper have an axis of runs.
    """
    n = num_examples(inputs)
    batches_per_epoch = n // program.batch_size

    def orders_of(epoch: jax.Array) -> jax.Array:
        if not vmapped:
            return order_of(inputs.key, epoch, n)
        return jax.vmap(lambda key: order_of(key, epoch, n))(inputs.key)

    one_step = functools.partial(_resident_step, inputs=inputs, program=program)
    if vmapped:
        one_step = jax.vmap(one_step, in_axes=(0, 0, None, 0, 0), spmd_axis_name=program.devices.members_axis)

    def of_active(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(jnp.reshape(active, (-1, *[1] * (new.ndim - 1))), new, old)

    def body(taken: jax.Array, carry: tuple[LoopState, jax.Array, jax.Array]) -> tuple[LoopState, jax.Array, jax.Array]:
        (step, state), order, total = carry
        epoch, number = jnp.divmod(step, batches_per_epoch)
        # Here alone, not before the loop, too: sorting and random numbers take long to compile.
        order = jax.lax.cond((taken == 0) | (number == 0), lambda: orders_of(epoch), lambda: order)
        new, loss = one_step(state, order, step, inputs.key, inputs.hyper)
        if vmapped:
            new = jax.tree.map(of_active, new, state)
        return LoopState(step + 1, new), order, total + loss

    runs = inputs.key.shape  # () or (M,)
    start = (loop_state, jnp.zeros((*runs, n), jnp.int32), jnp.zeros(runs, jnp.float32))
    loop_state, _, total = jax.lax.fori_loop(0, count, body, start)
    return loop_state, total / count
