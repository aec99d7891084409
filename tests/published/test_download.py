"""The release is fetched from its bucket once, resumes after a break, and is asked for by hand where it cannot be."""

import base64
import hashlib
import http.server
import json
import pathlib
import shutil
import threading
import urllib.parse
from typing import Any

import pytest

from noisy_label_datasets.download import Patience
from noisy_label_datasets.labels import release
from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.published import Published
from noisy_label_datasets.labels.sources import MissingLabelsError
from tests.published.made_up import context_of


class Bucket(http.server.BaseHTTPRequestHandler):
    """Answers as Google Cloud Storage does: a listing in pages of two objects, and the objects."""

    root: pathlib.Path
    asked: list[str]
    corrupt: str | None
    listing: Any

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        parameters = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/storage/v1/b/noisy_label_synthetic_datasets/o" and self.listing is not None:
            self.answer(self.listing(parameters))
        elif url.path == "/storage/v1/b/noisy_label_synthetic_datasets/o":
            names = sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
            names = [name for name in names if name.startswith(parameters["prefix"])]
            start = int(parameters.get("pageToken", 0))
            page = {"items": [self.item(name) for name in names[start : start + 2]]}
            if start + 2 < len(names):
                page["nextPageToken"] = str(start + 2)
            self.answer(json.dumps(page).encode())
        else:
            name = url.path.removeprefix("/noisy_label_synthetic_datasets/")
            self.asked.append(name)
            data = (self.root / name).read_bytes()
            self.answer(data[:-1] if self.corrupt and name.endswith(self.corrupt) else data)

    def item(self, name):
        digest = hashlib.md5((self.root / name).read_bytes()).digest()
        return {"name": name, "md5Hash": base64.b64encode(digest).decode()}

    def answer(self, data):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def bucket(small, tmp_path, monkeypatch):
    """The release in a bucket, and no copy by hand."""
    context, _ = small
    root = tmp_path / "bucket"
    shutil.move(tmp_path / "manual" / "noisy_label_synthetic_datasets", root)
    handler = type("ThisBucket", (Bucket,), {"root": root, "asked": [], "corrupt": None, "listing": None})
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(release, "HOST", f"http://localhost:{server.server_port}")
    monkeypatch.setattr(release, "PATIENCE", Patience(silence=2, total=5, tries=2, pause=0.01))
    yield context, handler
    server.shutdown()
    server.server_close()


def test_the_bucket_is_downloaded_once(bucket):
    context, handler = bucket
    assert not Published("low").is_at_hand(context)
    labels = Published("low").load(context)
    assert len(labels.ids["noisy_label_train"]) == 4
    assert len(handler.asked) == 5  # four shards and the features
    assert Published("low").is_at_hand(context)
    Published("low").load(context)
    assert len(handler.asked) == 5


def test_a_download_that_breaks_off_goes_on(bucket):
    context, handler = bucket
    handler.corrupt = "valid-00000-of-00002"
    with pytest.raises(MissingLabelsError, match=r"valid-00000-of-00002, in 2 tries: .* its MD5 sum is not the one"):
        Published("low").load(context)
    assert not Published("low").is_at_hand(context)
    handler.corrupt = None
    handler.asked.clear()
    Published("low").load(context)
    assert [name.rpartition("/")[2] for name in handler.asked] == ["valid-00000-of-00002", "valid-00001-of-00002"]


PREFIX = "public/cifar10/low/"
MD5 = base64.b64encode(bytes(16)).decode()


def listing_of(*names, **first):
    """A listing of these names; first: what is to stand in its first item."""
    items = [{"name": f"{PREFIX}{name}", "md5Hash": MD5} for name in names]
    return lambda parameters: json.dumps({"items": [{**items[0], **first}, *items[1:]]}).encode()


WHOLE = ("rater_features.json", "train-00000-of-00001", "valid-00000-of-00001")


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        (lambda parameters: b"<html>", "something else: not JSON"),
        (lambda parameters: b"null", "something else: it is None, not an object"),
        (lambda parameters: b"[" * 100_000, "more than 64 levels of nesting"),
        (lambda parameters: b'{"items": {}}', "items is an object, not a list"),
        (lambda parameters: b'{"items": [null]}', r"items\[0\] is None, not an object with name"),
        (lambda parameters: b'{"items": [{"name": 3}]}', r"items\[0\]\.name is 3, not text"),
        (lambda parameters: b'{"nextPageToken": 3}', "nextPageToken is 3, not text"),
        (lambda parameters: b"{}", "does not hold all files of the release: none"),
        (lambda parameters: b'{"nextPageToken": "again"}', "is followed by itself"),
        (
            lambda parameters: json.dumps({"nextPageToken": parameters.get("pageToken", "") + "x"}).encode(),
            "has more than 100 pages",
        ),
        (listing_of(*WHOLE[:2]), r"does not hold all files of the release: \['rater_features.json', 'train"),
        (listing_of(*WHOLE, "train-00000-of-00002"), "does not hold all files"),
        (listing_of(*WHOLE, WHOLE[0]), "lists rater_features.json twice"),
        (listing_of(*WHOLE, md5Hash=None), "lists rater_features.json with the MD5 sum None"),
        (listing_of(*WHOLE, md5Hash=["x"]), "lists rater_features.json with the MD5 sum"),
        (listing_of(*WHOLE, md5Hash="short"), "with the MD5 sum 'short'"),
    ],
)
def test_listings_that_are_none(bucket, listing, message):
    context, handler = bucket
    handler.listing = staticmethod(listing)
    with pytest.raises(MissingLabelsError, match=message) as caught:
        Published("low").load(context)
    assert "here they are looked for in" in str(caught.value)
    assert not handler.asked


def test_nothing_is_written_outside_of_the_folder_nor_what_is_no_file_of_the_release(bucket, tmp_path):
    context, handler = bucket
    names = ("../../../../escaped", "/tmp/escaped", "train-00000-of-00001/../../../escaped", "README.md", "sub/", "")
    whole = listing_of(*WHOLE, *names, *(f"/{name}" for name in WHOLE))
    absolute = {"name": str(tmp_path / "escaped"), "md5Hash": MD5}
    items = [*json.loads(whole({}))["items"], absolute, {"name": f"{PREFIX}no-md5"}]
    handler.listing = staticmethod(lambda parameters: json.dumps({"items": items}).encode())
    for name in WHOLE:
        (handler.root / PREFIX / name).write_bytes(b"not what the sum says")
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(MissingLabelsError, match=r"rater_features\.json, in 2 tries: .* MD5 sum"):
        Published("low").load(context)
    assert handler.asked == [f"{PREFIX}rater_features.json"] * 2
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_file_that_was_damaged_after_it_was_fetched_is_named_with_the_remedy(bucket):
    context, _ = bucket
    Published("low").load(context)
    folder = release.at_hand("cifar10", "low", context)
    shard = folder / "train-00000-of-00002"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(
        PredictionsError, match=rf"{shard} was altered or cut short.*; remove {folder}, and it is fetched"
    ):
        Published("low").load(context)
    shutil.rmtree(folder)
    Published("low").load(context)


def test_no_network(small, tmp_path, monkeypatch):
    context, folder = small
    shutil.rmtree(folder)
    monkeypatch.setattr(release, "HOST", "http://localhost:9")  # nothing listens there
    monkeypatch.setattr(release, "PATIENCE", Patience(tries=1))
    with pytest.raises(MissingLabelsError) as caught:
        Published("low").load(context)
    said = str(caught.value)
    assert said.startswith("the published labels of cifar10/low are not on this machine and cannot be fetched: ")
    assert f"here they are looked for in {folder}" in said


def test_a_base_of_which_nothing_was_published(tmp_path):
    with pytest.raises(
        MissingLabelsError, match="published no labels for mnist; they did for cifar10, cifar100, patch"
    ):
        Published("low").load(context_of(tmp_path, base="mnist"))
