"""The transition matrix of F-correction, estimated from a first network's predictions on the training images.

transition = anchor_transition(probabilities)       # [K, K], T_ij = P(noisy label j | true class i)
"""

from __future__ import annotations

import numpy as np

from noisy_label_learning.errors import LearningError

# With a hundred classes the most certain image of each is taken as it is: 3 % of few are none
# (giorgiop/loss-correction).
_FEW_CLASSES = 100
PERCENTILE = 97.0


def anchor_transition(probabilities: np.ndarray, percentile: float | None = None) -> np.ndarray:
    """Returns T with T_ij = p_j(x^i), where x^i is the image that most certainly shows class i.

    Patrini et al. (2017), Equation 12 and Section 4: the image of the largest p_i of those at or below the percentile,
    since the very largest are outliers. Each class looks at all images afresh; the original code overwrites those that
    it has used and spoils the rows that follow.

    Args:
      probabilities: [n, K], what a network that was trained on noisy labels says of n training images.
      percentile: of p_i; None: 97 for fewer than 100 classes, else 100.

    Returns:
      [K, K] float64, rows summing to 1.

    Raises:
      LearningError: probabilities that are no numbers.
    """
    if not np.isfinite(probabilities).all():
        raise LearningError("the first network's probabilities hold values that are not finite")
    num_classes = probabilities.shape[1]
    if percentile is None:
        percentile = PERCENTILE if num_classes < _FEW_CLASSES else 100.0
    rows = []
    for of_class in probabilities.T:
        threshold = np.percentile(of_class, percentile, method="higher")
        rows.append(np.where(of_class <= threshold, of_class, -1.0).argmax())
    transition = probabilities[rows].astype(np.float64)
    return transition / transition.sum(axis=1, keepdims=True)
