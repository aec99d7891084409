"""The TFDS builder: images and labels brought together."""

# First of all, because the import of TFDS is followed by that of `builder` and so of every builder (`registration`): a
# module of this folder that imported TFDS itself would be met by them half imported.
from __future__ import annotations

import tensorflow_datasets as _tfds  # noqa: F401
