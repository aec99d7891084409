"""What was asked for on the command line, as algorithms, correctors, networks and problems."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from noisy_label_datasets.learning_presets import PRESETS
from noisy_label_learning.algorithms import ALGORITHMS, Algorithm
from noisy_label_learning.correctors import CORRECTORS, Corrector
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import PAIRED_SHARE, Problem
from noisy_label_learning.runs.config import Network, Schedule, by_name, defaults, of_preset, training_config
from rater_training.config import KerasWeights


def register(modules: Sequence[str]) -> None:
    """Imports modules, and adds the algorithms and correctors in them to those that there are.

    Raises:
      LearningError: there is no such module, it has neither, or a name is taken.
    """
    for name in modules:
        sys.path.append(os.getcwd())
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise LearningError(f"--register {name}: {error} (looked in {os.getcwd()} too)") from error
        finally:
            sys.path.remove(os.getcwd())
        found = 0
        kinds: tuple[tuple[type, dict[str, Any]], ...] = ((Algorithm, ALGORITHMS), (Corrector, CORRECTORS))
        for value in vars(module).values():
            for base, known in kinds:
                own = isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
                if not own:
                    continue
                if known.get(value.name, value) is not value:
                    raise LearningError(f"--register {name}: the name {value.name!r} is taken")
                known[value.name] = value
                found += 1
        if not found:
            raise LearningError(f"--register {name}: it defines neither an Algorithm nor a Corrector")


def _variant(text: str, given: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Returns name and settings of 'lqm', or of a variant 'lqm:cleaner=aggregate,gamma=1.0', which come before `given`.

    So that a table has several variants of the same algorithm or corrector.
    """
    name, colon, own = text.partition(":")
    if not colon:
        return name, settings_of(name, given)
    wrong = [each for each in own.split(",") if "=" not in each]
    if wrong:
        raise LearningError(f"a variant is NAME:SETTING=VALUE,..., such as lqm:cleaner=aggregate; given {text!r}")
    if name not in ALGORITHMS and name not in CORRECTORS:
        return name, {}  # whoever looks it up says which names there are
    return name, settings_of(name, [*given, *(f"{name}.{each}" for each in own.split(","))])


def settings_of(name: str, given: Sequence[str]) -> dict[str, Any]:
    """Returns the settings of an algorithm or corrector among 'lqm.gamma=0.75' and the like; the last one counts.

    Raises:
      LearningError: something that is not of this form.
    """
    settings = {}
    for text in given:
        owner, dot, rest = text.partition(".")
        setting, equals, value = rest.partition("=")
        if not (dot and equals and owner and setting):
            raise LearningError(f"--set takes NAME.SETTING=VALUE, such as lqm.gamma=0.75; given {text!r}")
        if owner not in ALGORITHMS and owner not in CORRECTORS:
            known = ", ".join(sorted([*ALGORITHMS, *CORRECTORS]))
            raise LearningError(f"--set {text}: there is no algorithm or corrector {owner!r}; there are {known}")
        if owner == name:
            try:
                settings[setting] = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                settings[setting] = value
    return settings


def algorithm(text: str, given: Sequence[str]) -> Algorithm:
    """Returns the algorithm of a name or variant, with its settings."""
    name, chosen = _variant(text, given)
    return by_name("algorithm", name, ALGORITHMS, chosen)


def corrector(text: str, given: Sequence[str]) -> Corrector:
    """Returns the corrector of a name or variant, with its settings."""
    name, chosen = _variant(text, given)
    return by_name("corrector", name, CORRECTORS, chosen)


def load_problem(args: argparse.Namespace, labels: str) -> Problem:
    """Returns the problem of the arrays' folder and one folder of labels."""
    share = PAIRED_SHARE if args.paired_share is None else args.paired_share
    return Problem.load(args.arrays, labels, paired_share=share)


def training_of(args: argparse.Namespace, problem: Problem) -> tuple[Network, Schedule]:
    """Returns network and schedule: what was asked for; for the rest the preset's, or the defaults of such images.

    Raises:
      LearningError: an unknown architecture, or settings that cannot be.
    """
    images = problem.data.train.images
    if args.preset is not None:
        network, schedule = of_preset(PRESETS[args.preset], len(images))
    else:
        network, schedule = defaults(images.shape[1:], len(images))  # type: ignore[arg-type]
    if args.network is not None:
        network = network_of(args.network)
    if args.width is not None:
        network = dataclasses.replace(network, width=args.width)
    if args.pretrained is not None:
        network = pretrained_network(network, args.pretrained)
    changes = {
        name: value for name in ("epochs", "batch_size", "learning_rate") if (value := getattr(args, name)) is not None
    }
    return network, dataclasses.replace(schedule, **changes)


def network_of(name: str) -> Network:
    """Returns the network of a name.

    Raises:
      LearningError: there is none.
    """
    from rater_training.architectures import ARCHITECTURES

    if name not in ARCHITECTURES:
        raise LearningError(f"no network {name!r}; there are {', '.join(sorted(ARCHITECTURES))}")
    return Network(name)


def pretrained_network(network: Network, weights: str) -> Network:
    """Returns a network that starts from weights: "imagenet", or the path of a file of Keras.

    Raises:
      PretrainedError: no such weights are known, or they are not here.
      ConfigError: a width other than 1.
    """
    from rater_training.pretrained import start
    from rater_training.pretrained.imagenet import PretrainedError

    if weights != "imagenet" and not os.path.isfile(weights):
        raise PretrainedError(f"--pretrained {weights}: there is no such file; it takes imagenet, or a file of Keras")
    started = dataclasses.replace(network, pretrained=weights == "imagenet" or KerasWeights.of(weights))
    start.check_available(training_config(started, Schedule(), 1, seed=0))
    return started
