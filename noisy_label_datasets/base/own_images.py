"""Images of one's own, brought to the size at which raters see a dataset's.

    ids, count = write_images("mine/", "images.npy", base_shape=(96, 96, 3), size=(48, 48))

Images of the base dataset's size are shrunk or stretched as the dataset's own are; those that have the raters' size
already are taken as they are. Any other would not be what the raters were trained on.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

import numpy as np

from noisy_label_datasets.base.bases import ImageShape, decode_image, resize_image
from noisy_label_datasets.errors import NoisyLabelsError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


class ImagesError(NoisyLabelsError):
    """Images that cannot be read, or that are not as raters see them."""


def write_images(
    source: str | os.PathLike, target: str | os.PathLike, *, base_shape: ImageShape, size: tuple[int, int]
) -> list[str]:
    """Writes images as raters see them to an .npy file [n, h, w, c] uint8, one at a time; returns what they are called.

    Args:
      source: an .npy file [n, h, w, c] uint8, whose images are called by their places, or a folder of image files,
        which are called by their paths in it.
      target: the file to write.
      base_shape: (height, width, channels) of the base dataset's images; None where they differ.
      size: (height, width) at which the raters see them.

    Raises:
      ImagesError: no images there, one that cannot be read, or one of another size; it names the file.
      OSError: the disk is full.
    """
    path = pathlib.Path(source)
    named = list(_named_files(path)) if path.is_dir() else None
    images = _stored(path, base_shape[-1]) if named is None else (_decoded(path / n, base_shape[-1]) for n in named)
    ids = [str(i) for i in range(_number(path))] if named is None else named
    if not ids:
        raise ImagesError(f"there are no images in {path}: looked for *{', *'.join(ENDINGS)}")
    written = np.lib.format.open_memmap(
        pathlib.Path(target), mode="w+", dtype=np.uint8, shape=(len(ids), *size, base_shape[-1])
    )
    for row, (id_, image) in enumerate(zip(ids, images, strict=True)):
        written[row] = _as_seen(image, base_shape, size, f"image {id_} of {path}")
    written.flush()
    return ids


def _as_seen(image: np.ndarray, base_shape: ImageShape, size: tuple[int, int], what: str) -> np.ndarray:
    given = image.shape[:2]
    if given == size:
        return image
    if all(wanted in (None, side) for side, wanted in zip(given, base_shape[:2], strict=True)):
        return resize_image(image, size)
    shown = [f"{height}x{width}" for height, width in (given, base_shape[:2], size)]
    raise ImagesError(f"{what} is {shown[0]}; the dataset's images are {shown[1]}, the raters see them at {shown[2]}")


def _named_files(folder: pathlib.Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in ENDINGS and path.is_file():
            yield path.relative_to(folder).as_posix()


def _decoded(path: pathlib.Path, channels: int) -> np.ndarray:
    try:
        return decode_image(path.read_bytes(), channels)
    except Exception as error:  # of Pillow, half a dozen kinds
        raise ImagesError(f"{path} cannot be read as an image: {error}") from error


def _stored(path: pathlib.Path, channels: int) -> np.ndarray:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise ImagesError(f"there are no images: {path} is not there") from error
    except (ValueError, EOFError) as error:
        raise ImagesError(f"{path} is neither a folder nor an .npy file of images: {error}") from error
    if not isinstance(images, np.ndarray) or images.ndim != 4 or images.dtype != np.uint8:
        described = f"{images.shape} {images.dtype}" if isinstance(images, np.ndarray) else "an archive"
        raise ImagesError(f"{path} holds {described}; images are [n, height, width, {channels}] uint8")
    if images.shape[-1] != channels:
        raise ImagesError(f"the images of {path} have {images.shape[-1]} channels; the raters see {channels}")
    return images


def _number(path: pathlib.Path) -> int:
    return len(np.load(path, mmap_mode="r", allow_pickle=False))
