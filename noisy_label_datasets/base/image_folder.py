"""Image files in one folder per class, as Keras' `image_dataset_from_directory` and torchvision's `ImageFolder` do it.

    photos/cat/0001.jpg                     photos/train/cat/0001.jpg
    photos/dog/0001.jpg                     photos/test/dog/0001.jpg

    base = describe_image_folder("photos", "photos", skip_corrupt=False)
    for batch in base.batches(None, ["all"]): batch.ids, batch.images       # 'cat/0001.jpg', encoded

An id is the path of the file below the folder. JPEG and PNG are passed on as they are; what a dataset cannot hold as it
is (other formats, palettes, 16 bits, transparency) becomes PNG.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from noisy_label_datasets.base.bases import PART_SIZE, ImageShape, Part, eight_bits, encode_png
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.names import check_class_names, check_ids

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
"""Of the files that Keras or torchvision take for images."""

SPLIT_FOLDERS = ("train", "training", "test", "testing", "val", "valid", "validation")
"""Folders that are splits and no classes, in small or capital letters, where there are no others."""

WHOLE = "all"
"""The one split of a folder without split folders."""

_MOST_NAMED = 3
_BATCH = 64  # photographs are megabytes each
_GREY = {"L", "LA", "1", "I", "I;16", "I;16B", "F"}
Report = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class ImageFolderBase:
    """Image files as a base dataset; see `bases.Base`.

    Attributes:
      name, version, class_names, image_shape: see `Base`; a class is called as its folder.
      folder: where the files are.
      contents: SHA-256 of the names and sizes of the files; '' where they may change.
      skipped: ids of files that are left out.
    """

    extra_labels: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    name: str
    version: str
    class_names: tuple[str, ...]
    image_shape: ImageShape
    folder: str
    contents: str = ""
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_names(self.folder, self.class_names)

    def batches(self, data_dir: Any, base_splits: Sequence[str]) -> Iterator[ExampleBatch]:
        """See `Base`."""
        for part in self.parts(data_dir, base_splits):
            yield from part()

    def parts(self, data_dir: Any, base_splits: Sequence[str]) -> Sequence[Part]:
        """See `Base`."""
        files = self._files()
        if missing := sorted(set(base_splits) - set(files)):
            raise BaseDatasetError(f"{self.folder} has no split {', '.join(missing)}; it has {', '.join(files)}")
        return [
            functools.partial(self._read, base_split, files[base_split][start : start + PART_SIZE])
            for base_split in base_splits
            for start in range(0, len(files[base_split]), PART_SIZE)
        ]

    def num_bytes(self, data_dir: Any) -> int:
        """See `Base`."""
        return sum(os.path.getsize(self._path(file)) for files in self._files().values() for file in files)

    def availability(self, data_dir: Any) -> str:
        """See `Base`."""
        return "a folder" if os.path.isdir(self.folder) else "its folder is gone"

    def _files(self) -> Mapping[str, Sequence[str]]:
        """Returns split -> ids, sorted."""
        found = find_images(self.folder)
        if self.contents and contents_of(self.folder, found) != self.contents:
            raise BaseDatasetError(
                f"the files in {self.folder} are not those that {self.name} was made of; labels belong to those"
            )
        classes = sorted(_classes(found))
        if classes != sorted(self.class_names):
            raise BaseDatasetError(f"{self.folder} has the classes {classes}, not {list(self.class_names)}")
        left_out = set(self.skipped)
        return {split: [file for file in files if file not in left_out] for split, files in found.items()}

    def _path(self, file: str) -> pathlib.Path:
        return pathlib.Path(self.folder, *file.split("/"))

    def _read(self, base_split: str, files: Sequence[str]) -> Iterator[ExampleBatch]:
        for start in range(0, len(files), _BATCH):
            some = list(files[start : start + _BATCH])
            yield ExampleBatch(
                base_split=base_split,
                ids=some,
                images=[_encoded(self._path(file), self.image_shape[-1]) for file in some],
                labels=[self.class_names.index(_class_of(file, base_split)) for file in some],
            )


def describe_image_folder(
    folder: str | os.PathLike, name: str, *, skip_corrupt: bool, report: Report = lambda line: None
) -> ImageFolderBase:
    """Returns a folder of images as a base dataset; opens and decodes every file once.

    Args:
      folder: with a folder per class, or with such folders for `train`, `test` and the like.
      name: of the base dataset.
      skip_corrupt: whether files that cannot be read as images are left out; else they are an error.
      report: is told, in a line, what is left out.

    Raises:
      BaseDatasetError: no folder, no images, fewer than two classes, a class without images, names that cannot be, or
        files that cannot be read; it names them.
    """
    folder = os.path.abspath(folder)
    found = find_images(folder)
    files = [file for of_split in found.values() for file in of_split]
    classes = tuple(sorted(_classes(found)))
    _check_names(folder, classes)
    try:
        check_ids(np.array(files))
    except (ValueError, UnicodeError) as error:
        raise BaseDatasetError(f"file names in {folder}: {error}") from error
    shapes, corrupt, first_fault = set(), [], ""
    for file in files:
        try:
            shapes.add(_shape(pathlib.Path(folder, *file.split("/"))))
        except Exception as error:  # of Pillow, half a dozen kinds
            corrupt.append(file)
            first_fault = first_fault or str(error).partition("\n")[0]
    if corrupt:
        named = ", ".join(corrupt[:_MOST_NAMED]) + (", ..." if len(corrupt) > _MOST_NAMED else "")
        what = f"{len(corrupt)} of {len(files)} files in {folder} cannot be read as images: {named} ({first_fault})"
        if not skip_corrupt or len(corrupt) == len(files):
            raise BaseDatasetError(f"{what}; --corrupt skip leaves them out")
        report(f"Left out: {what}")
    heights, widths, channels = (set(sides) for sides in zip(*shapes, strict=True))
    return ImageFolderBase(
        name=name,
        version="1.0.0",
        class_names=classes,
        image_shape=(
            heights.pop() if len(heights) == 1 else None,
            widths.pop() if len(widths) == 1 else None,
            max(channels),
        ),
        folder=folder,
        contents=contents_of(folder, found),
        skipped=tuple(corrupt),
    )


def find_images(folder: str | os.PathLike) -> dict[str, list[str]]:
    """Returns split -> ids of the image files of a folder, sorted.

    Raises:
      BaseDatasetError: see `describe_image_folder`; files are not opened.
    """
    root = pathlib.Path(folder)
    if not root.is_dir():
        raise BaseDatasetError(f"{folder} is no folder" if root.exists() else f"there is no folder {folder}")
    inside = _folders(root)
    splits = {path.name.lower(): path for path in inside}
    if inside and set(splits) <= set(SPLIT_FOLDERS):
        if len(splits) < len(inside):
            raise BaseDatasetError(f"{folder} has a split twice: {', '.join(path.name for path in inside)}")
        _check_links(root, [*inside, *(of_class for path in inside for of_class in _folders(path))])
        found = {split: _of_classes(root, path) for split, path in splits.items()}
    else:
        _check_links(root, inside)
        found = {WHOLE: _of_classes(root, root)}
    classes = _classes(found)
    if not classes:
        raise BaseDatasetError(
            f"there are no images in {folder}: looked for {', '.join(ENDINGS)} in a folder per class"
        )
    if len(classes) < 2:
        raise BaseDatasetError(
            f"{folder} has images of one class, {', '.join(classes)}; a dataset has two or more, in a folder each"
        )
    return found


def contents_of(folder: str | os.PathLike, found: Mapping[str, Sequence[str]]) -> str:
    """Returns a SHA-256 of the names and sizes of the files that `find_images` has found."""
    digest = hashlib.sha256()
    for split in sorted(found):
        for file in found[split]:
            try:
                size = os.path.getsize(pathlib.Path(folder, *file.split("/")))
            except OSError:  # a link that leads nowhere
                size = -1
            digest.update(f"{file}\t{size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _folders(root: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[:1] not in (".", "_"))


def _check_links(root: pathlib.Path, folders: Sequence[pathlib.Path]) -> None:
    """Raises BaseDatasetError where a link would make images those of several classes or splits."""
    places = {path: path.resolve() for path in folders}
    for link in (path for path in folders if path.is_symlink()):
        if root.resolve().is_relative_to(places[link]):
            raise BaseDatasetError(f"the folder {link} is a link to {places[link]}, which has all the others in it")
        for other, place in places.items():
            if other == link or other in link.parents or link in other.parents:
                continue
            if place.is_relative_to(places[link]) or places[link].is_relative_to(place):
                raise BaseDatasetError(f"the folder {link} is a link to images of {other}, {place}")


def _walk(folder: pathlib.Path) -> Iterator[tuple[str, list[str]]]:
    """Yields each folder below one, itself included, and its files; none that is hidden, as thumbnails are."""

    def refuse(error: OSError) -> None:
        raise BaseDatasetError(f"the folder {error.filename} cannot be read: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield parent, files


def _of_classes(root: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """Returns the ids of the images of all class folders of a folder."""
    ids = []
    for of_class in _folders(folder):
        files = [
            pathlib.Path(parent, file).relative_to(root).as_posix()
            for parent, files in _walk(of_class)
            for file in files
            if file.lower().endswith(ENDINGS) and not file.startswith(".")
        ]
        if not files and folder == root:
            raise BaseDatasetError(
                f"the folder {of_class} has no images; each folder in {folder} is a class: remove it, or add images"
            )
        ids += files
    return sorted(ids)


def _class_of(file: str, split: str) -> str:
    return file.split("/")[0 if split == WHOLE else 1]


def _classes(found: Mapping[str, Sequence[str]]) -> set[str]:
    return {_class_of(file, split) for split, files in found.items() for file in files}


def _check_names(folder: str, class_names: Sequence[str]) -> None:
    try:
        check_class_names(class_names)
    except ValueError as error:
        raise BaseDatasetError(f"{folder}: {error}; a class is called as its folder") from error


def _shape(path: pathlib.Path) -> tuple[int, int, int]:
    """Returns (height, width, channels) of an image file that can be decoded."""
    from PIL import Image

    if not path.is_file():  # opening a pipe would wait for somebody to write to it
        raise ValueError(f"{path.name} is no file")
    with Image.open(path) as image:
        image.load()
        eight_bits(image)
        return image.height, image.width, 1 if image.mode in _GREY else 3


def _encoded(path: pathlib.Path, channels: int) -> bytes:
    """Returns an image file as it is, or as PNG where a dataset of so many channels could not hold it."""
    from PIL import Image

    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            wanted = "L" if channels == 1 else "RGB"
            if image.format in ("JPEG", "PNG") and image.mode == wanted:
                return data
            pixels = np.asarray(eight_bits(image).convert(wanted), dtype=np.uint8)
    except Exception as error:  # of Pillow, half a dozen kinds
        raise BaseDatasetError(f"{path} cannot be read as an image: {str(error).partition(chr(10))[0]}") from error
    return encode_png(pixels.reshape(*pixels.shape[:2], channels))
