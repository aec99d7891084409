"""Files of Keras weights that are damaged, or made up to lead the reader elsewhere."""

import zipfile

import h5py
import numpy as np
import pytest

from rater_training.pretrained.keras_weights import PretrainedWeightsError, read_keras_weights

KERNEL = np.arange(6, dtype=np.float32).reshape(2, 3)


def written(path, add):
    """A file of one layer, to whose group `add` adds the array."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        group = file.create_group("conv1")
        group.attrs["weight_names"] = [b"conv1/kernel:0"]
        add(file, group)
    return path


def whole(file, group):
    group["conv1/kernel:0"] = KERNEL


def external_storage(file, group):
    (group.create_group("conv1")).create_dataset("kernel:0", (8,), "u1", external=[(SECRET, 0, 8)])


def external_link(file, group):
    group["conv1"] = h5py.ExternalLink(OTHER, "conv1/conv1")


def soft_link(file, group):
    group["conv1"] = h5py.SoftLink("/elsewhere")
    file["elsewhere/kernel:0"] = KERNEL


def virtual(file, group):
    layout = h5py.VirtualLayout((2, 3), np.float32)
    layout[:] = h5py.VirtualSource(OTHER, "conv1/conv1/kernel:0", (2, 3))
    group.create_group("conv1").create_virtual_dataset("kernel:0", layout)


def inflated(file, group):
    chunked = {"chunks": (2**20,), "compression": "gzip"}
    group.create_group("conv1").create_dataset("kernel:0", (2**30,), np.float32, **chunked)


def unallocated(file, group):
    group.create_group("conv1").create_dataset("kernel:0", (2**30,), np.float32)


def missing(file, group):
    pass


def a_group(file, group):
    group.create_group("conv1/kernel:0")


def text(file, group):
    group.create_group("conv1")["kernel:0"] = "no numbers"


SECRET, OTHER = "secret.bin", "other.h5"


@pytest.fixture(autouse=True)
def in_a_folder_with_other_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / SECRET).write_bytes(b"password")
    written(OTHER, whole)


def test_a_whole_file_is_read():
    read = read_keras_weights(written("whole.h5", whole))
    assert list(read) == ["conv1"]
    np.testing.assert_array_equal(read["conv1"][0], KERNEL)


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (external_storage, "the numbers of conv1/kernel:0 lie in another file"),
        (external_link, "conv1/kernel:0 is a link"),
        (soft_link, "conv1/kernel:0 is a link"),
        (virtual, "the numbers of conv1/kernel:0 lie in another file"),
        (inflated, r"arrays of 4,294,967,296 bytes in a file of [\d,]+"),
        (unallocated, r"arrays of 4,294,967,296 bytes in a file of [\d,]+"),
        (missing, "conv1/kernel:0 is not there"),
        (a_group, "conv1/kernel:0 is no array"),
        (text, "not numbers"),
    ],
)
def test_what_is_made_up_is_refused_by_name(add, message):
    with pytest.raises(PretrainedWeightsError, match=rf"made_up\.h5 is no file of Keras weights: .*({message})"):
        read_keras_weights(written("made_up.h5", add))


def test_an_archive_that_would_be_inflated_without_end():
    with zipfile.ZipFile("made_up.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(2**27))
    with pytest.raises(PretrainedWeightsError, match=r"made_up\.keras .* inflated to 134,217,728 bytes"):
        read_keras_weights("made_up.keras")


def test_a_file_cut_anywhere_is_an_error_that_names_it(tmp_path):
    data = (tmp_path / OTHER).read_bytes()
    for length in range(0, len(data) - 1, 97):
        (tmp_path / "cut.h5").write_bytes(data[:length])
        with pytest.raises(PretrainedWeightsError, match=r"cut\.h5 is no file of Keras weights"):
            read_keras_weights("cut.h5")
