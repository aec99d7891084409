"""The join of images and labels by id, and the spool between the one pass and the five splits."""

import errno

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS, SplitPlan
from noisy_label_datasets.build.join import UNLABELLED, JoinedExample, JoinError, Spool, join_by_id
from noisy_label_datasets.labels.sources import NoisyLabels

PLAN = SplitPlan(
    {
        "train": {
            "clean_label_train": 0.4,
            "clean_label_valid": 0.1,
            "noisy_label_train": 0.4,
            "noisy_label_valid": 0.1,
        },
        "test": {"test": 1.0},
    }
)
NUM_RATERS = 3


def clean_label(id_: str) -> int:
    return len(id_) % 5


def votes(id_: str) -> list[int]:
    return [(sum(id_.encode()) + r) % 5 for r in range(NUM_RATERS)]


def labels_of(ids_of_base, order=sorted) -> NoisyLabels:
    """What raters said of the labelled splits of a base {base split: ids}."""
    ids = {split: [] for split in LABELLED_SPLITS}
    for base_split, base_ids in ids_of_base.items():
        for id_, split in zip(base_ids, PLAN.assign(base_split, base_ids).tolist(), strict=True):
            if split in ids:
                ids[split].append(id_)
    ids = {split: order(of_split) for split, of_split in ids.items()}
    return NoisyLabels(
        raters=tuple({"id": str(r)} for r in range(NUM_RATERS)),
        division=PLAN,
        ids={split: np.array(of_split, dtype=np.str_) for split, of_split in ids.items()},
        clean_labels={split: np.array([clean_label(i) for i in of_split], np.int32) for split, of_split in ids.items()},
        noisy_labels={
            split: np.array([votes(i) for i in of_split], np.int32).reshape(-1, NUM_RATERS)
            for split, of_split in ids.items()
        },
        provenance={},
        origin="trained",
        sha256="0" * 64,
    )


def batches(ids_of_base, size=7):
    for base_split, ids in ids_of_base.items():
        for start in range(0, len(ids), size):
            part = ids[start : start + size]
            yield ExampleBatch(
                base_split, part, [b"image of " + i.encode() for i in part], list(map(clean_label, part))
            )


BASE = {"train": [f"train_{i}" for i in range(120)], "test": [f"test_{i}" for i in range(20)]}


@settings(max_examples=50)
@given(st.sets(st.text(alphabet="abcé0_", min_size=1), max_size=40), st.randoms(), st.integers(1, 9))
def test_every_example_gets_its_own_labels_whatever_the_orders(ids, random, size):
    ids = sorted(ids)
    cut = len(ids) // 3
    base = {"train": random.sample(ids[cut:], len(ids) - cut), "test": random.sample(ids[:cut], cut)}
    labels = labels_of(base, order=lambda of_split: random.sample(of_split, len(of_split)))
    joined = list(join_by_id(batches(base, size), labels))
    assert sorted(example.id for example in joined) == ids
    for example in joined:
        assert example.image == b"image of " + example.id.encode()
        assert example.label == clean_label(example.id)
        base_split = "test" if example.id in base["test"] else "train"
        assert example.split == PLAN.assign(base_split, [example.id])[0]
        if example.split == "clean_label_train":
            assert example.row == UNLABELLED
        else:
            assert labels.noisy_labels[example.split][example.row].tolist() == votes(example.id)


def of_split(split):
    """An id of BASE in a split."""
    base_split = "test" if split == "test" else "train"
    return BASE[base_split][PLAN.assign(base_split, BASE[base_split]).tolist().index(split)]


def test_labels_without_image():
    lost = of_split("noisy_label_valid")
    smaller = {**BASE, "train": [id_ for id_ in BASE["train"] if id_ != lost]}
    with pytest.raises(JoinError, match=f"1 labelled ids are not in the base dataset.*such as {lost}"):
        list(join_by_id(batches(smaller), labels_of(BASE)))


def test_labels_without_image_where_some_may_be_missing():
    lost = of_split("noisy_label_valid")
    smaller = {**BASE, "train": [id_ for id_ in BASE["train"] if id_ != lost]}
    missing = {}
    assert len(list(join_by_id(batches(smaller), labels_of(BASE), may_lack=1, missing=missing))) == 139
    assert {split: ids for split, ids in missing.items() if ids} == {"noisy_label_valid": [lost]}


def test_image_without_labels():
    lost = of_split("test")
    smaller = {**BASE, "test": [id_ for id_ in BASE["test"] if id_ != lost]}
    with pytest.raises(JoinError, match=f"1 examples of the base dataset have no noisy labels, such as {lost}"):
        list(join_by_id(batches(BASE), labels_of(smaller)))


def test_a_lost_example_of_clean_label_train_concerns_nobody():
    lost = of_split("clean_label_train")
    smaller = {**BASE, "train": [id_ for id_ in BASE["train"] if id_ != lost]}
    assert len(list(join_by_id(batches(smaller), labels_of(BASE)))) == 139


def test_an_id_in_another_base_split_is_not_the_same_example():
    moved = {"train": BASE["train"], "test": [*BASE["test"][1:], "train_new"]}
    with pytest.raises(JoinError, match=r"such as train_new; 1 labelled ids .* such as test_0"):
        list(join_by_id(batches(moved), labels_of(BASE)))


def test_an_id_twice_in_the_base():
    twice = {**BASE, "train": [*BASE["train"], "train_3"]}
    with pytest.raises(JoinError, match="1 ids stand in the base dataset more than once, such as train_3"):
        list(join_by_id(batches(twice), labels_of(BASE)))


def test_another_clean_label():
    id_ = of_split("noisy_label_train")
    labels = labels_of(BASE)
    row = labels.ids["noisy_label_train"].tolist().index(id_)
    labels.clean_labels["noisy_label_train"][row] += 1
    wrong = clean_label(id_)
    with pytest.raises(JoinError, match=rf"1 examples have another clean label, such as {id_} \(base {wrong}, labels"):
        list(join_by_id(batches(BASE), labels))


def test_a_base_that_has_nothing_to_do_with_the_labels_is_reported_in_few_words():
    other = {"train": [f"other_{i}" for i in range(5000)], "test": []}
    with pytest.raises(JoinError) as caught:
        list(join_by_id(batches(other), labels_of(BASE)))
    assert len(str(caught.value)) < 400


@given(
    st.lists(
        st.builds(
            JoinedExample,
            split=st.sampled_from(SPLITS),
            id=st.text(max_size=9),
            image=st.binary(max_size=40),
            label=st.integers(-1, 2**40),
            row=st.integers(-1, 2**40),
        )
    ),
    st.sampled_from([1, 2**20]),  # on disk from the first byte, in memory
)
def test_the_spool_gives_back_each_split_in_order(examples, memory):
    spool = Spool(memory_per_split=memory)
    for example in examples:
        spool.add(example)
    for split in SPLITS:
        assert list(spool.read(split)) == [example for example in examples if example.split == split]


def test_a_full_disk_under_the_spool():
    spool = Spool()
    with open("/dev/full", "wb", buffering=0) as full:
        spool._files["test"] = full
        with pytest.raises(OSError, match="cannot keep examples in TMPDIR: No space left on device") as caught:
            spool.add(JoinedExample("test", "a", b"image", 0, 0))
    assert caught.value.errno == errno.ENOSPC
