"""Raters that come with a dataset: what is said of them in a folder of weights, read without JAX.

    pool = read_shipped_pool("builders/pcam_noisy/rater_weights/medium")
    pool.image_shape, pool.rater_ids

Files beside a builder, in `rater_weights/<config>/`:

    pool.json               the raters in order, what they label, provenance, and the SHA-256 of each file; written last
    raters/<rater id>.npz   one trained network (`rater_training.training.shipped`)
    recorded/               where the labels of the whole dataset are not shipped: the artifact of what these raters
                            said of the part of it that was at hand when they were trained

A folder without pool.json is an unfinished pool: its raters are complete, others are missing.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from noisy_label_datasets import files
from noisy_label_datasets.base.names import check_class_names
from noisy_label_datasets.base.splits import SPLIT_PLAN, SplitPlan
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.prediction_schema import RATER_ID
from noisy_label_datasets.schema import Anything, Exactly, ListOf, MapOf, Record, Schema, Text, Whole, check, parse_json

FOLDER = "rater_weights"
DESCRIPTION = "pool.json"
RECORDED = "recorded"
LABELLED_BY = "labelled_by"  # in the provenance of labels that shipped raters gave
FORMAT = "noisy_label_datasets/shipped_raters"
FORMAT_VERSION = 1

_IDENTITY: dict[str, Schema] = {"format": Exactly(FORMAT), "format_version": Exactly(FORMAT_VERSION)}
_DESCRIPTION = Record(
    {
        **_IDENTITY,
        "dataset": Text(),
        "level": Text(),
        "base": Record({"name": Text(), "version": Text()}),
        "split_plan": SPLIT_PLAN,
        "class_names": ListOf(Text(), least=2),
        "image_shape": ListOf(Whole(1, 2**15), least=3, most=3),
        "raters": ListOf(Text(RATER_ID), least=1),
        "failures": MapOf(Text()),
        "provenance": MapOf(Anything()),
        "files": MapOf(Text("[0-9a-f]{64}")),
    }
)


class WeightsError(NoisyLabelsError):
    """Weights that are not there, of another format version, altered, or that cannot be read."""


@dataclasses.dataclass(frozen=True)
class ShippedPool:
    """What is known of a pool whose trained raters are shipped.

    Attributes:
      dataset, level: what it labels.
      base: name and version of the dataset that the images are from.
      split_plan: how that is divided; the raters were trained on its `clean_label_train`, or a part of it.
      class_names: of the K classes.
      image_shape: (height, width, channels) at which the raters see the images.
      rater_ids: in the order of the pool.
      failures: rater id -> why the pool goes without it.
      provenance: how the pool was trained, as in the manifest of an artifact.
      files: name -> SHA-256, of the raters' files.
      sha256: of pool.json, hence of all of it.
    """

    dataset: str
    level: str
    base: Mapping[str, str]
    split_plan: SplitPlan
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    rater_ids: tuple[str, ...]
    failures: Mapping[str, str]
    provenance: Mapping[str, Any]
    files: Mapping[str, str]
    sha256: str

    def __post_init__(self) -> None:
        if not self.rater_ids or len(set(self.rater_ids)) < len(self.rater_ids):
            raise WeightsError(f"a pool has one or more raters, each once, given {list(self.rater_ids)}")
        if set(self.files) != {rater_file(rater_id) for rater_id in self.rater_ids}:
            raise WeightsError(f"the files listed are {sorted(self.files)}, the raters {list(self.rater_ids)}")


def rater_file(rater_id: str) -> str:
    """Returns the name of a rater's file in the folder of its pool."""
    return f"raters/{rater_id}.npz"


def are_shipped(builder_dir: Any, level: str) -> bool:
    """Returns whether the raters of a level come with the dataset whose builder's folder this is."""
    return (builder_dir / FOLDER / level / DESCRIPTION).exists()


def write_shipped_pool(
    folder: pathlib.Path,
    *,
    dataset: str,
    level: str,
    base: Mapping[str, str],
    split_plan: SplitPlan,
    class_names: Sequence[str],
    image_shape: Sequence[int],
    rater_ids: Sequence[str],
    failures: Mapping[str, str],
    provenance: Mapping[str, Any],
) -> None:
    """Writes pool.json, which makes a finished pool of an unfinished one; see `ShippedPool`.

    Raises:
      WeightsError: a rater's file is not there.
      OSError: the folder cannot be written or the disk is full.
    """
    hashes = {rater_file(i): files.sha256(_read(folder / rater_file(i))) for i in rater_ids}
    description = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "dataset": dataset,
        "level": level,
        "base": dict(base),
        "split_plan": split_plan.to_json(),
        "class_names": list(class_names),
        "image_shape": list(image_shape),
        "raters": list(rater_ids),
        "failures": dict(failures),
        "provenance": dict(provenance),
        "files": hashes,
    }
    files.write_atomically(folder / DESCRIPTION, files.to_json(description))


def read_shipped_pool(folder: Any, *, expected_sha256: str | None = None) -> ShippedPool:
    """Returns what is said of a pool; the raters' own files are not read.

    Args:
      folder: a path object, or text.
      expected_sha256: of pool.json, where it is known from elsewhere.

    Raises:
      WeightsError: no pool there, an unfinished one, of another format version, altered or incomplete.
    """
    folder = pathlib.Path(folder) if isinstance(folder, str) else folder
    path = folder / DESCRIPTION
    data = _read(path)
    digest = files.sha256(data)
    if expected_sha256 not in (None, digest):
        raise WeightsError(f"{path} was altered: its SHA-256 is {digest}, not {expected_sha256}")
    try:
        described = parse_json(data)
        for form in (Record(_IDENTITY), _DESCRIPTION):
            check(described, form)
        check_class_names(described["class_names"])
        height, width, channels = described["image_shape"]
        return ShippedPool(
            dataset=described["dataset"],
            level=described["level"],
            base=described["base"],
            split_plan=SplitPlan.from_json(described["split_plan"]),
            class_names=tuple(described["class_names"]),
            image_shape=(height, width, channels),
            rater_ids=tuple(described["raters"]),
            failures=described["failures"],
            provenance=described["provenance"],
            files=described["files"],
            sha256=digest,
        )
    except (WeightsError, ValueError) as error:
        raise WeightsError(f"{path} was altered or cut short, or is of another format: {error}") from error


def _read(path: Any) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsError(f"no weights of a whole pool in {path.parent}: {path.name} is not there") from error
