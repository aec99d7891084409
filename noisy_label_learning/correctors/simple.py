"""Correctors without a model: the labels as they are, and with the clean ones of the paired subset."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from noisy_label_learning.correctors.base import Corrected, Corrector, Tools, one_hot
from noisy_label_learning.problem import TrainingData


@dataclasses.dataclass(frozen=True)
class NoCorrector(Corrector):
    """The drawn noisy label, one-hot."""

    name: ClassVar[str] = "none"

    def correct(self, data: TrainingData, seed: int, tools: Tools) -> Corrected:
        """Returns the noisy labels; see `Corrector`."""
        return Corrected(one_hot(data.train.noisy_label, data.num_classes), clean_labels_used=0)


@dataclasses.dataclass(frozen=True)
class CleanSubset(Corrector):
    """The noisy labels, those of the paired subset replaced by the clean ones.

    What Section 5.2 gives its baselines, so that they have seen as many clean labels as LQM.
    """

    name: ClassVar[str] = "clean_subset"

    def correct(self, data: TrainingData, seed: int, tools: Tools) -> Corrected:
        """Returns the labels; see `Corrector`."""
        data.check_paired(self.name)
        labels = data.train.noisy_label.copy()
        labels[data.paired.rows] = data.paired.clean_labels
        wrong = np.mean(data.train.noisy_label[data.paired.rows] != data.paired.clean_labels)
        return Corrected(
            one_hot(labels, data.num_classes),
            clean_labels_used=len(data.paired),
            expected_error=float(wrong * (1 - len(data.paired) / len(labels))),
            error_basis="the paired subset",
        )
