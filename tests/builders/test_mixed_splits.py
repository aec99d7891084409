"""Labelled and unlabelled examples read together, however they are read: who labelled nothing says -1.

An array of fixed length is what makes it so: TFDS fills up shorter ones with zeros, a class here.
"""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.noise import metrics

NAME, MIXED, R = "digits_noisy/medium", "clean_label_train+noisy_label_train", 9
# Of the labels that come with the package; 0.541 if the 597 unlabelled images are taken for nine labels of class 0.
RATER_ERROR_RATE = pytest.approx(0.1789, abs=5e-5)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tfds.builder(NAME, data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def array_record_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("array_record")
    tfds.builder(NAME, data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


def assert_right(noisy_labels, labels):
    assert noisy_labels.shape == (1197, R)
    assert (~metrics.is_labelled(noisy_labels)).sum() == 597
    assert metrics.rater_error_rate(noisy_labels, labels) == RATER_ERROR_RATE
    assert metrics.rater_error_rate(np.maximum(noisy_labels, 0), labels) == pytest.approx(0.541, abs=5e-4)


def test_the_whole_at_once(data_dir):
    examples = tfds.as_numpy(tfds.load(NAME, split=MIXED, batch_size=-1, data_dir=data_dir))
    assert examples["noisy_labels"].dtype == np.int64
    assert_right(examples["noisy_labels"], examples["label"])


@pytest.mark.parametrize("by_tfds", [True, False])
def test_batches(data_dir, by_tfds):
    batch_size = {"batch_size": 32} if by_tfds else {}
    dataset = tfds.load(NAME, split=MIXED, data_dir=data_dir, **batch_size)
    batches = list(tfds.as_numpy(dataset if by_tfds else dataset.batch(32)))
    joined = [np.concatenate([batch[name] for batch in batches]) for name in ("noisy_labels", "label")]
    assert_right(*joined)


def test_without_the_package(data_dir):
    builder = tfds.builder_from_directory(data_dir / NAME / "2.0.0")
    examples = tfds.as_numpy(builder.as_dataset(split=MIXED, batch_size=-1))
    assert_right(examples["noisy_labels"], examples["label"])
    feature = builder.info.features["noisy_labels"]
    assert (feature.shape, feature.np_dtype) == ((R,), np.int64)
    assert feature.doc.value_range == "-1..9"
    assert builder.info.features["noisy_label"].names == list("0123456789")


def test_a_table(data_dir):
    dataset, info = tfds.load(NAME, split=MIXED, data_dir=data_dir, with_info=True)
    table = tfds.as_dataframe(dataset, info)
    assert_right(np.stack(table["noisy_labels"].to_list()), table["label"].to_numpy())
    assert table._repr_html_()


@pytest.mark.parametrize("decoders", [None, {"image": tfds.decode.SkipDecoding()}])
def test_random_access(array_record_dir, decoders):
    source = tfds.data_source(NAME, split=MIXED, data_dir=array_record_dir, decoders=decoders)
    columns = [np.stack([example[name] for example in source]) for name in ("noisy_labels", "label")]
    assert_right(*columns)


def test_the_length_is_known_before_anything_is_built(tmp_path, data_dir):
    before = tfds.builder(NAME, data_dir=tmp_path).info.features
    after = tfds.builder(NAME, data_dir=data_dir).info.features
    assert before.to_json() == after.to_json()
    assert after["noisy_labels"].shape == (R,)
