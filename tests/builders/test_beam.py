"""Building with Apache Beam: the same bytes and the same errors as without, whoever runs the pipeline."""

import pathlib
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import logging
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from etils import epath
from hypothesis import given, settings
from hypothesis import strategies as st

from noisy_label_datasets.base import bases as base_module
from noisy_label_datasets.base.arrays import LabelledImages
from noisy_label_datasets.base.bases import ArraysBase, encode_png
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS, SplitPlan
from noisy_label_datasets.build import beam_build, beam_join
from noisy_label_datasets.build.beam_build import BeamBuildError, original_error, with_local_runner
from noisy_label_datasets.build.beam_join import BaseParts, BeamJoin, LabelTable
from noisy_label_datasets.build.builder import BuildError, load_clean_dataset
from noisy_label_datasets.build.join import (
    NO_IMAGE,
    NO_LABELS,
    REPEATED,
    JoinError,
    example_features,
    join_by_id,
)
from noisy_label_datasets.build.records import ReproducibleWriter
from noisy_label_datasets.labels.sources import NoisyLabels
from noisy_label_datasets.registration import builder_class
from tests.made_up import declared_by, pool_folder, write_pool

COUNTS = {"train": 120, "test": 15}
NAMES = list(builder_class("cifar10_noisy").BASE.class_names)
RNG = np.random.default_rng(0)


class MadeUpCifar10(tfds.image_classification.Cifar10, skip_registration=True):
    name = "cifar10"

    def _split_generators(self, dl_manager):
        self.info.features["label"].names = NAMES
        return {split: self._examples(split) for split in COUNTS}

    def _examples(self, split):
        for i in range(COUNTS[split]):
            image = np.full((32, 32, 3), i, np.uint8)
            yield i, {"id": self.id_of(split, i), "image": encode_png(image), "label": i % 10}

    def id_of(self, split, i):
        return f"{split}_{i:05d}"


class RepeatingCifar10(MadeUpCifar10, skip_registration=True):
    name = "cifar10"

    def id_of(self, split, i):
        return super().id_of(split, 7 if i == 8 else i)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A folder with the prepared base, which nobody changes."""
    folder = tmp_path_factory.mktemp("base")
    MadeUpCifar10(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def clean(base):
    return load_clean_dataset("cifar10_noisy", base)


@pytest.fixture
def data_dir(base, clean, tmp_path):
    shutil.copytree(base / "cifar10", tmp_path / "cifar10")
    write_pool(tmp_path, clean)
    return tmp_path


def build(folder, **arguments):
    builder = tfds.builder("cifar10_noisy/low", data_dir=folder, file_format="array_record", **arguments)
    builder.download_and_prepare()
    return builder


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "cifar10_noisy" / "low" / "2.0.0").iterdir()}


def test_beam_builds_the_same_bytes(data_dir, monkeypatch):
    monkeypatch.setattr(base_module, "PART_SIZE", 50)  # three parts of `train`
    build(data_dir, beam=False)
    plain = files_of(data_dir)
    shutil.rmtree(data_dir / "cifar10_noisy")
    build(data_dir, beam=True)
    assert files_of(data_dir) == plain
    assert sum("array_record" in name for name in plain) == 5


@pytest.mark.slow
def test_two_worker_processes_build_the_same_bytes(data_dir):
    build(data_dir, beam=False)
    plain = files_of(data_dir)
    shutil.rmtree(data_dir / "cifar10_noisy")
    options = PipelineOptions(["--direct_num_workers=2", "--direct_running_mode=multi_processing"])
    builder = tfds.builder("cifar10_noisy/low", data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(beam_options=options))
    assert files_of(data_dir) == plain


def relabelled_pool(clean, data_dir):
    """Labels of which one id is unknown to the base, one is missing, and all of `test` contradict it."""
    shutil.rmtree(pool_folder(data_dir, clean.name))
    examples = declared_by(clean)["examples"]
    ids, labels = examples["noisy_label_valid"]
    examples["noisy_label_valid"] = (np.append(ids[1:], "new"), np.append(labels[1:], 0).astype(np.int32))
    examples["test"] = (clean.splits["test"].ids, 9 - clean.splits["test"].labels)
    write_pool(data_dir, clean, examples=examples)


def test_labels_that_do_not_fit_are_the_same_error_as_without_beam(data_dir, clean):
    relabelled_pool(clean, data_dir)
    said = {}
    for beam in (False, True):
        with pytest.raises(JoinError) as caught:
            build(data_dir, beam=beam)
        said[beam] = str(caught.value).partition("test_")[0]  # then examples in another order
        assert caught.value.__cause__ is None
        assert not tfds.builder("cifar10_noisy/low", data_dir=data_dir).is_prepared()
    assert said[True] == said[False]
    for part in (
        "1 examples of the base dataset have no noisy labels",
        "such as new",
        "15 examples have another clean",
    ):
        assert part in said[True]


def test_what_is_wrong_with_an_id():
    """That these reach the report is tested with whole pipelines."""
    labelled = ("noisy_label_train", "noisy_label_valid")

    def faults(of_base, of_labels):
        found = list(beam_join._id_faults(("a", {"base": iter(of_base), "labels": iter(of_labels)}), labelled))
        assert all(id_ == "a" for _, id_ in found)
        return {what for what, _ in found}

    train, valid = labelled
    assert faults([train], [train]) == faults(["clean_label_train"], []) == set()
    assert faults([train, train], [train]) == faults(["", "test"], []) == {REPEATED}
    assert faults([train], []) == {NO_LABELS}
    assert faults([], [train]) == {NO_IMAGE}
    assert faults([train], [valid]) == {NO_LABELS, NO_IMAGE}


@pytest.mark.slow  # one more pipeline, for one of these faults
def test_an_id_that_stands_in_the_base_twice(data_dir):
    shutil.rmtree(data_dir / "cifar10")
    RepeatingCifar10(data_dir=data_dir, file_format="array_record").download_and_prepare()
    with pytest.raises(
        JoinError, match=r"2 ids stand in the base dataset more than once, such as test_00007, train_00"
    ):
        build(data_dir, beam=True)


@pytest.mark.slow  # a third pipeline that fails; that its error is told as it was is tested below, too
def test_a_full_disk_under_a_worker(data_dir, monkeypatch):
    def write(writer, path, examples):
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(ReproducibleWriter.__mro__[1], "write", write)
    with pytest.raises(OSError, match=r"^cannot write \S*: No space left on device$"):
        build(data_dir, beam=True)
    assert not list((data_dir / "cifar10_noisy" / "low").iterdir())


def test_parquet_is_refused(data_dir):
    parquet = tfds.builder("cifar10_noisy/low", data_dir=data_dir, file_format="parquet", beam=True)
    with pytest.raises(BuildError, match="TFDS loses rows"):
        parquet.download_and_prepare()


KILLED = """
import os, sys
import noisy_label_datasets.build.records as records
import tensorflow_datasets as tfds
write, shards = records.ReproducibleWriter.write, []
def killed(*arguments):
    shards.append(write(*arguments))
    if len(shards) == 3: os.kill(os.getpid(), 9)
records.ReproducibleWriter.write = killed
tfds.builder("cifar10_noisy/low", data_dir=sys.argv[1], file_format="array_record", beam=True).download_and_prepare()
"""


@pytest.mark.slow
def test_a_build_that_is_killed_leaves_nothing_that_is_taken_for_whole(data_dir):
    process = subprocess.run([sys.executable, "-c", KILLED, data_dir], capture_output=True, check=False)
    assert process.returncode == -9
    assert list((data_dir / "cifar10_noisy" / "low").rglob("*array_record*"))  # it was in the middle of it
    assert not tfds.builder("cifar10_noisy/low", data_dir=data_dir).is_prepared()


# Who uses Beam.


def uses_beam(dataset="digits_noisy", config=None, **arguments):
    builder = tfds.builder(f"{dataset}/low", **arguments)
    return pickle.loads(pickle.dumps(builder))._uses_beam(config or tfds.download.DownloadConfig())


def test_datasets_say_whether_beam_builds_them_and_users_say_otherwise(tmp_path):
    options = tfds.download.DownloadConfig(beam_options=PipelineOptions(["--direct_num_workers=2"]))
    runner = tfds.download.DownloadConfig(beam_runner="SparkRunner")
    assert [uses_beam(data_dir=tmp_path, beam=beam) for beam in (None, True, False)] == [False, True, False]
    assert [uses_beam(data_dir=tmp_path, config=config) for config in (options, runner)] == [True, True]
    assert not uses_beam(data_dir=tmp_path, beam=False, config=options)
    declared = {name: builder_class(name).BEAM for name in ("pcam_noisy", "cifar10_noisy", "cats_vs_dogs_noisy")}
    assert declared == {"pcam_noisy": True, "cifar10_noisy": False, "cats_vs_dogs_noisy": False}


@pytest.mark.parametrize("gigabytes", [0.1, 4])
def test_a_dataset_that_would_not_fit_the_local_runner_is_built_without(data_dir, monkeypatch, caplog, gigabytes):
    """Unless someone asked for Beam: then it is tried."""
    logging.set_verbosity(logging.WARNING)  # a command that another test ran in this process has silenced it
    free = beam_build.LOCAL_MEMORY * 1e9
    monkeypatch.setattr(beam_build.psutil, "virtual_memory", lambda: type("Memory", (), {"available": free}))
    monkeypatch.setattr(type(builder_class("cifar10_noisy").BASE), "num_bytes", lambda *_: gigabytes * 1e9)
    monkeypatch.setattr(builder_class("cifar10_noisy"), "BEAM", True)

    def prepare(*arguments):
        raise BeamBuildError("Beam is used")

    monkeypatch.setattr(BeamJoin, "prepare", prepare)
    with pytest.raises(BeamBuildError, match="Beam is used"):
        build(data_dir, beam=True)
    if gigabytes < 1:
        with pytest.raises(BeamBuildError, match="Beam is used"):
            build(data_dir)
    else:
        assert build(data_dir).is_prepared()
        assert "cifar10_noisy is built by one process: Beam's local runner would need about 28 GB" in caplog.text


def test_the_runner_is_the_users_or_a_local_one_that_needs_no_download():
    runner, options = with_local_runner(None, None)
    assert isinstance(runner, FnApiRunner)
    given = PipelineOptions(["--direct_num_workers=3"])
    runner, options = with_local_runner(None, given)
    assert isinstance(runner, FnApiRunner)
    assert options is given
    assert with_local_runner(None, PipelineOptions(["--runner=FlinkRunner"]))[0] is None  # as Beam finds it there
    assert with_local_runner("SparkRunner", given) == ("SparkRunner", given)


# What comes out of Beam as text.

TRACEBACK = """Traceback (most recent call last):
  File "apache_beam/runners/common.py", line 1495, in apache_beam.runners.common.DoFnRunner.process
ValueError: the cause, which is not meant [while running 'Join']

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "sdk_worker.py", line 307, in _execute
{error} [while running 'Join-ptransform-12']

"""


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        ("noisy_label_datasets.build.join.JoinError: two\nlines: of it", JoinError, "two\nlines: of it"),
        ("OSError: cannot write x: No space left", OSError, "cannot write x: No space left"),
        ("RuntimeError: FileNotFoundError: [Errno 2] No such file: 'x'", OSError, "[Errno 2] No such file: 'x'"),
        ("ValueError: other", BeamBuildError, "building with Beam failed: ValueError: other"),
    ],
)
def test_the_error_of_a_worker_comes_back_as_it_was(raised, kind, message):
    error = original_error(RuntimeError(TRACEBACK.format(error=raised)))
    assert type(error) is kind
    assert str(error) == message


def test_the_error_of_a_worker_in_the_same_process():
    for raised in (JoinError("a: b"), OSError("cannot write x")):
        error = original_error(type(raised)(f"{raised} [while running 'Join']"))
        assert (type(error), str(error)) == (type(raised), str(raised))
        assert original_error(raised) is raised


def test_an_error_of_beam_itself():
    error = original_error(RuntimeError("no such runner"))
    assert isinstance(error, BeamBuildError)
    assert str(error) == "building with Beam failed: RuntimeError: no such runner"


# The join of a worker against the join in one pass.

PLAN = SplitPlan(
    {
        "train": {
            "clean_label_train": 0.4,
            "clean_label_valid": 0.1,
            "noisy_label_train": 0.4,
            "noisy_label_valid": 0.1,
        },
        "test": {"test": 1.0},
    }
)


def labels_of(ids, random):
    of_split = {split: [] for split in LABELLED_SPLITS}
    for id_, split in zip(ids, PLAN.assign("train", ids).tolist(), strict=True):
        if split in of_split:
            of_split[split].append(id_)
    for some in of_split.values():
        random.shuffle(some)
    rng = np.random.default_rng(len(ids))
    return NoisyLabels(
        raters=({"id": "a"}, {"id": "b"}),
        division=PLAN,
        ids={split: np.array(some, np.str_) for split, some in of_split.items()},
        clean_labels={split: np.zeros(len(some), np.int32) for split, some in of_split.items()},
        noisy_labels={split: rng.integers(-1, 300, (len(some), 2), np.int32) for split, some in of_split.items()},
        provenance={},
        origin="trained",
        sha256="0" * 64,
    )


@settings(max_examples=40, deadline=None)
@given(st.sets(st.text(alphabet="abé\U0001f4280_", min_size=1), min_size=1, max_size=40), st.randoms())
def test_a_worker_joins_as_one_pass_does(tmp_path_factory, ids, random):
    ids = sorted(ids)
    labels = labels_of(ids, random)
    draws = {split: np.arange(len(of_split)) % 3 - 1 for split, of_split in labels.ids.items()}
    batch = ExampleBatch("train", ids, [id_.encode() for id_ in ids], [0] * len(ids))
    expected = {}
    for joined in join_by_id([batch], labels):
        row = (joined.split, joined.row)
        of_raters = labels.noisy_labels[row[0]][row[1]].tolist() if joined.row >= 0 else [-1, -1]
        draw = int(draws[row[0]][row[1]]) if joined.row >= 0 else -1
        expected[joined.id] = (row[0], example_features(joined.id, joined.image, 0, of_raters, draw, {}))
    folder = epath.Path(tmp_path_factory.mktemp("build")) / "join"
    with BeamJoin.prepare(folder, labels, draws, BaseParts([lambda: iter([batch])])) as join:
        worker = beam_join._JoinParts(join)
        worker.setup()
        outputs = list(worker.process(0))
        assert sorted(LabelTable.read(folder, "noisy_label_train").ids.tolist()) == sorted(
            id_.encode() for id_ in labels.ids["noisy_label_train"].tolist()
        )
    found = {output.value[0]: (output.tag, output.value[1]) for output in outputs if output.tag in SPLITS}
    assert found == expected
    assert dict(output.value for output in outputs if output.tag == "ids") == {i: s for i, (s, _) in expected.items()}
    assert not folder.exists()


def shapes():
    images = np.arange(30, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    ids = np.array([f"shape_{i}" for i in range(30)])
    return {"train": LabelledImages(ids=ids, images=images, labels=np.arange(30, dtype=np.int32) % 2)}


@pytest.mark.parametrize("dataset", ["arrays", "cifar10"])
def test_the_parts_of_a_base_are_the_base(dataset, data_dir, monkeypatch):
    monkeypatch.setattr(base_module, "PART_SIZE", 16)
    arrays = ArraysBase(name="shapes", version="1.0.0", class_names=("a", "b"), image_shape=(4, 4, 1), load=shapes)
    base = arrays if dataset == "arrays" else builder_class("cifar10_noisy").BASE
    parts = pickle.loads(pickle.dumps(base.parts(data_dir, ["train"])))
    assert len(parts) == {"arrays": 2, "cifar10": 8}[dataset]
    in_parts = [example for part in parts for batch in part() for example in zip(batch.ids, batch.images, strict=True)]
    whole = [
        example for batch in base.batches(data_dir, ["train"]) for example in zip(batch.ids, batch.images, strict=True)
    ]
    assert in_parts == whole
