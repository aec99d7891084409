"""Write the labels of a config as a table: CSV, Parquet or NumPy's .npz.

  noisy-labels labels cifar10_noisy/medium --out labels.csv
  noisy-labels labels cifar10_noisy/rate_0.37 --splits noisy_label_train --out labels.parquet

A row per example: id, split, which of the dataset's own files it is in and where (torchvision's and Keras' order),
clean label, noisy labels by rater, and the one label to train on. Needs no images and no TensorFlow.
"""

from __future__ import annotations

import argparse
import pathlib

from noisy_label_datasets.cli.targets import add_data_dir, check_dataset
from noisy_label_datasets.errors import NoisyLabelsError

FORMATS = (".csv", ".parquet", ".npz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `labels` takes."""
    parser.add_argument("target", metavar="DATASET/CONFIG", help="such as cifar10_noisy/medium")
    add_data_dir(parser)
    parser.add_argument("--out", metavar="FILE", type=pathlib.Path, required=True, help=f"ends in {', '.join(FORMATS)}")
    parser.add_argument("--splits", nargs="+", metavar="SPLIT", help="these only (default: all that raters labelled)")


def run(args: argparse.Namespace) -> None:
    """Writes the table.

    Raises:
      NoisyLabelsError: labels that cannot be had, an unknown split, or a file of another kind.
      OSError: the file cannot be written.
    """
    from noisy_label_datasets.labels.loading import load_labels

    if args.out.suffix not in FORMATS:
        raise NoisyLabelsError(f"--out is {args.out}; it has to end in {', '.join(FORMATS)}")
    check_dataset(args.target.partition("/")[0], args.data_dir)
    labels = load_labels(args.target, data_dir=args.data_dir)
    if args.splits:
        labels = labels.select(*args.splits)
    write = {".csv": labels.to_csv, ".parquet": labels.to_parquet, ".npz": labels.to_npz}[args.out.suffix]
    write(args.out)
    print(f"Wrote {len(labels):,} examples with the labels of {len(labels.raters)} raters to {args.out}")
