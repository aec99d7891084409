"""Work that is killed, and work that several do at once: `python -m tests.faults.work NAME FOLDER`.

Says "ready" when all is imported, waits for a line, works, and prints what it has at the end as hexadecimal digits. An
error that the package declares ends it with exit code 2 and one line.
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.errors import NoisyLabelsError
from tests.faults.kinds import clean_dataset, digest

DATASET = "digits_noisy/medium"


@dataclasses.dataclass(frozen=True)
class Work:
    """Something that a process does in a folder.

    Attributes:
      prepare: what is imported, and computed, before it begins.
      run: does it.
      read: returns what is there, as bytes to be compared; raises what the package raises where it is not whole.
    """

    prepare: Callable[[], Any]
    run: Callable[[pathlib.Path], Any]
    read: Callable[[pathlib.Path], bytes]


def save_arrays(folder: pathlib.Path) -> None:
    """Saves clean arrays of two contents in turn, the same at the end."""
    for of_split in (400, 300) * 10:
        clean_dataset(of_split).save(folder / "arrays")


def save_and_load_arrays(folder: pathlib.Path) -> None:
    """Saves, and loads what is there meanwhile, which has to be one or the other."""
    contents = {clean_dataset(of_split).fingerprint() for of_split in (40, 30)}
    for of_split in (40, 30) * 15:
        clean_dataset(of_split).save(folder / "arrays")
        for _ in range(3):
            assert CleanDataset.load(folder / "arrays").fingerprint() in contents
    clean_dataset(40).save(folder / "arrays")


def read_arrays(folder: pathlib.Path) -> bytes:
    """Reads them; either content is whole."""
    found = CleanDataset.load(folder / "arrays").fingerprint()
    contents = [clean_dataset(of_split).fingerprint() for of_split in (400, 300, 40, 30)]
    return b"whole" if found in contents else found.encode()


def _builder(folder: pathlib.Path) -> Any:
    from noisy_label_datasets.cli.targets import find_builder

    return find_builder(DATASET, data_dir=str(folder))


def _import_tfds() -> None:
    import tensorflow  # noqa: F401
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    _builder(pathlib.Path("nowhere"))


def build(folder: pathlib.Path) -> None:
    """Builds a dataset by the command's function."""
    from noisy_label_datasets.cli.build import build

    build(_builder(folder))


def rebuild(folder: pathlib.Path) -> None:
    """Builds it anew, in the other file format than it is in."""
    from noisy_label_datasets.cli.build import build

    builder = _builder(folder)
    there = builder.info.file_format.value if builder.is_prepared() else "array_record"
    build(builder, "tfrecord" if there == "array_record" else "array_record")


def load(folder: pathlib.Path) -> None:
    """Has TFDS build it, as the first `tfds.load` does."""
    import tensorflow_datasets as tfds

    tfds.load(DATASET, data_dir=folder)


@functools.cache
def _built() -> pathlib.Path:
    """Returns a folder with the dataset, built; gone with the process."""
    _built.scratch = tempfile.TemporaryDirectory()  # type: ignore[attr-defined]
    folder = pathlib.Path(_built.scratch.name)  # type: ignore[attr-defined]
    build(folder)
    return folder


def _prepare_export() -> None:
    import datasets  # noqa: F401

    _import_tfds()
    _built()


def export(folder: pathlib.Path) -> None:
    """Exports it as Parquet files."""
    from noisy_label_datasets.export import folder as export_folder

    if not (folder / "digits").exists():
        export_folder.export(_builder(_built()), folder / "digits", "huggingface")


def export_or_say_so(folder: pathlib.Path) -> None:
    """Exports it where it may be exported already, which is an error of one line."""
    from noisy_label_datasets.export import folder as export_folder

    export_folder.export(_builder(_built()), folder / "digits", "huggingface")


def read_export(folder: pathlib.Path) -> bytes:
    """Reads the exported folder, all of it."""
    import pyarrow.parquet as pq

    parts: list[Any] = [(folder / "digits" / name).read_text() for name in ("README.md", "raters.json")]
    for split in SPLITS:
        (path,) = (folder / "digits" / "data").glob(f"{split}-*.parquet")
        parts.append(pq.read_table(path).to_pylist())
    return hashlib.sha256(repr(parts).encode()).digest()


def write_labels(folder: pathlib.Path) -> None:
    """Writes the labels of a config as a table, several times."""
    from noisy_label_datasets.labels.loading import load_labels

    folder.mkdir(parents=True, exist_ok=True)
    labels = load_labels(DATASET, data_dir=folder)
    for _ in range(20):
        labels.to_csv(folder / "labels.csv")


def read_labels_table(folder: pathlib.Path) -> bytes:
    """Reads the table."""
    return hashlib.sha256((folder / "labels.csv").read_bytes()).digest()


def read_dataset(folder: pathlib.Path) -> bytes:
    """Reads a built dataset, all of it but the metadata."""
    from noisy_label_datasets.info import NotBuiltError

    builder = _builder(folder)
    if not builder.is_prepared():
        raise NotBuiltError(f"not built in {folder}")
    return digest(*(sorted_examples(builder, split) for split in SPLITS))


def sorted_examples(builder: Any, split: str) -> list[str]:
    """Returns what the examples of a split hold, in the order of their ids."""
    from noisy_label_datasets.reading import stored_examples

    read = [
        (example["id"], example["image"], int(example["label"]), np.asarray(example["noisy_labels"]).tolist())
        for example in stored_examples(builder, split)
    ]
    return [repr(example) for example in sorted(read)]


def _import_training() -> None:
    import jax

    from rater_training.engine.checkpoints import Checkpoints

    Checkpoints.__init__.__kwdefaults__["every_seconds"] = 0.0  # one whenever it can be
    jax.random.key(0)


def train(folder: pathlib.Path) -> None:
    """Trains two raters."""
    from rater_training.training.pool import train_pool
    from tests.training.tiny import Recorder, pool_of, rater, tiny_dataset

    mlp = {"architecture": "mlp", "steps": 3000, "learning_rate": 0.01}
    pool = pool_of(rater("one", **mlp), rater("two", seed=1, **mlp))
    train_pool(tiny_dataset(), pool, folder / "pool", Recorder())


def read_pool(folder: pathlib.Path) -> bytes:
    """Reads what they say."""
    from noisy_label_datasets.labels.predictions import read_predictions

    read = read_predictions(folder / "pool")
    return digest(*(read.noisy_labels[split] for split in SPLITS[1:]), *map(read.probabilities, SPLITS[1:]))


WORKS = {
    "save clean arrays": Work(lambda: None, save_arrays, read_arrays),
    "save and load clean arrays": Work(lambda: None, save_and_load_arrays, read_arrays),
    "build": Work(_import_tfds, build, read_dataset),
    "rebuild": Work(_import_tfds, rebuild, read_dataset),
    "tfds.load": Work(_import_tfds, load, read_dataset),
    "export": Work(_prepare_export, export, read_export),
    "export to one folder": Work(_prepare_export, export_or_say_so, read_export),
    "labels --out": Work(lambda: None, write_labels, read_labels_table),
    "train": Work(_import_training, train, read_pool),
}


def main(name: str, folder: str) -> int:
    """Does one work; returns the exit code."""
    work = WORKS[name]
    with contextlib.redirect_stdout(sys.stderr):
        work.prepare()
        os.write(1, b"ready\n")
        sys.stdin.readline()
        try:
            work.run(pathlib.Path(folder))
            found = work.read(pathlib.Path(folder))
        except NoisyLabelsError as error:
            print(f"error: {error}")
            return 2
    os.write(1, found.hex().encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
