"""Archives of arrays are read within bounds, and an array in one stands there once."""

import io
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from noisy_label_datasets.files import pack_arrays, unpack_arrays

ARRAYS = {"a": np.arange(6, dtype=np.int32).reshape(2, 3), "b": np.array(["x", "yz"]), "c": np.zeros((0, 5))}


def archive_of(members):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        warnings.simplefilter("ignore")  # zipfile says so of a name that stands there twice
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(array, shape=None):
    buffer = io.BytesIO()
    if shape is None:
        np.save(buffer, array)
    else:
        np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
        buffer.write(array.tobytes())
    return buffer.getvalue()


def test_round_trip_also_of_what_numpy_writes():
    written = io.BytesIO()
    np.savez_compressed(written, **ARRAYS, f=np.asfortranarray(ARRAYS["a"]))
    for data in (pack_arrays(ARRAYS), written.getvalue()):
        read = unpack_arrays(data)
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype
    np.testing.assert_array_equal(read["f"], ARRAYS["a"])


def test_an_array_twice():
    with pytest.raises(ValueError, match="an array stands there twice"):
        unpack_arrays(archive_of([("a.npy", npy(np.zeros(3))), ("a.npy", npy(np.ones(3)))]))
    with pytest.raises(ValueError, match="an array stands there twice"):
        unpack_arrays(archive_of([("a.npy", npy(np.zeros(3))), ("a", npy(np.ones(3)))]))


def test_other_arrays_than_expected():
    with pytest.raises(ValueError, match=r"arrays missing: \['d'\]; that do not belong there: \['b', 'c'\]"):
        unpack_arrays(pack_arrays(ARRAYS), {"a": 100, "d": 100})


def test_a_small_file_that_would_be_inflated_to_gigabytes_is_not_inflated():
    """The archive of the issue in small: 80 MB of zeros in 80 kB, and as much by a header that promises it."""
    large = archive_of([("a.npy", npy(np.zeros(80_000_000, np.uint8)))])
    assert len(large) < 100_000
    promised = archive_of([("a.npy", npy(np.zeros(10, np.uint8), shape=(2**40,)))])
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"a would be 80,000,128 bytes; at most 17,384 are expected"):
        unpack_arrays(large, {"a": 1000})
    with pytest.raises(ValueError, match=r"a would be inflated from 7\d,\d+ bytes to 80,000,128"):
        unpack_arrays(large)
    with pytest.raises(ValueError, match=r"an array \(1099511627776,\) uint8 in 10 bytes"):
        unpack_arrays(promised)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        archive_of([("a.npy", b"")]),
        archive_of([("a.npy", b"\x93NUMPY\x01\x00")]),
        archive_of([("a.npy", b"\x93NUMPY\x09\x00" + npy(np.zeros(3))[8:])]),
        archive_of([("a.npy", npy(np.zeros(3))[:-1])]),
        archive_of([("a.npy", npy(np.zeros(3)) + b"x")]),
        archive_of([("a.npy", npy(np.zeros(3, np.uint8), shape=(-3,)))]),
        archive_of([("a.npy", npy(np.zeros(3)).replace(b"<f8", b"|O8"))]),
        pack_arrays(ARRAYS)[:-30],
    ],
)
def test_what_is_no_archive_of_arrays(data):
    with pytest.raises(ValueError, match=r"not a whole \.npz archive"):
        unpack_arrays(data)
