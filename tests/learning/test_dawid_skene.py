"""Dawid & Skene against plain loops and crowd-kit."""

import importlib.util
import sys
import types

import numpy as np
import pytest

from noisy_label_learning.correctors.aggregate import majority_labels
from noisy_label_learning.correctors.dawid_skene import dawid_skene
from noisy_label_learning.errors import LearningError


def noisy(n=300, num_classes=3, seed=0, missing=0.2):
    """Labels of five raters, a fifth of them missing, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, n)
    labels = np.stack(
        [np.where(rng.random(n) < rate, rng.integers(0, num_classes, n), truth) for rate in (0.1, 0.3, 0.4, 0.5, 0.8)],
        axis=1,
    )
    labels[rng.random(labels.shape) < missing] = -1
    labels[(labels < 0).all(axis=1), 0] = 0
    return labels, truth


def by_loops(labels, num_classes, iterations, gold=None):
    """Dawid & Skene's equations 2.3 to 2.5, one label after the other."""
    n, num_raters = labels.shape
    posterior = np.zeros((n, num_classes))
    for i in range(n):
        for r in range(num_raters):
            if labels[i, r] >= 0:
                posterior[i, labels[i, r]] += 1
    posterior /= posterior.sum(axis=1, keepdims=True)
    for row, label in (gold or {}).items():
        posterior[row] = np.eye(num_classes)[label]
    for _ in range(iterations):
        prior = posterior.mean(axis=0)
        confusions = np.zeros((num_raters, num_classes, num_classes))
        for i in range(n):
            for r in range(num_raters):
                if labels[i, r] >= 0:
                    confusions[r, :, labels[i, r]] += posterior[i]
        confusions = np.maximum(confusions, 1e-10)
        confusions /= confusions.sum(axis=2, keepdims=True)
        for i in range(n):
            if gold and i in gold:
                continue
            product = prior.copy()
            for r in range(num_raters):
                if labels[i, r] >= 0:
                    product = product * confusions[r, :, labels[i, r]]
            posterior[i] = product / product.sum()
    return posterior


@pytest.mark.parametrize("gold", [None, {0: 2, 5: 1, 17: 0}])
def test_dawid_skene_against_loops(gold):
    labels, _ = noisy(n=80)
    known = {}
    if gold:
        known = {"gold_rows": np.array(list(gold)), "gold_labels": np.array(list(gold.values()))}
    fit = dawid_skene(labels, 3, iterations=7, tolerance=-np.inf, **known)
    np.testing.assert_allclose(fit.posterior, by_loops(labels, 3, 7, gold), atol=1e-9)


def crowd_kit():
    """crowd-kit's model, without what the rest of that package imports; skips where it is not installed."""
    found = importlib.util.find_spec("crowdkit")
    if found is None:
        pytest.skip("crowd-kit is not installed (pip install --no-deps crowd-kit)")
    package = types.ModuleType("crowdkit.aggregation")
    package.__path__ = [f"{found.submodule_search_locations[0]}/aggregation"]
    sys.modules.setdefault("crowdkit.aggregation", package)
    from crowdkit.aggregation.classification.dawid_skene import DawidSkene as Theirs

    return Theirs


def test_dawid_skene_against_crowd_kit():
    theirs = crowd_kit()
    import pandas as pd

    labels, _ = noisy(n=200, missing=0.1)
    example, rater = np.nonzero(labels >= 0)
    data = pd.DataFrame({"task": example, "worker": rater, "label": labels[labels >= 0]})
    expected = theirs(n_iter=10, tol=-np.inf).fit_predict_proba(data).sort_index().sort_index(axis=1)
    found = dawid_skene(labels, 3, iterations=10, tolerance=-np.inf).posterior
    np.testing.assert_allclose(found, expected.to_numpy(), atol=1e-6)


def test_dawid_skene_does_not_underflow_with_hundreds_of_raters():
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    labels = np.where(rng.random((60, 1200)) < 0.6, rng.integers(0, 3, (60, 1200)), truth[:, None])
    fit = dawid_skene(labels, 3)  # a product of 1,200 probabilities is below the smallest float64
    assert np.isfinite(fit.posterior).all()
    np.testing.assert_array_equal(fit.posterior.argmax(axis=1), truth)


def test_dawid_skene_beats_the_majority_where_raters_differ_and_its_likelihood_rises():
    labels, truth = noisy(n=1500, missing=0.0)
    fit = dawid_skene(labels, 3)
    votes = np.stack([(labels == k).sum(axis=1) for k in range(3)], axis=1)
    error = np.mean(fit.posterior.argmax(axis=1) != truth)
    assert error < np.mean(majority_labels(votes / votes.sum(1, keepdims=True), np.arange(1500)) != truth) - 0.02
    assert (np.diff(fit.log_likelihood) > -1e-9).all()


def test_a_rater_of_few_labels_is_taken_for_an_average_one():
    labels, _ = noisy(n=200, missing=0.0)
    labels[1:, 4] = -1  # one label in all
    sure = dawid_skene(labels, 3, pseudo_count=0.0).confusions[4, labels[0, 4]]
    assert sure.max() > 0.99
    confusions = dawid_skene(labels, 3, pseudo_count=1.0).confusions
    assert np.abs(confusions[4] - confusions[:4].mean(axis=0)).max() < 0.3


def test_an_example_without_any_label():
    with pytest.raises(LearningError, match="1 of 2 examples have no label"):
        dawid_skene(np.array([[0, 1], [-1, -1]]), 2)
