"""Arrays from a weights file that PyTorch wrote, without PyTorch.

    arrays = read_torch_weights("efficientnet-lite0-57934424.pth")      # name -> array, in the file's order

Read is the format of `torch.save` before PyTorch 1.6, which published weights of that time have: pickles of a header, a
dictionary of tensors and the order of their storages, then the storages' bytes. Nothing of a file is run: unpickled are
a dictionary and tensors of numbers, and whatever else a file asks for is an error.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import pathlib
import pickle
from typing import IO, Any

import numpy as np

from rater_training.pretrained.keras_weights import PretrainedWeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
# What reading arbitrary bytes as such a file may end in.
_DAMAGED = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
)
_DTYPES = {"FloatStorage": np.dtype("<f4"), "HalfStorage": np.dtype("<f2"), "LongStorage": np.dtype("<i8")}


@dataclasses.dataclass
class _Tensor:
    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Unpickles dictionaries of tensors whose storages come later in the file."""

    def __init__(self, file: IO[bytes]):
        super().__init__(file)
        self.dtypes: dict[str, np.dtype] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a dictionary of tensors")

    def persistent_load(self, pid: Any) -> str:
        _, dtype, key, *_ = pid
        self.dtypes[key] = dtype
        return key


def read_torch_weights(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dictionary by name, in the order of the file.

    Raises:
      PretrainedWeightsError: not such a file.
      FileNotFoundError: no such file.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        with path.open("rb") as file:
            if _Unpickler(file).load() != _MAGIC:
                raise PretrainedWeightsError(f"{path} is no weights file of PyTorch before 1.6")
            _Unpickler(file).load(), _Unpickler(file).load()  # versions of the format and of the machine
            unpickler = _Unpickler(file)
            tensors = unpickler.load()
            storages = {}
            for key in _Unpickler(file).load():
                size = int.from_bytes(file.read(8), "little") * unpickler.dtypes[key].itemsize
                if size > path.stat().st_size - file.tell():
                    raise ValueError(f"a storage of {size:,} bytes, more than are left of the file")
                storages[key] = np.frombuffer(file.read(size), unpickler.dtypes[key])
        return {name: _array(tensor, storages[tensor.storage]) for name, tensor in tensors.items()}
    except _DAMAGED as error:
        raise PretrainedWeightsError(f"{path} is no weights file of PyTorch before 1.6: {error}") from error


def _array(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    """Returns a tensor's numbers; those that its strides lead to have to lie in the storage."""
    if min(tensor.offset, *tensor.strides, 0) < 0 or min((*tensor.shape, 1)) < 1:
        raise ValueError(f"a tensor of shape {tensor.shape}, strides {tensor.strides} and offset {tensor.offset}")
    if math.prod(tensor.shape) > len(storage):  # a stride of 0 gives one number any number of times
        raise ValueError(f"a tensor of shape {tensor.shape} has more numbers than its storage, {len(storage)}")
    last = tensor.offset + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True))
    if last >= len(storage):
        raise ValueError(f"a tensor of shape {tensor.shape} reaches beyond its {len(storage)} numbers")
    strides = tuple(stride * storage.itemsize for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides).copy()
