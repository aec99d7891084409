"""Imbalanced subsamples: properties of the function, and that all users of labels get the same examples."""

import dataclasses
import hashlib
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from noisy_label_datasets import load_labels
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.build.configs import NoisyLabelConfig, imbalanced_config
from noisy_label_datasets.build.join import join_by_id
from noisy_label_datasets.labels.imbalance import (
    FRACTIONS,
    IMBALANCED_SPLITS,
    Imbalanced,
    ImbalanceError,
    imbalanced,
    largest_total,
)
from noisy_label_datasets.labels.loading import labels_of
from noisy_label_datasets.labels.sources import LabelContext, LabelSource
from tests.build.test_join import BASE, PLAN, batches
from tests.build.test_join import labels_of as five_class_labels

tasks = st.lists(st.integers(0, 1), min_size=30, max_size=200).map(np.array)
fractions = st.floats(0.5, 0.95)


def ids_of(labels):
    return np.array([f"example_{i}" for i in range(len(labels))])


@hypothesis_settings(max_examples=60, deadline=None)
@given(tasks, fractions, st.integers(0, 1))
def test_the_share_is_met_and_the_number_is_the_same_at_every_fraction(labels, fraction, majority):
    counts = np.bincount(labels, minlength=2)
    assume(counts.min() >= 12)
    rows = imbalanced(ids_of(labels), labels, fraction, majority=majority)
    share = np.mean(labels[rows] == majority)
    assert abs(share - fraction) * len(rows) <= 0.5 + 1e-9
    assert len(rows) == len(imbalanced(ids_of(labels), labels, 0.5, majority=majority))
    # One more could not be had at both ends.
    larger, smaller = counts[majority], counts[1 - majority]
    more = len(rows) + 1
    assert np.floor(0.95 * more + 0.5) > larger or more - np.floor(0.5 * more + 0.5) > smaller


@hypothesis_settings(max_examples=60, deadline=None)
@given(tasks, fractions, st.integers(0, 5), st.randoms())
def test_it_does_not_depend_on_the_order(labels, fraction, seed, random):
    assume(np.bincount(labels, minlength=2).min() >= 12)
    ids, order = ids_of(labels), np.array(random.sample(range(len(labels)), len(labels)))
    kept = ids[imbalanced(ids, labels, fraction, seed=seed)]
    shuffled = ids[order][imbalanced(ids[order], labels[order], fraction, seed=seed)]
    assert sorted(kept) == sorted(shuffled)


@hypothesis_settings(max_examples=60, deadline=None)
@given(tasks, st.tuples(fractions, fractions).map(sorted))
def test_of_the_larger_class_the_fewer_are_among_the_more_and_so_of_the_smaller(labels, two):
    assume(np.bincount(labels, minlength=2).min() >= 12)
    less, more = (set(imbalanced(ids_of(labels), labels, fraction).tolist()) for fraction in two)
    assert {i for i in less if labels[i] == 0} <= {i for i in more if labels[i] == 0}
    assert {i for i in more if labels[i] == 1} <= {i for i in less if labels[i] == 1}


def test_an_example_that_is_added_moves_at_most_itself_in():
    labels = np.arange(200) % 2
    before = set(imbalanced(ids_of(labels), labels, 0.8, total=80).tolist())
    more = np.append(labels, [0, 1])
    after = set(imbalanced(ids_of(more), more, 0.8, total=80).tolist())
    assert len(before - after) <= 2
    assert after - before <= {200, 201}


def test_seeds_keep_other_examples():
    labels = np.arange(400) % 2
    kept = [set(imbalanced(ids_of(labels), labels, 0.8, seed=seed).tolist()) for seed in range(2)]
    assert len(kept[0] & kept[1]) < 0.75 * len(kept[0])


def test_the_smallest_hashes_are_kept():
    # Spelled out, for a release that keeps other examples would silently make another dataset of the same name.
    def number(i):
        return int.from_bytes(hashlib.shake_256(f"imbalance/7:example_{i}".encode()).digest(8), "little")

    labels = np.arange(40) % 2
    expected = sorted(range(0, 40, 2), key=number)[:6] + sorted(range(1, 40, 2), key=number)[:2]
    assert imbalanced(ids_of(labels), labels, 0.75, total=8, seed=7).tolist() == sorted(expected)


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.arange(30) % 3, {}, r"between two classes, 0 and 1, both of them there; these labels have \[0 1 2\]"),
        (np.zeros(30, int), {}, r"these labels have \[0\]"),
        (np.arange(30) % 2, {"fraction": 1.0}, r"is 1.0; it has to be in \[0.5, 1\)"),
        (np.arange(30) % 2, {"fraction": 0.3}, r"is 0.3; it has to be in \[0.5, 1\)"),
        (np.arange(30) % 2, {"fraction": 0.99}, "0.99 of class 0 among 15 examples leaves class 1 empty"),
        (np.arange(30) % 2, {"total": 25}, "are 20 of class 0; there are 15"),
        (np.arange(30) % 2, {"majority": 2}, "majority is 2; it has to be 0 or 1"),
    ],
)
def test_what_cannot_be(labels, options, message):
    with pytest.raises(ImbalanceError, match=message):
        imbalanced(ids_of(labels), labels, **{"fraction": 0.8, **options})


# ---------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Made(LabelSource):
    """Labels of two classes on the base of the join's tests."""

    without_test: bool = False

    def load(self, context):
        labels = five_class_labels(BASE)
        clean = {split: (of_split % 2).astype(np.int32) for split, of_split in clean_labels(labels).items()}
        noisy = {split: of_split % 2 for split, of_split in labels.noisy_labels.items()}
        parts = [split for split in labels.ids if not (self.without_test and split == "test")]
        return dataclasses.replace(
            labels,
            ids={split: labels.ids[split] for split in parts},
            clean_labels={split: clean[split] for split in parts},
            noisy_labels={split: noisy[split] for split in parts},
        )


def clean_labels(labels):
    return {split: np.array([sum(id_.encode()) for id_ in ids]) for split, ids in labels.ids.items()}


def two_class_batches():
    for batch in batches(BASE):
        yield ExampleBatch(batch.base_split, batch.ids, batch.images, [sum(i.encode()) % 2 for i in batch.ids])


@pytest.fixture
def context():

    return LabelContext(
        "two_noisy", {"name": "two", "version": "1.0.0"}, ("a", "b"), PLAN, "", "", (), None, two_class_batches
    )


@pytest.mark.parametrize("without_test", [False, True])
def test_builders_leave_out_what_is_not_kept(context, without_test):
    source = Imbalanced(Made(without_test), 0.8)
    labels = source.load(context)
    joined = list(join_by_id(two_class_batches(), labels))
    whole = list(join_by_id(two_class_batches(), Made(without_test).load(context)))
    for split in IMBALANCED_SPLITS:
        clean = [example.label for example in joined if example.split == split]
        before = [example.label for example in whole if example.split == split]
        assert len(clean) == largest_total(np.array(before), (*FRACTIONS, 0.8)) < len(before)
        assert abs(np.mean(np.array(clean) == 0) - 0.8) * len(clean) <= 0.5
    for split in ("clean_label_train", "clean_label_valid"):
        assert sum(e.split == split for e in joined) == sum(e.split == split for e in whole)


def test_arrays_and_builders_have_the_same_examples(context):
    plain = labels_of("two_noisy/made", Made(), context)
    wrapped = labels_of("two_noisy/made", Imbalanced(Made(), 0.7, seed=3, majority=1), context)
    part = plain.imbalanced(0.7, seed=3, majority=1)
    assert part.ids.tolist() == wrapped.ids.tolist()
    np.testing.assert_array_equal(part.noisy_labels, wrapped.noisy_labels)
    np.testing.assert_array_equal(part.noisy_label, wrapped.noisy_label)  # each as in the whole


def test_a_config_of_a_config():
    config = imbalanced_config(NoisyLabelConfig(name="high", source=Made()), 0.9)
    assert config.name == "high_majority_0.90"
    assert config.source == Imbalanced(Made(), 0.9)
    other = imbalanced_config(NoisyLabelConfig(name="high", source=Made()), 0.9, seed=2, majority=1)
    assert other.name == "high_majority_of_1_0.90_seed_2"


def test_shipped_labels_of_cats_and_dogs(tmp_path):
    part = load_labels("cats_vs_dogs_noisy/high", data_dir=tmp_path).imbalanced(0.95)
    for split in IMBALANCED_SPLITS:
        assert np.mean(part.select(split).labels == 0) == pytest.approx(0.95, abs=0.001)


def test_more_than_two_classes_are_refused(context, tmp_path):
    with pytest.raises(ImbalanceError, match="between two classes"):
        load_labels("digits_noisy/high", data_dir=tmp_path).imbalanced(0.9)
    many = dataclasses.replace(context, dataset="digits_noisy", class_names=tuple("0123456789"))
    with pytest.raises(ImbalanceError, match=re.escape("digits_noisy has 10: 0, 1, 2, 3, 4, ...")):
        Imbalanced(Made(), 0.9).load(many)


def test_other_settings_are_other_labels(context):
    settings = ((0.8,), (0.7,), (0.8, 1), (0.8, 0, 1))
    assert len({Imbalanced(Made(), *each).load(context).sha256 for each in settings}) == 4
