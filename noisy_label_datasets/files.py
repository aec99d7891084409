"""Files that are either whole or not there, and zip archives of arrays whose bytes depend on the arrays alone."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import uuid
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from noisy_label_datasets import owner


def write_atomically(path: pathlib.Path, data: bytes) -> None:
    """Writes a local file so that a reader finds all of it or none of it, whenever the writer is stopped.

    Raises:
      OSError: the folder cannot be written or the disk is full. The error names the file, and nothing is left behind.
    """
    # A process id alone would not do: threads share it, and so may processes of several machines that share a folder.
    temporary = path.with_name(f".{path.name}.{owner.this_process()}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # write() itself does not say of which file it speaks
            raise type(error)(error.errno, f"cannot write: {error.strerror}", str(path)) from error
        raise


def _sweep(path: pathlib.Path) -> None:
    """Removes what killed processes of this machine left when they were writing the same file."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.({owner.PATTERN})\.[0-9a-f]{{32}}\.tmp")
    with contextlib.suppress(OSError):
        for entry in list(path.parent.iterdir()):
            if (found := pattern.fullmatch(entry.name)) and owner.is_gone(found[1]):
                entry.unlink(missing_ok=True)


def sha256(data: bytes) -> str:
    """Returns the SHA-256 of `data` in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: Any) -> bytes:
    """Returns `value` as JSON: keys sorted, so that equal values are equal bytes.

    Raises:
      ValueError: a NaN or an infinity, which JSON does not have.
      TypeError: something that is not JSON, such as a NumPy array.
    """
    return (json.dumps(value, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Returns a compressed .npz archive: members in order of name and without time stamps."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy")
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def unpack_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz archive; the CRC of every member is checked.

    Raises:
      ValueError: not such an archive, cut short, altered, or holding pickled objects.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {
                name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
                for name in archive.namelist()
            }
    except Exception as error:  # on altered bytes zipfile and zlib raise half a dozen kinds of error
        raise ValueError(f"not a whole .npz archive ({error})") from error
