"""`noisy-labels train` and `make` hand on the options of a training, and first say what is wrong with them."""

import argparse
import pathlib
import sys

import numpy as np
import pytest

from noisy_label_datasets import cli, training_options
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.cli import training_process
from noisy_label_datasets.labels.predictions import read_predictions
from rater_training.__main__ import main as train_main
from rater_training.training.weights import PoolWeights

NAME = "digits_noisy/medium"
ROOT = pathlib.Path(__file__).parents[2]
TWO_RATERS = """
from rater_training.config import Augmentation, PoolConfig, RaterConfig

PLAIN = Augmentation(crop_padding=0, flip=False)
RATERS = tuple(
    RaterConfig(id=name, architecture=name, steps=60, batch_size=32, learning_rate=0.05, augmentation=PLAIN)
    for name in ("softmax_regression", "mlp")
)
POOL = PoolConfig(
    name="digits/two",
    dataset="digits_noisy",
    level="medium",
    raters=RATERS,
    image_shape=(8, 8, 1),
    num_classes=10,
    source="a test",
)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with a module in which there is a pool."""
    (tmp_path / "two_raters.py").write_text(TWO_RATERS)
    monkeypatch.chdir(tmp_path)
    # The training processes find the package although they are started elsewhere.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def parsed(command_line: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    training_options.add_options(parser)
    own, for_beam = training_options.divided(command_line)
    return parser.parse_args(own, argparse.Namespace(for_beam=for_beam))


@pytest.mark.parametrize(
    "command_line",
    [
        [],
        ["--only", "a", "b", "--note", "a note", "--save-weights"],
        ["--note=--only", "--num-parallel", "2", "--num-vmapped", "1", "--images", "streamed", "--devices", "3"],
        ["--beam", "--only", "a", "--", "--runner=FlinkRunner", "--", "--note=x"],
        ["--beam"],
    ],
)
def test_another_process_gets_the_options_that_were_given(command_line):
    args = parsed(command_line)
    arguments = training_options.to_arguments(args, args.for_beam)
    assert parsed(arguments) == args
    assert (arguments == []) == (command_line == [])


def test_a_rater_is_trained_as_the_options_say(folder, capfd):
    options = [
        "--only",
        "softmax_regression",
        "--save-weights",
        "--note",
        "-- a note",
        "--num-parallel",
        "1",
        "--images",
        "resident",
    ]
    assert cli.main(["train", NAME, "--pool", "two_raters:POOL", "--data-dir", "data", *options]) == 0
    out = folder / "data" / "rater_predictions" / NAME
    assert [path.stem for path in (out / "raters").iterdir()] == ["softmax_regression"]
    assert PoolWeights(out / "weights").rater("softmax_regression").config.steps == 60
    said = capfd.readouterr().out
    assert "raters not named with --only are still to be trained" in said
    assert "Next:" not in said  # there is nothing to build from yet


def test_making_a_dataset_hands_the_options_on_too(folder, monkeypatch, capsys):
    """To a process that is given the command of the training, and fails."""
    given = []

    def command(*arguments):
        given.append(arguments)
        return [sys.executable, "-c", "print([])" if arguments[0] == "list" else "raise SystemExit(2)"]

    monkeypatch.setattr(training_process, "_command", command)
    options = ["--save-weights", "--note", "of a test", "--num-vmapped", "2"]
    assert cli.main(["make", NAME, "--pool", "two_raters:POOL", "--data-dir", "data", *options]) == 2
    assert "training pool two_raters:POOL failed with exit code 2" in capsys.readouterr().err
    (_, train) = given
    assert train[0] == "train"
    assert sorted(train[7:]) == ["--note=of a test", "--num-vmapped=2", "--save-weights"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", NAME, "--bearn"], "unrecognized arguments: --bearn (usage: noisy-labels train [-h] "),
        (["train", NAME, "--", "--runner=FlinkRunner"], "are Apache Beam's and need --beam: --runner=FlinkRunner"),
        (
            ["train", NAME, "--beam", "--num-parallel", "2", "--images", "streamed"],
            "go with --num-parallel, --images",
        ),
        (["make", NAME, "--only", "mlp"], "unrecognized arguments: --only mlp (usage: noisy-labels make [-h] "),
        (["make", NAME, "--beam"], "unrecognized arguments: --beam (usage: "),
    ],
)
def test_options_that_cannot_be_are_answered_in_one_line(tmp_path, capsys, arguments, said):
    assert cli.main([arguments[0], "--data-dir", str(tmp_path), *arguments[1:]]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--num-parallel", "0"], "argument --num-parallel: '0' is given; it has to be a whole number, 1 or more"),
        (["--images", "both"], "argument --images: invalid choice: 'both' (choose from"),
    ],
)
def test_values_that_cannot_be_are_answered_with_those_that_can(capsys, options, said):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["train", NAME, *options])
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


def test_what_follows_two_dashes_is_argparses_business_elsewhere(capsys):
    assert cli.main(["verify", "--", "no_such_noisy"]) == 2
    assert "no dataset 'no_such_noisy'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--beam", "--devices", "2", "--process-id", "0"], "--beam does not go with --devices, --process-id"),
        (["--only", "a", "--", "--runner=FnApiRunner"], "need --beam: --runner=FnApiRunner"),
    ],
)
def test_the_training_process_checks_them_too(capsys, options, said):
    assert train_main(["train", "--arrays", "a", "--pool", "digits/low", "--out", "o", *options]) == 2
    assert said in capsys.readouterr().err


TWO_PROCESSES = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]


@pytest.mark.slow
def test_raters_trained_by_two_workers_are_those_trained_without(folder, capfd):
    found = {}
    for data_dir, options in (("spread", ["--beam", "--", *TWO_PROCESSES]), ("alone", [])):
        command = ["train", NAME, "--pool", "two_raters:POOL", "--data-dir", data_dir, "--note", "of a test", *options]
        assert cli.main(command) == 0
        assert f"Next: noisy-labels build {NAME}" in capfd.readouterr().out
        found[data_dir] = read_predictions(folder / data_dir / "rater_predictions" / NAME)
    spread, alone = found["spread"], found["alone"]
    workers = {rater["training_log"]["attempts"][0].split()[0] for rater in spread.raters}
    assert len(workers) == 2
    assert all("attempts" not in rater["training_log"] for rater in alone.raters)
    assert spread.provenance == alone.provenance
    assert spread.provenance["note"] == "of a test"
    for split in LABELLED_SPLITS:
        assert spread.ids[split].tolist() == alone.ids[split].tolist()
        np.testing.assert_array_equal(spread.codes[split].dense(), alone.codes[split].dense())
        np.testing.assert_array_equal(spread.noisy_labels[split], alone.noisy_labels[split])
