"""The tour runs from end to end, on the digits that are in the package."""

import os
import pathlib
import re
import subprocess
import sys

TOUR = pathlib.Path(__file__).parents[2] / "examples" / "tour.py"


def test_the_tour_shows_each_level_and_what_was_learnt(tmp_path):
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "COLUMNS": "120"}
    command = [sys.executable, str(TOUR), "--dataset", "digits_noisy", "--data-dir", str(tmp_path), "--epochs", "12"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    rows = [line for line in done.stdout.splitlines() if re.match(r"\W+(digits_noisy/|the clean labels)", line)]
    assert [re.split(r"\s*[│┃]\s*", row)[1] for row in rows] == [
        "digits_noisy/low",
        "digits_noisy/medium",
        "digits_noisy/high",
        "the clean labels of the same images",
    ]
    accuracies = [float(re.findall(r"\d\.\d+", row)[-1]) for row in rows]
    assert accuracies[0] > accuracies[2]  # 11 % of the labels are wrong, against 49 %
    assert accuracies[3] > 0.8
