"""The paper's *medium* 20-way task on CIFAR-100 (Section 3.3, Appendix B), with the labels of simulated raters."""

import tensorflow_datasets as tfds

from noisy_label_datasets.base import cifar100
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs


class Builder(NoisyLabelBuilder):
    """Twenty classes with noisy labels: the classes of four superclasses of CIFAR-100 that look alike: mammals."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {  # noqa: RUF012 (as TFDS declares it)
        "2.0.0": "An example that nobody labelled has -1 for each rater in `noisy_labels`, where it had an empty list.",
        "1.0.0": "First release.",
    }

    BASE = cifar100.MEDIUM_BASE
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
