"""CIFAR-10 with the labels of simulated raters."""

import tensorflow_datasets as tfds

from noisy_label_datasets.base.bases import TfdsBase
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Builder(NoisyLabelBuilder):
    """CIFAR-10 with noisy labels, at three levels of noise."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "2.0.0": "An example that nobody labelled has -1 for each rater in `noisy_labels`, where it had an empty list.",
        "1.0.0": "First release.",
    }

    BASE = TfdsBase(name="cifar10", version="3.0.2", class_names=CLASS_NAMES, image_shape=(32, 32, 3))
    # Section 2.2 of the paper: a training and a validation set, each halved. Its release has 19,987 and 5,021 noisy
    # examples of 50,000: 80 % and 20 % of the halves.
    SPLIT_PLAN = SplitPlan(
        {
            "train": {
                "clean_label_train": 0.4,
                "clean_label_valid": 0.1,
                "noisy_label_train": 0.4,
                "noisy_label_valid": 0.1,
            },
            "test": {"test": 1.0},
        }
    )
    BUILDER_CONFIGS = standard_configs(
        {
            "low": "Ten raters trained for long: the fewest wrong labels.",
            "medium": "Ten raters trained for less long.",
            "high": "Ten raters trained so briefly that about every second label is wrong.",
        },
        rates=(0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
        published=True,
        people=("random", "worst", "aggregate"),
        studies={"steps_12000": "The raters of high, trained for 12,000 steps (Section 3.2 of the paper)."},
    )
