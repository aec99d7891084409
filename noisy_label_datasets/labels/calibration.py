"""Calibrated probabilities of a pool: what the dial samples from."""

from __future__ import annotations

import numpy as np

from noisy_label_datasets.labels.predictions import RaterPredictions
from noisy_label_datasets.labels.probability_codes import decode_probabilities
from noisy_label_datasets.noise.dial import blocks, calibration, tempered

CALIBRATED_ON = "clean_label_valid"  # no rater was trained on it, and no labels of the dial are needed there


def temperatures(predictions: RaterPredictions) -> np.ndarray:
    """The temperature [R] of each rater of a pool, on `clean_label_valid`."""
    return calibration(predictions.probabilities(CALIBRATED_ON), predictions.clean_labels[CALIBRATED_ON])


def calibrated(predictions: RaterPredictions, split: str, at: np.ndarray | None = None) -> np.ndarray:
    """The probabilities [n, R, K] float32 of a pool on a split, each rater's calibrated on `clean_label_valid`.

    Args:
      predictions: of the pool.
      split: whose examples.
      at: `temperatures` of the pool, where they have been computed.
    """
    found = temperatures(predictions) if at is None else at
    codes, labels = predictions.codes[split], predictions.clean_labels[split]
    turned = np.empty(codes.shape, np.float32)
    for rows in blocks(codes.shape):
        part = tempered(decode_probabilities(codes[rows]), labels[rows], found)
        np.divide(part, part.sum(axis=-1, keepdims=True), out=turned[rows])
    return turned
