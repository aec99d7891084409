"""Correctors without a model: the labels as they are, with the clean ones of the paired subset, and the majority's."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.noise_models import uniforms_of_ids
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
        return Corrected(one_hot(labels, data.num_classes), clean_labels_used=len(data.paired))


@dataclasses.dataclass(frozen=True)
class Majority(Corrector):
    """The label that most raters gave; of equal shares one is drawn by a hash of the example's id.

    Attributes:
      soft: the share of each label instead.
    """

    name: ClassVar[str] = "majority"
    soft: bool = False

    def correct(self, data: TrainingData, seed: int, tools: Tools) -> Corrected:
        """Returns the labels; see `Corrector`."""
        data.check_several_raters(self.name)
        shares = metrics.vote_shares(data.train.noisy_labels, data.num_classes)
        if not self.soft:
            shares = one_hot(majority_labels(shares, data.train.ids), data.num_classes)
        return Corrected(shares, clean_labels_used=0)


def majority_labels(shares: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Returns the label of the largest share [n, K] of each example, ties drawn by a hash of the ids [n]: [n] int32."""
    ties = uniforms_of_ids(ids, shares.shape[1], "majority_ties")
    most = shares.max(axis=1, keepdims=True)
    return np.where(shares >= most - 1e-12, ties, -1).argmax(axis=1).astype(np.int32)
