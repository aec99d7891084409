"""Choose learning rate and settings of algorithms on noisy validation, and those of correctors, at a seed of its own.

    python -m noisy_label_learning tune --arrays ARRAYS --labels LABELS --out RUNS --algorithms co_teaching mentor_mix

First the learning rate, by cross-entropy, which all algorithms share so that they can be compared run by run; then each
algorithm's settings at this rate, from a small grid. What a corrector chooses by itself, it chooses here for all seeds.
Ends with the options that give `benchmark` what was chosen. Test is not looked at, and seed 100 is to be among no
reported seeds. Records, resumption and cost are those of `benchmark`.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from noisy_label_datasets import learning_options
from noisy_label_datasets.files import to_json, write_atomically
from noisy_label_learning.algorithms import ALGORITHMS, Algorithm
from noisy_label_learning.commands import settings
from noisy_label_learning.commands.learn import Progress
from noisy_label_learning.correctors import CORRECTORS, Corrector
from noisy_label_learning.errors import LearningError
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.record import DONE, SELECTED, Record
from noisy_label_learning.runs.session import Session

LEARNING_RATES = (0.1, 0.2, 0.4)
GRID: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "bootstrap": ({}, {"beta": 0.8}, {"hard": True}),
    # The authors' ten epochs of the ramp are nearly all of a short training.
    "co_teaching": ({"ramp_epochs": 2.0}, {"ramp_epochs": 5.0}, {}),
    "mc_softmax": ({"temperature": 0.5}, {}, {"temperature": 2.0}),
    # The authors burn in for tens of epochs. After one or two, the hard classes are not learned yet, and are left out.
    "mentor_mix": (
        {},
        {"alpha": 0.4, "burn_in": 0.5},
        {"alpha": 0.4, "burn_in": 0.5, "percentile": 0.8},
    ),
    "elr": ({"weight": 1.0}, {}, {"beta": 0.9}),
    "generalized_cross_entropy": ({"q": 0.4}, {}),
}
"""Algorithm -> settings beside its defaults; an algorithm that is not here has nothing to choose."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    parser.add_argument("--arrays", required=True, metavar="FOLDER", help="clean arrays (CleanDataset.save)")
    parser.add_argument("--labels", required=True, metavar="FOLDER", help="noisy labels (LabelArrays.save)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="records, checkpoints, and what was chosen")
    learning_options.add_options(parser, learning_options.TUNE)
    learning_options.add_options(parser, learning_options.LEARN)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trains the grid and says what was chosen; returns the exit code.

    Raises:
      LearningError: an unknown algorithm or corrector, two variants of one, or all runs of a choice diverged.
    """
    settings.register(args.register)
    cross_entropy, uncorrected = ALGORITHMS["cross_entropy"](), CORRECTORS["none"]()
    algorithms = {name: settings.algorithm(name, args.set) for name in dict.fromkeys(args.algorithms)}
    correctors = {name: settings.corrector(name, args.set) for name in dict.fromkeys(args.correctors)}
    for chosen_of in (algorithms, correctors):
        names = [each.name for each in chosen_of.values()]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise LearningError(
                f"{', '.join(chosen_of)}: settings are chosen for one variant of {repeated[0]} at a time"
            )
    problem = settings.load_problem(args, args.labels)
    network, schedule = settings.training_of(args, problem)
    out = pathlib.Path(args.out)
    progress = Progress("  ")
    session = Session(problem, out, on_epoch=progress, on_prior_epoch=progress.prior)

    def config_of(algorithm: Algorithm, corrector: Corrector, learning_rate: float) -> RunConfig:
        of_rate = dataclasses.replace(schedule, learning_rate=learning_rate)
        return RunConfig(algorithm, corrector, network, of_rate, seed=args.seed)

    def accuracy(algorithm: Algorithm, learning_rate: float) -> float | None:
        return _noisy_validation(session.run(config_of(algorithm, uncorrected, learning_rate)))

    rates = LEARNING_RATES if args.learning_rate is None else (args.learning_rate,)
    of_rates = {f"{rate:g}": accuracy(cross_entropy, rate) for rate in rates}
    rate = float(_best("learning rate", of_rates))
    chosen: dict[str, Any] = {"learning_rate": rate, "set": []}
    accuracies: dict[str, Mapping[str, float | None]] = {"learning_rate": of_rates}
    correcting: dict[str, Mapping[str, Any]] = {}
    for name, algorithm in algorithms.items():
        of_settings: dict[str, float | None] = {}
        for values in GRID.get(algorithm.name, ()):
            of_settings[_as_options(algorithm.name, values)] = accuracy(dataclasses.replace(algorithm, **values), rate)
        if of_settings:
            accuracies[name] = of_settings
            chosen["set"] += _best(name, of_settings).split()
    for name, corrector in correctors.items():
        found = session.corrected(config_of(cross_entropy, corrector, rate))
        options = _as_options(corrector.name, found.chosen)
        chosen["set"] += options.split()
        correcting[name] = dict(found.details)
        print(f"{name:28}{options or 'nothing to choose'}")
    for what, of_choices in accuracies.items():
        for choice, value in of_choices.items():
            shown = "diverged" if value is None else f"{value:.1%}"
            print(f"{what:28}{choice or 'its defaults':40}noisy validation {shown}")
    path = out / f"tuned-{problem.data.name.replace('/', '-')}.json"
    made = {
        "seed": args.seed,
        "network": network.to_json(),
        "chosen": chosen,
        "noisy_valid_accuracy": accuracies,
        "correctors": correcting,
    }
    write_atomically(path, to_json(made))
    told = [f"--learning-rate {rate:g}", *([f"--set {' '.join(chosen['set'])}"] if chosen["set"] else [])]
    print(f"{path}\nfor benchmark: {' '.join(told)}")
    return 0


def _as_options(name: str, values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}.{setting}={value}" for setting, value in values.items())


def _noisy_validation(record: Record) -> float | None:
    """Returns the highest accuracy on noisy validation; None of a diverged run."""
    return record.selections[SELECTED].noisy_valid_accuracy if record.status == DONE else None


def _best(what: str, found: Mapping[str, float | None]) -> str:
    """Returns the choice of the highest accuracy; of equal ones the first."""
    there = {choice: value for choice, value in found.items() if value is not None}
    if not there:
        raise LearningError(f"{what}: all runs of the grid diverged; name a lower --learning-rate")
    return max(there, key=lambda choice: there[choice])
