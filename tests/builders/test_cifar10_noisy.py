"""On top of a TFDS dataset: a made-up `cifar10` stands for the real one, as small as five splits allow."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import resource
from tensorflow_datasets.core.utils import file_utils

from noisy_label_datasets.base import tfds_base
from noisy_label_datasets.base.bases import TfdsBase, encode_png
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS
from noisy_label_datasets.build.builder import load_clean_dataset
from noisy_label_datasets.build.join import JoinError
from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.registration import builder_class
from tests.made_up import pool_folder, write_pool, write_raters

COUNTS = {"train": 120, "test": 15}
NAMES = list(builder_class("cifar10_noisy").BASE.class_names)
RNG = np.random.default_rng(0)
EXAMPLES = {
    f"{split}_{i:05d}": (RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8), int(RNG.integers(10)))
    for split, count in COUNTS.items()
    for i in range(count)
}


class MadeUpCifar10(tfds.image_classification.Cifar10, skip_registration=True):
    name = "cifar10"
    url_infos = tfds.image_classification.Cifar10.url_infos

    def _split_generators(self, dl_manager):
        self.info.features["label"].names = NAMES
        return {split: self._examples(split) for split in COUNTS}

    def _examples(self, split):
        for id_, (image, label) in EXAMPLES.items():
            if id_.startswith(split):
                yield id_, {"id": id_, "image": encode_png(image), "label": label}


class OlderCifar10(MadeUpCifar10, skip_registration=True):
    name = "cifar10"
    VERSION = tfds.core.Version("3.0.1")
    SUPPORTED_VERSIONS = []  # noqa: RUF012


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the base in array_record, which is read without TensorFlow."""
    folder = tmp_path_factory.mktemp("base")
    MadeUpCifar10(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def clean(prepared):
    return load_clean_dataset("cifar10_noisy", prepared)


@pytest.fixture
def data_dir(prepared, clean, tmp_path):
    """A user's folder: the base prepared, a pool trained."""
    shutil.copytree(prepared / "cifar10", tmp_path / "cifar10")
    write_pool(tmp_path, clean, num_raters=4)
    return tmp_path


@pytest.fixture
def no_network(monkeypatch):
    """No host answers, and nothing tries for minutes."""

    def head(url, **arguments):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(requests, "head", head)
    monkeypatch.setattr(file_utils, "list_data_dirs", list)


def build(folder, file_format="array_record"):
    builder = tfds.builder("cifar10_noisy/low", data_dir=folder, file_format=file_format)
    builder.download_and_prepare()
    return builder


def test_clean_arrays_are_those_of_the_base(clean):
    assert sum(len(examples) for examples in clean.splits.values()) == len(EXAMPLES)
    assert {id_[:4] for id_ in clean.splits["test"].ids} == {"test"}
    for examples in clean.splits.values():
        assert examples.ids.tolist() == sorted(examples.ids.tolist())
        for id_, image, label in zip(examples.ids, examples.images, examples.labels, strict=True):
            np.testing.assert_array_equal(image, EXAMPLES[id_][0])
            assert label == EXAMPLES[id_][1]


def check_all_splits(examples_of):
    """examples_of: split -> examples as NumPy values."""
    seen = {}
    for split in SPLITS:
        for example in examples_of(split):
            id_ = example["id"].decode()
            seen[id_] = split
            np.testing.assert_array_equal(example["image"], EXAMPLES[id_][0])
            assert example["label"] == EXAMPLES[id_][1]
            assert example["noisy_labels"].shape == (4,)
            assert (example["noisy_labels"] >= 0).all() == (split in LABELLED_SPLITS)
    assert set(seen) == set(EXAMPLES)
    plan = builder_class("cifar10_noisy").SPLIT_PLAN
    assert all(plan.assign(id_.partition("_")[0], [id_])[0] == split for id_, split in seen.items())


def test_five_splits_from_an_array_record_base(data_dir):
    builder = build(data_dir)
    check_all_splits(builder.as_data_source)
    assert builder.info.metadata["base"] == {"name": "cifar10", "version": "3.0.2"}


def test_images_are_passed_on_as_they_are_stored(data_dir):
    def encoded(folder, splits):
        decoders = {"image": tfds.decode.SkipDecoding()}
        for source in tfds.builder_from_directory(folder).as_data_source(decoders=decoders).values():
            yield from ((example["id"], example["image"]) for example in source)

    build(data_dir)
    stored = dict(encoded(data_dir / "cifar10" / "3.0.2", COUNTS))
    assert dict(encoded(data_dir / "cifar10_noisy" / "low" / "2.0.0", SPLITS)) == stored


def test_tf_data_end_to_end(data_dir):
    """The default file format, base and result, with TensorFlow."""
    shutil.rmtree(data_dir / "cifar10")
    MadeUpCifar10(data_dir=data_dir).download_and_prepare()
    build(data_dir, file_format=None)
    load = lambda split: tfds.as_numpy(tfds.load("cifar10_noisy/low", split=split, data_dir=data_dir))  # noqa: E731
    check_all_splits(load)
    (image, noisy_label), *_ = tfds.as_numpy(
        tfds.load("cifar10_noisy/low", split="noisy_label_train", as_supervised=True, data_dir=data_dir)
    )
    assert image.shape == (32, 32, 3)
    assert 0 <= noisy_label < 10


def test_a_base_in_the_folder_where_tfds_looks_by_itself(data_dir, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("default")
    shutil.move(data_dir / "cifar10", elsewhere / "cifar10")
    monkeypatch.setattr(file_utils, "list_data_dirs", lambda: [elsewhere])
    assert build(data_dir).is_prepared()
    assert not (data_dir / "cifar10").exists()


def test_no_base_and_no_network(data_dir, no_network, monkeypatch):
    monkeypatch.setattr(MadeUpCifar10, "download_and_prepare", lambda self: pytest.fail("would try for minutes"))
    shutil.rmtree(data_dir / "cifar10")
    with pytest.raises(BaseDatasetError) as caught:
        build(data_dir)
    said = str(caught.value)
    assert said.startswith(f"the base dataset cifar10 3.0.2 is not prepared: looked in {data_dir}; no version of it")
    assert "no answer from www.cs.toronto.edu" in said
    assert f"run `tfds build cifar10 --data_dir {data_dir}`" in said
    assert not tfds.builder("cifar10_noisy/low", data_dir=data_dir).is_prepared()


def test_a_base_of_another_version_only(data_dir, no_network):
    shutil.rmtree(data_dir / "cifar10")
    OlderCifar10(data_dir=data_dir, file_format="array_record").download_and_prepare()
    with pytest.raises(BaseDatasetError, match=r"cifar10 3\.0\.2 is not prepared.*prepared are only .*3\.0\.1 \(in "):
        build(data_dir)


def test_a_version_that_tfds_cannot_prepare(tmp_path, no_network):
    base = dataclasses.replace(builder_class("cifar10_noisy").BASE, version="9.9.9")
    with pytest.raises(BaseDatasetError, match=r"cifar10 9\.9\.9 is not prepared.*can only prepare version 3\.0\.2"):
        next(base.batches(tmp_path, ["train"]))


def test_a_dataset_that_tfds_does_not_have(tmp_path, no_network, monkeypatch):
    def builder(name, **arguments):
        raise tfds.core.DatasetNotFoundError(name)

    monkeypatch.setattr(tfds, "builder", builder)
    base = TfdsBase(name="cifar11", version="1.0.0", class_names=("a", "b"), image_shape=(32, 32, 3))
    with pytest.raises(BaseDatasetError, match=r"cifar11 1\.0\.0 is not prepared.*does not have cifar11"):
        next(base.batches(tmp_path, ["train"]))


def test_a_missing_base_is_downloaded_where_there_is_a_network(data_dir, monkeypatch):
    shutil.rmtree(data_dir / "cifar10")
    asked = []
    monkeypatch.setattr(requests, "head", lambda url, **arguments: asked.append(url))
    monkeypatch.setattr(file_utils, "list_data_dirs", list)
    # Downloads nothing, but prepares as TFDS would.
    monkeypatch.setattr(
        tfds, "builder", lambda name, data_dir: MadeUpCifar10(data_dir=data_dir, file_format="array_record")
    )
    clean = load_clean_dataset("cifar10_noisy", data_dir)
    assert asked == ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]
    assert sum(map(len, clean.splits.values())) == len(EXAMPLES)
    assert (data_dir / "cifar10" / "3.0.2" / "dataset_info.json").exists()


def test_a_slow_host_counts_as_there_and_what_was_downloaded_is_not_asked_for(tmp_path, monkeypatch):
    def slow(url, **arguments):
        raise requests.ReadTimeout

    builder = MadeUpCifar10(data_dir=tmp_path)
    monkeypatch.setattr(requests, "head", slow)
    assert tfds_base._unreachable_hosts(builder) == []
    monkeypatch.setattr(requests, "head", lambda url, **arguments: pytest.fail("asked for what is here"))
    ((url, info),) = MadeUpCifar10.url_infos.items()
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / resource.get_dl_fname(url, info.checksum)).touch()
    assert tfds_base._unreachable_hosts(builder) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("plane", *NAMES[1:])}, "cifar10/3.0.2 has the classes .*'airplane'.* not .*'plane'"),
        ({"id_key": "filename"}, r"has no feature \['filename'\]; it has \['id', 'image', 'label'\]"),
    ],
)
def test_a_base_that_is_not_as_declared(prepared, changes, message):
    base = dataclasses.replace(builder_class("cifar10_noisy").BASE, **changes)
    with pytest.raises(BaseDatasetError, match=message):
        next(base.batches(prepared, ["train"]))


def test_a_base_without_a_split(prepared):
    with pytest.raises(BaseDatasetError, match=r"has no split \['validation'\]; it has \['test', 'train'\]"):
        next(builder_class("cifar10_noisy").BASE.batches(prepared, ["train", "validation"]))


@pytest.mark.parametrize(
    ("file_format", "damage"),
    [
        ("array_record", "cut short"),
        ("array_record", "altered"),
        ("array_record", "not there"),
        ("tfrecord", "altered"),
    ],
)
def test_a_damaged_shard_of_the_base(data_dir, file_format, damage):
    if file_format == "tfrecord":
        shutil.rmtree(data_dir / "cifar10")
        MadeUpCifar10(data_dir=data_dir).download_and_prepare()
    (shard,) = (data_dir / "cifar10" / "3.0.2").glob("*train*")
    if damage == "not there":
        shard.unlink()
    else:
        half = shard.stat().st_size // 2
        whole = shard.read_bytes()
        shard.write_bytes(whole[:half] if damage == "cut short" else whole[:half] + bytes(len(whole) - half))
    with pytest.raises(
        BaseDatasetError, match=r"train\[0:120\] of the base dataset in \S*cifar10/3\.0\.2 cannot be read: "
    ):
        build(data_dir)
    assert not tfds.builder("cifar10_noisy/low", data_dir=data_dir).is_prepared()


def examples_of(clean):
    return {split: (clean.splits[split].ids, clean.splits[split].labels) for split in LABELLED_SPLITS}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda c: {"base": {"name": "cifar10", "version": "3.0.1"}}, PredictionsError, r"3\.0\.1.*has .*3\.0\.2"),
        (lambda c: {"class_names": tuple(reversed(NAMES))}, PredictionsError, "is of another class names"),
        (
            lambda c: {"dataset": "cifar100_noisy"},
            PredictionsError,
            "another dataset: cifar100_noisy; cifar10_noisy has",
        ),
        (
            lambda c: {
                "examples": {
                    **examples_of(c),
                    "test": (np.append(c.splits["test"].ids[1:], "new"), c.splits["test"].labels),
                }
            },
            JoinError,
            r"1 examples of the base dataset have no noisy labels.*1 labelled ids are not in the base.*such as new",
        ),
        (
            lambda c: {"examples": {**examples_of(c), "test": (c.splits["test"].ids, 9 - c.splits["test"].labels)}},
            JoinError,
            r"15 examples have another clean label, such as test_",
        ),
    ],
)
def test_labels_of_something_else(data_dir, clean, change, error, message):
    folder = pool_folder(data_dir, "cifar10_noisy")
    shutil.rmtree(folder)
    write_raters(folder, clean, **change(clean))
    with pytest.raises(error, match=message):
        build(data_dir)
    assert not list(pathlib.Path(data_dir / "cifar10_noisy").rglob("*array_record*"))
