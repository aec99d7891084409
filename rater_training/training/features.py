"""Rater features: the performance on `clean_label_valid` (Section 2.2: "rater features").

performance(probabilities, labels)["accuracy"]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn import metrics as sklearn_metrics

from noisy_label_datasets.noise.metrics import confusion_matrix

_SMALLEST_PROBABILITY = 1e-12


def performance(probabilities: np.ndarray, labels: np.ndarray) -> Mapping[str, Any]:
    """Returns how well class probabilities fit clean labels, as JSON values.

    Args:
      probabilities: [n, K] float, rows summing to 1.
      labels: [n] integers in 0 .. K-1.

    Returns:
      accuracy: share of examples whose most probable class is the label.
      loss: mean cross-entropy, in nats.
      mean_average_precision: over the classes, each against the rest; for two classes, of class 1. Classes that no
        example has are left out.
      confusion_matrix: K x K counts, the clean class as row and the predicted as column.
      auc_pr, auc_roc: for two classes, areas under the precision-recall (trapezoidal) and the ROC curve of class 1;
        left out where only one class occurs.
    """
    num_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    of_label = probabilities[np.arange(len(labels)), labels]
    one_hot = np.eye(num_classes, dtype=np.int64)[labels]
    scored = [1] if num_classes == 2 else range(num_classes)
    present = [k for k in scored if one_hot[:, k].sum() > 0]
    precisions = [sklearn_metrics.average_precision_score(one_hot[:, k], probabilities[:, k]) for k in present]
    features: dict[str, Any] = {
        "accuracy": float((predicted == labels).mean()),
        "loss": float(-np.log(np.maximum(of_label, _SMALLEST_PROBABILITY)).mean()),
        "mean_average_precision": float(np.mean(precisions)),
        "confusion_matrix": confusion_matrix(predicted[:, None], labels, num_classes).astype(int).tolist(),
    }
    if num_classes == 2 and len(np.unique(labels)) == 2:
        precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, probabilities[:, 1])
        features["auc_pr"] = float(sklearn_metrics.auc(recall, precision))
        features["auc_roc"] = float(sklearn_metrics.roc_auc_score(labels, probabilities[:, 1]))
    return features
