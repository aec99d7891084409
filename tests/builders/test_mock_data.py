"""`tfds.testing.mock_data`, with which users test code of theirs that reads these datasets."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.registration import builder_class, own_names


@pytest.mark.parametrize("dataset", own_names())
def test_tf_data(dataset):
    class_names = builder_class(dataset).BASE.class_names
    with tfds.testing.mock_data(num_examples=5, max_value=len(class_names)):
        examples, info = tfds.load(f"{dataset}/low", split="noisy_label_train", with_info=True)
        read = list(tfds.as_numpy(examples))
        pairs = list(tfds.as_numpy(tfds.load(f"{dataset}/low", split="test[:10%]", as_supervised=True)))
        (batch,) = tfds.as_numpy(tfds.load(f"{dataset}/low", split="noisy_label_train", batch_size=5))
        decoders = tfds.decode.PartialDecoding({"noisy_labels": True})
        labels_only = next(iter(tfds.load(f"{dataset}/low", split="test", decoders=decoders)))
    assert not pathlib.Path(info.data_dir).parent.exists()  # nothing is written
    assert len(read) == len(pairs) == 5
    assert [set(example) for example in read] == [set(info.features)] * 5
    assert all(0 <= label < len(class_names) for _, label in pairs)
    for example in read:
        assert example["noisy_labels"].dtype == np.int64
        assert example["noisy_labels"].max() < len(class_names)
    assert batch["noisy_labels"].shape[0] == 5
    assert list(labels_only) == ["noisy_labels"]


@pytest.mark.parametrize("dataset", own_names())
def test_data_source(dataset):
    with tfds.testing.mock_data(num_examples=5):
        source = tfds.data_source(f"{dataset}/low", split="noisy_label_train")
        both = tfds.data_source(f"{dataset}/low", split=["test", "noisy_label_valid[:50%]"])
        read = list(source)
    assert len(source) == len(read) == 5
    assert [len(each) for each in both] == [5, 5]
    assert isinstance(read[0]["noisy_labels"], np.ndarray)


def test_the_files_of_a_built_dataset_are_mocked_too(tmp_path):
    """With the metadata of a built dataset its splits are known; what is read is made up all the same."""
    tfds.builder("digits_noisy/low", data_dir=tmp_path, file_format="array_record").download_and_prepare()
    with tfds.testing.mock_data(num_examples=3, policy=tfds.testing.MockPolicy.USE_FILES, data_dir=str(tmp_path)):
        sources = tfds.data_source("digits_noisy/low")
        (batch,) = tfds.as_numpy(tfds.load("digits_noisy/low", split="test", batch_size=3))
        with pytest.raises(ValueError, match="Unknown split"):
            tfds.data_source("digits_noisy/low", split="train")
    assert {split: len(source) for split, source in sources.items()}["test"] == 3
    assert batch["noisy_labels"].shape == (3, 9)
    assert sources["test"][0]["image"].shape == (8, 8, 1)


def test_examples_of_the_users_own():
    own = [{"image": np.zeros((8, 8, 1), np.uint8), "noisy_label": 3}]
    with tfds.testing.mock_data(as_data_source_fn=lambda builder, split, **_: own):
        assert tfds.data_source("digits_noisy/low", split="test") == own
