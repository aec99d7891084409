"""Build the TFDS dataset: images and clean labels of the base dataset, noisy labels of the raters, joined by id.

Labels that were trained on this machine are used before those that are shipped with the package. A dataset that was
built from other labels than those found now, or in another file format than the one asked for, is built anew.

  noisy-labels build cifar10_noisy/people --annotations labels.csv

makes a config of your own, called `people`, of labels that human annotators gave: a table with a row per given label,
and the columns id, annotator and label. They are stored in the data folder, where every command finds the config by its
name from then on, without the table.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.tables import NOTHING, print_table
from noisy_label_datasets.cli.targets import (
    add_data_dir,
    add_file_format,
    add_target,
    check_dataset,
    find_builder,
)
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.info import full_name, missing_from_base
from noisy_label_datasets.registration import builder_class, own_names

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `build` takes."""
    add_target(parser)
    add_data_dir(parser)
    add_file_format(parser)
    parser.add_argument(
        "--beam",
        action=argparse.BooleanOptionalAction,
        help="build with Apache Beam (default: pcam_noisy, where memory suffices, and any dataset with --beam-options)",
    )
    parser.add_argument(
        "--annotations",
        metavar="TABLE",
        type=os.path.abspath,
        help="CSV or Parquet: the config, which is none of the package's, has these labels (see labels/annotations.py)",
    )
    parser.add_argument(
        "--columns",
        nargs=3,
        metavar=("ID", "ANNOTATOR", "LABEL"),
        default=("id", "annotator", "label"),
        help="of that table (default: id annotator label)",
    )
    parser.add_argument(
        "--beam-options",
        metavar="NAME=VALUE,...",
        help="Beam's pipeline options, as `tfds build --beam_pipeline_options` takes them",
    )


def run(args: argparse.Namespace) -> None:
    """Builds a dataset."""
    if args.annotations:
        store_annotations(args.target, args.annotations, args.columns, data_dir=args.data_dir)
    builder = find_builder(args.target, data_dir=args.data_dir)
    builder = build(builder, args.file_format, beam=args.beam, beam_options=args.beam_options)
    print_summary(builder)
    print_load_line(builder, args.data_dir)


def store_annotations(target: str, table: str, columns: Sequence[str], *, data_dir: str | None) -> None:
    """Stores the labels of a table of annotations as those of 'cifar10_noisy/people', a config of its own.

    Args:
      target: a dataset, and a name that none of its declared configs has.
      table: path of CSV or Parquet.
      columns: of the table: with the example's id, with the annotator, with the label.
      data_dir: where TFDS keeps datasets; None: its default.

    Raises:
      NoisyLabelsError: no such dataset; no name, one that is no name, or one that is taken; labels that do not fit.
      OSError: the labels cannot be stored.
    """
    from noisy_label_datasets.build.own_configs import annotated_config
    from noisy_label_datasets.labels import stored_annotations
    from noisy_label_datasets.labels.annotations import Annotations

    dataset, _, name = target.partition("/")
    check_dataset(dataset, data_dir)
    if not re.fullmatch(stored_annotations.NAME, name):
        raise NoisyLabelsError(f"{target}: a config is called by small letters, digits and _, as {dataset}/people")
    if name in builder_class(dataset).builder_configs:
        raise NoisyLabelsError(f"{dataset} has a config {name} already: name another for --annotations")
    context = builder_class(dataset)(config=annotated_config(name), data_dir=data_dir).label_context()
    labels = Annotations(table, *columns).load(context)
    stored_annotations.store(stored_annotations.path_of(context.data_dir, dataset, name), labels, context, name)


def build(
    builder: NoisyLabelBuilder,
    file_format: str | None = None,
    *,
    beam: bool | None = None,
    beam_options: str | None = None,
) -> NoisyLabelBuilder:
    """Builds a dataset where that has to be done and says so; see `prepare`."""
    import tensorflow_datasets as tfds

    from noisy_label_datasets.build.preparation import prepare

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    return prepare(
        builder,
        file_format,
        beam=beam,
        beam_options=beam_options,
        report=lambda message: print(message, flush=True),
    )


def print_summary(builder: NoisyLabelBuilder) -> None:
    """Prints size, rater error rate and first example of each split."""
    from noisy_label_datasets.noise.metrics import MISSING
    from noisy_label_datasets.reading import read_labels

    names = builder.info.features["label"].names
    figures = builder.info.metadata["noise"]["splits"]
    rows = []
    for split, info in builder.info.splits.items():
        first = read_labels(builder, f"{split}[:1]")
        rows.append(
            (
                split,
                f"{info.num_examples:,}",
                NOTHING if (rate := figures.get(split, {}).get("rater_error_rate")) is None else f"{rate:.3f}",
                first.ids[0],
                names[first.labels[0]],
                names[first.noisy_label[0]],
                " ".join(names[label] if label != MISSING else NOTHING for label in first.noisy_labels[0])
                if (first.noisy_labels[0] != MISSING).any()
                else NOTHING,
            )
        )
    print(f"\n{full_name(builder)} {builder.version} in {builder.data_dir}, and the first example of each split\n")
    print_table(("split", "examples", "error rate", "id", "label", "noisy_label", "noisy_labels"), rows)
    if missing := missing_from_base(builder):
        print(f"\n{missing}")


def print_load_line(builder: NoisyLabelBuilder, data_dir: str | None) -> None:
    """Prints what to type next in Python."""
    where = f", data_dir={data_dir!r}" if data_dir else ""
    call = f"{full_name(builder)!r}, split='noisy_label_train'{where}"
    module = "noisy_label_datasets" if builder.name in own_names() else type(builder).__module__
    print(f"\nNext, in Python:\n\n    import {module}, tensorflow_datasets as tfds")
    if builder.info.file_format.value == "array_record":
        print(f"    source = tfds.data_source({call})\n")
    else:
        print(f"    dataset = tfds.load({call}, as_supervised=True)\n")
