"""TensorFlow Datasets whose noisy labels come from simulated raters.

    import noisy_label_datasets
    import tensorflow_datasets as tfds
    dataset, info = tfds.load("digits_noisy/medium", split="noisy_label_train", with_info=True)
    noisy_label_datasets.rater_features(info)     # a table, a row per rater
    noisy_label_datasets.load_labels("cifar10_noisy/medium")     # arrays, without images, TFDS or TensorFlow

Importing this package makes its datasets known to TFDS. It imports neither TensorFlow nor JAX, and works without TFDS.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from noisy_label_datasets.info import rater_features
from noisy_label_datasets.registration import register_with_tfds
from noisy_label_datasets.version import __version__

if TYPE_CHECKING:
    from noisy_label_datasets.labels.loading import load_labels
    from noisy_label_datasets.labels.map_style import NoisyLabelDataset

__all__ = ["NoisyLabelDataset", "__version__", "load_labels", "rater_features"]

_IMPORTED_WHEN_USED = {"load_labels": "labels.loading", "NoisyLabelDataset": "labels.map_style"}  # they bring NumPy


def __getattr__(name: str) -> Any:
    if name not in _IMPORTED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_IMPORTED_WHEN_USED[name]}"), name)


register_with_tfds()
