"""Weights in one byte each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from rater_training.training.quantization import dequantized, quantized

FLOATS = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)


def test_a_kernel_by_hand():
    kernel = np.array([[1.27, 0.0], [-0.5, 0.0], [0.004, 0.0]], np.float32)
    arrays = quantized({"kernel": kernel, "bias": np.array([0.1], np.float32)})
    assert sorted(arrays) == ["bias.float32", "kernel.int8", "kernel.scale"]
    assert arrays["kernel.int8"].tolist() == [[127, 0], [-50, 0], [0, 0]]
    np.testing.assert_allclose(arrays["kernel.scale"], [0.01, 1])
    assert arrays["bias.float32"] == np.float32(0.1)


@settings(max_examples=100)
@given(st_numpy.arrays(np.float32, st_numpy.array_shapes(min_dims=1, max_dims=4, max_side=5), elements=FLOATS))
def test_no_weight_is_off_by_more_than_half_a_scale(weights):
    arrays = quantized({"w": weights})
    back = dequantized(arrays)["w"]
    if weights.ndim == 1:
        np.testing.assert_array_equal(back, weights)
        return
    scale = np.abs(weights).max(axis=tuple(range(weights.ndim - 1))) / 127
    assert (np.abs(back - weights) <= 0.5001 * scale).all()


@settings(max_examples=50)
@given(st_numpy.arrays(np.float32, (3, 4), elements=FLOATS))
def test_what_was_rounded_once_is_rounded_to_itself(weights):
    once = quantized({"w": weights})
    again = quantized(dequantized(once))
    np.testing.assert_array_equal(again["w.int8"], once["w.int8"])
    np.testing.assert_allclose(again["w.scale"], once["w.scale"], rtol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"w.int8": np.zeros((2, 3), np.int8)}, "w has no scale for each of its output channels"),
        ({"w.int8": np.zeros((2, 3), np.int8), "w.scale": np.ones(2, np.float32)}, "w has no scale for each"),
        ({"w.int8": np.zeros((2, 3), np.float32)}, "w.int8 is float32, not int8"),
        ({"w.scale": np.ones(2, np.float32)}, "scales without weights"),
        ({"w.float32": np.array([np.nan], np.float32)}, "w.float32 holds numbers that are not finite"),
        ({"w": np.ones(2, np.float32)}, "w is none of the forms"),
    ],
)
def test_arrays_that_are_none_of_these(arrays, said):
    with pytest.raises(ValueError, match=said):
        dequantized(arrays)
