"""Starting, failing, interrupting and choosing a training."""

import os
import signal
import subprocess
import sys
import time

import pytest

from noisy_label_datasets.cli import training_process
from noisy_label_datasets.cli.targets import UnknownNameError, find_builder
from noisy_label_datasets.cli.train import choose_pool, train
from noisy_label_datasets.cli.training_process import TrainingError, run_training

POOLS = [
    {"name": "cifar10/high", "dataset": "cifar10_noisy", "level": "high"},
    {"name": "cifar10/high_compact", "dataset": "cifar10_noisy", "level": "high"},
    {"name": "cifar10/low", "dataset": "cifar10_noisy", "level": "low"},
]


def test_compact_pool_is_chosen_unless_another_is_wanted(capsys):
    assert choose_pool(POOLS, "cifar10_noisy", "high", None) == "cifar10/high_compact"
    assert "with --pool also cifar10/high\n" in capsys.readouterr().out
    assert choose_pool(POOLS, "cifar10_noisy", "high", "cifar10/high") == "cifar10/high"
    assert choose_pool(POOLS, "cifar10_noisy", "low", None) == "cifar10/low"


def test_pool_of_another_level_is_refused():
    with pytest.raises(UnknownNameError, match=r"cifar10_noisy/high called 'cifar10/low'\..* There are: cifar10/high,"):
        choose_pool(POOLS, "cifar10_noisy", "high", "cifar10/low")
    with pytest.raises(TrainingError, match=r"no rater pool for digits_noisy/low; pools exist for cifar10_noisy/high"):
        choose_pool(POOLS, "digits_noisy", "low", None)


def test_missing_software_is_named_with_what_to_type(monkeypatch):
    monkeypatch.setattr(training_process, "NEEDED", ("numpy", "no_such_package"))
    assert not training_process.training_is_installed()
    with pytest.raises(TrainingError, match=r"needs no_such_package.*pip install 'noisy-label-datasets\[training\]'"):
        run_training(arrays="arrays", pool="digits/low", out="out")


@pytest.mark.parametrize(("exit_code", "error"), [(2, TrainingError), (130, KeyboardInterrupt)])
def test_exit_code_of_the_training_is_heeded(monkeypatch, exit_code, error):
    command = [sys.executable, "-c", f"raise SystemExit({exit_code})"]
    monkeypatch.setattr(training_process, "_command", lambda *arguments: command)
    with pytest.raises(error):
        run_training(arrays="arrays", pool="digits/low", out="out")


TRAIN_FOREVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
from noisy_label_datasets import cli
from noisy_label_datasets.cli import list as command, training_process
endless = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
training_process._command = lambda *arguments: [sys.executable, "-c", endless]
command.run = lambda args: training_process.run_training(arrays="arrays", pool="digits/low", out="out")
sys.exit(cli.main(["list"]))
"""


@pytest.mark.parametrize(("sent", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_training_stays_behind(sent, exit_code):
    """The signal reaches the command alone, not its training process, as `kill` has it."""
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN_FOREVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    training = int(process.stdout.readline())
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == exit_code
    assert "Traceback" not in err
    assert ("resumes where this one stopped" in err) == (sent == signal.SIGINT)
    for _ in range(50):
        try:
            os.kill(training, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f"training process {training} still runs")


@pytest.mark.parametrize("config", ["low", "low_independent", "low_class_conditional", "rate_0.30"])
def test_labels_derived_from_raters_need_those_raters(config):
    assert find_builder(f"cifar10_noisy/{config}", data_dir=None).builder_config.source.pool_to_train() == "low"


def test_published_labels_have_no_raters_to_train():
    builder = find_builder("cifar10_noisy/published_low", data_dir=None)
    with pytest.raises(TrainingError, match=r"no raters of cifar10_noisy/published_low to train: the labels low that"):
        train(builder, pool=None)


def test_no_file_of_the_working_directory_runs_in_place_of_a_module(tmp_path, monkeypatch):
    for name in ("argparse.py", "json.py", "numpy.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    assert training_process.list_pools()
    assert not (tmp_path / "ran").exists()


def test_a_pool_of_the_working_directory_is_found(tmp_path, monkeypatch, capfd):
    (tmp_path / "my_pools.py").write_text("POOL = 3")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainingError):
        run_training(arrays="arrays", pool="my_pools:POOL", out="out")
    assert "my_pools:POOL is a int, not a PoolConfig" in capfd.readouterr().err
