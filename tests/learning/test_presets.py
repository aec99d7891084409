"""Presets: what they make of images, what they cost, and that a run says what it took."""

import argparse
import dataclasses

import numpy as np
import pytest

from noisy_label_datasets.learning_presets import COMPACT, PAPER, PRESETS, PresetError
from noisy_label_learning.algorithms import CoTeaching, CrossEntropy
from noisy_label_learning.commands import settings
from noisy_label_learning.correctors import CORRECTORS
from noisy_label_learning.runs.config import Network, RunConfig, of_preset
from noisy_label_learning.runs.cost import PeakMemory, training_flops

OF_CIFAR = {"image_shape": (32, 32, 3), "num_classes": 10, "examples": 20_000}


def config_of(preset, examples, algorithm=None):
    network, schedule = of_preset(preset, examples)
    return RunConfig(algorithm or CrossEntropy(), CORRECTORS["none"](), network, schedule)


@pytest.mark.parametrize(("shape", "side"), [((32, 32, 3), None), ((96, 96, 3), 48), ((None, None, 3), 48)])
def test_compact_shrinks_what_is_large(shape, side):
    assert COMPACT.arrays_side(shape) == side
    assert PAPER.arrays_side(shape) is None


def test_compact_is_of_twelve_to_sixteen_epochs_and_as_much_work_for_all_tasks():
    assert 12 <= COMPACT.epochs <= 16
    cifar = training_flops(config_of(COMPACT, 20_000), **OF_CIFAR)
    cats = training_flops(config_of(COMPACT, 9_300), image_shape=(48, 48, 3), num_classes=2, examples=9_300)
    assert cats == pytest.approx(cifar, rel=0.25)


def test_paper_trains_resnet_50_for_the_raters_steps():
    # He et al.'s ResNet-50 has 3.9e9 multiply-adds at 224x224 pixels (3.86e9 in Keras' form).
    config = config_of(PAPER, 20_000)
    assert config.schedule.epochs * config.schedule.steps_per_epoch(20_000) == pytest.approx(17_000, rel=0.01)
    flops = training_flops(config, image_shape=(224, 224, 3), num_classes=1000, examples=20_000)
    images = config.schedule.epochs * (20_000 // 256) * 256
    assert flops == pytest.approx(6 * 3.87e9 * images, rel=0.01)


def test_two_networks_cost_twice_as_much():
    one, two = (training_flops(config_of(COMPACT, 20_000, a), **OF_CIFAR) for a in (CrossEntropy(), CoTeaching()))
    assert two == pytest.approx(2 * one)


def test_options_change_a_preset(small_problem):
    args = argparse.Namespace(
        preset="compact", network=None, width=0.25, epochs=3, batch_size=None, learning_rate=None, pretrained=None
    )
    network, schedule = settings.training_of(args, small_problem)
    assert network == Network("compact_vgg", width=0.25)
    assert (schedule.epochs, schedule.learning_rate) == (3, COMPACT.learning_rate)
    assert schedule.batch_size == 60  # a fourth of 240 images


def test_a_preset_says_how_long_once():
    for epochs, steps in ((3, 100), (None, None)):
        with pytest.raises(PresetError, match="it has to have one of them"):
            dataclasses.replace(COMPACT, epochs=epochs, steps=steps)
    assert set(PRESETS) == {"compact", "compact_32", "fine_tuning", "paper"}


def test_the_peak_is_that_since_the_measurement_began():
    before = PeakMemory().mebibytes()
    peak = PeakMemory()
    held = np.ones(2**24)  # 128 MiB
    assert 100 < peak.mebibytes() - before < 200
    del held
