"""Reading gives what TFDS's own reading gives."""

import importlib.util
import json
import pickle
import shutil

import grain
import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.data_sources.array_record import ArrayRecordDataSource

from noisy_label_datasets.build.builder import BuildError
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


def collate(examples):
    """What PyTorch's default collate does, with arrays in place of tensors."""
    first = examples[0]
    if isinstance(first, np.ndarray):
        return np.stack(examples)
    if isinstance(first, (int, float, np.number)):
        return np.array(examples)
    if isinstance(first, (str, bytes)):
        return examples
    if isinstance(first, dict):
        return {name: collate([example[name] for example in examples]) for name in first}
    return [collate(column) for column in zip(*examples, strict=True)]  # a list of lists comes out transposed


def batches_of_torch(source, size):
    import torch

    loader = torch.utils.data.DataLoader(source, batch_size=size)
    for batch in loader:
        yield {name: value.numpy() if torch.is_tensor(value) else value for name, value in batch.items()}


def batches_of_default_collate(source, size):
    for start in range(0, len(source), size):
        yield collate(source.__getitems__(list(range(start, start + size))))


LOADERS = {
    "default collate": batches_of_default_collate,
    "grain": lambda source, size: grain.MapDataset.source(source).batch(size),
    "torch": batches_of_torch,
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("decoders", [None, {"image": tfds.decode.SkipDecoding()}])
@pytest.mark.parametrize("own_code", [True, False])
def test_a_row_of_a_batch_is_an_example(builder, loader, decoders, own_code):
    """With nine raters and batches of nine nothing would complain if they were transposed."""
    if loader == "torch" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    reader = builder if own_code else tfds.builder_from_directory(builder.data_dir)
    source = reader.as_data_source("clean_label_train[-9:]+noisy_label_train[:18]", decoders=decoders)
    examples = list(source)
    batches = list(LOADERS[loader](source, 9))
    assert len(batches) == 3
    for i, batch in enumerate(batches):
        assert batch["noisy_labels"].shape == (9, 9)
        for row, example in zip(batch["noisy_labels"], examples[9 * i : 9 * i + 9], strict=True):
            np.testing.assert_array_equal(row, example["noisy_labels"])
    assert (batches[0]["noisy_labels"] == -1).all()
    assert (batches[1]["noisy_labels"] >= 0).all()


def test_a_dataset_in_two_file_formats_is_read_with_both(builder, tmp_path):
    """As `tfds convert_format` leaves it: files of both, and the further format in dataset_info.json."""
    name = "digits_noisy/low"
    tfds.builder(name, data_dir=tmp_path).download_and_prepare()
    folder = tmp_path / name / "2.0.0"
    with pytest.raises(BuildError, match=r"is there as tfrecord, not as array_record. To have both: `tfds convert_for"):
        tfds.builder(name, data_dir=tmp_path, file_format="array_record")
    for path in (builder.data_path).glob("*.array_record*"):
        shutil.copy(path, folder)
    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps({**info, "alternativeFileFormats": ["array_record"]}))
    for options in ({}, {"builder_kwargs": {"file_format": "array_record"}}):
        source = tfds.data_source(name, split="test", data_dir=tmp_path, **options)
        assert_same(source[5], builder.as_data_source("test")[5])
    assert len(tfds.load(name, split="test", data_dir=tmp_path)) == len(source)
    chosen = pickle.loads(pickle.dumps(tfds.builder(name, data_dir=tmp_path, file_format="array_record")))
    assert chosen.info.file_format == tfds.core.FileFormat.ARRAY_RECORD
