"""`noisy-labels make --from`: the page that explains it, followed; resuming; and what is wrong with what is asked."""

import json
import pathlib
import re
import runpy
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from sklearn.datasets import load_digits

from noisy_label_datasets import cli, load_labels
from noisy_label_datasets.cli import making
from noisy_label_datasets.labels.predictions import read_predictions
from rater_training.__main__ import main as training_main
from rater_training.pools.source import pools_of

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your-own-data.md").read_text()
SCRIPT = re.search(r"`write_digits.py`\n\n```python\n(.*?)```", PAGE, re.DOTALL)[1]
COMMANDS = [line for line in PAGE.splitlines() if line.startswith("noisy-labels make") and "photos" not in line]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with what the page's script writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "write_digits.py").write_text(SCRIPT)
    return tmp_path


@pytest.fixture
def digits(folder):
    runpy.run_path("write_digits.py")
    return folder


@pytest.fixture
def in_process(monkeypatch):
    """Trains in this process, which is quicker than to start one."""

    def fit_pools(*, options, **files):
        command = [part for name, path in files.items() for part in (f"--{name}", str(path))]
        assert training_main(["fit", *command, *options]) == 0

    monkeypatch.setattr(making, "fit_pools", fit_pools)


def make(*command):
    return cli.main(["make", *command, "--data-dir", "data"])


def test_the_page_names_its_commands():
    assert len(COMMANDS) == 2
    assert all(shlex.split(command)[:2] == ["noisy-labels", "make"] for command in COMMANDS)


def test_a_file_becomes_datasets_of_the_rates_that_can_be_had(digits, in_process, monkeypatch, capfd):
    tiny = ("--raters", "2", "--max-steps", "60", "--file-format", "array_record")  # which needs no TensorFlow
    assert make("quick_noisy", "--from", "digits.npz", *tiny, "--rates", "0.3", "0.001") == 2
    out, err = capfd.readouterr()
    assert "no error_0.001: the raters' nearest error rate is 0." in err
    assert ", or --max-steps 240, or the dial: quick_noisy/error_0.30_rate_0.001" in err
    (instead,) = re.findall(r"try --rates (\S+), which they come to", err)
    labels = read_predictions("data/rater_predictions/quick_noisy/error_0.30")
    (pool,) = pools_of(pathlib.Path("quick_noisy/pools.py"))
    errors = [1 - rater["accuracy"] for rater in labels.raters]
    assert np.mean(errors) == pytest.approx(0.3, abs=0.03)
    assert [rater["steps"] for rater in labels.raters] == [rater.steps for rater in pool.raters]
    assert "quick_noisy/error_0.30       2" in out
    files = {path: path.read_bytes() for path in pathlib.Path("quick_noisy").glob("*.*")}
    assert "quick_noisy.pools:ERROR_0_30" in files[pathlib.Path("quick_noisy/quick_noisy_dataset_builder.py")].decode()
    assert json.loads(files[pathlib.Path("quick_noisy/made_from.json")])["source"] == str(digits / "digits.npz")
    check_it_is_found(digits, labels)
    # What is said can be had; by a second command, to which the first one's dataset is new.
    monkeypatch.delitem(tfds.core.registered._DATASET_REGISTRY, "quick_noisy")
    assert make("quick_noisy", "--from", "digits.npz", *tiny, "--rates", instead) == 0


def check_it_is_found(folder, predictions):
    """Every command knows the dataset where its folder lies, and says elsewhere how it can be named."""
    data = ("--data-dir", str(folder / "data"))
    found = load_labels("quick_noisy/error_0.30", data_dir="data").select("test")
    np.testing.assert_array_equal(found.noisy_labels, predictions.noisy_labels["test"])
    dial = load_labels("quick_noisy/error_0.30_rate_0.45", data_dir="data").select("noisy_label_train")
    assert (dial.noisy_labels != dial.labels[:, None]).mean() == pytest.approx(0.45, abs=0.002)
    written = run(folder, "labels", "quick_noisy/error_0.30", "--out", "labels.csv", *data)
    assert written.returncode == 0, written.stderr
    elsewhere = run(folder / "data", "card", "quick_noisy/error_0.30", *data)
    assert elsewhere.returncode == 2
    assert "`noisy-labels --imports quick_noisy.quick_noisy_dataset_builder ...`" in elsewhere.stderr


class ScannedDigits(tfds.core.GeneratorBasedBuilder):
    """A dataset of TFDS that this package does not know, with splits and file names of its own."""

    VERSION = tfds.core.Version("1.2.0")
    pkg_dir_path = None

    def _info(self):
        features = {
            "scan": tfds.features.Image(shape=(8, 8, 1)),
            "image/filename": tfds.features.Text(),
            "digit": tfds.features.ClassLabel(names=[f"digit {k}" for k in range(10)]),
            "writer": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), supervised_keys=("scan", "digit")
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 1500), "test": self._generate_examples(1500, 1797)}

    def _generate_examples(self, begin, end):
        digits = load_digits()
        images = np.rint(digits.images * 255 / 16).astype(np.uint8)[..., None]
        for i in range(begin, end):
            name = f"{i:04}.png"
            yield name, {"scan": images[i], "image/filename": name, "digit": digits.target[i], "writer": "?"}


def test_a_dataset_of_tfds_becomes_one_with_noisy_labels(folder, in_process, capfd):
    ScannedDigits(data_dir="data", file_format="array_record").download_and_prepare()
    options = ("--raters", "2", "--max-steps", "60", "--rates", "0.3", "--file-format", "array_record")
    assert make("--from", "scanned_digits", *options) == 0
    assert "10 classes, grey images of 8x8 pixels, which raters see at 8x8" in capfd.readouterr().out
    builder = pathlib.Path("scanned_digits_noisy/scanned_digits_noisy_dataset_builder.py").read_text()
    assert "TfdsBase(" in builder
    source = tfds.data_source("scanned_digits_noisy/error_0.30", data_dir="data")
    # The plan is the paper's: halves of the training split, and the test split as it is.
    sizes = {split: len(examples) for split, examples in source.items()}
    assert sizes["test"] == 297
    assert sum(sizes.values()) == 1797
    assert sizes["noisy_label_train"] == pytest.approx(600, abs=75)
    digits = load_digits()
    examples = [example for split in ("noisy_label_train", "test") for example in source[split]]
    for example in examples:
        row = int(example["id"].decode().removesuffix(".png"))
        assert example["label"] == digits.target[row]
        np.testing.assert_array_equal(example["image"][..., 0], np.rint(digits.images[row] * 255 / 16))
    wrong = [example["noisy_labels"] != example["label"] for example in source["noisy_label_train"]]
    assert np.mean(wrong) == pytest.approx(0.3, abs=0.1)
    assert cli.main(["verify", "scanned_digits_noisy/error_0.30", "--data-dir", "data"]) == 0


def run(folder, *command):
    return subprocess.run(
        (sys.executable, "-m", "noisy_label_datasets", *command),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_page_followed(digits):
    for command in COMMANDS:
        made = run(digits, *shlex.split(command)[1:], "--data-dir", "data")
        assert made.returncode == 0, made.stderr + made.stdout
    use = """
import my_digits_noisy.my_digits_noisy_dataset_builder, pictures_noisy.pictures_noisy_dataset_builder
import tensorflow_datasets as tfds
for name, rate, raters in (
    ("my_digits_noisy/error_0.10", 0.1, 10),
    ("my_digits_noisy/error_0.30", 0.3, 10),
    ("pictures_noisy/error_0.20", 0.2, 5),
):
    info = tfds.builder(name, data_dir="data").info
    noise = info.metadata["noise"]
    assert noise["num_raters"] == raters, noise["num_raters"]
    # Chosen on clean_label_valid to a tenth of the rate; raters err on the same images, so that a pool of any size is
    # known no better than one rater: by so many images, of which the two splits are samples.
    sizes = [info.splits[split].num_examples for split in ("clean_label_valid", "noisy_label_train")]
    known = 1.96 * (rate * (1 - rate) * sum(1 / size for size in sizes)) ** 0.5
    assert abs(noise["rater_error_rate"] - rate) < 0.1 * rate + known, (noise["rater_error_rate"], rate, known)
    errors = noise["error_rate_by_rater"]
    assert max(errors) > 1.3 * min(errors)
assert info.features["label"].names[3] == "digit 3"
assert next(iter(tfds.load(name, data_dir="data", split="test")))["id"].numpy().decode().endswith(".png")
"""
    used = subprocess.run((sys.executable, "-c", use), cwd=digits, capture_output=True, text=True, check=False)
    assert used.returncode == 0, used.stderr
    files = {path: path.read_bytes() for path in (digits / "my_digits_noisy").glob("*.*")}
    labels = digits / "data" / "rater_predictions" / "my_digits_noisy" / "error_0.30"
    before = read_predictions(labels)
    again = run(digits, *shlex.split(COMMANDS[0])[1:], "--data-dir", "data")
    assert again.returncode == 0, again.stderr
    assert "[pilot" not in again.stdout
    assert again.stdout.count("stored already") == 20
    assert {path: path.read_bytes() for path in (digits / "my_digits_noisy").glob("*.*")} == files
    assert read_predictions(labels).sha256 == before.sha256
    module = "my_digits_noisy.my_digits_noisy_dataset_builder"
    trained = run(
        digits, "--imports", module, "train", "my_digits_noisy/error_0.30", "--out", "again", "--data-dir", "data"
    )
    assert trained.returncode == 0, trained.stderr
    after = read_predictions(digits / "again")
    for split, noisy in before.noisy_labels.items():
        np.testing.assert_array_equal(after.noisy_labels[split], noisy)


@pytest.mark.slow
def test_killed_at_any_moment_it_resumes_to_the_same_labels(digits):
    command = ("make", "killed_noisy", "--from", "digits.npz", "--raters", "2", "--max-steps", "80", "--rates", "0.3")
    command += ("--file-format", "array_record")
    whole = run(digits, *command, "--data-dir", "whole")
    assert whole.returncode == 0, whole.stderr
    (digits / "killed_noisy").rename(digits / "whole_noisy")
    for after in ("1/4 data", "[pilot 1/2]", "Pool killed", "3/4 datasets"):
        process = subprocess.Popen(
            (sys.executable, "-u", "-m", "noisy_label_datasets", *command, "--data-dir", "data"),
            cwd=digits,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout:
            if after in line:
                break
        process.kill()
        process.communicate()
    resumed = run(digits, *command, "--data-dir", "data")
    assert resumed.returncode == 0, resumed.stderr
    assert "[pilot" not in resumed.stdout
    assert resumed.stdout.count("stored already") == 2
    for name in ("pools.py", "README.md"):
        assert (digits / "killed_noisy" / name).read_bytes() == (digits / "whole_noisy" / name).read_bytes()
    ours, theirs = (
        read_predictions(digits / folder / "rater_predictions" / "killed_noisy" / "error_0.30")
        for folder in ("data", "whole")
    )
    np.testing.assert_array_equal(ours.noisy_labels["noisy_label_train"], theirs.noisy_labels["noisy_label_train"])


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((12, 12, 3), value, np.uint8)).save(path)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((), "make takes DATASET/CONFIG, such as digits_noisy/medium, or --from for data of your own"),
        (("digits_noisy/medium", "--rates", "0.3"), "--rates go with --from, which makes raters for data of your own"),
        (("--from", "x.npz", "--pool", "digits/low"), "--pool does not go with --from, which finds the raters itself"),
        (("--from", "./nowhere"), "there is no folder"),
        (("--from", "nowhere.npz"), "nowhere.npz cannot be read: No such file or directory"),
        (("--from", "mnits"), "has no dataset 'mnits'; did you mean 'mnist'?"),
        (("--from", "one"), "has no dataset 'one'; the folder or file here is ./one"),
        (("--from", "./one"), "has images of one class, cat; a dataset has two or more, in a folder each"),
        (("digits_noisy", "--from", "./two"), "digits_noisy is a dataset of this package: name yours otherwise"),
        (("two", "--from", "./two"), "'two' is no name for a dataset: small letters, digits and _"),
        (("2_noisy", "--from", "./two"), "'2_noisy' is no name for a dataset"),
        (("taken_noisy", "--from", "./two"), "taken_noisy is there already and was not written by `make --from`"),
        (("--from", "./two", "--rates", "0.2", "0.5"), "the rate 0.5 is not below chance: with 2 classes, who guesses"),
        (("--from", "./two", "--rates", "0.2"), "clean_label_valid has "),
        (("--from", "./two/", "--corrupt", "refuse"), "cannot be read as images: dog/cut.png"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder, capsys, command, said):
    picture(folder / "one" / "cat" / "1.png")
    (folder / "taken_noisy").mkdir()
    (folder / "taken_noisy" / "notes.txt").write_text("mine")
    for i in range(40):
        picture(folder / "two" / ("cat", "dog")[i % 2] / f"{i}.png", i)
    if "refuse" in command:
        (folder / "two" / "dog" / "cut.png").write_bytes((folder / "two" / "dog" / "1.png").read_bytes()[:45])
    assert make(*command) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.startswith("noisy-labels: error: ")
    assert err.count("\n") == 1
    assert not (folder / "two_noisy").exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--rates", "0"), "'0' is given; an error rate is above 0 and below 1, such as 0.2"),
        (("--rates", "0.1", "1"), "'1' is given; an error rate is above 0 and below 1"),
        (("--rates", "nan"), "'nan' is given"),
        (("--raters", "11"), "'11' is given; a pool made so has 2 to 10 raters"),
        (("--max-steps", "0"), "'0' is given; it has to be a whole number, 1 or more"),
        (("--seed", "-1"), "'-1' is given; a seed is a whole number, 0 or more"),
        (("--rater-image-size", "3"), "'3' is given; a size is 64 or 48x64 (height x width), 4 or more pixels"),
        (("--rater-image-size", "32x"), "'32x' is given"),
    ],
)
def test_options_are_checked_before_anything_is_read(folder, capsys, option, said):
    with pytest.raises(SystemExit):
        make("--from", "./nowhere", *option)
    assert said in capsys.readouterr().err
