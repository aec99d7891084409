"""What a label corrector is: from what a learner may see, better targets to train on.

@dataclasses.dataclass(frozen=True)
class MyCorrector(Corrector):
    name: ClassVar[str] = "mine"

    def correct(self, data: TrainingData, seed: int, tools: Tools) -> Corrected:
        return Corrected(probabilities=..., clean_labels_used=0)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np

from noisy_label_datasets.noise.noise_models import uniforms_of_ids
from noisy_label_learning.problem import TrainingData


@dataclasses.dataclass(frozen=True)
class Corrected:
    """Targets for the training split.

    Attributes:
      probabilities: [n, K] float64, rows summing to 1: the target of each example.
      clean_labels_used: how many clean labels of the paired subset went into them.
      confusions: [R, K, K] float64, each rater's P(given label j | class i) as the corrector has estimated it; or None.
      expected_error: the share of wrong labels that the corrector expects among labels drawn from the targets; or None.
      error_basis: what that expectation rests on, for the record: "the paired subset" or the like.
      details: JSON: what was chosen, and how well it did.
      chosen: settings of the corrector with which it comes to like targets without choosing anew.
      beliefs: [n, K], P(clean label) as the corrector has it, where the targets are something else (LQM mixes it with
        the given labels); None: the targets.
      valid: [v, K] float64, P(clean label) of the validation examples, by which an epoch is selected: noisy validation
        has the raters' mistakes, which corrected targets no longer teach. None: the corrector knows no better.
    """

    probabilities: np.ndarray
    clean_labels_used: int
    confusions: np.ndarray | None = None
    expected_error: float | None = None
    error_basis: str = ""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    chosen: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    beliefs: np.ndarray | None = None
    valid: np.ndarray | None = None

    @property
    def believed(self) -> np.ndarray:
        """P(clean label) as the corrector has it, [n, K]."""
        return self.probabilities if self.beliefs is None else self.beliefs

    @property
    def labels(self) -> np.ndarray:
        """The labels that the corrector takes for the most probable ones, [n] int32."""
        return self.believed.argmax(axis=1).astype(np.int32)

    def sampled(self, ids: np.ndarray, seed: int) -> np.ndarray:
        """Returns one-hot targets [n, K] float32, one drawn from each example's target by a hash of its id.

        A target that is one-hot stays as it is.
        """
        uniforms = uniforms_of_ids(ids, 1, f"sampled_targets/{seed}")
        cumulative = np.cumsum(self.probabilities, axis=1)
        drawn = (cumulative <= uniforms * cumulative[:, -1:]).sum(axis=1)
        return np.eye(self.probabilities.shape[1], dtype=np.float32)[drawn]


class ClassifierLogits(Protocol):
    """Trains a network as raters are trained, by cross-entropy."""

    def __call__(
        self,
        rows: np.ndarray,
        labels: np.ndarray,
        seed: int,
        tuned_on: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns logits [n, K] of the training images and [v, K] of the validation images.

        They are of the epoch that is best on noisy validation, before labels are memorized; where the network is
        fine-tuned thereafter, of the last epoch of that.

        Args:
          rows: [m] of the training split, what it is trained on.
          labels: [m].
          seed: of everything.
          tuned_on: rows [p] and cleaner labels [p] that it is fine-tuned on.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Tools:
    """What a corrector may need beside the data.

    Attributes:
      classifier_logits: see `ClassifierLogits`.
    """

    classifier_logits: ClassifierLogits


@dataclasses.dataclass(frozen=True)
class Corrector:
    """A way to better labels; subclasses add their settings as fields.

    Attributes:
      name: as commands and records have it.
      revision: raised when the same settings come to other targets; runs of another revision have other keys.
    """

    name: ClassVar[str]
    revision: ClassVar[int] = 1

    def correct(self, data: TrainingData, seed: int, tools: Tools) -> Corrected:
        """Returns the targets.

        Args:
          data: all that may be looked at.
          seed: of everything random.
          tools: to train a network.

        Raises:
          LearningError: the data lack what the corrector needs.
        """
        raise NotImplementedError


def one_hot(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns [n, K] float64 of labels [n]."""
    return np.eye(num_classes)[labels]
