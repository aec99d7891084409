"""The `noisy-labels` command.

Each subcommand is a module of this package: its docstring is the help text (the first line stands in the overview),
`add_arguments(parser)` declares what it takes, `run(args)` does it. None of them imports anything heavy before it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

from noisy_label_datasets import training_options
from noisy_label_datasets.cli.targets import check_data_dir, import_datasets
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.output import guarded_output, printable
from noisy_label_datasets.version import __version__

COMMANDS = (
    "list",
    "make",
    "train",
    "label",
    "build",
    "card",
    "verify",
    "evaluate",
    "export",
    "explore",
    "labels",
    "learn",
    "tune",
    "benchmark",
    "study",
    "clean",
)

DESCRIPTION = """\
Image-classification datasets whose noisy labels come from simulated raters: neural networks that were trained on the
clean half of a dataset and labelled the other half.

  noisy-labels list                        what there is
  noisy-labels make digits_noisy/medium    train raters, build the dataset, show its noise card
  noisy-labels learn digits_noisy/high --algorithm co_teaching     train on the noisy labels
"""

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line."""
    root = argparse.ArgumentParser(
        prog="noisy-labels", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    root.add_argument(
        "--imports",
        metavar="MODULE[,MODULE]",
        help="modules of your own with datasets, of the working directory or installed; before the command's name",
    )
    root.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"{__name__}.{name}")
        text = module.__doc__ or name
        summary = text.splitlines()[0]
        command = commands.add_parser(
            name,
            help=summary[0].lower() + summary[1:].rstrip("."),
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code.

    0: done. 1: the machine failed (disk, permissions, network). 2: what was asked for is wrong or cannot be had; the
    message says what is allowed. 130 or 143: interrupted or terminated; what was finished is kept.
    """
    with guarded_output():
        return _main(sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    own, for_beam = _divided(argv)
    args, unknown = parser().parse_known_args(own, argparse.Namespace(for_beam=for_beam))
    if unknown:
        takes = " ".join(args.parser.format_usage().split())
        return _complain(f"error: unrecognized arguments: {' '.join(unknown)} ({takes})", EXIT_BAD_INPUT)
    _silence_libraries()
    # A polite kill unwinds the stack too, so that no training process stays behind.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        if (data_dir := getattr(args, "data_dir", None)) is not None:
            check_data_dir(data_dir)
        if args.imports is not None:
            import_datasets(args.imports)
        with _own_warnings():
            args.run(args)
        sys.stdout.flush()
        return 0
    except NoisyLabelsError as error:
        return _complain(f"error: {error}", EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        return _complain(
            "interrupted. Whatever was finished is kept: the same command resumes where this one stopped.",
            EXIT_INTERRUPTED,
        )
    except BrokenPipeError:  # `noisy-labels list | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        return _complain(f"error: {error}", EXIT_FAILED)


def _divided(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Returns the command's own arguments, and Beam's: what follows `--` after the commands that take it."""
    own, for_beam = training_options.divided(argv)
    # Elsewhere `--` means what it does to argparse.
    return (own, for_beam) if {"train", "label", "benchmark", "study"} & set(own) else (argv, [])


def _silence_libraries() -> None:
    """Hides what TensorFlow logs of missing GPUs, Beam of packages, and TFDS of every folder that is not built yet."""
    import logging as python_logging

    from absl import logging

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.ERROR)
    python_logging.getLogger().addFilter(lambda record: "apitools not found" not in record.getMessage())


@contextlib.contextmanager
def _own_warnings() -> Iterator[None]:
    """Shows this package's warnings in a line without the place in the code; leaves others as they are."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_own(message: Warning | str, category: type[Warning], *rest: Any, **kwargs: Any) -> None:
            if category.__module__.partition(".")[0] == __package__.partition(".")[0]:
                print(f"noisy-labels: warning: {printable(str(message))}", file=sys.stderr)
            else:
                show(message, category, *rest, **kwargs)

        warnings.showwarning = show_own
        yield


def _complain(message: str, exit_code: int) -> int:
    print(f"noisy-labels: {printable(message)}", file=sys.stderr)
    return exit_code


def _terminate(signal_number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signal_number)
