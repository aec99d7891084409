"""Raters small enough to come with a dataset: their labels, faults of their files, unfinished pools."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from noisy_label_datasets import files
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS, SplitPlan
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.labels.shipped_raters import WeightsError, read_shipped_pool
from rater_training.__main__ import main
from rater_training.training import labelling
from rater_training.training.labelling import label_dataset, label_images, open_weights
from rater_training.training.pool import train_pool
from rater_training.training.saved import LabellingError
from rater_training.training.shipped import ShippedWeights
from rater_training.training.shipping import resume_from_shipped, ship
from rater_training.training.weights import PoolWeights
from tests.training.tiny import Recorder, pool_of, rater, tiny_dataset

POOL = pool_of(rater("one"), rater("two", seed=1, architecture="mlp", width=0.25))


@pytest.fixture(scope="module")
def dataset():
    return tiny_dataset()


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """The folder of a training that kept its networks."""
    folder = tmp_path_factory.mktemp("trained")
    train_pool(dataset, POOL, folder, Recorder(), save_weights=True)
    return folder


@pytest.fixture(scope="module")
def shipped_once(dataset, trained, tmp_path_factory):
    into = tmp_path_factory.mktemp("shipped") / "high"
    assert ship(PoolWeights(trained / "weights"), dataset, POOL, into, record=True) == []
    return into


@pytest.fixture
def shipped(shipped_once, tmp_path):
    """A folder of shipped raters, to be spoilt."""
    return shutil.copytree(shipped_once, tmp_path / "high")


def changed(path, change):
    """Writes a rater's file anew, its description and arrays changed, and pool.json with its hash."""
    arrays = files.unpack_arrays(path.read_bytes())
    about = json.loads(arrays.pop("rater").tobytes())
    change(about, arrays)
    arrays["rater"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    path.write_bytes(files.pack_arrays(arrays))
    described = json.loads((path.parents[1] / "pool.json").read_bytes())
    described["files"][f"raters/{path.name}"] = files.sha256(path.read_bytes())
    (path.parents[1] / "pool.json").write_text(json.dumps(described))


def test_shipped_raters_say_nearly_what_the_full_ones_say(dataset, trained, shipped):
    images = dataset.splits["test"].images
    full, small = (label_images(open_weights(f), images) for f in (trained / "weights", shipped))
    assert small.rater_ids == full.rater_ids == ("one", "two")
    assert np.abs(small.probabilities() - full.probabilities()).max() < 0.03
    assert (small.labels == full.labels).mean() > 0.95
    # One byte a weight: the greater one, an mlp, has about as many bytes as weights.
    weights = PoolWeights(trained / "weights").load("two").num_parameters
    assert (shipped / "raters" / "two.npz").stat().st_size < 1.1 * weights + 6000


def test_what_is_stored_are_the_weights(trained, shipped):
    full, small = PoolWeights(trained / "weights").load("two"), ShippedWeights(shipped).load("two")
    assert jax.tree.structure(small.params) == jax.tree.structure(full.params)
    for a, b in zip(jax.tree.leaves(full.params), jax.tree.leaves(small.params), strict=True):
        np.testing.assert_allclose(b, a, atol=float(np.abs(a).max()) / 250)
    np.testing.assert_array_equal(small.normalization.mean, full.normalization.mean)


def test_a_dataset_is_labelled_and_the_artifact_says_by_whom(dataset, shipped, tmp_path):
    label_dataset(open_weights(shipped), dataset, tmp_path / "out")
    predictions = read_predictions(tmp_path / "out")
    images = dataset.splits["noisy_label_train"].images
    said = label_images(open_weights(shipped), images)
    np.testing.assert_array_equal(predictions.noisy_labels["noisy_label_train"], said.labels)
    sha256 = read_shipped_pool(shipped).sha256
    assert predictions.provenance["labelled_by"] == {"shipped_raters_sha256": sha256}
    valid = predictions.noisy_labels["clean_label_valid"] == predictions.clean_labels["clean_label_valid"][:, None]
    assert [features["accuracy"] for features in predictions.raters] == pytest.approx(valid.mean(axis=0))
    # `--record` stored the same, of the same images.
    recorded = read_predictions(shipped / "recorded")
    assert recorded.sha256 == predictions.sha256


def test_labelling_that_was_stopped_goes_on(dataset, shipped, tmp_path, monkeypatch):
    label_dataset(open_weights(shipped), dataset, tmp_path / "whole")
    asked = []
    label = labelling.label

    def failing(trained, images, *, with_flip):
        asked.append(len(images))
        if len(asked) == 6:  # in the middle of the second rater
            raise KeyboardInterrupt
        return label(trained, images, with_flip=with_flip)

    monkeypatch.setattr(labelling, "label", failing)
    with pytest.raises(KeyboardInterrupt):
        label_dataset(open_weights(shipped), dataset, tmp_path / "again")
    label_dataset(open_weights(shipped), dataset, tmp_path / "again")
    assert len(asked) == 6 + len(LABELLED_SPLITS)  # the first rater did not label again
    assert read_predictions(tmp_path / "again").sha256 == read_predictions(tmp_path / "whole").sha256


def test_a_split_cut_into_pieces_gets_the_same_bits(dataset, shipped, monkeypatch):
    images = np.concatenate([dataset.splits["test"].images] * 30)
    whole = label_images(open_weights(shipped), images)
    monkeypatch.setattr(labelling, "_PIECE", 500)
    np.testing.assert_array_equal(label_images(open_weights(shipped), images).codes, whole.codes)


def test_the_same_raters_are_the_same_bytes(dataset, trained, shipped, tmp_path):
    ship(PoolWeights(trained / "weights"), dataset, POOL, tmp_path / "again")
    for name in ("pool.json", "raters/one.npz", "raters/two.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (shipped / name).read_bytes()


@pytest.mark.parametrize("save_weights", [False, True])
def test_an_unfinished_pool_is_committed_rater_by_rater_and_resumed_elsewhere(dataset, tmp_path, save_weights):
    here, unfinished, elsewhere = tmp_path / "here", tmp_path / "unfinished", tmp_path / "elsewhere"
    train_pool(dataset, POOL, here, Recorder(), only=("one",), save_weights=True)
    assert ship(PoolWeights(here / "weights"), dataset, POOL, unfinished) == ["two"]
    of_one = (unfinished / "raters" / "one.npz").read_bytes()
    assert sorted(path.name for path in unfinished.rglob("*")) == ["one.npz", "raters"]
    with pytest.raises(WeightsError, match=r"no weights of a whole pool in .*pool.json is not there"):
        open_weights(unfinished).pool()

    lines = []
    resume_from_shipped(unfinished, dataset, POOL, elsewhere, save_weights=save_weights, report=lines.append)
    assert lines == [f"one  taken from {unfinished}"]
    listener = Recorder()
    assert train_pool(dataset, POOL, elsewhere, listener, save_weights=save_weights)
    assert listener.trained == ["two"]
    if not save_weights:
        assert len(read_predictions(elsewhere).raters) == 2
        return
    assert ship(PoolWeights(elsewhere / "weights"), dataset, POOL, unfinished, report=lines.append) == []
    assert (unfinished / "raters" / "one.npz").read_bytes() == of_one
    assert open_weights(unfinished).pool().rater_ids == ("one", "two")
    assert [line.split()[0] for line in lines] == ["one", "two"]


def test_raters_that_were_trained_otherwise_are_no_beginning(dataset, shipped, tmp_path):
    other = pool_of(rater("one", steps=21), POOL.raters[1])
    resume_from_shipped(shipped, dataset, other, tmp_path / "out")
    assert [path.stem for path in (tmp_path / "out" / "raters").iterdir()] == ["two"]


# What is not whole, or of something else.


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "raters" / "one.npz").unlink(), "lacks the weights of one"),
        (lambda f: (f / "pool.json").unlink(), "no weights of a whole pool in"),
        (lambda f: (f / "pool.json").write_bytes(b'{"form'), r"pool.json was altered or cut short"),
        (
            lambda f: (f / "pool.json").write_text((f / "pool.json").read_text().replace('version": 1', 'version": 7')),
            r"pool\.json was altered or .* of another format: format_version is 7, not 1",
        ),
        (
            lambda f: (f / "raters" / "two.npz").write_bytes((f / "raters" / "two.npz").read_bytes()[:-9]),
            "two.npz was altered or cut short",
        ),
        (
            lambda f: (f / "raters" / "two.npz").write_bytes((f / "raters" / "one.npz").read_bytes()),
            "two.npz was altered or cut short: its SHA-256",
        ),
    ],
)
def test_a_pool_that_is_not_whole(shipped, spoil, said):
    spoil(shipped)
    with pytest.raises(WeightsError, match=said):
        open_weights(shipped).pool()


def _other_version(about, arrays):
    about["format_version"] = 2


def _other_architecture(about, arrays):
    about["rater"]["architecture"] = "softmax_regression"


def _wider(about, arrays):
    about["rater"]["width"] = 0.5


def _unknown_architecture(about, arrays):
    about["rater"]["architecture"] = "perceptron_1958"


def _not_finite(about, arrays):
    name = next(name for name in arrays if name.endswith(".scale"))
    arrays[name] = np.where(np.arange(arrays[name].size) == 0, np.inf, arrays[name]).astype(np.float32)


def _one_too_few(about, arrays):
    del arrays[next(name for name in arrays if name.endswith(".float32"))]


def _no_contrast(about, arrays):
    about["normalization"]["std"] = [0.0]


def _of_another(about, arrays):
    about["rater"]["id"] = "three"


def _huge_images(about, arrays):
    about["image_shape"] = [10**9, 10**9, 1]


def _time_of_no_number(about, arrays):
    about["features"]["wall_seconds"] = "long"


def _no_features(about, arrays):
    about["features"] = None


def _deep(about, arrays):
    about["features"]["x"] = json.loads("[" * 500 + "]" * 500)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            _huge_images,
            r"two.npz was altered or .*: image_shape\[0\] is 1000000000, not a whole number from",
        ),
        (_time_of_no_number, "features.wall_seconds is 'long', not a number of 0 or more"),
        (_no_features, "two.npz was altered or .*: features is None, not an object"),
        (_deep, "more than 64 levels of nesting"),
        (_other_version, "two.npz is noisy_label_datasets/shipped_rater version 2; this code reads"),
        (
            _other_architecture,
            "another network than softmax_regression as this code has it: . arrays stand",
        ),
        (_wider, r"another network than mlp as this code has it: \S+ has shape"),
        (_unknown_architecture, "no architecture 'perceptron_1958'; there are"),
        (_not_finite, "holds numbers that are not finite"),
        (_one_too_few, "arrays stand on one side only"),
        (_no_contrast, "deviations above zero"),
        (_of_another, "two.npz is of rater 'three'"),
    ],
)
def test_a_rater_that_is_of_something_else(shipped, change, said):
    changed(shipped / "raters" / "two.npz", change)
    with pytest.raises(WeightsError, match=said):
        label_images(open_weights(shipped), np.zeros((2, 4, 4, 1), np.uint8))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base_version": "2.0.0"}, r"label the base dataset .*'1.0.0'.*; the arrays are of .*'2.0.0'"),
        ({"name": "other_noisy"}, "label the dataset tiny_noisy; the arrays are of other_noisy"),
        ({"class_names": ("black", "white")}, "the classes"),
        ({"split_plan": SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)}, seed=1)}, "the split plan"),
    ],
)
def test_arrays_of_another_dataset(dataset, shipped, tmp_path, change, said):
    with pytest.raises(LabellingError, match=said):
        label_dataset(open_weights(shipped), dataclasses.replace(dataset, **change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_images_of_another_size(shipped):
    with pytest.raises(LabellingError, match=r"shape \(2, 5, 5, 1\).*label \[n, 4, 4, 1\] uint8"):
        label_images(open_weights(shipped), np.zeros((2, 5, 5, 1), np.uint8))


def test_a_disk_that_fills_up_keeps_the_raters_that_were_stored(dataset, shipped, tmp_path, monkeypatch):
    write, written = files.write_atomically, []

    def full(path, data):
        if path.name == "two.npz":
            raise OSError(28, f"cannot write: No space left on device: {path}")
        written.append(path.name)
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_atomically", full)
        with pytest.raises(OSError, match="No space left"):
            label_dataset(open_weights(shipped), dataset, tmp_path / "out")
    assert written == ["examples.npz", "one.npz"]
    label_dataset(open_weights(shipped), dataset, tmp_path / "out")
    assert len(read_predictions(tmp_path / "out").raters) == 2


def test_weights_that_are_not_numbers_are_not_shipped(dataset, trained, tmp_path):
    weights = PoolWeights(trained / "weights")
    network = weights.load("one")
    spoilt = dataclasses.replace(network, params=jax.tree.map(lambda leaf: leaf * np.nan, network.params))
    with pytest.raises(WeightsError, match=r"rater one cannot be stored: .* not finite"):
        ShippedWeights(tmp_path).save_rater(weights.rater("one"), spoilt, image_shape=(4, 4, 1), num_classes=2)


def test_the_command(dataset, trained, tmp_path, capsys, monkeypatch):
    dataset.save(tmp_path / "arrays")
    raters = "rater('one'), rater('two', seed=1, architecture='mlp', width=0.25)"
    lines = ["from tests.training.tiny import pool_of, rater", f"POOL = pool_of({raters})"]
    (tmp_path / "some_pool.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    arguments = ["--arrays", str(tmp_path / "arrays"), "--pool", "some_pool:POOL"]
    ship_ = ["ship", "--weights", str(trained / "weights"), *arguments, "--into", str(tmp_path / "high")]
    assert main(ship_) == 0
    said = capsys.readouterr().out
    assert "of 40 labels" in said
    assert "The raters of the whole pool are in" in said
    np.save(tmp_path / "mine.npy", dataset.splits["test"].images)
    np.save(tmp_path / "ids.npy", dataset.splits["test"].ids)
    label = ["label", "--weights", str(tmp_path / "high"), "--images", str(tmp_path / "mine.npy")]
    assert main([*label, "--ids", str(tmp_path / "ids.npy"), "--out", str(tmp_path / "said.npz")]) == 0
    with np.load(tmp_path / "said.npz") as labelled:
        assert labelled["ids"].tolist() == dataset.splits["test"].ids.tolist()
        assert labelled["labels"].shape == (40, 2)
