"""The network within LQM: what it is told of a label, and how it is fitted to few of them.

inputs = LabelInputs(log_softmax(logits), describe(data.raters), confusions, "matrix")
rows_of = inputs.of(rows, labels, raters)               # [l, columns]
network = fit_quality_network(rows_of, cleaner, rows, hidden=(8, 16, 32), num_classes=10, seed=0)
network.predict(rows_of)                                # [l, K]
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_learning.correctors.base import one_hot

_FOLDS = 3
_FOLDS_OF_THE_CHOSEN = 10  # with two thirds of few examples the network is much worse than with all
_DECAYS = (1.0, 10.0, 100.0)
_SMALLEST = 1e-6


@dataclasses.dataclass(frozen=True)
class LabelInputs:
    """Makes the model's inputs of labels.

    Attributes:
      log_probabilities: [n, K], the auxiliary's, of the images of a split.
      raters: [R, F].
      confusions: [R, K, K].
      kind: how these enter.
    """

    log_probabilities: np.ndarray
    raters: np.ndarray
    confusions: np.ndarray
    kind: str

    def of(self, rows: np.ndarray, labels: np.ndarray, raters: np.ndarray) -> np.ndarray:
        """Returns [l, columns] of labels [l] that raters [l] gave to the examples `rows` [l] of the split."""
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
    inputs: np.ndarray,
    targets: np.ndarray,
    examples: np.ndarray,
    *,
    hidden: Sequence[int],
    num_classes: int,
    seed: int,
) -> QualityNetwork:
    """Returns the network with the number of units and the weight decay that threefold cross-validation chooses.

    By the cross-entropy of held-out rows: whoever learns from the predictions learns their mean, not single draws, and
    the error of draws would be least where the network is surer than it should be. Logits are the auxiliary's, times a
    number, and what the hidden layer adds to them, so that of few examples no less comes than what the auxiliary says.
    (Ten classes' logits do not pass unharmed through eight to thirty-two units.)

    Args:
      inputs: [l, columns], the first K of them the auxiliary's log-probabilities.
      targets: [l], the cleaner labels.
      examples: [l]; rows of the same example are held out together.
      hidden: numbers of units to choose from.
      num_classes: K.
      seed: of folds and initial weights.
    """
    # Not divided by their spread: a log-probability is to count by its size, or few examples cannot tell which class
    # the auxiliary means (on digits_noisy/low the held-out loss of 78 examples is 0.64 so, and else 0.80).
    mean = inputs.mean(axis=0)
    scaled, base = inputs - mean, inputs[:, :num_classes]
    right = np.arange(len(targets)), targets

    def held_out(units: int, decay: float, folds: int) -> np.ndarray:
        unique, place = np.unique(examples, return_inverse=True)
        fold = (np.random.default_rng(seed).permutation(len(unique)) % folds)[place]
        of_rows = np.empty((len(scaled), num_classes))
        for k in range(min(folds, len(unique))):
            inside = fold == k
            model = _network(scaled[~inside], base[~inside], targets[~inside], units, decay, seed)
            of_rows[inside] = model(scaled[inside], base[inside])
        return of_rows

    settings = list(itertools.product(hidden, _DECAYS))
    losses = {setting: float(-np.log(held_out(*setting, _FOLDS)[right]).mean()) for setting in settings}
    best = min(losses, key=lambda setting: losses[setting])
    model = _network(scaled, base, targets, *best, seed)
    return QualityNetwork(
        lambda others: model(others - mean, others[:, :num_classes]),
        held_out(*best, _FOLDS_OF_THE_CHOSEN),
        {"hidden": best[0], "weight_decay": best[1]},
    )


def _network(
    inputs: np.ndarray, base: np.ndarray, targets: np.ndarray, units: int, decay: float, seed: int
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Returns the fitted network: inputs [l, columns], base [l, K] -> probabilities [l, K]."""
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits  # scikit-learn's own

    (count, columns), num_classes = inputs.shape, base.shape[1]
    shapes = ((), (columns, units), (units,), (units, num_classes), (num_classes,))
    stops = np.cumsum([math.prod(shape) for shape in shapes])
    wanted = one_hot(targets, num_classes)

    def divided(numbers: np.ndarray) -> list[np.ndarray]:
        return [part.reshape(shape) for part, shape in zip(np.split(numbers, stops[:-1]), shapes, strict=True)]

    def loss_and_gradient(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        scale, first, first_bias, second, second_bias = divided(numbers)
        hidden = np.maximum(inputs @ first + first_bias, 0)
        log_p = _log_probabilities(scale * base + hidden @ second + second_bias)
        of_logits = (np.exp(log_p) - wanted) / count
        of_hidden = (of_logits @ second.T) * (hidden > 0)
        penalty = decay / count
        loss = -(wanted * log_p).sum() / count + penalty / 2 * ((first**2).sum() + (second**2).sum())
        gradients = (
            (of_logits * base).sum(),
            inputs.T @ of_hidden + penalty * first,
            of_hidden.sum(axis=0),
            hidden.T @ of_logits + penalty * second,
            of_logits.sum(axis=0),
        )
        return float(loss), np.concatenate([np.ravel(gradient) for gradient in gradients])

    # It starts as the auxiliary itself: what is added to that begins at zero.
    drawn = np.random.default_rng(seed).normal(size=shapes[1]) * math.sqrt(2 / (columns + units))
    start = np.concatenate([[1.0], drawn.ravel(), np.zeros(stops[-1] - stops[1])])
    # Threads take longer to meet than products of this size take, and would make rounding depend on their number. A
    # hundred and fifty steps are early stopping enough.
    with threadpool_limits(1):
        found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 150}).x
    scale, first, first_bias, second, second_bias = divided(found)

    def predict(others: np.ndarray, base_of_others: np.ndarray) -> np.ndarray:
        hidden = np.maximum(others @ first + first_bias, 0)
        whole = np.exp(_log_probabilities(scale * base_of_others + hidden @ second + second_bias)) + _SMALLEST
        return whole / whole.sum(axis=1, keepdims=True)

    return predict


def _log_probabilities(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the logarithms of probabilities [n, K] float64 of logits [n, K], none below -20."""
    logits = logits.astype(np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    return np.maximum(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), -20.0)
