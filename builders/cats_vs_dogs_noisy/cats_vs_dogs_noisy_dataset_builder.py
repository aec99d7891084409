"""Cats vs Dogs with the labels of simulated raters."""

import tensorflow_datasets as tfds

from noisy_label_datasets.base.bases import TfdsBase
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs


class Builder(NoisyLabelBuilder):
    """Cats vs Dogs with noisy labels, at three levels of noise."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "2.0.0": "An example that nobody labelled has -1 for each rater in `noisy_labels`, where it had an empty list.",
        "1.0.0": "First release.",
    }

    BASE = TfdsBase(
        name="cats_vs_dogs",
        version="4.0.1",
        class_names=("cat", "dog"),
        image_shape=(None, None, 3),
        id_key="image/filename",
        ids_are_paths=True,
    )
    # Labels are made for all 25,000 pictures of Microsoft's archive; TFDS drops 1,738 whose files are damaged.
    MAY_LACK = 1738
    # Section 2.2 of the paper: 80 % training, 10 % validation, 10 % test, the first two halved. The release has 9,302
    # and 1,184 noisy examples of 23,262.
    SPLIT_PLAN = SplitPlan(
        {
            "train": {
                "clean_label_train": 0.4,
                "clean_label_valid": 0.05,
                "noisy_label_train": 0.4,
                "noisy_label_valid": 0.05,
                "test": 0.1,
            }
        }
    )
    RATER_IMAGE_SIZE = (224, 224)  # the images are of any size; ImageNet's networks see them at this one
    # Ten raters; the paper's (Table 5) have the error rates 0.09, 0.20 and 0.29.
    BUILDER_CONFIGS = standard_configs(
        {
            "low": "Ten raters, of whose labels 9 % were wrong in the paper.",
            "medium": "Ten raters, of whose labels 20 % were wrong in the paper.",
            "high": "Ten raters, of whose labels 29 % were wrong in the paper.",
        },
        rates=(0.15, 0.2, 0.3, 0.4),
        published=True,
        studies={
            **{
                f"section{section}_{steps}": f"Ten raters, trained for {steps:,} steps (Section 3.{section % 10})."
                for section, of_section in ((31, (25_000, 50_000, 100_000)), (32, (10_000, 25_000, 100_000)))
                for steps in of_section
            },
            "section33": "Ten raters of Section 3.3 of the paper.",
        },
        same_raters={  # Appendix A: trained alike
            "section32_10000": "medium",
            "section32_25000": "section31_25000",
            "section32_100000": "section31_100000",
            "section33": "high",
        },
    )
