"""Each builder of the family on a made-up base: which examples, which splits, which labels, what goes along."""

import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.base import cifar100
from noisy_label_datasets.base.bases import decode_image
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS
from noisy_label_datasets.card.built import noise_card
from noisy_label_datasets.card.page import to_html
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.registration import builder_class, own_names
from tests.made_up import write_pool

FINE = {name: place for place, name in enumerate(cifar100.FINE_NAMES)}


def easy_label(id_, example):
    """The class that comes first in the alphabet stands for its superclass."""
    coarse = cifar100.COARSE_NAMES[example["coarse_label"]]
    first = min(cifar100.SUPERCLASSES[coarse])
    return example["coarse_label"] if cifar100.FINE_NAMES[example["label"]] == first else None


def medium_label(id_, example):
    mammals = ("large_carnivores", "large_omnivores_and_herbivores", "small_mammals", "medium_mammals")
    classes = sorted(name for superclass in mammals for name in cifar100.SUPERCLASSES[superclass])
    name = cifar100.FINE_NAMES[example["label"]]
    return classes.index(name) if name in classes else None


def hard_label(id_, example):
    return example["coarse_label"] if id_ in cifar100.hard_ids(id_.partition("_")[0]) else None


# The tasks that give the examples of their base other labels, each said here a second time; None: left out.
TASKS = {"cifar100_easy_noisy": easy_label, "cifar100_medium_noisy": medium_label, "cifar100_hard_noisy": hard_label}


# digits_noisy has a file of its own: tests/builders/test_digits_noisy.py.
@pytest.fixture(scope="module", params=[name for name in own_names() if name != "digits_noisy"])
def built(request, bases, examples_by_split, tmp_path_factory):
    """Builder of a built dataset, its clean arrays, the labels that its examples should have, and those of the base."""
    dataset = request.param
    base = builder_class(dataset).BASE
    examples = {id_: example for of_split in examples_by_split(dataset).values() for id_, example in of_split.items()}
    data_dir = tmp_path_factory.mktemp(dataset)
    if (bases / base.name).exists():  # else it is one of arrays
        shutil.copytree(bases / base.name, data_dir / base.name)
    builder = tfds.builder(f"{dataset}/low", data_dir=data_dir, file_format="array_record")
    clean = builder.clean_dataset()
    write_pool(data_dir, clean)
    builder.download_and_prepare()
    label_of = TASKS.get(dataset, lambda id_, example: example["label"])
    labels = {id_: label_of(id_, example) for id_, example in examples.items()}
    return builder, clean, {id_: label for id_, label in labels.items() if label is not None}, examples


def test_every_example_of_the_task_once_with_its_image_and_labels(built):
    builder, _, labels, base_examples = built
    predictions = read_predictions(builder.data_dir_root / "rater_predictions" / builder.name / "low")
    votes = {
        id_: of_example.tolist()
        for split in LABELLED_SPLITS
        for id_, of_example in zip(predictions.ids[split], predictions.noisy_labels[split], strict=True)
    }
    seen = {}
    for split in SPLITS:
        for example in builder.as_data_source(split):
            id_ = example["id"].decode()
            seen[id_] = int(example["label"])
            np.testing.assert_array_equal(
                example["image"], decode_image(base_examples[id_]["image"], builder.BASE.image_shape[2])
            )
            assert list(example["noisy_labels"]) == ([-1] * 3 if split == "clean_label_train" else votes[id_])
            if "coarse_label" in example:
                assert example["coarse_label"] == base_examples[id_]["coarse_label"]
            if "fine_label" in example:
                assert example["fine_label"] == base_examples[id_]["label"]
    assert seen == labels
    assert ("coarse_label" in builder.info.features) == builder.name.startswith("cifar100")
    assert ("fine_label" in builder.info.features) == ("cifar100_" in builder.name and builder.name != "cifar100_noisy")


def test_every_example_is_in_a_split_that_the_plan_makes_of_its_base_split(built, examples_by_split):
    builder, clean, _, _ = built
    split_of = {id_: split for split, of_split in examples_by_split(builder.name).items() for id_ in of_split}
    fractions = builder.SPLIT_PLAN.fractions
    for split in SPLITS:
        base_splits = {split_of[id_] for id_ in clean.splits[split].ids.tolist()}
        assert base_splits == {base_split for base_split, shares in fractions.items() if split in shares}


def test_raters_see_images_of_one_size(built):
    builder, clean, _, base_examples = built
    size = builder.RATER_IMAGE_SIZE or builder.BASE.image_shape[:2]
    examples = clean.splits["clean_label_train"]
    channels = builder.BASE.image_shape[2]
    assert examples.images.shape[1:] == (*size, channels)
    image = decode_image(base_examples[examples.ids[0]]["image"], channels)
    assert abs(examples.images[0].mean((0, 1)) - image.mean((0, 1))).max() < 1  # of one colour, whatever the size


def test_noise_card(built):
    """Two classes or a hundred, images of one size or of many."""
    builder, clean, _, _ = built
    card = noise_card(builder)
    assert card.splits == {split: len(clean.splits[split]) for split in SPLITS}
    page = to_html(card)
    assert page.count("data:image/png;base64,") >= len(card.images) > 0


# Which splits of the base make which of ours, in the paper.
PAPER = {
    "cifar10_noisy": ("train", "train", "train", "train", "test"),
    "cifar100_noisy": ("train", "train", "train", "train", "test"),
    "pcam_noisy": ("train", "validation", "train", "validation", "test"),
    "cats_vs_dogs_noisy": ("train",) * 5,
}


@pytest.mark.parametrize("dataset", PAPER)
def test_splits_are_those_of_the_paper(dataset):
    fractions = builder_class(dataset).SPLIT_PLAN.fractions
    for split, base_split in zip(SPLITS, PAPER[dataset], strict=True):
        assert [name for name, shares in fractions.items() if split in shares] == [base_split]


# Noisy examples of the release, train and validation, and of how many they are a share. A hash cannot give the very
# same counts; four standard deviations are allowed.
RELEASE = {
    "cifar100_noisy": [("train", 50_000, 20_114, 4_978)],
    "pcam_noisy": [("train", 262_144, 130_982, 0), ("validation", 32_768, 0, 16_394)],
    "cats_vs_dogs_noisy": [("train", 23_262, 9_302, 1_184)],
}


@pytest.mark.parametrize("dataset", RELEASE)
def test_fractions_are_those_of_the_release(dataset):
    fractions = builder_class(dataset).SPLIT_PLAN.fractions
    for base_split, count, train, valid in RELEASE[dataset]:
        for split, released in (("noisy_label_train", train), ("noisy_label_valid", valid)):
            share = fractions[base_split].get(split, 0)
            assert abs(released - count * share) <= 4 * (count * share * (1 - share)) ** 0.5


def test_the_hard_task_has_as_many_images_as_the_others():
    """20 classes of 500 training and 100 test images, by the exact number."""
    assert {split: len(cifar100.hard_ids(split)) for split in ("train", "test")} == {"train": 10_000, "test": 2_000}
    plan = cifar100.SPLIT_PLAN.assign("train", sorted(cifar100.hard_ids("train")))
    # Not the hash that divides into splits: a quarter of the training images would be missing otherwise.
    assert abs((plan == "noisy_label_train").mean() - 0.4) < 0.02


def test_superclasses_are_those_of_cifar100():
    """The superclass of each class in the order of the data files, as they are widely used."""
    known = """
        4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 12 14 16 9 11 5 5 19 8 8 15 13
        14 17 18 10 16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16 12 9 13 15 13 16 19 2 4 6 19 5 5 8
        19 18 1 2 15 6 0 17 8 14 13
    """
    superclasses = list(cifar100.SUPERCLASSES.values())
    found = [next(i for i, names in enumerate(superclasses) if name in names) for name in cifar100.FINE_NAMES]
    assert found == [int(place) for place in known.split()]
