"""The clean arrays of a base dataset, written as they are read: no more than a batch of images is in memory.

    splits = write_clean_arrays(folder, batches, split_plan, channels=3)
    splits["test"].images       # [n, h, w, c] uint8, memory-mapped from the folder

The files are those of `CleanDataset.save`. The base is read twice: for the ids, by which the examples are sorted, so
that the arrays do not depend on the order of the base's files, and for the images.
"""

import contextlib
import math
import pathlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from noisy_label_datasets.base.arrays import CleanDatasetError, LabelledImages
from noisy_label_datasets.base.bases import decode_image
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.splits import SPLITS, SplitPlan


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
    ids: dict[str, list[str]] = {split: [] for split in SPLITS}
    labels: dict[str, list[int]] = {split: [] for split in SPLITS}
    for batch in batches():
        for split, id_, label in zip(
            plan.assign(batch.base_split, batch.ids).tolist(), batch.ids, batch.labels, strict=True
        ):
            ids[split].append(id_)
            labels[split].append(label)
    if empty := [split for split in SPLITS if not ids[split]]:
        raise CleanDatasetError(f"split {', '.join(empty)} has no examples")
    sorted_ids, rows = {}, {}
    for split in SPLITS:
        as_read = np.array(ids.pop(split), dtype=np.str_)
        order = np.argsort(as_read, kind="stable")
        sorted_ids[split], rows[split] = as_read[order], iter(np.argsort(order).tolist())
        np.save(folder / f"{split}.ids.npy", sorted_ids[split], allow_pickle=False)
        of_split = np.array(labels[split], dtype=np.int32)[order]
        np.save(folder / f"{split}.labels.npy", of_split, allow_pickle=False)

    with contextlib.ExitStack() as stack:
        files: dict[str, ImageFile] = {}
        for batch in batches():
            for split, id_, encoded in zip(
                plan.assign(batch.base_split, batch.ids).tolist(), batch.ids, batch.images, strict=True
            ):
                image = decode_image(encoded, channels, size)
                if split not in files:
                    shape = (len(sorted_ids[split]), *image.shape)
                    files[split] = stack.enter_context(ImageFile(folder / f"{split}.images.npy", shape))
                files[split].write(next(rows[split]), image, id_)
    return {
        split: LabelledImages(
            ids=sorted_ids[split],
            images=np.lib.format.open_memmap(folder / f"{split}.images.npy", mode="r"),
            labels=np.lib.format.open_memmap(folder / f"{split}.labels.npy", mode="r"),
        )
        for split in SPLITS
    }


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
