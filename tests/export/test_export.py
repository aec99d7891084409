"""Exported folders, read back by the libraries that they are for."""

import io
import json
import os

os.environ["HF_HUB_OFFLINE"] = "1"

import datasets
import mlcroissant
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from noisy_label_datasets import cli
from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.export import folder as export_module
from noisy_label_datasets.export.folder import ExportError, export
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.registration import builder_class

NUMBERS = ("label", "noisy_label", "noisy_label_rater")


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    """`digits_noisy/medium`, built from the labels that come with the package."""
    folder = tmp_path_factory.mktemp("data")
    builder = tfds.builder("digits_noisy/medium", data_dir=folder, file_format="array_record")
    builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def original(builder):
    """Split -> id -> example, as TFDS reads it."""
    return {split: {e["id"].decode(): e for e in builder.as_data_source(split)} for split in SPLITS}


def same(read, expected) -> bool:
    """Whether an example that was read back is the one that TFDS reads."""
    image = read["image"]
    image = Image.open(io.BytesIO(image)) if isinstance(image, bytes) else image
    return (
        np.array_equal(np.asarray(image), expected["image"][..., 0])
        and list(read["noisy_labels"]) == list(expected["noisy_labels"])
        and all(read[name] == expected[name] for name in NUMBERS)
    )


@pytest.mark.parametrize("shard_bytes", [None, 20_000])
def test_hugging_face_reads_the_same_examples(builder, original, tmp_path, monkeypatch, shard_bytes):
    if shard_bytes:
        monkeypatch.setattr(export_module, "SHARD_BYTES", shard_bytes)
    folder = export(builder, tmp_path / "digits", "huggingface")
    assert (len(list((folder / "data").glob("noisy_label_train-*"))) > 1) == bool(shard_bytes)
    read = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert set(read) == set(SPLITS)
    for split in SPLITS:
        assert {example["id"] for example in read[split]} == set(original[split])
        assert len(read[split]) == len(original[split])
        assert all(same(example, original[split][example["id"]]) for example in read[split])
    assert read["test"].features["label"].names == list("0123456789")
    raters = json.loads((folder / "raters.json").read_text())
    assert raters == [dict(rater) for rater in builder.info.metadata["raters"]]
    card = (folder / "README.md").read_text()
    assert f"| `test` | {len(original['test'])} |" in card
    assert "Krippendorff's alpha" in card
    assert "@article{gu2023instance" in card


def test_labelled_and_unlabelled_examples_read_together(builder, tmp_path):
    """Through Hugging Face, as arrays: who labelled nothing says -1."""
    folder = export(builder, tmp_path / "digits", "huggingface")
    split = "clean_label_train+noisy_label_train"
    read = datasets.load_dataset(str(folder), split=split, cache_dir=str(tmp_path / "cache")).with_format("numpy")
    noisy_labels, labels = read["noisy_labels"][:], read["label"][:]
    assert noisy_labels.shape == (1197, 9)
    assert metrics.rater_error_rate(noisy_labels, labels) == pytest.approx(0.1789, abs=5e-5)
    assert next(read.iter(batch_size=32))["noisy_labels"].shape == (32, 9)
    assert read.features["noisy_labels"].feature.names == list("0123456789")


def test_mlcroissant_reads_the_same_examples(builder, original, tmp_path):
    folder = export(builder, tmp_path / "digits", "croissant")
    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    for split in SPLITS:
        records = list(dataset.records(split))
        assert len(records) == len(original[split])
        for record in records:
            example = {name.removeprefix(f"{split}/"): value for name, value in record.items()}
            assert same(example, original[split][example["id"].decode()])
    classes = {record["classes/index"]: record["classes/name"] for record in dataset.records("classes")}
    assert classes == {i: str(i) for i in range(10)}
    assert dataset.metadata.version == "2.0.0"


def test_from_tfrecord_by_command(tmp_path, original, capsys):
    folder = tmp_path / "data"
    tfds.builder("digits_noisy/medium", data_dir=folder).download_and_prepare()
    target, out = "digits_noisy/medium", tmp_path / "out"
    assert cli.main(["export", target, "--data-dir", str(folder), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"datasets.load_dataset('{out}', split='noisy_label_train')" in said
    read = datasets.load_dataset(str(out), split="noisy_label_train", cache_dir=str(tmp_path / "cache"))
    assert all(same(example, original["noisy_label_train"][example["id"]]) for example in read)


def test_further_labels_are_exported(tmp_path):
    """CIFAR-100 carries the superclass along."""
    features = export_module._features(builder_class("cifar100_noisy")(config="low", data_dir=tmp_path))
    assert features["coarse_label"].num_classes == 20
    assert features["label"].num_classes == 100


def test_what_cannot_be_exported(builder, tmp_path):
    with pytest.raises(ExportError, match="no export format 'csv'; there are huggingface, croissant"):
        export(builder, tmp_path / "out", "csv")
    not_built = tfds.builder("digits_noisy/low", data_dir=tmp_path)
    with pytest.raises(ExportError, match=r"digits_noisy/low is not built in .*`noisy-labels build digits_noisy/low`"):
        export(not_built, tmp_path / "out", "croissant")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(ExportError, match="full is not empty"):
        export(builder, tmp_path / "full", "croissant")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


def test_a_full_disk_names_the_folder_and_leaves_nothing(builder, tmp_path, monkeypatch):
    def full(builder, folder, shard_bytes):
        folder.mkdir(parents=True)
        raise OSError(
            28, "Error writing bytes to file. Detail: [errno 28] No space left on device"
        )  # as pyarrow says it

    monkeypatch.setattr(export_module, "_write_splits", full)
    with pytest.raises(OSError, match=rf"cannot save digits_noisy/medium: .*No space left .*'{tmp_path}/out'"):
        export(builder, tmp_path / "out", "huggingface")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_export_leaves_nothing(builder, tmp_path, monkeypatch):
    rows = export_module._rows

    def interrupted(builder, split, features):
        if split == "noisy_label_valid":
            raise KeyboardInterrupt
        yield from rows(builder, split, features)

    monkeypatch.setattr(export_module, "_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(builder, tmp_path / "out", "huggingface")
    assert not list(tmp_path.iterdir())
