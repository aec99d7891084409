"""The compact pools: the shape of the paper's, small enough for a CPU, and able to train."""

import dataclasses

import numpy as np
import pytest

from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.registration import builders_dir
from rater_training.engine import frozen
from rater_training.engine import raters as engine_raters
from rater_training.pools import (
    POOLS,
    cats_vs_dogs,
    cats_vs_dogs_compact,
    cifar10,
    cifar10_compact,
    cifar100,
    cifar100_compact,
    cost,
    get_pool,
    pcam,
    pcam_compact,
)
from rater_training.pools.recipes import Frozen, Scratch, raters
from rater_training.training.saved import config_of

PAPER = [pool for task in (cifar10, cifar100, pcam, cats_vs_dogs) for pool in task.POOLS]
COMPACT = [
    pool for module in (cifar10_compact, cifar100_compact, cats_vs_dogs_compact, pcam_compact) for pool in module.POOLS
]
# Of the paper's pools with the same raters one has a compact pool; the configs of the others name that one's.
SAME = {
    *(f"cats_vs_dogs/{name}" for name in ("section33", "section32_10000", "section32_25000", "section32_100000")),
    *(f"pcam/{name}" for name in ("section31_10000", "section33")),
}
TASKS = ("cifar100_easy", "cifar100_medium", "cifar100_hard")


@pytest.mark.parametrize("paper", [pool for pool in PAPER if pool.name not in SAME], ids=lambda pool: pool.name)
def test_each_pool_of_the_paper_has_a_compact_one_of_its_shape(paper):
    small = get_pool(f"{paper.name}_compact")
    assert (small.dataset, small.level, small.num_classes) == (paper.dataset, paper.level, paper.num_classes)
    assert len(small.raters) == len(paper.raters)
    assert small.examples_seen < paper.examples_seen / 3


def test_those_that_share_raters_in_the_paper_have_none_of_their_own():
    owners = {tuple(get_pool(name).raters) for name in SAME}
    assert len(owners) == 5
    for name in SAME:
        assert f"{name}_compact" not in POOLS
        assert any(pool.raters == get_pool(name).raters for pool in PAPER if pool.name not in SAME)


def test_there_are_three_levels_of_each_twenty_way_task_besides():
    """For Figure 4; of those the paper prints the raters of Section 3.3 alone."""
    names = {f"{pool.name}_compact" for pool in PAPER if pool.name not in SAME}
    names |= {f"{task}/{level}_compact" for task in TASKS for level in ("low", "medium", "high")}
    assert {pool.name for pool in COMPACT} == names
    assert {name for name in POOLS if name.endswith("_compact")} == names
    for task, count in zip(TASKS, (10, 11, 11), strict=True):
        assert {len(pool.raters) for pool in COMPACT if pool.dataset == f"{task}_noisy"} == {count}


# Last layers on the features of the networks that weights are published of; their modules say why.
FEWER_FAMILIES = {
    **{f"cats_vs_dogs/{level}_compact": 3 for level in ("low", *(f"section31_{steps}000" for steps in (25, 50, 100)))},
    "cifar100/high_compact": 3,
    "cifar100/medium_compact": 2,
    "cifar100/low_compact": 3,
    "cifar100_hard/section33_compact": 3,
    **{
        f"cifar100_{task}/{level}_compact": 3
        for task in ("easy", "medium")
        for level in ("low", "medium", "high", "section33")
    },
}


@pytest.mark.parametrize("pool", COMPACT, ids=lambda pool: pool.name)
def test_its_raters_are_of_five_families_and_of_seeds_of_their_own(pool):
    families = {rater.architecture for rater in pool.raters}
    assert len(families) >= FEWER_FAMILIES.get(pool.name, 5)
    assert all(family.startswith(("compact_", "efficientnet_lite")) for family in families)
    assert len({rater.seed for rater in pool.raters}) == len(pool.raters)


def test_no_two_pools_have_a_rater_in_common():
    """Of one dataset and image size: else their labels were not independent."""
    seen = [
        (pool.dataset, pool.image_shape, dataclasses.replace(rater, id="any"))
        for pool in COMPACT
        for rater in pool.raters
    ]
    assert len(set(seen)) == len(seen)


def test_rows_of_a_recipe_by_hand():
    first, second = raters((Scratch("compact_vgg", 60), Frozen("efficientnet_lite1", 0.3)), side=96, seed=7)
    assert (first.id, first.steps, first.batch_size, first.learning_rate) == ("00-compact_vgg", 60, 128, 0.5)
    assert (first.width, first.seed, first.augmentation.crop_padding) == (0.5, 7, 6)
    assert (second.id, second.pretrained, second.frozen) == ("01-efficientnet_lite1", True, True)
    assert (second.features_share, second.optimizer, second.seed) == (0.3, "adamw", 8)


def test_of_12000_steps_are_the_raters_of_high():
    high, longer = get_pool("cifar10/high_compact"), get_pool("cifar10/steps_12000_compact")
    assert [r.architecture for r in longer.raters] == [r.architecture for r in high.raters]
    assert [r.steps / h.steps for r, h in zip(longer.raters, high.raters, strict=True)] == pytest.approx(
        [2.4] * 10, rel=0.01
    )


def _shipped():
    """Returns (dataset, level) -> the folder of the labels that the package brings, or of what shipped raters said."""
    folders = (
        *builders_dir().glob("*/rater_weights/*/recorded/manifest.json"),
        *builders_dir().glob("*/rater_predictions/*/manifest.json"),
    )
    return {
        (path.relative_to(builders_dir()).parts[0], path.relative_to(builders_dir()).parts[2]): path.parent
        for path in sorted(folders)
    }


@pytest.mark.parametrize(("dataset", "level"), [pair for pair in _shipped() if pair[0] != "digits_noisy"])
def test_shipped_labels_are_those_of_the_pool(dataset, level):
    """Whoever trains the pool anew trains what is shipped."""
    shipped = read_predictions(_shipped()[dataset, level])
    pool = get_pool(f"{dataset.removesuffix('_noisy')}/{level}_compact")
    # A field that came later has, of a rater stored before, its default: what was done before.
    assert tuple(map(config_of, shipped.provenance["pool"]["raters"])) == pool.raters


# The paper's rater error rates (Appendix C), and how near ours are to be.
WANTED = {
    ("cifar10_noisy", "steps_12000"): (0.33, 0.02),
    ("cifar100_noisy", "low"): (0.25, 0.03),
    ("cifar100_noisy", "medium"): (0.38, 0.02),
    ("cifar100_noisy", "high"): (0.43, 0.02),
    ("cats_vs_dogs_noisy", "low"): (0.09, 0.015),
    ("cats_vs_dogs_noisy", "medium"): (0.20, 0.015),
    ("cats_vs_dogs_noisy", "high"): (0.29, 0.02),
    ("pcam_noisy", "low"): (0.10, 0.02),
    ("pcam_noisy", "medium"): (0.18, 0.02),
    ("pcam_noisy", "high"): (0.23, 0.02),
}


@pytest.mark.parametrize("pair", [pair for pair in WANTED if pair in _shipped()], ids="/".join)
def test_shipped_raters_err_as_often_as_the_papers(pair):
    shipped = read_predictions(_shipped()[pair])
    wrong = shipped.noisy_labels["noisy_label_train"] != shipped.clean_labels["noisy_label_train"][:, None]
    rate, near = WANTED[pair]
    assert wrong.mean() == pytest.approx(rate, abs=near)
    assert wrong.mean(axis=0).max() > 1.3 * wrong.mean(axis=0).min()


@pytest.mark.slow
def test_their_cost_is_a_small_part_of_the_papers():
    for paper in (pool for pool in PAPER if pool.name not in SAME):
        small = cost.training_flops(get_pool(f"{paper.name}_compact"))
        assert 1e12 < small < cost.training_flops(paper) / 100


def _distinct():
    """Returns a pool and a rater for every combination of network, width, image size and number of classes."""
    found = {}
    for pool in COMPACT:
        for rater in pool.raters:
            found[rater.architecture, rater.frozen, rater.width, pool.image_shape, pool.num_classes] = (pool, rater)
    return list(found.values())


def _trains(pool, rater):
    rng = np.random.default_rng(0)
    labels = np.arange(max(40, pool.num_classes)) % pool.num_classes
    images = rng.integers(0, 256, (len(labels), *pool.image_shape)).astype(np.uint8)
    short = dataclasses.replace(rater, steps=3, batch_size=20)
    train = frozen.train if short.frozen else engine_raters.train
    trained = train(short, images, labels, num_classes=pool.num_classes)
    assert trained.history[-1][0] == 3
    assert trained.logits(images, batch_size=20).shape == (len(labels), pool.num_classes)


def test_one_of_them_trains():
    """The smallest; the others take a minute each to compile."""
    pool = get_pool("cifar10/high_compact")
    _trains(pool, next(rater for rater in pool.raters if rater.architecture == "compact_vgg"))


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "rater"), _distinct(), ids=lambda value: getattr(value, "id", None) or value.name)
def test_every_network_of_them_trains(pool, rater):
    _trains(pool, rater)
