"""Thumbnails of many images, in a few sheets: each a picture that a page embeds."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from noisy_label_datasets.explore.model import Example, ExploreError

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 96  # of a thumbnail, in pixels; smaller images are left as they are
COLUMNS = ROWS = 16  # of a sheet
_BLOCK = 8  # pixels: JPEG mixes no colours across the borders of such blocks
_LOSSLESS_SIDE = 40  # up to which a PNG is small enough


@dataclasses.dataclass(frozen=True)
class Sheets:
    """Thumbnails of n images.

    Attributes:
      uris: the sheets as data URIs, with COLUMNS x ROWS cells each, the last with fewer rows.
      cell: side of a cell in pixels; a thumbnail lies at its upper left.
      sizes: [n, 2] uint8: width and height of each thumbnail.
      originals: [n, 2] int32: width and height of the image that it is of.
    """

    uris: tuple[str, ...]
    cell: int
    sizes: np.ndarray
    originals: np.ndarray


def make_sheets(examples: Sequence[Example]) -> Sheets:
    """Returns the thumbnails of some examples, which have images, in their order.

    Raises:
      ExploreError: an image that cannot be decoded; the message names its example.
    """
    thumbnails, originals = [], []
    for example in examples:
        assert example.image is not None
        thumbnail, original = _thumbnail(example.id, example.image)
        thumbnails.append(thumbnail)
        originals.append(original)
    sizes = np.array([thumbnail.size for thumbnail in thumbnails], dtype=np.uint8).reshape(-1, 2)
    lossless = int(sizes.max()) <= _LOSSLESS_SIDE
    cell = int(sizes.max()) if lossless else _BLOCK * math.ceil(int(sizes.max()) / _BLOCK)
    mode = "L" if all(thumbnail.mode == "L" for thumbnail in thumbnails) else "RGB"
    return Sheets(
        uris=tuple(_uri(sheet, lossless) for sheet in _sheets(thumbnails, cell, mode)),
        cell=cell,
        sizes=sizes,
        originals=np.array(originals, dtype=np.int32).reshape(-1, 2),
    )


def _thumbnail(id_: str, encoded: bytes) -> tuple[Image, tuple[int, int]]:
    """Returns an image of at most LONGEST_SIDE pixels a side, grey or RGB, and the size that it had."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded)) as image:
            size = image.size
            image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))  # a large JPEG is decoded smaller, which is quicker
            thumbnail = image.convert("L" if image.mode in ("1", "L") else "RGB")
    except Exception as error:  # Pillow has as many kinds as there are formats
        said = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise ExploreError(f"the image of {id_[:200]!r} cannot be decoded ({said})") from error
    thumbnail.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return thumbnail, size


def _sheets(thumbnails: Sequence[Image], cell: int, mode: str) -> Iterator[Image]:
    from PIL import Image

    for start in range(0, len(thumbnails), COLUMNS * ROWS):
        here = thumbnails[start : start + COLUMNS * ROWS]
        sheet = Image.new(mode, (COLUMNS * cell, math.ceil(len(here) / COLUMNS) * cell))
        for place, thumbnail in enumerate(here):
            sheet.paste(thumbnail, (place % COLUMNS * cell, place // COLUMNS * cell))
        yield sheet


def _uri(sheet: Image, lossless: bool) -> str:
    buffer = io.BytesIO()
    if lossless:
        sheet.save(buffer, "PNG", optimize=True)
    else:
        sheet.save(buffer, "JPEG", quality=88, subsampling=0)
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
