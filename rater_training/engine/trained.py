"""A trained network, and what it says of images.

trained = engine.train(rater, images, labels, num_classes=10)
trained.logits(images)
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rater_training.engine.devices import DEFAULT_DEVICE, Devices

_COUNTED_AT_ONCE = 1024  # images


@dataclasses.dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of the training pixels, a channel, in units of byte values; [c] float32 each."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> Normalization:
        """Returns the statistics of images [n, h, w, c] uint8, which may be memory-mapped."""
        # By value counts: exact, and in the memory of a few images.
        channels = images.shape[-1]
        counts = np.zeros((channels, 256), np.int64)
        for start in range(0, len(images), _COUNTED_AT_ONCE):
            some = images[start : start + _COUNTED_AT_ONCE]
            counts += [np.bincount(some[..., channel].ravel(), minlength=256) for channel in range(channels)]
        mean, std = [], []
        values = np.arange(256)
        for of_channel in counts:
            average = (of_channel * values).sum() / of_channel.sum()
            mean.append(average)
            std.append(np.sqrt((of_channel * (values - average) ** 2).sum() / of_channel.sum()))
        # A channel without any contrast is left as it is rather than divided by zero.
        return cls(np.asarray(mean, np.float32), np.maximum(np.asarray(std, np.float32), 1.0))


@dataclasses.dataclass(frozen=True)
class TrainedRater:
    """A trained network and how its training went.

    Attributes:
      graphdef, params, statistics: the Flax NNX module, split.
      normalization: how the images were normalised.
      num_parameters: trained numbers (without batch statistics).
      history: (step, mean loss since the last entry) pairs; of process 0.
      wall_seconds: time spent in training, compilation included.
      devices: where the arrays lie and logits are computed.
    """

    graphdef: Any
    params: Any
    statistics: Any
    normalization: Normalization
    num_parameters: int
    history: tuple[tuple[int, float], ...]
    wall_seconds: float
    devices: Devices = DEFAULT_DEVICE

    def logits(self, images: np.ndarray, *, with_flip: bool = False, batch_size: int = 500) -> np.ndarray:
        """Returns the logits [n, num_classes] float32 of images [n, h, w, c] uint8.

        Of several processes all call it, with the same images; each computes its share and gets the whole result.

        Args:
          images: without augmentation.
          with_flip: the mean of the logits of each image and of its mirror image.
          batch_size: images at a time, rounded up to a multiple of the devices; the result does not depend on it but
            for rounding.
        """
        if with_flip:
            mirrored = self.logits(images[:, :, ::-1], batch_size=batch_size)
            return (self.logits(images, batch_size=batch_size) + mirrored) / 2
        batch_size = -(-batch_size // self.devices.shares) * self.devices.shares
        here = self.devices.rows_here(batch_size)
        scale = self.devices.replicated((self.normalization.mean, self.normalization.std))
        outputs = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            # The last batch is filled up so that one compiled function serves all.
            filled = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
            placed = self.devices.batch(filled[here], batch_size)
            logits = _logits(self.params, self.statistics, scale, placed, graphdef=self.graphdef, devices=self.devices)
            outputs.append(np.asarray(logits)[: len(batch)])
        return np.concatenate(outputs)


@functools.partial(jax.jit, static_argnames=("graphdef", "devices"))
def _logits(
    params: Any,
    statistics: Any,
    scale: tuple[jax.Array, jax.Array],
    images: jax.Array,
    *,
    graphdef: Any,
    devices: Devices,
) -> jax.Array:
    module = nnx.merge(graphdef, params, statistics)
    return devices.whole(module(normalized(images, scale), train=False))


def normalized(pixels: jax.Array, scale: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Returns pixels [b, h, w, c] as float32, minus the mean [c] and divided by the standard deviation [c]."""
    mean, std = (statistic[None, None, None] for statistic in scale)
    return (pixels.astype(jnp.float32) - mean) / std
