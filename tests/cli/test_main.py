"""The command as a process: help, bad input, interrupts."""

import os
import subprocess
import sys

import pytest

import noisy_label_datasets
from noisy_label_datasets import cli
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
