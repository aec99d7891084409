"""The rater-prediction artifact: round trip, resumption, and every fault an error that names the file."""

import errno
import json
import os
import pathlib
import zipfile

import numpy as np
import pytest

from noisy_label_datasets import files
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SplitPlan
from noisy_label_datasets.labels.predictions import PredictionsError, PredictionsWriter, read_predictions

PLAN = SplitPlan(
    {
        "train": {
            "clean_label_train": 0.4,
            "clean_label_valid": 0.1,
            "noisy_label_train": 0.4,
            "noisy_label_valid": 0.1,
        },
        "test": {"test": 1.0},
    }
)
CLASSES = ("cat", "dog", "frog")
RATERS = ("00-resnet", "01-vgg", "02-mobile")
COUNTS = dict(zip(LABELLED_SPLITS, (4, 9, 5, 7), strict=True))


def examples():
    rng = np.random.default_rng(0)
    return {
        split: (np.array([f"{split}-é{i}" for i in range(n)]), rng.integers(0, 3, n)) for split, n in COUNTS.items()
    }


def probabilities(rater_id):
    rng = np.random.default_rng(RATERS.index(rater_id))
    return {split: rng.dirichlet(np.ones(3), n) for split, n in COUNTS.items()}


def writer(folder, **changes):
    arguments = {
        "dataset": "animals_noisy",
        "level": "low",
        "base": {"name": "animals", "version": "1.2.3"},
        "split_plan": PLAN,
        "class_names": CLASSES,
        "examples": examples(),
    }
    return PredictionsWriter(folder, **{**arguments, **changes})


def write_rater(to, rater_id):
    to.write_rater(rater_id, fingerprint="f1", probabilities=probabilities(rater_id), features={"steps": 10})


def write_pool(folder):
    to = writer(folder)
    for rater_id in RATERS:
        write_rater(to, rater_id)
    to.finish(RATERS, failures={"03-nan": "diverged at step 12"}, provenance={"device": "cpu"})


@pytest.fixture
def folder(tmp_path):
    write_pool(tmp_path / "pool")
    return tmp_path / "pool"


def test_round_trip(folder):
    read = read_predictions(folder)
    assert (read.dataset, read.level, read.base) == ("animals_noisy", "low", {"name": "animals", "version": "1.2.3"})
    assert (read.split_plan, read.class_names) == (PLAN, CLASSES)
    assert read.raters == tuple({"id": rater_id, "steps": 10} for rater_id in RATERS)
    assert read.failures == {"03-nan": "diverged at step 12"}
    assert read.provenance == {"device": "cpu"}
    for split, (ids, labels) in examples().items():
        assert read.ids[split].tolist() == ids.tolist()
        assert read.clean_labels[split].tolist() == labels.tolist()
        assert read.noisy_labels[split].dtype == np.int32
        for r, rater_id in enumerate(RATERS):
            given = probabilities(rater_id)[split]
            assert read.noisy_labels[split][:, r].tolist() == given.argmax(-1).tolist()
            np.testing.assert_allclose(read.probabilities(split)[:, r], given, atol=0.0145)


def test_pool_order_is_that_of_finish(folder):
    order = RATERS[::-1]
    writer(folder).finish(order, provenance={})
    read = read_predictions(folder)
    assert [rater["id"] for rater in read.raters] == list(order)
    assert read.noisy_labels["test"][:, 0].tolist() == probabilities(order[0])["test"].argmax(-1).tolist()


def test_written_twice_the_bytes_are_equal_and_none_is_a_pickle(folder, tmp_path):
    write_pool(tmp_path / "again")
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert names == ["examples.npz", "manifest.json", *(f"raters/{rater_id}.npz" for rater_id in RATERS)]
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
        if name.endswith(".npz"):
            with np.load(folder / name, allow_pickle=False) as archive:  # an ordinary .npz to everyone else
                assert all(archive[key].dtype.kind != "O" for key in archive.files)


def test_hash_of_the_manifest_stands_for_the_artifact(folder):
    digest = files.sha256((folder / "manifest.json").read_bytes())
    assert read_predictions(folder, expected_sha256=digest).sha256 == digest
    with pytest.raises(PredictionsError, match=r"manifest\.json was altered.*not 0000"):
        read_predictions(folder, expected_sha256="0" * 64)


def test_a_killed_pool_goes_on_with_the_next_rater(tmp_path):
    to = writer(tmp_path)
    write_rater(to, RATERS[0])
    (tmp_path / "raters" / f".{RATERS[1]}.npz.123.tmp").write_bytes(b"half")  # what SIGKILL leaves
    with pytest.raises(PredictionsError, match="unfinished"):
        read_predictions(tmp_path)
    resumed = writer(tmp_path)
    assert [resumed.has_rater(rater_id, "f1") for rater_id in RATERS] == [True, False, False]
    with pytest.raises(PredictionsError, match="rater 01-vgg has no predictions yet"):
        resumed.finish(RATERS, provenance={})
    for rater_id in RATERS[1:]:
        write_rater(resumed, rater_id)
    resumed.finish(RATERS, provenance={})
    assert len(read_predictions(tmp_path).raters) == 3


def test_a_finished_pool_that_gets_a_rater_anew_is_unfinished(folder):
    write_rater(writer(folder), RATERS[0])
    with pytest.raises(PredictionsError, match="unfinished"):
        read_predictions(folder)


def test_a_damaged_rater_is_written_again_and_another_configuration_is_an_error(folder):
    path = folder / "raters" / f"{RATERS[0]}.npz"
    path.write_bytes(path.read_bytes()[:-30])
    assert not writer(folder).has_rater(RATERS[0], "f1")
    with pytest.raises(PredictionsError, match=r"01-vgg.npz holds a rater of another configuration .*f1, wanted f2"):
        writer(folder).has_rater(RATERS[1], "f2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "plants_noisy"}, "started with dataset 'animals_noisy', now it is 'plants_noisy'"),
        ({"base": {"name": "animals", "version": "1.2.4"}}, "started with base"),
        ({"split_plan": SplitPlan(PLAN.fractions, seed=1)}, "started with split_plan"),
        ({"examples": {**examples(), "test": (np.array(["x"]), np.array([0]))}}, "started with other ids of test"),
        ({"examples": {s: (i, (y + 1) % 3) for s, (i, y) in examples().items()}}, "started with other clean labels"),
    ],
)
def test_a_folder_started_for_something_else(folder, change, message):
    with pytest.raises(PredictionsError, match=message):
        writer(folder, **change)
    read_predictions(folder)  # and it is untouched


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"examples": {"test": examples()["test"]}}, "raters label the splits"),
        ({"examples": {**examples(), "test": (np.array(["x", "x"]), np.array([0, 1]))}}, r"more than once.*\['x'\]"),
        ({"examples": {**examples(), "test": (np.array(["x"]), np.array([3]))}}, r"whole numbers in 0\.\.2.*3\.\.3"),
        ({"examples": {**examples(), "test": (np.array(["x"]), np.array([0.5]))}}, "whole numbers"),
        ({"examples": {**examples(), "test": (np.array([], str), np.array([], int))}}, "test needs ids"),
    ],
)
def test_faulty_examples(tmp_path, change, message):
    with pytest.raises(PredictionsError, match=message):
        writer(tmp_path / "new", **change)
    assert not (tmp_path / "new").exists()


def spoil(value):
    spoilt = probabilities(RATERS[0])
    spoilt["test"][3, 1] = value
    return spoilt


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probabilities": spoil(np.nan)}, "finite"),
        ({"probabilities": spoil(-0.1)}, "not negative"),
        ({"probabilities": spoil(2.0)}, "sum to 1"),
        ({"probabilities": {**probabilities(RATERS[0]), "test": np.ones((7, 4)) / 4}}, r"\(7, 3\), given \(7, 4\)"),
        ({"probabilities": {"test": probabilities(RATERS[0])["test"]}}, "splits are"),
        ({"features": {"loss": float("nan")}}, r"features\.loss is nan, not a number of 0 or more"),
        ({"features": {"loss": np.float32(1)}}, r"features\.loss is np\.float32\(1\.0\), not a number"),
        ({"features": {"mood": float("nan")}}, "features have to be JSON"),
        ({"rater_id": "../escape"}, "no file name"),
    ],
)
def test_faulty_raters(tmp_path, arguments, message):
    to = writer(tmp_path)
    given = {"rater_id": RATERS[0], "fingerprint": "f", "probabilities": probabilities(RATERS[0]), "features": {}}
    given.update(arguments)
    with pytest.raises(PredictionsError, match=message):
        to.write_rater(given.pop("rater_id"), **given)
    assert not (tmp_path / "raters").exists()


def edit_manifest(folder, **changes):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.update(changes)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def damage_rater_missing(folder):
    (folder / "raters" / "01-vgg.npz").unlink()


def damage_rater_cut_short(folder):
    path = folder / "raters" / "01-vgg.npz"
    path.write_bytes(path.read_bytes()[:-1])


def damage_rater_altered(folder):
    path = folder / "raters" / "01-vgg.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damage_raters_swapped(folder):
    """One rater under the name of another, hashes made to fit."""
    data = (folder / "raters" / "00-resnet.npz").read_bytes()
    (folder / "raters" / "01-vgg.npz").write_bytes(data)
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    edit_manifest(folder, files={**listed, "raters/01-vgg.npz": files.sha256(data)})


def damage_examples_cut_short(folder):
    (folder / "examples.npz").write_bytes((folder / "examples.npz").read_bytes()[:100])


def damage_other_version(folder):
    edit_manifest(folder, format_version=3)


def damage_manifest_not_json(folder):
    (folder / "manifest.json").write_text("{")


def damage_no_raters(folder):
    edit_manifest(folder, raters=[])


def damage_too_few_hashes(folder):
    edit_manifest(folder, files={})


def damage_manifest_of_another_dataset(folder):
    edit_manifest(folder, dataset="plants_noisy")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_rater_missing, r"01-vgg\.npz is not there: the artifact is incomplete"),
        (damage_rater_cut_short, r"01-vgg\.npz was altered or cut short"),
        (damage_rater_altered, r"01-vgg\.npz was altered or cut short"),
        (damage_raters_swapped, r"01-vgg\.npz is of rater '00-resnet'"),
        (damage_examples_cut_short, r"examples\.npz was altered or cut short"),
        (damage_other_version, r"manifest\.json is no manifest that .*: format_version is 3, not 1 or 2"),
        (damage_manifest_not_json, r"manifest\.json is no manifest"),
        (damage_no_raters, r"manifest\.json .*raters is a list of 0, not a list of 1 or more"),
        (damage_too_few_hashes, r"manifest\.json does not list the SHA-256 of examples\.npz"),
        (damage_manifest_of_another_dataset, r"manifest\.json contradicts examples\.npz in \['dataset'\]"),
    ],
)
def test_a_damaged_artifact_is_an_error_that_names_the_file(folder, damage, message):
    damage(folder)
    with pytest.raises(PredictionsError, match=message) as caught:
        read_predictions(folder)
    assert str(folder) in str(caught.value)


def test_every_altered_byte_of_a_rater_is_noticed_without_the_manifest_or_harmless(folder):
    """While a pool is unfinished only the archive's own checksums guard a rater's file."""
    path = folder / "raters" / "00-resnet.npz"
    whole = path.read_bytes()
    with np.load(path) as archive:
        wanted = {name: archive[name].tolist() for name in archive.files}
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        if writer(folder).has_rater("00-resnet", "f1"):  # a time stamp, say: what counts is that the arrays are right
            with np.load(path) as archive:
                assert {name: archive[name].tolist() for name in archive.files} == wanted


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", ["examples.npz", "01-vgg.npz", "manifest.json"])
def test_stopped_at_any_file_the_rest_is_done_later(tmp_path, monkeypatch, stop, at):
    real_replace = os.replace

    def replace(source, target):
        if pathlib.Path(target).name == at:
            raise stop
        real_replace(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(type(stop)) as caught:
        write_pool(tmp_path)
    if isinstance(stop, OSError):
        assert at in str(caught.value)
        assert "No space left on device" in str(caught.value)
    assert not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(PredictionsError, match="unfinished"):
        read_predictions(tmp_path)
    monkeypatch.undo()
    write_pool(tmp_path)
    assert len(read_predictions(tmp_path).raters) == 3


def test_unwritable_folder(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot write.*examples\.npz"):
        writer(tmp_path / "file" / "pool")


def test_archives_carry_no_time(folder):
    with zipfile.ZipFile(folder / "examples.npz") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
