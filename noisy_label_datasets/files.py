"""Files that are either whole or not there, and zip archives of arrays whose bytes depend on the arrays alone."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import pathlib
import re
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from noisy_label_datasets import owner

_HEADER_BYTES = 16_384  # more than the header of an .npy file has
_LARGE_BYTES, _MOST_INFLATION = 64 * 2**20, 100  # beyond the one, no data are compressed by more than the other
_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def write_atomically(path: pathlib.Path, data: bytes) -> None:
    """Writes a local file so that a reader finds all of it or none of it, whenever the writer is stopped.

    Raises:
      OSError: the folder cannot be written or the disk is full. The error names the file, and nothing is left behind.
    """
    with writing_atomically(path) as file:
        file.write(data)


@contextlib.contextmanager
def writing_atomically(path: pathlib.Path) -> Iterator[BinaryIO]:
    """Gives a file to write to, which becomes `path` when all went well, and is removed when not.

    Raises:
      OSError: as `write_atomically`.
    """
    # A process id alone would not do: threads share it, and so may processes of several machines that share a folder.
    temporary = path.with_name(f".{path.name}.{owner.this_process()}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):  # write() itself does not say of which file it speaks
            raise type(error)(error.errno, f"cannot write: {error.strerror}", str(path)) from error
        raise


def _remove_leftovers(path: pathlib.Path) -> None:
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


def unpack_arrays(data: bytes, most_bytes: Mapping[str, int] | None = None) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz archive, read-only; the CRC of every member is checked.

    Args:
      data: the archive.
      most_bytes: name -> how many bytes the array may have at most; these arrays and no others have to be there. None:
        whatever is there, unless it is so large and so well compressed that no data are.

    Raises:
      ValueError: not such an archive, cut short, altered, holding pickled objects, an array twice, or other or larger
        arrays than expected. What is too large is never inflated.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise ValueError("an array stands there twice")
            if most_bytes is not None and set(members) != set(most_bytes):
                missing, others = sorted(set(most_bytes) - set(members)), sorted(set(members) - set(most_bytes))
                raise ValueError(f"arrays missing: {missing or 'none'}; that do not belong there: {others or 'none'}")
            for name, info in members.items():
                _check_size(name, info, None if most_bytes is None else most_bytes[name])
            return {name: _array(archive.read(info)) for name, info in members.items()}
    except Exception as error:  # on altered bytes zipfile and zlib raise half a dozen kinds of error
        raise ValueError(f"not a whole .npz archive ({error})") from error


def _check_size(name: str, info: zipfile.ZipInfo, most: int | None) -> None:
    """Raises ValueError for a member that would be inflated to more than it may be."""
    if most is not None and info.file_size > most + _HEADER_BYTES:
        raise ValueError(f"{name} would be {info.file_size:,} bytes; at most {most + _HEADER_BYTES:,} are expected")
    if info.file_size > max(_LARGE_BYTES, _MOST_INFLATION * info.compress_size):
        raise ValueError(f"{name} would be inflated from {info.compress_size:,} bytes to {info.file_size:,}")


def _array(data: bytes) -> np.ndarray:
    """Returns the array of an .npy file; by its header it may not be larger than the file."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in _READ_HEADER:
        raise ValueError(f".npy of version {version}")
    shape, fortran_order, dtype = _READ_HEADER[version](file)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - file.tell():
        raise ValueError(f"an array {shape} {dtype} in {len(data) - file.tell():,} bytes")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if fortran_order else "C")
