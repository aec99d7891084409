"""Average precision and the precision-recall curve, beside scikit-learn's and by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from noisy_label_learning import ranking
from noisy_label_learning.algorithms import CrossEntropy
from noisy_label_learning.correctors import CORRECTORS
from noisy_label_learning.errors import LearningError
from noisy_label_learning.runs.config import Network, RunConfig, Schedule
from noisy_label_learning.runs.record import Record
from noisy_label_learning.runs.session import Session
from tests.learning.problems import planted, symmetric


def test_by_hand():
    # From the top: right, wrong, right, wrong: precision 1 at recall 1/2, 2/3 at recall 1.
    scores, positive = np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False])
    assert ranking.average_precision(scores, positive) == pytest.approx((1 + 2 / 3) / 2)
    # Trapezia: 1/2 (1 + 1)/2 up to recall 1/2; there precision falls to 1/2; then 1/2 (1/2 + 2/3)/2.
    assert ranking.area_under_precision_recall(scores, positive) == pytest.approx(1 / 2 + 7 / 24)


@hypothesis_settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=60))
def test_as_scikit_learn_has_it_ties_included(pairs):
    scores = np.array([score for score, _ in pairs]) / 7
    positive = np.array([value for _, value in pairs])
    positive[0] = True
    expected = sklearn_metrics.average_precision_score(positive, scores)
    assert ranking.average_precision(scores, positive) == pytest.approx(expected)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(positive, scores)
    expected = sklearn_metrics.auc(recall, precision)
    assert ranking.area_under_precision_recall(scores, positive) == pytest.approx(expected)


def test_mean_over_the_classes_that_there_are():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(50, 4)), rng.integers(0, 3, 50)
    one_hot = np.eye(3)[labels]
    expected = np.mean([sklearn_metrics.average_precision_score(one_hot[:, k], scores[:, k]) for k in range(3)])
    assert ranking.mean_average_precision(scores, labels) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "positive", "message"),
    [([1.0, 2.0], [False, False], "there is none"), ([1.0, np.nan], [True, False], "1 scores are not finite")],
)
def test_what_cannot_be(scores, positive, message):
    with pytest.raises(LearningError, match=message):
        ranking.precision_recall(np.array(scores), np.array(positive))


@pytest.mark.parametrize("seeds", [1, 2])
def test_binary_runs_are_ranked_alone_and_vmapped(tmp_path, seeds):
    problem = planted(np.stack([symmetric(0.3, 2)] * 3), n=80, num_classes=2)
    network, schedule = Network("softmax_regression"), Schedule(epochs=2, batch_size=40)
    config = RunConfig(CrossEntropy(), CORRECTORS["none"](), network, schedule)
    records = Session(problem, tmp_path).run_seeds([dataclasses.replace(config, seed=s) for s in range(seeds)])
    for record in records:
        for point in record.curve:
            assert 0.4 < point.test_auc_pr <= 1
            assert 0.4 < point.test_mean_average_precision <= 1
            assert point.test_accuracy * 80 == pytest.approx(round(point.test_accuracy * 80))
        assert record.peak_memory_mib > 0
        assert Record.read(next(tmp_path.glob(f"*{record.key[:12]}.json"))).curve == record.curve


def test_other_tasks_are_not_ranked(small_problem):
    network, schedule = Network("softmax_regression"), Schedule(epochs=1, batch_size=40)
    record = Session(small_problem).run(RunConfig(CrossEntropy(), CORRECTORS["none"](), network, schedule))
    assert record.curve[0].test_auc_pr is None
    assert set(record.curve[0].to_json()) == {
        *("epoch", "train_loss", "noisy_valid_accuracy", "noisy_valid_loss", "test_accuracy")
    }
