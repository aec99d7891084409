"""Networks that are trained beforehand: once for all runs that need them, and whatever happens in between."""

import dataclasses

import numpy as np
import pytest

from noisy_label_learning.algorithms import CrossEntropy
from noisy_label_learning.correctors import LQM, NoCorrector
from noisy_label_learning.errors import LearningError
from noisy_label_learning.runs import prior_networks, training
from noisy_label_learning.runs.config import Network, RunConfig, Schedule
from noisy_label_learning.runs.prior_networks import PriorNetworks
from noisy_label_learning.runs.session import Session

CONFIG = RunConfig(
    CrossEntropy(),
    NoCorrector(),
    Network("softmax_regression"),
    Schedule(epochs=6, batch_size=40, learning_rate=0.05),
)


def trained(prior, problem, seed=0):
    data = problem.data
    targets = np.eye(data.num_classes, dtype=np.float32)[data.train.noisy_label]
    config = dataclasses.replace(CONFIG, seed=seed)
    return (
        *prior.classifier_logits(config, data.paired.rows, data.paired.clean_labels, seed),
        prior.first_network(config, targets),
    )


def same(one, other):
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(one, other, strict=True))


def test_what_is_kept_is_what_was_trained_and_is_not_trained_again(small_problem, tmp_path, monkeypatch):
    in_memory = PriorNetworks(small_problem)
    wanted, other = trained(in_memory, small_problem), trained(in_memory, small_problem, seed=1)
    assert not same(wanted[:1], other[:1])
    assert same(trained(PriorNetworks(small_problem, tmp_path), small_problem), wanted)
    assert same(trained(PriorNetworks(small_problem, tmp_path), small_problem, seed=1), other)
    assert len(list((tmp_path / "prior_networks").iterdir())) == 4
    assert not any((tmp_path / "checkpoints").glob("*/*"))
    monkeypatch.setattr(prior_networks, "trained_classifier", lambda *args, **kwargs: pytest.fail("trained again"))
    assert same(trained(PriorNetworks(small_problem, tmp_path), small_problem), wanted)
    assert same(trained(in_memory, small_problem), wanted)


def test_one_that_was_interrupted_resumes_and_ends_bit_identical(small_problem, tmp_path):
    wanted = trained(PriorNetworks(small_problem), small_problem)
    seen = []

    def interrupt(config, what, epoch, epochs):
        seen.append((what, epoch, epochs))
        if len(seen) in (3, 8):
            raise KeyboardInterrupt

    prior = PriorNetworks(small_problem, tmp_path, on_epoch=interrupt, checkpoint_seconds=0)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained(prior, small_problem)
    assert same(trained(prior, small_problem), wanted)
    # Not begun anew: the epoch at whose end it was interrupted is the only one that is repeated.
    for what in ("an auxiliary classifier", "a first network"):
        epochs = [epoch for name, epoch, _ in seen if name == what]
        assert epochs == sorted(epochs)
        assert epochs[0] == 1
        assert epochs[-1] == next(of for name, _, of in seen if name == what)
        assert len(epochs) <= epochs[-1] + 2


def test_a_file_that_is_not_whole_is_computed_again(small_problem, tmp_path):
    wanted = trained(PriorNetworks(small_problem, tmp_path), small_problem)
    for path in (tmp_path / "prior_networks").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    assert same(trained(PriorNetworks(small_problem, tmp_path), small_problem), wanted)


def test_correctors_that_differ_in_a_setting_share_their_networks(small_problem, tmp_path, monkeypatch):
    counted, train = [], prior_networks.trained_classifier
    monkeypatch.setattr(
        prior_networks, "trained_classifier", lambda *args, **kwargs: (counted.append(1), train(*args, **kwargs))[1]
    )
    for gamma in (0.5, 1.0):
        lqm = LQM(gamma=gamma, hidden=(8,))
        Session(small_problem, tmp_path).corrected(dataclasses.replace(CONFIG, corrector=lqm))
    assert len(counted) == 1 + 3  # on all noisy labels, and on the folds of the paired subset


def test_a_classifier_that_is_fine_tuned_starts_from_the_one_of_all_labels(small_problem, tmp_path, monkeypatch):
    data, started, train = small_problem.data, [], prior_networks.trained_classifier

    def counted(*args, starts_from, **kwargs):
        started.append(starts_from is not None)
        return train(*args, starts_from=starts_from, **kwargs)

    monkeypatch.setattr(prior_networks, "trained_classifier", counted)

    def logits(prior, tuned_on=None):
        return prior.classifier_logits(CONFIG, np.arange(len(data.train)), data.train.noisy_label, 0, tuned_on)

    rows, clean = data.paired.rows, data.paired.clean_labels
    some = rows[::2], clean[::2]
    wanted = {"plain": logits(PriorNetworks(small_problem)), "tuned": logits(PriorNetworks(small_problem), some)}
    assert not same(wanted["plain"], wanted["tuned"])
    right = [np.mean(of[rows[::2]].argmax(axis=1) == clean[::2]) for of, _ in wanted.values()]
    assert right[1] > right[0]

    del started[:]
    prior = PriorNetworks(small_problem, tmp_path)
    assert same(logits(prior), wanted["plain"])
    assert same(logits(prior, some), wanted["tuned"])
    logits(prior, (rows[1::2], clean[1::2]))
    # Of the first only its logits were kept; from then on the network is, too, and both are tuned from it.
    assert started == [False, False, True, True]
    assert same(logits(PriorNetworks(small_problem, tmp_path), some), wanted["tuned"])
    assert same(logits(PriorNetworks(small_problem, tmp_path)), wanted["plain"])
    assert len(started) == 4


def test_a_network_with_random_numbers_of_its_own_is_not_fine_tuned(small_problem, monkeypatch):
    monkeypatch.setattr(training, "leaves_of", lambda params, statistics: None)
    data = small_problem.data
    with pytest.raises(LearningError, match="softmax_regression has random numbers of its own"):
        PriorNetworks(small_problem).classifier_logits(
            CONFIG, data.paired.rows, data.paired.clean_labels, 0, (data.paired.rows, data.paired.clean_labels)
        )
