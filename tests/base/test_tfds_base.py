"""A base dataset that TFDS downloads, from servers that misbehave: one error, with the remedy, and soon."""

import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import file_utils

from noisy_label_datasets.base import tfds_base
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.download import Patience
from tests.base.downloaded import ARCHIVE, IMAGES, Tiny, archive_of, infos, read
from tests.core.misbehaving import body, endless, serving


@pytest.fixture
def offered(monkeypatch):
    """Returns a function that makes `Tiny` download from a URL, what has this content."""
    monkeypatch.setattr(file_utils, "list_data_dirs", list)
    monkeypatch.setattr(tfds_base, "PATIENCE", Patience(silence=0.5, total=1.5, tries=2, pause=0.01))

    def offer(url, content=ARCHIVE):
        monkeypatch.setattr(Tiny, "url_infos", infos(url, content))
        monkeypatch.setattr(tfds, "builder", lambda name, data_dir: Tiny(data_dir=data_dir))

    return offer


def test_it_is_downloaded_checked_and_prepared(offered, tmp_path):
    with serving(lambda path, times, connection: connection.sendall(body(ARCHIVE))) as (url, asked):
        offered(f"{url}/tiny.tar.gz")
        np.testing.assert_array_equal(
            sorted(image.tobytes() for image in read(tmp_path)), sorted(i.tobytes() for i in IMAGES)
        )
        assert asked == ["/tiny.tar.gz"] * 2  # whether the host is there, and the file
        read(tmp_path)
        assert len(asked) == 2
    names = [path.name for path in (tmp_path / "downloads" / "tiny").iterdir()]
    assert len(names) == 2  # the file and TFDS's note about it
    assert not [name for name in names if ".tmp" in name]


ANSWERS = {
    "not there": (body(b"", "404 Not Found"), "the server answers 404 Not Found"),
    "a server's fault": (body(b"", "500 Internal Server Error"), "in 2 tries: the server answers 500"),
    "another file": (body(ARCHIVE[:-1] + b"x"), "in 2 tries: it gives something else: its SHA-256 is not"),
    "a portal's page": (body(b"<!DOCTYPE html><p>Pay"), "it begins as a web page does"),
    "cut": (body(ARCHIVE[:-9]), "in 2 tries: it gives something else: its SHA-256 is not"),
    "broken off": (body(ARCHIVE[:-9], length=len(ARCHIVE)), "it broke off after"),
    "longer": (body(ARCHIVE + b"x"), "bytes; at most"),
    "no status line": (b"nonsense\r\n\r\n", "cannot fetch|no answer from"),
    "broken off between chunks": (
        body(b"2\r\nwh\r\n", length="", Transfer_Encoding="chunked"),
        "in 2 tries: IncompleteRead",
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_server_may_do_instead(offered, tmp_path, name):
    answer, message = ANSWERS[name]
    began = time.monotonic()
    with serving(lambda path, times, connection: connection.sendall(answer)) as (url, _):
        offered(f"{url}/tiny.tar.gz")
        with pytest.raises(BaseDatasetError, match=rf"tiny 1\.0\.0 is not prepared: .*{message}") as caught:
            read(tmp_path)
    assert f"run `tfds build tiny --data_dir {tmp_path}`, or copy tiny/1.0.0 there" in str(caught.value)
    assert time.monotonic() - began < 45  # TFDS itself tries a 500 for 90 seconds and more
    assert not [path for path in (tmp_path / "downloads").rglob("*") if path.is_file()]


def test_a_body_without_end(offered, tmp_path):
    start = body(b"", length="")
    with serving(lambda path, times, connection: endless(connection, start, bytes(2**16), 0)) as (url, _):
        offered(f"{url}/tiny.tar.gz")
        with pytest.raises(BaseDatasetError, match=r"it gives more than the [\d,]+ bytes that are expected"):
            read(tmp_path)


@pytest.mark.parametrize("content", [b"no archive at all", archive_of(pictures=b"x")], ids=len)
def test_an_archive_that_is_right_by_its_checksum_and_yet_not_what_tfds_expects(offered, tmp_path, content):
    with serving(lambda path, times, connection: connection.sendall(body(content))) as (url, _):
        offered(f"{url}/tiny.tar.gz", content)
        with pytest.raises(BaseDatasetError, match=r"TFDS cannot prepare it \(\w+: .*; where there is a network"):
            read(tmp_path)


def test_a_file_that_was_damaged_after_it_was_downloaded_is_named(offered, tmp_path):
    with serving(lambda path, times, connection: connection.sendall(body(ARCHIVE))) as (url, _):
        offered(f"{url}/tiny.tar.gz")
        read(tmp_path)
        (kept,) = (tmp_path / "downloads" / "tiny").glob("*.gz")
        kept.write_bytes(ARCHIVE[: len(ARCHIVE) // 2])
        for folder in (tmp_path / "tiny", tmp_path / "downloads" / "extracted"):
            folder.rename(tmp_path / f"{folder.name}.away")
        with pytest.raises(BaseDatasetError, match=rf"remove {kept}, damaged since it was downloaded, and try again"):
            read(tmp_path)
        kept.unlink()
        assert len(read(tmp_path)) == len(IMAGES)


def test_a_damaged_description_of_a_prepared_base(offered, tmp_path):
    with serving(lambda path, times, connection: connection.sendall(body(ARCHIVE))) as (url, _):
        offered(f"{url}/tiny.tar.gz")
        read(tmp_path)
    folder = tmp_path / "tiny" / "1.0.0"
    (folder / "dataset_info.json").write_text("[")
    with pytest.raises(BaseDatasetError, match=rf"the base dataset in {folder} cannot be read .*remove that folder"):
        read(tmp_path)
