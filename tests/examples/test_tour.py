"""The tour runs from end to end, on the digits that are in the package."""

import os
import pathlib
import re
import runpy
import subprocess
import sys
import unittest.mock

import pytest

TOUR = pathlib.Path(__file__).parents[2] / "examples" / "tour.py"


@pytest.mark.parametrize("levels", [("high",), pytest.param(("low", "medium", "high"), marks=pytest.mark.slow)])
def test_the_tour_shows_each_level_and_what_was_learnt(levels, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "COLUMNS": "120"}
    del environment["TF_USE_LEGACY_KERAS"]  # of all other tests; the tour's Keras is the present one, on TensorFlow
    command = [sys.executable, str(TOUR), "--dataset", "digits_noisy", "--data-dir", str(tmp_path), "--epochs", "12"]
    command += ["--levels", *levels]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if re.match(r"\W+(low|medium|high|clean)\b", line)]
    names = [re.split(r"\s*[│┃]\s*", row)[1] for row in rows]
    assert names == [*levels, "clean"]
    accuracies = dict(zip(names, (float(re.findall(r"\d\.\d+", row)[-1]) for row in rows), strict=True))
    # Of the labels of `high` 49 % are wrong, of those of `low` 11 %.
    assert accuracies["high"] < min(accuracies["clean"], accuracies.get("low", 1))
    assert accuracies["clean"] > 0.8


@pytest.mark.parametrize("epochs", ["0", "-1", "many"])
def test_epochs_that_cannot_be_are_answered_with_those_that_can(epochs, monkeypatch, capsys):
    # None of them is needed to say so, and their import takes seconds.
    for heavy in ("keras", "tensorflow", "tensorflow_datasets", "noisy_label_datasets"):
        monkeypatch.setitem(sys.modules, heavy, unittest.mock.MagicMock())
    monkeypatch.setattr(sys, "argv", [str(TOUR), "--epochs", epochs])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(TOUR), run_name="__main__")
    assert exit_.value.code == 2
    assert f"argument --epochs: '{epochs}' is given; it has to be a whole number, 1 or more" in capsys.readouterr().err
