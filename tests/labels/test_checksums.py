"""checksums.tsv beside a builder."""

import hashlib
import pathlib

import pytest
from tensorflow_datasets.core.download import checksums as tfds_checksums

from noisy_label_datasets import registration
from noisy_label_datasets.labels.checksums import (
    Checksum,
    ChecksumError,
    read_checksums,
    verify_shipped_files,
    write_checksums,
)


@pytest.fixture
def builder_dir(tmp_path):
    """A builder's folder, its checksums.tsv a link as in the repository."""
    folder = tmp_path / "builders" / "shapes_noisy"
    (folder / "rater_predictions" / "low" / "raters").mkdir(parents=True)
    (tmp_path / "checksums").mkdir()
    (tmp_path / "checksums" / "shapes_noisy.tsv").touch()
    (folder / "checksums.tsv").symlink_to("../../checksums/shapes_noisy.tsv")
    (folder / "shapes.npz").write_bytes(b"images")
    (folder / "README.md").write_text("not data")
    (folder / "rater_predictions" / "low" / "manifest.json").write_bytes(b"{}")
    (folder / "rater_predictions" / "low" / "raters" / "00.npz").write_bytes(b"labels")
    (folder / "rater_predictions" / "low" / ".manifest.json.1.tmp").write_bytes(b"half")
    write_checksums(folder)
    return folder


NAMES = ["rater_predictions/low/manifest.json", "rater_predictions/low/raters/00.npz", "shapes.npz"]


def test_written_through_the_link_and_read_by_tfds_too(builder_dir):
    assert (builder_dir / "checksums.tsv").is_symlink()
    expected = Checksum(6, hashlib.sha256(b"labels").hexdigest())
    assert read_checksums(builder_dir)["rater_predictions/low/raters/00.npz"] == expected
    infos = tfds_checksums.load_url_infos(builder_dir / "checksums.tsv")
    assert sorted(infos) == NAMES
    info = infos["rater_predictions/low/raters/00.npz"]
    assert (int(info.size), info.checksum, info.filename) == (*expected, "00.npz")
    assert verify_shipped_files(builder_dir) == NAMES


def test_every_kind_of_difference_is_named(builder_dir):
    (builder_dir / "shapes.npz").write_bytes(b"imageS")
    (builder_dir / "rater_predictions" / "low" / "manifest.json").unlink()
    (builder_dir / "rater_predictions" / "low" / "raters" / "01.npz").write_bytes(b"new")
    with pytest.raises(ChecksumError) as caught:
        verify_shipped_files(builder_dir)
    for fault in (
        "shapes.npz was altered or cut short",
        "low/manifest.json is missing",
        "low/raters/01.npz is not listed",
    ):
        assert fault in str(caught.value)


HASH = "0" * 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"shapes.npz\t6\tabc\tshapes.npz\n", "line 1: not path, size, SHA-256"),
        (f"a\t6\t{HASH}\ta\n\n".encode(), "line 2: not path"),
        (f"a\t²\t{HASH}\ta\n".encode(), "line 1: not path"),
        (f"a\t{'9' * 5000}\t{HASH}\ta\n".encode(), "line 1: not path"),
        (f"a\t6\t{'z' * 64}\ta\n".encode(), "line 1: not path"),
        (f"/etc/passwd\t6\t{HASH}\ta\n".encode(), "line 1: not path"),
        (f"b/../../a\t6\t{HASH}\ta\n".encode(), "line 1: not path"),
        (f"a\t6\t{HASH}\ta\na\t7\t{HASH}\ta\n".encode(), "line 2: a is listed a second time"),
        (b"\xff\xfe", "is no text"),
    ],
)
def test_damaged_lists(builder_dir, text, message):
    (builder_dir / "checksums.tsv").write_bytes(text)
    with pytest.raises(ChecksumError, match=rf"checksums\.tsv.*{message}") as caught:
        read_checksums(builder_dir)
    assert len(str(caught.value)) < 600


def test_unreadable_lists(builder_dir):
    (builder_dir / "checksums.tsv").write_text("shapes.npz\t6\tabc\tshapes.npz\n")
    with pytest.raises(ChecksumError, match=r"checksums\.tsv, line 1: not path, size, SHA-256"):
        read_checksums(builder_dir)
    (builder_dir / "checksums.tsv").unlink()
    with pytest.raises(ChecksumError, match="installation is incomplete"):
        read_checksums(builder_dir)


@pytest.mark.parametrize("dataset", registration.dataset_names())
def test_what_is_shipped_is_as_listed(dataset):
    folder = registration.builders_dir() / dataset
    assert set(verify_shipped_files(folder)) == set(read_checksums(folder))
    repository_list = pathlib.Path(__file__).parents[2] / "checksums" / f"{dataset}.tsv"
    if repository_list.exists():  # not beside an installed wheel
        assert (folder / "checksums.tsv").read_bytes() == repository_list.read_bytes()
