"""The whole way on the digits, without TensorFlow: labels by id, metadata, reproducibility, faults, interrupts."""

import errno
import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from sklearn import datasets as sklearn_datasets

import noisy_label_datasets
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS
from noisy_label_datasets.build.builder import BuildError, load_clean_dataset
from noisy_label_datasets.build.configs import NoisyLabelConfig
from noisy_label_datasets.build.records import ReproducibleWriter
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.files import pack_arrays, unpack_arrays
from noisy_label_datasets.labels.checksums import read_checksums
from noisy_label_datasets.labels.predictions import PredictionsError, read_predictions
from noisy_label_datasets.labels.sources import MissingLabelsError, Raters
from noisy_label_datasets.maintenance.digits_arrays import digits_npz
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.registration import builder_class
from tests.made_up import write_pool


@pytest.fixture(scope="module")
def clean():
    return load_clean_dataset("digits_noisy")


@pytest.fixture(scope="module")
def data_dir(clean, tmp_path_factory):
    """A user's folder with a pool trained on this machine and the dataset built from it."""
    folder = tmp_path_factory.mktemp("data")
    write_pool(folder, clean, num_raters=4)
    build(folder)
    return folder


@pytest.fixture
def fresh_dir(data_dir, tmp_path):
    """The same before the build."""
    shutil.copytree(data_dir / "rater_predictions", tmp_path / "rater_predictions")
    return tmp_path


def builder(folder, config="low"):
    return tfds.builder("digits_noisy", config=config, data_dir=folder, file_format="array_record")


def build(folder, config="low"):
    built = builder(folder, config)
    built.download_and_prepare()
    return built


def test_images_and_labels_are_those_of_scikit_learn(clean):
    digits = sklearn_datasets.load_digits()
    seen = 0
    for examples in clean.splits.values():
        places = [int(id_.removeprefix("digits_")) for id_ in examples.ids]
        np.testing.assert_array_equal(examples.labels, digits.target[places])
        np.testing.assert_array_equal(examples.images[..., 0], np.round(digits.images[places] * 255 / 16))
        seen += len(places)
    assert seen == len(digits.target) == 1797


def test_the_shipped_arrays_are_those_that_maintenance_writes():
    shipped = builder_class("digits_noisy").code_path.parent / "digits.npz"
    written = unpack_arrays(digits_npz())  # their compressed bytes may differ with zlib
    kept = unpack_arrays(shipped.read_bytes())
    assert {name: array.tolist() for name, array in written.items()} == {n: a.tolist() for n, a in kept.items()}


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-30], lambda data: b"", lambda data: pack_arrays({"ink": np.ones(3)})]
)
def test_damaged_arrays_are_an_error_that_names_the_file(monkeypatch, tmp_path, damage):
    module = sys.modules[builder_class("digits_noisy").__module__]
    damaged = tmp_path / "digits.npz"
    damaged.write_bytes(damage(module.ARRAYS.read_bytes()))
    monkeypatch.setattr(module, "ARRAYS", damaged)
    with pytest.raises(BaseDatasetError, match=rf"{damaged} cannot be read, so install the package again: not a whole"):
        module.load_digits()


def test_sizes_are_as_the_plan_has_them(clean):
    fractions = clean.split_plan.fractions["all"]
    for split, examples in clean.splits.items():
        four_sigma = 4 * np.sqrt(1797 * fractions[split] * (1 - fractions[split]))
        assert abs(len(examples) - 1797 * fractions[split]) < four_sigma


def test_every_example_of_the_built_dataset(data_dir, clean):
    predictions = read_predictions(data_dir / "rater_predictions" / "digits_noisy" / "low")
    sources = builder(data_dir).as_data_source()
    assert set(sources) == set(SPLITS)
    for split in SPLITS:
        examples = clean.splits[split]
        place = {id_: i for i, id_ in enumerate(examples.ids.tolist())}
        votes_of = (
            dict(zip(predictions.ids[split].tolist(), predictions.noisy_labels[split].tolist(), strict=True))
            if split in LABELLED_SPLITS
            else {id_: [-1] * 4 for id_ in place}
        )
        assert len(sources[split]) == len(examples)
        for example in sources[split]:
            id_ = example["id"].decode()
            i = place.pop(id_)
            np.testing.assert_array_equal(example["image"], examples.images[i])
            assert example["label"] == examples.labels[i]
            assert list(example["noisy_labels"]) == votes_of[id_]
            rater = example["noisy_label_rater"]
            if split.startswith("noisy_label"):
                assert example["noisy_label"] == votes_of[id_][rater]
            else:
                assert (rater, example["noisy_label"]) == (-1, examples.labels[i])
        assert not place


def test_what_the_dataset_says_of_itself_comes_back_without_our_code(data_dir):
    folder = data_dir / "digits_noisy" / "low" / "2.0.0"
    info = tfds.builder_from_directory(folder).info
    assert info.supervised_keys == ("image", "noisy_label")
    assert info.metadata["origin"] == "trained"
    assert info.metadata["base"] == {"name": "digits", "version": "1.0.0"}
    assert info.metadata["provenance"] == {"device": "none"}
    artifact = read_predictions(data_dir / "rater_predictions" / "digits_noisy" / "low")
    assert info.metadata["labels_sha256"] == artifact.sha256
    table = noisy_label_datasets.rater_features(info)
    assert table.index.tolist() == [rater["id"] for rater in artifact.raters]
    assert table["accuracy"].tolist() == [0.7] * 4
    assert "Handwritten digits" in info.description
    assert "gu2023instance" in info.citation


def test_the_figures_are_those_of_the_built_dataset(data_dir):
    info = builder(data_dir).info
    source = builder(data_dir).as_data_source("noisy_label_train")
    votes = np.array([example["noisy_labels"] for example in source])
    labels = np.array([example["label"] for example in source])
    noise = info.metadata["noise"]
    assert noise["num_examples"] == len(source) == info.splits["noisy_label_train"].num_examples
    assert noise["rater_error_rate"] == pytest.approx((votes != labels[:, None]).mean())
    assert noise["error_rate_by_rater"] == pytest.approx((votes != labels[:, None]).mean(axis=0).tolist())
    assert noise["krippendorff_alpha"] == pytest.approx(metrics.krippendorff_alpha(votes, 10))


def test_features_of_an_unbuilt_dataset_are_an_error(tmp_path):
    with pytest.raises(NoisyLabelsError, match=r"digits_noisy/low/2\.0\.0 has no rater features: it is not built yet"):
        noisy_label_datasets.rater_features(builder(tmp_path).info)


BUILD = """
import sys, noisy_label_datasets, tensorflow_datasets as tfds
builder = tfds.builder("digits_noisy/low", data_dir=sys.argv[1], file_format="array_record")
builder.download_and_prepare()
print(len(noisy_label_datasets.rater_features(builder.info)), "tensorflow" in sys.modules)
"""


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_builds_in_two_processes_are_the_same_bytes(data_dir, fresh_dir):
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}  # this process has another one
    printed = subprocess.run(
        [sys.executable, "-c", BUILD, fresh_dir], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert printed.splitlines()[-1] == "4 False"
    here, there = files_of(data_dir / "digits_noisy"), files_of(fresh_dir / "digits_noisy")
    assert sum("array_record" in name for name in here) == 5
    assert here == there


def test_a_pinned_version_and_a_slice(data_dir):
    split = tfds.data_source(
        "digits_noisy/low:2.0.0",
        split="noisy_label_train[:10%]",
        data_dir=data_dir,
        builder_kwargs={"file_format": "array_record"},
    )
    whole = builder(data_dir).info.splits["noisy_label_train"].num_examples
    assert len(split) == round(whole / 10)


def test_labels_of_ones_own_are_a_config_and_survive_pickling(clean, tmp_path):
    write_pool(tmp_path, clean, "mine", num_raters=2)
    config = NoisyLabelConfig(name="mine", source=Raters("mine"), description="Two raters.")
    built = pickle.loads(pickle.dumps(builder(tmp_path, config)))
    assert built.builder_config == config
    built.download_and_prepare(file_format="array_record")
    assert len(built.as_data_source("test")[0]["noisy_labels"]) == 2
    again = tfds.builder_from_directory(tmp_path / "digits_noisy" / "mine" / "2.0.0")
    assert len(noisy_label_datasets.rater_features(again.info)) == 2


def test_labels_that_are_nowhere(tmp_path):
    shipped = builder_class("digits_noisy").code_path.parent / "rater_predictions" / "nowhere"
    with pytest.raises(MissingLabelsError) as caught:
        build(tmp_path, NoisyLabelConfig(name="nowhere", source=Raters("nowhere")))
    said = str(caught.value)
    assert said.startswith("no rater predictions for digits_noisy/nowhere: looked in ")
    assert str(tmp_path / "rater_predictions" / "digits_noisy" / "nowhere") in said
    assert str(shipped) in said
    assert said.endswith("train them with `noisy-labels train digits_noisy/nowhere`")


def test_unknown_config_and_split_name_what_there_is(data_dir):
    with pytest.raises(BuildError, match=r"digits_noisy has no config 'lwo'; there are .*low, medium, high"):
        builder(data_dir, "lwo")
    with pytest.raises(ValueError, match=r"noisy_label_train"):
        builder(data_dir).as_data_source("train")


def test_parquet_is_refused(fresh_dir):
    parquet = tfds.builder("digits_noisy/low", data_dir=fresh_dir, file_format="parquet")
    with pytest.raises(BuildError, match=r"TFDS loses rows .*tfrecord .*array_record"):
        parquet.download_and_prepare()
    assert not parquet.is_prepared()


def test_an_artifact_with_too_few_raters(fresh_dir):
    (fresh_dir / "rater_predictions" / "digits_noisy" / "low" / "raters" / "02-made_up.npz").unlink()
    with pytest.raises(PredictionsError, match=r"02-made_up\.npz is not there: the artifact is incomplete"):
        build(fresh_dir)


class Stop:
    """Something that happens while the third shard is written."""

    def __init__(self, what):
        self.what, self.shards = what, 0

    def __call__(self, writer, path, examples):
        self.shards += 1
        if self.shards == 3:
            pathlib.Path(path).write_bytes(b"half a shard")
            raise self.what
        return original_write(writer, path, examples)


original_write = ReproducibleWriter.write


@pytest.mark.parametrize("what", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_build_that_is_stopped_leaves_nothing_that_is_taken_for_whole(data_dir, fresh_dir, monkeypatch, what):
    stop = Stop(what)
    monkeypatch.setattr(ReproducibleWriter, "write", lambda *arguments: stop(*arguments))
    with pytest.raises(type(what)):
        build(fresh_dir)
    assert stop.shards == 3
    monkeypatch.undo()
    assert not builder(fresh_dir).is_prepared()
    assert not list((fresh_dir / "digits_noisy" / "low").iterdir())
    build(fresh_dir)
    assert files_of(fresh_dir / "digits_noisy") == files_of(data_dir / "digits_noisy")


@pytest.mark.parametrize(
    "kind", [RuntimeError, type("ResourceExhaustedError", (Exception,), {"__module__": "tensorflow.x"})]
)
def test_a_full_disk_is_an_os_error_whatever_the_format_makes_of_it(fresh_dir, monkeypatch, kind):
    def write(writer, path, examples):
        raise kind("No space left on device")

    monkeypatch.setattr(ReproducibleWriter.__mro__[1], "write", write)
    with pytest.raises(OSError, match=r"cannot write .*clean_label_train.*No space left on device"):
        build(fresh_dir)
    assert not builder(fresh_dir).is_prepared()


MOMENTS = {
    "while images and labels are joined": ("noisy_label_datasets.build.join", "Spool.add", 900),
    "after the first shard": ("noisy_label_datasets.build.records", "ReproducibleWriter.write", 1),
    "in the middle of the shards": ("noisy_label_datasets.build.records", "ReproducibleWriter.write", 3),
    "before the metadata": ("tensorflow_datasets.core.dataset_info", "DatasetInfo.write_to_directory", 1),
    "before it gets its name": ("etils.epath.gpath", "PosixGPath.rename", 1),
}
KILL = """
import importlib, os, sys
module, (owner, name), calls = importlib.import_module(sys.argv[2]), sys.argv[3].split("."), int(sys.argv[4])
owner = getattr(module, owner)
called, counted = getattr(owner, name), []
def killed(*arguments, **keywords):
    counted.append(name)
    result = called(*arguments, **keywords) if name in ("add", "write") else None
    if len(counted) == calls: os.kill(os.getpid(), 9)
    return result
setattr(owner, name, killed)
"""


@pytest.mark.parametrize(
    "moment",
    [moment if "middle" in moment else pytest.param(moment, marks=pytest.mark.slow) for moment in MOMENTS],
)
def test_a_build_that_is_killed_leaves_nothing_that_is_taken_for_whole(data_dir, fresh_dir, moment):
    command = [sys.executable, "-c", KILL + BUILD, fresh_dir, *map(str, MOMENTS[moment])]
    process = subprocess.run(command, capture_output=True, check=False)
    assert process.returncode == -9, process.stderr
    shards = list((fresh_dir / "digits_noisy" / "low").rglob("*array_record*"))
    assert bool(shards) == ("joined" not in moment)  # it was in the middle of it
    assert not builder(fresh_dir).is_prepared()
    build(fresh_dir)
    assert files_of(fresh_dir / "digits_noisy" / "low" / "2.0.0") == files_of(data_dir / "digits_noisy/low/2.0.0")


def test_a_data_dir_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="file"):
        build(tmp_path / "file")


@pytest.mark.parametrize("level", ["low", "medium", "high"])
def test_shipped_labels_build_without_training(tmp_path, level):
    folder = builder_class("digits_noisy").code_path.parent
    if f"rater_predictions/{level}/manifest.json" not in read_checksums(folder):
        pytest.skip(f"no labels of digits_noisy/{level} are shipped yet")
    info = build(tmp_path, level).info
    assert info.metadata["origin"] == "shipped"
    assert json.loads((folder / "rater_predictions" / level / "manifest.json").read_text())["level"] == level
    assert len(noisy_label_datasets.rater_features(info)) >= 8
