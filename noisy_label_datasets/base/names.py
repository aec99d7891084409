"""Ids of examples and names of classes: which text can be one, because it survives being stored and shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError

LONGEST_ID = 1024
LONGEST_CLASS_NAME = 256
# Control characters, half surrogate pairs and the separators of lines and paragraphs.
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})


class NamesError(NoisyLabelsError, ValueError):
    """Text that can be no id, or no name of a class; the message says why."""


def check_ids(ids: np.ndarray) -> None:
    """Raises NamesError, showing one, where ids [n] <U are empty, too long, or have control or surrogate characters."""
    lengths = np.char.str_len(ids)
    if not len(ids) or not ids.dtype.itemsize:
        faulty = lengths == 0
    else:
        points = np.ascontiguousarray(ids, dtype=ids.dtype.newbyteorder("<")).view("<u4").reshape(len(ids), -1)
        refused = (points < 0x20) | ((points >= 0x7F) & (points < 0xA0)) | ((points >= 0xD800) & (points < 0xE000))
        refused |= points > 0x10FFFF
        refused &= np.arange(points.shape[1]) < lengths[:, None]  # what comes after is padding
        faulty = refused.any(axis=1) | (lengths == 0) | (lengths > LONGEST_ID)
    if faulty.any():
        row = int(np.argmax(faulty))
        try:
            shown = repr(str(ids[row]))
        except (ValueError, SystemError):
            shown = "no text: one of its characters is beyond Unicode"
        raise NamesError(
            f"{faulty.sum()} ids are empty, of more than {LONGEST_ID} characters, or have control characters in them: "
            f"row {row} is {shown[:100]}"
        )


def check_class_names(names: Sequence[str]) -> None:
    """Raises NamesError, naming one, where class names could not be told apart or would not survive.

    TFDS keeps them as lines of a text file, without the spaces around them.
    """
    if isinstance(names, str):
        raise NamesError(f"class names are a list of texts, given the text {names!r}")
    for place, name in enumerate(names):
        if not isinstance(name, str):
            raise NamesError(f"class {place} has the name {name!r}, which is not text")
        if not name or name != name.strip():
            raise NamesError(f"class {place} has the name {name!r}: empty, or with spaces around it")
        if len(name) > LONGEST_CLASS_NAME:
            raise NamesError(f"class {place} has a name of {len(name)} characters; {LONGEST_CLASS_NAME} are the most")
        if any(unicodedata.category(character) in _REFUSED for character in name):
            raise NamesError(f"class {place} has the name {name!r}: with a control character or line break in it")
        if (first := list(names).index(name)) != place:
            raise NamesError(f"classes {first} and {place} have the same name {name!r}")
