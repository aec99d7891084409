"""Reading gives what TFDS's own reading gives."""

import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.data_sources.array_record import ArrayRecordDataSource

from noisy_label_datasets.build.random_access import ExampleSource


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    builder = tfds.builder("digits_noisy/low", data_dir=tmp_path_factory.mktemp("data"), file_format="array_record")
    builder.download_and_prepare()
    return builder


def assert_same(given, expected):
    assert type(given) is type(expected)
    assert list(given) == list(expected)
    for name, value in expected.items():
        assert type(given[name]) is type(value), name
        np.testing.assert_array_equal(given[name], value)
        if isinstance(value, list):
            assert [type(element) for element in given[name]] == [type(element) for element in value]
        if isinstance(value, np.ndarray):
            assert given[name].dtype == value.dtype


def test_examples_are_those_of_tfds(builder):
    for split, source in builder.as_data_source().items():
        assert isinstance(source, ExampleSource)
        expected = ArrayRecordDataSource(builder.info, split=split)
        assert len(source) == len(expected) > 0
        for given, wanted in zip(source, expected, strict=True):
            assert_same(given, wanted)
        assert_same(source.__getitems__([3, 0])[0], expected[3])


def test_decoders_slices_lists_and_workers_work_as_in_tfds(builder):
    decoders = {"image": tfds.decode.SkipDecoding()}
    first, second = builder.as_data_source(["test[:10]", "noisy_label_train"], decoders=decoders)
    assert len(first) == 10
    assert isinstance(first[0]["image"], bytes)
    whole = builder.as_data_source("noisy_label_train")
    whole[0]  # a source that has been read from goes to a loader's workers, too
    assert_same(pickle.loads(pickle.dumps(whole))[7], whole[7])
    assert second[7]["id"] == whole[7]["id"]


def test_pairs_are_the_image_and_the_noisy_label_of_the_whole_examples(tmp_path):
    options = {"split": "noisy_label_train", "data_dir": tmp_path}
    pairs = list(tfds.as_numpy(tfds.load("digits_noisy/low", as_supervised=True, **options)))
    whole = list(tfds.as_numpy(tfds.load("digits_noisy/low", **options)))
    assert len(pairs) == len(whole) == 600
    for (image, label), example in zip(pairs, whole, strict=True):
        np.testing.assert_array_equal(image, example["image"])
        assert (label, label.dtype) == (example["noisy_label"], example["noisy_label"].dtype)
    as_stored = tfds.load(
        "digits_noisy/low", as_supervised=True, decoders={"image": tfds.decode.SkipDecoding()}, **options
    )
    assert isinstance(next(iter(tfds.as_numpy(as_stored)))[0], bytes)
