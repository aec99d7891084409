"""What rater training writes and reads: kept networks, shipped ones, checkpoints, weights of other libraries (JAX)."""

import functools
import pathlib
import shutil
import tempfile
from typing import Any

import numpy as np

from tests.faults.kinds import FileKind, digest

STEPS = (10, 20)


@functools.cache
def _pool() -> Any:
    from tests.training.tiny import pool_of, rater

    return pool_of(rater("one"), rater("two", seed=1, architecture="mlp", width=0.25))


@functools.cache
def _trained() -> pathlib.Path:
    """Returns the folder of a training that kept its networks; gone with the process."""
    from rater_training.training.pool import train_pool
    from tests.training.tiny import Recorder, tiny_dataset

    _trained.scratch = tempfile.TemporaryDirectory()  # type: ignore[attr-defined]
    folder = pathlib.Path(_trained.scratch.name)  # type: ignore[attr-defined]
    train_pool(tiny_dataset(), _pool(), folder, Recorder(), save_weights=True)
    return folder


def write_kept(folder: pathlib.Path) -> None:
    """Writes what `train --save-weights` keeps."""
    shutil.copytree(_trained() / "weights", folder / "weights")


def read_weights(folder: pathlib.Path) -> bytes:
    """Reads kept or shipped networks, all of them."""
    import jax

    from rater_training.training.labelling import open_weights

    weights = open_weights(folder / "weights")
    pool = weights.pool()
    parts: list[Any] = [pool.dataset, pool.level, pool.image_shape, pool.class_names, pool.rater_ids]
    for rater_id in pool.rater_ids:
        known, trained = weights.rater(rater_id), weights.load(rater_id)
        parts += [known.config, known.features, trained.normalization.mean, trained.normalization.std]
        parts += [np.asarray(leaf) for leaf in jax.tree.leaves((trained.params, trained.statistics))]
    return digest(*parts)


def write_shipped(folder: pathlib.Path) -> None:
    """Writes networks as they are shipped with a dataset."""
    from rater_training.training.shipping import ship
    from rater_training.training.weights import PoolWeights
    from tests.training.tiny import tiny_dataset

    ship(PoolWeights(_trained() / "weights"), tiny_dataset(), _pool(), folder / "weights", record=False)


def _state(step: int) -> dict[str, np.ndarray]:
    return {name: np.random.default_rng(step).normal(size=(8, 4)).astype(np.float32) for name in "ab"}


def write_checkpoints(folder: pathlib.Path) -> None:
    """Writes two checkpoints of a rater."""
    from rater_training.engine.checkpoints import Checkpoints

    checkpoints = Checkpoints(folder / "checkpoints", "fingerprint")
    for step in STEPS:
        checkpoints.save(_state(step), step=step, history=[(step, 0.5)])


def read_checkpoints(folder: pathlib.Path) -> bytes:
    """Restores the last one that can be."""
    from rater_training.engine.checkpoints import Checkpoints

    found = Checkpoints(folder / "checkpoints", "fingerprint").restore(_state(0))
    return b"none" if found is None else _checkpoint(found.state, found.history)


def _checkpoint(state: Any, history: Any) -> bytes:
    return digest(*(np.asarray(state[name]) for name in "ab"), [list(entry) for entry in history])


def earlier_checkpoints(folder: pathlib.Path) -> frozenset[bytes]:
    """Returns what else a training may resume from, to the same labels: the checkpoint before, or the start."""
    return frozenset({b"none", *(_checkpoint(_state(step), [(step, 0.5)]) for step in STEPS)})


def write_keras(folder: pathlib.Path) -> None:
    """Writes two layers as Keras did in its first HDF5 format."""
    import h5py

    rng = np.random.default_rng(0)
    with h5py.File(folder / "weights.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv1", b"predictions"]
        for layer, names in (("conv1", ("kernel", "bias")), ("predictions", ("kernel",))):
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in names]
            for name in names:
                group.create_dataset(f"{layer}/{name}:0", data=rng.normal(size=(3, 3)).astype(np.float32))


def read_keras(folder: pathlib.Path) -> bytes:
    """Reads them."""
    from rater_training.pretrained.keras_weights import read_keras_weights

    read = read_keras_weights(folder / "weights.h5")
    return digest(*(part for name in sorted(read) for part in (name, *read[name])))


TRAINED_KINDS = (
    FileKind("checkpoints", write_checkpoints, read_checkpoints, hashed=True, also=earlier_checkpoints, slow=True),
    FileKind("kept networks", write_kept, read_weights, hashed=True, slow=True),
    FileKind("shipped networks", write_shipped, read_weights, hashed=False, slow=True),
    FileKind("Keras' weights", write_keras, read_keras, hashed=False, slow=True),
)
