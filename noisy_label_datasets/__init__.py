"""TensorFlow Datasets whose noisy labels come from simulated raters.

    import noisy_label_datasets
    import tensorflow_datasets as tfds
    dataset, info = tfds.load("digits_noisy/medium", split="noisy_label_train", with_info=True)
    noisy_label_datasets.rater_features(info)     # a table, a row a rater

Importing this package makes its datasets known to TFDS. It imports neither TensorFlow nor JAX, and works without TFDS.
"""

from noisy_label_datasets.info import rater_features
from noisy_label_datasets.registration import register_with_tfds
from noisy_label_datasets.version import __version__

__all__ = ["__version__", "rater_features"]

register_with_tfds()
