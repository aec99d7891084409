"""The training examples: images and further arrays, one row per example.

    examples = Examples({"labels": labels}, images)     # images [n, h, w, c] uint8, labels [n] int32
    examples = Examples({"features": x, "targets": t})  # no images: only the arrays are drawn

The arrays are any pytree of [n, ...] arrays of any dtype: labels, soft targets, weights. A step is given the rows that
are drawn, and the images cropped, flipped and normalized.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from rater_training.config import Augmentation
from rater_training.engine.devices import Devices

_IMAGES_PER_COUNT = 1024
# Images that take more than this share of a device's memory are streamed to it.
_MOST_RESIDENT = 0.5


class TrainingDataError(NoisyLabelsError, ValueError):
    """Arrays that nothing can be trained on."""


@dataclasses.dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of the training pixels per channel, in units of byte values; [c] float32 each."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> Normalization:
        """Returns the statistics of images [n, h, w, c] uint8, which may be memory-mapped."""
        # By value counts: exact, and in the memory of a few images.
        channels = images.shape[-1]
        counts = np.zeros((channels, 256), np.int64)
        for start in range(0, len(images), _IMAGES_PER_COUNT):
            some = images[start : start + _IMAGES_PER_COUNT]
            counts += [np.bincount(some[..., channel].ravel(), minlength=256) for channel in range(channels)]
        mean, std = [], []
        values = np.arange(256)
        for of_channel in counts:
            average = (of_channel * values).sum() / of_channel.sum()
            mean.append(average)
            std.append(np.sqrt((of_channel * (values - average) ** 2).sum() / of_channel.sum()))
        # A channel without any contrast is left as it is rather than divided by zero.
        return cls(np.asarray(mean, np.float32), np.maximum(np.asarray(std, np.float32), 1.0))


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """The n training examples.

    Attributes:
      arrays: a pytree of arrays [n, ...] of any dtype; may have no leaves where there are images.
      images: [n, h, w, c] uint8, may be memory-mapped; None: there are none.
      normalization: statistics of the images. Where none are given they are computed, in one pass over the images; a
        caller that trains several times on the same images passes them on.

    Raises:
      TrainingDataError: no arrays at all, of different lengths, or images of another shape or dtype.
    """

    arrays: Any = ()
    images: np.ndarray | None = None
    normalization: Normalization | None = None

    def __post_init__(self) -> None:
        images = self.images
        if images is not None and (images.ndim != 4 or images.dtype != np.uint8):
            raise TrainingDataError(
                f"images have shape {images.shape} and dtype {images.dtype}; wanted [n, h, w, c] uint8"
            )
        lengths = {len(leaf) for leaf in jax.tree.leaves(self.all_arrays)}
        if len(lengths) != 1:
            raise TrainingDataError(f"the arrays have {sorted(lengths)} rows; wanted one number of examples for all")
        if images is not None and self.normalization is None:
            object.__setattr__(self, "normalization", Normalization.of(images))

    @property
    def all_arrays(self) -> tuple[Any, Any]:
        """The images and the other arrays, as one pytree."""
        return self.images, self.arrays

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.all_arrays)[0])


def is_streamed(images: np.ndarray, augmentation: Augmentation, devices: Devices, wanted: bool | None) -> bool:
    """Returns what is wanted, or else whether images, padded for the crop, take more than half of a device's memory."""
    if wanted is not None:
        return wanted
    n, height, width, channels = images.shape
    frame = 2 * augmentation.crop_padding
    return n * (height + frame) * (width + frame) * channels > _MOST_RESIDENT * devices.memory_bytes()


def normalized(pixels: jax.Array, scale: tuple[jax.Array, jax.Array]) -> jax.Array:
    """Returns pixels [b, h, w, c] as float32, minus the mean [c] and divided by the standard deviation [c]."""
    mean, std = (statistic[None, None, None] for statistic in scale)
    return (pixels.astype(jnp.float32) - mean) / std
