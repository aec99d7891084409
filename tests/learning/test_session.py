"""Runs and records: what is selected by what, what a key covers, that clean labels cannot leak, and divergence."""

import concurrent.futures
import dataclasses

import jax
import numpy as np
import pytest

from noisy_label_datasets.lease import taking_turns
from noisy_label_learning.algorithms import (
    ALGORITHMS,
    Algorithm,
    CoTeaching,
    CrossEntropy,
    ForwardCorrection,
    MentorMix,
    RoG,
)
from noisy_label_learning.correctors import LQM, CleanSubset, Corrector, Majority, NoCorrector
from noisy_label_learning.errors import LearningError
from noisy_label_learning.runs.config import Network, RunConfig, Schedule
from noisy_label_learning.runs.record import (
    BEST,
    DIVERGED,
    DONE,
    LAST,
    SELECTED,
    SELECTED_ON_CORRECTED,
    Epoch,
    Record,
    read_records,
    record_path,
    select,
)
from noisy_label_learning.runs.session import Session
from noisy_label_learning.runs.training import Learner
from rater_training.engine.examples import Normalization
from tests.learning.problems import planted, symmetric

SHORT = Schedule(epochs=3, batch_size=40, learning_rate=0.05)
SOFTMAX = Network("softmax_regression")
PLAIN = RunConfig(CrossEntropy(), NoCorrector(), SOFTMAX, SHORT)


def with_other_answers(problem):
    """The same labels for a learner, other clean labels for whoever measures."""
    answers, rows = problem.answers, problem.data.paired.rows
    hidden = (answers.train_labels + 1) % problem.data.num_classes
    hidden[rows] = answers.train_labels[rows]
    changed = dataclasses.replace(
        answers,
        train_labels=hidden,
        valid_labels=(answers.valid_labels + 1) % problem.data.num_classes,
        test_labels=(answers.test_labels + 1) % problem.data.num_classes,
    )
    return dataclasses.replace(problem, answers=changed)


def learned(record):
    """What a run has learned, without what it was measured by."""
    curve = [dataclasses.replace(point, test_accuracy=0) for point in record.curve]
    epochs = {name: point.epoch for name, point in record.selections.items() if name != BEST}
    return curve, epochs, record.selected().epoch, record.details


@pytest.mark.parametrize(
    ("algorithm", "corrector"),
    [(CrossEntropy(), LQM(hidden=(8,), gamma=1.0)), (CoTeaching(noise_rate="paired_subset"), CleanSubset())],
    ids=["lqm", "co_teaching"],
)
def test_clean_labels_cannot_leak(algorithm, corrector, small_problem):
    """All clean labels but the paired subset's are exchanged, those of test too: training and selection stay."""
    config = dataclasses.replace(PLAIN, algorithm=algorithm, corrector=corrector)
    one, other = (Session(problem).run(config) for problem in (small_problem, with_other_answers(small_problem)))
    assert learned(one) == learned(other)
    assert one.selections[BEST].test_accuracy != other.selections[BEST].test_accuracy
    assert one.clean_labels_used == len(small_problem.data.paired)


def test_an_algorithm_that_reaches_for_a_clean_label_fails(small_problem):
    @dataclasses.dataclass(frozen=True)
    class Cheat(Corrector):
        name = "cheat"

        def correct(self, data, seed, tools):
            return data.train.labels

    with pytest.raises(AttributeError, match="labels"):
        Session(small_problem).run(dataclasses.replace(PLAIN, corrector=Cheat()))


def test_selections_have_their_names():
    curve = [
        Epoch(1, 1.0, 0.5, 1.0, 0.80),
        Epoch(2, 0.8, 0.6, 0.9, 0.60),
        Epoch(3, 0.6, 0.6, 0.7, 0.70),
        Epoch(4, 0.4, 0.4, 0.6, 0.50),
    ]
    found = {name: point.epoch for name, point in select(curve).items()}
    assert found == {LAST: 4, SELECTED: 3, BEST: 1}  # of equal accuracies on noisy validation the lower loss
    on_corrected = zip(curve, (0.5, 0.7, 0.6, 0.7), (0.2, 0.3, 0.1, 0.4), strict=True)
    corrected = [
        dataclasses.replace(point, corrected_valid_accuracy=accuracy, corrected_valid_loss=loss)
        for point, accuracy, loss in on_corrected
    ]
    found = {name: point.epoch for name, point in select(corrected).items()}
    assert found == {LAST: 4, SELECTED: 3, SELECTED_ON_CORRECTED: 2, BEST: 1}


def test_a_record_comes_back_and_a_run_that_has_one_is_not_trained_again(tmp_path, small_problem):
    told = []
    session = Session(small_problem, tmp_path, on_epoch=lambda *told_of: told.append(told_of))
    record = session.run(PLAIN)
    assert len(told) == 3
    assert (
        Session(small_problem, tmp_path, on_epoch=lambda *_: pytest.fail("it was trained again")).run(PLAIN) == record
    )
    assert read_records(tmp_path) == [record]
    assert record.status == DONE
    assert len(record.curve) == 3
    assert record.curve[-1] == record.selections[LAST]
    assert record.labels_sha256 == small_problem.labels_sha256
    assert set(record.software) >= {"jax", "numpy", "python"}
    truth = small_problem.answers.train_labels
    assert record.label_error["before"] == np.mean(small_problem.data.train.noisy_label != truth)
    assert record.label_error["targets"] == pytest.approx(record.label_error["before"])
    assert record.clean_labels_used == 0
    assert not list(tmp_path.glob("checkpoints/*"))


def test_who_comes_second_waits_for_the_record(tmp_path, small_problem):
    record, key = Session(small_problem).run(PLAIN), PLAIN.key(small_problem)
    second = Session(small_problem, tmp_path, on_epoch=lambda *_: pytest.fail("it was trained again"))
    with concurrent.futures.ThreadPoolExecutor() as threads:
        with taking_turns(tmp_path / "checkpoints" / key):
            found = threads.submit(second.run, PLAIN)
            with pytest.raises(concurrent.futures.TimeoutError):
                found.result(timeout=0.3)
            record.write(record_path(tmp_path, record.config, record.problem, key))
        assert found.result(timeout=60) == record
    assert not list(tmp_path.glob("checkpoints/*"))


DAMAGE = {
    "deep": (lambda text: "[" * 100_000, "is no record of a run: .*; remove it, and the run is trained again"),
    "text": (
        lambda text: text.replace('"train_loss": ', '"train_loss": "x", "y": '),
        r"curve\[0\].train_loss is 'x', not a number",
    ),
    "moved": (lambda text: text.replace('"seed": 0', '"seed": 1'), "is the record of another run"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_named(tmp_path, small_problem, name):
    session = Session(small_problem, tmp_path)
    session.run(PLAIN)
    (path,) = tmp_path.glob("*.json")
    damage, message = DAMAGE[name]
    path.write_text(damage(path.read_text()))
    with pytest.raises(LearningError, match=message) as caught:
        session.stored(PLAIN)
    assert str(path) in str(caught.value)


def test_the_same_run_comes_to_the_same_record(small_problem):
    one, two = (Session(small_problem).run(PLAIN) for _ in range(2))
    assert one.reproducible() == two.reproducible()


def test_a_record_of_other_labels_is_not_mistaken_for_one_of_these(tmp_path, small_problem):
    keys = {
        PLAIN.key(small_problem),
        PLAIN.key(planted(np.stack([symmetric(0.25)] * 3 + [symmetric(0.6)]), n=240)),  # the same ids, other labels
        dataclasses.replace(PLAIN, seed=1).key(small_problem),
        dataclasses.replace(PLAIN, algorithm=MentorMix()).key(small_problem),
        dataclasses.replace(PLAIN, schedule=dataclasses.replace(SHORT, epochs=4)).key(small_problem),
        dataclasses.replace(PLAIN, network=Network("mlp")).key(small_problem),
        dataclasses.replace(PLAIN, corrector=LQM()).key(small_problem),
        dataclasses.replace(PLAIN, targets="soft").key(small_problem),
    }
    assert len(keys) == 8


def cross_entropy_of_one_s_own():
    @dataclasses.dataclass(frozen=True)
    class Mine(Algorithm):
        name = "mine"

        def loss(self, logits, targets):
            return -(targets * jax.nn.log_softmax(logits)).sum(axis=1)

    return Mine()


def brier_score_of_one_s_own():
    @dataclasses.dataclass(frozen=True)
    class Mine(Algorithm):
        name = "mine"

        def loss(self, logits, targets):
            return ((targets - jax.nn.softmax(logits)) ** 2).sum(axis=1)

    return Mine()


def test_a_key_covers_the_source_of_an_algorithm_of_one_s_own(small_problem):
    one, again, other = (
        dataclasses.replace(PLAIN, algorithm=make())
        for make in (cross_entropy_of_one_s_own, cross_entropy_of_one_s_own, brier_score_of_one_s_own)
    )
    assert one.key(small_problem) == again.key(small_problem)
    assert one.key(small_problem) != other.key(small_problem)


def test_seeds_in_one_loop_are_the_runs_that_they_are_alone(tmp_path, small_problem):
    configs = [dataclasses.replace(PLAIN, seed=seed) for seed in (3, 4)]
    together = Session(small_problem, tmp_path).run_seeds(configs)
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert together[0].curve != together[1].curve
    for config, record in zip(configs, together, strict=True):
        alone = Session(small_problem).run(config)
        np.testing.assert_allclose(
            [list(p.to_json().values()) for p in record.curve],
            [list(p.to_json().values()) for p in alone.curve],
            atol=0.02,
        )
        assert record.details["runs_in_one_loop"] == 2


def test_what_is_missing_of_a_loop_is_bit_identical_when_it_is_resumed(tmp_path, small_problem):
    configs = [dataclasses.replace(PLAIN, seed=seed) for seed in (0, 1, 2)]
    whole = Session(small_problem, tmp_path).run_seeds(configs)
    path = next(tmp_path.glob("*-1-*.json"))
    path.unlink()
    again = Session(small_problem, tmp_path).run_seeds(configs)
    assert [r.reproducible() for r in again] == [r.reproducible() for r in whole]


def test_two_networks_start_from_different_seeds(small_problem):
    images = small_problem.data.train.images
    learner = Learner(images, 3, SOFTMAX, SHORT, CoTeaching(), Normalization.of(images))
    targets = np.eye(3)[small_problem.data.train.noisy_label]
    _, run = learner.run("two", targets, (), steps=3, seed=7, checkpoints=None)
    first, second = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(p)]) for p in run.state.networks.params)
    assert not np.allclose(first, second)
    _, other = learner.run("two", targets, (), steps=3, seed=8, checkpoints=None)
    assert not np.allclose(
        second, np.concatenate([np.ravel(x) for x in jax.tree.leaves(other.state.networks.params[0])])
    )


def test_a_diverging_run_is_reported_and_has_no_accuracy(tmp_path, small_problem):
    wild = dataclasses.replace(PLAIN, schedule=dataclasses.replace(SHORT, learning_rate=1e30, epochs=2))
    record = Session(small_problem, tmp_path).run(wild)
    assert (record.status, record.selections) == (DIVERGED, {})
    assert "loss" in record.details["diverged"]
    assert Record.read(next(tmp_path.glob("*.json"))) == record


@pytest.mark.parametrize("algorithm", [MentorMix(), CoTeaching(ramp_epochs=0.5)], ids=lambda each: each.name)
def test_the_record_says_which_labels_were_trusted(algorithm):
    """Where raters often mistake a class for others, its right labels have large losses and are left out, too."""
    confusion = np.array([[0.34, 0.33, 0.33], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    problem = planted(np.stack([confusion] * 2), n=300)
    record = Session(problem).run(dataclasses.replace(PLAIN, algorithm=algorithm))
    shares = record.details["trusted_by_label"]
    assert tuple(shares) == problem.data.class_names
    assert shares["a"] < min(shares["b"], shares["c"])
    assert "trusted_by_label" not in Session(problem).run(PLAIN).details  # cross-entropy trusts all


def test_rog_classifies_by_features_and_f_correction_starts_anew(small_problem):
    session = Session(small_problem)
    mlp = dataclasses.replace(PLAIN, network=Network("mlp"))
    rog = session.run(dataclasses.replace(mlp, algorithm=RoG()))
    assert rog.status == DONE
    assert rog.selections[LAST].test_accuracy != rog.curve[-1].test_accuracy
    corrected = session.run(dataclasses.replace(mlp, algorithm=ForwardCorrection()))
    transition = np.array(corrected.details["algorithm"]["transition"])
    assert transition.shape == (3, 3)
    assert (transition.argmax(axis=1) == np.arange(3)).all()
    with pytest.raises(LearningError, match="no hidden layers"):
        session.run(dataclasses.replace(PLAIN, algorithm=RoG()))
    aggregated = session.run(dataclasses.replace(mlp, algorithm=RoG(), corrector=Majority()))
    of_networks = [point for name, point in aggregated.selections.items() if name in (LAST, SELECTED_ON_CORRECTED)]
    assert aggregated.selected().corrected_valid_accuracy == max(p.corrected_valid_accuracy for p in of_networks)


def test_more_images_in_a_batch_than_there_are(small_problem):
    large = dataclasses.replace(PLAIN, schedule=dataclasses.replace(SHORT, batch_size=500))
    with pytest.raises(LearningError, match="batch_size is 500, but there are 240 examples"):
        Session(small_problem).run(large)


def test_targets_that_are_no_distributions_are_refused(small_problem):
    from noisy_label_learning.correctors import Corrected

    @dataclasses.dataclass(frozen=True)
    class Half(Corrector):
        name = "half"

        def correct(self, data, seed, tools):
            return Corrected(np.full((len(data.train), data.num_classes), 0.1), 0)

    with pytest.raises(LearningError, match="rows that sum to 1"):
        Session(small_problem).run(dataclasses.replace(PLAIN, corrector=Half()))


@pytest.mark.slow
def test_every_algorithm_learns_on_two_classes():
    problem = planted(np.stack([symmetric(0.1, 2)] * 3), n=200, num_classes=2, noise=40)
    session = Session(problem)
    for kind in ALGORITHMS.values():
        config = RunConfig(kind(), NoCorrector(), Network("mlp", width=0.25), dataclasses.replace(SHORT, epochs=6))
        record = session.run(config)
        assert record.selections[LAST].test_accuracy > 0.8, kind.name
