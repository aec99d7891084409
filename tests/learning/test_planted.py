"""Each method on the noise that it is made for; the margins in points of accuracy were stated before any run.

Mean over three seeds of the gain over cross-entropy on the same labels, after the last epoch.
"""

import dataclasses
import functools

import numpy as np
import pytest

from noisy_label_learning.algorithms import (
    ELR,
    Bootstrap,
    CoTeaching,
    CrossEntropy,
    ForwardCorrection,
    GeneralizedCrossEntropy,
    MCSoftMax,
    MentorMix,
    RoG,
)
from noisy_label_learning.correctors import LQM, CleanSubset, DawidSkene, NoCorrector
from noisy_label_learning.runs.config import Network, RunConfig, Schedule
from noisy_label_learning.runs.record import LAST
from noisy_label_learning.runs.session import Session
from noisy_label_learning.statistics import paired_difference
from tests.learning.problems import planted, symmetric

SEEDS = (0, 1, 2)
SCHEDULE = Schedule(epochs=40, batch_size=50, learning_rate=0.05, weight_decay=0.0)
BASE = RunConfig(CrossEntropy(), NoCorrector(), Network("mlp"), SCHEDULE)


@functools.cache
def accuracies(session, algorithm, corrector):
    """Test accuracies of the last epoch, where memorised noise hurts most, in per cent."""
    configs = [dataclasses.replace(BASE, algorithm=algorithm, corrector=corrector, seed=seed) for seed in SEEDS]
    return [100 * record.selections[LAST].test_accuracy for record in session.run_seeds(configs)]


def gain(session, algorithm, corrector=None, baseline=None):
    """The gain over cross-entropy in points: a Summary over the seeds."""
    return paired_difference(
        accuracies(session, algorithm, corrector or NoCorrector()),
        accuracies(session, CrossEntropy(), baseline or NoCorrector()),
    )


@pytest.fixture(scope="module")
def independent():
    """Independent flips of 40 % on ten classes, which a network memorises."""
    return Session(planted(np.stack([symmetric(0.4, 10)] * 3), n=600, num_classes=10, noise=45))


@pytest.fixture(scope="module")
def class_conditional():
    """35 % of each class are called the next one."""
    confusion = 0.65 * np.eye(10) + 0.35 * np.roll(np.eye(10), 1, axis=1)
    return Session(planted(np.stack([confusion] * 3), n=600, num_classes=10, noise=45))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "margin"),
    [(CoTeaching(), 5.0), (MentorMix(), 5.0), (GeneralizedCrossEntropy(), 2.0), (ELR(), 2.0), (RoG(), 2.0)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_gains_under_independent_noise(independent, algorithm, margin):
    assert gain(independent, algorithm).mean > margin


@pytest.mark.slow
def test_bootstrap_gains_while_the_network_is_righter_than_the_labels(independent):
    """Published settings promise little: where labels are memorised, the prediction that is mixed in is the label."""
    assert gain(independent, Bootstrap(hard=True)).mean > 1.0


def input_dependent(labels, images, rng):
    """Of the images with a bright corner 70 % get any label, of the others 5 %: noise that can be seen in the image."""
    corner = images[:, 0, 0, 0]
    rate = np.where(corner > np.median(corner), 0.7, 0.05)
    wrong = rng.random((len(labels), 3)) < rate[:, None]
    return np.where(wrong, rng.integers(0, 10, wrong.shape), labels[:, None]).astype(np.int32)


@pytest.mark.slow
def test_mc_softmax_gains_under_noise_that_the_image_shows():
    session = Session(planted(None, n=600, num_classes=10, noise=45, flip=input_dependent))
    assert gain(session, MCSoftMax()).mean > 1.0


@pytest.mark.slow
def test_f_correction_gains_under_class_conditional_noise(class_conditional):
    assert gain(class_conditional, ForwardCorrection()).mean > 2.0


def instance_dependent(labels, images, rng):
    """Dark images are called the next class, others are right: nothing that a matrix of classes could say."""
    dark = images.mean(axis=(1, 2, 3))
    wrong = dark < np.quantile(dark, 0.35)
    return np.repeat(np.where(wrong, (labels + 1) % 10, labels)[:, None], 3, axis=1).astype(np.int32)


@pytest.mark.slow
def test_f_correction_does_not_gain_under_instance_dependent_noise():
    session = Session(planted(None, n=600, num_classes=10, noise=45, flip=instance_dependent))
    assert gain(session, ForwardCorrection()).mean < 2.0


@pytest.mark.slow
def test_lqm_gains_over_a_baseline_of_as_many_clean_labels():
    shift = np.roll(np.eye(5), 1, axis=1)
    problem = planted(np.stack([shift, np.eye(5), symmetric(0.2, 5)]), n=600, num_classes=5, noise=45)
    found = gain(Session(problem), CrossEntropy(), LQM(gamma=1.0, hidden=(16,)), CleanSubset())
    assert found.mean > 5.0


@pytest.mark.slow
def test_dawid_skene_gains_where_raters_differ():
    confusions = np.stack([symmetric(rate, 5) for rate in (0.1, 0.2, 0.6, 0.6, 0.6)])
    session = Session(planted(confusions, n=600, num_classes=5, noise=45))
    assert gain(session, CrossEntropy(), DawidSkene()).mean > 5.0
