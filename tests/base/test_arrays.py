"""Clean datasets on disk: what was saved comes back, and nothing half-written does."""

import dataclasses
import io
import json

import numpy as np
import pytest

from noisy_label_datasets.base.arrays import CleanDataset, CleanDatasetError, LabelledImages
from noisy_label_datasets.base.splits import SPLITS, SplitPlan

PLAN = SplitPlan(
    {
        "all": {
            "clean_label_train": 0.4,
            "clean_label_valid": 0.1,
            "noisy_label_train": 0.3,
            "noisy_label_valid": 0.1,
            "test": 0.1,
        }
    }
)


def labelled_images(split, n=6, seed=0):
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    return LabelledImages(
        ids=np.array([f"{split}_{i}" for i in range(n)], dtype=np.str_),
        images=rng.integers(0, 256, (n, 5, 4, 3), dtype=np.uint8),
        labels=rng.integers(0, 3, n, dtype=np.int32),
    )


@pytest.fixture
def dataset():
    return CleanDataset(
        name="shapes_noisy",
        version="1.0.0",
        base_name="shapes",
        base_version="2.1.0",
        class_names=("circle", "square", "triangle"),
        split_plan=PLAN,
        splits={split: labelled_images(split) for split in SPLITS},
    )


def test_round_trip(dataset, tmp_path):
    dataset.save(tmp_path / "clean")
    read = CleanDataset.load(tmp_path / "clean")
    for split in SPLITS:
        for field in ("ids", "images", "labels"):
            np.testing.assert_array_equal(getattr(read.splits[split], field), getattr(dataset.splits[split], field))
        assert isinstance(read.splits[split].images, np.memmap)
    plain = {f.name for f in dataclasses.fields(dataset)} - {"splits"}
    assert {name: getattr(read, name) for name in plain} == {name: getattr(dataset, name) for name in plain}
    assert read.fingerprint() == dataset.fingerprint()
    assert [p.name for p in tmp_path.iterdir()] == ["clean"]


def test_fingerprint_sees_every_kind_of_change(dataset):
    seen = {dataset.fingerprint()}
    test = dataset.splits["test"]
    for field, value in (
        ("ids", np.char.add(test.ids, "x")),
        ("images", test.images ^ np.uint8(1)),
        ("labels", (test.labels + 1) % np.int32(3)),
    ):
        changed = dataclasses.replace(test, **{field: value})
        seen.add(dataclasses.replace(dataset, splits={**dataset.splits, "test": changed}).fingerprint())
    seen.add(dataclasses.replace(dataset, class_names=("circle", "square", "star")).fingerprint())
    assert len(seen) == 5


def test_saving_replaces_what_was_there(dataset, tmp_path):
    dataset.save(tmp_path / "clean")
    other = dataclasses.replace(dataset, version="1.0.1")
    other.save(tmp_path / "clean")
    assert CleanDataset.load(tmp_path / "clean").version == "1.0.1"
    assert [p.name for p in tmp_path.iterdir()] == ["clean"]


@pytest.mark.parametrize("stop", [OSError("8192 requested and 4096 written"), OSError(28, "full"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [0, 4])
def test_a_save_that_is_stopped_keeps_the_old_one_and_leaves_nothing(dataset, tmp_path, monkeypatch, stop, after):
    dataset.save(tmp_path / "clean")
    real_save, calls = np.save, []

    def save(path, array, **kwargs):
        calls.append(path)
        if len(calls) > after:
            raise stop
        real_save(path, array, **kwargs)

    monkeypatch.setattr(np, "save", save)
    with pytest.raises(type(stop)) as caught:
        dataclasses.replace(dataset, version="1.0.1").save(tmp_path / "clean")
    if isinstance(stop, OSError):
        said = stop.strerror or f"No space left on device ({stop})"
        assert f"cannot save shapes_noisy: {said}" in str(caught.value)
        assert str(tmp_path / "clean") in str(caught.value)
    assert CleanDataset.load(tmp_path / "clean").version == "1.0.0"
    assert [p.name for p in tmp_path.iterdir()] == ["clean"]


def damage_nothing_there(folder):
    (folder / "dataset.json").unlink()


def damage_cut_short(folder):
    path = folder / "test.images.npy"
    path.write_bytes(path.read_bytes()[:-1])


def damage_file_missing(folder):
    (folder / "test.labels.npy").unlink()


def damage_other_version(folder):
    path = folder / "dataset.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 2'))


def damage_split_swapped(folder):
    (folder / "test.labels.npy").write_bytes((folder / "test.ids.npy").read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_nothing_there, "no clean dataset in .*dataset.json is not there"),
        (damage_cut_short, "cannot be read"),
        (damage_file_missing, "test.labels.npy is not there"),
        (damage_other_version, r"dataset\.json cannot be read: format_version is 2, not 1"),
        (damage_split_swapped, "labels are .* int32"),
    ],
)
def test_a_damaged_folder_is_an_error_that_names_it(dataset, tmp_path, damage, message):
    dataset.save(tmp_path / "clean")
    damage(tmp_path / "clean")
    with pytest.raises(CleanDatasetError, match=message) as caught:
        CleanDataset.load(tmp_path / "clean")
    assert str(tmp_path / "clean") in str(caught.value)


def rewrite(folder, **changes):
    description = json.loads((folder / "dataset.json").read_bytes())
    (folder / "dataset.json").write_text(json.dumps({**description, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": True}, "format_version is True, not 1"),
        ({"format_version": 1.0}, r"format_version is 1\.0, not 1"),
        ({"name": None}, "name is None, not text"),
        ({"class_names": 3}, "class_names is 3, not a list"),
        ({"class_names": ["a", "b", 3]}, r"class_names\[2\] is 3, not text"),
        ({"class_names": ["a", "b", "a\nb"]}, "class 2 has the name 'a\\\\nb'"),
        ({"split_plan": []}, "split_plan is a list of 0, not an object"),
        ({"split_plan": {"fractions": {"all": {"test": "1"}}, "seed": 0}}, "split_plan.fractions.all.test is '1'"),
        ({"split_plan": {"fractions": {"all": {"test": 10**400}}, "seed": 0}}, "beyond 64 bits"),
        ({"split_plan": {"fractions": {"all": {"test": 1.0}}, "seed": 0}}, "no base split gives"),
        ({"version": "\ud800"}, "surrogate"),
    ],
)
def test_a_damaged_description(dataset, tmp_path, changes, message):
    dataset.save(tmp_path)
    rewrite(tmp_path, **changes)
    with pytest.raises(CleanDatasetError, match=message):
        CleanDataset.load(tmp_path)


def header(shape, descr="|u1"):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("dataset.json", b"null"),
        ("dataset.json", b"[" * 100_000),
        ("test.images.npy", b""),
        ("test.images.npy", header((2**50, 5, 4, 3))),
        ("test.images.npy", header((6, 5, 4, 3))),
        ("test.labels.npy", header((2**60,), "<i4") + bytes(24)),
        ("test.labels.npy", header((6,), "|O")),
        ("test.labels.npy", b"PK\x03\x04"),
        ("test.ids.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': [[[[[[["),
        ("test.ids.npy", header((6,), "<U1") + np.arange(6, dtype="<u4").tobytes()),
        ("test.ids.npy", header((6,), "<U1") + np.full(6, 0x110000, "<u4").tobytes()),
    ],
)
def test_a_damaged_file_is_an_error_that_names_the_folder(dataset, tmp_path, name, data):
    dataset.save(tmp_path)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CleanDatasetError) as caught:
        CleanDataset.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["dataset.json", "test.ids.npy", "test.labels.npy", "test.images.npy"])
def test_altered_bytes_are_an_error_or_another_dataset_of_the_same_form(dataset, tmp_path, name):
    dataset.save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(0, min(len(data), 400), rng.integers(1, 4)):
            data[place] = rng.integers(256)
        (tmp_path / name).write_bytes(data)
        try:
            read = CleanDataset.load(tmp_path)
        except CleanDatasetError:
            continue
        assert read.splits["test"].images.shape == (6, 5, 4, 3)
        read.fingerprint()


def test_faulty_arrays(dataset):
    test = dataset.splits["test"]
    for change, message in (
        ({"images": test.images.astype(np.float32)}, "uint8"),
        ({"images": test.images[:, 0]}, r"\[n, h, w, c\]"),
        ({"labels": test.labels[:-1]}, "labels are"),
        ({"ids": test.ids.astype(object)}, "ids are"),
    ):
        with pytest.raises(CleanDatasetError, match=message):
            dataclasses.replace(test, **change)
    for examples, message in (
        (dataclasses.replace(test, labels=test.labels + np.int32(3)), "with 3 classes 0..2 are allowed"),
        (dataclasses.replace(test, images=test.images[:, 1:]), "one size"),
        (labelled_images("test", n=0), "has no examples"),
        (dataclasses.replace(test, ids=dataset.splits["noisy_label_train"].ids), "6 ids stand there twice"),
    ):
        with pytest.raises(CleanDatasetError, match=message):
            dataclasses.replace(dataset, splits={**dataset.splits, "test": examples})
    with pytest.raises(CleanDatasetError, match="splits are"):
        dataclasses.replace(dataset, splits={"test": test})
