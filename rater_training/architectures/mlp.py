"""Fully connected networks: the cheapest rater, for small images such as digits."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

_HIDDEN = 128


class MLP(nnx.Module):
    """Hidden layers of 128 x width units with ReLU: images [b, h, w, c] -> logits [b, num_classes] float32."""

    def __init__(
        self,
        hidden_layers: int,
        *,
        num_classes: int,
        image_shape: tuple[int, int, int],
        width: float,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        height, image_width, channels = image_shape
        units = [height * image_width * channels, *[max(1, round(_HIDDEN * width))] * hidden_layers]
        self.hidden = nnx.List(
            nnx.Linear(inputs, outputs, dtype=dtype, rngs=rngs) for inputs, outputs in itertools.pairwise(units)
        )
        self.head = nnx.Linear(units[-1], num_classes, rngs=rngs)

    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        x = images.reshape(len(images), -1)
        for layer in self.hidden:
            x = nnx.relu(layer(x))
        return self.head(x.astype(jnp.float32))


ARCHITECTURES: dict[str, Callable[..., nnx.Module]] = {
    "softmax_regression": functools.partial(MLP, 0),
    "mlp": functools.partial(MLP, 1),
}
