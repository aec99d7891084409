"""Trials with a server on this machine that misbehaves: every request may be answered in any wrong way."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import tempfile
import time
import types
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from noisy_label_datasets import remote_files
from noisy_label_datasets.download import Patience
from noisy_label_datasets.human import human_labels
from noisy_label_datasets.labels import release
from tests.core.misbehaving import body, endless, serving
from tests.faults.kinds import digest, write_corrections
from tests.faults.mutations import ODD_VALUES, PAGE
from tests.faults.trials import CLEAR, FAILED, SAME, Tally, judge

HASTE = Patience(silence=0.3, total=0.8, tries=2, pause=0.01)
TIME = Patience(silence=30, total=60)  # for a good server of a machine that may be busy
PREFIX = "public/cifar10/low/"
RELEASE = {
    name: f"{name} of the release".encode() * 20
    for name in ("rater_features.json", "train-00000-of-00002", "train-00001-of-00002", "valid-00000-of-00001")
}


def misbehave(data: bytes, rng: random.Random, connection: socket.socket) -> str:
    """Answers a request for `data` in a wrong way; returns which."""
    at = rng.randrange(len(data))
    answers: dict[str, bytes] = {
        **{f"status {status}": body(b"", f"{status} X") for status in (301, 400, 403, 404, 408, 429, 500, 503)},
        "a portal's page": body(PAGE),
        "cut": body(data[:at], length=len(data)),
        "cut, and no length": body(data[:at], length=""),
        "another byte": body(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]),
        "something after it": body(data + b"x"),
        "a length too small": body(data, length=at),
        "a length beyond all bounds": body(data, length=10**15),
        "a length that is none": body(data, length="-1"),
        "chunks that break off": body(b"%x\r\n%b" % (len(data), data[:at]), length="", Transfer_Encoding="chunked"),
        "chunks that are none": body(b"zz\r\n" + data, length="", Transfer_Encoding="chunked"),
        "a coding that it is not in": body(data, Content_Encoding="gzip"),
        "a circle": body(b"", "302 Found", Location="."),
        "a file of this machine": body(b"", "302 Found", Location="file:///etc/hostname"),
        "nowhere": body(b"", "302 Found", Location="http://127.0.0.1:9/"),
        "no status line": rng.randbytes(40) + b"\r\n\r\n",
        "a line too long": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
        "nothing": b"",
    }
    way = rng.choice([*answers, "silence", "no end", "a trickle"])
    if way == "silence":
        time.sleep(1)
    elif way == "no end":
        endless(connection, body(b"", length=""), bytes(2**16), 0)
    elif way == "a trickle":
        endless(connection, body(b"", length=len(data)), b"x", 0.1)
    else:
        connection.sendall(answers[way])
    return way


def wrong_listing(rng: random.Random) -> bytes:
    """Returns a listing of the release that is not as it should be."""
    items: list[Any] = [_item(name) for name in RELEASE]
    at = rng.randrange(len(items))
    way = rng.randrange(8)
    if way == 0:
        items[at]["name"] = rng.choice(
            (f"{PREFIX}../../../x", "/etc/x", f"{PREFIX}sub/../../x", "\0", "", PREFIX, "C:\\x")
        )
    elif way == 1:
        items[at][rng.choice(("name", "md5Hash"))] = rng.choice(ODD_VALUES)
    elif way == 2:
        items[at].pop(rng.choice(("name", "md5Hash")))
    elif way == 3:
        items.append(dict(items[at]))
    elif way == 4:
        items.pop(at)
    elif way == 5:
        items[at] = rng.choice(ODD_VALUES)
    page: Any = {"items": items}
    if way == 6:
        page["nextPageToken"] = rng.choice(("again", *ODD_VALUES))
    elif way == 7:
        page = rng.choice((*ODD_VALUES, {"items": rng.choice(ODD_VALUES)}))
    return json.dumps(page).encode()


def _item(name: str) -> dict[str, Any]:
    digest_ = hashlib.md5(RELEASE[name], usedforsecurity=False).digest()
    return {"name": PREFIX + name, "md5Hash": base64.b64encode(digest_).decode()}


def _answer(path: str) -> bytes:
    """Returns what a bucket would answer that holds the release."""
    if path.startswith("/storage/"):
        return json.dumps({"items": [_item(name) for name in RELEASE]}).encode()
    return RELEASE[urllib.parse.unquote(path).rpartition("/")[2]]


def fetch_release(folder: pathlib.Path) -> bytes:
    """Fetches the release; returns what lies there, anywhere in the folder."""
    context: Any = types.SimpleNamespace(data_dir=folder / "data", manual_dir=folder / "manual")
    release.fetch("cifar10", "low", context)
    return digest(*sorted((path.name, path.read_bytes().hex()) for path in folder.rglob("*") if path.is_file()))


def fetch_corrections(folder: pathlib.Path) -> bytes:
    """Fetches corrections into the cache, and reads what is there then."""
    ids, labels = np.array([f"test_{i:05d}" for i in range(10)]), np.zeros(10, np.int32)
    return digest(human_labels.load_corrections(ids, labels))


def try_release(seeds: Iterable[int]) -> Tally:
    """Fetches the release from a bucket of which one answer is wrong."""

    def answering(rng: random.Random, said: list[str]) -> Callable[[str, int, socket.socket], None]:
        wrong_at, listing, asked = rng.randrange(5), rng.random() < 0.4, []

        def answer(path: str, times: int, connection: socket.socket) -> None:
            if listing and path.startswith("/storage/"):
                page = wrong_listing(rng)
                said.append(f"listing {page[:200]!r}")
                connection.sendall(body(page))
            elif not listing and len(asked) == wrong_at:
                said.append(misbehave(_answer(path), rng, connection))  # and again at each try
            else:
                asked.append(path)
                connection.sendall(body(_answer(path)))

        return answer

    return _try("server: the release", seeds, answering, fetch_release)


def try_corrections(seeds: Iterable[int]) -> Tally:
    """Fetches corrections from a server whose every answer is wrong, or every second."""
    right = _right("mturk")

    def answering(rng: random.Random, said: list[str]) -> Callable[[str, int, socket.socket], None]:
        recovers = rng.random() < 0.3

        def answer(path: str, times: int, connection: socket.socket) -> None:
            if said and recovers:
                connection.sendall(body(right))
            else:
                said.append(misbehave(right, rng, connection))

        return answer

    return _try("server: a file", seeds, answering, fetch_corrections)


def _try(
    name: str, seeds: Iterable[int], answering: Callable[..., Any], fetch: Callable[[pathlib.Path], bytes]
) -> Tally:
    """Fetches from a bad server, and then, where that was an error, from a good one: nothing of it may be kept."""
    tally = Tally(name)
    with tempfile.TemporaryDirectory() as scratch:
        places = {"right", *(str(seed) for seed in seeds)}
        with _good_server(pathlib.Path(scratch) / "right"):
            expected = frozenset({fetch(pathlib.Path(scratch) / "right")})
        for seed in seeds:
            folder, said = pathlib.Path(scratch) / str(seed), []
            with serving(answering(random.Random(f"{name} {seed}"), said)) as (url, _), _directed(url, folder):
                outcome, why = judge(lambda folder=folder: fetch(folder), expected, hashed=name.endswith("release"))
            if outcome == CLEAR and url not in why and "gs://" not in why:
                outcome, why = FAILED, f"an error that does not name the URL: {why}"
            if stray := {path.name for path in pathlib.Path(scratch).iterdir()} - places:
                outcome, why = FAILED, f"wrote outside its folder: {stray}"
            if outcome == CLEAR:
                with _good_server(folder):
                    again, why = judge(lambda folder=folder: fetch(folder), expected, hashed=True)
                if again != SAME:
                    outcome, why = FAILED, f"then, from a good server: {again}, {why}"
            tally.add(outcome, f"seed {seed}: {said}: {why}")
            shutil.rmtree(folder, ignore_errors=True)
    return tally


@contextlib.contextmanager
def _good_server(folder: pathlib.Path) -> Iterator[None]:
    def answer(path: str, times: int, connection: socket.socket) -> None:
        connection.sendall(body(_right(path)))

    with serving(answer) as (url, _), _directed(url, folder, TIME):
        yield


def _right(path: str) -> bytes:
    if "mturk" in path:
        with tempfile.TemporaryDirectory() as folder:
            write_corrections(pathlib.Path(folder))
            return (pathlib.Path(folder) / "cifar10_mturk.json").read_bytes()
    return _answer(path)


@contextlib.contextmanager
def _directed(url: str, folder: pathlib.Path, patience: Patience = HASTE) -> Iterator[None]:
    """Has every download go to a server of this machine and be kept in a folder."""
    file = human_labels.RemoteFile(**{**vars(human_labels.CORRECTIONS), "url": f"{url}/cifar10_mturk.json"})
    with (
        mock.patch.object(release, "HOST", url),
        mock.patch.object(release, "PATIENCE", patience),
        mock.patch.object(remote_files, "PATIENCE", patience),
        mock.patch.object(human_labels, "CORRECTIONS", file),
        mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(folder), "TQDM_DISABLE": "1"}),
    ):
        yield


SERVED = {"server: the release": try_release, "server: a file": try_corrections}
