"""The clean arrays of a base dataset, written as they are read: no more than a batch of images is in memory.

    dataset = write_clean_dataset(folder, base, split_plan, name="photos_noisy", version="1.0.0", data_dir=data_dir)
    dataset.splits["test"].images       # [n, h, w, c] uint8, memory-mapped from the folder

The files are those of `CleanDataset.save`. The base is read twice: for the ids, by which the examples are sorted, so
that the arrays do not depend on the order of the base's files, and for the images.
"""

from __future__ import annotations

import contextlib
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset, CleanDatasetError, LabelledImages
from noisy_label_datasets.base.bases import Base, decode_image
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.folders import replacing


def write_clean_dataset(
    folder: pathlib.Path,
    base: Base,
    plan: SplitPlan,
    *,
    name: str,
    version: str,
    data_dir: Any,
    size: tuple[int, int] | None = None,
) -> CleanDataset:
    """Returns a base dataset as clean arrays, written to a folder in place of what it held.

    Args:
      folder: where `CleanDataset.load` finds them.
      base: is read twice.
      plan: divides it.
      name, version: of the noisy dataset.
      data_dir: where TFDS keeps datasets.
      size: (height, width) at which images are written; None: as they are.

    Raises:
      BaseDatasetError: the base dataset is not here and cannot be got.
      CleanDatasetError: images of several sizes, or a split without examples.
      OSError: the folder cannot be written or the disk is full.
    """
    with replacing(folder, name) as written:
        dataset = CleanDataset(
            name=name,
            version=version,
            base_name=base.name,
            base_version=base.version,
            class_names=base.class_names,
            split_plan=plan,
            splits=write_clean_arrays(
                written,
                lambda: base.batches(data_dir, list(plan.fractions)),
                plan,
                channels=base.image_shape[-1],
                size=size,
            ),
        )
        dataset.write_description(written)
    return dataset


def write_clean_arrays(
    folder: pathlib.Path,
    batches: Callable[[], Iterable[ExampleBatch]],
    plan: SplitPlan,
    *,
    channels: int,
    size: tuple[int, int] | None = None,
) -> Mapping[str, LabelledImages]:
    """Returns the five splits, images memory-mapped.

    Args:
      folder: an empty one.
      batches: reads the base, in the same order each time.
      plan: divides it.
      channels: of the images.
      size: (height, width) at which they are written; None: as they are.

    Raises:
      CleanDatasetError: images of several sizes, or a split without examples.
      OSError: the disk is full.
    """
    labels = _read_labels(batches(), plan)
    indices = {split: _write_index(folder, split, labels[split]) for split in SPLITS}
    _write_images(folder, batches(), plan, indices, channels=channels, size=size)
    return {
        split: LabelledImages(
            ids=index.ids,
            images=np.lib.format.open_memmap(folder / f"{split}.images.npy", mode="r"),
            labels=np.lib.format.open_memmap(folder / f"{split}.labels.npy", mode="r"),
        )
        for split, index in indices.items()
    }


class _Labels(NamedTuple):
    """Ids and labels of a split in the order of the base."""

    ids: list[str]
    labels: list[int]


class _Index(NamedTuple):
    """Sorted ids [n] <U of a split, and the row of each example in the order of the base."""

    ids: np.ndarray
    rows: list[int]


def _read_labels(batches: Iterable[ExampleBatch], plan: SplitPlan) -> dict[str, _Labels]:
    """Returns the labels of each split.

    Raises:
      CleanDatasetError: a split without examples.
    """
    splits = {split: _Labels([], []) for split in SPLITS}
    for batch in batches:
        assigned = plan.assign(batch.base_split, batch.ids).tolist()
        for split, id_, label in zip(assigned, batch.ids, batch.labels, strict=True):
            splits[split].ids.append(id_)
            splits[split].labels.append(label)
    if empty := [split for split in SPLITS if not splits[split].ids]:
        raise CleanDatasetError(f"split {', '.join(empty)} has no examples")
    return splits


def _write_index(folder: pathlib.Path, split: str, read: _Labels) -> _Index:
    """Writes ids and labels of a split, sorted by id."""
    ids = np.array(read.ids, dtype=np.str_)
    order = np.argsort(ids, kind="stable")
    np.save(folder / f"{split}.ids.npy", ids[order], allow_pickle=False)
    np.save(folder / f"{split}.labels.npy", np.array(read.labels, dtype=np.int32)[order], allow_pickle=False)
    return _Index(ids[order], np.argsort(order).tolist())


def _write_images(
    folder: pathlib.Path,
    batches: Iterable[ExampleBatch],
    plan: SplitPlan,
    indices: Mapping[str, _Index],
    *,
    channels: int,
    size: tuple[int, int] | None,
) -> None:
    """Writes the images of all splits, each to the row of its id."""
    rows = {split: iter(index.rows) for split, index in indices.items()}
    with contextlib.ExitStack() as stack:
        files: dict[str, ImageFile] = {}
        for batch in batches:
            assigned = plan.assign(batch.base_split, batch.ids).tolist()
            for split, id_, encoded in zip(assigned, batch.ids, batch.images, strict=True):
                image = decode_image(encoded, channels, size)
                if split not in files:
                    shape = (len(indices[split].ids), *image.shape)
                    files[split] = stack.enter_context(ImageFile(folder / f"{split}.images.npy", shape))
                files[split].write(next(rows[split]), image, id_)


class ImageFile(contextlib.AbstractContextManager):
    """An .npy file of images, written in any order.

    By plain writes: the pages of a memory-mapped file would count as this process's memory until they are evicted.
    """

    def __init__(self, path: pathlib.Path, shape: tuple[int, ...]) -> None:
        """Makes the file; shape: [n, h, w, c]."""
        self.shape = shape
        self._file = path.open("wb")
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._start, self._size = self._file.tell(), math.prod(shape[1:])
        self._file.truncate(self._start + shape[0] * self._size)

    def write(self, row: int, image: np.ndarray, id_: str) -> None:
        """Writes image `row`, [h, w, c] uint8, of the example `id_`."""
        if image.shape != self.shape[1:]:
            raise CleanDatasetError(
                f"raters are trained on images of one size: {id_} is {image.shape}, others are {self.shape[1:]}"
            )
        self._file.seek(self._start + row * self._size)
        self._file.write(image.tobytes())

    def __exit__(self, *error: object) -> None:
        self._file.close()
