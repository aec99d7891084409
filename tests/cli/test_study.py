"""`noisy-labels study`: what it hands to the process that trains, and what it refuses before anything is read."""

from __future__ import annotations

import types

import pytest

from noisy_label_datasets import cli
from noisy_label_datasets.cli import study
from noisy_label_datasets.cli.learning_process import Folders
from noisy_label_datasets.cli.targets import config_names


@pytest.fixture
def started(monkeypatch, tmp_path):
    """The arguments of the process that would train, and of the configs whose arrays would be written."""
    seen = types.SimpleNamespace(arguments=(), configs=[])

    def prepare(builder, preset=None):
        seen.configs.append((f"{builder.name}/{builder.builder_config.name}", preset))
        root = tmp_path / "learning" / builder.name / "2.0.0"
        return Folders(root / "arrays", root / "labels" / builder.builder_config.name, root / "runs")

    monkeypatch.setattr(study, "prepare", prepare)
    monkeypatch.setattr(study, "start", lambda *arguments: setattr(seen, "arguments", arguments))
    return seen


def run(tmp_path, *arguments):
    return cli.main(["study", *arguments, "--data-dir", str(tmp_path)])


def test_the_default_configs_are_there(tmp_path):
    for targets in study.CONFIGS.values():
        for target in targets:
            dataset, _, config = target.partition("/")
            assert config in config_names(dataset, str(tmp_path))


def test_configs_without_labels_are_left_out_and_named(started, tmp_path, capsys):
    assert run(tmp_path, "imbalance", "--seeds", "0", "--fractions", "0.5", "0.9", "--dry-run") == 0
    assert [config for config, _ in started.configs] == [
        f"cats_vs_dogs_noisy/section31_{steps}" for steps in (25_000, 50_000, 100_000)
    ]
    assert {preset for _, preset in started.configs} == {"compact_32"}
    assert "pcam_noisy/section31_80000 is left out, it has no labels here: raters shipped" in capsys.readouterr().out
    arguments = list(started.arguments)
    assert arguments[:2] == ["study", "imbalance"]
    assert arguments.count("--source") == 3
    assert arguments[arguments.index("--fractions") + 1 :][:2] == ["0.5", "0.9"]
    assert {"--dry-run", "--preset=compact_32"} <= set(arguments)
    assert f"--out={tmp_path / 'learning' / 'studies'}" in arguments


def test_pretraining_has_a_preset_and_a_size_of_its_own(started, tmp_path):
    assert run(tmp_path, "pretraining", "--configs", "cifar10_noisy/high") == 0
    assert {"--preset=fine_tuning", "--images=1500"} <= set(started.arguments)
    assert run(tmp_path, "pretraining", "--configs", "cifar10_noisy/high", "--preset", "paper") == 0
    assert not any(argument.startswith("--images") for argument in started.arguments)


def test_records_alone_are_reported(started, tmp_path):
    assert run(tmp_path, "difficulty", "--report", "--out", str(tmp_path / "runs")) == 0
    assert started.configs == []
    assert {"--report", f"--out={tmp_path / 'runs'}"} <= set(started.arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["imbalance", "--configs", "digits_noisy/high"], "needs a binary task; digits_noisy/high has 10 classes"),
        (
            ["imbalance", "--configs", "digits_noisy/hihg"],
            "no config of digits_noisy called 'hihg'. Did you mean 'high'",
        ),
        (["difficulty", "--report"], "--report reads the records of a folder: name it with --out"),
        (["human", "--configs", "digits_noisy/high"], "the study of human labels takes no --configs"),
        (["human", "--human-labels", "nowhere.pt"], "nowhere.pt"),
        (["difficulty", "--", "--runner=DirectRunner"], "--beam"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(started, tmp_path, capsys, arguments, message):
    extra = [] if "--" in arguments else ["--data-dir", str(tmp_path)]
    assert cli.main(["study", *arguments, *extra]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not started.arguments


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--fractions", "1.5", "a number in [0.5, 1)"),
        ("--fractions", "0.4", "a number in [0.5, 1)"),
        ("--learning-rate", "0", "a number above 0"),
        ("--width", "nan", "a number above 0"),
        ("--paired-share", "ten", "a number in [0, 1]"),
        ("--epochs", "0", "a whole number, 1 or more"),
    ],
)
def test_numbers_are_checked_before_anything_is_read(started, tmp_path, capsys, option, value, allowed):
    with pytest.raises(SystemExit, match="2"):
        run(tmp_path, "imbalance", option, value)
    assert f"{value!r} is given; it has to be {allowed}" in capsys.readouterr().err
    assert not started.configs


def test_a_config_without_labels_says_how_to_get_them(tmp_path, capsys):
    assert run(tmp_path, "imbalance", "--configs", "pcam_noisy/section31_80000") == 2
    error = capsys.readouterr().err
    assert "noisy-labels" in error.partition("noisy-labels: ")[2]  # the command that trains them
    assert len(error.splitlines()) == 1
