"""Labels of human annotators: the file of CIFAR-N's authors, and tables of one's own."""

import functools
import pathlib
import pickle
import types
import zipfile
from typing import Any

import numpy as np

from noisy_label_datasets import remote_files
from noisy_label_datasets.base.examples import ExampleBatch
from tests.faults.kinds import FileKind, clean_dataset, digest

ANNOTATORS = ("ann", "bob", "cyd")


def write_archive(folder: pathlib.Path) -> None:
    """Writes arrays as `torch.save` does, but compressed."""
    rng = np.random.default_rng(0)
    pickled = pickle.dumps({name: rng.integers(0, 10, 200) for name in ("clean_label", "noisy_label")}, protocol=2)
    with zipfile.ZipFile(folder / "human.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")


def read_archive(folder: pathlib.Path) -> bytes:
    """Reads it as a file of which no hash is known."""
    from noisy_label_datasets.labels.torch_arrays import read_torch_arrays

    file = remote_files.RemoteFile("http://127.0.0.1:9/human.pt", None)
    arrays = remote_files.read(file, read_torch_arrays, most_bytes=2**23, path=folder / "human.pt")
    return digest(*(part for name in sorted(arrays) for part in (name, arrays[name])))


def write_annotations(folder: pathlib.Path, ending: str) -> None:
    """Writes a table in which three annotators label every example."""
    import pandas as pd

    rows = [
        (id_, annotator, str((label + place) % 3 if number % 4 == 0 else label))
        for examples in clean_dataset().splits.values()
        for number, (id_, label) in enumerate(zip(examples.ids.tolist(), examples.labels.tolist(), strict=True))
        for place, annotator in enumerate(ANNOTATORS)
    ]
    table = pd.DataFrame(rows, columns=["id", "annotator", "label"])
    if ending == ".csv":
        table.to_csv(folder / "people.csv", index=False)
    else:
        table.to_parquet(folder / "people.parquet", index=False)


def read_annotations(folder: pathlib.Path, ending: str) -> bytes:
    """Reads it as the source of a config's labels."""
    from noisy_label_datasets.labels.annotations import Annotations

    dataset = clean_dataset()
    batches = [
        ExampleBatch("all", examples.ids.tolist(), [b""] * len(examples), examples.labels.tolist())
        for examples in dataset.splits.values()
    ]
    context: Any = types.SimpleNamespace(
        base={"name": "faults", "version": "1.0.0"},
        class_names=dataset.class_names,
        split_plan=dataset.split_plan,
        examples=lambda: iter(batches),
    )
    labels = Annotations(str(folder / f"people{ending}")).load(context)
    return digest(
        labels.raters, *(part for s in sorted(labels.ids) for part in (labels.ids[s], labels.noisy_labels[s]))
    )


def _table(ending: str) -> FileKind:
    return FileKind(
        f"table of annotations, {ending}",
        functools.partial(write_annotations, ending=ending),
        functools.partial(read_annotations, ending=ending),
        hashed=False,
        slow=True,
    )


HUMAN_KINDS = (
    FileKind("human labels as PyTorch saves them", write_archive, read_archive, hashed=False),
    _table(".csv"),
    _table(".parquet"),
)
