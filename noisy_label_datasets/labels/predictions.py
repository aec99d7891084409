"""The rater-prediction artifact: the predictions of a pool of raters, as a folder.

    writer = PredictionsWriter(folder, dataset="cifar10_noisy", level="low",
                               base={"name": "cifar10", "version": "3.0.2"}, split_plan=plan, class_names=names,
                               examples={"test": (ids, labels), ...})
    if not writer.has_rater("resnet50", fingerprint):
        writer.write_rater("resnet50", fingerprint=fingerprint, probabilities={"test": p, ...}, features={...})
    writer.finish(["resnet50"], provenance={...})
    predictions = read_predictions(folder)

Files, none of them holding a pickle:

    examples.npz            the labelled examples: `<split>.ids`, `<split>.labels`, and a header that names the dataset
    raters/<rater id>.npz   one rater: `<split>.labels`, `<split>.codes` (see `probability_codes`), features
    manifest.json           everything else, with the SHA-256 of each of these files; written last

Of more than twelve classes a rater's file holds `<split>.others` and `<split>.kept` in place of the codes, those of the
five most probable classes (see `kept_codes`); such an artifact has format version 2, others have 1.

A folder without a manifest is an unfinished pool: a `PredictionsWriter` resumes it, `read_predictions` refuses it.
The SHA-256 of the manifest stands for the whole artifact.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets import files, schema
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SplitPlan
from noisy_label_datasets.labels.prediction_files import ExamplesFile, PredictionsError, RaterFile
from noisy_label_datasets.labels.prediction_schema import (
    FORMAT,
    IDENTITY,
    RATER_ID,
    format_version,
)
from noisy_label_datasets.labels.prediction_schema import (
    MANIFEST as MANIFEST_SCHEMA,
)
from noisy_label_datasets.labels.probability_codes import decoded
from noisy_label_datasets.noise.class_values import ClassValues

__all__ = ["PredictionsError", "PredictionsWriter", "RaterPredictions", "read_predictions"]

MANIFEST = "manifest.json"
PREDICTIONS_DIR = "rater_predictions"  # of pools, in the user's folder of datasets as well as beside a builder
EXAMPLES = "examples.npz"


@dataclasses.dataclass(frozen=True)
class RaterPredictions:
    """What the R raters of a finished pool said of the n examples of each labelled split.

    Attributes:
      dataset: 'cifar10_noisy'.
      level: the config: 'low'.
      base: name and version of the dataset that the images are from.
      split_plan: how that dataset was divided.
      class_names: of the K classes.
      raters: R mappings of features, in pool order; "id" is always there.
      failures: rater id -> why the pool goes without it.
      provenance: how the pool was trained.
      ids: split -> [n] <U.
      clean_labels: split -> [n] int32.
      noisy_labels: split -> [n, R] int32, the hard labels.
      codes: split -> [n, R, K] uint8, the stored form of the probabilities; `dense()` is an array. Of more than twelve
        classes the most probable five have their own, all others of an example one that they share.
      sha256: of the manifest, hence of all of it.
    """

    dataset: str
    level: str
    base: Mapping[str, str]
    split_plan: SplitPlan
    class_names: tuple[str, ...]
    raters: tuple[Mapping[str, Any], ...]
    failures: Mapping[str, str]
    provenance: Mapping[str, Any]
    ids: Mapping[str, np.ndarray]
    clean_labels: Mapping[str, np.ndarray]
    noisy_labels: Mapping[str, np.ndarray]
    codes: Mapping[str, ClassValues]
    sha256: str

    def probabilities(self, split: str) -> np.ndarray:
        """Returns the class probabilities of a split: [n, R, K] float32, summing to 1 over K."""
        return decoded(self.codes[split]).dense()


class PredictionsWriter:
    """Writes an artifact to a local folder, a rater at a time; resumes an unfinished one.

    Several processes may write different raters of one pool to the same folder.

    Attributes:
      folder: of the artifact.
      format_version: that it is written in, see `prediction_files`.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        dataset: str,
        level: str,
        base: Mapping[str, str],
        split_plan: SplitPlan,
        class_names: Sequence[str],
        examples: Mapping[str, tuple[np.ndarray, np.ndarray]],
        version: int | None = None,
    ) -> None:
        """Opens a folder, new or unfinished.

        Args:
          folder: made if it is not there.
          dataset: 'cifar10_noisy'.
          level: 'low'.
          base: {"name": 'cifar10', "version": '3.0.2'}.
          split_plan: how the base was divided.
          class_names: of the K classes.
          examples: labelled split -> (ids [n] of text, clean labels [n] of whole numbers in 0..K-1).
          version: of the format, for a new folder; None: by the number of classes. An unfinished folder keeps its own.

        Raises:
          PredictionsError: the examples are faulty, or the folder was started for something else.
          OSError: the folder cannot be written or the disk is full.
        """
        self.folder = pathlib.Path(folder)
        path = self.folder / EXAMPLES
        started = ExamplesFile.read(path, path.read_bytes()) if path.exists() else None
        self.format_version = format_version(len(class_names)) if version is None else version
        if started is not None:
            self.format_version = started.header["format_version"]
        header = {
            "format": FORMAT,
            "format_version": self.format_version,
            "dataset": dataset,
            "level": level,
            "base": dict(base),
            "split_plan": split_plan.to_json(),
            "class_names": list(class_names),
        }
        self._examples = ExamplesFile(
            header=header,
            ids={split: np.asarray(ids, dtype=np.str_) for split, (ids, _) in examples.items()},
            labels={split: np.asarray(labels) for split, (_, labels) in examples.items()},
        )
        if started is not None:
            _check_same(self.folder, started, self._examples)
        else:
            files.write_atomically(path, self._examples.to_bytes())

    def has_rater(self, rater_id: str, fingerprint: str) -> bool:
        """Returns whether a rater is stored; a file that is not whole counts as not stored, to be written again.

        Raises:
          PredictionsError: a rater of this id but another fingerprint (another configuration or data) is stored.
        """
        path = self._rater_path(rater_id)
        if not path.exists():
            return False
        try:
            stored = self._read_rater(path, path.read_bytes())
        except PredictionsError:
            return False
        if stored.fingerprint != fingerprint:
            raise PredictionsError(
                f"{path} holds a rater of another configuration or of other data (fingerprint {stored.fingerprint}, "
                f"wanted {fingerprint}); remove the file or write to another folder"
            )
        return True

    def write_rater(
        self,
        rater_id: str,
        *,
        fingerprint: str,
        probabilities: Mapping[str, np.ndarray],
        features: Mapping[str, Any],
    ) -> None:
        """Stores the predictions of one rater; the file is whole or not there.

        Args:
          rater_id: unique in the pool; a file name.
          fingerprint: of everything that the predictions depend on.
          probabilities: labelled split -> [n, K] float, rows summing to 1, in the order of the examples.
          features: JSON; "id" is added.

        Raises:
          PredictionsError: a shape, a value, a missing split, or a feature that is not JSON.
          OSError: the folder cannot be written or the disk is full.
        """
        path = self._rater_path(rater_id)
        counts = self._examples.counts
        if set(probabilities) != set(counts):
            raise PredictionsError(f"rater {rater_id}: splits are {list(counts)}, given {sorted(probabilities)}")
        checked = {split: np.asarray(probabilities[split]).astype(np.float32) for split in counts}
        for split, given in checked.items():
            _check_probabilities(given, (counts[split], self._num_classes), f"rater {rater_id}, {split}")
        features = {**features, "id": rater_id}
        rater = RaterFile.of_probabilities(checked, fingerprint=fingerprint, features=features)
        data = rater.to_bytes(self.format_version)
        # A finished pool that gets a rater anew is unfinished until its manifest is.
        (self.folder / MANIFEST).unlink(missing_ok=True)
        files.write_atomically(path, data)

    def finish(
        self, rater_ids: Sequence[str], *, failures: Mapping[str, str] | None = None, provenance: Mapping[str, Any]
    ) -> None:
        """Writes the manifest, which makes the pool a finished one.

        Args:
          rater_ids: the raters, in the order in which their labels shall stand in an example.
          failures: id -> reason, of raters that the pool goes without.
          provenance: JSON: how the pool was trained (software, device, configuration, log).

        Raises:
          PredictionsError: no rater, one named twice, or one that is not stored.
          OSError: the folder cannot be written or the disk is full.
        """
        if not rater_ids or len(set(rater_ids)) < len(rater_ids):
            raise PredictionsError(f"a pool has one or more raters, each once, given {list(rater_ids)}")
        hashes = {EXAMPLES: files.sha256((self.folder / EXAMPLES).read_bytes())}
        raters = []
        for rater_id in rater_ids:
            path = self._rater_path(rater_id)
            if not path.exists():
                raise PredictionsError(f"rater {rater_id} has no predictions yet: {path} is not there")
            data = path.read_bytes()
            raters.append(self._read_rater(path, data).features)
            hashes[f"raters/{path.name}"] = files.sha256(data)
        manifest = {
            **self._examples.header,
            "counts": self._examples.counts,
            "raters": raters,
            "failures": dict(failures or {}),
            "provenance": dict(provenance),
            "files": hashes,
        }
        try:
            encoded = files.to_json(manifest)
        except (TypeError, ValueError) as error:
            raise PredictionsError(f"provenance and failures have to be JSON: {error}") from error
        files.write_atomically(self.folder / MANIFEST, encoded)

    @property
    def _num_classes(self) -> int:
        return len(self._examples.header["class_names"])

    def _read_rater(self, path: pathlib.Path, data: bytes) -> RaterFile:
        return RaterFile.read(path, data, self._examples.counts, self._num_classes, self.format_version)

    def _rater_path(self, rater_id: str) -> pathlib.Path:
        if not re.fullmatch(RATER_ID, rater_id):
            raise PredictionsError(f"rater id {rater_id!r} is no file name of the form {RATER_ID}")
        return self.folder / "raters" / f"{rater_id}.npz"


def _check_same(folder: pathlib.Path, started: ExamplesFile, wanted: ExamplesFile) -> None:
    for key, value in wanted.header.items():
        if started.header.get(key) != value:
            raise PredictionsError(
                f"{folder} was started with {key} {started.header.get(key)!r}, now it is {value!r}; "
                "remove the folder or write to another"
            )
    for split in LABELLED_SPLITS:
        same_ids = np.array_equal(started.ids[split], wanted.ids[split])
        if not same_ids or not np.array_equal(started.labels[split], wanted.labels[split]):
            raise PredictionsError(
                f"{folder} was started with other {'clean labels' if same_ids else 'ids'} of {split}; "
                "remove the folder or write to another"
            )


def _check_probabilities(given: np.ndarray, shape: tuple[int, int], where: str) -> None:
    if given.shape != shape:
        raise PredictionsError(f"{where}: probabilities are {shape}, given {given.shape}")
    if not (np.isfinite(given).all() and (given >= 0).all()):
        raise PredictionsError(f"{where}: probabilities are finite and not negative; some given are not")
    worst = np.abs(given.sum(axis=-1) - 1).max()
    if worst > 0.02:  # what bfloat16 may be off
        raise PredictionsError(f"{where}: probabilities sum to 1 for each example; some given are off by {worst:.3g}")


def is_finished(folder: Any) -> bool:
    """Returns whether a folder, a path object, holds the predictions of a finished pool; reads no file."""
    return (folder / MANIFEST).exists()


def read_identity(folder: str | os.PathLike) -> tuple[str, int]:
    """Returns the SHA-256 of a finished pool's manifest and the number of its raters; reads no other file.

    Raises:
      PredictionsError: unfinished, or of another format.
    """
    path: Any = pathlib.Path(folder) if isinstance(folder, str) else folder
    return _identity(path / MANIFEST, _read(path / MANIFEST))


@functools.lru_cache(maxsize=64)  # each builder of a config that follows from these labels asks for them anew
def _identity(path: Any, data: bytes) -> tuple[str, int]:
    manifest, digest = _read_manifest(path, data)
    return digest, len(manifest["raters"])


def read_predictions(folder: str | os.PathLike, *, expected_sha256: str | None = None) -> RaterPredictions:
    """Returns the predictions of a finished pool, all files checked.

    Args:
      folder: written by a `PredictionsWriter`; local, or a path object that has `read_bytes`.
      expected_sha256: of the manifest, where it is known from elsewhere.

    Raises:
      PredictionsError: unfinished, of another format version, altered, cut short or inconsistent; it names the file.
    """
    path: Any = pathlib.Path(folder) if isinstance(folder, str) else folder
    manifest, digest = _read_manifest(path / MANIFEST, _read(path / MANIFEST), expected_sha256)
    return _read_listed_files(path, manifest, digest)


def _read_manifest(path: Any, data: bytes, expected_sha256: str | None = None) -> tuple[dict[str, Any], str]:
    """Returns what the manifest of a finished pool says, and its SHA-256."""
    digest = files.sha256(data)
    if expected_sha256 not in (None, digest):
        raise PredictionsError(f"{path} was altered: its SHA-256 is {digest}, not {expected_sha256}")
    try:
        manifest = schema.parse_json(data)
        schema.check(manifest, IDENTITY)
        schema.check(manifest, MANIFEST_SCHEMA)
    except schema.SchemaError as error:
        raise PredictionsError(f"{path} is no manifest that this code reads: {error}") from error
    return manifest, digest


def _read_listed_files(path: Any, manifest: Mapping[str, Any], digest: str) -> RaterPredictions:
    """Reads what a manifest of the right form lists."""

    def listed(name: str) -> bytes:
        if name not in manifest["files"]:
            raise PredictionsError(f"{path / MANIFEST} does not list the SHA-256 of {name}")
        data = _read(path / name)
        if files.sha256(data) != manifest["files"][name]:
            raise PredictionsError(f"{path / name} was altered or cut short: its SHA-256 is not what {MANIFEST} lists")
        return data

    examples = ExamplesFile.read(path / EXAMPLES, listed(EXAMPLES), manifest["counts"])
    contradictions = [key for key, value in examples.header.items() if manifest.get(key) != value]
    if contradictions or manifest["counts"] != examples.counts:
        raise PredictionsError(f"{path / MANIFEST} contradicts {EXAMPLES} in {contradictions or 'counts'}")
    rater_ids = [features["id"] for features in manifest["raters"]]
    if repeated := sorted({rater_id for rater_id in rater_ids if rater_ids.count(rater_id) > 1}):
        raise PredictionsError(f"{path / MANIFEST} lists raters more than once: {', '.join(repeated)}")
    raters = []
    for features in manifest["raters"]:
        name = f"raters/{features['id']}.npz"
        rater = RaterFile.read(
            path / name, listed(name), examples.counts, len(manifest["class_names"]), manifest["format_version"]
        )
        if rater.features != features:
            differing = [key for key in {**rater.features, **features} if rater.features.get(key) != features.get(key)]
            raise PredictionsError(f"{path / MANIFEST} contradicts {name} in the features {', '.join(differing)}")
        raters.append(rater)
    return RaterPredictions(
        dataset=manifest["dataset"],
        level=manifest["level"],
        base=manifest["base"],
        split_plan=SplitPlan.from_json(manifest["split_plan"]),
        class_names=tuple(manifest["class_names"]),
        raters=tuple(manifest["raters"]),
        failures=manifest["failures"],
        provenance=manifest["provenance"],
        ids=examples.ids,
        clean_labels={split: examples.labels[split].astype(np.int32) for split in LABELLED_SPLITS},
        noisy_labels={
            split: np.stack([rater.labels[split] for rater in raters], axis=1).astype(np.int32)
            for split in LABELLED_SPLITS
        },
        codes={split: _joined([rater.codes[split] for rater in raters]) for split in LABELLED_SPLITS},
        sha256=digest,
    )


def _joined(codes: Sequence[ClassValues]) -> ClassValues:
    return type(codes[0]).joined(codes, axis=1)


def _read(path: Any) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        missing = "the pool is unfinished or there is none" if path.name == MANIFEST else "the artifact is incomplete"
        raise PredictionsError(f"{path} is not there: {missing}") from error
