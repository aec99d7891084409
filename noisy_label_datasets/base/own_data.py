"""Data of one's own as a base dataset: a folder of images, an .npz file, or any image-classification dataset of TFDS.

origin = origin_of("./photos")                      # what it is, without reading it
described = describe(origin, "photos", data_dir)    # its base, its classes and image sizes, its splits
plan, unused = plan_for(described.splits)
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.bases import Base, ImageShape
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.splits import SplitPlan

LEAST_MEASURED = 20
"""Images of `clean_label_valid` that raters are measured on at least."""

LEAST_OF_CLASS = 4
"""Images of a class in `clean_label_train`, from which raters learn it, at least."""

SMALL_SIDE, MOST_SIDE, LARGE_SIDE = 32, 48, 96
"""Pixels a side: what large images are shrunk to, what is large, and what pretrained raters see."""

_TRAIN, _VALID, _TEST = ("train", "training"), ("validation", "valid", "val"), ("test", "testing")
# As in the paper: what is not test is halved into clean and noisy, each 80 / 20 into train and validation.
_HALVES = {"clean_label_train": 0.4, "clean_label_valid": 0.1, "noisy_label_train": 0.4, "noisy_label_valid": 0.1}
_WITH_TEST = {
    "clean_label_train": 0.36,
    "clean_label_valid": 0.09,
    "noisy_label_train": 0.36,
    "noisy_label_valid": 0.09,
    "test": 0.1,
}
_NO_CHARACTER = re.compile(r"[^a-z0-9]+")


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where data come from.

    Attributes:
      kind: 'folder', 'npz' or 'tfds'.
      source: absolute path, or the name of a dataset of TFDS.
      contents: a hash of a file, or of the names and sizes of a folder's files; the version of a dataset of TFDS.
    """

    kind: str
    source: str
    contents: str

    @property
    def name(self) -> str:
        """A name for the base dataset, of small letters, digits and `_`."""
        last = self.source if self.kind == "tfds" else os.path.basename(self.source)
        return _NO_CHARACTER.sub("_", last.removesuffix(".npz").lower()).strip("_")


@dataclasses.dataclass(frozen=True)
class Described:
    """Data as a base dataset.

    Attributes:
      base: its declaration.
      splits: of the base.
    """

    base: Base
    splits: tuple[str, ...]


def origin_of(given: str) -> Origin:
    """Returns what a user names: 'labels.npz', './photos', or 'beans', which is a dataset of TFDS.

    Raises:
      BaseDatasetError: there is nothing of the kind.
    """
    path = os.path.abspath(os.path.expanduser(given))
    if given.endswith(".npz"):
        from noisy_label_datasets.base.npz_file import contents_of as contents_of_file

        return Origin("npz", path, contents_of_file(path))
    if given.startswith((".", "/", "~", os.sep)) or given.endswith(("/", os.sep)):
        from noisy_label_datasets.base.image_folder import contents_of, find_images

        return Origin("folder", path, contents_of(path, find_images(path)))
    from noisy_label_datasets.base.tfds_description import find_tfds

    try:
        return Origin("tfds", *find_tfds(given))
    except BaseDatasetError as error:
        if os.path.exists(given):
            raise BaseDatasetError(f"{error}; the folder or file here is ./{given}") from error
        raise


def describe(
    origin: Origin,
    name: str,
    data_dir: Any,
    *,
    skip_corrupt: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Described:
    """Returns data as a base dataset; of a folder every file is opened, a dataset of TFDS is prepared.

    Args:
      origin: which data.
      name: of the base dataset; one of TFDS keeps its own.
      data_dir: where TFDS keeps datasets.
      skip_corrupt: whether files that cannot be read as images are left out; else they are an error.
      report: is told, in a line, what is left out.

    Raises:
      BaseDatasetError: see `describe_image_folder`, `describe_npz` and `describe_tfds`.
    """
    if origin.kind == "folder":
        from noisy_label_datasets.base.image_folder import describe_image_folder, find_images

        base = describe_image_folder(origin.source, name, skip_corrupt=skip_corrupt, report=report)
        return Described(base, tuple(find_images(origin.source)))
    if origin.kind == "npz":
        from noisy_label_datasets.base.npz_file import describe_npz

        of_arrays = describe_npz(origin.source, name)
        return Described(of_arrays, tuple(of_arrays.load()))
    from noisy_label_datasets.base.tfds_description import describe_tfds

    return Described(*describe_tfds(origin.source, data_dir))


def plan_for(splits: Sequence[str], seed: int = 0) -> tuple[SplitPlan, tuple[str, ...]]:
    """Returns how a base with these splits is divided into the five, and which of its splits are not used.

    Halves are as in the paper. `test` is the test split; a validation split beside it is halved into the two
    validation splits, and without it is the test split. Of a base with one split, a tenth is.
    """
    train, valid, test = (next((name for name in names if name in splits), None) for names in (_TRAIN, _VALID, _TEST))
    fractions: dict[str, dict[str, float]]
    if train is None or len(splits) == 1:
        fractions = {split: dict(_WITH_TEST) for split in splits}
    elif test is None and valid is None:
        fractions = {train: dict(_WITH_TEST)}
    elif test is None or valid is None:
        fractions = {train: dict(_HALVES), str(test or valid): {"test": 1.0}}
    else:
        fractions = {
            train: {"clean_label_train": 0.5, "noisy_label_train": 0.5},
            valid: {"clean_label_valid": 0.5, "noisy_label_valid": 0.5},
            test: {"test": 1.0},
        }
    return SplitPlan(fractions, seed), tuple(split for split in splits if split not in fractions)


def suited_size(image_shape: ImageShape, *, pretrained: bool) -> tuple[int, int] | None:
    """Returns (height, width) at which raters see images of a shape; None: as they are.

    Compact networks need seconds at 32 pixels where they need minutes at 96; networks that were trained on photographs
    see little below 96.
    """
    height, width = image_shape[:2]
    if pretrained:
        return None if height == width == LARGE_SIDE else (LARGE_SIDE, LARGE_SIDE)
    if height is not None and width is not None and max(height, width) <= MOST_SIDE and min(height, width) >= 4:
        return None
    return SMALL_SIDE, SMALL_SIDE


def check_sizes(dataset: CleanDataset) -> None:
    """Raises BaseDatasetError where raters could not be trained or measured: a class or a split with too few images."""
    measured = len(dataset.splits["clean_label_valid"])
    if measured < LEAST_MEASURED:
        raise BaseDatasetError(
            f"clean_label_valid has {measured} images; {LEAST_MEASURED} or more are needed to measure how "
            "often a rater errs"
        )
    counts = np.bincount(dataset.splits["clean_label_train"].labels, minlength=len(dataset.class_names))
    if counts.min() < LEAST_OF_CLASS:
        few = int(counts.argmin())
        raise BaseDatasetError(
            f"class {dataset.class_names[few]!r} has {counts[few]} images in clean_label_train; {LEAST_OF_CLASS} "
            "or more are needed to learn it"
        )
