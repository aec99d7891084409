"""Correct labels without training on them: a table of the examples and one of the raters, as CSV or Parquet.

    examples.csv    id, given_label, corrected_label, probability, suspect, in_paired_subset
    raters.csv      id, labels, accuracy, and the estimated confusion matrix, P(given j | class i) as p_i_j

A label is suspect where the corrector's most probable one is another. Precision and recall of the suspects are printed,
against the clean labels that the dataset has; no corrector sees them beyond the paired subset.
"""

from __future__ import annotations

import argparse
import csv
import io
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from noisy_label_datasets import learning_options
from noisy_label_datasets.files import write_atomically
from noisy_label_learning.algorithms import CrossEntropy
from noisy_label_learning.commands import settings
from noisy_label_learning.commands.learn import Progress
from noisy_label_learning.correctors import Corrected
from noisy_label_learning.correctors.base import one_hot
from noisy_label_learning.correctors.rater_features import paired_confusions
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import Problem
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.session import Session

FORMATS = ("csv", "parquet")
Columns = Mapping[str, Sequence]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    parser.add_argument("--arrays", required=True, metavar="FOLDER", help="clean arrays (CleanDataset.save)")
    parser.add_argument("--labels", required=True, metavar="FOLDER", help="noisy labels (LabelArrays.save)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the two tables go")
    parser.add_argument("--corrector", required=True, metavar="NAME")
    parser.add_argument("--format", choices=FORMATS, default="csv")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    learning_options.add_options(parser, learning_options.LEARN)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the tables; returns the exit code."""
    settings.register(args.register)
    corrector = settings.corrector(args.corrector, args.set)
    problem = settings.load_problem(args, args.labels)
    network, schedule = settings.training_of(args, problem)
    folder = pathlib.Path(args.out)
    session = Session(problem, folder, on_prior_epoch=Progress().prior)
    corrected = session.corrected(RunConfig(CrossEntropy(), corrector, network, schedule, seed=args.seed))
    for name, columns in (("examples", example_table(problem, corrected)), ("raters", rater_table(problem, corrected))):
        path = folder / f"{name}.{args.format}"
        write_table(path, columns)
        print(f"{path}: {len(next(iter(columns.values())))} rows")
    print("\n".join(summary_lines(problem, corrected)))
    return 0


def example_table(problem: Problem, corrected: Corrected) -> Columns:
    """Returns the columns of the table of examples; labels are the classes' names."""
    data = problem.data
    names = np.array(data.class_names)
    probability = corrected.believed[np.arange(len(data.train)), corrected.labels]
    return {
        "id": data.train.ids.tolist(),
        "given_label": names[data.train.noisy_label].tolist(),
        "corrected_label": names[corrected.labels].tolist(),
        "probability": probability.round(6).tolist(),
        "suspect": (corrected.labels != data.train.noisy_label).tolist(),
        "in_paired_subset": np.isin(np.arange(len(data.train)), data.paired.rows).tolist(),
    }


def rater_table(problem: Problem, corrected: Corrected) -> Columns:
    """Returns the columns of the table of raters: how often each agrees with the corrected labels, and its confusions.

    The confusion matrices are the corrector's own where it estimates some, else counted against its labels.
    """
    data, num_raters = problem.data, len(problem.data.raters)
    given = data.train.noisy_labels >= 0
    confusions = corrected.confusions
    if confusions is None:
        rows, raters = np.nonzero(given)
        confusions = paired_confusions(
            data.train.noisy_labels[given],
            raters,
            corrected.labels[rows],
            num_raters=num_raters,
            num_classes=data.num_classes,
        )
    agreement = np.einsum(
        "nrk,nk->r",
        one_hot(np.maximum(data.train.noisy_labels, 0), data.num_classes) * given[..., None],
        corrected.believed,
    )
    return {
        "id": [str(rater["id"]) for rater in data.raters],
        "labels": given.sum(axis=0).tolist(),
        "accuracy": (agreement / np.maximum(given.sum(axis=0), 1)).round(6).tolist(),
        **{
            f"p_{i}_{j}": confusions[:, i, j].round(6).tolist()
            for i in range(data.num_classes)
            for j in range(data.num_classes)
        },
    }


def summary_lines(problem: Problem, corrected: Corrected) -> list[str]:
    """Returns what is printed: label error before and after, precision and recall of the suspects."""
    given, truth = problem.data.train.noisy_label, problem.answers.train_labels
    suspect, wrong = corrected.labels != given, given != truth
    caught = int((suspect & wrong).sum())
    lines = [
        f"wrong labels: {wrong.mean():.1%} as given, {np.mean(corrected.labels != truth):.1%} corrected",
        f"suspects: {suspect.sum()} of {len(given)}, "
        f"precision {caught / max(int(suspect.sum()), 1):.1%}, recall {caught / max(int(wrong.sum()), 1):.1%}",
    ]
    if corrected.clean_labels_used:
        lines.append(f"clean labels of the training images seen: {corrected.clean_labels_used}")
    return lines


def write_table(path: pathlib.Path, columns: Columns) -> None:
    """Writes columns as CSV or, where the name ends so, Parquet; whole or not at all.

    Raises:
      LearningError: Parquet needs PyArrow, which is not installed.
    """
    if path.suffix == ".parquet":
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise LearningError(
                f"Parquet needs PyArrow, which is not installed here ({error}): pip install pyarrow"
            ) from error
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(dict(columns)), buffer)
        write_atomically(path, buffer.getvalue())
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_atomically(path, text.getvalue().encode())
