"""Correctors that aggregate the labels of all raters: the majority's label, and Dawid & Skene's model."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.noise_models import uniforms_of_ids
from noisy_label_learning.correctors.base import Corrected, Corrector, Tools, one_hot
from noisy_label_learning.correctors.dawid_skene import DawidSkeneFit, dawid_skene, posterior_of
from noisy_label_learning.correctors.expected_errors import PSEUDO_COUNT, expected_error
from noisy_label_learning.errors import require
from noisy_label_learning.problem import NoisyExamples, PairedSubset, TrainingData


@dataclasses.dataclass(frozen=True)
class Majority(Corrector):
    """The label that most raters gave; of equal shares one is drawn by a hash of the example's id.

    Attributes:
      soft: the share of each label instead.
    """

    name: ClassVar[str] = "majority"
    revision: ClassVar[int] = 3
    soft: bool = False

    def correct(self, data: TrainingData, seed: int, tools: Tools) -> Corrected:
        """Returns the labels; see `Corrector`."""
        data.check_several_raters(self.name)
        shares = self._shares(data.train, data.num_classes)
        expected, basis = expected_error(shares, data)
        return Corrected(
            shares,
            clean_labels_used=0,
            expected_error=expected,
            error_basis=basis,
            valid=self._shares(data.valid, data.num_classes),
        )

    def _shares(self, examples: NoisyExamples, num_classes: int) -> np.ndarray:
        shares = metrics.vote_shares(examples.noisy_labels, num_classes)
        return shares if self.soft else one_hot(majority_labels(shares, examples.ids), num_classes)


@dataclasses.dataclass(frozen=True)
class DawidSkene(Corrector):
    """The posterior of Dawid & Skene's model, of all labels of all raters.

    Attributes:
      gold: whether the clean labels of the paired subset are known to the model, and stay fixed.
      iterations, tolerance, pseudo_count: of `dawid_skene`.
    """

    name: ClassVar[str] = "dawid_skene"
    revision: ClassVar[int] = 3
    gold: bool = False
    iterations: int = 100
    tolerance: float = 1e-5
    pseudo_count: float = PSEUDO_COUNT

    def __post_init__(self) -> None:
        require(self.iterations >= 1, "iterations", self.iterations, "1 or more")
        require(self.tolerance >= 0, "tolerance", self.tolerance, "0 or more")
        require(self.pseudo_count >= 0, "pseudo_count", self.pseudo_count, "0 or more")

    def correct(self, data: TrainingData, seed: int, tools: Tools) -> Corrected:
        """Returns the posterior; see `Corrector`."""
        data.check_several_raters(self.name)
        if self.gold:
            data.check_paired(f"{self.name} with gold labels")
            fit = self._fit(data, data.paired)
            expected, basis = self._held_out_error(data), "the paired subset, held out"
        else:
            fit = self._fit(data, None)
            expected, basis = expected_error(fit.posterior, data, fit)
        return Corrected(
            fit.posterior,
            clean_labels_used=len(data.paired) if self.gold else 0,
            confusions=fit.confusions,
            expected_error=expected,
            error_basis=basis,
            details={"iterations": len(fit.log_likelihood), "log_likelihood_per_label": fit.log_likelihood[-1]},
            valid=posterior_of(data.valid.noisy_labels, fit),
        )

    def _fit(self, data: TrainingData, gold: PairedSubset | None) -> DawidSkeneFit:
        return dawid_skene(
            data.train.noisy_labels,
            data.num_classes,
            gold_rows=None if gold is None else gold.rows,
            gold_labels=None if gold is None else gold.clean_labels,
            iterations=self.iterations,
            tolerance=self.tolerance,
            pseudo_count=self.pseudo_count,
        )

    def _held_out_error(self, data: TrainingData) -> float:
        """Returns the share of wrong labels: each half of the gold labels is held against a fit with the other half."""
        gold, wrong = data.paired, 0.0
        for half in (0, 1):
            inside = np.arange(len(gold)) % 2 == half
            fit = self._fit(data, PairedSubset(gold.rows[~inside], gold.clean_labels[~inside]))
            wrong += float((1 - fit.posterior[gold.rows[inside], gold.clean_labels[inside]]).sum())
        return wrong / len(gold) * (1 - len(gold) / len(data.train))


def majority_labels(shares: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Returns the label of the largest share [n, K] of each example, ties drawn by a hash of the ids [n]: [n] int32."""
    ties = uniforms_of_ids(ids, shares.shape[1], "majority_ties")
    most = shares.max(axis=1, keepdims=True)
    return np.where(shares >= most - 1e-12, ties, -1).argmax(axis=1).astype(np.int32)
