"""One byte a probability: known values, and what the rounding costs."""

import numpy as np
import pytest

from noisy_label_datasets.labels.probability_codes import decode_probabilities, encode_probabilities


def test_known_codes():
    # 8 steps a factor of two, counted from the largest.
    assert encode_probabilities(np.array([0.5, 0.25, 0.125, 0.125])).tolist() == [0, 8, 16, 16]
    assert encode_probabilities(np.array([1.0, 0.0])).tolist() == [0, 255]
    np.testing.assert_allclose(decode_probabilities(np.array([0, 8, 16, 16], np.uint8)), [0.5, 0.25, 0.125, 0.125])


def softmax(logits):
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (p / p.sum(axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("num_classes", [2, 3, 10, 100])
@pytest.mark.parametrize("scale", [0.3, 2.0, 6.0])  # from guessing to sure
def test_rounding_costs_what_the_docstring_says(num_classes, scale):
    p = softmax(np.random.default_rng(0).normal(size=(20_000, num_classes)) * scale)
    decoded = decode_probabilities(encode_probabilities(p))
    error = np.abs(decoded - p)
    assert error.max() < 0.0145
    if num_classes >= 10:
        assert error.mean() < 0.002
    np.testing.assert_allclose(decoded.sum(axis=-1), 1, atol=1e-5)
    assert (np.take_along_axis(decoded, p.argmax(-1)[:, None], 1)[:, 0] == decoded.max(-1)).all()
    kept = p > p.max(-1, keepdims=True) * 2.0**-31  # beyond that the code is clipped
    step = np.log2(p.max(-1, keepdims=True) / p) - np.log2(decoded.max(-1, keepdims=True) / decoded)
    assert np.abs(step[kept]).max() <= 1 / 16 + 1e-4
