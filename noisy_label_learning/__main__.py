"""Learns with noisy labels, from arrays: `python -m noisy_label_learning learn|tune|benchmark|clean|study|report`.

`noisy-labels learn` and the like prepare the arrays and start this. Neither TensorFlow nor TFDS is needed here. What
follows `--` are Apache Beam's options, with --beam.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from noisy_label_datasets import training_options
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.output import guarded_output, printable
from noisy_label_learning.commands import benchmark, clean, learn, report, study, tune
from rater_training.config import ConfigError

_INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m noisy_label_learning", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in (
        ("learn", learn),
        ("benchmark", benchmark),
        ("clean", clean),
        ("study", study),
        ("report", report),
        ("tune", tune),
    ):
        text = module.__doc__ or name
        command = commands.add_parser(
            name, help=text.splitlines()[0], description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0, 2 if it failed, 3 if a run diverged, 130 if it was interrupted."""
    with guarded_output():
        return _main(sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    own, for_beam = training_options.divided(argv)
    args = _parser().parse_args(own, argparse.Namespace(beam=False, for_beam=for_beam))
    try:
        training_options.check_beam(args, for_beam, not_with_beam=())
        return args.run(args)
    except (NoisyLabelsError, ConfigError, OSError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; finished runs have their records, the same command resumes the others", file=sys.stderr)
        return _INTERRUPTED
    except Exception:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    sys.exit(main())
