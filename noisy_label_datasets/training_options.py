"""Options of a training, declared once for `noisy-labels train` and `python -m rater_training train`.

    add_options(parser)
    own, for_beam = divided(argv)                       # the arguments before the first `--`, and those after it
    args = parser.parse_args(own)
    check_beam(args, for_beam)
    command = ["train", *to_arguments(args, for_beam)]  # the same options for another process

Nothing here knows how raters are trained: the command that only passes the options on has no JAX to ask.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from noisy_label_datasets.errors import NoisyLabelsError

MAX_PARALLEL = 4  # each takes about 2 GB


class OptionsError(NoisyLabelsError):
    """Options of a training that do not go together."""


def positive(text: str) -> int:
    """Returns a whole number of 1 or more: a `type` of argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is given; it has to be a whole number, 1 or more")
    return int(text)


def number(allowed: Callable[[float], bool], what: str) -> Callable[[str], float]:
    """Returns a `type` of argparse: numbers that are allowed; what: how they are described, such as "above 0"."""

    def number_of(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan  # which no comparison allows
        if not allowed(value):
            raise argparse.ArgumentTypeError(f"{text!r} is given; it has to be a number {what}")
        return value

    return number_of


def beam_help(how: str) -> str:
    """Returns the help text of `--beam`; how: what is an element of the pipeline."""
    return f"as an Apache Beam pipeline ({how}); Beam's options follow after `--` (default: processes of this machine)"


# Name -> what argparse's `add_argument` takes besides.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--only": {"nargs": "+", "default": [], "metavar": "RATER", "help": "train these raters only"},
    "--note": {"default": "", "metavar": "TEXT", "help": "a note for the provenance"},
    "--num-parallel": {
        "type": positive,
        "metavar": "N",
        "help": f"raters trained in parallel (default: on a CPU one per core, at most {MAX_PARALLEL}; else 1)",
    },
    "--num-vmapped": {
        "type": positive,
        "metavar": "N",
        "help": "raters of one architecture that are trained in one vmapped loop, each the same as alone up to"
        " rounding (default: on a CPU 1; else all)",
    },
    "--images": {
        "choices": ("resident", "streamed"),
        "help": "keep the training images on the device, or stream batches to it"
        " (default: resident, unless they take more than half of its memory)",
    },
    "--devices": {
        "type": positive,
        "metavar": "N",
        "help": "number of devices that share each batch (default: all)",
    },
    "--save-weights": {
        "action": "store_true",
        "help": "save the trained networks in the folder `weights` beside the predictions",
    },
    "--beam": {
        "action": "store_true",
        "help": beam_help("a rater is an element, and is trained by one worker, on its first device"),
    },
}
# A worker trains one rater at a time, on its own first device.
NOT_WITH_BEAM = ("--num-parallel", "--num-vmapped", "--images", "--devices")


def add_options(parser: argparse.ArgumentParser, *, without: Collection[str] = ()) -> None:
    """Declares the options of a training, but for some."""
    for name, how in OPTIONS.items():
        if name not in without:
            parser.add_argument(name, **how)


def divided(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns what stands before the first `--`, and what after it, which is Beam's."""
    arguments = list(arguments)
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:cut], arguments[cut + 1 :]


def check_beam(
    args: argparse.Namespace, for_beam: Sequence[str], *, not_with_beam: Collection[str] = NOT_WITH_BEAM
) -> None:
    """Checks that what was given goes together.

    Args:
      args: parsed; of commands that have no `--beam` with `beam` false.
      for_beam: what followed `--`.
      not_with_beam: names of options that would have no effect with `--beam`.

    Raises:
      OptionsError: options for Beam without `--beam`, or options that do not go with it.
    """
    if for_beam and not args.beam:
        raise OptionsError(f"options after `--` are Apache Beam's and need --beam: {' '.join(for_beam)}")
    if args.beam and (given := [name for name in not_with_beam if _is_given(args, name)]):
        raise OptionsError(f"--beam does not go with {', '.join(given)}: leave out the one or the other")


def to_arguments(args: argparse.Namespace, for_beam: Sequence[str] = ()) -> list[str]:
    """Returns the arguments that give another process the options that were given to this one."""
    arguments: list[str] = []
    for name in OPTIONS:
        if not _is_given(args, name):
            continue
        match _value(args, name):
            case True:
                arguments.append(name)
            case list(values):
                arguments += [name, *values]
            case value:
                arguments.append(f"{name}={value}")
    return [*arguments, "--", *for_beam] if for_beam else arguments


def _is_given(args: argparse.Namespace, name: str) -> bool:
    value = _value(args, name)
    return value is not None and value is not False and value != OPTIONS.get(name, {}).get("default")


def _value(args: argparse.Namespace, name: str) -> Any:
    return getattr(args, name.removeprefix("--").replace("-", "_"), None)
