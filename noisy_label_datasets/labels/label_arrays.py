"""The noisy labels of one config as arrays on disk: what learning reads, with neither TensorFlow nor TFDS.

arrays = LabelArrays.of(labels, name="digits_noisy/high", class_names=class_names)     # labels: a NoisyLabels
arrays.save("label_arrays/digits_noisy/1.0.0/high")
arrays = LabelArrays.load("label_arrays/digits_noisy/1.0.0/high")

Images and clean labels are those of the dataset's `CleanDataset`, which all its configs share; the ids join them.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from noisy_label_datasets import schema
from noisy_label_datasets.base.names import check_class_names, check_ids
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.files import pack_arrays, to_json, unpack_arrays
from noisy_label_datasets.folders import read_whole, replacing
from noisy_label_datasets.labels.prediction_schema import FEATURES
from noisy_label_datasets.labels.sampling import sample_raters
from noisy_label_datasets.labels.sources import NOISY_SPLITS, NoisyLabels

FORMAT = "noisy_label_datasets/label_arrays"
FORMAT_VERSION = 1
_IDENTITY: dict[str, schema.Schema] = {
    "format": schema.Exactly(FORMAT),
    "format_version": schema.Exactly(FORMAT_VERSION),
}
_DESCRIPTION = schema.Record(
    {
        **_IDENTITY,
        "name": schema.Text(),
        "class_names": schema.ListOf(schema.Text(), least=2),
        "raters": schema.ListOf(FEATURES, least=1),
        "labels_sha256": schema.Text("[0-9a-f]{64}"),
    }
)


class LabelArraysError(NoisyLabelsError, ValueError):
    """A folder that does not hold label arrays, or arrays that do not fit together."""


@dataclasses.dataclass(frozen=True)
class LabelArrays:
    """The labels of the two noisy splits.

    Attributes:
      name: 'digits_noisy/high'.
      class_names: of the K classes.
      raters: R mappings of features (JSON), in the order of the labels.
      ids: split -> [n] <U.
      noisy_labels: split -> [n, R] int32; -1 where a rater gave none.
      noisy_label_rater: split -> [n] int32, whose label is the one that a learner trains on.
      labels_sha256: of the artifact that the labels are from.
    """

    name: str
    class_names: tuple[str, ...]
    raters: tuple[Mapping[str, Any], ...]
    ids: Mapping[str, np.ndarray]
    noisy_labels: Mapping[str, np.ndarray]
    noisy_label_rater: Mapping[str, np.ndarray]
    labels_sha256: str

    def __post_init__(self) -> None:
        check_class_names(self.class_names)
        for split in NOISY_SPLITS:
            ids, labels, raters = self.ids[split], self.noisy_labels[split], self.noisy_label_rater[split]
            if ids.ndim != 1 or ids.dtype.kind != "U" or {labels.dtype.kind, raters.dtype.kind} != {"i"}:
                found = f"ids {ids.dtype} {ids.shape}, labels {labels.dtype}, raters {raters.dtype}"
                raise LabelArraysError(f"{self.name}, {split}: {found}")
            check_ids(ids)
            n, shapes = len(ids), (labels.shape, raters.shape)
            if shapes != ((n, len(self.raters)), (n,)):
                raise LabelArraysError(f"{self.name}, {split}: {n} ids, but labels and raters of shapes {shapes}")
            if n and not (labels.min() >= -1 and labels.max() < len(self.class_names)):
                raise LabelArraysError(f"{self.name}, {split}: labels that are none of {len(self.class_names)} classes")
            if n and not (raters.min() >= 0 and raters.max() < len(self.raters)):
                raise LabelArraysError(f"{self.name}, {split}: raters that are none of {len(self.raters)}")

    @classmethod
    def of(cls, labels: NoisyLabels, *, name: str, class_names: tuple[str, ...]) -> LabelArrays:
        """Returns the labels of a source, one rater drawn for each example as in the built dataset."""
        return cls(
            name=name,
            class_names=class_names,
            raters=labels.raters,
            ids={split: labels.ids[split] for split in NOISY_SPLITS},
            noisy_labels={split: labels.noisy_labels[split].astype(np.int32) for split in NOISY_SPLITS},
            noisy_label_rater={
                split: sample_raters(labels.ids[split].tolist(), labels.noisy_labels[split]) for split in NOISY_SPLITS
            },
            labels_sha256=labels.sha256,
        )

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the labels to a folder, in place of what a folder of that name held; atomic.

        Raises:
          OSError: the folder cannot be written or the disk is full; nothing is left behind.
        """
        arrays = {}
        for split in NOISY_SPLITS:
            for what in ("ids", "noisy_labels", "noisy_label_rater"):
                arrays[f"{split}.{what}"] = getattr(self, what)[split]
        description = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "class_names": list(self.class_names),
            "raters": [dict(rater) for rater in self.raters],
            "labels_sha256": self.labels_sha256,
        }
        with replacing(pathlib.Path(folder), self.name) as written:
            (written / "labels.npz").write_bytes(pack_arrays(arrays))
            (written / "labels.json").write_bytes(to_json(description))

    @classmethod
    def load(cls, folder: str | os.PathLike) -> LabelArrays:
        """Returns what one `save` wrote, whatever others do.

        Raises:
          LabelArraysError: there is none, or it is of another format version, cut short or inconsistent.
        """
        folder = pathlib.Path(folder)
        return read_whole(folder, lambda: cls._read(folder))

    @classmethod
    def _read(cls, folder: pathlib.Path) -> LabelArrays:
        try:
            description = schema.read_json((folder / "labels.json").read_bytes(), schema.Record(_IDENTITY))
            schema.check(description, _DESCRIPTION)
            arrays = unpack_arrays((folder / "labels.npz").read_bytes())
            return cls(
                name=description["name"],
                class_names=tuple(description["class_names"]),
                raters=tuple(description["raters"]),
                ids={split: arrays[f"{split}.ids"] for split in NOISY_SPLITS},
                noisy_labels={split: arrays[f"{split}.noisy_labels"] for split in NOISY_SPLITS},
                noisy_label_rater={split: arrays[f"{split}.noisy_label_rater"] for split in NOISY_SPLITS},
                labels_sha256=description["labels_sha256"],
            )
        except FileNotFoundError as error:
            raise LabelArraysError(f"no label arrays in {folder}: {error.filename} is not there") from error
        except (ValueError, KeyError) as error:
            raise LabelArraysError(f"the label arrays in {folder} cannot be read: {error}") from error
