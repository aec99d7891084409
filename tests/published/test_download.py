"""The release is fetched from its bucket once, goes on after a break, and is asked for by hand where it cannot be."""

import base64
import hashlib
import http.server
import json
import pathlib
import shutil
import threading
import urllib.parse

import pytest

from noisy_label_datasets.labels import release
from noisy_label_datasets.labels.published import Published
from noisy_label_datasets.labels.sources import MissingLabelsError
from tests.published.made_up import context_of


class Bucket(http.server.BaseHTTPRequestHandler):
    """Answers as Google Cloud Storage does: a listing in pages of two objects, and the objects."""

    root: pathlib.Path
    asked: list[str]
    corrupt: str | None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        parameters = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/storage/v1/b/noisy_label_synthetic_datasets/o":
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
    handler = type("ThisBucket", (Bucket,), {"root": root, "asked": [], "corrupt": None})
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(release, "HOST", f"http://localhost:{server.server_port}")
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
    with pytest.raises(MissingLabelsError, match="valid-00000-of-00002 came with another MD5 sum"):
        Published("low").load(context)
    assert not Published("low").is_at_hand(context)
    handler.corrupt = None
    handler.asked.clear()
    Published("low").load(context)
    assert [name.rpartition("/")[2] for name in handler.asked] == ["valid-00000-of-00002", "valid-00001-of-00002"]


def test_no_network(small, tmp_path, monkeypatch):
    context, folder = small
    shutil.rmtree(folder)
    monkeypatch.setattr(release, "HOST", "http://localhost:9")  # nothing listens there
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
