"""Targets that a corrector is unsure of: what is drawn from them, and what they select on validation."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from noisy_label_learning.algorithms import CrossEntropy
from noisy_label_learning.correctors import LQM, Corrected, Corrector, Majority, NoCorrector
from noisy_label_learning.errors import LearningError
from noisy_label_learning.runs.config import Network, RunConfig, Schedule
from noisy_label_learning.runs.evaluating import LabelledChunks, chunks_of_beliefs
from noisy_label_learning.runs.record import SELECTED, SELECTED_ON_CORRECTED
from noisy_label_learning.runs.session import Session
from noisy_label_learning.runs.training import Learner, trained_classifier
from rater_training.engine import loop
from rater_training.engine.examples import Normalization

SHORT = Schedule(epochs=3, batch_size=40, learning_rate=0.05)
SOFTMAX = Network("softmax_regression")
PLAIN = RunConfig(CrossEntropy(), NoCorrector(), SOFTMAX, SHORT)


def test_tables_show_the_epoch_of_corrected_validation_where_there_is_one(small_problem, tmp_path):
    session = Session(small_problem, tmp_path)
    plain, aggregated = session.run(PLAIN), session.run(dataclasses.replace(PLAIN, corrector=Majority()))
    assert plain.selected() == plain.selections[SELECTED]
    assert all(point.corrected_valid_accuracy is None for point in plain.curve)
    with pytest.raises(
        LearningError, match="has no epoch selected_on_corrected_validation; there are last, selected_on"
    ):
        plain.selected(SELECTED_ON_CORRECTED)
    with pytest.raises(LearningError, match="no selection 'best'; there are selected_on_validation, last"):
        plain.selected("best")
    assert aggregated.selected() == aggregated.selections[SELECTED_ON_CORRECTED]
    best = max(aggregated.curve, key=lambda p: (p.corrected_valid_accuracy, -p.corrected_valid_loss))
    assert aggregated.selected() == best
    assert Session(small_problem, tmp_path).stored(dataclasses.replace(PLAIN, corrector=Majority())) == aggregated


def test_corrected_validation_of_seeds_that_are_trained_together(small_problem):
    """Each seed's LQM says something else of validation: in one loop as alone."""
    configs = [dataclasses.replace(PLAIN, corrector=LQM(hidden=(8,), gamma=1.0), seed=seed) for seed in (0, 1)]
    together = Session(small_problem).run_seeds(configs)
    for config, record in zip(configs, together, strict=True):
        alone = Session(small_problem).run(config)
        for names in ("corrected_valid_accuracy", "corrected_valid_loss"):
            one, other = ([getattr(point, names) for point in each.curve] for each in (alone, record))
            np.testing.assert_allclose(one, other, rtol=1e-4)
    assert together[0].curve[-1].corrected_valid_loss != together[1].curve[-1].corrected_valid_loss


@dataclasses.dataclass(frozen=True)
class Counting(CrossEntropy):
    """Remembers the sum of the targets that each example has come with."""

    name = "counting"

    def memory(self, num_examples, num_classes):
        return jnp.zeros((num_examples, num_classes))

    def losses(self, outputs, batch, memory, constants):
        return self.loss(outputs, batch.targets), memory.at[batch.rows].add(batch.targets)


@pytest.mark.parametrize("resamples", [True, False])
def test_labels_that_are_drawn_anew_come_as_often_as_the_corrector_says(resamples, small_problem):
    images, epochs = np.asarray(small_problem.data.train.images), 60
    targets = np.random.default_rng(0).dirichlet(np.ones(3), len(images)).astype(np.float32)
    targets[::2] = np.eye(3)[np.arange(len(targets[::2])) % 3]
    learner = Learner(images, 3, SOFTMAX, SHORT, Counting(), Normalization.of(images), resamples=resamples)
    steps = epochs * SHORT.steps_per_epoch(len(images))
    graphdef, run = learner.run("counted", targets, (), steps=steps, seed=0, checkpoints=None)
    counts = np.asarray(loop.train(learner.program(graphdef), learner.examples(), run).state.memory)
    np.testing.assert_allclose(counts.sum(axis=1), epochs, rtol=1e-4)
    np.testing.assert_array_equal(counts[::2], epochs * targets[::2])  # of certain labels nothing is drawn
    if not resamples:
        np.testing.assert_allclose(counts, epochs * targets, rtol=1e-4)
        return
    np.testing.assert_array_equal(counts, counts.round())
    deviation = (counts - epochs * targets)[1::2] / np.sqrt(epochs * targets * (1 - targets))[1::2]
    assert 0.8 < deviation.std() < 1.2  # as that of independent draws
    assert abs(deviation.mean()) < 4 / np.sqrt(deviation.size)


def test_accuracy_and_loss_that_are_expected_of_uncertain_labels(small_problem):
    """Against NumPy; in chunks of which the last is filled up. Certain labels are counted as labels are."""
    data = small_problem.data
    images = np.tile(np.asarray(data.valid.images), (5, 1, 1, 1))
    labels, n = np.tile(data.valid.noisy_label, 5), 5 * len(data.valid)
    assert n > 500
    assert n % 500
    trained = trained_classifier(
        np.asarray(data.train.images),
        np.eye(3)[data.train.noisy_label],
        SOFTMAX,
        SHORT,
        normalization=Normalization.of(data.train.images),
        steps=12,
        seed=0,
    )
    evaluator, params, statistics = trained.evaluator, trained.params, trained.statistics
    log_p = trained.log_probabilities(images).astype(np.float64)
    chunks = LabelledChunks.of(images, labels)
    beliefs = np.random.default_rng(0).dirichlet(np.ones(3), n)
    found = evaluator.measure(params, statistics, chunks, jnp.asarray(chunks_of_beliefs(beliefs, chunks)))
    expected = (
        np.mean(log_p.argmax(axis=1) == labels),
        -log_p[np.arange(n), labels].mean(),
        beliefs[np.arange(n), log_p.argmax(axis=1)].mean(),
        -(beliefs * log_p).sum(axis=1).mean(),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    certain = chunks_of_beliefs(np.eye(3)[labels], chunks)
    found = evaluator.measure(params, statistics, chunks, jnp.asarray(certain))
    np.testing.assert_allclose(found[2:], found[:2], rtol=1e-6)


@pytest.mark.parametrize(("rows", "total"), [(119, 1.0), (120, 0.5)], ids=["rows", "sums"])
def test_validation_labels_that_do_not_fit_are_named(rows, total, small_problem):
    @dataclasses.dataclass(frozen=True)
    class Mine(Corrector):
        name = "mine"

        def correct(self, data, seed, tools):
            return Corrected(np.full((len(data.train), 3), 1 / 3), 0, valid=np.full((rows, 3), total / 3))

    assert len(small_problem.data.valid) == 120
    with pytest.raises(
        LearningError, match=rf"corrector mine returned valid \[{rows}, 3\]; wanted \[120, 3\] with rows"
    ):
        Session(small_problem).run(dataclasses.replace(PLAIN, corrector=Mine()))
