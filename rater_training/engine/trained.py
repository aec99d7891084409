"""A trained network and its logits.

trained = engine.train(rater, images, labels, num_classes=10)
trained.logits(images)
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
from flax import nnx

from rater_training.engine.devices import DEFAULT_DEVICE, Devices
from rater_training.engine.examples import Normalization, normalized

LABELLING_BATCH = 500
"""Images that a network is given at a time. Labels depend on it in the last bit, so all that labels goes by it."""


@dataclasses.dataclass(frozen=True)
class TrainedRater:
    """A trained network and how its training went.

    Attributes:
      graphdef, params, statistics: the Flax NNX module, split.
      normalization: how the images were normalized.
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

    def logits(self, images: np.ndarray, *, with_flip: bool = False, batch_size: int = LABELLING_BATCH) -> np.ndarray:
        """Returns the logits [n, num_classes] float32 of images [n, h, w, c] uint8.

        All of several processes call it with the same images; each computes its share and gets the whole result.

        Args:
          images: without augmentation.
          with_flip: the mean of the logits of each image and of its flipped copy.
          batch_size: images at a time, rounded up to a multiple of the devices; the result does not depend on it but
            for rounding.
        """
        if with_flip:
            mirrored = self.logits(images[:, :, ::-1], batch_size=batch_size)
            return (self.logits(images, batch_size=batch_size) + mirrored) / 2
        batch_size = -(-batch_size // self.devices.num_shards) * self.devices.num_shards
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
    return devices.replicate(module(normalized(images, scale), train=False))
