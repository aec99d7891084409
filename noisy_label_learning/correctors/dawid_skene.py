"""Dawid & Skene's model (1979): each rater has a confusion matrix, each example a class, and both are estimated.

    fit = dawid_skene(noisy_labels, num_classes=10)     # [n, R], -1 where a rater gave no label
    fit.posterior                                       # [n, K]
    fit.confusions                                      # [R, K, K], P(given label j | class i)

Expectation-maximisation in logarithms. Labels are one sparse matrix [n, R K] of ones, so that both steps are products
of it with a dense matrix, in time proportional to the number of labels times K.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from noisy_label_datasets.noise import metrics
from noisy_label_learning.errors import LearningError

_SMALLEST = 1e-10  # probability; what crowd-kit clips at, too


@dataclasses.dataclass(frozen=True)
class DawidSkeneFit:
    """A fitted model.

    Attributes:
      posterior: [n, K] float64, P(class k | all labels of the example).
      confusions: [R, K, K] float64: rater, true class, given label.
      prior: [K], how frequent the classes are.
      log_likelihood: of each iteration, per label.
    """

    posterior: np.ndarray
    confusions: np.ndarray
    prior: np.ndarray
    log_likelihood: tuple[float, ...]


def dawid_skene(
    noisy_labels: np.ndarray,
    num_classes: int,
    *,
    gold_rows: np.ndarray | None = None,
    gold_labels: np.ndarray | None = None,
    iterations: int = 100,
    tolerance: float = 1e-5,
    pseudo_count: float = 0.0,
) -> DawidSkeneFit:
    """Returns the maximum-likelihood fit from a start at the shares of votes.

    Args:
      noisy_labels: [n, R] integers, -1 where a rater gave no label.
      num_classes: K.
      gold_rows, gold_labels: [g] examples whose class is known and stays fixed.
      iterations: at most so many.
      tolerance: ends once the log-likelihood per label rises by less.
      pseudo_count: added to every cell of every rater's counts of labels, spread as all raters together are: a rater of
        few labels is taken for an average one. 0: the published model.

    Raises:
      LearningError: an example without any label.
    """
    from scipy import sparse  # comes with scikit-learn

    n, num_raters = noisy_labels.shape
    given = noisy_labels != metrics.MISSING
    if not given.any(axis=1).all():
        raise LearningError(f"{np.count_nonzero(~given.any(axis=1))} of {n} examples have no label of any rater")
    examples, raters = np.nonzero(given)
    cells = raters * num_classes + noisy_labels[given]
    # Where no rater gave a label there is nothing to add up; rows are already in order.
    votes = sparse.csr_matrix((np.ones(len(cells)), (examples, cells)), shape=(n, num_raters * num_classes))
    by_cell = votes.T.tocsr()
    posterior = votes @ np.tile(np.eye(num_classes), (num_raters, 1))
    posterior /= posterior.sum(axis=1, keepdims=True)
    gold = None if gold_rows is None else np.eye(num_classes)[gold_labels]
    if gold is not None:
        posterior[gold_rows] = gold
    history: list[float] = []
    for _ in range(iterations):
        prior = np.maximum(posterior.mean(axis=0), _SMALLEST)
        confusions = _confusions(by_cell @ posterior, num_raters, num_classes, pseudo_count)
        joint = votes @ np.log(confusions).transpose(0, 2, 1).reshape(-1, num_classes)
        joint += np.log(prior)
        most = joint.max(axis=1, keepdims=True)
        joint -= most
        posterior = np.exp(joint, out=joint)
        total = posterior.sum(axis=1, keepdims=True)
        posterior /= total
        of_examples = (most + np.log(total))[:, 0]
        if gold is not None:
            posterior[gold_rows] = gold
            of_examples[gold_rows] = 0.0
        history.append(float(of_examples.sum() / len(cells)))
        if len(history) > 1 and history[-1] - history[-2] < tolerance:
            break
    confusions = _confusions(by_cell @ posterior, num_raters, num_classes, pseudo_count)
    return DawidSkeneFit(posterior, confusions, posterior.mean(axis=0), tuple(history))


def _confusions(counts: np.ndarray, num_raters: int, num_classes: int, pseudo_count: float) -> np.ndarray:
    """Returns [R, K, K] P(given j | class i) of expected counts [R K, K] (rater and given label, class)."""
    of_raters = counts.reshape(num_raters, num_classes, num_classes).transpose(0, 2, 1)
    if pseudo_count:
        pooled = of_raters.sum(axis=0) + 1
        of_raters = of_raters + pseudo_count * num_classes * pooled / pooled.sum(axis=1, keepdims=True)
    of_raters = np.maximum(of_raters, _SMALLEST)
    return of_raters / of_raters.sum(axis=2, keepdims=True)


def posterior_of(noisy_labels: np.ndarray, fit: DawidSkeneFit) -> np.ndarray:
    """Returns P(class | all labels of the example) [n, K] by a fitted model, of any examples' labels [n, R]."""
    joint = np.log(np.maximum(fit.prior, _SMALLEST)) + log_likelihoods(noisy_labels, fit.confusions)
    joint = np.exp(joint - joint.max(axis=1, keepdims=True))
    return joint / joint.sum(axis=1, keepdims=True)


def log_likelihoods(noisy_labels: np.ndarray, confusions: np.ndarray) -> np.ndarray:
    """Returns log P(all labels of the example | class) [n, K] of labels [n, R], -1: none, and confusions [R, K, K]."""
    total = np.zeros((len(noisy_labels), confusions.shape[1]))
    for labels, confusion in zip(noisy_labels.T, confusions, strict=True):
        given = labels != metrics.MISSING
        total[given] += np.log(np.maximum(confusion, _SMALLEST)).T[labels[given]]
    return total
