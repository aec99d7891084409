"""What the wheel and the sdist hold, and that datasets load from the wheel alone."""

import email
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
BUILDER_FILES = ("README.md", "CITATIONS.bib", "TAGS.txt", "checksums.tsv")
MAX_WHEEL_BYTES = 45e6


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> pathlib.Path:
    """A copy of the repository, so that building neither litters it nor finds what an earlier build left in it."""
    copy = tmp_path_factory.mktemp("source") / "repository"
    unwanted = shutil.ignore_patterns(".git", "dist", "*.egg-info", "__pycache__", ".*_cache", ".venv", "venv")

    def ignored(folder: str, names: list[str]) -> set[str]:
        left_by_setuptools = {"build"} if pathlib.Path(folder) == REPOSITORY else set()
        return unwanted(folder, names) | left_by_setuptools

    shutil.copytree(REPOSITORY, copy, symlinks=True, ignore=ignored)
    return copy


def build(kind: str, source: pathlib.Path, folder: pathlib.Path, *options: str) -> pathlib.Path:
    command = [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", *options, "--outdir", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory) -> pathlib.Path:
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory) -> pathlib.Path:
    return build("sdist", source, tmp_path_factory.mktemp("sdist"))


def names(wheel: pathlib.Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def builders() -> list[str]:
    return sorted(path.parent.name for path in (REPOSITORY / "builders").glob("*/*_dataset_builder.py"))


def test_there_are_builders():
    assert "digits_noisy" in builders()


def test_wheel_has_no_generic_top_level_package(wheel):
    top_level = {name.split("/")[0] for name in names(wheel)}
    packages = {"noisy_label_datasets", "rater_training", "noisy_label_learning"}
    assert {name for name in top_level if not name.endswith(".dist-info")} == packages


def test_wheel_holds_every_module(wheel):
    for package in ("noisy_label_datasets", "rater_training", "noisy_label_learning"):
        modules = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / package).rglob("*.py")}
        assert modules <= names(wheel)
    assert "noisy_label_datasets/py.typed" in names(wheel)


def test_wheel_holds_what_belongs_to_each_builder(wheel):
    archive = zipfile.ZipFile(wheel)
    for name in builders():
        folder = REPOSITORY / "builders" / name
        data = [path for path in folder.rglob("*") if "rater_predictions" in path.parts and path.is_file()]
        for path in [folder / file for file in BUILDER_FILES] + data + sorted(folder.glob("*.npz")):
            member = f"noisy_label_datasets/builders/{path.relative_to(REPOSITORY / 'builders').as_posix()}"
            assert archive.read(member) == path.read_bytes()


def test_wheel_stays_small(wheel):
    assert wheel.stat().st_size < MAX_WHEEL_BYTES
    of_raters = [name for name in names(wheel) if "/rater_weights/" in name]
    assert of_raters
    assert not [name for name in of_raters if "/recorded/" in name]


def test_plain_install_asks_for_no_training_software(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    requirements = email.message_from_bytes(archive.read(metadata)).get_all("Requires-Dist")
    plain = [requirement for requirement in requirements if "extra ==" not in requirement]
    assert any(requirement.startswith("tensorflow-datasets") for requirement in plain)
    assert not any(requirement.startswith(("jax", "flax", "optax", "orbax", "scikit-learn")) for requirement in plain)


def test_sdist_holds_files_not_links_and_gives_the_same_wheel(sdist, wheel, tmp_path):
    with tarfile.open(sdist) as archive:
        assert not [member.name for member in archive if member.issym() or member.islnk()]
        # Python 3.11 has had filters since 3.11.4 only.
        filtered = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path / "unpacked", **filtered)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    uncompressed = "--config-setting=--build-option=--compression=stored"  # which takes less time
    assert names(build("wheel", unpacked, tmp_path / "wheel", uncompressed)) == names(wheel)


LOAD = """
import pathlib, sys
sys.modules.update(dict.fromkeys(["jax", "flax", "optax", "orbax", "sklearn", "rater_training"]))  # as if not installed
import noisy_label_datasets
assert pathlib.Path(noisy_label_datasets.__file__).is_relative_to(sys.argv[1]), noisy_label_datasets.__file__
import tensorflow_datasets as tfds
dataset, info = tfds.load("digits_noisy/medium", split="noisy_label_train", as_supervised=True, data_dir=sys.argv[2],
                          with_info=True)
examples = list(tfds.as_numpy(dataset))
assert len(examples) == info.splits["noisy_label_train"].num_examples > 0
assert {image.shape for image, _ in examples} == {(8, 8, 1)}
assert {int(label) for _, label in examples} == set(range(10))
"""


def test_digits_load_from_the_wheel_alone(wheel, tmp_path):
    """Unpacked elsewhere and found before the checkout: labels and images come out of the wheel itself."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    subprocess.run(
        [sys.executable, "-c", LOAD, tmp_path / "site", tmp_path / "data"],
        check=True,
        cwd=tmp_path,
        env={
            "PYTHONPATH": str(tmp_path / "site"),
            "HOME": str(tmp_path),
            "PATH": "/nowhere",
            **{name: os.environ[name] for name in ("TF_CPP_MIN_LOG_LEVEL", "TF_USE_LEGACY_KERAS")},
        },
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist", "editable"])
def test_plain_install_in_a_fresh_environment(kind, wheel, sdist, source, tmp_path):
    """With everything that it asks for from the package index, and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python, command = tmp_path / "venv" / "bin" / "python", tmp_path / "venv" / "bin" / "noisy-labels"
    what = {"wheel": [wheel], "sdist": [sdist], "editable": ["--editable", source]}[kind]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *what], check=True)

    found = "import importlib.util as u; print([n for n in ('jax', 'flax', 'optax', 'pytest') if u.find_spec(n)])"
    output = subprocess.run([python, "-c", found], check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert output == "[]\n"

    where = source if kind == "editable" else tmp_path / "venv"
    subprocess.run([python, "-c", LOAD, where, tmp_path / "data"], check=True, cwd=tmp_path)
    verify = [command, "verify", "digits_noisy/medium", "--data-dir", tmp_path / "data"]
    output = subprocess.run(verify, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert [line.split()[0] for line in output.splitlines()] == ["ok", "ok"]

    tfds_build = [tmp_path / "venv" / "bin" / "tfds", "build", "--data_dir", tmp_path / "data"]
    by_name = [*tfds_build, "digits_noisy/low", "--imports", "noisy_label_datasets"]
    subprocess.run(by_name, check=True, capture_output=True, cwd=tmp_path)
    site_packages = next((tmp_path / "venv").glob("lib/*/site-packages"))
    builders_folder = source if kind == "editable" else site_packages / "noisy_label_datasets"
    in_its_folder = [*tfds_build, "--config", "high"]
    subprocess.run(in_its_folder, check=True, capture_output=True, cwd=builders_folder / "builders" / "digits_noisy")
    assert {path.name for path in (tmp_path / "data" / "digits_noisy").glob("[a-z]*")} == {"low", "medium", "high"}
