"""The network within LQM: what it is told of a label, and how it is fitted to few of them.

inputs = LabelInputs(log_softmax(logits), describe(data.raters), confusions, "matrix")
network = fit_quality_network(inputs.of(rows, labels, raters), cleaner, rows, (8, 16, 32), num_classes=10, seed=0)
network.predict(inputs.of(rows, labels, raters))        # [l, K]
"""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_learning.correctors.base import one_hot

_FOLDS = 3
_FOLDS_OF_THE_CHOSEN = 10  # with two thirds of few examples the network is much worse than with all
_DECAYS = (0.01, 0.1, 1.0)
_SMALLEST = 1e-6


@dataclasses.dataclass(frozen=True)
class LabelInputs:
    """Makes the model's inputs of labels.

    Attributes:
      log_probabilities: [n, K], the auxiliary's.
      raters: [R, F].
      confusions: [R, K, K].
      kind: how these enter.
    """

    log_probabilities: np.ndarray
    raters: np.ndarray
    confusions: np.ndarray
    kind: str

    def of(self, rows: np.ndarray, labels: np.ndarray, raters: np.ndarray) -> np.ndarray:
        """Returns [l, columns] of labels [l] that raters [l] gave to the training examples `rows` [l]."""
        num_classes = self.confusions.shape[1]
        parts = [self.log_probabilities[rows], one_hot(labels, num_classes), self.raters[raters]]
        if self.kind == "matrix":
            parts.append(self.confusions.reshape(len(self.confusions), -1)[raters])
        elif self.kind == "column":
            column = np.maximum(self.confusions[raters, :, labels], _SMALLEST)
            parts.append(np.log(column / column.sum(axis=1, keepdims=True)))
        return np.concatenate(parts, axis=1)


@dataclasses.dataclass(frozen=True)
class QualityNetwork:
    """A fitted network.

    Attributes:
      predict: inputs [l, columns] -> probabilities [l, K] that are never 0.
      held_out: [l, K], what is predicted of its own rows by networks that have not seen their examples.
      chosen: JSON: number of hidden units and weight decay.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    held_out: np.ndarray
    chosen: Mapping[str, Any]


def fit_quality_network(
    inputs: np.ndarray, targets: np.ndarray, examples: np.ndarray, hidden: Sequence[int], num_classes: int, seed: int
) -> QualityNetwork:
    """Returns the network with the number of units and the weight decay that threefold cross-validation chooses.

    By how often a label that is drawn from the prediction is wrong: that is what is made of it.

    Args:
      inputs: [l, columns].
      targets: [l], the cleaner labels.
      examples: [l]; rows of the same example are held out together.
      hidden: numbers of units to choose from.
      num_classes: K.
      seed: of folds and initial weights.
    """
    # Not divided by their spread: a log-probability is to count by its size, or few examples cannot tell which class
    # the auxiliary means (on digits_noisy/low the held-out loss of 78 examples is 0.64 so, and else 0.80).
    mean = inputs.mean(axis=0)
    scaled = inputs - mean
    right = np.arange(len(targets)), targets

    def held_out(units: int, decay: float, folds: int) -> np.ndarray:
        unique, place = np.unique(examples, return_inverse=True)
        fold = (np.random.default_rng(seed).permutation(len(unique)) % folds)[place]
        of_rows = np.empty((len(scaled), num_classes))
        for k in range(min(folds, len(unique))):
            inside = fold == k
            model = _network(scaled[~inside], targets[~inside], units, decay, num_classes, seed)
            of_rows[inside] = model(scaled[inside])
        return of_rows

    settings = list(itertools.product(hidden, _DECAYS))
    errors = {setting: float(1 - held_out(*setting, _FOLDS)[right].mean()) for setting in settings}
    best = min(errors, key=lambda setting: errors[setting])
    model = _network(scaled, targets, *best, num_classes, seed)
    return QualityNetwork(
        lambda others: model(others - mean),
        held_out(*best, _FOLDS_OF_THE_CHOSEN),
        {"hidden": best[0], "weight_decay": best[1]},
    )


def _network(inputs: np.ndarray, targets: np.ndarray, units: int, decay: float, num_classes: int, seed: int) -> Any:
    """Returns the fitted network, inputs [l, columns] -> probabilities [l, K] that are never 0."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits  # scikit-learn's own

    network = MLPClassifier((units,), solver="lbfgs", alpha=decay, max_iter=150, random_state=seed, activation="relu")
    # Threads take longer to meet than products of this size take, and would make rounding depend on their number.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred and fifty steps are early stopping enough
        network.fit(inputs, targets)

    def predict(others: np.ndarray) -> np.ndarray:
        found = network.predict_proba(others)
        whole = np.full((len(others), num_classes), _SMALLEST)
        whole[:, network.classes_] += found
        return whole / whole.sum(axis=1, keepdims=True)

    return predict


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the logarithms of probabilities [n, K] float64 of logits [n, K], none below -20."""
    logits = logits.astype(np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    return np.maximum(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), -20.0)
