"""A killed benchmark, given again, comes to the records of an undisturbed one, bit for bit."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from noisy_label_learning.runs.record import OF_THE_MACHINE

ROOT = pathlib.Path(__file__).parents[2]
RUN = """
import dataclasses, sys, time
from noisy_label_learning.algorithms import {algorithm}
from noisy_label_learning.correctors import NoCorrector
from noisy_label_learning.runs.config import Network, RunConfig, Schedule
from noisy_label_learning.runs.session import Session
from tests.learning.problems import planted, symmetric
import numpy as np

problem = planted(np.stack([symmetric(0.3)] * 3), n=240)
config = RunConfig({algorithm}(), NoCorrector(), Network("mlp", width=0.25), Schedule(epochs=12, batch_size=40))
slow = lambda *told: (print("epoch", flush=True), time.sleep({sleep}))
session = Session(problem, {folder!r}, on_epoch=slow, checkpoint_seconds=0.0)
session.run_seeds([dataclasses.replace(config, seed=seed) for seed in {seeds}])
"""


def start(folder, algorithm, seeds, sleep):
    code = RUN.format(algorithm=algorithm, folder=str(folder), seeds=seeds, sleep=sleep)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def records(folder):
    found = {}
    for path in folder.glob("*.json"):
        values = json.loads(path.read_bytes())
        found[path.name] = {name: value for name, value in values.items() if name not in OF_THE_MACHINE}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["CoTeaching", "MentorMix", "ELR", "RoG"])
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_kill_changes_nothing(tmp_path, algorithm, seeds):
    whole = start(tmp_path / "whole", algorithm, seeds, 0)
    whole.communicate()
    assert whole.returncode == 0
    killed = start(tmp_path / "killed", algorithm, seeds, 0.3)
    for _ in range(5 * len(seeds)):
        assert killed.stdout.readline() == "epoch\n"
    deadline = time.monotonic() + 60
    while not list((tmp_path / "killed" / "checkpoints").glob("*/[0-9]*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not records(tmp_path / "killed")
    again = start(tmp_path / "killed", algorithm, seeds, 0)
    printed, _ = again.communicate()
    assert again.returncode == 0
    assert printed.count("epoch") < 12 * len(seeds)  # it went on, and did not begin anew
    assert records(tmp_path / "killed") == records(tmp_path / "whole")
    assert len(records(tmp_path / "whole")) == len(seeds)
