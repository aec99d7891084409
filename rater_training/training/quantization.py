"""Weights in one byte each, with a scale per output channel.

    arrays = quantized({"params.body.layers.0.kernel": kernel, "params.body.layers.1.bias": bias})
    weights = dequantized(arrays)

Kernels (two axes or more) become whole numbers from -127 to 127 times a float32 scale, one for each output channel,
which is the last axis of every kernel here: the greatest of a channel is exact, and no weight is off by more than half
of its channel's scale. What has one axis (biases, normalization) is small and sensitive, and stays float32. Names get
the form as an ending: `.int8` and `.scale`, or `.float32`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_MOST = 127
_INT8, _SCALE, _FLOAT32 = ".int8", ".scale", ".float32"


def quantized(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns weights, name -> float array, in their small form."""
    arrays = {}
    for name, given in weights.items():
        values = np.asarray(given, np.float32)
        if values.ndim < 2:
            arrays[name + _FLOAT32] = values
            continue
        greatest = np.abs(values).max(axis=tuple(range(values.ndim - 1)))
        # A channel of nothing but zeros gets a scale of one: zero is zero at any.
        scale = np.where(greatest > 0, greatest / _MOST, 1).astype(np.float32)
        arrays[name + _INT8] = np.clip(np.rint(values / scale), -_MOST, _MOST).astype(np.int8)
        arrays[name + _SCALE] = scale
    return arrays


def dequantized(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the float32 weights of what `quantized` made.

    Raises:
      ValueError: an array of another name, type or shape than `quantized` gives, or numbers that are not finite.
    """
    weights, scales = {}, 0
    for name, values in arrays.items():
        for ending, kind in ((_INT8, np.int8), (_SCALE, np.float32), (_FLOAT32, np.float32)):
            if name.endswith(ending) and values.dtype != kind:
                raise ValueError(f"{name} is {values.dtype}, not {np.dtype(kind).name}")
        if values.dtype == np.float32 and not np.isfinite(values).all():
            raise ValueError(f"{name} holds numbers that are not finite")
        if name.endswith(_FLOAT32):
            weights[name.removesuffix(_FLOAT32)] = values
        elif name.endswith(_INT8):
            stem = name.removesuffix(_INT8)
            scale = arrays.get(stem + _SCALE)
            if values.ndim < 2 or scale is None or scale.shape != values.shape[-1:]:
                raise ValueError(f"{stem} has no scale for each of its output channels")
            weights[stem], scales = values * scale, scales + 1
        elif not name.endswith(_SCALE):
            raise ValueError(f"{name} is none of the forms in which weights are stored")
    if scales != sum(name.endswith(_SCALE) for name in arrays):
        raise ValueError("there are scales without weights")
    return weights
