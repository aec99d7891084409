"""Selections of an algorithm that classifies anew after training, by the features of a trained network (RoG)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from noisy_label_learning.algorithms.base import Algorithm, Trained
from noisy_label_learning.problem import Problem
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.record import LAST, Epoch, select

_SMALLEST = 1e-12  # probability


def has_classifier(algorithm: Algorithm) -> bool:
    """Returns whether an algorithm classifies anew after training."""
    return type(algorithm).classifier is not Algorithm.classifier


def reclassified(
    problem: Problem,
    config: RunConfig,
    *,
    targets: np.ndarray,
    features: Mapping[int, Callable[[np.ndarray], list[np.ndarray]]],
    curve: Sequence[Epoch],
    beliefs: np.ndarray | None = None,
) -> dict[str, Epoch]:
    """Returns the selections; selected is whichever network's classifier is better on validation.

    Args:
      problem: what is learned from and measured by.
      config: of the run.
      targets: [n, K] what the networks were trained on.
      features: epoch -> images to the features of the layers of that epoch's network: of the last epoch, and of the one
        that was best on validation.
      curve: of the training, a point for each epoch.
      beliefs: [v, K], `Corrected.valid`.
    """
    data, answers = problem.data, problem.answers
    points = []
    for epoch, of_images in features.items():
        classify = config.algorithm.classifier(Trained(of_images, data, targets.argmax(axis=1), config.seed))
        assert classify is not None
        valid, test = classify(np.asarray(data.valid.images)), classify(np.asarray(answers.test_images))
        of_label = valid[np.arange(len(valid)), data.valid.noisy_label]
        on_corrected = {}
        if beliefs is not None:
            predicted = beliefs[np.arange(len(valid)), valid.argmax(axis=1)]
            loss = -(beliefs * np.log(np.maximum(valid, _SMALLEST))).sum(axis=1)
            on_corrected = {
                "corrected_valid_accuracy": float(predicted.mean()),
                "corrected_valid_loss": float(loss.mean()),
            }
        points.append(
            Epoch(
                epoch,
                curve[epoch - 1].train_loss,
                float(np.mean(valid.argmax(axis=1) == data.valid.noisy_label)),
                float(-np.log(np.maximum(of_label, _SMALLEST)).mean()),
                float(np.mean(test.argmax(axis=1) == answers.test_labels)),
                **on_corrected,
            )
        )
    return {**select(points), LAST: points[0]}
