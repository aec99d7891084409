"""The figures of a noise card: everything that it says of the labels, as JSON values.

    figures = noise_figures(labels, class_names)     # what a builder stores as info.metadata["noise"]
    figures["rater_error_rate"], figures["krippendorff_alpha"]

They are measured on one split, `noisy_label_train`, but for the short account of every split.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.instance_dependence import instance_dependence

MEASURED_SPLIT = "noisy_label_train"
NUM_SHOWN = 10  # examples of each kind


class Labelled(Protocol):
    """Labels by id, a split at a time: `sources.NoisyLabels` and `predictions.RaterPredictions` are such."""

    @property
    def ids(self) -> Mapping[str, np.ndarray]: ...
    @property
    def clean_labels(self) -> Mapping[str, np.ndarray]: ...
    @property
    def noisy_labels(self) -> Mapping[str, np.ndarray]: ...


def noise_figures(labels: Labelled, class_names: Sequence[str]) -> dict[str, Any]:
    """Measures the labels of a dataset. 25,000 examples with 10 raters take about 0.1 s.

    Returns:
      A dictionary of JSON values; what is not defined (such as alpha of a single rater) is None.

        splits: split -> num_examples, rater_error_rate, krippendorff_alpha.
        measured_split: the split of all that follows.
        num_examples, num_raters: n and R.
        rater_error_rate: share of wrong labels; error_rate_by_rater [R], error_rate_by_class [K].
        majority_error_rate: of the most frequent label (ties: to the lowest class).
        krippendorff_alpha, agreement: of the raters with each other.
        instance_dependence: vote_variance, flip_rate_variance, class_variance, explained_by_class
            (see `noisy_label_datasets.noise.instance_dependence`).
        confusion_matrix: `[K][K]` counts, rows clean classes.
        right_votes: [R + 1], how many of the labelled examples 0, 1, ... R raters labelled rightly.
        examples: "easiest", "contested" and "hardest" -> at most 10 examples each: id, label, votes [R].
    """
    noisy_labels, clean = labels.noisy_labels[MEASURED_SPLIT], labels.clean_labels[MEASURED_SPLIT]
    ids, num_classes = labels.ids[MEASURED_SPLIT], len(class_names)
    labelled = np.flatnonzero(metrics.is_labelled(noisy_labels))
    right = (noisy_labels == clean[:, None])[labelled].sum(axis=1)
    votes = metrics.vote_shares(noisy_labels[labelled], num_classes)
    figures = {
        "splits": {
            split: {
                "num_examples": len(labels.ids[split]),
                "rater_error_rate": metrics.rater_error_rate(labels.noisy_labels[split], labels.clean_labels[split]),
                "krippendorff_alpha": metrics.krippendorff_alpha(labels.noisy_labels[split], num_classes),
            }
            for split in labels.noisy_labels
        },
        "measured_split": MEASURED_SPLIT,
        "num_examples": len(noisy_labels),
        "num_raters": noisy_labels.shape[1],
        "rater_error_rate": metrics.rater_error_rate(noisy_labels, clean),
        "error_rate_by_rater": metrics.error_rate_by_rater(noisy_labels, clean),
        "error_rate_by_class": metrics.error_rate_by_class(noisy_labels, clean, num_classes),
        "majority_error_rate": np.mean(votes.argmax(axis=1) != clean[labelled]) if labelled.size else math.nan,
        "krippendorff_alpha": metrics.krippendorff_alpha(noisy_labels, num_classes),
        "agreement": metrics.agreement(noisy_labels, num_classes),
        "instance_dependence": _instance_dependence(noisy_labels, clean, num_classes),
        "confusion_matrix": metrics.confusion_matrix(noisy_labels, clean, num_classes),
        "right_votes": np.bincount(right, minlength=noisy_labels.shape[1] + 1),
        "examples": {
            kind: [
                {"id": str(ids[i]), "label": int(clean[i]), "votes": noisy_labels[i].tolist()}
                for i in labelled[chosen].tolist()
            ]
            for kind, chosen in _telling_examples(votes, clean[labelled]).items()
        },
    }
    return _to_json(figures)


def _telling_examples(votes: np.ndarray, clean: np.ndarray) -> dict[str, np.ndarray]:
    """Indices of examples to look at; equal ones are taken in their order, and equally many of each class."""
    right = votes[np.arange(len(clean)), clean]
    most_wrong = np.where(np.arange(votes.shape[1]) == clean[:, None], 0, votes).max(axis=1)
    entropy = -(votes * np.log(np.where(votes > 0, votes, 1))).sum(axis=1)
    return {
        "easiest": _lowest_of_each_class(-right, clean, votes.shape[1]),
        "contested": _lowest_of_each_class(-entropy, clean, votes.shape[1]),
        "hardest": _lowest_of_each_class(right - most_wrong, clean, votes.shape[1]),
    }


def _lowest_of_each_class(score: np.ndarray, clean: np.ndarray, num_classes: int) -> np.ndarray:
    quota = max(1, NUM_SHOWN // num_classes)
    order = np.argsort(score, kind="stable")
    lowest = np.concatenate([order[clean[order] == label][:quota] for label in range(num_classes)])
    return lowest[np.argsort(score[lowest], kind="stable")][:NUM_SHOWN]


def _instance_dependence(noisy_labels: np.ndarray, clean: np.ndarray, num_classes: int) -> dict[str, float] | None:
    complete = (noisy_labels != metrics.MISSING).all(axis=1)
    if noisy_labels.shape[1] < 2 or not complete.any() or (np.bincount(clean[complete]) == 1).any():
        return None
    found = instance_dependence(noisy_labels, clean, num_classes)
    return dataclasses.asdict(found)


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _to_json(value.tolist())
    return None if isinstance(value, float) and math.isnan(value) else value
