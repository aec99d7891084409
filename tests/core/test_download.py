"""Downloads: whatever a server does, the file is there and checked, or one error says of which URL and why not."""

import time
import tracemalloc

import pytest

from noisy_label_datasets.download import DownloadError, Patience, download, fetch
from tests.core.misbehaving import body, endless, serving

HASTE = Patience(silence=0.4, total=1.0, tries=2, pause=0.01)


def whole(data):
    if data != b"whole":
        raise ValueError("not the whole")


def test_what_is_whole_is_returned_and_stored(tmp_path):
    with serving(lambda path, times, connection: connection.sendall(body(b"whole"))) as (url, asked):
        assert fetch(f"{url}/a", most_bytes=5, check=whole) == b"whole"
        target = tmp_path / "new" / "file"
        came = []
        check = lambda path: whole(path.read_bytes())  # noqa: E731
        download(f"{url}/b", target, most_bytes=5, check=check, on_bytes=came.append)
    assert target.read_bytes() == b"whole"
    assert asked == ["/a", "/b"]
    assert sum(came) == 5


ANSWERS = {
    "not there": (body(b"", "404 Not Found"), "the server answers 404 Not Found", 1),
    "a server's fault": (body(b"", "500 Internal Server Error"), "in 2 tries: the server answers 500 Internal", 2),
    "too many requests": (body(b"", "429 Too Many Requests"), "in 2 tries: the server answers 429", 2),
    "a portal's page": (body(b"<html>Please pay"), "in 2 tries: it gives something else: not the whole", 2),
    "broken off": (body(b"wh", length=5), "in 2 tries: it broke off after 2 of 5 bytes", 2),
    "broken off between chunks": (
        body(b"2\r\nwh\r\n", length="", Transfer_Encoding="chunked"),
        "in 2 tries: IncompleteRead",
        2,
    ),
    "no status line": (b"nonsense\r\n\r\n", "in 2 tries: BadStatusLine: nonsense", 2),
    "nothing": (b"", "in 2 tries: RemoteDisconnected", 2),
    "too long a line": (b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000, "in 2 tries: LineTooLong", 2),
    "a length that is none": (body(b"whole!", length="many"), "in 2 tries: it gives something else", 2),
    "a huge length": (body(b"", length=10**15), "it would be 1,000,000,000,000,000 bytes; at most 1,000", 1),
    "elsewhere without end": (body(b"", "302 Found", Location="/a"), "the server answers 302", 2),
    "elsewhere on disk": (body(b"", "302 Found", Location="file:///etc/passwd"), "302", 2),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_servers_that_misbehave(tmp_path, name):
    answer, message, tries = ANSWERS[name]
    target = tmp_path / "file"
    target.write_bytes(b"what was there")
    with serving(lambda path, times, connection: connection.sendall(answer)) as (url, asked):
        with pytest.raises(DownloadError, match=rf"^cannot fetch {url}/a.*{message}"):
            download(f"{url}/a", target, most_bytes=1000, check=lambda path: whole(path.read_bytes()), patience=HASTE)
        assert len(asked) == tries or "302" in message
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"what was there")]


def test_a_body_without_end_costs_neither_memory_nor_disk(tmp_path):
    with serving(lambda path, times, connection: endless(connection, body(b"", length=""), bytes(2**16), 0)) as (
        url,
        _,
    ):
        tracemalloc.start()
        with pytest.raises(DownloadError, match="it gives more than the 1,000,000 bytes that are expected"):
            fetch(url, most_bytes=1_000_000, patience=HASTE)
        with pytest.raises(DownloadError, match="it gives more than the 1,000,000 bytes"):
            download(url, tmp_path / "file", most_bytes=1_000_000, patience=HASTE)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8_000_000
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (body(b"", length=10**6), "after 1 seconds only"),  # a body that trickles
        (b"HTTP/1.1 200 OK\r\nX: ", "RemoteDisconnected|IncompleteRead|BadStatusLine|it gives something else|only"),
    ],
)
def test_what_trickles_in_is_given_up_in_time(start, message):
    began = time.monotonic()
    with (
        serving(lambda path, times, connection: endless(connection, start, b"x", 0.1)) as (url, _),
        pytest.raises(DownloadError, match=message),
    ):
        fetch(url, most_bytes=10**6, patience=HASTE, check=whole)
    assert time.monotonic() - began < 6


def test_silence_is_given_up_and_a_second_try_may_succeed(tmp_path):
    def answer(path, times, connection):
        if times == 0:
            time.sleep(1)
        else:
            connection.sendall(body(b"whole"))

    with serving(answer) as (url, asked):
        assert fetch(url, most_bytes=5, check=whole, patience=HASTE) == b"whole"
        assert len(asked) == 2


def test_nobody_listens():
    with pytest.raises(DownloadError, match=r"cannot fetch http://127\.0\.0\.1:9/x, in 2 tries: ConnectionRef"):
        fetch("http://127.0.0.1:9/x", most_bytes=5, patience=HASTE)


def test_a_full_disk_is_an_os_error_that_names_the_file(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with serving(lambda path, times, connection: connection.sendall(body(b"whole"))) as (url, asked):
        with pytest.raises(OSError, match=r"cannot write.*here"):
            download(url, tmp_path / "file" / "here", most_bytes=5, patience=HASTE)
        assert not asked
