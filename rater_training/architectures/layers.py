"""The modules behind the layers of `rater_training.architectures.specs`.

    kernels = Kernels(jnp.float32)
    module, output_shape = build(layers, (32, 32, 3), kernels)
    kernels.draw(rngs.params())
    y = module(x, train)

Parameters are float32 and are cast to the dtype of the computation where they are used. Every module takes `train`,
which says whether batch normalization uses the batch's own statistics (and updates the running ones).
"""

from __future__ import annotations

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax
from jax.typing import DTypeLike

from rater_training.architectures import convolution, specs
from rater_training.architectures.depthwise import depthwise_conv

# The share of the old value in the running statistics of batch normalization. The published values (0.99 to 0.9997)
# suit runs of some hundred thousand steps; a rater may have a few hundred, which must be enough to forget the start.
BATCH_NORM_MOMENTUM = 0.9
_SMALLEST_DRAW, _LARGEST_SHARED_DRAW = 2**16, 2**20


class Kernels:
    """The kernels of a network under construction: made as zeros, and drawn together.

    One draw for all is one small program to compile; a draw for each would be a program a shape, which takes most of a
    minute for the networks with many shapes. Nor is the draw divided on the device, which would be a program a shape.
    """

    def __init__(self, dtype: DTypeLike):
        self.dtype = jnp.dtype(dtype)
        self._params: list[nnx.Param] = []
        self._deviations: list[float] = []

    def zeros(self, shape: tuple[int, ...], *, variance: float) -> nnx.Param:
        """Returns a kernel that `draw` gives values of this variance."""
        param = nnx.Param(constant(shape, 0))
        self._params.append(param)
        self._deviations.append(math.sqrt(variance))
        return param

    def draw(self, key: jax.Array) -> None:
        """Draws all kernels from normal distributions."""
        sizes = [math.prod(param.shape) for param in self._params]
        values = standard_normal(key, sum(sizes))
        stops = itertools.accumulate(sizes)
        for param, deviation, size, stop in zip(self._params, self._deviations, sizes, stops, strict=True):
            part = values[stop - size : stop].reshape(param.shape)
            param.set_value(jax.device_put(np.float32(deviation) * part))


def constant(shape: tuple[int, ...], value: float) -> jax.Array:
    """Returns float32 numbers that are all one value."""
    # From the host: `jnp.full` would compile a program for each shape.
    return jax.device_put(np.full(shape, value, np.float32))


def standard_normal(key: jax.Array, size: int) -> jax.Array | np.ndarray:
    """Returns `jax.random.normal(key, (size,))`; of a key that is no tracer as an array of NumPy.

    A number depends on the key and on its position alone, so that one program draws for many sizes, if these are small:
    of large networks no more is drawn than is needed.
    """
    if isinstance(key, jax.core.Tracer):
        return jax.random.normal(key, (size,))
    drawn = size
    if size <= _LARGEST_SHARED_DRAW:
        drawn = _SMALLEST_DRAW
        while drawn < size:
            drawn *= 4
    return np.asarray(_drawn(key, drawn))[:size]


@functools.partial(jax.jit, static_argnames="size")
def _drawn(key: jax.Array, size: int) -> jax.Array:
    return jax.random.normal(key, (size,))


class ChainModule(nnx.Module):
    """Modules one after the other."""

    def __init__(self, modules: list[nnx.Module]):
        self.modules = nnx.List(modules)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        for module in self.modules:
            x = module(x, train)
        return x


def build(layers: specs.Layers, shape: specs.Shape, kernels: Kernels) -> tuple[ChainModule, specs.Shape]:
    """Returns a module of layers for inputs of a shape (height, width, channels), and its output's shape."""
    modules = []
    for layer in layers:
        modules.append(build_layer(layer, shape, kernels))
        shape, _ = layer.trace(shape)
    return ChainModule(modules), shape


@functools.singledispatch
def build_layer(layer: specs.Layer, shape: specs.Shape, kernels: Kernels) -> nnx.Module:
    """Returns the module of one layer for inputs of a shape; each module below registers itself for its layer."""
    raise TypeError(f"no module is known for {layer!r}")


@build_layer.register(specs.Conv)
class ConvModule(nnx.Module):
    """Convolution, with or without bias. Kernels start as He et al. (2015) have them, for rectifiers."""

    def __init__(self, layer: specs.Conv, shape: specs.Shape, kernels: Kernels):
        assert layer.features is not None
        self.dtype = kernels.dtype
        self.strides = (layer.stride, layer.stride)
        self.padding = layer.padding if isinstance(layer.padding, str) else ((layer.padding,) * 2,) * 2
        fan_in = math.prod(layer.kernel) * shape[2]
        self.kernel = kernels.zeros((*layer.kernel, shape[2], layer.features), variance=2 / fan_in)
        self.bias = nnx.Param(constant((layer.features,), 0)) if layer.bias else None

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = convolution.conv(x, self.kernel[...].astype(self.dtype), self.strides, self.padding)
        return y if self.bias is None else y + self.bias[None, None, None].astype(self.dtype)


@build_layer.register(specs.Depthwise)
class DepthwiseModule(nnx.Module):
    """Convolution of each channel with its own kernel."""

    def __init__(self, layer: specs.Depthwise, shape: specs.Shape, kernels: Kernels):
        self.dtype, self.strides = kernels.dtype, (layer.stride, layer.stride)
        self.kernel = kernels.zeros((*layer.kernel, shape[2]), variance=2 / math.prod(layer.kernel))

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return depthwise_conv(x, self.kernel[...].astype(self.dtype), self.strides)


class DenseModule(nnx.Module):
    """Fully connected layer, [b, features] -> [b, units], in the dtype of its input."""

    def __init__(self, features: int, units: int, kernels: Kernels, *, gain: float):
        self.kernel = kernels.zeros((features, units), variance=gain / features)
        self.bias = nnx.Param(constant((units,), 0))

    def __call__(self, x: jax.Array) -> jax.Array:
        return x @ self.kernel[...].astype(x.dtype) + self.bias[None].astype(x.dtype)


@build_layer.register(specs.Norm)
class NormModule(nnx.Module):
    """Batch normalization (Ioffe & Szegedy, 2015), its statistics in float32."""

    def __init__(self, layer: specs.Norm, shape: specs.Shape, kernels: Kernels):
        self.epsilon, self.dtype = layer.epsilon, kernels.dtype
        self.scale = nnx.Param(constant(shape[2:], 1)) if layer.scale else None
        self.bias = nnx.Param(constant(shape[2:], 0))
        self.mean = nnx.BatchStat(constant(shape[2:], 0))
        self.variance = nnx.BatchStat(constant(shape[2:], 1))

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = x.astype(jnp.float32)
        if train:
            mean = jnp.mean(x, axis=(0, 1, 2))
            variance = jnp.maximum(jnp.mean(x * x, axis=(0, 1, 2)) - mean * mean, 0)
            for running, batch in ((self.mean, mean), (self.variance, variance)):
                running.set_value(BATCH_NORM_MOMENTUM * running[...] + (1 - BATCH_NORM_MOMENTUM) * batch)
        else:
            mean, variance = self.mean[...], self.variance[...]
        factor = lax.rsqrt(variance + self.epsilon)
        if self.scale is not None:
            factor = factor * self.scale[...]
        return ((x - mean[None, None, None]) * factor[None, None, None] + self.bias[None, None, None]).astype(
            self.dtype
        )


@build_layer.register(specs.Relu)
class ReluModule(nnx.Module):
    """Rectifier, cut off at a limit where there is one."""

    def __init__(self, layer: specs.Relu, shape: specs.Shape, kernels: Kernels):
        self.limit = layer.limit

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = nnx.relu(x)
        return x if self.limit is None else jnp.minimum(x, jnp.asarray(self.limit, x.dtype))


@build_layer.register(specs.Pool)
class PoolModule(nnx.Module):
    """Maximum or mean over a window."""

    def __init__(self, layer: specs.Pool, shape: specs.Shape, kernels: Kernels):
        self.layer = layer

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        layer = self.layer
        window, strides = (layer.window,) * 2, (layer.stride,) * 2
        padding = layer.padding if isinstance(layer.padding, str) else ((layer.padding,) * 2,) * 2
        if layer.kind == "mean":
            return nnx.avg_pool(x, window, strides, padding, count_include_pad=layer.zeros)
        if layer.zeros:
            pads = lax.padtype_to_pads(x.shape[1:3], window, strides, padding)
            x, padding = jnp.pad(x, ((0, 0), *pads, (0, 0))), "VALID"
        return nnx.max_pool(x, window, strides, padding)


@build_layer.register(specs.Subsample)
class SubsampleModule(nnx.Module):
    """Every `stride`-th pixel; rows and columns beyond the edge are zeros."""

    def __init__(self, layer: specs.Subsample, shape: specs.Shape, kernels: Kernels):
        self.offset, self.stride = layer.offset, layer.stride

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = jnp.pad(x, ((0, 0), (0, self.offset), (0, self.offset), (0, 0)))
        return x[:, self.offset :: self.stride, self.offset :: self.stride]


@build_layer.register(specs.Enlarge)
class EnlargeModule(nnx.Module):
    """Bicubic interpolation to the size that the layer names, where that is larger."""

    def __init__(self, layer: specs.Enlarge, shape: specs.Shape, kernels: Kernels):
        self.size, _ = layer.trace(shape)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return x if x.shape[1:] == self.size else jax.image.resize(x, (len(x), *self.size), "cubic")


@build_layer.register(specs.Branches)
class BranchesModule(nnx.Module):
    """Chains side by side, joined along the channels."""

    def __init__(self, layer: specs.Branches, shape: specs.Shape, kernels: Kernels):
        self.branches = nnx.List([build(branch, shape, kernels)[0] for branch in layer.branches])

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        return jnp.concatenate([branch(x, train) for branch in self.branches], axis=-1)


@build_layer.register(specs.Residual)
class ResidualModule(nnx.Module):
    """shortcut(x) + scale * body(x)."""

    def __init__(self, layer: specs.Residual, shape: specs.Shape, kernels: Kernels):
        self.scale = layer.scale
        self.shortcut, _ = build(layer.shortcut, shape, kernels)
        self.body, _ = build(layer.body_for(shape[2]), shape, kernels)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        y = self.body(x, train)
        return self.shortcut(x, train) + (y if self.scale == 1 else y * jnp.asarray(self.scale, y.dtype))
