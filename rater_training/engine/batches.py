"""The batch of a step: which images, how cropped, flipped and turned. All of it depends on the run's key and the step.

chosen = order_of(key, epoch, n)[start : start + batch_size]
pixels = draw(images, chosen, augmentation_key(key, step), augmentation)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rater_training.config import Augmentation


class Batch(NamedTuple):
    """The training examples of one step.

    Attributes:
      images: [b, h, w, c] float32, cropped, flipped and normalized; None where there are no images.
      arrays: the rows [b, ...] of every array of `Examples.arrays`, in the same pytree.
      indices: [b] int32: which examples these are.
      key: of this step's random numbers, other than those of order and augmentation.
      step: [] int32: steps done before this one.
      epoch: [] int32: passes over the examples done before this one.
    """

    images: Any
    arrays: Any
    indices: jax.Array
    key: jax.Array
    step: jax.Array
    epoch: jax.Array


def padded(images: np.ndarray, padding: int) -> np.ndarray:
    """Returns images with `padding` zeros on each side, [n, h + 2 p, w + 2 p, c], as they are resident."""
    return np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def order_of(key: jax.Array, epoch: jax.Array, n: int) -> jax.Array:
    """Returns the order [n] in which the run of this key sees n examples in an epoch."""
    order_key, _ = jax.random.split(key)
    return jax.random.permutation(jax.random.fold_in(order_key, epoch), n)


def augmentation_key(key: jax.Array, step: jax.Array) -> jax.Array:
    """Returns the key of the random crops, flips and turns of a step."""
    _, of_all_steps = jax.random.split(key)
    return jax.random.fold_in(of_all_steps, step)


def step_key(key: jax.Array, step: jax.Array) -> jax.Array:
    """Returns the key of a step's other random numbers, such as a dropout mask or mixing weights."""
    # 0 and 1 are what `jax.random.split` makes the keys of order and augmentation from.
    return jax.random.fold_in(jax.random.fold_in(key, 2), step)


def draw(images: jax.Array, chosen: jax.Array, key: jax.Array, augmentation: Augmentation) -> jax.Array:
    """Returns the chosen images, cropped, flipped and turned at random, in one gather.

    Args:
      images: [n, h + 2 p, w + 2 p, c], padded by p = `augmentation.crop_padding` pixels.
      chosen: [b] indices.
      key: of the random offsets, flips and turns.
      augmentation: what to draw.

    Returns:
      [b, h, w, c] of the images' dtype.
    """
    rows, columns = _windows(images, len(chosen), key, augmentation)
    return images[chosen[:, None, None], rows, columns]


def draw_each(images: jax.Array, key: jax.Array, augmentation: Augmentation) -> jax.Array:
    """Returns what `draw` returns of images that are a batch already, each pixel from its own image.

    Images that are sharded over devices stay where they are: a gather by index would copy all of them.
    """
    rows, columns = _windows(images, len(images), key, augmentation)
    return jax.vmap(lambda image, r, c: image[r, c])(images, rows, columns)


def _windows(images: jax.Array, count: int, key: jax.Array, augmentation: Augmentation) -> tuple[jax.Array, jax.Array]:
    """Returns the places of random crops of padded images, flipped and turned at random.

    Returns:
      The row and the column from which each pixel comes, to be broadcast to [count, h, w].
    """
    padding = augmentation.crop_padding
    height, width = images.shape[1] - 2 * padding, images.shape[2] - 2 * padding
    crop_key, flip_key = jax.random.split(key)
    offsets = jax.random.randint(crop_key, (2, count, 1), 0, 2 * padding + 1)
    flipped = jax.random.bernoulli(flip_key, 0.5, (count, 1)) & augmentation.flip
    columns = jnp.arange(width)[None]
    columns = offsets[1] + jnp.where(flipped, columns[:, ::-1], columns)
    rows = offsets[0] + jnp.arange(height)[None]
    if not augmentation.turn:
        return rows[:, :, None], columns[:, None, :]
    # Counter-clockwise, as `numpy.rot90`: a quarter turn is the reversal of the columns, then a transposition.
    quarters = jax.random.randint(jax.random.fold_in(key, 2), (count, 1), 0, 4)
    rows = jnp.where(quarters >= 2, rows[:, ::-1], rows)
    columns = jnp.where((quarters == 1) | (quarters == 2), columns[:, ::-1], columns)
    odd = (quarters % 2 == 1)[:, :, None]
    return (
        jnp.where(odd, rows[:, None, :], rows[:, :, None]),
        jnp.where(odd, columns[:, :, None], columns[:, None, :]),
    )
