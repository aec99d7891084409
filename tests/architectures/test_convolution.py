"""The CPU forms of convolution against XLA's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rater_training.architectures import convolution

CASES = [
    ((3, 3), (1, 1), "SAME"),
    ((3, 3), (2, 2), "SAME"),
    ((3, 3), (2, 2), "VALID"),
    ((1, 1), (2, 2), "SAME"),
    ((1, 7), (1, 1), "SAME"),
    ((7, 7), (2, 2), ((3, 3), (3, 3))),
    ((2, 2), (1, 1), "VALID"),
    ((5, 5), (2, 1), ((2, 1), (0, 3))),
]
# Maps of fewer pixels than the kernel, down to one pixel, of whose kernel only the middle meets the image.
SMALL_MAPS = [
    ((3, 3), (1, 1), "SAME", 2),
    ((3, 3), (1, 1), "SAME", 1),
    ((3, 3), (2, 2), "SAME", 3),
    ((5, 5), (1, 1), "SAME", 3),
    ((1, 7), (1, 1), "SAME", 2),
    ((3, 3), (2, 2), "VALID", 4),
    ((3, 3), (1, 1), ((0, 3), (2, 0)), 2),
]


def _reference(x, kernel, strides, padding):
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _sides(strides):
    """Where the stride is more than one pixel it matters whether the side is odd or even."""
    return (9,) if strides == (1, 1) else (9, 12)


@pytest.mark.parametrize(
    ("size", "strides", "padding", "side"),
    [*((*case, side) for case in CASES for side in _sides(case[1])), *SMALL_MAPS],
)
def test_conv_and_its_gradients_equal_xla(size, strides, padding, side):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, side, side + 1, 3)).astype(np.float32)
    kernel = rng.normal(size=(*size, 3, 5)).astype(np.float32)
    shape = jax.eval_shape(lambda x, k: _reference(x, k, strides, padding), x, kernel).shape
    cotangent = rng.normal(size=shape).astype(np.float32)

    def with_gradients(form):
        def function(x, kernel, cotangent):
            y, gradients = jax.vjp(lambda x, k: form(x, k, strides, padding), x, kernel)
            return y, *gradients(cotangent)

        return jax.jit(function)(x, kernel, cotangent)

    got, wanted = with_gradients(convolution.conv), with_gradients(_reference)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices have XLA's convolution only")
def test_maps_smaller_than_the_kernel_are_products_where_wanted():
    """XLA's convolution is slow there; compact networks keep it for the sake of shipped labels."""

    def jaxpr(side: int, **arguments) -> str:
        x = jnp.ones((2, side, side, 2))
        gradient = jax.grad(lambda x, k: jnp.sum(convolution.conv(x, k, **arguments)), argnums=(0, 1))
        return str(jax.make_jaxpr(gradient)(x, jnp.ones((3, 3, 2, 2))))

    assert "conv_general_dilated" not in jaxpr(2)
    assert "conv_general_dilated" in jaxpr(2, small_maps_by_products=False)
    assert "conv_general_dilated" in jaxpr(3)


def test_the_fast_form_is_chosen_on_cpu():
    jaxpr = str(jax.make_jaxpr(lambda k: convolution.conv(jnp.ones((1, 8, 8, 2)), k))(jnp.ones((3, 3, 2, 2))))
    assert ("custom_vjp" in jaxpr) == (jax.default_backend() == "cpu")
