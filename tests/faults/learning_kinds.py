"""What learning with noisy labels writes and reads: the labels of a config as arrays, and the records of runs."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from noisy_label_datasets.labels.label_arrays import LabelArrays
from noisy_label_datasets.labels.sources import NOISY_SPLITS
from tests.faults.kinds import CLASS_NAMES, FileKind, digest

CONFIG = {
    "algorithm": {"name": "co_teaching", "noise_rate": "paired_subset"},
    "corrector": {"name": "none"},
    "network": {"architecture": "mlp", "dtype": "float32", "width": 1.0},
    "schedule": {"batch_size": 64, "epochs": 2},
    "seed": 0,
    "targets": "sampled",
}
KEY = "0123456789abcdef" * 4


def write_label_arrays(folder: pathlib.Path) -> None:
    """Writes the labels of three raters."""
    rng = np.random.default_rng(0)
    LabelArrays(
        name="faults_noisy/low",
        class_names=CLASS_NAMES,
        raters=tuple({"id": f"rater_{i}", "accuracy": 0.5} for i in range(3)),
        ids={split: np.array([f"{split}_{i}" for i in range(20)]) for split in NOISY_SPLITS},
        noisy_labels={split: rng.integers(-1, 3, (20, 3)).astype(np.int32) for split in NOISY_SPLITS},
        noisy_label_rater={split: rng.integers(0, 3, 20).astype(np.int32) for split in NOISY_SPLITS},
        labels_sha256="0" * 64,
    ).save(folder / "labels")


def read_label_arrays(folder: pathlib.Path) -> bytes:
    """Reads them, and looks up the label of each example's rater."""
    read = LabelArrays.load(folder / "labels")
    parts: list[Any] = [read.name, read.class_names, read.raters, read.labels_sha256]
    for split in NOISY_SPLITS:
        labels, raters = read.noisy_labels[split], read.noisy_label_rater[split]
        parts += [read.ids[split].tolist(), labels, raters, labels[np.arange(len(labels)), raters]]
    return digest(*parts)


def write_record(folder: pathlib.Path) -> None:
    """Writes the record of a run."""
    from noisy_label_learning.runs.record import DONE, Epoch, Record, record_path, select

    curve = tuple(Epoch(i, 1.0 / i, 0.5 + 0.1 * i, 0.7, 0.6) for i in (1, 2))
    record = Record(
        key=KEY,
        problem="faults_noisy/low",
        config=CONFIG,
        status=DONE,
        curve=curve,
        selections=select(curve),
        label_error={"before": 0.2, "after": 0.2, "targets": 0.2},
        clean_labels_used=0,
        details={"algorithm": {}, "corrector": {"expected_error": None}},
        labels_sha256="1" * 64,
        images_sha256="2" * 64,
        seconds={"wall": 1.0, "cpu": 2.0},
        software={"jax": "0"},
    )
    record.write(record_path(folder, CONFIG, record.problem, KEY))


def read_record(folder: pathlib.Path) -> bytes:
    """Reads it as a benchmark does, and makes its tables."""
    from noisy_label_learning.reports import tables
    from noisy_label_learning.runs.record import stored_record

    record = stored_record(folder, CONFIG, "faults_noisy/low", KEY)
    if record is None:  # then the run is trained again
        return b"none"
    tables.markdown([record])
    tables.findings_markdown([record])
    return digest(dataclasses.asdict(record))


LEARNING_KINDS = (
    FileKind("labels to learn from", write_label_arrays, read_label_arrays, hashed=False),
    FileKind(
        "records of runs", write_record, read_record, hashed=False, also=lambda folder: frozenset({b"none"}), slow=True
    ),
)
