"""RoG: generative classifiers on a trained network's features, robust to wrong labels (Lee et al., ICML 2019).

    fitted = RobustGaussian.fit(features, noisy_labels, num_classes=10, seed=0)     # features [n, d] of one layer
    fitted.log_likelihoods(others)                                                  # [m, K]

A linear discriminant whose means and tied covariance are estimated on the examples of each class that lie nearest to
its mean: one step of the minimum covariance determinant's iteration from a random subset.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from noisy_label_learning.errors import LearningError

KEPT_SHARE = 0.7


@dataclasses.dataclass(frozen=True)
class RobustGaussian:
    """Classes as Gaussians of one covariance.

    Attributes:
      means: [K, d].
      precision: [d, d], pseudo-inverse of the tied covariance.
    """

    means: np.ndarray
    precision: np.ndarray

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        labels: np.ndarray,
        *,
        num_classes: int,
        seed: int,
        kept_share: float = KEPT_SHARE,
    ) -> RobustGaussian:
        """Returns the classifier of features [n, d] with noisy labels [n].

        Means and covariance of a random `kept_share` of each class; then once more of the share of each class that lies
        nearest to its mean (Mahalanobis). With `kept_share` 1 this is linear discriminant analysis.

        Raises:
          LearningError: features that are not finite, or a class without an example.
        """
        features = np.asarray(features, np.float64)
        if not np.isfinite(features).all():
            raise LearningError(
                f"features hold {np.count_nonzero(~np.isfinite(features))} values that are not finite (NaN or infinite)"
            )
        rng = np.random.default_rng(seed)
        of_class = [np.flatnonzero(labels == k) for k in range(num_classes)]
        if missing := [k for k, rows in enumerate(of_class) if not len(rows)]:
            raise LearningError(f"no example is labelled {', '.join(map(str, missing))}: these classes have no mean")
        counts = [max(1, round(kept_share * len(rows))) for rows in of_class]
        drawn = [rng.permutation(rows)[:count] for rows, count in zip(of_class, counts, strict=True)]
        first = cls._of(features, drawn)
        distances = [first.distances(features[rows])[:, k] for k, rows in enumerate(of_class)]
        nearest = [
            rows[np.argsort(distance, kind="stable")[:count]]
            for rows, distance, count in zip(of_class, distances, counts, strict=True)
        ]
        return cls._of(features, nearest)

    @classmethod
    def _of(cls, features: np.ndarray, rows_of_classes: Sequence[np.ndarray]) -> RobustGaussian:
        means = np.stack([features[rows].mean(axis=0) for rows in rows_of_classes])
        residuals = np.concatenate([features[rows] - means[k] for k, rows in enumerate(rows_of_classes)])
        covariance = residuals.T @ residuals / len(residuals)
        return cls(means, np.linalg.pinv(covariance, hermitian=True))

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Returns squared Mahalanobis distances [m, K] of features [m, d] to the means."""
        projected = features @ self.precision
        cross = projected @ self.means.T
        own = (projected * features).sum(axis=1)
        of_means = ((self.means @ self.precision) * self.means).sum(axis=1)
        return own[:, None] - 2 * cross + of_means[None]

    def log_likelihoods(self, features: np.ndarray) -> np.ndarray:
        """Returns log p(x | k) [m, K] up to a constant of the layer: what layers are mixed by."""
        return -0.5 * self.distances(np.asarray(features, np.float64))


def posteriors(log_likelihoods: np.ndarray) -> np.ndarray:
    """Returns p(k | x) [m, K] for classes alike in frequency, as Lee et al. take them."""
    shifted = np.exp(log_likelihoods - log_likelihoods.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def layer_weights(of_layers: Sequence[np.ndarray], labels: np.ndarray, *, trusted_share: float = 0.5) -> np.ndarray:
    """Returns how much each layer's posterior counts, [L] summing to 1 (Lee et al., Section 3.3).

    The weights minimise the cross-entropy of the mixture on the examples of noisy validation whose labels the mean of
    all layers finds most likely. Found by expectation-maximisation of mixture weights, which has one optimum.

    Args:
      of_layers: L arrays [m, K] of posteriors on noisy validation examples.
      labels: [m], their noisy labels. Not those of test: the original code takes its validation from there.
      trusted_share: which share of the examples counts.
    """
    of_label = np.stack([p[np.arange(len(labels)), labels] for p in of_layers])  # [L, m]
    count = max(1, round(trusted_share * len(labels)))
    trusted = np.argsort(-of_label.mean(axis=0), kind="stable")[:count]
    likelihood = np.maximum(of_label[:, trusted], 1e-12)
    weights = np.full(len(of_layers), 1 / len(of_layers))
    for _ in range(500):
        joint = weights[:, None] * likelihood
        updated = (joint / joint.sum(axis=0)).mean(axis=1)
        if np.abs(updated - weights).max() < 1e-9:
            break
        weights = updated
    return updated


def mixture(of_layers: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Returns the weighted mean [m, K] of posteriors L x [m, K]."""
    return np.tensordot(weights, np.stack(of_layers), axes=1)
