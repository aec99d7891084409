"""The folder of a builder for data of one's own: what is written, what is left alone, what is refused."""

import functools
import runpy

import pytest

from noisy_label_datasets.base.bases import ArraysBase, TfdsBase
from noisy_label_datasets.base.image_folder import ImageFolderBase
from noisy_label_datasets.base.npz_file import load_npz
from noisy_label_datasets.base.own_data import Origin, plan_for
from noisy_label_datasets.build.builder_folder import BuilderFolder, Declared, EditedError, NameTakenError

ORIGIN = Origin("folder", "/data/photos", "a" * 64)
POOLS = {"error_0.10": ("ERROR_0_10", 'Ten raters, "good" ones.'), "error_0.125": ("ERROR_0_125", "Ten others.")}
CLASSES = ("cat", 'do"g', "ウシ")
BASES = (
    ImageFolderBase("photos", "1.0.0", CLASSES, (None, None, 3), "/data/photos", "a" * 64, ("cat/1.png",)),
    ArraysBase("photos", "1.0.0", CLASSES, (8, 8, 1), functools.partial(load_npz, "/data/x.npz", "b" * 64)),
    TfdsBase("beans", "0.1.0", CLASSES, (500, 500, 3), id_key=None),
)


def declared(base=BASES[0], pools=POOLS, **kwargs):
    return Declared(base, plan_for(["train", "test"])[0], (32, 32), pools, **kwargs)


@pytest.fixture
def folder(tmp_path):
    made = BuilderFolder(tmp_path / "photos_noisy")
    made.claim(ORIGIN)
    return made


@pytest.mark.parametrize("base", BASES, ids=lambda base: type(base).__name__)
def test_the_builder_declares_what_it_was_made_of(folder, base):
    import tensorflow_datasets as tfds

    folder.write(declared(base, further_rates=(0.05,)))
    with tfds.core.registered.skip_registration():
        module = f"photos_noisy.{folder.builder.stem}"
        builder = runpy.run_path(str(folder.builder), run_name=module)["Builder"]
    assert repr(builder.BASE) == repr(base)  # functions are equal if they are called alike
    assert declared().split_plan == builder.SPLIT_PLAN
    assert builder.RATER_IMAGE_SIZE == (32, 32)
    assert builder.POOLS == {
        "error_0.10": "photos_noisy.pools:ERROR_0_10",
        "error_0.125": "photos_noisy.pools:ERROR_0_125",
    }
    names = list(builder.BUILDER_CONFIGS)
    assert [config.name for config in names if "error" in config.name and config.name in POOLS] == list(POOLS)
    assert {config.name for config in names} >= {
        "error_0.10_independent",
        "error_0.10_rate_0.05",
        "error_0.10_rate_0.125",
    }
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "CITATIONS.bib",
        "README.md",
        "TAGS.txt",
        "__init__.py",
        "made_from.json",
        "photos_noisy_dataset_builder.py",
    ]


def test_it_is_laid_out_as_ruff_does(folder):
    import subprocess
    import sys

    folder.write(declared())
    command = (sys.executable, "-m", "ruff", "format", "--diff", "--line-length", "120", str(folder.builder))
    formatted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert formatted.returncode == 0, formatted.stdout


def test_other_data_do_not_take_its_name(folder, tmp_path):
    folder.check(ORIGIN)
    with pytest.raises(NameTakenError, match=r"photos_noisy was made of /data/photos; name the new dataset otherwise"):
        folder.check(Origin("npz", "/data/x.npz", "b" * 64))
    with pytest.raises(NameTakenError, match=r"/data/photos has changed since .*photos_noisy was made of it"):
        folder.check(Origin("folder", "/data/photos", "b" * 64))
    other = BuilderFolder(tmp_path / "mine_noisy")
    other.path.mkdir()
    other.check(ORIGIN)  # what a killed process may have left
    (other.path / "notes.txt").write_text("mine")
    with pytest.raises(NameTakenError, match="mine_noisy is there already and was not written by `make --from`"):
        other.claim(ORIGIN)
    (folder.path / "made_from.json").write_text("{}")
    with pytest.raises(NameTakenError, match=r"made_from.json cannot be read: "):
        folder.check(ORIGIN)


def test_data_of_another_place_do_not_take_its_name_where_pilots_are_kept(tmp_path):
    pilots = tmp_path / "data" / "rater_pilots" / "photos_noisy"
    BuilderFolder(tmp_path / "here" / "photos_noisy", pilots).claim(ORIGIN)
    there = BuilderFolder(tmp_path / "there" / "photos_noisy", pilots)
    moved = Origin(ORIGIN.kind, "/moved/photos", ORIGIN.contents)
    there.check(moved)  # the same data have the same pilots, wherever they lie
    for other in (Origin("folder", "/other/photos", "b" * 64), Origin("npz", "/data/photos.npz", ORIGIN.contents)):
        with pytest.raises(
            NameTakenError, match=r"rater_pilots/photos_noisy is of a .* made of /data/photos; name the"
        ):
            there.claim(other)
    assert not there.path.exists()
    there.claim(moved)
    assert there.path.exists()


def test_what_was_edited_is_left_alone(folder):
    folder.write(declared(pools={"error_0.10": POOLS["error_0.10"]}))
    edited = folder.builder.read_text().replace('"1.0.0"', '"1.1.0"') + "# mine\n"
    folder.builder.write_text(edited)
    (folder.path / "README.md").write_text("mine")
    folder.write(declared(pools={"error_0.10": POOLS["error_0.10"]}))
    assert folder.builder.read_text() == edited
    with pytest.raises(EditedError, match=r"has been edited and has no error_0.125: add it to POOLS"):
        folder.write(declared())
    folder.builder.write_text(edited.replace('"error_0.10":', '"error_0.125": 1, "error_0.10":'))
    folder.write(declared())
    assert (folder.path / "README.md").read_text() == "mine"


def test_what_was_not_edited_is_written_anew(folder):
    folder.write(declared(pools={"error_0.10": POOLS["error_0.10"]}))
    folder.write(declared())
    assert '"error_0.125"' in folder.builder.read_text()
    before = {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()}
    folder.write(declared())
    assert {path.name: path.stat().st_mtime_ns for path in folder.path.iterdir()} == before
