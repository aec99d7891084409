"""The pools of the paper against a second reading of its Appendix A."""

import inspect
import re
from collections import Counter

import pytest

from rater_training.architectures import NETWORKS
from rater_training.pools import cats_vs_dogs, cifar10, cifar100, cost, get_pool, pcam

TASKS = (cifar10, cifar100, pcam, cats_vs_dogs)
PAPER = [pool for task in TASKS for pool in task.POOLS]

# Pool, raters, batch size, initial learning rates, steps, and training examples seen by a rater (batch times steps).
TRAINING = [
    ("cifar10/low", 10, 256, {0.01}, 80_000, 20_480_000),
    ("cifar10/medium", 10, 256, {0.01}, 17_000, 4_352_000),
    ("cifar10/high", 10, 256, {0.01}, 5_000, 1_280_000),
    ("cifar10/steps_12000", 10, 256, {0.01}, 12_000, 3_072_000),
    ("cifar100/low", 11, 128, {0.001}, 10_000, 1_280_000),
    ("cifar100/medium", 11, 256, {0.01}, 200_000, 51_200_000),
    ("cifar100/high", 11, 256, {0.01}, 80_000, 20_480_000),
    ("cifar100_easy/section33", 10, 128, {0.00003}, 5_000, 640_000),
    ("cifar100_medium/section33", 11, 128, {0.003}, 40_000, 5_120_000),
    ("cifar100_hard/section33", 11, 128, {0.01}, 200_000, 25_600_000),
    ("pcam/low", 20, 256, {0.01, 0.001}, 35_000, 8_960_000),
    ("pcam/medium", 19, 256, {0.01, 0.001}, 15_000, 3_840_000),
    ("pcam/high", 20, 256, {0.01, 0.001}, 10_000, 2_560_000),
    ("pcam/section31_10000", 20, 256, {0.01, 0.001}, 10_000, 2_560_000),
    ("pcam/section31_20000", 20, 256, {0.01, 0.001}, 20_000, 5_120_000),
    ("pcam/section31_50000", 20, 256, {0.01, 0.001}, 50_000, 12_800_000),
    ("pcam/section31_80000", 20, 256, {0.01, 0.001}, 80_000, 20_480_000),
    ("pcam/section33", 20, 256, {0.01, 0.001}, 10_000, 2_560_000),
    ("cats_vs_dogs/low", 10, 128, {0.001}, 50_000, 6_400_000),
    ("cats_vs_dogs/medium", 10, 128, {0.01}, 10_000, 1_280_000),
    ("cats_vs_dogs/high", 10, 128, {0.001}, 10_000, 1_280_000),
    ("cats_vs_dogs/section31_50000", 10, 128, {0.01}, 50_000, 6_400_000),
    ("cats_vs_dogs/section31_25000", 10, 128, {0.001}, 25_000, 3_200_000),
    ("cats_vs_dogs/section31_100000", 10, 128, {0.001}, 100_000, 12_800_000),
    ("cats_vs_dogs/section32_100000", 10, 128, {0.001}, 100_000, 12_800_000),
    ("cats_vs_dogs/section32_25000", 10, 128, {0.001}, 25_000, 3_200_000),
    ("cats_vs_dogs/section32_10000", 10, 128, {0.01}, 10_000, 1_280_000),
    ("cats_vs_dogs/section33", 10, 128, {0.001}, 10_000, 1_280_000),
]


@pytest.mark.parametrize(("name", "raters", "batch_size", "learning_rates", "steps", "seen"), TRAINING)
def test_training_is_as_printed(name, raters, batch_size, learning_rates, steps, seen):
    pool = get_pool(name)
    assert len(pool.raters) == raters
    assert {rater.batch_size for rater in pool.raters} == {batch_size}
    assert {rater.learning_rate for rater in pool.raters} == learning_rates
    assert {rater.steps for rater in pool.raters} == {steps}
    assert {rater.examples_seen for rater in pool.raters} == {seen}
    assert pool.examples_seen == raters * seen


def test_these_are_all_of_the_appendix():
    assert {pool.name for pool in PAPER} == {row[0] for row in TRAINING}


# Appendix A in the paper's own words.
CIFAR10 = {
    "low": "3 Inception-v1, 1 Inception-v3, 2 Inception-ResNet-v2, 2 MobileNet-v1, 2 VGG16",
    "medium": "2 Inception-v4, 2 MobileNet-v1, 2 MobileNet-v2, 1 NASNetMobile, 1 ResNet50, 1 ResNet101, 1 VGG16",
    "high": (
        "2 Inception-v2, 1 Inception-ResNet-v2, 2 MobileNet-v1, 1 MobileNet-v2, 2 ResNet50, 1 ResNet101, 1 ResNet152"
    ),
}
PCAM = (
    "Inception-v1, Inception-v2, Inception-v3, Inception-v4, MobileNet-v1, MobileNet-v2, ResNet50, ResNet152, "
    "VGG16, VGG19"
)
EASY = (
    "Inception-v1, Inception-v2, Inception-v3, Inception-v4, Inception-ResNet-v2, MobileNet-v1, MobileNet-v2, "
    "ResNet50, ResNet101, ResNet152"
)


def read(text: str, times: int = 1) -> Counter:
    """Returns how many raters of which of our architectures the paper's words say."""
    counts: Counter[str] = Counter()
    for entry in text.split(", "):
        number, _, paper_name = entry.rpartition(" ")
        name = paper_name.lower().replace("-", "_").replace("nasnetmobile", "nasnet_mobile")
        assert name in NETWORKS
        counts[name] += times * int(number or 1)
    return counts


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *((f"cifar10/{level}", read(text)) for level, text in CIFAR10.items()),
        ("cifar10/steps_12000", read(CIFAR10["high"])),
        *((f"cifar100/{level}", read(PCAM + ", ResNet101")) for level in ("low", "medium", "high")),
        ("cifar100_easy/section33", read(EASY)),
        *((f"cifar100_{task}/section33", read(PCAM + ", ResNet101")) for task in ("medium", "hard")),
        *((pool.name, read(PCAM, times=2)) for pool in pcam.POOLS if pool.level != "medium"),
        ("pcam/medium", read(PCAM, times=2) - Counter(inception_v1=1)),
        *((pool.name, read(PCAM)) for pool in cats_vs_dogs.POOLS),
    ],
)
def test_architectures_are_as_printed(name, wanted):
    assert Counter(rater.architecture for rater in get_pool(name).raters) == wanted


def test_raters_of_one_architecture_start_and_crop_independently():
    for pool in PAPER:
        assert len({rater.seed for rater in pool.raters}) == len(pool.raters)


def test_pools_with_the_same_training_are_the_same_raters():
    """A study need not train twice what another has."""
    assert get_pool("pcam/high").raters == get_pool("pcam/section33").raters
    assert get_pool("cats_vs_dogs/medium").raters == get_pool("cats_vs_dogs/section32_10000").raters
    low, high = get_pool("cifar10/low"), get_pool("cifar10/high")
    assert not {rater.seed for rater in low.raters} & {rater.seed for rater in high.raters}


def test_flops_of_a_pool_by_hand():
    """Six operations a multiply-add, 128 images a step; published multiply-adds of 224x224 with 1,000 classes."""
    billions = {
        "inception_v1": 1.5,
        "mobilenet_v1": 0.569,
        "mobilenet_v2": 0.3,
        "resnet50": 3.86,
        "resnet152": 11.3,
        "vgg16": 15.5,
        "vgg19": 19.6,
    }
    for architecture, published in billions.items():
        counted = cost.forward_multiply_adds(architecture, (224, 224, 3), 2)
        assert counted == pytest.approx(published * 1e9, rel=0.02)
    pool = get_pool("cats_vs_dogs/high")
    total = sum(cost.forward_multiply_adds(r.architecture, (224, 224, 3), 2) for r in pool.raters)
    assert cost.training_flops(pool) == pytest.approx(6 * total * 128 * 10_000)


def test_flops_of_other_networks_are_counted_too():
    """A softmax regression on 8x8 digits: 64 times 10 multiply-adds, and little besides."""
    assert cost.forward_multiply_adds("softmax_regression", (8, 8, 1), 10) == pytest.approx(640, rel=0.05)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__.rpartition(".")[2])
def test_docstrings_state_the_cost(task):
    stated = dict(re.findall(r"^\s+(\S+/\S+) .* ([\d.]+) exaFLOP$", inspect.getdoc(task), re.MULTILINE))
    assert {name: float(value) for name, value in stated.items()} == {
        pool.name: float(f"{cost.training_flops(pool) / 1e18:.3g}") for pool in task.POOLS
    }
