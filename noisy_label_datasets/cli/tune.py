"""Choose learning rate and settings of algorithms for `benchmark`, on noisy validation, and those of correctors.

  noisy-labels tune cifar10_noisy/medium --preset compact --algorithms co_teaching mentor_mix --correctors lqm

Trains at a seed of its own, 100 unless another is named, which is to be among no reported seeds; test is not looked at.
Ends with the options to give to `noisy-labels benchmark`. The small grid is `noisy_label_learning/commands/tune.py`'s.
"""

from __future__ import annotations

import argparse
import pathlib

from noisy_label_datasets import learning_options
from noisy_label_datasets.cli.learning_process import check_installed, prepare, start
from noisy_label_datasets.cli.targets import add_data_dir, add_target, find_builder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `tune` takes."""
    add_target(parser)
    add_data_dir(parser)
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="records elsewhere than in the data folder")
    learning_options.add_options(parser, learning_options.TUNE)
    learning_options.add_options(parser, learning_options.LEARN)


def run(args: argparse.Namespace) -> None:
    """Prepares the arrays and trains the grid."""
    check_installed()
    folders = prepare(find_builder(args.target, data_dir=args.data_dir), args.preset)
    start(
        "tune",
        f"--arrays={folders.arrays}",
        f"--labels={folders.labels}",
        f"--out={args.out or folders.runs.with_name('tuning')}",
        *learning_options.to_arguments(args, learning_options.TUNE),
        *learning_options.to_arguments(args, learning_options.LEARN),
    )
