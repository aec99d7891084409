"""Convolution with a fast gradient on CPU.

    y = conv(x, kernel, strides=(2, 2))     # [b, h, w, c_in], [kh, kw, c_in, c_out] -> [b, h', w', c_out]

A 1x1 convolution is a matrix product everywhere, so that over stacked networks (`jax.vmap`) it becomes a batched
product and not a grouped convolution. The rest is XLA's own convolution on accelerators. XLA on CPU (0.10) has no fast
code for its gradients inside a loop, where training happens: a hundred times slower than outside for the kernel's,
several times for the input's. There the kernel's gradient is one matrix product for each row of the kernel, and the
input's is written as a forward convolution.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

# 'SAME', 'VALID', or (before, after) pixels of zeros for height and width.
Padding = str | Sequence[tuple[int, int]]
Pads = tuple[tuple[int, int], ...]
Strides = tuple[int, int]


def conv(x: jax.Array, kernel: jax.Array, strides: tuple[int, int] = (1, 1), padding: Padding = "SAME") -> jax.Array:
    """Returns the convolution of x [b, h, w, c_in] with kernel [kh, kw, c_in, c_out]: [b, h', w', c_out]."""
    pads = _explicit(x, kernel, strides, padding)
    if kernel.shape[:2] == (1, 1) and not any(sum(pads, ())):
        return jnp.einsum("bhwc,cd->bhwd", x[:, :: strides[0], :: strides[1]], kernel[0, 0])
    if jax.default_backend() == "cpu":
        return _conv_by_rows(x, kernel, strides, pads)
    return _xla_conv(x, kernel, strides, pads)


def _explicit(x: jax.Array, kernel: jax.Array, strides: Strides, padding: Padding) -> Pads:
    if isinstance(padding, str):
        return tuple(lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding))
    return tuple((before, after) for before, after in padding)


def _xla_conv(x: jax.Array, kernel: jax.Array, strides: Strides, pads: Pads) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=strides,
        padding=pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _conv_by_rows(x: jax.Array, kernel: jax.Array, strides: Strides, pads: Pads) -> jax.Array:
    return _xla_conv(x, kernel, strides, pads)


def _conv_by_rows_forward(
    x: jax.Array, kernel: jax.Array, strides: Strides, pads: Pads
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _xla_conv(x, kernel, strides, pads), (x, kernel)


def _conv_by_rows_backward(
    strides: Strides, pads: Pads, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    kernel_height, kernel_width, _, c_out = kernel.shape
    height, width = gradient.shape[1:3]
    padded = _pad(x, pads)
    # The kernel's columns side by side as channels: then each kernel row is one product over all pixels.
    columns = jnp.concatenate([_strided(padded, 2, j, width, strides[1]) for j in range(kernel_width)], axis=-1)
    flat_gradient = gradient.reshape(-1, c_out)
    rows = [
        _strided(columns, 1, i, height, strides[0]).reshape(-1, columns.shape[-1]).T @ flat_gradient
        for i in range(kernel_height)
    ]
    return _input_gradient(x.shape, kernel, gradient, strides, pads), jnp.stack(rows).reshape(kernel.shape)


_conv_by_rows.defvjp(_conv_by_rows_forward, _conv_by_rows_backward)


def _input_gradient(
    shape: tuple[int, ...], kernel: jax.Array, gradient: jax.Array, strides: Strides, pads: Pads
) -> jax.Array:
    """Returns the gradient of the input: a convolution with the kernel turned round, in the layout of a forward one."""
    back = []
    for size, kernel_size, out_size, stride, (before, _) in zip(
        shape[1:3], kernel.shape[:2], gradient.shape[1:3], strides, pads, strict=True
    ):
        dilated = (out_size - 1) * stride + 1
        first = kernel_size - 1 - before
        back.append((first, size + kernel_size - 1 - dilated - first))
    return lax.conv_general_dilated(
        gradient,
        jnp.flip(kernel, (0, 1)).swapaxes(2, 3),
        window_strides=(1, 1),
        padding=back,
        lhs_dilation=strides,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _strided(x: jax.Array, axis: int, start: int, count: int, stride: int) -> jax.Array:
    return lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)


def _pad(x: jax.Array, pads: Pads) -> jax.Array:
    return jnp.pad(x, ((0, 0), *pads, (0, 0)))
