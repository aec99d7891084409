"""The paper's *easy* 20-way task on CIFAR-100 (Section 3.3, Appendix B), with the labels of simulated raters."""

from noisy_label_datasets.base import cifar100
from noisy_label_datasets.build.twenty_way import TwentyWayBuilder


class Builder(TwentyWayBuilder):
    """Twenty classes with noisy labels: one class of each superclass of CIFAR-100."""

    BASE = cifar100.EASY_BASE
