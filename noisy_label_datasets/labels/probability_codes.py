"""Class probabilities in one byte each, on a log scale relative to the most probable class.

    codes = encode_probabilities(probabilities)         # uint8
    probabilities = decode_probabilities(codes)         # float32, summing to 1

code = round(8 * log2(max(p) / p)), at most 255, which stands for a factor of 2**-31.9. Eight steps a factor of two put
a logit off by at most log(2) / 16 = 0.043, hence a probability by at most 0.043 / 3 = 0.0145 (three equal classes, of
which one is rounded up and one down); the mean error over ten classes is below 0.002. Distances of logits are kept for
improbable classes too, so that probabilities can be sharpened and flattened after reading.
"""

from __future__ import annotations

import numpy as np

from noisy_label_datasets.noise.class_values import ClassValues

STEPS_PER_OCTAVE = 8

_RELATIVE = np.exp2(-np.arange(256, dtype=np.float32) / STEPS_PER_OCTAVE)


def encode_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Returns probabilities [..., K], not negative and not all 0, as codes [..., K] uint8."""
    with np.errstate(divide="ignore"):  # log2(0) is clipped like every vanishing probability
        octaves = np.log2(probabilities.max(axis=-1, keepdims=True)) - np.log2(probabilities)
    return _rounded(octaves)


def decode_probabilities(codes: np.ndarray) -> np.ndarray:
    """Returns codes [..., K] uint8 as probabilities [..., K] float32, summing to 1 over K."""
    relative = decode_relative(codes)
    return relative / relative.sum(axis=-1, keepdims=True)


def decoded(codes: ClassValues) -> ClassValues:
    """Returns codes as probabilities, computed where they are stored: those that `decode_probabilities` gives."""
    return codes.map(decode_relative).normalised()


def encode_relative(relative: np.ndarray) -> np.ndarray:
    """Returns the codes [...] uint8 of probabilities over the most probable class's: [...] in 0..1."""
    with np.errstate(divide="ignore"):
        return _rounded(-np.log2(relative))


def decode_relative(codes: np.ndarray) -> np.ndarray:
    """Returns what codes [...] uint8 stand for: probabilities [...] float32 over the most probable class's."""
    return _RELATIVE.take(codes)


def _rounded(octaves: np.ndarray) -> np.ndarray:
    return np.minimum(np.rint(octaves * STEPS_PER_OCTAVE), 255).astype(np.uint8)
