"""Reading human labels and corrections: from files, from a server, and when these are not what they should be."""

import dataclasses
import http.server
import io
import json
import threading

import numpy as np
import pytest

from noisy_label_datasets import files, remote_files
from noisy_label_datasets.download import Patience
from noisy_label_datasets.human import human_labels
from noisy_label_datasets.human.human_labels import HumanLabelsError
from noisy_label_datasets.remote_files import RemoteFileError

COUNTS = np.arange(60).reshape(6, 10)


@pytest.fixture
def upstream(tmp_path, monkeypatch):
    """A server that holds a small CIFAR-10H, and an empty cache folder."""
    buffer = io.BytesIO()
    np.save(buffer, COUNTS)
    served = tmp_path / "served"
    served.mkdir()
    (served / "counts.npy").write_bytes(buffer.getvalue())
    requests = []
    monkeypatch.setattr(remote_files, "PATIENCE", Patience(silence=1, total=2, tries=2, pause=0.01))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=served)

        def log_message(self, *args):
            requests.append(self.path)

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    remote = human_labels.RemoteFile(
        f"http://127.0.0.1:{server.server_port}/counts.npy", files.sha256(buffer.getvalue())
    )
    monkeypatch.setattr(human_labels, "CIFAR10H", remote)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield served, requests
    server.shutdown()
    server.server_close()


def test_fetched_once_then_kept(upstream):
    _, requests = upstream
    for _ in range(2):
        human = human_labels.load_cifar10h()
        np.testing.assert_array_equal(human.counts, COUNTS)
    assert len(requests) == 1
    assert human.ids.tolist()[:2] == ["test_00000", "test_00001"]


def test_joined_by_id():
    human = human_labels.HumanLabels(np.array(["b", "c", "a"]), COUNTS[:3])
    np.testing.assert_array_equal(human.of(np.array(["a", "b", "b"])), COUNTS[[2, 0, 0]])
    with pytest.raises(HumanLabelsError, match="1 of 2 examples have no human labels, 'd' first"):
        human.of(np.array(["a", "d"]))


def test_altered_upstream_is_refused_and_not_kept(upstream, tmp_path):
    served, requests = upstream
    (served / "counts.npy").write_bytes(b"something else")
    with pytest.raises(RemoteFileError, match=r"counts\.npy, in 2 tries: .* it is not counts\.npy as .*by hand"):
        human_labels.load_cifar10h()
    assert len(requests) == 2
    assert not list((tmp_path / "cache").rglob("*.npy"))


def test_a_damaged_cached_file_is_replaced(upstream, tmp_path):
    human_labels.load_cifar10h()
    (cached,) = (tmp_path / "cache").rglob("counts.npy")
    cached.write_bytes(cached.read_bytes()[:-1])
    np.testing.assert_array_equal(human_labels.load_cifar10h().counts, COUNTS)
    np.testing.assert_array_equal(np.load(cached), COUNTS)


def test_a_damaged_cached_file_is_named_where_no_other_can_be_had(upstream, tmp_path):
    served, _ = upstream
    human_labels.load_cifar10h()
    (cached,) = (tmp_path / "cache").rglob("counts.npy")
    cached.write_bytes(b"x")
    (served / "counts.npy").unlink()
    with pytest.raises(RemoteFileError, match=rf"^{cached}, fetched before, is damaged .*cannot fetch .*answers 404"):
        human_labels.load_cifar10h()


def test_a_portals_page_is_not_kept_as_corrections(upstream, tmp_path, monkeypatch):
    """It was stored before it was parsed, and served for ever after."""
    served, _ = upstream
    url = human_labels.CIFAR10H.url.replace("counts.npy", "mturk.json")
    monkeypatch.setattr(human_labels, "CORRECTIONS", human_labels.RemoteFile(url, None))
    (served / "mturk.json").write_text("<html>Please accept our terms</html>")
    with pytest.raises(RemoteFileError, match=r"cannot fetch .*mturk\.json.*no list of corrections: not JSON"):
        human_labels.load_corrections(IDS, LABELS)
    (served / "mturk.json").write_text(json.dumps([entry(7, 5, 3, guessed=3)]))
    assert human_labels.load_corrections(IDS, LABELS).tolist() == [3, 3, 1, 0]


def test_no_network_says_what_to_do(upstream, monkeypatch):
    monkeypatch.setattr(
        human_labels, "CIFAR10H", dataclasses.replace(human_labels.CIFAR10H, url="http://127.0.0.1:1/x.npy")
    )
    with pytest.raises(RemoteFileError, match="get it by hand"):
        human_labels.load_cifar10h()


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(RemoteFileError, match=r"nowhere\.npy is not there"):
        human_labels.load_cifar10h(tmp_path / "nowhere.npy")


IDS = np.array(["test_00007", "test_00002", "test_00004", "test_00001"])
LABELS = np.array([5, 3, 1, 0])


def entry(example, label, proposed, **answers):
    return {
        "id": example,
        "given_original_label": label,
        "our_guessed_label": proposed,
        "mturk": {"given": 0, "guessed": 0, "neither": 0, "both": 0, **answers},
    }


@pytest.fixture
def corrections(tmp_path):
    def write(entries):
        path = tmp_path / "cifar10_mturk.json"
        path.write_text(json.dumps(entries))
        return path

    return write


def test_only_labels_that_most_people_reject_are_corrected(corrections):
    path = corrections(
        [
            entry(7, 5, 3, guessed=3, given=2),
            entry(2, 3, 5, guessed=2, both=3),
            entry(4, 1, 9, neither=5),
            entry(9, 1, 9, guessed=5),  # of the test set, not among these examples
        ]
    )
    corrected = human_labels.load_corrections(IDS, LABELS, path)
    np.testing.assert_array_equal(corrected, [3, 3, 1, 0])
    np.testing.assert_array_equal(LABELS, [5, 3, 1, 0])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry(2, 8, 5, guessed=5)], "test_00002 is labelled 8; it is 3 here"),
        ([{"id": 2}], r"no list of corrections: \[0\]\.given_original_label is missing"),
        ("text", "no list of corrections: it is 'text', not a list"),
        ([], "no list of corrections: it is a list of 0"),
        (None, "no list of corrections"),
        ([None], r"\[0\] is None, not an object"),
        ([entry(2, 3, 10, guessed=5)], r"\[0\]\.our_guessed_label is 10, not a whole number from 0 to 9"),
        ([entry(2, 3, 5, guessed="5")], r"\[0\]\.mturk\.guessed is '5'"),
        ([entry(2, 3, 5, guessed=5, both=10**400)], "beyond 64 bits"),
    ],
)
def test_corrections_of_other_labels_or_form_are_refused(corrections, entries, message):
    with pytest.raises((HumanLabelsError, RemoteFileError), match=message):
        human_labels.load_corrections(IDS, LABELS, corrections(entries))
