"""The networks of `rater_training`'s tables in nothing but `flax.nnx` layers, as a user of Flax would write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rater_training.architectures import NETWORKS, specs
from rater_training.architectures.network import fit

_IMAGE = (32, 32, 3)


class PlainResidual(nnx.Module):
    """shortcut(x) + body(x)."""

    def __init__(self, body: nnx.Module, shortcut: nnx.Module):
        self.body, self.shortcut = body, shortcut

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.shortcut(x) + self.body(x)


class PlainNetwork(nnx.Module):
    """A network without branches: images [b, 32, 32, 3] float -> logits [b, num_classes]."""

    def __init__(self, name: str, form: str, width: float, num_classes: int, dtype: Any, rngs: nnx.Rngs):
        layers = fit(NETWORKS[name], _IMAGE, width=width, form=form).layers
        self.body, channels = _chain(layers, _IMAGE, dtype, rngs)
        self.head = nnx.Linear(channels, num_classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.head(self.body(images).mean((1, 2), dtype=jnp.float32))


def _chain(layers: specs.Layers, shape: specs.Shape, dtype: Any, rngs: nnx.Rngs) -> tuple[nnx.Sequential, int]:
    modules = []
    for layer in layers:
        modules.append(_module(layer, shape, dtype, rngs))
        shape, _ = layer.trace(shape)
    return nnx.Sequential(*modules), shape[2]


def _module(layer: specs.Layer, shape: specs.Shape, dtype: Any, rngs: nnx.Rngs) -> Callable[[jax.Array], jax.Array]:
    channels = shape[2]
    match layer:
        case specs.Conv(int(features), kernel, stride, padding, bias):
            sides = padding if isinstance(padding, str) else [(padding, padding)] * 2
            return nnx.Conv(channels, features, kernel, stride, padding=sides, use_bias=bias, dtype=dtype, rngs=rngs)
        case specs.Depthwise(kernel, stride):
            return nnx.Conv(
                channels, channels, kernel, stride, feature_group_count=channels, use_bias=False, dtype=dtype, rngs=rngs
            )
        case specs.Norm(epsilon, scale):
            return nnx.BatchNorm(channels, momentum=0.9, epsilon=epsilon, use_scale=scale, dtype=dtype, rngs=rngs)
        case specs.Relu(None):
            return nnx.relu
        case specs.Relu(6.0):
            return nnx.relu6
        case specs.Pool("max", window, stride, padding, False):
            sides = padding if isinstance(padding, str) else ((padding, padding),) * 2
            return lambda x: nnx.max_pool(x, (window, window), (stride, stride), sides)
        case specs.Residual(body, shortcut, 1.0):
            return PlainResidual(*(_chain(part, shape, dtype, rngs)[0] for part in (body, shortcut)))
    raise NotImplementedError(f"{layer!r}: MobileNet and ResNet have no such layer")
