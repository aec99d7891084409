"""Class probabilities in one byte each, on a log scale relative to the most probable class.

    codes = encode_probabilities(probabilities)         # uint8
    probabilities = decode_probabilities(codes)         # float32, summing to 1

code = round(8 * log2(max(p) / p)), at most 255, which stands for a factor of 2**-31.9. Eight steps a factor of two put
a logit off by at most log(2) / 16 = 0.043, hence a probability by at most 0.043 / 3 = 0.0145 (three equal classes, of
which one is rounded up and one down); the mean error over ten classes is below 0.002. Distances of logits are kept for
improbable classes too, so that probabilities can be sharpened and flattened after reading.
"""

import numpy as np

STEPS_PER_OCTAVE = 8

_RELATIVE = np.exp2(-np.arange(256, dtype=np.float32) / STEPS_PER_OCTAVE)


def encode_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Returns probabilities [..., K], not negative and not all 0, as codes [..., K] uint8."""
    with np.errstate(divide="ignore"):  # log2(0) is clipped like every vanishing probability
        octaves = np.log2(probabilities.max(axis=-1, keepdims=True)) - np.log2(probabilities)
    return np.minimum(np.rint(octaves * STEPS_PER_OCTAVE), 255).astype(np.uint8)


def decode_probabilities(codes: np.ndarray) -> np.ndarray:
    """Returns codes [..., K] uint8 as probabilities [..., K] float32, summing to 1 over K."""
    relative = _RELATIVE[codes]
    return relative / relative.sum(axis=-1, keepdims=True)
