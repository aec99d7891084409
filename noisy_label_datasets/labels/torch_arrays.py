"""NumPy arrays from a dictionary that `torch.save` wrote, without PyTorch and without running anything of the file.

    arrays = read_torch_arrays(data)             # name -> array

Such a file is a ZIP archive that holds a pickle. A pickle can call any function there is; this reader knows four names,
those that NumPy's arrays are pickled with, and gives them meanings of its own. Whatever else a file asks for is an
error.
"""

from __future__ import annotations

import codecs
import io
import pickle
import pickletools
import zipfile
import zlib
from typing import Any

import numpy as np

_PICKLE = "/data.pkl"
_DTYPES = {"i8": np.int64, "i4": np.int32, "u1": np.uint8}
# What reading arbitrary bytes as such a file may end in.
_DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RuntimeError,  # an entry that says it is encrypted, and RecursionError
    TypeError,
    zlib.error,
)


class _DType:
    """Stands for `numpy.dtype`; its state (byte order and the like) is left alone: whole numbers, little endian."""

    def __init__(self, code: str, *_: Any) -> None:
        self.type = _DTYPES[code]

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("<", "|"):
            raise pickle.UnpicklingError(f"numbers of byte order {state[1]!r}")


class _Array:
    """Stands for `numpy.ndarray`."""

    array: np.ndarray

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, _, data = state
        self.array = np.frombuffer(data, dtype.type).reshape(shape)


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding!r}")
    return codecs.encode(text, "latin1")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _DType,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a dictionary of arrays")
        return known[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a tensor, not an array")


def _check_memo(pickled: bytes) -> None:
    """Raises UnpicklingError for a memo with gaps: Python would fill one of a few bytes with gigabytes of nothing."""
    for number, (opcode, place, _) in enumerate(pickletools.genops(pickled)):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and (place or 0) > number:
            raise pickle.UnpicklingError(f"place {place} of the memo, before it has as many entries")


def read_torch_arrays(data: bytes, *, most_bytes: int = 2**26) -> dict[str, np.ndarray]:
    """Returns the arrays of whole numbers of a dictionary; numbers and lists beside them are left out.

    Args:
      data: of the file.
      most_bytes: that its pickle may have.

    Raises:
      ValueError: it is not such a file, is damaged, or asks for anything else than arrays.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = (member for member in archive.namelist() if member.endswith(_PICKLE))
            size = archive.getinfo(name).file_size
            if size > most_bytes:
                raise ValueError(f"its pickle has {size:,} bytes; at most {most_bytes:,} are expected")
            pickled = archive.read(name)
        _check_memo(pickled)
        found = _Unpickler(io.BytesIO(pickled)).load()
    except _DAMAGED as error:
        raise ValueError(f"it is no dictionary of arrays as torch.save writes it: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ValueError("it is no dictionary of arrays: something else was saved")
    return {key: value.array for key, value in found.items() if isinstance(value, _Array) and hasattr(value, "array")}
