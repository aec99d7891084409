"""Depthwise convolution on CPU against XLA's grouped convolution."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rater_training.architectures.depthwise import depthwise_conv


def reference(x, kernel, strides):
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        strides,
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=kernel.shape[-1],
    )


def normal(seed, shape):
    """Of NumPy, since each shape that JAX draws is compiled."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@functools.partial(jax.jit, static_argnums=(0, 4))
def value_and_gradients(function, x, kernel, cotangent, strides):
    y, pull_back = jax.vjp(lambda x, kernel: function(x, kernel, strides), x, kernel)
    return (y, *pull_back(cotangent))


@pytest.mark.parametrize(
    ("size", "strides", "shape"),
    [
        ((3, 3), (1, 1), (3, 8, 9, 4)),
        ((3, 3), (2, 2), (3, 8, 9, 4)),
        ((5, 5), (2, 2), (2, 9, 12, 2)),
        ((7, 7), (2, 2), (2, 5, 4, 1)),
        ((1, 3), (1, 2), (2, 5, 4, 1)),
    ],
)
def test_output_and_gradients_equal_xla(size, strides, shape):
    x, kernel = normal(0, shape), normal(1, (*size, shape[-1]))
    cotangent = normal(2, jax.eval_shape(lambda x, kernel: reference(x, kernel, strides), x, kernel).shape)
    got = value_and_gradients(depthwise_conv, x, kernel, cotangent, strides)
    wanted = value_and_gradients(reference, x, kernel, cotangent, strides)
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_stacked_kernels():
    """Members of a pool that are trained together are stacked by `jax.vmap`."""
    x, kernels = normal(0, (3, 2, 6, 6, 4)), normal(1, (3, 3, 3, 4))

    @jax.jit
    def gradient(x, kernel):
        return jax.grad(lambda kernel: jnp.sum(depthwise_conv(x, kernel, (2, 2)) ** 2))(kernel)

    one_by_one = jnp.stack([gradient(*pair) for pair in zip(x, kernels, strict=True)])
    np.testing.assert_allclose(jax.vmap(gradient)(x, kernels), one_by_one, rtol=1e-4, atol=1e-4)


def test_bfloat16_sums_in_float32():
    """Each of 2**14 products of one adds up; in bfloat16 the sum would stop at 256."""
    x = jnp.ones((64, 16, 16, 1), jnp.bfloat16)
    kernel = jnp.ones((1, 1, 1), jnp.bfloat16)
    gradient = jax.grad(lambda kernel: jnp.sum(depthwise_conv(x, kernel).astype(jnp.float32)))(kernel)
    assert gradient.item() == 64 * 16 * 16
