"""CIFAR-100 with the labels of simulated raters."""

import tensorflow_datasets as tfds

from noisy_label_datasets.base import cifar100
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs


class Builder(NoisyLabelBuilder):
    """CIFAR-100 with noisy labels of the 100 classes, at three levels of noise; the superclass goes along."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "2.0.0": "An example that nobody labelled has -1 for each rater in `noisy_labels`, where it had an empty list.",
        "1.0.0": "First release.",
    }

    BASE = cifar100.BASE
    SPLIT_PLAN = cifar100.SPLIT_PLAN
    # Eleven raters; the paper's (Table 3) have the error rates 0.25, 0.38 and 0.43.
    BUILDER_CONFIGS = standard_configs(
        {
            "low": "Eleven raters, of whose labels 25 % were wrong in the paper.",
            "medium": "Eleven raters, of whose labels 38 % were wrong in the paper.",
            "high": "Eleven raters, of whose labels 43 % were wrong in the paper.",
        },
        rates=(0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        published=True,
        people=("random",),
    )
