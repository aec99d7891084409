"""Train one algorithm, with progress, and print its accuracies beside cross-entropy's, if that has been run."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import time

from noisy_label_datasets import learning_options
from noisy_label_learning.algorithms import CrossEntropy
from noisy_label_learning.commands import settings
from noisy_label_learning.problem import Problem
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.record import DONE, Epoch, Record
from noisy_label_learning.runs.session import Session

_SECONDS_BETWEEN_LINES = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    parser.add_argument("--arrays", required=True, metavar="FOLDER", help="clean arrays (CleanDataset.save)")
    parser.add_argument("--labels", required=True, metavar="FOLDER", help="noisy labels (LabelArrays.save)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="records and checkpoints")
    parser.add_argument("--algorithm", required=True, metavar="NAME")
    parser.add_argument("--corrector", default="none", metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    learning_options.add_options(parser, learning_options.LEARN)
    learning_options.add_options(parser, learning_options.CORRECTED)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trains; returns the exit code."""
    settings.register(args.register)
    chosen, corrector = settings.algorithm(args.algorithm, args.set), settings.corrector(args.corrector, args.set)
    problem = settings.load_problem(args, args.labels)
    network, schedule = settings.training_of(args, problem)
    config = RunConfig(chosen, corrector, network, schedule, seed=args.seed, targets=args.targets)
    progress = Progress()
    session = Session(problem, pathlib.Path(args.out), on_epoch=progress, on_prior_epoch=progress.prior)
    if session.stored(config) is None:
        print(
            f"{problem.data.name}: {len(problem.data.train)} images, {len(problem.data.paired)} of them with a clean "
            f"label; {network.architecture}, {schedule.epochs} epochs of batches of {schedule.batch_size}",
            flush=True,
        )
    else:
        print(f"{problem.data.name}: this run is done already; its record is read", flush=True)
    record = session.run(config)
    print("\n".join(summary_lines(problem, record, baseline_of(session, config))))
    return 0 if record.status == DONE else 3


def baseline_of(session: Session, config: RunConfig) -> Record | None:
    """Returns the record of cross-entropy on the same labels and seed, if it has been run and is another run."""
    baseline = dataclasses.replace(config, algorithm=CrossEntropy())
    return None if baseline == config else session.stored(baseline)


def summary_lines(problem: Problem, record: Record, baseline: Record | None) -> list[str]:
    """Returns what is printed at the end."""
    error = record.label_error
    lines = [f"wrong labels: {error['before']:.1%} as given, {error['targets']:.1%} of what was trained on"]
    if record.clean_labels_used:
        lines.append(f"clean labels of the training images seen: {record.clean_labels_used}")
    if record.status != DONE:
        return [*lines, f"DIVERGED: {record.details['diverged']}; try a lower --learning-rate"]
    lines.append(f"{'test accuracy':34}{record.algorithm:>20}" + (f"{baseline.algorithm:>20}" if baseline else ""))
    for name, point in record.selections.items():
        other = ""
        if baseline is not None and baseline.status == DONE and name in baseline.selections:
            other = f"{baseline.selections[name].test_accuracy:>20.1%}"
        lines.append(f"  {name.replace('_', ' '):32}{point.test_accuracy:>20.1%}{other}")
    if baseline is None and record.algorithm != CrossEntropy.name:
        lines.append("to compare: the same command with --algorithm cross_entropy")
    return lines


class Progress:
    """Prints a line every few seconds."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix, self._last = prefix, 0.0

    def __call__(self, config: RunConfig, epoch: int, epochs: int, point: Epoch) -> None:
        """Prints a point of a run's curve."""
        self._print(
            config,
            epoch,
            epochs,
            f"epoch {epoch}/{epochs}  loss {point.train_loss:.3f}  noisy validation {point.noisy_valid_accuracy:.1%}"
            f"  test {point.test_accuracy:.1%}",
        )

    def prior(self, config: RunConfig, what: str, epoch: int, epochs: int) -> None:
        """Prints how far a network is that is trained beforehand."""
        self._print(config, epoch, epochs, f"{what}, epoch {epoch}/{epochs}")

    def _print(self, config: RunConfig, epoch: int, epochs: int, line: str) -> None:
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES and epoch < epochs:
            return
        self._last = now
        name = f"{config.corrector.name} + {config.algorithm.name}, seed {config.seed}"
        print(f"{self._prefix}{name}: {line}", flush=True)
