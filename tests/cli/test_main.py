"""The command as a process: help, bad input, interrupts."""

import os
import subprocess
import sys
import time

import pytest

import noisy_label_datasets
from noisy_label_datasets import cli
from noisy_label_datasets.cli import targets
from noisy_label_datasets.errors import NoisyLabelsError


def noisy_labels(*arguments, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "noisy_label_datasets", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_help_names_every_command():
    process = noisy_labels("--help")
    assert process.returncode == 0
    for name in cli.COMMANDS:
        assert f"\n    {name} " in process.stdout


def test_parser_imports_nothing_heavy():
    code = (
        "import sys; from noisy_label_datasets import cli; cli.parser();"
        "heavy = {'tensorflow', 'jax', 'apache_beam', 'matplotlib', 'rich', 'sklearn'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"


def test_version():
    assert noisy_labels("--version").stdout == f"noisy-labels {noisy_label_datasets.__version__}\n"


@pytest.mark.parametrize(
    ("raised", "exit_code", "said"),
    [
        (NoisyLabelsError("no rater \x1b[2Jx"), 2, "noisy-labels: error: no rater \\x1b[2Jx\n"),
        (NoisyLabelsError("no such level"), 2, "noisy-labels: error: no such level\n"),
        (OSError(28, "No space left on device", "/full/disk"), 1, "No space left on device: '/full/disk'"),
        (KeyboardInterrupt(), 130, "resumes where this one stopped"),
    ],
)
def test_expected_errors_have_an_exit_code_and_no_traceback(monkeypatch, capsys, raised, exit_code, said):
    def run(args):
        raise raised

    monkeypatch.setattr("noisy_label_datasets.cli.list.run", run)
    assert cli.main(["list"]) == exit_code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("", "is empty"),
        ("file:///tmp/datasets", "cannot be reached (KeyError"),
        ("nowhere://bucket/datasets", "nowhere://bucket/datasets cannot be reached"),
    ],
)
@pytest.mark.parametrize("command", ["build digits_noisy/medium", "card digits_noisy", "verify digits_noisy/medium"])
def test_a_data_dir_that_cannot_be_is_refused_in_one_line(capsys, monkeypatch, tmp_path, command, folder, said):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*command.split(), "--data-dir", folder]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_without_a_home_folder_another_has_to_be_named(capsys, monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert cli.main(["build", "digits_noisy/medium"]) == 2
    assert "name another with --data-dir" in capsys.readouterr().err


def test_modules_of_the_working_directory_are_found_and_hide_nothing_else(capsys, monkeypatch, tmp_path):
    (tmp_path / "my_datasets_of_no_name.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setattr("noisy_label_datasets.cli.list.run", lambda args: None)
    assert cli.main(["--imports", "my_datasets_of_no_name", "list"]) == 0
    assert sys.path[-1] == str(tmp_path)
    assert cli.main(["--imports", "my_datasets_of_no_other_name", "list"]) == 2
    assert "No module named 'my_datasets_of_no_other_name'" in capsys.readouterr().err


def test_a_store_that_does_not_answer_is_not_waited_for(monkeypatch, capsys):
    from etils import epath

    monkeypatch.setattr(epath, "Path", lambda folder: type("Path", (), {"exists": lambda self: time.sleep(30)})())
    monkeypatch.setattr(targets, "STORE_SECONDS", 0.05)
    assert cli.main(["card", "digits_noisy/low", "--data-dir", "gs://nobody/datasets"]) == 2
    said = capsys.readouterr().err
    assert "gs://nobody/datasets cannot be reached (TimeoutError: no answer in 0.05 seconds)" in said
