"""Saved raters: read as they were written, and never taken for whole where they are damaged."""

import json
import shutil

import numpy as np
import pytest

from noisy_label_datasets.labels.shipped_raters import WeightsError
from rater_training.training.pool import train_pool
from rater_training.training.weights import PoolWeights
from tests.training.tiny import Recorder, leaves, pool_of, rater, tiny_dataset


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with one saved rater."""
    out = tmp_path_factory.mktemp("pool")
    train_pool(tiny_dataset(), pool_of(rater("a", steps=2)), out, Recorder(), save_weights=True)
    return out / "weights"


@pytest.fixture
def weights(saved, tmp_path):
    """The same, to be damaged."""
    shutil.copytree(saved, tmp_path / "weights")
    return PoolWeights(tmp_path / "weights")


def about(weights):
    (path,) = (
        path for path in (weights.folder / "raters" / "a" / "about").rglob("*") if b"wall_seconds" in _bytes(path)
    )
    return path


def _bytes(path):
    return path.read_bytes() if path.is_file() else b""


def change(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}))


def read(weights):
    weights.pool(), weights.rater("a")
    return weights.load("a")


def alter_numbers(weights):
    for path in (weights.folder / "raters" / "a").rglob("d/*"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x55
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda w: (w.folder / "pool.json").write_text("null"),
            r"pool\.json cannot be read: it is None, not an object",
        ),
        (lambda w: change(w.folder / "pool.json", raters=3), r"pool\.json cannot be read: raters is 3, not a list"),
        (lambda w: change(w.folder / "pool.json", format_version=2), r"format_version is 2, not 1"),
        (lambda w: about(w).write_text("[" * 100_000), r"raters/a cannot be read"),
        (lambda w: change(about(w), features=None), r"raters/a cannot be read: .*features is None, not an object"),
        (lambda w: change(about(w), rater={"id": "a"}), r"configuration is not one that this code knows"),
        (lambda w: change(about(w), wall_seconds=5.0), r"raters/a cannot be read: .*does not hold what was written"),
        (alter_numbers, r"raters/a cannot be read"),
    ],
)
def test_damaged_weights_are_an_error_that_names_the_file(weights, damage, message):
    damage(weights)
    with pytest.raises(WeightsError, match=message):
        read(weights)


def test_weights_without_a_hash_are_read_as_before(weights):
    """Those of versions that did not write one."""
    hashed = leaves(read(weights))
    content = json.loads(about(weights).read_bytes())
    del content["sha256"]
    about(weights).write_text(json.dumps(content))
    for with_hash, without in zip(hashed, leaves(read(weights)), strict=True):
        np.testing.assert_array_equal(with_hash, without)
