"""Pools trained and datasets labelled by Apache Beam pipelines: the same artifact, whoever dies on the way."""

import dataclasses
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.files import unpack_arrays
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.labels.shipped_raters import WeightsError
from rater_training.__main__ import main
from rater_training.training import labelling
from rater_training.training.pool import train_pool
from rater_training.training.progress import ProgressLines
from rater_training.training.weights import PoolWeights
from rater_training.workers import beam_labelling, beam_pool
from tests.training.tiny import pool_of, rater, tiny_dataset

ROOT = pathlib.Path(__file__).parents[2]
IN_MEMORY = ("--runner=FnApiRunner",)
TWO_PROCESSES = ("--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2")


TINY = pool_of(rater("a"), rater("b", seed=1, label_with_flip=True))
# Each takes some seconds, in which checkpoints are written.
LONG = pool_of(
    rater("a", architecture="mlp", steps=60_000, learning_rate=0.01),
    rater("b", architecture="mlp", steps=60_000, learning_rate=0.01, seed=1),
)


@pytest.fixture
def arrays(tmp_path):
    """A folder of arrays with two blocks of images to label in one split."""
    dataset = tiny_dataset(of_test=beam_labelling.BLOCK + 7)
    dataset.save(tmp_path / "arrays")
    return str(tmp_path / "arrays")


def untimed(folder, rater_id):
    """Returns all that a rater's file holds but when and how fast it was trained."""
    members = unpack_arrays((pathlib.Path(folder) / "raters" / f"{rater_id}.npz").read_bytes())
    description = json.loads(members.pop("rater").tobytes())
    for timed in ("wall_seconds", "training_log"):
        description["features"].pop(timed)
    return description, {name: array.tobytes() for name, array in members.items()}


def assert_same(first, second, rater_ids):
    for rater_id in rater_ids:
        assert untimed(first, rater_id) == untimed(second, rater_id)
    manifests = [json.loads((pathlib.Path(folder) / "manifest.json").read_bytes()) for folder in (first, second)]
    for key in ("counts", "provenance", "failures", "dataset", "level"):
        assert manifests[0][key] == manifests[1][key]
    assert [r["id"] for r in manifests[0]["raters"]] == [r["id"] for r in manifests[1]["raters"]]


def test_a_pipeline_trains_the_same_raters_and_labels_the_same_bytes(arrays, tmp_path):
    dataset = CleanDataset.load(arrays)
    alone, spread, again = tmp_path / "alone", tmp_path / "spread", tmp_path / "again"
    train_pool(dataset, TINY, alone, ProgressLines(TINY), save_weights=True)
    assert beam_pool.train_pool_on_workers(beam_pool.Work(arrays, TINY, str(spread)), options=IN_MEMORY)
    assert_same(alone, spread, "ab")
    assert [len(r["training_log"]["attempts"]) for r in read_predictions(spread).raters] == [1, 1]
    assert not (spread / "checkpoints").exists()

    beam_labelling.label_dataset_on_workers(str(alone / "weights"), arrays, str(again), options=IN_MEMORY)
    for name in ("manifest.json", "examples.npz", "raters/a.npz", "raters/b.npz"):
        assert (again / name).read_bytes() == (alone / name).read_bytes()


def test_what_is_stored_is_not_trained_again_and_who_diverged_is_left_out(arrays, tmp_path):
    out = tmp_path / "out"
    wild = pool_of(rater("a"), rater("wild", architecture="mlp", learning_rate=1e20))
    work = beam_pool.Work(arrays, wild, str(out))
    assert not beam_pool.train_pool_on_workers(work, only=("a",), options=IN_MEMORY)
    before = (out / "raters" / "a.npz").read_bytes()
    assert beam_pool.train_pool_on_workers(work, options=IN_MEMORY)
    assert (out / "raters" / "a.npz").read_bytes() == before
    assert "loss" in read_predictions(out).failures["wild"]


def test_two_attempts_at_one_rater_at_the_same_time(arrays, tmp_path):
    import concurrent.futures

    work = beam_pool.Work(arrays, pool_of(rater("a", steps=2000)), str(tmp_path / "out"))
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        attempts = [executor.submit(beam_pool.train_element, work.pool.raters[0], work) for _ in range(2)]
        assert [attempt.result() for attempt in attempts] == [("a", None)] * 2
    assert beam_pool.finish([("a", None)], work)
    assert len(read_predictions(tmp_path / "out").raters[0]["training_log"]["attempts"]) == 1


_RUN = """
import sys
sys.path.insert(0, {tests!r})
import test_workers
work = test_workers.beam_pool.Work({arrays!r}, test_workers.LONG, {out!r}, checkpoint_seconds=0.0, patience=3.0)
test_workers.beam_pool.train_pool_on_workers(work, options=test_workers.TWO_PROCESSES)
"""


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_its_rater_the_steps_since_its_checkpoint(arrays, tmp_path):
    """Two worker processes; one gets SIGKILL in the middle of a rater, and the same command is given again."""
    out = tmp_path / "out"
    script = _RUN.format(tests=str(pathlib.Path(__file__).parent), arrays=arrays, out=str(out))
    command, environment = [sys.executable, "-c", script], {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (kept := [int(p.name) for p in (out / "checkpoints" / "a").glob("*") if p.name.isdigit()]) or (
        max(kept) < 300
    ):
        assert process.poll() is None, "the pipeline ended before a worker could be killed"
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.05)
    worker = json.loads((out / "checkpoints" / "a.lease").read_text())["worker"]
    os.kill(int(worker.rpartition(":")[2]), signal.SIGKILL)
    assert process.wait(timeout=300) != 0  # this runner gives up; others give the rater to another worker
    assert not (out / "manifest.json").exists()

    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr[-2000:]
    first = int(again.stdout.partition("] a  step ")[2].partition("/")[0])
    assert first > max(kept)  # it did not start anew

    undisturbed = tmp_path / "undisturbed"
    train_pool(CleanDataset.load(arrays), LONG, undisturbed, ProgressLines(LONG), num_parallel=2)
    assert_same(out, undisturbed, "ab")
    for features in read_predictions(out).raters:
        log = features["training_log"]
        steps = [entry["step"] for entry in log["losses"]]
        assert steps == sorted(set(steps))
        assert steps[-1] == 60_000
    assert len(read_predictions(out).raters[0]["training_log"]["attempts"]) == 2


def test_without_beam_the_command_says_what_to_install(arrays, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    command = ["train", "--arrays", arrays, "--pool", "digits/low", "--out", str(tmp_path / "out"), "--beam"]
    assert main(command) == 2
    assert "pip install 'apache-beam" in capsys.readouterr().err


def test_options_of_beam_need_beam(capsys):
    assert main(["label", "--weights", "w", "--arrays", "a", "--out", "o", "--", "--runner=FlinkRunner"]) == 2
    assert "need --beam: --runner=FlinkRunner" in capsys.readouterr().err
    assert main(["label", "--weights", "w", "--images", "i.npy", "--out", "o", "--beam"]) == 2
    assert "--beam does not go with --images" in capsys.readouterr().err


def test_images_of_ones_own_are_labelled_by_kept_raters(arrays, tmp_path, capsys):
    dataset = CleanDataset.load(arrays)
    train_pool(dataset, TINY, tmp_path / "out", ProgressLines(TINY), save_weights=True)
    weights = str(tmp_path / "out" / "weights")
    np.save(tmp_path / "mine.npy", dataset.splits["test"].images[:5])
    command = ["label", "--weights", weights, "--images", str(tmp_path / "mine.npy"), "--out", str(tmp_path / "l.npz")]
    assert main(command) == 0
    with np.load(tmp_path / "l.npz", allow_pickle=False) as written:
        assert written["rater_ids"].tolist() == ["a", "b"]
        assert np.array_equal(written["labels"], read_predictions(tmp_path / "out").noisy_labels["test"][:5])
    with pytest.raises(labelling.LabellingError, match=r"shape \(2, 3, 3, 1\).*label \[n, 4, 4, 1\] uint8"):
        labelling.label_images(PoolWeights(weights), np.zeros((2, 3, 3, 1), np.uint8))
    with pytest.raises(WeightsError, match=r"pool.json is not there"):
        PoolWeights(tmp_path / "nowhere").pool()
    other = {**dataset.splits, "test": dataset.splits["noisy_label_valid"]}
    other["noisy_label_valid"] = dataset.splits["test"]
    changed = dataclasses.replace(dataset, splits=other)
    with pytest.raises(labelling.LabellingError, match="trained on other arrays"):
        labelling.label_dataset(PoolWeights(weights), changed, tmp_path / "no")


def test_importing_beam_leaves_the_log_of_the_process_as_it_is(caplog):
    beam_pool.import_beam()
    logging.getLogger("a.library").warning("a warning")
    assert caplog.messages == ["a warning"]
