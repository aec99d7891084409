"""What the builders of the paper's three 20-way tasks on CIFAR-100 share (Section 3.3, Appendix B)."""

import tensorflow_datasets as tfds

from noisy_label_datasets.base import cifar100
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs


class TwentyWayBuilder(NoisyLabelBuilder, skip_registration=True):
    """Twenty classes made of CIFAR-100; a task is a `BASE`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 (as TFDS declares it)

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
