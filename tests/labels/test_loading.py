import dataclasses
import os
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import noisy_label_datasets
from noisy_label_datasets.labels.catalog import UnknownConfigError
from noisy_label_datasets.labels.loading import LabelsError, load_labels
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.labels.sources import MissingLabelsError
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.registration import builders_dir

NAME = "digits_noisy/medium"


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return load_labels(NAME, data_dir=tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def shipped():
    return read_predictions(builders_dir() / "digits_noisy" / "rater_predictions" / "medium")


def test_it_is_what_the_artifact_holds(labels, shipped):
    for split, ids in shipped.ids.items():
        of_split = labels.select(split)
        assert of_split.ids.tolist() == ids.tolist()
        np.testing.assert_array_equal(of_split.labels, shipped.clean_labels[split])
        np.testing.assert_array_equal(of_split.noisy_labels, shipped.noisy_labels[split])
        np.testing.assert_array_equal(of_split.probabilities(), shipped.probabilities(split))
    assert labels.sha256 == shipped.sha256
    assert labels.origin == "shipped"
    assert labels.rater_ids == tuple(rater["id"] for rater in shipped.raters)


def test_the_published_error_rate(labels):
    # The README's figure of digits_noisy/medium.
    train = labels.select("noisy_label_train")
    assert round(metrics.rater_error_rate(train.noisy_labels, train.labels), 3) == 0.179


def test_the_drawn_label_is_that_of_the_tfds_dataset(labels, tmp_path):
    import tensorflow_datasets as tfds

    built = tfds.load(NAME, split="noisy_label_train", data_dir=tmp_path, batch_size=-1)
    of = {id_.decode(): row for row, id_ in enumerate(np.asarray(built["id"]))}
    train = labels.select("noisy_label_train")
    rows = [of[id_] for id_ in train.ids.tolist()]
    np.testing.assert_array_equal(train.noisy_label, np.asarray(built["noisy_label"])[rows])
    np.testing.assert_array_equal(train.noisy_label_rater, np.asarray(built["noisy_label_rater"])[rows])
    np.testing.assert_array_equal(train.noisy_labels, np.asarray(built["noisy_labels"])[rows])


def test_outside_the_noisy_splits_the_clean_label_is_drawn(labels):
    test = labels.select("test")
    np.testing.assert_array_equal(test.noisy_label, test.labels)
    assert (test.noisy_label_rater == -1).all()


def test_index_is_the_position_in_the_official_files():
    labels = load_labels("cifar10_noisy/low")
    row = labels.ids.tolist().index("train_00006")
    assert (labels.file[row], labels.index[row]) == ("train", 6)
    assert labels.class_names[labels.labels[row]] == "bird"  # the seventh image of data_batch_1
    assert set(labels.file.tolist()) == {"train", "test"}


def test_neither_tensorflow_nor_tfds_nor_jax_is_imported():
    code = (
        "import noisy_label_datasets, sys; noisy_label_datasets.load_labels('digits_noisy/low_independent');"
        "print([name for name in ('tensorflow', 'tensorflow_datasets', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_flips_and_the_dial(labels, tmp_path):
    flips = load_labels("digits_noisy/medium_independent", data_dir=tmp_path)
    assert flips.ids.tolist() == labels.ids.tolist()
    with pytest.raises(LabelsError, match="no probabilities"):
        flips.probabilities()
    dial = load_labels("digits_noisy/medium_rate_0.37", data_dir=tmp_path).select("noisy_label_train")
    assert metrics.rater_error_rate(dial.noisy_labels, dial.labels) == pytest.approx(0.37, abs=0.002)


def test_probabilities_follow_the_rows(labels):
    some = labels.rows(np.asarray([900, 3, 700, 4]))
    np.testing.assert_array_equal(some.probabilities(), labels.probabilities()[[900, 3, 700, 4]])


def test_wide_and_annotations(labels):
    some = labels.rows(np.arange(4))
    some.noisy_labels[1, 2] = -1  # rows() copies
    wide, annotations = some.wide(), some.annotations()
    assert wide.shape == (4, len(labels.raters))
    assert list(wide.columns) == list(labels.rater_ids)
    assert wide.iloc[1, 2] is pd.NA
    assert len(annotations) == 4 * len(labels.raters) - 1
    for (task, worker), group in annotations.groupby(["task", "worker"]):
        assert wide.loc[task, worker] == group["label"].item()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_are_read_back(labels, tmp_path, suffix):
    path = tmp_path / f"labels.{suffix}"
    getattr(labels, f"to_{suffix}")(path)
    back = getattr(pd, f"read_{suffix}")(path)
    np.testing.assert_array_equal(back[list(labels.rater_ids)].to_numpy(), labels.noisy_labels)
    assert back["id"].tolist() == labels.ids.tolist()
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_raters_who_are_called_as_other_columns(labels, tmp_path, suffix):
    called = ["id", "id (rater)", "noisy_label", *labels.rater_ids[3:]]
    raters = tuple({**rater, "id": id_} for rater, id_ in zip(labels.raters, called, strict=True))
    some = dataclasses.replace(labels, raters=raters)
    path = tmp_path / f"labels.{suffix}"
    getattr(some, f"to_{suffix}")(path)
    back = getattr(pd, f"read_{suffix}")(path)
    columns = ["id (rater) (rater)", "id (rater)", "noisy_label (rater)", *called[3:]]
    np.testing.assert_array_equal(back[columns].to_numpy(), labels.noisy_labels)
    assert back["id"].tolist() == labels.ids.tolist()


def test_arrays_are_read_back(labels, tmp_path):
    labels.to_npz(tmp_path / "labels.npz")
    with np.load(tmp_path / "labels.npz") as back:
        np.testing.assert_array_equal(back["noisy_labels"], labels.noisy_labels)
        assert back["rater_ids"].tolist() == list(labels.rater_ids)


def test_rater_features(labels, shipped):
    features = labels.rater_features()
    assert features.index.tolist() == list(labels.rater_ids)
    assert features["accuracy"].tolist() == [rater["accuracy"] for rater in shipped.raters]


def test_labels_trained_on_this_machine_come_first(tmp_path):
    import shutil

    folder = tmp_path / "rater_predictions" / "digits_noisy" / "medium"
    shutil.copytree(builders_dir() / "digits_noisy" / "rater_predictions" / "medium", folder)
    assert load_labels(NAME, data_dir=tmp_path).origin == "trained"


def test_bad_names():
    with pytest.raises(UnknownConfigError, match="a config is wanted, as in digits_noisy/low"):
        load_labels("digits_noisy")
    with pytest.raises(UnknownConfigError, match="there are low, medium, high"):
        load_labels("digits_noisy/lwo")
    for given in (b"digits_noisy/low", None):
        with pytest.raises(UnknownConfigError, match="a config is named by text, such as 'digits_noisy/low'; given"):
            load_labels(given)
    with pytest.raises(LabelsError, match=r"need the TFDS dataset: tfds.load\('cifar10_noisy/published_low'\)"):
        load_labels("cifar10_noisy/published_low")


def test_labels_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("noisy_label_datasets.labels.loading.builder_dir", lambda dataset: tmp_path / dataset)
    with pytest.raises(MissingLabelsError, match="noisy-labels train digits_noisy/medium"):
        load_labels(NAME, data_dir=tmp_path)


def test_bad_splits_and_folders(labels, tmp_path):
    with pytest.raises(LabelsError, match=r"has labels of the splits clean_label_valid, .* given .*train"):
        labels.select("train")
    with pytest.raises(LabelsError, match="there is no folder"):
        labels.to_csv(tmp_path / "missing" / "labels.csv")


def test_the_package_offers_it():
    assert noisy_label_datasets.load_labels is load_labels
    with pytest.raises(AttributeError, match="load_lables"):
        _ = noisy_label_datasets.load_lables


def test_shipped_labels_need_no_home_folder(monkeypatch):
    def nowhere(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setattr(pathlib.Path, "home", nowhere)
    monkeypatch.setattr(pathlib.Path, "expanduser", nowhere)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert len(load_labels("digits_noisy/medium")) == 1200
