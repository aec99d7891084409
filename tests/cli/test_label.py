"""`noisy-labels label`: a dataset whose raters are shipped and whose labels are not, and images of one's own."""

import contextlib
import io
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from noisy_label_datasets import cli
from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.bases import decode_image, encode_png
from noisy_label_datasets.base.own_images import ImagesError, write_images
from noisy_label_datasets.cli import training_process
from noisy_label_datasets.cli.targets import find_builder, import_datasets
from noisy_label_datasets.cli.training_process import TrainingError
from noisy_label_datasets.labels.checksums import write_checksums
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.labels.sources import MissingLabelsError
from noisy_label_datasets.registration import builder_class
from rater_training.__main__ import main
from rater_training.config import Augmentation, PoolConfig, RaterConfig
from rater_training.training.labelling import label_images, open_weights
from rater_training.training.pool import train_pool
from rater_training.training.progress import Silent
from rater_training.training.shipping import ship
from rater_training.training.weights import PoolWeights

ROOT = pathlib.Path(__file__).parents[2]
MODULE = "shades_noisy.shades_noisy_dataset_builder"
TARGET = "shades_noisy/low"
BUILDER = '''
import numpy as np
import tensorflow_datasets as tfds

from noisy_label_datasets.base.arrays import LabelledImages
from noisy_label_datasets.base.bases import ArraysBase
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs


def load():
    rng = np.random.default_rng(0)
    labels = np.arange(240, dtype=np.int32) % 3
    images = (rng.integers(0, 160, (240, 8, 8, 1)) + 30 * labels[:, None, None, None]).astype(np.uint8)
    return {"all": LabelledImages(np.array([f"shade_{i:03d}" for i in range(240)]), images, labels)}


class Builder(NoisyLabelBuilder):
    """Three shades with noisy labels."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BASE = ArraysBase(name="shades", version="1.0.0", class_names=("a", "b", "c"), image_shape=(8, 8, 1), load=load)
    SPLIT_PLAN = SplitPlan(
        {"all": dict.fromkeys(
            ("clean_label_train", "clean_label_valid", "noisy_label_train", "noisy_label_valid", "test"), 0.2
        )}
    )
    BUILDER_CONFIGS = standard_configs(
        {"low": "Made up.", "medium": "Not trained."},
        studies={"section_1": "Trained as low."},
        same_raters={"section_1": "low"},
    )
'''
POOL = PoolConfig(
    name="shades/low",
    dataset="shades_noisy",
    level="low",
    raters=tuple(
        RaterConfig(
            id=f"{i:02}-softmax",
            architecture="softmax_regression",
            steps=30,
            batch_size=16,
            learning_rate=0.05,
            seed=i,
            augmentation=Augmentation(crop_padding=0, flip=False),
        )
        for i in range(2)
    ),
    image_shape=(4, 4, 1),
    num_classes=3,
    source="a test",
)


RUN = "import sys; from noisy_label_datasets.cli import main; sys.exit(main())"
COMMAND = (sys.executable, "-m", "noisy_label_datasets", "--imports", MODULE)


def environment(package) -> dict[str, str]:
    """Of a process that finds this package and the dataset."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{package.parent}"}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The folder of the dataset, its two raters shipped; they see the 8x8 images at 4x4."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "shades_noisy").mkdir()
    (folder / f"{MODULE.replace('.', '/')}.py").write_text(BUILDER)
    sys.path.insert(0, str(folder))
    import_datasets(MODULE)
    data_dir = tmp_path_factory.mktemp("trained")
    dataset = builder_class("shades_noisy")(config="low", data_dir=data_dir).clean_dataset(image_size=(4, 4))
    train_pool(dataset, POOL, data_dir / "out", Silent(), save_weights=True)
    weights = folder / "shades_noisy" / "rater_weights" / "low"
    assert ship(PoolWeights(data_dir / "out" / "weights"), dataset, POOL, weights) == []
    write_checksums(folder / "shades_noisy")
    yield folder / "shades_noisy"
    sys.path.remove(str(folder))


def run_in_this_process(command, what, kept):
    """In place of `training_process._run`, which starts a process that first has to import JAX."""
    if main(command[3:]):
        raise TrainingError(f"{what} failed; {kept}")


@pytest.fixture
def data_dir(package, tmp_path, monkeypatch):
    monkeypatch.setattr(training_process, "_run", run_in_this_process)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


@pytest.fixture(scope="module")
def labelled_once(package, tmp_path_factory):
    """A user's folder after `noisy-labels label`, and what that said."""
    folder = tmp_path_factory.mktemp("labelled")
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(training_process, "_run", run_in_this_process)
        assert cli.main(["label", "shades_noisy/section_1", "--data-dir", str(folder / "data")]) == 0
    return folder / "data", said.getvalue()


@pytest.fixture
def labelled(labelled_once, data_dir):
    """A user's folder with the predictions of the shipped raters."""
    return shutil.copytree(labelled_once[0], data_dir)


@pytest.fixture
def spoilt(package, tmp_path):
    """The raters of the package, put back after the test."""
    shutil.copytree(package / "rater_weights", tmp_path / "kept")
    yield package / "rater_weights" / "low"
    shutil.rmtree(package / "rater_weights")
    shutil.copytree(tmp_path / "kept", package / "rater_weights")


def run(capfd, *arguments, exit_code=0) -> str:
    assert cli.main([str(argument) for argument in arguments]) == exit_code
    captured = capfd.readouterr()
    assert "Traceback" not in captured.err
    return captured.out if exit_code == 0 else captured.err


def test_loading_names_the_command_that_labels(data_dir):
    with pytest.raises(MissingLabelsError, match=rf"its raters are shipped: .* with `noisy-labels label {TARGET}`$"):
        tfds.load(TARGET, data_dir=data_dir)
    with pytest.raises(MissingLabelsError, match=rf"`noisy-labels label {TARGET}`$"):
        tfds.load("shades_noisy/section_1", data_dir=data_dir)
    with pytest.raises(MissingLabelsError, match=r"train them with `noisy-labels train shades_noisy/medium`$"):
        tfds.load("shades_noisy/medium", data_dir=data_dir)


def test_a_dataset_is_labelled_built_and_loaded(package, labelled, labelled_once, capfd):
    said = labelled_once[1]
    assert "2 raters label 1" in said
    assert "[2/2] 01-softmax  stored" in said
    assert "Next: noisy-labels build shades_noisy/section_1" in said
    predictions = read_predictions(labelled / "rater_predictions" / TARGET)
    clean = CleanDataset.load(labelled / "clean_arrays" / "shades_noisy" / "1.0.0-4x4")
    raters = open_weights(package / "rater_weights" / "low")
    for split, ids in predictions.ids.items():
        of_split = clean.splits[split]
        assert ids.tolist() == of_split.ids.tolist()
        np.testing.assert_array_equal(predictions.noisy_labels[split], label_images(raters, of_split.images).labels)
    examples = tfds.as_numpy(tfds.load("shades_noisy/section_1", data_dir=labelled, split="test"))
    found = {example["id"].decode(): example["noisy_labels"].tolist() for example in examples}
    assert found == dict(zip(predictions.ids["test"], predictions.noisy_labels["test"].tolist(), strict=True))
    assert "labelled, 2 raters" in run(capfd, "verify", TARGET, "--data-dir", labelled)
    again = run(capfd, "label", TARGET, "--data-dir", labelled)
    assert "Labels are there already" in again


def test_labels_that_are_not_there_yet_are_no_fault(data_dir, capfd):
    said = run(capfd, "verify", TARGET, "--data-dir", data_dir)
    assert f"{TARGET}, labels: raters shipped, not asked yet" in said


def test_make_asks_the_shipped_raters_before_it_trains_any(data_dir, capfd, monkeypatch):
    made = run(capfd, "make", TARGET, "--data-dir", data_dir)
    assert "2 raters label" in made
    assert "noise card" in made
    commands = []
    monkeypatch.setattr(training_process, "_run", lambda command, what, kept: commands.append(command))
    monkeypatch.setattr("noisy_label_datasets.cli.train.list_pools", list)
    assert cli.main(["make", TARGET, "--data-dir", str(data_dir), "--pool", "some:POOL"]) == 0
    assert commands[0][3] == "train"


@pytest.mark.slow
def test_in_a_process_of_its_own(package, labelled_once, tmp_path):
    command = [*COMMAND, "label", TARGET, "--data-dir", tmp_path]
    process = subprocess.run(command, env=environment(package), capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    found, wanted = (read_predictions(f / "rater_predictions" / TARGET) for f in (tmp_path, labelled_once[0]))
    assert found.sha256 == wanted.sha256


@pytest.mark.slow
def test_with_beam_the_labels_are_the_same(labelled, capfd):
    run(capfd, "label", TARGET, "--data-dir", labelled, "--out", "by_beam", "--beam", "--", "--runner=FnApiRunner")
    plain = read_predictions(labelled / "rater_predictions" / TARGET)
    assert read_predictions("by_beam").sha256 == plain.sha256


def test_a_killed_labelling_resumes_with_the_next_rater(labelled, capfd):
    folder = labelled / "rater_predictions" / TARGET
    whole = read_predictions(folder).sha256
    (folder / "manifest.json").unlink()
    (folder / "raters" / "01-softmax.npz").unlink()
    said = run(capfd, "label", TARGET, "--data-dir", labelled)
    assert "already; remove it to have them read anew" in said  # the arrays
    assert "[1/2] 00-softmax  stored already" in said
    assert "[2/2] 01-softmax  stored\n" in said
    assert read_predictions(folder).sha256 == whole


# What cannot be.


@pytest.mark.slow
def test_files_that_cannot_grow_keep_the_raters_that_were_stored(package, labelled):
    """As on a full disk: the second rater's file finds no room."""
    folder = labelled / "rater_predictions" / TARGET
    (folder / "manifest.json").unlink()
    (folder / "raters" / "01-softmax.npz").unlink()
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); {RUN}"
    process = subprocess.run(
        [sys.executable, "-c", limited, "--imports", MODULE, "label", TARGET, "--data-dir", labelled],
        env=environment(package),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert "01-softmax.npz" in process.stderr
    assert "what was finished is kept in" in process.stderr
    assert "Traceback" not in process.stderr
    assert [path.name for path in (folder / "raters").iterdir()] == ["00-softmax.npz"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "pool.json").write_text((f / "pool.json").read_text() + " "), "pool.json was altered"),
        (
            lambda f: (f / "raters" / "00-softmax.npz").write_bytes(
                (f / "raters" / "00-softmax.npz").read_bytes()[:200]
            ),
            "00-softmax.npz was altered or cut short",
        ),
    ],
)
def test_raters_that_were_altered(data_dir, spoilt, capfd, spoil, said):
    spoil(spoilt)
    assert said in run(capfd, "label", TARGET, "--data-dir", data_dir, exit_code=2)
    assert not (data_dir / "rater_predictions").exists()


def test_raters_that_are_not_shipped(data_dir, capfd):
    said = run(capfd, "label", "shades_noisy/medium", "--data-dir", data_dir, exit_code=2)
    assert "the raters of shades_noisy/medium do not come with the package; those of " in said
    assert "shades_noisy/low" in said


def test_a_base_of_another_version(data_dir, capfd, monkeypatch):
    builder = find_builder(TARGET, data_dir=str(data_dir))
    clean = builder.clean_dataset(image_size=(4, 4))
    other = CleanDataset(**{**{f: getattr(clean, f) for f in clean.__dataclass_fields__}, "base_version": "2.0.0"})
    other.save(data_dir / "arrays")
    weights = pathlib.Path(str(builder.code_path)).parent / "rater_weights" / "low"
    with pytest.raises(TrainingError):
        training_process.label_with_pool(weights=weights, out="out", options=["--arrays", str(data_dir / "arrays")])
    assert "these raters label the base dataset" in capfd.readouterr().err


# Images of one's own.


@pytest.fixture
def images():
    return np.random.default_rng(1).integers(0, 256, (5, 8, 8, 1), np.uint8)


def test_images_in_a_file_and_in_a_folder(package, data_dir, images, capfd):
    np.save("mine.npy", images)
    for i, image in enumerate(images):
        pathlib.Path(f"mine/{i}").mkdir(parents=True)
        pathlib.Path(f"mine/{i}/image.PNG").write_bytes(encode_png(image))
    pathlib.Path("mine/notes.txt").write_text("no image")
    run(capfd, "label", TARGET, "--images", "mine.npy")
    run(capfd, "label", TARGET, "--images", "mine", "--out", "folder.npz")
    # As the dataset's own images are shrunk.
    small = np.stack([decode_image(encode_png(image), 1, (4, 4)) for image in images])
    wanted = label_images(open_weights(package / "rater_weights" / "low"), small)
    with np.load("labels.npz") as by_file, np.load("folder.npz") as by_folder:
        np.testing.assert_array_equal(by_file["codes"], wanted.codes)
        np.testing.assert_array_equal(by_folder["codes"], wanted.codes)
        assert by_file["ids"].tolist() == [str(i) for i in range(5)]
        assert by_folder["ids"].tolist() == [f"{i}/image.PNG" for i in range(5)]


def test_images_that_have_the_raters_size_are_taken_as_they_are(tmp_path, images):
    np.save(tmp_path / "mine.npy", images[:, :4, :4])
    write_images(tmp_path / "mine.npy", tmp_path / "out.npy", base_shape=(8, 8, 1), size=(4, 4))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), images[:, :4, :4])


def test_where_the_bases_images_differ_in_size_so_may_these(tmp_path):
    (tmp_path / "mine").mkdir()
    for i, side in enumerate((5, 30)):
        Image.new("RGB", (side, 2 * side), (10 * side, 0, 0)).save(tmp_path / "mine" / f"{i}.jpg")
    ids = write_images(tmp_path / "mine", tmp_path / "out.npy", base_shape=(None, None, 3), size=(4, 6))
    assert ids == ["0.jpg", "1.jpg"]
    assert np.load(tmp_path / "out.npy").shape == (2, 4, 6, 3)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (
            lambda f: np.save(f, np.zeros((2, 5, 5, 1), np.uint8)),
            "is 5x5; the dataset's images are 8x8",
        ),
        (lambda f: np.save(f, np.zeros((2, 8, 8, 3), np.uint8)), "have 3 channels; the raters see 1"),
        (lambda f: np.save(f, np.zeros((2, 8, 8, 1))), r"float64; images are \[n, height, width, 1\] uint8"),
        (lambda f: np.save(f, np.zeros((0, 8, 8, 1), np.uint8)), "there are no images in"),
        (lambda f: f.write_bytes(b"\x93NUMPY"), "is neither a folder nor an .npy file of images"),
        (lambda f: f.mkdir(), "there are no images in .*: looked for"),
        (lambda f: (f.mkdir(), (f / "a.png").write_bytes(b"PNG")), "a.png cannot be read as an image"),
        (lambda f: None, "mine.npy is not there"),
    ],
)
def test_images_that_cannot_be_labelled(tmp_path, write, said):
    write(tmp_path / "mine.npy")
    with pytest.raises(ImagesError, match=said):
        write_images(tmp_path / "mine.npy", tmp_path / "out.npy", base_shape=(8, 8, 1), size=(4, 4))


def test_options_that_do_not_go_together(data_dir, capfd):
    said = run(capfd, "label", TARGET, "--beam", "--images", "mine.npy", exit_code=2)
    assert "--beam does not go with --images" in said
