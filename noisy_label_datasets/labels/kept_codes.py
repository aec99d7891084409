"""Of many classes, the codes of the most probable alone: the other classes share one code.

    others, kept = keep_most_probable(codes, labels)              # [n, KEPT - 1], [n, KEPT]
    codes = codes_of(labels, others, kept, num_classes=100)       # [n, 1, 100]; those of the other classes are equal

The label comes first, with a code of 0 that needs no place; after it the next most probable classes, and last one code
for each of the classes left, whose probability is the mean of theirs. A hundred classes take ten bytes so, not 101.
`docs/measuring.md` says what is lost.
"""

from __future__ import annotations

import numpy as np

from noisy_label_datasets.labels.probability_codes import decode_relative, encode_relative
from noisy_label_datasets.noise.class_values import MostProbable

KEPT = 5
"""Classes whose codes are kept, the label among them."""


def keep_most_probable(codes: np.ndarray, labels: np.ndarray, *, kept: int = KEPT) -> tuple[np.ndarray, np.ndarray]:
    """Returns the most probable classes and their codes.

    Args:
      codes: [n, K] uint8, see `probability_codes`; 0 at the label. K is more than `kept`.
      labels: [n] whole numbers.
      kept: how many classes keep their codes, 2 or more.

    Returns:
      others: [n, kept - 1] unsigned, the classes after the label, the most probable first; of equals the first class.
      codes: [n, kept] uint8, the codes of these classes, then the code of each of the classes left.
    """
    num_classes = codes.shape[-1]
    rows = np.arange(len(codes))
    order = np.argsort(_label_first(codes, labels), axis=-1, kind="stable")
    others, left = order[:, 1:kept], order[:, kept:]
    mean = decode_relative(codes[rows[:, None], left]).mean(axis=-1, dtype=np.float64)
    columns = [codes[rows[:, None], others], encode_relative(mean)[:, None]]
    return others.astype(np.min_scalar_type(num_classes - 1)), np.concatenate(columns, axis=-1)


def codes_of(labels: np.ndarray, others: np.ndarray, codes: np.ndarray, *, num_classes: int) -> MostProbable:
    """Returns the codes [n, 1, num_classes] uint8 of one rater, of what `keep_most_probable` returned.

    Raises:
      ValueError: the arrays do not fit one another, a class stands there twice or is none, or codes do not ascend.
    """
    n, kept = codes.shape
    if codes.dtype != np.uint8 or others.shape != (n, kept - 1) or labels.shape != (n,) or not kept < num_classes:
        raise ValueError(
            f"labels [n], other classes [n, k - 1] and codes [n, k] uint8, k below the {num_classes} classes; given "
            f"{labels.shape}, {others.shape} and {codes.shape} {codes.dtype}"
        )
    together = np.empty((n, kept), np.int64)
    together[:, 0], together[:, 1:] = labels, others
    are_classes = not n or 0 <= together.min() <= together.max() < num_classes
    # A class and its code in one number, so that the one is sorted with the other.
    together <<= 8
    together[:, 1:] |= codes[:, :-1]
    together.sort(axis=-1)
    classes = (together >> 8).T
    if not are_classes or (classes[1:] == classes[:-1]).any():
        raise ValueError(f"the most probable classes are different ones of 0..{num_classes - 1}; some given are not")
    if (codes[:, 1:] < codes[:, :-1]).any():
        raise ValueError("the codes of the most probable classes do not ascend")
    values = np.empty((kept + 1, n, 1), np.uint8)
    values[:-1, :, 0], values[-1, :, 0] = together.T & 255, codes[:, -1]
    # A type that holds the numbers from K on, too, which stand for no class.
    return MostProbable(classes.astype(np.min_scalar_type(-num_classes - 2))[..., None], values, num_classes)


def _label_first(codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns codes as int16, that of the label below all others, also where others are 0."""
    wider = codes.astype(np.int16)
    np.put_along_axis(wider, labels[:, None].astype(np.int64), -1, axis=-1)
    return wider
