"""Rater training as a process of its own, so that TensorFlow and JAX never share one.

pools = list_pools()                                       # python -m rater_training list --json
run_training(arrays=folder, pool="digits/medium", out=folder)
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from noisy_label_datasets.errors import NoisyLabelsError

NEEDED = ("jax", "flax", "optax", "orbax")
INSTALL = "pip install 'noisy-label-datasets[training]' (in a clone of the repository: pip install '.[training]')"


class TrainingError(NoisyLabelsError):
    """Training that cannot start, or a training process that failed."""


def training_is_installed() -> bool:
    """Returns whether what `rater_training` imports is there, without importing it."""
    return not _missing()


def list_pools(*, cost: bool = False) -> list[Mapping[str, Any]]:
    """Returns the rater pools, each a mapping with at least "name", "dataset" and "level".

    With `cost` also "training_flops", which takes some seconds for all of them.

    Raises:
      TrainingError: the [training] extra is not installed, or the process failed.
    """
    process = subprocess.run(
        _command("list", "--json", *(["--cost"] if cost else [])),
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        check=False,
    )
    if process.returncode:
        raise TrainingError(f"`python -m rater_training list` failed with exit code {process.returncode} (see above)")
    return json.loads(process.stdout)


def run_training(*, arrays: str | os.PathLike, pool: str, out: str | os.PathLike, options: Sequence[str] = ()) -> None:
    """Trains a pool; its progress appears on this process's own standard output and error.

    Args:
      arrays: folder of a `CleanDataset`.
      pool: 'digits/medium'.
      out: folder of the rater-prediction artifact; an unfinished pool there resumes with its next rater.
      options: further ones of `python -m rater_training train` (`training_options.to_arguments`).

    Raises:
      TrainingError: the [training] extra is not installed, or the process failed; it has said why.
      KeyboardInterrupt: this process or the training process was interrupted.
    """
    command = _command("train", "--arrays", os.fspath(arrays), "--pool", pool, "--out", os.fspath(out), *options)
    _run(command, f"training pool {pool}", f"finished raters are kept in {out}")


def fit_pools(
    *,
    arrays: str | os.PathLike,
    pools: str | os.PathLike,
    pilots: str | os.PathLike,
    out: str | os.PathLike,
    report: str | os.PathLike,
    options: Sequence[str],
) -> None:
    """Has pools of wanted error rates found and trained; progress appears on this process's own output.

    Args:
      arrays: folder of a `CleanDataset`.
      pools: module of the pools, new or begun.
      pilots: folder of the pilots, new or begun.
      out: folder of the rater-prediction artifacts, one per pool.
      report: file to be written: what came of it, as JSON.
      options: further ones of `python -m rater_training fit`.

    Raises: as `run_training`.
    """
    files = ("--arrays", arrays, "--pools", pools, "--pilots", pilots, "--out", out, "--report", report)
    command = _command("fit", *(os.fspath(value) for value in files), *options)
    _run(command, "making raters", "what was finished is kept, and the same command resumes")


def label_with_pool(
    *, weights: str | os.PathLike, out: str | os.PathLike, options: Sequence[str], resumes: bool = True
) -> None:
    """Has trained raters label; their progress appears on this process's own standard output and error.

    Args:
      weights: folder of the raters.
      out: folder of the rater-prediction artifact, or file of the labels.
      options: further ones of `python -m rater_training label`.
      resumes: whether the same command resumes where it was stopped.

    Raises: as `run_training`.
    """
    command = _command("label", "--weights", os.fspath(weights), "--out", os.fspath(out), *options)
    kept = f"what was finished is kept in {out}, and the same command resumes" if resumes else "nothing was written"
    _run(command, f"labelling with {weights}", kept)


def _run(command: Sequence[str], what: str, kept: str) -> None:
    """Runs a process to its end; what, kept: what it does, and what is left if it fails."""
    sys.stdout.flush()
    process = subprocess.Popen(command, env=environment())
    try:
        exit_code = process.wait()
    finally:
        stop(process)
    if exit_code in (130, -2):
        raise KeyboardInterrupt
    if exit_code:
        raise TrainingError(f"{what} failed with exit code {exit_code} (see above); {kept}")


def stop(process: subprocess.Popen) -> None:
    """Ends the process if it still runs; what interrupts a terminal interrupts it too, so it is waited for first."""
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()


def _missing() -> Sequence[str]:
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def _command(*arguments: str) -> list[str]:
    if missing := _missing():
        raise TrainingError(f"training or asking raters needs {', '.join(missing)}, not installed here: {INSTALL}")
    return [sys.executable, "-m", "rater_training", *arguments]


def environment() -> dict[str, str]:
    """Returns an environment in which `python -m` runs no file of the working directory in place of a module.

    It passes it on to the processes that it starts itself.
    """
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    package = importlib.util.find_spec("rater_training")
    if package is not None and package.origin is not None:
        root = os.path.dirname(os.path.dirname(package.origin))
        if root in [os.path.abspath(folder) for folder in sys.path] and os.path.basename(root) != "site-packages":
            # A clone that is not installed, found because it is the working directory.
            environment["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return environment
