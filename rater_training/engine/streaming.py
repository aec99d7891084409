"""Batches from the host, for images that do not fit on the device.

    with Stream(examples, inputs, program, seed=0, first=0, steps=1000) as stream:
        loop_state, loss = stream.run(loop_state, 100)

The images stay where they are (memory-mapped, say). Grain's threads gather the batches of the next steps while the
device computes, and copies run beside the computation: there are a few batches in the host's memory and a few on the
device. Order, crops and flips are those of resident images, so the result is the same but for rounding.
"""

from __future__ import annotations

import functools
from types import TracebackType
from typing import Any, NamedTuple

import grain
import jax
import jax.numpy as jnp
import numpy as np

from rater_training.engine.batches import Batch, augmentation_key, draw_each, order_of, step_key
from rater_training.engine.compiled import Inputs, LoopState, Program, advance
from rater_training.engine.examples import Examples

# Batches that are read ahead on the host, by how many threads, and steps that wait for the device.
READ_AHEAD = 4
THREADS = 2
_UNDER_WAY = 2


class Rows(NamedTuple):
    """What this process gives to a batch.

    Attributes:
      images: [rows, h, w, c] uint8.
      arrays: the rows of the other arrays.
      indices: [rows] int32: which examples these are.
    """

    images: Any
    arrays: Any
    indices: np.ndarray


class Batches:
    """The batches of a training, by step: what Grain calls a random-access data source.

    Of several processes each reads the rows that its own devices are given.
    """

    def __init__(self, examples: Examples, program: Program, *, key: jax.Array, steps: int) -> None:
        self._examples, self._steps, self._batch_size = examples, steps, program.batch_size
        self._rows = program.devices.rows_here(program.batch_size)
        n = len(examples)
        # Threads read at an epoch's end and at the next one's beginning at once.
        self._order = functools.lru_cache(maxsize=2)(lambda epoch: np.asarray(_order(key, epoch, n)))

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Rows:
        """Returns this process's rows of a step."""
        epoch, batch = divmod(int(step), len(self._examples) // self._batch_size)
        chosen = self._order(epoch)[batch * self._batch_size : (batch + 1) * self._batch_size][self._rows]
        images, arrays = jax.tree.map(lambda array: np.asarray(array[chosen]), self._examples.all_arrays)
        return Rows(images, arrays, chosen)


class Stream:
    """Runs steps on batches from the host; closed, its threads end."""

    def __init__(
        self, examples: Examples, inputs: Inputs, program: Program, *, seed: int, first: int, steps: int
    ) -> None:
        """Begins to read.

        Args:
          examples: what is read.
          inputs: without images and arrays.
          program: what is run.
          seed: of the run.
          first: the step with which it begins.
          steps: of the run.
        """
        host_key = jax.random.key(seed)  # the threads' own, on one device: they run nothing that all devices share
        batches = Batches(examples, program, key=host_key, steps=steps)
        options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=READ_AHEAD)
        self._batches = iter(grain.MapDataset.source(batches)[first:].to_iter_dataset(options))
        self._program = program
        self._step = functools.partial(
            _step, inputs=inputs, program=program, batches_per_epoch=len(examples) // program.batch_size
        )

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._batches.close()

    def run(self, loop_state: LoopState, count: int) -> tuple[LoopState, jax.Array]:
        """Runs `count` steps; returns the new state and the mean loss."""
        losses: list[jax.Array] = []
        for _ in range(count):
            rows = next(self._batches)
            placed = jax.tree.map(lambda array: self._program.devices.batch(array, self._program.batch_size), rows)
            loop_state, loss = self._step(loop_state, placed)
            losses.append(loss)
            if len(losses) > _UNDER_WAY:  # else a fast reader fills the device's memory
                losses[-1 - _UNDER_WAY].block_until_ready()
        return loop_state, sum(losses) / count


@functools.partial(jax.jit, static_argnames=("n",))
def _order(key: jax.Array, epoch: jax.Array, n: int) -> jax.Array:
    return order_of(key, epoch, n)


@functools.partial(jax.jit, static_argnames=("program", "batches_per_epoch"), donate_argnames=("loop_state",))
def _step(
    loop_state: LoopState, rows: Rows, *, inputs: Inputs, program: Program, batches_per_epoch: int
) -> tuple[LoopState, jax.Array]:
    """Runs one step on rows whose images, [b, h, w, c] uint8, are neither cropped nor flipped yet."""
    step, state = loop_state
    padding = program.augmentation.crop_padding
    pixels = None
    if rows.images is not None:
        padded = jnp.pad(
            program.devices.shard_batch(rows.images), ((0, 0), (padding, padding), (padding, padding), (0, 0))
        )
        pixels = draw_each(padded, augmentation_key(inputs.key, step), program.augmentation)
    batch = Batch(None, rows.arrays, rows.indices, step_key(inputs.key, step), step, step // batches_per_epoch)
    state, loss = advance(state, pixels, batch, inputs.scale, inputs.hyper, program)
    return LoopState(step + 1, state), loss
