"""How well scores put the examples of a class before the others: average precision and the precision-recall curve.

    average_precision(scores, positive)         # [n] floats, [n] bools
    area_under_precision_recall(scores, positive)
    mean_average_precision(log_probabilities, labels)       # [n, K], [n]

Section 3.1 of the paper measures the impact of label noise by both. Examples of equal scores are taken in together.
"""

from __future__ import annotations

import numpy as np

from noisy_label_learning.errors import LearningError


def precision_recall(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns precision and recall [t] at each threshold, from the highest score to the lowest.

    Args:
      scores: [n], finite.
      positive: [n] bool, at least one of them true.

    Raises:
      LearningError: no example is positive, or a score is not finite.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if not positive.any():
        raise LearningError("precision and recall need a positive example; there is none")
    if not np.isfinite(scores).all():
        raise LearningError(f"{np.count_nonzero(~np.isfinite(scores))} scores are not finite")
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    found = np.cumsum(positive[order])[last_of_score]
    return found / (last_of_score + 1), found / positive.sum()


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Returns the sum over thresholds of precision times the rise in recall; see `precision_recall`."""
    precision, recall = precision_recall(scores, positive)
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def area_under_precision_recall(scores: np.ndarray, positive: np.ndarray) -> float:
    """Returns the area under the precision-recall curve by trapezia, from precision 1 at recall 0."""
    precision, recall = precision_recall(scores, positive)
    # What comes after all positives are found adds no area.
    return float(np.trapezoid(np.append(1.0, precision), np.append(0.0, recall)))


def mean_average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean over the classes of the average precision of each against the rest.

    Args:
      scores: [n, K], such as log-probabilities.
      labels: [n]; classes that no example has are left out.
    """
    return float(np.mean([average_precision(scores[:, k], labels == k) for k in np.unique(labels)]))


def of_binary_task(log_probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Returns accuracy, mean average precision and area under the precision-recall curve of class 1.

    Where predictions are not finite the two of the ranking are NaN; where a class is absent they are left out.

    Args:
      log_probabilities: [n, 2].
      labels: [n] clean labels.
    """
    scores = np.asarray(log_probabilities, np.float64)
    ranked: dict[str, float] = {}
    if not np.isfinite(scores).all():
        ranked = {"test_mean_average_precision": float("nan"), "test_auc_pr": float("nan")}
    elif len(np.unique(labels)) == 2:
        margin = scores[:, 1] - scores[:, 0]  # as probabilities order them, without their ties at 0 and 1
        ranked = {
            "test_mean_average_precision": mean_average_precision(np.stack([-margin, margin], axis=1), labels),
            "test_auc_pr": area_under_precision_recall(margin, labels == 1),
        }
    return {"test_accuracy": float(np.mean(scores.argmax(axis=1) == labels)), **ranked}
