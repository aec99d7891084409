"""Export a built dataset to a folder of Parquet files: for Hugging Face datasets, or with Croissant metadata.

  noisy-labels export digits_noisy/medium --format huggingface --out digits
  noisy-labels export digits_noisy/medium --format croissant --out digits

The first is read with datasets.load_dataset("digits") and can be uploaded as it is: it has a dataset card. The second
is read with mlcroissant.Dataset("digits/croissant.json"). Needs the [export] extra.
"""

from __future__ import annotations

import argparse
import pathlib

from noisy_label_datasets.cli.targets import add_data_dir, add_target, find_builder
from noisy_label_datasets.export.folder import FORMATS
from noisy_label_datasets.info import full_name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `export` takes."""
    add_target(parser)
    add_data_dir(parser)
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="default: %(default)s")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", required=True, help="new, or empty")


def run(args: argparse.Namespace) -> None:
    """Exports a dataset."""
    from noisy_label_datasets.export.folder import export

    builder = find_builder(args.target, data_dir=args.data_dir)
    folder = export(builder, args.out, args.format)
    print(f"Wrote {full_name(builder)} {builder.version} to {folder}. Next, in Python:\n")
    if args.format == "huggingface":
        print(f"    import datasets\n    dataset = datasets.load_dataset({str(folder)!r}, split='noisy_label_train')\n")
    else:
        where = str(folder / "croissant.json")
        print(f"    import mlcroissant\n    records = mlcroissant.Dataset({where!r}).records('noisy_label_train')\n")
