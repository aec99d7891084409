"""What the builders of the paper's three 20-way tasks on CIFAR-100 share (Section 3.3, Appendix B)."""

from __future__ import annotations

import tensorflow_datasets as tfds

from noisy_label_datasets.base import cifar100
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs


class TwentyWayBuilder(NoisyLabelBuilder, skip_registration=True):
    """Twenty classes made of CIFAR-100; a task is a `BASE`."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {  # noqa: RUF012 (as TFDS declares it)
        "2.0.0": "An example that nobody labelled has -1 for each rater in `noisy_labels`, where it had an empty list.",
        "1.0.0": "First release.",
    }

    SPLIT_PLAN = cifar100.SPLIT_PLAN
    BUILDER_CONFIGS = standard_configs(
        {
            "low": "The raters that err least.",
            "medium": "Raters between those of low and of high.",
            "high": "The raters that err most.",
        },
        rates=(0.3, 0.4, 0.5, 0.6, 0.7),
        studies={"section33": "The paper's raters of this task (Section 3.3, Appendix A)."},
    )
