"""Correct labels without training on them: suspects, corrected labels and rater confusions, as CSV or Parquet.

  noisy-labels clean cifar10_noisy/medium --corrector dawid_skene

Writes a table with a row per example (id, given label, corrected label, probability, suspect or not) and one with a row
per rater (estimated confusion matrix, accuracy), and prints precision and recall against the clean labels. Correctors:
majority, dawid_skene, lqm; and clean_subset, none.
"""

from __future__ import annotations

import argparse
import pathlib

from noisy_label_datasets import learning_options
from noisy_label_datasets.cli.learning_process import check_installed, prepare, start
from noisy_label_datasets.cli.targets import add_data_dir, add_target, find_builder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `clean` takes."""
    add_target(parser)
    add_data_dir(parser)
    parser.add_argument("--corrector", required=True, metavar="NAME", help="how to correct")
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("cleaned"), metavar="FOLDER", help="where the tables go"
    )
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv", help="of the tables (default: csv)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random")
    learning_options.add_options(parser, learning_options.LEARN)


def run(args: argparse.Namespace) -> None:
    """Prepares the arrays and corrects."""
    check_installed()
    folders = prepare(find_builder(args.target, data_dir=args.data_dir), args.preset)
    start(
        "clean",
        f"--arrays={folders.arrays}",
        f"--labels={folders.labels}",
        f"--out={args.out}",
        f"--corrector={args.corrector}",
        f"--format={args.format}",
        f"--seed={args.seed}",
        *learning_options.to_arguments(args, learning_options.LEARN),
    )
