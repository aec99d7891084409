"""Depthwise convolution with a fast gradient on CPU.

    y = depthwise_conv(x, kernel, strides=(2, 2))   # [b, h, w, c], [kh, kw, c] -> [b, h', w', c]; 'SAME'

On accelerators this is XLA's own grouped convolution. XLA's code for it on CPU (0.10) is slow in all three directions,
so there the output and the input's gradient are sums of shifted products (which fuse to one pass over the image), and
the kernel's gradient is summed up image by image and kernel row by kernel row, while the image is in the cache.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax

Pads = tuple[tuple[int, int], tuple[int, int]]


def depthwise_conv(x: jax.Array, kernel: jax.Array, strides: tuple[int, int] = (1, 1)) -> jax.Array:
    """Returns the 'SAME' convolution of each channel of x [b, h, w, c] with its own kernel [kh, kw, c]."""
    if jax.default_backend() == "cpu":
        rows, columns = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, "SAME")
        return _by_shifts(x, kernel, strides, ((int(rows[0]), int(rows[1])), (int(columns[0]), int(columns[1]))))
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        strides,
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=kernel.shape[-1],
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _by_shifts(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], pads: Pads) -> jax.Array:
    return _sum_of_shifts(jnp.pad(x, ((0, 0), *pads, (0, 0))), kernel, strides)


Residuals = tuple[jax.Array, jax.Array]


def _forward(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], pads: Pads) -> tuple[jax.Array, Residuals]:
    return _by_shifts(x, kernel, strides, pads), (x, kernel)


def _backward(
    strides: tuple[int, int], pads: Pads, residuals: Residuals, gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    # The input's gradient: the output's, its pixels as far apart as the strides, under the kernel turned round.
    spread = []
    for size, kernel_size, stride, (before, _) in zip(x.shape[1:3], kernel.shape[:2], strides, pads, strict=True):
        first = kernel_size - 1 - before
        dilated = (-(-size // stride) - 1) * stride + 1
        spread.append((first, size + kernel_size - 1 - dilated - first, stride - 1))
    padded = lax.pad(gradient, jnp.zeros((), gradient.dtype), ((0, 0, 0), *spread, (0, 0, 0)))
    return _sum_of_shifts(padded, jnp.flip(kernel, (0, 1)), (1, 1)), _kernel_gradient(
        x, kernel, strides, pads, gradient
    )


_by_shifts.defvjp(_forward, _backward)


def _sum_of_shifts(padded: jax.Array, kernel: jax.Array, strides: tuple[int, int]) -> jax.Array:
    height, width = (
        (size - k) // stride + 1 for size, k, stride in zip(padded.shape[1:3], kernel.shape[:2], strides, strict=True)
    )
    products = (
        _strided(_strided(padded, 1, i, height, strides[0]), 2, j, width, strides[1]) * kernel[None, None, None, i, j]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )
    return functools.reduce(jnp.add, products)


def _kernel_gradient(
    x: jax.Array, kernel: jax.Array, strides: tuple[int, int], pads: Pads, gradient: jax.Array
) -> jax.Array:
    height, width = gradient.shape[1:3]

    def add_image(total: jax.Array, image_and_gradient: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        image, image_gradient = image_and_gradient
        image = jnp.pad(image, (*pads, (0, 0)))
        image_gradient = image_gradient.astype(jnp.float32)

        def kernel_row(i: jax.Array) -> jax.Array:
            rows = lax.dynamic_slice_in_dim(image, i, (height - 1) * strides[0] + 1, 0)[:: strides[0]]
            return jnp.stack(
                [
                    jnp.sum(_strided(rows, 1, j, width, strides[1]) * image_gradient, axis=(0, 1))
                    for j in range(kernel.shape[1])
                ]
            )

        return total + lax.map(kernel_row, jnp.arange(kernel.shape[0])), None

    total, _ = lax.scan(add_image, jnp.zeros(kernel.shape, jnp.float32), (x, gradient))
    return total.astype(kernel.dtype)


def _strided(x: jax.Array, axis: int, start: int, count: int, stride: int) -> jax.Array:
    return lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)
