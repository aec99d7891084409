"""Raters as numbers: what LQM knows of whoever gave a label.

described = describe(data.raters)                                   # [R, F]
confusions = paired_confusions(labels, raters, clean, num_raters=R, num_classes=K)      # [R, K, K]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_learning.errors import LearningError

# Features that enter as they are, and counts that range over decades, which enter by their logarithm.
_NUMBERS = ("accuracy", "mean_average_precision")
_COUNTS = ("experience", "num_parameters")


def describe(raters: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Returns the raters' features [R, F] float64, each column standardised: numbers, then a column per architecture.

    What not all raters have is left out: those of flipped labels have an accuracy and no architecture. A column that is
    the same for all says nothing and is left out, too.

    Raises:
      LearningError: a feature that is not a finite number.
    """
    columns: list[np.ndarray] = []
    for name in (*_NUMBERS, *_COUNTS):
        if not all(name in rater for rater in raters):
            continue
        values = np.array([float(rater[name]) for rater in raters])
        bad = [str(rater["id"]) for rater, value in zip(raters, values, strict=True) if not np.isfinite(value)]
        if bad:
            raise LearningError(f"the feature {name} is not a finite number for the raters {', '.join(bad)}")
        if name in _COUNTS and (values <= 0).any():
            raise LearningError(f"the feature {name} has to be above 0, given {values.min():g}")
        columns.append(np.log(values) if name in _COUNTS else values)
    if all("architecture" in rater for rater in raters):
        names = [str(rater["architecture"]) for rater in raters]
        columns += [np.array([float(name == each) for name in names]) for each in sorted(set(names))]
    table = np.stack(columns, axis=1) if columns else np.zeros((len(raters), 0))
    spread = table.std(axis=0)
    informative = spread > 1e-12
    return (table[:, informative] - table[:, informative].mean(axis=0)) / spread[informative]


def paired_confusions(
    labels: np.ndarray, raters: np.ndarray, clean_labels: np.ndarray, *, num_raters: int, num_classes: int
) -> np.ndarray:
    """Returns each rater's P(given label j | class i) [R, K, K], counted on the paired subset.

    A rater's few labels are joined by what all raters together did, worth one label per class; a rater absent from the
    subset is an average one.

    Args:
      labels, raters, clean_labels: [l] each: a label, who gave it, and the cleaner label of the example.
      num_raters, num_classes: R and K.
    """
    counts = np.zeros((num_raters, num_classes, num_classes))
    np.add.at(counts, (raters, clean_labels, labels), 1)
    pooled = counts.sum(axis=0) + np.eye(num_classes)  # a class of which nobody gave a label: taken for right
    smoothed = counts + pooled / pooled.sum(axis=1, keepdims=True)
    return smoothed / smoothed.sum(axis=2, keepdims=True)
