"""Compact networks for small images: one trunk, a table of cells, for machines without an accelerator.

Each stands for one family of the paper's architectures (Appendix A) and keeps what makes that family err in its own
way: plain convolutions (VGG), residual connections (ResNet), parallel branches (Inception), both (Inception-ResNet),
depthwise separable convolutions (MobileNet), and sums of separable convolutions of several sizes (NASNet). At width 1
and 32x32 pixels a network costs 10 to 30 million multiply-adds an image.

The trunk is that of Keller Jordan's "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498): a fixed 2x2
convolution that whitens the pixels, then stages of (convolution, max pooling, cell), and a global maximum. Here it is
narrower, and the cell is the family's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from rater_training.architectures.convolution import conv
from rater_training.architectures.depthwise import depthwise_conv
from rater_training.architectures.layers import standard_normal
from rater_training.config import ConfigError

_WHITENING_SIZE = 2
_STAGE_CHANNELS = (32, 96, 128)
_SMALLEST_POOLED_SIDE = 6
_LOGIT_SCALE = 1 / 9  # of the largest of all pixels' activations, hence large ones
_BATCH_NORM_MOMENTUM = 0.8  # a few hundred steps in all: slower statistics would still hold the initialisation


def _kernel(shape: tuple[int, ...], fan_in: int, rngs: nnx.Rngs) -> nnx.Param:
    # A sixth of He's variance: batch normalization undoes the scale, and small kernels turn faster at a given rate.
    drawn = standard_normal(rngs.params(), math.prod(shape)).reshape(shape)
    return nnx.Param(jax.device_put(np.float32(math.sqrt(1 / (3 * fan_in))) * drawn))


class Whitening(nnx.Module):
    """A fixed convolution onto the principal directions of 2x2 patches, at unit variance, and their negatives."""

    def __init__(self, in_channels: int, dtype: DTypeLike):
        patch = _WHITENING_SIZE**2 * in_channels
        self.dtype = dtype
        self.kernel = nnx.BatchStat(jnp.zeros((_WHITENING_SIZE, _WHITENING_SIZE, in_channels, 2 * patch)))

    def fit(self, images: np.ndarray) -> None:
        """Sets the kernel from images [n, h, w, c] float32, normalized as in training."""
        size, channels = _WHITENING_SIZE, images.shape[-1]
        windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
        patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, size * size * channels).astype(np.float64)
        variances, directions = np.linalg.eigh(patches.T @ patches / len(patches))
        scaled = directions / np.sqrt(variances + 5e-4)
        kernel = np.concatenate([scaled, -scaled], axis=1).reshape(size, size, channels, -1)
        self.kernel[...] = jnp.asarray(kernel, jnp.float32)

    def __call__(self, x: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(
            x.astype(self.dtype),
            self.kernel[...].astype(self.dtype),
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )


class CompactConv(nnx.Module):
    """Convolution, stride 1, 'SAME', no bias."""

    def __init__(self, c_in: int, c_out: int, size: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.dtype = dtype
        self.kernel = _kernel((size, size, c_in, c_out), size * size * c_in, rngs)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        # The labels that the package ships are those of XLA's convolution, whose sums have another order.
        return conv(x, self.kernel[...].astype(self.dtype), small_maps_by_products=False)


class SeparableConv(nnx.Module):
    """Depthwise convolution, then a pointwise one."""

    def __init__(self, c_in: int, c_out: int, size: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.dtype = dtype
        self.depthwise = _kernel((size, size, c_in), size * size, rngs)
        self.pointwise = CompactConv(c_in, c_out, 1, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return self.pointwise(depthwise_conv(x, self.depthwise[...].astype(self.dtype)), train)


class NormActivation(nnx.Module):
    """Batch normalization and GELU."""

    def __init__(self, channels: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.norm = nnx.BatchNorm(channels, momentum=_BATCH_NORM_MOMENTUM, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return nnx.gelu(self.norm(x, use_running_average=not train))


class Unit(nnx.Module):
    """A convolution of the family's kind, batch normalization, GELU."""

    def __init__(
        self, c_in: int, c_out: int, size: int = 3, *, kind: type = CompactConv, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        self.convolution = kind(c_in, c_out, size, dtype=dtype, rngs=rngs)
        self.activation = NormActivation(c_out, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return self.activation(self.convolution(x, train), train)


class CompactChain(nnx.Module):
    """Units one after the other."""

    def __init__(self, *units: nnx.Module):
        self.units = nnx.List(units)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for unit in self.units:
            x = unit(x, train)
        return x


class CompactBranches(nnx.Module):
    """Units side by side, joined along the channels or added up."""

    def __init__(self, *units: nnx.Module, add: bool = False):
        self.units = nnx.List(units)
        self.add = add

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        outputs = [unit(x, train) for unit in self.units]
        return functools.reduce(jnp.add, outputs) if self.add else jnp.concatenate(outputs, axis=-1)


class CompactResidual(nnx.Module):
    """What it is given plus a unit of it."""

    def __init__(self, unit: nnx.Module):
        self.unit = unit

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return x + self.unit(x, train)


# A cell takes the number of channels and returns a module that keeps it; `make` knows dtype and rngs.
Cell = Callable[[int, Callable[..., nnx.Module]], nnx.Module]


def _plain(c: int, unit: Callable[..., nnx.Module]) -> nnx.Module:
    return unit(c, c)


def _residual(c: int, unit: Callable[..., nnx.Module]) -> nnx.Module:
    return CompactResidual(CompactChain(unit(c, c), unit(c, c)))


def _inception(c: int, unit: Callable[..., nnx.Module]) -> nnx.Module:
    eighth, quarter = max(1, c // 8), max(1, c // 4)
    half = c - quarter - 2 * eighth  # the branches join to c channels whatever c is
    return CompactBranches(
        unit(c, quarter, 1),
        CompactChain(unit(c, quarter, 1), unit(quarter, half, 3)),
        CompactChain(unit(c, eighth, 1), unit(eighth, eighth, 5)),
        CompactChain(unit(c, eighth, 1), unit(eighth, eighth, 3), unit(eighth, eighth, 3)),
    )


def _inception_residual(c: int, unit: Callable[..., nnx.Module]) -> nnx.Module:
    return CompactResidual(CompactChain(_inception(c, unit), unit(c, c, 1)))


def _separable_chain(c: int, unit: Callable[..., nnx.Module]) -> nnx.Module:
    return CompactChain(*(unit(c, c, 3, kind=SeparableConv) for _ in range(2)))


def _separable_sum(c: int, unit: Callable[..., nnx.Module]) -> nnx.Module:
    return CompactResidual(
        CompactBranches(unit(c, c, 3, kind=SeparableConv), unit(c, c, 5, kind=SeparableConv), add=True)
    )


class CompactNetwork(nnx.Module):
    """The trunk with one family's cell: images [b, h, w, c] -> logits [b, num_classes] float32; sides of 8 and more."""

    def __init__(
        self,
        cell: Cell,
        *,
        num_classes: int,
        image_shape: tuple[int, int, int],
        width: float,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
        transition: type = CompactConv,
    ):
        height, image_width, in_channels = image_shape
        if min(height, image_width) < 8:
            raise ConfigError(f"image_shape is {image_shape}; compact networks take images of 8x8 pixels or more")
        unit = functools.partial(Unit, dtype=dtype, rngs=rngs)
        self.whitening = Whitening(in_channels, dtype)
        self.pools: tuple[bool, ...] = ()
        transitions: list[nnx.Module] = []
        activations: list[nnx.Module] = []
        cells: list[nnx.Module] = []
        channels, side = self.whitening.kernel.shape[-1], min(height, image_width) - _WHITENING_SIZE + 1
        for stage_channels in _STAGE_CHANNELS:
            c_out = max(8, round(stage_channels * width))
            # The first convolution sees the whitened pixels, whose channels no depthwise convolution should keep apart.
            transitions.append((transition if transitions else CompactConv)(channels, c_out, 3, dtype=dtype, rngs=rngs))
            activations.append(NormActivation(c_out, dtype=dtype, rngs=rngs))
            cells.append(cell(c_out, unit))
            self.pools += (side >= _SMALLEST_POOLED_SIDE,)
            channels, side = c_out, side // 2 if side >= _SMALLEST_POOLED_SIDE else side
        self.transitions, self.activations = nnx.List(transitions), nnx.List(activations)
        self.cells = nnx.List(cells)
        self.head = nnx.Linear(channels, num_classes, use_bias=False, rngs=rngs)

    def fit(self, images: np.ndarray) -> None:
        """Sets what is taken from the training images, [n, h, w, c] float32, before training."""
        self.whitening.fit(images)

    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        x = nnx.gelu(self.whitening(images))
        for transition, pool, activation, cell in zip(
            self.transitions, self.pools, self.activations, self.cells, strict=True
        ):
            x = transition(x, train)
            x = cell(activation(_max_pool(x) if pool else x, train), train)
        x = jnp.max(x, axis=(1, 2)).astype(jnp.float32)
        return _LOGIT_SCALE * self.head(x)


def _max_pool(x: jax.Array) -> jax.Array:
    """Returns 2x2 maxima, an odd last row or column left out."""
    # As a reshape, whose gradient is far faster on CPU than that of a sliding window.
    b, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return jnp.max(x.reshape(b, h // 2, 2, w // 2, 2, c), axis=(2, 4))


ARCHITECTURES: dict[str, Callable[..., nnx.Module]] = {
    "compact_vgg": functools.partial(CompactNetwork, _plain),
    "compact_resnet": functools.partial(CompactNetwork, _residual),
    "compact_inception": functools.partial(CompactNetwork, _inception),
    "compact_inception_resnet": functools.partial(CompactNetwork, _inception_residual),
    "compact_mobilenet": functools.partial(CompactNetwork, _separable_chain, transition=SeparableConv),
    "compact_nasnet": functools.partial(CompactNetwork, _separable_sum, transition=SeparableConv),
}
