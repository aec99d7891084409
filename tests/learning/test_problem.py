"""What a learner is handed, how it is read, and that no clean label beyond the paired subset is in it."""

import dataclasses

import numpy as np
import pytest

from noisy_label_datasets.base.arrays import CleanDataset, LabelledImages
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.labels.label_arrays import LabelArrays, LabelArraysError
from noisy_label_datasets.labels.sources import NOISY_SPLITS
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import Answers, NoisyExamples, Problem, TrainingData
from tests.learning.problems import planted, symmetric


def clean_dataset(rng, n=30, classes=("a", "b", "c")):
    splits = {}
    for split in SPLITS:
        labels = (np.arange(n) % len(classes)).astype(np.int32)
        images = rng.integers(0, 255, (n, 4, 4, 1)).astype(np.uint8)
        splits[split] = LabelledImages(np.array([f"{split}_{i:03d}" for i in range(n)]), images, labels)
    plan = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
    return CleanDataset("tiny_noisy", "1.0.0", "tiny", "1.0.0", classes, plan, splits)


def label_arrays(clean, rng, num_raters=3, **changes):
    ids, noisy_labels, raters = {}, {}, {}
    for split in NOISY_SPLITS:
        order = rng.permutation(len(clean.splits[split]))
        ids[split] = clean.splits[split].ids[order]
        noisy_labels[split] = rng.integers(0, 3, (len(order), num_raters)).astype(np.int32)
        raters[split] = rng.integers(0, num_raters, len(order)).astype(np.int32)
    features = tuple({"id": f"{i}", "accuracy": 0.5} for i in range(num_raters))
    values = {
        "name": "tiny_noisy/high",
        "class_names": clean.class_names,
        "raters": features,
        "ids": ids,
        "noisy_labels": noisy_labels,
        "noisy_label_rater": raters,
        "labels_sha256": "0" * 64,
    }
    return LabelArrays(**{**values, **changes})


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    clean = clean_dataset(rng)
    noisy = label_arrays(clean, rng)
    clean.save(tmp_path / "arrays")
    noisy.save(tmp_path / "labels")
    return tmp_path / "arrays", tmp_path / "labels", clean, noisy


def test_images_and_labels_are_joined_by_id(folders):
    arrays, labels, clean, noisy = folders
    problem = Problem.load(arrays, labels)
    train = problem.data.train
    for i, id_ in enumerate(train.ids):
        of_clean = np.flatnonzero(clean.splits["noisy_label_train"].ids == id_)[0]
        of_noisy = np.flatnonzero(noisy.ids["noisy_label_train"] == id_)[0]
        np.testing.assert_array_equal(train.images[i], clean.splits["noisy_label_train"].images[of_clean])
        np.testing.assert_array_equal(train.noisy_labels[i], noisy.noisy_labels["noisy_label_train"][of_noisy])
        assert train.noisy_label[i] == train.noisy_labels[i, train.rater[i]]
        assert problem.answers.train_labels[i] == clean.splits["noisy_label_train"].labels[of_clean]
    np.testing.assert_array_equal(problem.answers.test_labels, clean.splits["test"].labels)


def test_the_arrays_come_back_as_they_were(folders):
    _, labels, _, noisy = folders
    read = LabelArrays.load(labels)
    assert (read.name, read.class_names, read.raters) == (noisy.name, noisy.class_names, noisy.raters)
    for split in NOISY_SPLITS:
        np.testing.assert_array_equal(read.noisy_labels[split], noisy.noisy_labels[split])


def test_what_has_no_label_or_no_image_is_left_out(tmp_path, folders):
    arrays, _, clean, noisy = folders
    labels = noisy.noisy_labels["noisy_label_train"].copy()
    labels[0] = -1
    ids = noisy.ids["noisy_label_train"].astype("<U32").copy()
    ids[1] = "of another base"
    changed = dataclasses.replace(
        noisy,
        noisy_labels={**noisy.noisy_labels, "noisy_label_train": labels},
        ids={**noisy.ids, "noisy_label_train": ids},
    )
    changed.save(tmp_path / "changed")
    problem = Problem.load(arrays, tmp_path / "changed")
    assert len(problem.data.train) == len(clean.splits["noisy_label_train"]) - 2
    assert not {ids[0], ids[1]} & set(problem.data.train.ids)


def test_folders_that_do_not_fit(tmp_path, folders):
    arrays, labels, _, noisy = folders
    with pytest.raises(LabelArraysError, match="no label arrays in"):
        LabelArrays.load(arrays)
    dataclasses.replace(noisy, name="other_noisy/high").save(tmp_path / "other")
    with pytest.raises(LearningError, match="do not belong together"):
        Problem.load(arrays, tmp_path / "other")
    (labels / "labels.npz").write_bytes(b"cut short")
    with pytest.raises(LabelArraysError, match="cannot be read"):
        Problem.load(arrays, labels)


# ---------------------------------------------------------------------------------------------------------------------
# The paired subset


def test_the_paired_subset_depends_on_ids_alone_and_grows_with_its_share():
    problem = planted(np.stack([symmetric(0.2)] * 2), n=3000, paired_share=0.1)
    ids = problem.data.train.ids[problem.data.paired.rows]
    assert 240 < len(ids) < 360
    np.testing.assert_array_equal(
        problem.data.paired.clean_labels, problem.answers.train_labels[problem.data.paired.rows]
    )
    larger = planted(np.stack([symmetric(0.4)] * 3), n=3000, seed=5, paired_share=0.3)
    assert set(ids) < set(larger.data.train.ids[larger.data.paired.rows])


def arrays_within(value, path=""):
    """All arrays that can be reached from a value, with their paths."""
    if isinstance(value, np.ndarray):
        return {path: value}
    if dataclasses.is_dataclass(value):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, dict):
        parts = value
    elif isinstance(value, (list, tuple)):
        parts = dict(enumerate(value))
    else:
        return {}
    return {k: v for name, part in parts.items() for k, v in arrays_within(part, f"{path}.{name}").items()}


def test_no_array_that_a_learner_is_handed_holds_other_clean_labels():
    """By construction: of all that can be reached, only the paired subset changes with the clean labels."""
    problem = planted(np.stack([symmetric(0.3)] * 2), n=300)
    hidden = problem.answers.train_labels.copy()
    others = np.setdiff1d(np.arange(len(hidden)), problem.data.paired.rows)
    hidden[others] = (hidden[others] + 1) % 3
    changed = Problem.of(
        problem.data.name,
        problem.data.class_names,
        problem.data.raters,
        problem.data.train,
        problem.data.valid,
        dataclasses.replace(
            problem.answers,
            train_labels=hidden,
            valid_labels=(problem.answers.valid_labels + 1) % 3,
            test_labels=(problem.answers.test_labels + 1) % 3,
        ),
        paired_share=0.2,
    )
    before, after = arrays_within(problem.data), arrays_within(changed.data)
    assert set(before) == set(after)
    assert any("clean_labels" in path for path in before)
    for path in before:
        np.testing.assert_array_equal(before[path], after[path])


@pytest.mark.parametrize("name", ["labels", "label", "clean_labels", "test", "answers", "test_labels"])
def test_whoever_reaches_for_a_clean_label_finds_none(name, small_problem):
    for handed in (small_problem.data, small_problem.data.train, small_problem.data.valid):
        assert isinstance(handed, (TrainingData, NoisyExamples))
        with pytest.raises(AttributeError):
            getattr(handed, name)


# ---------------------------------------------------------------------------------------------------------------------
# Bad input


def test_examples_without_a_label(small_problem):
    train = small_problem.data.train
    noisy_label, noisy_labels = train.noisy_label.copy(), train.noisy_labels.copy()
    noisy_label[:2] = noisy_labels[:2] = -1
    with pytest.raises(LearningError, match="2 of 240 examples have the noisy label -1"):
        dataclasses.replace(train, noisy_label=noisy_label, noisy_labels=noisy_labels)


def test_labels_of_another_rater_than_they_are_said_of(small_problem):
    train = small_problem.data.train
    with pytest.raises(LearningError, match="240 noisy labels are not those of their rater"):
        dataclasses.replace(train, noisy_label=(train.noisy_label + 1) % 3)


def test_one_class_and_labels_out_of_range(small_problem):
    with pytest.raises(LearningError, match="learning needs 2 or more"):
        dataclasses.replace(small_problem.data, class_names=("only",))
    with pytest.raises(LearningError, match=r"with 2 classes -1 \.\. 1 are allowed"):
        dataclasses.replace(small_problem.data, class_names=("a", "b"))
    with pytest.raises(LearningError, match="4 columns, but there are 1 raters"):
        dataclasses.replace(small_problem.data, raters=small_problem.data.raters[:1])
    data, answers = small_problem.data, small_problem.answers
    with pytest.raises(LearningError, match="paired_share is 2"):
        Problem.of(data.name, data.class_names, data.raters, data.train, data.valid, answers, paired_share=2)
    with pytest.raises(LearningError, match="clean labels of a noisy split"):
        Problem.of(
            data.name,
            data.class_names,
            data.raters,
            data.train,
            data.valid,
            Answers(answers.train_labels[:5], answers.valid_labels, answers.test_images, answers.test_labels),
        )


def test_hashes_tell_labels_and_images_apart():
    one = planted(np.stack([symmetric(0.3)] * 2), n=60)
    other = planted(np.stack([symmetric(0.3)] * 2), n=60, seed=1)
    same = planted(np.stack([symmetric(0.3)] * 2), n=60)
    assert (one.labels_sha256, one.images_sha256) == (same.labels_sha256, same.images_sha256)
    assert one.labels_sha256 != other.labels_sha256
    assert one.images_sha256 != other.images_sha256
