"""Artifacts that are damaged, or made up with fitting hashes: each fault is an error that names file and place."""

import json
import zipfile

import numpy as np
import pytest

from noisy_label_datasets import files
from noisy_label_datasets.labels.predictions import PredictionsError, read_predictions
from tests.labels.test_predictions import write_pool, writer

HUGE = 10**400


@pytest.fixture
def folder(tmp_path):
    write_pool(tmp_path / "pool")
    return tmp_path / "pool"


def rewrite_manifest(folder, change):
    """Lets `change` alter the manifest in place, or takes what it returns, object or bytes."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    changed = change(manifest)
    data = changed if isinstance(changed, bytes) else json.dumps(manifest if changed is None else changed).encode()
    (folder / "manifest.json").write_bytes(data)


def rewrite_archive(folder, name, change):
    """Changes the arrays of a file, or its bytes, and lists its new hash."""
    path = folder / name
    arrays = files.unpack_arrays(path.read_bytes())
    changed = change(dict(arrays))
    data = changed if isinstance(changed, bytes) else files.pack_arrays(changed)
    path.write_bytes(data)
    rewrite_manifest(folder, lambda manifest: manifest["files"].update({name: files.sha256(data)}))


def refused(folder, message):
    with pytest.raises(PredictionsError, match=message) as caught:
        read_predictions(folder)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 600


def put(*path):
    """Returns a change that sets what lies at the end of a path of keys to the last argument."""

    def change(manifest):
        *keys, last, value = path
        for key in keys:
            manifest = manifest[key]
        manifest[last] = value

    return change


def with_steps(manifest, number):
    return json.dumps(manifest).replace('"steps": 10', f'"steps": {number}', 1).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("format_version", 1.0), r"format_version is 1\.0, not 1 or 2"),
        (put("format_version", True), "format_version is True, not 1 or 2"),
        (put("format", None), "format is None, not 'noisy_label_datasets/rater_predictions'"),
        (lambda manifest: b"null", "it is None, not an object"),
        (lambda manifest: b"[" * 100_000, "more than 64 levels of nesting"),
        (
            lambda manifest: b'{"format": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
            "more than 64 levels of nesting",
        ),
        (put("raters", None), "raters is None, not a list of 1 or more"),
        (put("raters", 0, None), r"raters\[0\] is None, not an object with id"),
        (
            put("raters", 0, "id", "../../etc/passwd"),
            r"raters\[0\]\.id is '\.\./\.\./etc/passwd', not text",
        ),
        (put("raters", 0, "id", 7), r"raters\[0\]\.id is 7, not text"),
        (put("raters", 0, "accuracy", "high"), r"raters\[0\]\.accuracy is 'high', not a number from 0 to 1"),
        (put("raters", 0, "accuracy", HUGE), "beyond 64 bits"),
        (lambda manifest: with_steps(manifest, "NaN"), "NaN"),
        (
            lambda manifest: with_steps(manifest, "1e999"),
            "range of a float",
        ),
        (put("raters", 0, "steps", 11), r"contradicts raters/00-resnet\.npz in the features steps"),
        (put("raters", 0, "mood", "good"), r"contradicts raters/00-resnet\.npz in the features mood"),
        (lambda manifest: manifest["raters"].append(manifest["raters"][0]), "lists raters more than once: 00-resnet"),
        (put("failures", []), "failures is a list of 0, not an object"),
        (put("failures", {"a": 3}), "failures.a is 3, not text"),
        (put("provenance", 3), "provenance is 3, not an object"),
        (put("files", None), "files is None, not an object"),
        (put("files", "examples.npz", 3), r"files\['examples\.npz'\] is 3"),
        (put("counts", 7), "counts is 7, not an object"),
        (put("counts", "test", 10**12), "counts.test is 1000000000000, not a whole number from 1 to"),
        (put("counts", "clean_label_train", 3), "counts.clean_label_train does not belong there"),
        (put("counts", "test", 8), "contradicts examples.npz in counts"),
        (put("class_names", "abc"), "class_names is 'abc', not a list of 2 or more"),
        (put("split_plan", "fractions", "test", 3), "split_plan.fractions.test is 3, not an object"),
        (put("split_plan", "seed", True), "split_plan.seed is True, not a whole number"),
        (put("base", {}), "base.name is missing"),
        (put("level", "a\0b"), "NUL"),
        (put("dataset", "\ud800"), "half a surrogate pair"),
    ],
)
def test_manifests(folder, change, message):
    rewrite_manifest(folder, change)
    refused(folder, rf"manifest\.json.*{message}")


def json_array(text):
    return np.frombuffer(text.encode(), np.uint8)


def with_features(**features):
    return json_array(json.dumps({"fingerprint": "f1", "features": {"id": "01-vgg", "steps": 10, **features}}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rater": json_array("null")}, "not a JSON object: None"),
        ({"rater": json_array("[" * 100_000)}, "more than 64 levels"),
        ({"rater": json_array('{"fingerprint": "f1"}')}, "features is missing"),
        ({"rater": json_array('{"fingerprint": 1, "features": {}}')}, "fingerprint is 1, not text"),
        ({"rater": with_features(accuracy=None)}, "accuracy is None, not a number from 0 to 1"),
        ({"rater": with_features(accuracy=HUGE)}, "beyond 64 bits"),
        ({"rater": with_features(loss=float("nan"))}, "NaN"),
        ({"rater": with_features(confusion_matrix=[1, 2])}, r"confusion_matrix\[0\] is 1, not a list"),
        ({"test.labels": np.zeros(7)}, "labels of test are whole numbers"),
        ({"test.labels": np.zeros((7, 1), np.uint8)}, r"labels are \[n\]"),
        ({"test.labels": np.full(7, 3, np.uint8)}, r"whole numbers in 0\.\.2"),
        ({"test.codes": np.zeros((7, 3), np.int8)}, r"codes \[n, K\]"),
        ({"test.codes": np.zeros(7, np.uint8)}, r"codes \[n, K\]"),
        ({"test.codes": np.full((7, 3), 1, np.uint8)}, "not the most probable"),
        ({"test.codes": np.zeros((7, 2), np.uint8), "test.labels": np.zeros(7, np.uint8)}, r"predictions \(7, 2\)"),
        ({"test.codes": np.zeros((10**6, 30), np.uint8)}, r"test\.codes would be 30,000,128 bytes; at most"),
        ({"more": np.zeros(3)}, r"that do not belong there: \['more'\]"),
    ],
)
def test_raters(folder, change, message):
    rewrite_archive(folder, "raters/01-vgg.npz", lambda arrays: {**arrays, **change})
    refused(folder, rf"01-vgg\.npz.*{message}")
    assert not writer(folder).has_rater("01-vgg", "f1")  # nor is it gone on with


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"header": json_array("7")}, "not a JSON object: 7"),
        ({"header": json_array("{}")}, "format is missing"),
        ({"test.ids": np.arange(7)}, r"ids of test are \[n\] bytes, given \(7,\) int64"),
        ({"test.ids": np.array([b"a\0b", *b"cdefgh"], "S4")}, r"test: 1 ids are empty, .* row 0 is 'a\\x00b'"),
        ({"test.ids": np.array([b"\xed\xa0\x80", *b"cdefgh"], "S4")}, "'utf-8' codec"),  # half a surrogate pair
        ({"test.ids": np.array([b"", *b"cdefgh"], "S4")}, "1 ids are empty"),
        ({"test.ids": np.array([b"\x1b[2J", *b"cdefgh"], "S4")}, r"row 0 is '\\x1b\[2J'"),
        ({"test.labels": np.zeros(7)}, "whole numbers"),
    ],
)
def test_examples(folder, change, message):
    rewrite_archive(folder, "examples.npz", lambda arrays: {**arrays, **change})
    refused(folder, rf"examples\.npz.*{message}")
    with pytest.raises(PredictionsError, match=r"examples\.npz"):
        writer(folder)


def test_a_member_twice(folder):
    def twice(arrays):
        path = folder / "raters" / "01-vgg.npz"
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("test.labels.npy", archive.read("test.labels.npy"))
        return path.read_bytes()

    rewrite_archive(folder, "raters/01-vgg.npz", twice)
    refused(folder, r"01-vgg\.npz.*an array stands there twice")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a\nb", "c", "d"), r"class 0 has the name 'a\\nb'"),
        (("", "b", "c"), "class 0 has the name ''"),
        (("a", "b", "a"), "classes 0 and 2 have the same name 'a'"),
        (("a", "b", 3), r"class_names\[2\] is 3, not text"),
    ],
)
def test_class_names_that_would_not_survive_are_not_written(tmp_path, names, message):
    with pytest.raises(PredictionsError, match=message):
        writer(tmp_path / "new", class_names=names)
    assert not (tmp_path / "new").exists()
