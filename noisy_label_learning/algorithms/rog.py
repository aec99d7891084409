"""RoG: robust Gaussians of the features of a network that cross-entropy has trained (Lee et al., ICML 2019)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from noisy_label_learning import generative
from noisy_label_learning.algorithms.base import Algorithm, Trained
from noisy_label_learning.errors import require


@dataclasses.dataclass(frozen=True)
class RoG(Algorithm):
    """Robust generative classifiers on several layers, mixed by how well they fit noisy validation.

    Attributes:
      kept_share: of each class, nearest to its mean; 0.7 here, half in the paper's breakdown-point argument.
      trusted_share: of noisy validation, most likely under all layers; a half as published.
    """

    name: ClassVar[str] = "rog"
    kept_share: float = generative.KEPT_SHARE
    trusted_share: float = 0.5

    def __post_init__(self) -> None:
        require(0 < self.kept_share <= 1, "kept_share", self.kept_share, "in (0, 1]")
        require(0 < self.trusted_share <= 1, "trusted_share", self.trusted_share, "in (0, 1]")

    def classifier(self, trained: Trained) -> Callable[[np.ndarray], np.ndarray]:
        """Returns the mixture of the layers' classifiers; see `Algorithm`."""
        data = trained.data
        fitted = [
            generative.RobustGaussian.fit(
                layer, trained.labels, num_classes=data.num_classes, seed=trained.seed, kept_share=self.kept_share
            )
            for layer in trained.features(data.train.images)
        ]

        def of_layers(images: np.ndarray) -> list[np.ndarray]:
            layers = zip(fitted, trained.features(images), strict=True)
            return [generative.posteriors(model.log_likelihoods(layer)) for model, layer in layers]

        weights = generative.layer_weights(
            of_layers(data.valid.images), data.valid.noisy_label, trusted_share=self.trusted_share
        )
        return lambda images: generative.mixture(of_layers(images), weights)
