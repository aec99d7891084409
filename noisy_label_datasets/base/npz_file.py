"""Images and labels in one .npz file, as a base dataset.

    images, labels                                      one split, "all"
    x_train, y_train, x_test, y_test                    as Keras keeps MNIST
    train_images, train_labels, val_images, ...         as MedMNIST does

    base = describe_npz("digits.npz", "digits")         # an ArraysBase

Images are [n, height, width] or [n, height, width, 1 or 3] uint8, labels [n] integers from 0. Beside them there may be
`class_names`, and ids (`ids`, `train_ids`); without them an id is the place in the file: 'train_00017'.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence

import numpy as np

from noisy_label_datasets.base.arrays import CleanDatasetError, LabelledImages
from noisy_label_datasets.base.bases import ArraysBase
from noisy_label_datasets.base.errors import BaseDatasetError

_WHOLE = "all"
_SPLIT_FIRST = re.compile(r"(?:(?P<split>[a-z]+)_)?(?P<what>images|labels|ids)")  # train_images, or images
_SPLIT_LAST = re.compile(r"(?P<what>x|y|ids)(?:_(?P<split>[a-z]+))?")  # x_train, or x
_MEANING = {"x": "images", "y": "labels"}
_LAYOUTS = "images and labels, x_train and y_train, or train_images and train_labels"


def describe_npz(path: str | os.PathLike, name: str) -> ArraysBase:
    """Returns the images and labels of a file as a base dataset; reads it whole.

    Args:
      path: of the file.
      name: of the base dataset.

    Raises:
      BaseDatasetError: it is no .npz file, lacks members, or they are not as above; labels without a class, or a class
        without images.
    """
    path = os.path.abspath(path)
    sha256 = contents_of(path)
    members = _read(path)
    splits = load_npz(path, sha256)
    labels = np.concatenate([examples.labels for examples in splits.values()])
    class_names = _class_names(path, members, labels)
    if missing := sorted(set(range(len(class_names))) - set(labels.tolist())):
        raise BaseDatasetError(f"{path}: class {missing[0]} ({class_names[missing[0]]}) has no image")
    if len(class_names) < 2:
        raise BaseDatasetError(f"{path} has images of one class; a dataset has two or more")
    shapes = {examples.images.shape[1:] for examples in splits.values()}
    if len(shapes) > 1:
        raise BaseDatasetError(f"{path}: images of all splits have one size, given {sorted(shapes)}")
    height, width, channels = shapes.pop()
    load = functools.partial(load_npz, path, sha256)
    return ArraysBase(
        name=name, version="1.0.0", class_names=class_names, image_shape=(height, width, channels), load=load
    )


def load_npz(path: str, sha256: str = "") -> Mapping[str, LabelledImages]:
    """Returns split -> images of a file.

    Args:
      path: of the file.
      sha256: of the file that is expected; '' for whatever is there.

    Raises:
      BaseDatasetError: as `describe_npz`; or it is another file.
    """
    if sha256 and contents_of(path) != sha256:
        raise BaseDatasetError(f"{path} is not the file that the dataset was made of; labels belong to that one")
    members = _read(path)
    by_split: dict[str, dict[str, np.ndarray]] = {}
    for member, array in members.items():
        found = _SPLIT_FIRST.fullmatch(member) or _SPLIT_LAST.fullmatch(member)
        if found is not None:
            what, split = _MEANING.get(found["what"], found["what"]), found["split"] or _WHOLE
            if what in by_split.setdefault(split, {}):
                raise BaseDatasetError(f"{path} has the {what} of split {split} twice: it has {', '.join(members)}")
            by_split[split][what] = array
    whole = {split: arrays for split, arrays in by_split.items() if {"images", "labels"} <= set(arrays)}
    if not whole or len(whole) < len(by_split):
        raise BaseDatasetError(
            f"{path} has the members {', '.join(members) or 'none'}; expected are {_LAYOUTS}, the one with the other"
        )
    splits = {split: _examples(f"{path}, split {split}", split, arrays) for split, arrays in whole.items()}
    ids, times = np.unique(np.concatenate([examples.ids for examples in splits.values()]), return_counts=True)
    if times.max() > 1:
        raise BaseDatasetError(
            f"{path}: {(times > 1).sum()} ids are in several splits, such as {str(ids[times.argmax()])!r}"
        )
    return splits


def contents_of(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file; raises BaseDatasetError where it cannot be read."""
    import hashlib

    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BaseDatasetError(f"{path} cannot be read: {error.strerror}") from error


def _read(path: str) -> dict[str, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise BaseDatasetError(f"{path} is no .npz file, but one array")
        with archive:
            return {name: archive[name] for name in archive.files}
    except BaseDatasetError:
        raise
    except Exception as error:  # of a damaged archive, half a dozen kinds
        said = "it holds Python objects" if "pickle" in str(error) else str(error).partition("\n")[0]
        raise BaseDatasetError(f"{path} cannot be read as an .npz file: {said}") from error


def _examples(where: str, split: str, arrays: Mapping[str, np.ndarray]) -> LabelledImages:
    images, labels = arrays["images"], arrays["labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] not in (1, 3)):
        raise BaseDatasetError(
            f"{where}: images are {_shape_text(images)}; they have to be [n, height, width] or "
            "[n, height, width, 1 or 3] uint8, 0 to 255"
        )
    if 0 in images.shape[1:3]:
        raise BaseDatasetError(f"{where}: images are {_shape_text(images)}, without a pixel")
    images = images if images.ndim == 4 else images[..., None]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != len(images) or labels.dtype.kind not in "iu":
        raise BaseDatasetError(
            f"{where}: labels are {_shape_text(arrays['labels'])}; they have to be [{len(images)}] integers"
        )
    if not len(images):
        raise BaseDatasetError(f"{where}: there are no images")
    if labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        raise BaseDatasetError(f"{where}: labels are {labels.min()} to {labels.max()}; they have to be 0 or more")
    ids = np.array([f"{split}_{i:05d}" for i in range(len(images))]) if "ids" not in arrays else arrays["ids"]
    if ids.shape != (len(images),) or ids.dtype.kind != "U" or len(np.unique(ids)) < len(ids):
        raise BaseDatasetError(
            f"{where}: ids are {_shape_text(ids)}; they have to be [{len(images)}] texts, no two alike"
        )
    try:
        return LabelledImages(ids=ids, images=images, labels=labels.astype(np.int32))
    except CleanDatasetError as error:
        raise BaseDatasetError(f"{where}: {error}") from error


def _class_names(path: str, members: Mapping[str, np.ndarray], labels: np.ndarray) -> tuple[str, ...]:
    if "class_names" not in members:
        return (
            tuple(str(k) for k in range(int(labels.max()) + 1))
            if labels.max() < len(labels)
            else _too_many(path, labels)
        )
    names = members["class_names"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise BaseDatasetError(f"{path}: class_names are {_shape_text(names)}; they have to be texts, one per class")
    if labels.max() >= len(names):
        raise BaseDatasetError(
            f"{path}: a label is {labels.max()}; with {len(names)} class_names labels are 0 to {len(names) - 1}"
        )
    return tuple(names.tolist())


def _too_many(path: str, labels: Sequence[int] | np.ndarray) -> tuple[str, ...]:
    raise BaseDatasetError(f"{path}: a label is {max(labels)}, beyond the {len(labels)} images; labels are 0 to K - 1")


def _shape_text(array: np.ndarray) -> str:
    return f"{list(array.shape)} {array.dtype}"
