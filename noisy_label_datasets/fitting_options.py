"""Options of making pools of wanted error rates, for `noisy-labels make --from` and `python -m rater_training fit`.

add_options(parser)
command = ["fit", *to_arguments(parser.parse_args(argv))]       # the same options for another process
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.training_options import positive

MOST_RATERS = 10


class RateError(NoisyLabelsError, ValueError):
    """An error rate that no rater which has learned anything has."""


def check_rates(rates: Sequence[float], num_classes: int) -> None:
    """Raises RateError for a rate that is chance or above: raters that err as often have learned nothing."""
    chance = 1 - 1 / num_classes
    if above := [rate for rate in rates if rate >= chance]:
        raise RateError(
            f"the rate {above[0]:g} is not below chance: with {num_classes} classes, who guesses errs {chance:.3g} of "
            "the time"
        )


def level_of(rate: float) -> str:
    """Returns the name of the config of raters with this mean error rate: 'error_0.10', 'error_0.125'."""
    return f"error_{rate:.2f}" if rate == round(rate, 2) else f"error_{rate}"


def rate(text: str) -> float:
    """Returns an error rate above 0 and below 1: a `type` of argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is given; an error rate is above 0 and below 1, such as 0.2")
    return value


def raters(text: str) -> int:
    """Returns a number of raters: a `type` of argparse."""
    if not text.isdecimal() or not 2 <= int(text) <= MOST_RATERS:
        raise argparse.ArgumentTypeError(f"{text!r} is given; a pool made so has 2 to {MOST_RATERS} raters")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is given; a seed is a whole number, 0 or more")
    return int(text)


# Name -> what argparse's `add_argument` takes besides.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--rates": {
        "type": rate,
        "nargs": "+",
        "default": [0.1, 0.2, 0.4],
        "metavar": "RATE",
        "help": "wanted error rates, a config of raters for each: error_0.10 for 0.1 (default: 0.1 0.2 0.4)",
    },
    "--raters": {"type": raters, "default": MOST_RATERS, "metavar": "N", "help": "raters of each (default: 10)"},
    "--max-steps": {
        "type": positive,
        "default": 400,
        "metavar": "N",
        "help": "longest training of a rater (default: 400); the longer, the lower the rates that can be had",
    },
    "--flip": {
        "action": argparse.BooleanOptionalAction,
        "help": "whether raters also learn from flipped images (default: if images have colours)",
    },
    "--pretrained": {
        "action": "store_true",
        "help": "raters that start from networks trained on ImageNet, for lower rates; colour images, and the extra "
        "[pretrained]",
    },
    "--seed": {
        "type": _seed,
        "default": 0,
        "metavar": "N",
        "help": "of the first rater; the next has the next (default: 0)",
    },
}


def add_options(parser: argparse._ActionsContainer) -> None:
    """Declares the options, of a parser or of a group of one."""
    for name, how in OPTIONS.items():
        parser.add_argument(name, **how)


def to_arguments(args: argparse.Namespace) -> list[str]:
    """Returns the arguments that give another process the options that were given to this one."""
    arguments: list[str] = []
    for name in OPTIONS:
        match getattr(args, name.removeprefix("--").replace("-", "_")):
            case None:
                continue
            case True:
                arguments.append(name)
            case False:
                arguments += ["--no-flip"] if name == "--flip" else []
            case list(values):
                arguments += [name, *map(repr, values)]
            case value:
                arguments.append(f"{name}={value}")
    return arguments
