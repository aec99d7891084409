"""The kinds of file that are read, each with a sample to damage and with what reads it."""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.arrays import CleanDataset, LabelledImages
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS, SplitPlan
from noisy_label_datasets.labels.checksums import verify_shipped_files, write_checksums
from noisy_label_datasets.labels.predictions import read_predictions
from tests.made_up import write_raters

CLASS_NAMES = ("dark", "bright", "grey")


@dataclasses.dataclass(frozen=True)
class FileKind:
    """One kind of file.

    Attributes:
      name: as the table has it.
      write: writes a sample into an empty folder.
      read: reads it; returns what was read as bytes, to be compared.
      hashed: whether the files carry hashes, or the reader knows one: then nothing else may be read from them. Without,
        other content that is as valid cannot be told from damage.
      damaged: glob patterns of the files to damage.
      also: further results that are right: reads a whole sample.
      mend: what is done to a damaged sample before it is read, such as to make its hashes match.
      slow: whether it imports TensorFlow or JAX.
    """

    name: str
    write: Callable[[pathlib.Path], Any]
    read: Callable[[pathlib.Path], bytes]
    hashed: bool
    damaged: tuple[str, ...] = ("**/*",)
    also: Callable[[pathlib.Path], frozenset[bytes]] = lambda folder: frozenset()
    mend: Callable[[pathlib.Path], None] = lambda folder: None
    slow: bool = False


def digest(*values: Any) -> bytes:
    """Returns a hash of arrays, and of all else by its JSON."""
    found = hashlib.sha256()
    for value in values:
        if isinstance(value, np.ndarray):
            found.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        else:
            found.update(json.dumps(value, sort_keys=True, default=str).encode())
    return found.digest()


def clean_dataset(of_split: int = 12) -> CleanDataset:
    """Returns a dataset of a few grey images of 4 x 4."""
    rng = np.random.default_rng(0)
    splits = {}
    for split in SPLITS:
        labels = np.arange(of_split, dtype=np.int32) % len(CLASS_NAMES)
        images = rng.integers(0, 256, (of_split, 4, 4, 1), dtype=np.uint8)
        splits[split] = LabelledImages(np.array([f"{split}_{i:03}" for i in range(of_split)]), images, labels)
    plan = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
    return CleanDataset("faults_noisy", "1.0.0", "faults", "1.0.0", CLASS_NAMES, plan, splits)


def write_predictions(folder: pathlib.Path) -> None:
    """Writes an artifact of three raters."""
    write_raters(folder / "low", clean_dataset(), "low")


def read_labels(folder: pathlib.Path, expected_sha256: str | None = None) -> bytes:
    """Reads an artifact, all of it."""
    read = read_predictions(folder / "low", expected_sha256=expected_sha256)
    parts: list[Any] = [read.dataset, read.level, read.base, read.class_names, read.raters, read.failures]
    for split in LABELLED_SPLITS:
        parts += [read.ids[split], read.clean_labels[split], read.noisy_labels[split], read.probabilities(split)]
    return digest(*parts, read.provenance, read.split_plan.to_json())


def make_hashes_match(folder: pathlib.Path) -> None:
    """Writes the hashes of damaged files into the manifest, where that can still be read."""
    path = folder / "low" / "manifest.json"
    try:
        manifest = json.loads(path.read_bytes())
        for name in manifest["files"]:
            if (path.parent / name).exists():
                manifest["files"][name] = files.sha256((path.parent / name).read_bytes())
        path.write_text(json.dumps(manifest))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass


def use_labels(folder: pathlib.Path) -> bytes:
    """Reads an artifact, and computes of it what a build would."""
    from noisy_label_datasets.labels.sources import NoisyLabels
    from noisy_label_datasets.noise.figures import noise_figures

    found, read = read_labels(folder), read_predictions(folder / "low")
    labels = NoisyLabels(
        raters=read.raters,
        division=read.split_plan,
        ids=read.ids,
        clean_labels=read.clean_labels,
        noisy_labels=read.noisy_labels,
        provenance=read.provenance,
        origin="trained",
        sha256=read.sha256,
    )
    files.to_json(noise_figures(labels, read.class_names))
    return found


def _artifact_sha256() -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_predictions(pathlib.Path(folder))
        return read_predictions(pathlib.Path(folder) / "low").sha256


def read_shipped_labels(folder: pathlib.Path) -> bytes:
    """Reads an artifact of which the hash is known."""
    return read_labels(folder, expected_sha256=_artifact_sha256())


def read_arrays(folder: pathlib.Path) -> bytes:
    """Reads clean arrays, all of them."""
    read = CleanDataset.load(folder / "arrays")
    return digest(read.fingerprint(), read.name, read.version, read.base_name, read.split_plan.to_json())


def write_listed(folder: pathlib.Path) -> None:
    """Writes an artifact and a list of checksums, as beside a builder."""
    write_raters(folder / "rater_predictions" / "low", clean_dataset(), "low")
    write_checksums(folder)


def read_listed(folder: pathlib.Path) -> bytes:
    """Verifies it against the list."""
    return digest(sorted(str(name) for name in verify_shipped_files(folder)))


def write_corrections(folder: pathlib.Path) -> None:
    """Writes corrections of test labels."""
    answers = {"given": 1, "guessed": 4, "neither": 0, "both": 0}
    image = {"given_original_label": 0, "our_guessed_label": 3, "mturk": answers}
    (folder / "cifar10_mturk.json").write_text(json.dumps([{**image, "id": i} for i in range(8)]))


def read_corrections(folder: pathlib.Path) -> bytes:
    """Reads them, and corrects with them."""
    from noisy_label_datasets.human.human_labels import load_corrections

    ids, labels = np.array([f"test_{i:05d}" for i in range(10)]), np.zeros(10, np.int32)
    corrected = load_corrections(ids, labels, folder / "cifar10_mturk.json")
    assert ((corrected >= 0) & (corrected < 10)).all(), "labels that are none"
    return digest(corrected)


def read_lease(folder: pathlib.Path) -> bytes:
    """Claims a lease of which a damaged file lies there."""
    from noisy_label_datasets.lease import Lease

    with Lease(folder / "x.lease", heartbeat=0.01, patience=0.05) as lease:
        lease.check()
    return b"had"


def write_lease(folder: pathlib.Path) -> None:
    """Writes the lease of a process of another machine."""
    lease = {"token": "0" * 32, "worker": "other:1", "owner": "00000000-1-1"}
    (folder / "x.lease").write_text(json.dumps(lease))


PLAIN_KINDS = (
    FileKind("rater predictions, hash known", write_predictions, read_shipped_labels, hashed=True),
    FileKind("rater predictions", write_predictions, use_labels, hashed=False, damaged=("**/*.json", "**/*.npz")),
    FileKind(
        "rater predictions, hashes made to match", write_predictions, use_labels, hashed=False, mend=make_hashes_match
    ),
    FileKind("clean arrays", lambda folder: clean_dataset().save(folder / "arrays"), read_arrays, hashed=False),
    FileKind("checksums of shipped files", write_listed, read_listed, hashed=True),
    FileKind("corrections of test labels", write_corrections, read_corrections, hashed=False),
    FileKind("lease of another process", write_lease, read_lease, hashed=True),
)
