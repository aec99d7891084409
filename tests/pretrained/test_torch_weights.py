"""Weights files of PyTorch: read as they were written, and nothing else."""

import collections
import io
import pickle
import struct
import sys
import types

import numpy as np
import pytest

from rater_training.pretrained.imagenet import weights_path
from rater_training.pretrained.keras_weights import PretrainedWeightsError
from rater_training.pretrained.torch_weights import read_torch_weights


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Writes tensors as `torch.save` did before PyTorch 1.6, from its description (torch/serialization.py)."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name, module in (("torch", torch), ("torch._utils", utils)):
        monkeypatch.setitem(sys.modules, name, module)
    storage_types = {}
    for name in ("FloatStorage", "LongStorage", "DoubleStorage"):
        storage_types[name] = type(name, (), {"__module__": "torch"})
        setattr(torch, name, storage_types[name])

    def _rebuild_tensor_v2():
        raise AssertionError("a reader has its own")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2

    class Storage:
        def __init__(self, key, kind, data):
            self.key, self.kind, self.data = key, kind, data

    class Tensor:
        def __init__(self, storage, offset, shape, strides):
            self.arguments = (storage, offset, shape, strides, False, collections.OrderedDict())

        def __reduce__(self):
            return _rebuild_tensor_v2, self.arguments

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Storage):
                return ("storage", storage_types[value.kind], value.key, "cpu", len(value.data), None)
            return None

    def write(tensors, name="weights.pth"):
        file = io.BytesIO()
        for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(header, file, protocol=2)
        storages = {}
        described = collections.OrderedDict()
        for key, (kind, data, offset, shape, strides) in tensors.items():
            storage = storages.setdefault(id(data), Storage(str(len(storages)), kind, data))
            described[key] = Tensor(storage, offset, shape, strides)
        Pickler(file, protocol=2).dump(described)
        pickle.dump([storage.key for storage in storages.values()], file, protocol=2)
        for storage in storages.values():
            file.write(struct.pack("<q", len(storage.data)) + storage.data.tobytes())
        path = tmp_path / name
        path.write_bytes(file.getvalue())
        return path

    return write


def test_tensors_are_read_as_they_were_written(write):
    numbers = np.arange(24, dtype="<f4")
    count = np.array([7], "<i8")
    path = write(
        {
            "whole": ("FloatStorage", numbers, 0, (2, 3, 4), (12, 4, 1)),
            "turned": ("FloatStorage", numbers, 0, (4, 6), (1, 4)),
            "part": ("FloatStorage", numbers, 5, (3,), (2,)),
            "count": ("LongStorage", count, 0, (), ()),
        }
    )
    found = read_torch_weights(path)
    assert list(found) == ["whole", "turned", "part", "count"]
    np.testing.assert_array_equal(found["whole"], numbers.reshape(2, 3, 4))
    np.testing.assert_array_equal(found["turned"], numbers.reshape(6, 4).T)
    np.testing.assert_array_equal(found["part"], [5, 7, 9])
    assert found["count"] == 7
    assert found["count"].dtype == np.int64


def test_the_published_file_has_what_is_published():
    found = read_torch_weights(weights_path("efficientnet_lite0"))
    assert sum(a.size for name, a in found.items() if "running" not in name and "num_" not in name) == 4_652_008
    assert found["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert all((array >= 0).all() for name, array in found.items() if name.endswith("running_var"))
    assert all(np.isfinite(array).all() for array in found.values())


def test_damaged_and_other_files_are_refused(write, tmp_path):
    numbers = np.arange(6, dtype="<f4")
    good = write({"a": ("FloatStorage", numbers, 0, (6,), (1,))})
    whole = good.read_bytes()
    for length in (0, 3, 20, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / "cut.pth"
        cut.write_bytes(whole[:length])
        with pytest.raises(PretrainedWeightsError, match=r"cut\.pth is no weights file of PyTorch before 1\.6"):
            read_torch_weights(cut)
    with pytest.raises(PretrainedWeightsError, match="reaches beyond its 6 numbers"):
        read_torch_weights(write({"a": ("FloatStorage", numbers, 1, (6,), (1,))}))
    for offset, shape, strides in ((-1, (3,), (1,)), (5, (3,), (-1,)), (0, (-2, 3), (3, 1)), (0, (0,), (1,))):
        with pytest.raises(PretrainedWeightsError, match=r"a tensor of shape .*, strides .* and offset"):
            read_torch_weights(write({"a": ("FloatStorage", numbers, offset, shape, strides)}))
    with pytest.raises(PretrainedWeightsError, match=r"has more numbers than its storage, 6"):
        read_torch_weights(write({"a": ("FloatStorage", numbers, 0, (2**31,), (0,))}))  # would be 8 GB
    boundless = tmp_path / "boundless.pth"
    boundless.write_bytes(whole[: -len(numbers.tobytes()) - 8] + struct.pack("<Q", 2**63 - 1))
    with pytest.raises(PretrainedWeightsError, match=r"boundless\.pth .* more than are left of the file"):
        read_torch_weights(boundless)
    with pytest.raises(PretrainedWeightsError, match=r"torch\.DoubleStorage is no part of a dictionary of tensors"):
        read_torch_weights(write({"a": ("DoubleStorage", numbers.astype(float), 0, (6,), (1,))}))
    (tmp_path / "zip.pth").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(PretrainedWeightsError, match=r"zip\.pth is no weights file"):
        read_torch_weights(tmp_path / "zip.pth")
    with pytest.raises(FileNotFoundError, match=r"no weights at .*nowhere\.pth"):
        read_torch_weights(tmp_path / "nowhere.pth")


def test_nothing_of_a_file_is_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return eval, ("__import__('pathlib').Path('ran').touch()",)

    path = tmp_path / "harmful.pth"
    path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(PretrainedWeightsError, match=r"builtin(s|__)\.eval is no part of a dictionary of tensors"):
        read_torch_weights(path)
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1, 2) * 2 + pickle.dumps(Harmful(), 2))
    with pytest.raises(PretrainedWeightsError, match=r"builtin(s|__)\.eval is no part"):
        read_torch_weights(path)
