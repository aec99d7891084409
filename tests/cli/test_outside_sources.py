"""Label sources that this package does not know: every command takes their configs.

One is derived from a pool's predictions (each rater errs towards the next class), one has labels of its own.
"""

import dataclasses
import io
import pathlib
import sys

import numpy as np
import pandas as pd
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets import cli, files
from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.cli import train
from noisy_label_datasets.human import human_labels
from noisy_label_datasets.labels.label_arrays import LabelArrays
from noisy_label_datasets.labels.predictions import read_predictions
from tests.made_up import write_raters

LEARNING = ("learn", "tune", "benchmark", "study", "clean")
HAVE_RUN = set()
ROOT = pathlib.Path(__file__).parents[2]
MODULE = "pairs_noisy.pairs_noisy_dataset_builder"
BUILDER = '''
import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from noisy_label_datasets.base.arrays import LabelledImages
from noisy_label_datasets.base.bases import ArraysBase
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import NoisyLabelConfig, standard_configs
from noisy_label_datasets.labels.derived_sources import Flips
from noisy_label_datasets.labels.sources import LabelSource, NoisyLabels
from noisy_label_datasets.noise import metrics


def load():
    rng = np.random.default_rng(0)
    splits = {}
    for split, n in (("train", 240), ("test", 60)):
        labels = np.arange(n, dtype=np.int32) % 3
        images = (rng.integers(0, 90, (n, 6, 6, 1)) + 80 * labels[:, None, None, None]).astype(np.uint8)
        splits[split] = LabelledImages(np.array([f"{split}_{i:05d}" for i in range(n)]), images, labels)
    return splits


@dataclasses.dataclass(frozen=True)
class PairFlips(Flips):
    """Labels flipped to the next class, by each rater as often as by its model in the pool."""

    SEED = "pair flips"
    NOISE_MODEL = "labels flipped to the next class"

    def transitions(self, noisy_labels, labels, num_classes):
        rates = metrics.error_rate_by_rater(noisy_labels, labels)[:, None, None]
        right = np.eye(num_classes)
        return (1 - rates) * right + rates * np.roll(right, 1, axis=1)


@dataclasses.dataclass(frozen=True)
class Annotated(LabelSource):
    """Labels of two annotators, one of whom is always right; all that a source has to define."""

    def load(self, context):
        ids, labels = {}, {}
        for batch in context.examples():
            splits = context.split_plan.assign(batch.base_split, batch.ids)
            for split in set(splits.tolist()) & {"noisy_label_train", "noisy_label_valid"}:
                ids[split] = np.array(batch.ids)[splits == split]
                labels[split] = np.array(batch.labels, dtype=np.int32)[splits == split]
        noisy_labels = {split: np.stack([of, np.zeros_like(of)], axis=1) for split, of in labels.items()}
        raters = ({"id": "always right"}, {"id": "always 0"})
        return NoisyLabels(raters, context.split_plan, ids, labels, noisy_labels, {}, "annotated", "0" * 64)


class Builder(NoisyLabelBuilder):
    """Three shades with noisy labels."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BASE = ArraysBase(name="pairs", version="1.0.0", class_names=("a", "b", "c"), image_shape=(6, 6, 1), load=load)
    SPLIT_PLAN = SplitPlan(
        {
            "train": dict.fromkeys(
                ("clean_label_train", "clean_label_valid", "noisy_label_train", "noisy_label_valid"), 0.25
            ),
            "test": {"test": 1.0},
        }
    )
    BUILDER_CONFIGS = [
        *standard_configs({"low": "Made up."}),
        NoisyLabelConfig(name="low_pair", source=PairFlips("low")),
        NoisyLabelConfig(name="annotated", source=Annotated()),
    ]
'''
POOL = """
from rater_training.config import Augmentation, PoolConfig, RaterConfig

POOL = PoolConfig(
    name="pairs/low",
    dataset="pairs_noisy",
    level="low",
    raters=tuple(
        RaterConfig(
            id=f"rater_{i}", architecture="softmax_regression", steps=30, batch_size=16, learning_rate=0.05, seed=i,
            augmentation=Augmentation(crop_padding=0, flip=False),
        )
        for i in range(2)
    ),
    image_shape=(6, 6, 1),
    num_classes=3,
    source="a test",
)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory of somebody who has the two modules, and not what they are about in this package."""
    (tmp_path / "pairs_noisy").mkdir()
    (tmp_path / f"{MODULE.replace('.', '/')}.py").write_text(BUILDER)
    (tmp_path / "pairs_pool.py").write_text(POOL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield tmp_path
    sys.path.remove(str(tmp_path))


@pytest.fixture
def trained_in_no_time(monkeypatch):
    """In place of the training process, raters that err at random on what it would have been given."""

    def run_training(*, arrays, pool, out, options):
        assert pool == "pairs_pool:POOL"
        write_raters(pathlib.Path(out), CleanDataset.load(arrays), "low", num_raters=4)

    monkeypatch.setattr(train, "run_training", run_training)
    monkeypatch.setattr(train, "list_pools", list)


@pytest.fixture
def started(monkeypatch):
    """In place of the learning processes, what each would have been given."""
    calls = []
    for command in LEARNING:
        monkeypatch.setattr(f"noisy_label_datasets.cli.{command}.start", lambda *given: calls.append(list(given)))
    return calls


@pytest.fixture(autouse=True)
def _short_list(monkeypatch):
    """`list` reads the labels of every dataset; of those of this package one is enough here."""
    monkeypatch.setattr("noisy_label_datasets.cli.list.dataset_names", lambda: ("digits_noisy", "pairs_noisy"))


def run(capfd, *arguments: str, exit_code: int = 0) -> str:
    HAVE_RUN.add(arguments[0])
    assert cli.main(["--imports", MODULE, *arguments]) == exit_code
    captured = capfd.readouterr()
    assert "Traceback" not in captured.err
    return captured.out if exit_code == 0 else captured.err


def check_every_command(capfd, config: str):
    """Runs the commands that read a config or what was built of it."""
    target, data = f"pairs_noisy/{config}", ("--data-dir", "data")
    assert "Built already" in run(capfd, "build", target, *data)
    assert target in run(capfd, "card", target, *data, "--html", "card.html")
    verified = run(capfd, "verify", target, *data)
    assert [line.split()[0] for line in verified.splitlines()] == ["ok", "ok"]
    run(capfd, "export", target, *data, "--out", f"exported-{config}")
    run(capfd, "explore", target, *data, "--out", f"explored-{config}.html")
    assert "do not come with the package" in run(capfd, "label", target, *data, exit_code=2)
    listed = run(capfd, "list", *data)
    assert any(line.startswith("pairs_noisy") and config in line for line in listed.splitlines())


def check_learning(capfd, started, config: str):
    """Runs the commands that learn, but for the process that each starts; looks at what it would read."""
    target, data = f"pairs_noisy/{config}", ("--data-dir", "data")
    run(capfd, "learn", target, *data, "--algorithm", "cross_entropy")
    run(capfd, "tune", target, *data)
    run(capfd, "clean", target, *data, "--corrector", "lqm")
    run(capfd, "benchmark", "pairs_noisy", *data, "--levels", config, "--algorithms", "cross_entropy")
    run(capfd, "study", "difficulty", "--configs", target, *data)
    assert len(started) == len(LEARNING)
    labels = LabelArrays.load(pathlib.Path("data/learning/pairs_noisy/1.0.0/labels") / config)
    for given in started:
        assert any(str(word).endswith(f"labels/{config}") for word in given)
    run(capfd, "labels", target, *data, "--out", "labels.csv")
    table = pd.read_csv("labels.csv").set_index("id")
    columns = [rater["id"] for rater in labels.raters]
    for split, ids in labels.ids.items():
        np.testing.assert_array_equal(table.loc[ids, columns], labels.noisy_labels[split])


def test_flips_to_the_next_class(folder, trained_in_no_time, started, capfd, monkeypatch):
    made = run(capfd, "make", "pairs_noisy/low_pair", "--pool", "pairs_pool:POOL", "--data-dir", "data")
    assert "tfds.load('pairs_noisy/low_pair'" in made
    check_every_command(capfd, "low_pair")
    # These read what was built and ask no source: once is enough.
    data = ("--data-dir", "data")
    assert "pairs_noisy/low_pair 1.0.0, dataset: 300 examples" in run(capfd, "verify", "pairs_noisy", *data)
    run(capfd, "export", "pairs_noisy/low_pair", *data, "--out", "croissant", "--format", "croissant")
    trained = run(capfd, "train", "pairs_noisy/low_pair", "--pool", "pairs_pool:POOL", "--data-dir", "data")
    assert "The labels are in" in trained
    pool = read_predictions(folder / "data/rater_predictions/pairs_noisy/low")
    examples = list(
        tfds.as_numpy(tfds.load("pairs_noisy/low_pair", data_dir="data", split="noisy_label_train+noisy_label_valid"))
    )
    errors = [(int(y) - int(e["label"])) % 3 for e in examples for y in e["noisy_labels"]]
    assert set(errors) == {0, 1}
    assert np.mean(np.array(errors) == 1) == pytest.approx(0.3, abs=0.1)
    assert len(examples[0]["noisy_labels"]) == len(pool.raters)
    check_evaluate(capfd, folder, monkeypatch)
    check_learning(capfd, started, "low_pair")
    assert set(cli.COMMANDS) == HAVE_RUN


def check_evaluate(capfd, folder, monkeypatch):
    """The ids of the test split are those that human annotators labelled."""
    counts = np.full((60, 3), 5)
    counts[np.arange(60), np.arange(60) % 3] = 40
    buffer = io.BytesIO()
    np.save(buffer, counts)
    (folder / "counts.npy").write_bytes(buffer.getvalue())
    known = dataclasses.replace(human_labels.CIFAR10H, sha256=files.sha256(buffer.getvalue()))
    monkeypatch.setattr(human_labels, "CIFAR10H", known)
    evaluate = ("evaluate", "pairs_noisy/low_pair", "--data-dir", "data", "--human-labels", "counts.npy")
    assert "as they are" in run(capfd, *evaluate)
    assert "no class probabilities to sample from" in run(capfd, *evaluate, "--rates", "0.3", exit_code=2)


def test_labels_of_its_own(folder, started, capfd):
    run(capfd, "build", "pairs_noisy/annotated", "--data-dir", "data")
    check_every_command(capfd, "annotated")
    target, data = "pairs_noisy/annotated", ("--data-dir", "data")
    refused = run(capfd, "labels", target, *data, "--out", "labels.csv", exit_code=2)
    assert "pairs_noisy/annotated: these labels are matched with images" in refused
    run(capfd, "learn", target, *data, "--algorithm", "cross_entropy")
    assert len(started) == 1
    assert LabelArrays.load("data/learning/pairs_noisy/1.0.0/labels/annotated").ids.keys() == {
        "noisy_label_train",
        "noisy_label_valid",
    }
    refused = run(capfd, "train", "pairs_noisy/annotated", "--data-dir", "data", exit_code=2)
    assert "there are no raters of pairs_noisy/annotated to train: Annotated()" in refused


@pytest.mark.slow
def test_with_a_real_training_process(folder, capfd):
    run(capfd, "make", "pairs_noisy/low_pair", "--pool", "pairs_pool:POOL", "--data-dir", "data")
    assert run(capfd, "verify", "pairs_noisy/low_pair", "--data-dir", "data").count("ok ") == 2
