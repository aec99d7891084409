"""Calibrated probabilities of a pool: what the dial samples from."""

from __future__ import annotations

import numpy as np

from noisy_label_datasets.labels.predictions import RaterPredictions
from noisy_label_datasets.labels.probability_codes import decoded
from noisy_label_datasets.noise.class_values import ClassValues
from noisy_label_datasets.noise.rescalings import tempered
from noisy_label_datasets.noise.temperature_scaling import calibration

CALIBRATED_ON = "clean_label_valid"  # no rater was trained on it, and no labels of the dial are needed there


def temperatures(predictions: RaterPredictions) -> np.ndarray:
    """The temperature [R] of each rater of a pool, on `clean_label_valid`."""
    return calibration(decoded(predictions.codes[CALIBRATED_ON]), predictions.clean_labels[CALIBRATED_ON])


def calibrated(predictions: RaterPredictions, split: str, at: np.ndarray | None = None) -> ClassValues:
    """The probabilities [n, R, K] float32 of a pool on a split, each rater's calibrated on `clean_label_valid`.

    Args:
      predictions: of the pool.
      split: whose examples.
      at: `temperatures` of the pool, where they have been computed.
    """
    found = temperatures(predictions) if at is None else at
    return predictions.codes[split].in_blocks(lambda codes: tempered(decoded(codes), found).normalised())
