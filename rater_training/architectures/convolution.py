"""Convolution with fast forms on CPU.

    y = conv(x, kernel, strides=(2, 2))     # [b, h, w, c_in], [kh, kw, c_in, c_out] -> [b, h', w', c_out]

A 1x1 convolution is a matrix product everywhere, so that over stacked networks (`jax.vmap`) it becomes a batched
product and not a grouped convolution. The rest is XLA's own convolution on accelerators. XLA on CPU (0.10 to 0.12) has
no fast code, inside a loop, where training happens, for its gradients (the kernel's a hundred times slower than
outside, the input's several times) and for maps of fewer pixels than the kernel. Hence on CPU:

*   the kernel's gradient (a convolution with a kernel as large as the image) is one matrix product for each row of the
    kernel;
*   the input's gradient is written as a forward convolution, dilated where there are strides;
*   a convolution of a map of fewer pixels than the kernel is one matrix product for each pixel of the kernel that meets
    more than padding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

# 'SAME', 'VALID', or (before, after) pixels of zeros for height and width.
Padding = str | Sequence[tuple[int, int]]
Pads = tuple[tuple[int, int], ...]
Strides = tuple[int, int]


def conv(
    x: jax.Array,
    kernel: jax.Array,
    strides: Strides = (1, 1),
    padding: Padding = "SAME",
    *,
    small_maps_by_products: bool = True,
) -> jax.Array:
    """Returns the convolution of x [b, h, w, c_in] with kernel [kh, kw, c_in, c_out]: [b, h', w', c_out].

    Without `small_maps_by_products` XLA's convolution serves maps of fewer pixels than the kernel on CPU, too: the same
    but for rounding, slowly.
    """
    pads = _explicit(x, kernel, strides, padding)
    if kernel.shape[:2] == (1, 1) and not any(sum(pads, ())):
        return jnp.einsum("bhwc,cd->bhwd", x[:, :: strides[0], :: strides[1]], kernel[0, 0])
    if jax.default_backend() == "cpu":
        by_products = small_maps_by_products and _has_small_map(x.shape, kernel.shape, strides, pads)
        return _cpu_conv(x, kernel, strides, pads, by_products)
    return _xla_conv(x, kernel, strides, pads)


def _has_small_map(shape: tuple[int, ...], kernel_shape: tuple[int, ...], strides: Strides, pads: Pads) -> bool:
    return math.prod(_output_size(shape, kernel_shape, strides, pads)) < math.prod(kernel_shape[:2])


def _output_size(
    shape: tuple[int, ...], kernel_shape: tuple[int, ...], strides: Strides, pads: Pads
) -> tuple[int, int]:
    height, width = (
        (size + sum(pad) - kernel_size) // stride + 1
        for size, kernel_size, stride, pad in zip(shape[1:3], kernel_shape[:2], strides, pads, strict=True)
    )
    return height, width


def _explicit(x: jax.Array, kernel: jax.Array, strides: Strides, padding: Padding) -> Pads:
    if isinstance(padding, str):
        return tuple(lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding))
    return tuple((before, after) for before, after in padding)


def _xla_conv(x: jax.Array, kernel: jax.Array, strides: Strides, pads: Pads, dilation: Strides = (1, 1)) -> jax.Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=strides,
        padding=pads,
        lhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _cpu_conv(x: jax.Array, kernel: jax.Array, strides: Strides, pads: Pads, by_products: bool) -> jax.Array:
    return (_conv_by_products if by_products else _xla_conv)(x, kernel, strides, pads)


def _forward(
    x: jax.Array, kernel: jax.Array, strides: Strides, pads: Pads, by_products: bool
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _cpu_conv(x, kernel, strides, pads, by_products), (x, kernel)


def _backward(
    strides: Strides, pads: Pads, by_products: bool, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    kernel_gradient_of = _kernel_gradient_by_products if by_products else _kernel_gradient_by_rows
    kernel_gradient = kernel_gradient_of(x, kernel, gradient, strides, pads)
    return _input_gradient(x.shape, kernel, gradient, strides, pads, by_products), kernel_gradient


_cpu_conv.defvjp(_forward, _backward)


def _conv_by_products(x: jax.Array, kernel: jax.Array, strides: Strides, pads: Pads) -> jax.Array:
    height, width = _output_size(x.shape, kernel.shape, strides, pads)
    products = [
        pixels.reshape(-1, x.shape[-1]) @ kernel[i, j]
        for (i, j), pixels in _met_pixels(x, kernel.shape, strides, pads).items()
    ]
    return functools.reduce(jnp.add, products).reshape(len(x), height, width, -1)


def _kernel_gradient_by_products(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, strides: Strides, pads: Pads
) -> jax.Array:
    flat_gradient = gradient.reshape(-1, gradient.shape[-1])
    met = _met_pixels(x, kernel.shape, strides, pads)
    nothing = jnp.zeros(kernel.shape[2:], kernel.dtype)
    rows = [
        [
            met[i, j].reshape(-1, x.shape[-1]).T @ flat_gradient if (i, j) in met else nothing
            for j in range(kernel.shape[1])
        ]
        for i in range(kernel.shape[0])
    ]
    return jnp.stack([jnp.stack(row) for row in rows])


def _met_pixels(
    x: jax.Array, kernel_shape: tuple[int, ...], strides: Strides, pads: Pads
) -> dict[tuple[int, int], jax.Array]:
    """Returns, for each pixel of the kernel that meets any of the image, the [b, h', w', c_in] that it meets."""
    size = _output_size(x.shape, kernel_shape, strides, pads)
    padded = _pad(x, pads)

    def meeting(axis: int) -> list[int]:
        return [
            i
            for i in range(kernel_shape[axis])
            if any(0 <= i + stop * strides[axis] - pads[axis][0] < x.shape[1 + axis] for stop in range(size[axis]))
        ]

    return {
        (i, j): _strided(_strided(padded, 1, i, size[0], strides[0]), 2, j, size[1], strides[1])
        for i in meeting(0)
        for j in meeting(1)
    }


def _kernel_gradient_by_rows(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, strides: Strides, pads: Pads
) -> jax.Array:
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
    return jnp.stack(rows).reshape(kernel.shape)


def _input_gradient(
    shape: tuple[int, ...], kernel: jax.Array, gradient: jax.Array, strides: Strides, pads: Pads, by_products: bool
) -> jax.Array:
    """Returns the gradient of the input: a convolution with the kernel turned round, in the layout of a forward one."""
    back = []
    for size, kernel_size, out_size, stride, (before, _) in zip(
        shape[1:3], kernel.shape[:2], gradient.shape[1:3], strides, pads, strict=True
    ):
        dilated = (out_size - 1) * stride + 1
        first = kernel_size - 1 - before
        back.append((first, size + kernel_size - 1 - dilated - first))
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    if by_products:
        spread = ((0, 0, 0), *((0, 0, stride - 1) for stride in strides), (0, 0, 0))
        return _conv_by_products(lax.pad(gradient, jnp.zeros((), gradient.dtype), spread), turned, (1, 1), tuple(back))
    return _xla_conv(gradient, turned, (1, 1), tuple(back), dilation=strides)


def _strided(x: jax.Array, axis: int, start: int, count: int, stride: int) -> jax.Array:
    return lax.slice_in_dim(x, start, start + (count - 1) * stride + 1, stride, axis)


def _pad(x: jax.Array, pads: Pads) -> jax.Array:
    return jnp.pad(x, ((0, 0), *pads, (0, 0)))
