"""Batches from the host, for images that do not fit on the device.

    with Stream(rater, images, labels, key=key, scale=scale, hyper=hyper, setup=setup, first=0) as stream:
        state, loss = stream.run(state, 100)

The images stay where they are (memory-mapped, say). Grain's threads gather the batches of the next steps while the
device computes, and copies run beside the computation: there are a few batches in the host's memory and a few on the
device. Order, crops and mirror images are those of resident images, so a rater is the same but for rounding.
"""

from __future__ import annotations

import functools
from types import TracebackType

import grain
import jax
import jax.numpy as jnp
import numpy as np

from rater_training.config import RaterConfig
from rater_training.engine.batches import augmentation_key, draw_each, order_of
from rater_training.engine.step import Hyperparameters, Setup, TrainState, update

# Batches that are read ahead on the host, by how many threads, and steps that wait for the device.
READ_AHEAD = 4
THREADS = 2
_UNDER_WAY = 2


class Batches:
    """The batches of a training, by step: what Grain calls a random-access data source.

    Of several processes each reads the rows that its own devices are given.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, *, key: jax.Array, steps: int, setup: Setup) -> None:
        self._images, self._labels = images, labels
        self._steps, self._batch_size = steps, setup.batch_size
        self._rows = setup.devices.rows_here(setup.batch_size)
        n = len(images)
        # Threads read at an epoch's end and at the next one's beginning at once.
        self._order = functools.lru_cache(maxsize=2)(lambda epoch: np.asarray(_order(key, epoch, n)))

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns this process's images [rows, h, w, c] uint8 and labels [rows] int32 of a step."""
        epoch, batch = divmod(int(step), len(self._images) // self._batch_size)
        chosen = self._order(epoch)[batch * self._batch_size : (batch + 1) * self._batch_size][self._rows]
        return np.asarray(self._images[chosen]), self._labels[chosen].astype(np.int32)


class Stream:
    """Runs steps on batches from the host; closed, its threads end."""

    def __init__(
        self,
        rater: RaterConfig,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        key: jax.Array,
        scale: tuple[jax.Array, jax.Array],
        hyper: Hyperparameters,
        setup: Setup,
        first: int,
    ) -> None:
        """Begins to read, from step `first` on."""
        host_key = jax.random.key(
            rater.seed
        )  # the threads' own, on one device: they run nothing that all devices share
        batches = Batches(images, labels, key=host_key, steps=rater.steps, setup=setup)
        options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=READ_AHEAD)
        self._batches = iter(grain.MapDataset.source(batches)[first:].to_iter_dataset(options))
        self._setup = setup
        self._step = functools.partial(_step, key=key, scale=scale, hyper=hyper, setup=setup)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._batches.close()

    def run(self, state: TrainState, count: int) -> tuple[TrainState, jax.Array]:
        """Runs `count` steps; returns the new state and the mean loss."""
        losses: list[jax.Array] = []
        for _ in range(count):
            rows = next(self._batches)
            images, labels = (self._setup.devices.batch(array, self._setup.batch_size) for array in rows)
            state, loss = self._step(state, images, labels)
            losses.append(loss)
            if len(losses) > _UNDER_WAY:  # else a fast reader fills the device's memory
                losses[-1 - _UNDER_WAY].block_until_ready()
        return state, sum(losses) / count


@functools.partial(jax.jit, static_argnames=("n",))
def _order(key: jax.Array, epoch: jax.Array, n: int) -> jax.Array:
    return order_of(key, epoch, n)


@functools.partial(jax.jit, static_argnames=("setup",))
def _step(
    state: TrainState,
    images: jax.Array,
    labels: jax.Array,
    *,
    key: jax.Array,
    scale: tuple[jax.Array, jax.Array],
    hyper: Hyperparameters,
    setup: Setup,
) -> tuple[TrainState, jax.Array]:
    """Runs one step on a batch, [b, h, w, c] uint8 and [b] int32, that is neither cropped nor mirrored yet."""
    padding = setup.augmentation.crop_padding
    framed = jnp.pad(setup.devices.spread(images), ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    pixels = draw_each(framed, augmentation_key(key, state.step), setup.augmentation)
    return update(state, pixels, labels, scale, hyper, setup)
