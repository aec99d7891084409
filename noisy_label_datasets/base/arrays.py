"""A clean dataset as NumPy arrays on disk: what rater training reads, with neither TensorFlow nor TFDS.

dataset.save("clean/cifar10_noisy")
dataset = CleanDataset.load("clean/cifar10_noisy")
dataset.splits["clean_label_train"].images      # [n, h, w, c] uint8, memory-mapped
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from noisy_label_datasets import schema
from noisy_label_datasets.base.names import check_class_names, check_ids
from noisy_label_datasets.base.splits import SPLIT_PLAN, SPLITS, SplitPlan
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.files import to_json
from noisy_label_datasets.folders import read_whole, replacing

FORMAT = "noisy_label_datasets/clean_dataset"
FORMAT_VERSION = 1


_IDENTITY: dict[str, schema.Schema] = {
    "format": schema.Exactly(FORMAT),
    "format_version": schema.Exactly(FORMAT_VERSION),
}
_DESCRIPTION = schema.Record(
    {
        **_IDENTITY,
        **dict.fromkeys(("name", "version", "base_name", "base_version"), schema.Text()),
        "class_names": schema.ListOf(schema.Text(), least=2),
        "split_plan": SPLIT_PLAN,
    }
)


class CleanDatasetError(NoisyLabelsError, ValueError):
    """Arrays that are no clean dataset, or a folder that does not hold one."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Images of one size with their clean labels.

    Attributes:
      ids: [n] <U, unique.
      images: [n, h, w, c] uint8.
      labels: [n] int32, the clean labels.
    """

    ids: np.ndarray
    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise CleanDatasetError(f"images are [n, h, w, c] uint8, given {self.images.shape} {self.images.dtype}")
        n = len(self.images)
        if self.ids.shape != (n,) or self.ids.dtype.kind != "U":
            raise CleanDatasetError(f"ids are [{n}] <U, given {self.ids.shape} {self.ids.dtype}")
        if self.labels.shape != (n,) or self.labels.dtype != np.int32:
            raise CleanDatasetError(f"labels are [{n}] int32, given {self.labels.shape} {self.labels.dtype}")
        try:
            check_ids(self.ids)
        except ValueError as error:
            raise CleanDatasetError(str(error)) from error

    def __len__(self) -> int:
        return len(self.ids)


@dataclasses.dataclass(frozen=True)
class CleanDataset:
    """The five splits of a dataset with clean labels only.

    Attributes:
      name: of the noisy dataset, 'cifar10_noisy'.
      version: of the noisy dataset, '1.0.0'.
      base_name: of the dataset that it is made of, 'cifar10'.
      base_version: '3.0.2'.
      class_names: of the K classes, in the order of the labels 0..K-1.
      split_plan: how the base was divided.
      splits: the five splits; ids are unique over all of them.
    """

    name: str
    version: str
    base_name: str
    base_version: str
    class_names: tuple[str, ...]
    split_plan: SplitPlan
    splits: Mapping[str, LabelledImages]

    def __post_init__(self) -> None:
        try:
            check_class_names(self.class_names)
        except ValueError as error:
            raise CleanDatasetError(f"{self.name}: {error}") from error
        if set(self.splits) != set(SPLITS):
            raise CleanDatasetError(f"{self.name}: splits are {list(SPLITS)}, given {sorted(self.splits)}")
        for split, examples in self.splits.items():
            if not len(examples):
                raise CleanDatasetError(f"{self.name}: split {split} has no examples")
            if examples.labels.min() < 0 or examples.labels.max() >= len(self.class_names):
                raise CleanDatasetError(
                    f"{self.name}: labels of {split} lie in {examples.labels.min()}..{examples.labels.max()}; "
                    f"with {len(self.class_names)} classes 0..{len(self.class_names) - 1} are allowed"
                )
        shapes = {split: examples.images.shape[1:] for split, examples in self.splits.items()}
        if len(set(shapes.values())) > 1:
            raise CleanDatasetError(f"{self.name}: images of all splits have one size, given {shapes}")
        ids = np.concatenate([self.splits[split].ids for split in SPLITS])
        if len(np.unique(ids)) < len(ids):
            raise CleanDatasetError(f"{self.name}: {len(ids) - len(np.unique(ids))} ids stand there twice")

    def fingerprint(self) -> str:
        """Returns a SHA-256 over class names, ids, images and labels of all splits: the same data, the same value."""
        digest = hashlib.sha256(to_json(list(self.class_names)))
        for split in SPLITS:
            examples = self.splits[split]
            digest.update(to_json([split, examples.ids.tolist(), list(examples.images.shape)]))
            digest.update(np.ascontiguousarray(examples.images).data)
            digest.update(np.ascontiguousarray(examples.labels.astype("<i4")).data)
        return digest.hexdigest()

    def save(self, folder: str | os.PathLike) -> None:
        """Writes the dataset to a folder, in place of what a folder of that name held; atomic.

        A process that is writing the same folder is waited for.

        Raises:
          OSError: the folder cannot be written or the disk is full; nothing is left behind.
        """
        with replacing(pathlib.Path(folder), self.name) as temporary:
            for split, examples in self.splits.items():
                for field in dataclasses.fields(examples):
                    np.save(temporary / f"{split}.{field.name}.npy", getattr(examples, field.name), allow_pickle=False)
            self.write_description(temporary)

    def write_description(self, folder: pathlib.Path) -> None:
        """Writes what `load` needs beside the arrays."""
        (folder / "dataset.json").write_bytes(to_json(self._description()))

    def _description(self) -> dict:
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "version": self.version,
            "base_name": self.base_name,
            "base_version": self.base_version,
            "class_names": list(self.class_names),
            "split_plan": self.split_plan.to_json(),
        }

    @classmethod
    def load(cls, folder: str | os.PathLike) -> CleanDataset:
        """Returns the dataset that `save` wrote, of one `save` whatever others do; images are memory-mapped.

        Raises:
          CleanDatasetError: there is none, or it is of another format version, cut short or inconsistent.
        """
        folder = pathlib.Path(folder)
        return read_whole(folder, lambda: cls._read(folder))

    @classmethod
    def _read(cls, folder: pathlib.Path) -> CleanDataset:
        try:
            description = schema.parse_json((folder / "dataset.json").read_bytes())
            for form in (schema.Record(_IDENTITY), _DESCRIPTION):
                schema.check(description, form)
        except FileNotFoundError as error:
            raise CleanDatasetError(f"no clean dataset in {folder}: dataset.json is not there") from error
        except ValueError as error:
            raise CleanDatasetError(f"{folder / 'dataset.json'} cannot be read: {error}") from error
        arrays = {
            split: {
                field.name: _read_array(folder / f"{split}.{field.name}.npy")
                for field in dataclasses.fields(LabelledImages)
            }
            for split in SPLITS
        }
        try:
            splits = {
                split: LabelledImages(
                    ids=np.array(of_split["ids"]), images=of_split["images"], labels=np.array(of_split["labels"])
                )
                for split, of_split in arrays.items()
            }
            return cls(
                name=description["name"],
                version=description["version"],
                base_name=description["base_name"],
                base_version=description["base_version"],
                class_names=tuple(description["class_names"]),
                split_plan=SplitPlan.from_json(description["split_plan"]),
                splits=splits,
            )
        except ValueError as error:
            raise CleanDatasetError(f"the clean dataset in {folder} cannot be read: {error}") from error


def _read_array(path: pathlib.Path) -> np.ndarray:
    """Returns an array, memory-mapped, so that a header which promises more than there is costs no memory."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise CleanDatasetError(f"no clean dataset in {path.parent}: {path.name} is not there") from error
    except Exception as error:  # of a damaged header half a dozen kinds
        raise CleanDatasetError(f"{path} cannot be read: {type(error).__name__}: {error}") from error
