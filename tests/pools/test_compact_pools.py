"""The compact pools: the shape of the paper's, small enough for a CPU, and able to train."""

import dataclasses
import json

import numpy as np
import pytest

from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.registration import builders_dir
from rater_training.architectures import NETWORKS
from rater_training.config import RaterConfig
from rater_training.engine import raters
from rater_training.pools import POOLS, cats_vs_dogs, cifar10, cifar10_compact, cifar100, compact, cost, get_pool, pcam

PAPER = [pool for task in (cifar10, cifar100, pcam, cats_vs_dogs) for pool in task.POOLS]


@pytest.mark.parametrize("paper", PAPER, ids=lambda pool: pool.name)
def test_each_pool_of_the_paper_has_a_compact_one_of_its_shape(paper):
    small = get_pool(f"{paper.name}_compact")
    assert (small.dataset, small.level, small.num_classes) == (paper.dataset, paper.level, paper.num_classes)
    assert len(small.raters) == len(paper.raters)
    families = {rater.architecture for rater in small.raters}
    assert len(families) >= 5
    assert all(family.startswith(("compact_", "efficientnet_lite")) for family in families)
    assert len({rater.seed for rater in small.raters}) == len(small.raters)
    # The paper's shortest training of CIFAR-100 is the one that is not scaled, see `compact`.
    assert small.examples_seen < paper.examples_seen / (3 if paper.name == "cifar100/low" else 10)


def test_there_are_28_of_them():
    assert len(PAPER) == 28
    names = {f"{pool.name}_compact" for pool in PAPER}
    assert {pool.name for module in (compact, cifar10_compact) for pool in module.POOLS} == names
    assert {name for name in POOLS if name.endswith("_compact")} == names


def test_every_architecture_of_the_paper_has_a_stand_in():
    assert set(compact.STAND_INS) == set(NETWORKS)


def test_a_rater_by_hand():
    """PCam low: 35,000 steps of 256 at 0.01 and 0.001, the tenth architecture VGG-19 at the second rate last."""
    last = get_pool("pcam/low_compact").raters[-1]
    assert (last.id, last.architecture, last.width) == ("19-compact_vgg", "compact_vgg", 0.625)
    assert (last.steps, last.batch_size, last.learning_rate) == (500, 256, 0.05)
    assert get_pool("pcam/low_compact").raters[-2].learning_rate == 0.5


def test_the_low_level_of_cifar100_is_not_the_one_trained_least():
    steps = {level: get_pool(f"cifar100/{level}_compact").raters[0].steps for level in ("low", "medium", "high")}
    assert steps["low"] >= steps["medium"] > steps["high"]


def test_of_12000_steps_are_the_raters_of_high():
    high, longer = get_pool("cifar10/high_compact"), get_pool("cifar10/steps_12000_compact")
    assert [r.architecture for r in longer.raters] == [r.architecture for r in high.raters]
    assert [r.steps / h.steps for r, h in zip(longer.raters, high.raters, strict=True)] == pytest.approx(
        [2.4] * 10, rel=0.01
    )


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_shipped_labels_are_those_of_the_pool(level):
    """Whoever trains the pool anew trains what is shipped."""
    shipped = read_predictions(builders_dir() / "cifar10_noisy" / "rater_predictions" / level)
    pool = get_pool(f"cifar10/{level}_compact")
    defaults = {field.name: field.default for field in dataclasses.fields(RaterConfig)}
    for stored, rater in zip(shipped.provenance["pool"]["raters"], pool.raters, strict=True):
        given = json.loads(json.dumps(dataclasses.asdict(rater)))
        # A field that came later has, of a rater stored before, its default: what was done before.
        assert stored == {key: given[key] for key in stored}
        assert all(given[key] == defaults[key] for key in set(given) - set(stored))


@pytest.mark.slow
def test_their_cost_is_a_small_part_of_the_papers():
    for paper in PAPER:
        small = cost.training_flops(get_pool(f"{paper.name}_compact"))
        assert 1e12 < small < cost.training_flops(paper) / 100


def _distinct():
    """Returns a pool and a rater for every combination of network, width, image size and number of classes."""
    found = {}
    for pool in compact.POOLS:
        for rater in pool.raters:
            found[rater.architecture, rater.width, pool.image_shape, pool.num_classes] = (pool, rater)
    return list(found.values())


def _trains(pool, rater):
    rng = np.random.default_rng(0)
    labels = np.arange(max(40, pool.num_classes)) % pool.num_classes
    images = rng.integers(0, 256, (len(labels), *pool.image_shape)).astype(np.uint8)
    short = dataclasses.replace(rater, steps=3, batch_size=20)
    trained = raters.train(short, images, labels, num_classes=pool.num_classes)
    assert trained.history[-1][0] == 3
    assert trained.logits(images).shape == (len(labels), pool.num_classes)


def test_one_of_them_trains():
    pool = get_pool("cats_vs_dogs/low_compact")
    _trains(pool, pool.raters[0])


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "rater"), _distinct(), ids=lambda value: getattr(value, "id", None) or value.name)
def test_every_network_of_them_trains(pool, rater):
    _trains(pool, rater)
