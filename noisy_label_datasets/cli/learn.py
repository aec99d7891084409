"""Train a network on the noisy labels with one of the algorithms of Section 4, or one of your own.

  noisy-labels learn digits_noisy/high --algorithm co_teaching
  noisy-labels learn digits_noisy/high --algorithm mentor_mix --corrector lqm

Prints test accuracy of the last epoch, of those selected on noisy and on corrected validation labels, and the best on
test, beside cross-entropy's if that has been run. Algorithms: cross_entropy, bootstrap, co_teaching, mc_softmax,
mentor_mix, generalized_cross_entropy, elr, f_correction, rog. Correctors: none, clean_subset, majority, dawid_skene,
lqm.
"""

from __future__ import annotations

import argparse
import pathlib

from noisy_label_datasets import learning_options
from noisy_label_datasets.cli.learning_process import check_installed, prepare, start
from noisy_label_datasets.cli.targets import add_data_dir, add_target, find_builder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `learn` takes."""
    add_target(parser)
    add_data_dir(parser)
    parser.add_argument("--algorithm", required=True, metavar="NAME", help="how to learn")
    parser.add_argument(
        "--corrector", default="none", metavar="NAME", help="which labels to learn from (default: none)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of weights, order and corrector")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="records elsewhere than in the data folder")
    learning_options.add_options(parser, learning_options.LEARN)
    learning_options.add_options(parser, learning_options.CORRECTED)


def run(args: argparse.Namespace) -> None:
    """Prepares the arrays and trains."""
    check_installed()
    folders = prepare(find_builder(args.target, data_dir=args.data_dir), args.preset)
    start(
        "learn",
        f"--arrays={folders.arrays}",
        f"--labels={folders.labels}",
        f"--out={args.out or folders.runs}",
        f"--algorithm={args.algorithm}",
        f"--corrector={args.corrector}",
        f"--seed={args.seed}",
        *learning_options.to_arguments(args, learning_options.LEARN),
        *learning_options.to_arguments(args, learning_options.CORRECTED),
    )
