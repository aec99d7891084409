"""Records of the release are matched with the examples of their base, and the rest of the base is divided."""

import collections
import dataclasses

import numpy as np
import pytest

from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.published import Published, ReleaseDivision
from noisy_label_datasets.registration import builder_class
from tests.published.made_up import ALIKE, NOISE, RATERS, Example, by_hand, cifar_like, context_of, record, votes, write


def test_cifar_records_are_matched_by_their_pixels(tmp_path):
    examples = cifar_like()
    train, valid = examples[20:45], examples[:20]
    orders = ((0, 1, 2), (2, 0, 1))
    write(
        by_hand(tmp_path),
        {
            "train": [record("cifar10", e, orders[i % 2]) for i, e in enumerate(reversed(train))],
            "valid": [record("cifar10", e) for e in valid],
        },
    )
    labels = Published("low").load(context_of(tmp_path, examples=examples))
    order = [RATERS.index(rater["id"]) for rater in labels.raters]
    for split, expected in (("noisy_label_train", train), ("noisy_label_valid", valid)):
        said = dict(zip(labels.ids[split].tolist(), labels.noisy_labels[split].tolist(), strict=True))
        clean = dict(zip(labels.ids[split].tolist(), labels.clean_labels[split].tolist(), strict=True))
        assert len(said) == len(expected)
        for example in expected:
            if example.id not in ALIKE:
                assert said[example.id] == [votes(example)[r] for r in order]
                assert clean[example.id] == example.label
        assert labels.ids[split].tolist() == sorted(said)
    assert labels.origin == "published"
    assert {rater["accuracy"] for rater in labels.raters} == {0.9}


def test_an_image_that_occurs_more_than_once(tmp_path):
    """Each record gets an id of its own with its clean label; in the order of the ids, the same every time."""
    examples = cifar_like()
    by_id = {example.id: example for example in examples}
    train = [by_id[id_] for id_ in ("train_00040", "train_00019", "train_00001")]
    valid = [by_id[id_] for id_ in ("train_00007", "train_00002")]
    write(
        by_hand(tmp_path),
        {"train": [record("cifar10", e) for e in train], "valid": [record("cifar10", e) for e in valid]},
    )
    for base in (examples, examples[::-1]):
        labels = Published("low").load(context_of(tmp_path, examples=base))
        ids = {
            split: dict(zip(labels.ids[split].tolist(), labels.clean_labels[split].tolist(), strict=True))
            for split in labels.ids
        }
        # Of the three examples with label 3, train_00007, _00011 and _00040, the two records take the first two.
        assert ids["noisy_label_train"] == {"train_00007": 3, "train_00019": 5, "train_00001": 1}
        assert ids["noisy_label_valid"] == {"train_00011": 3, "train_00002": 2}


def test_more_records_of_an_image_than_examples(tmp_path):
    examples = cifar_like()
    five = next(example for example in examples if example.id == "train_00019")
    parts = {"train": [record("cifar10", five)] * 2, "valid": [record("cifar10", examples[0])]}
    write(by_hand(tmp_path), parts)
    with pytest.raises(PredictionsError, match=r"1 of 3 images are not in cifar10 3\.0\.2 with that clean label"):
        Published("low").load(context_of(tmp_path, examples=examples))


@pytest.mark.parametrize(
    "strange",
    [
        Example("train_00000", NOISE[0] // 2, 0),  # no such image
        Example("train_00000", NOISE[0], 1),  # the image, but another clean label
        Example("test_00001", NOISE[51], 1),  # of a base split without noisy splits
    ],
)
def test_an_image_without_a_match(tmp_path, strange):
    examples = cifar_like()
    write(by_hand(tmp_path), {"train": [record("cifar10", strange)], "valid": [record("cifar10", examples[1])]})
    with pytest.raises(PredictionsError, match=r"1 of 2 images are not in cifar10.*such as that of record 0 of train"):
        Published("low").load(context_of(tmp_path, examples=examples))


def test_cifar100_records(tmp_path):
    examples = [dataclasses.replace(e, label=i) for i, e in enumerate(cifar_like()) if e.id not in ALIKE]
    write(
        by_hand(tmp_path, "cifar100", "high"),
        {
            "train": [record("cifar100", e) for e in examples[:9]],
            "valid": [record("cifar100", e) for e in examples[9:12]],
        },
    )
    context = context_of(tmp_path, "cifar100", examples, dataset="cifar100_noisy")
    labels = Published("high").load(context)
    assert sorted(labels.ids["noisy_label_train"].tolist()) == [e.id for e in examples[:9]]
    assert sorted(labels.clean_labels["noisy_label_valid"].tolist()) == [e.label for e in examples[9:12]]


def test_pcam_records_carry_ids(tmp_path):
    examples = [Example(f"{part}_{i}", NOISE[i], i % 2) for part in ("train", "valid") for i in range(6)]
    write(
        by_hand(tmp_path, "patch_camelyon"),
        {
            "train": [record("patch_camelyon", e) for e in examples[:4]],
            "valid": [record("patch_camelyon", e) for e in examples[6:9]],
        },
    )
    context = context_of(tmp_path, "patch_camelyon", dataset="pcam_noisy")
    labels = Published("low").load(context)
    assert sorted(labels.ids["noisy_label_train"].tolist()) == [e.id for e in examples[:4]]
    assert labels.division.assign("train", ["train_0", "train_4"]).tolist() == [
        "noisy_label_train",
        "clean_label_train",
    ]
    assert labels.division.assign("validation", ["valid_5"]).tolist() == ["clean_label_valid"]
    assert labels.division.assign("test", ["test_0"]).tolist() == ["test"]


def cats_and_dogs(count=20) -> list[Example]:
    return [Example(f"PetImages/{('Cat', 'Dog')[i % 2]}/{i}.jpg", NOISE[i], i % 2) for i in range(count)]


def test_cats_vs_dogs_records_have_no_clean_label(tmp_path):
    examples = cats_and_dogs()
    write(
        by_hand(tmp_path, "cats_vs_dogs"),
        {
            "train": [record("cats_vs_dogs", e) for e in examples[:4]],
            "valid": [record("cats_vs_dogs", e) for e in examples[4:6]],
        },
    )
    labels = Published("low").load(context_of(tmp_path, "cats_vs_dogs", examples, dataset="cats_vs_dogs_noisy"))
    clean = dict(
        zip(labels.ids["noisy_label_train"].tolist(), labels.clean_labels["noisy_label_train"].tolist(), strict=True)
    )
    assert clean == {e.id: e.label for e in examples[:4]}
    fewer = context_of(tmp_path, "cats_vs_dogs", examples[1:], dataset="cats_vs_dogs_noisy")
    with pytest.raises(PredictionsError, match=r"1 ids are not in cats_vs_dogs 3\.0\.2, such as PetImages/Cat/0.jpg"):
        Published("low").load(fewer)


def test_what_the_release_does_not_use_is_divided_as_the_plan_divides(tmp_path):
    """Of 23,262 cats and dogs it uses 10,486; the rest goes 40 : 5 : 10 to the other splits."""
    ids = [f"PetImages/Cat/{i}.jpg" for i in range(23_262)]
    used = {id_: ("noisy_label_train" if i < 9_302 else "noisy_label_valid") for i, id_ in enumerate(ids[:10_486])}
    division = ReleaseDivision(used, builder_class("cats_vs_dogs_noisy").SPLIT_PLAN)
    counts = collections.Counter(division.assign("train", ids).tolist())
    assert (counts["noisy_label_train"], counts["noisy_label_valid"]) == (9_302, 1_184)
    left = 23_262 - 10_486
    for split, share in (("clean_label_train", 40 / 55), ("clean_label_valid", 5 / 55), ("test", 10 / 55)):
        assert abs(counts[split] - left * share) < 4 * (left * share * (1 - share)) ** 0.5
    shuffled = np.random.default_rng(0).permutation(ids).tolist()
    assert dict(zip(shuffled, division.assign("train", shuffled).tolist(), strict=True)) == dict(
        zip(ids, division.assign("train", ids).tolist(), strict=True)
    )
