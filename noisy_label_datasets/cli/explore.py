"""Look at a dataset's images and labels: one HTML page, with filters and every rater's labels and probabilities.

  noisy-labels explore digits_noisy/medium
  noisy-labels explore cifar10_noisy/high --split test --max-images 3000 --out high.html
  noisy-labels explore exports/digits --out digits.html
  noisy-labels explore cifar10_noisy/medium --no-images

Of a built dataset, or of a folder that `noisy-labels export` wrote. The page is one file that any browser opens,
without a network and on a telephone too: filter by class, given label, rater, agreement and difficulty, sort, and click
on an image to see all that was said of it. With --no-images nothing has to be built: the page has the labels alone.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.targets import add_data_dir, find_builder
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.registration import dataset_names

if TYPE_CHECKING:
    from noisy_label_datasets.explore.model import Choice, Explored

SPLIT, MAX_IMAGES = "noisy_label_train", 1_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `explore` takes."""
    parser.add_argument("target", metavar="DATASET/CONFIG|FOLDER", help="a built dataset, or an exported folder")
    add_data_dir(parser)
    parser.add_argument("--split", default=SPLIT, metavar="SPLIT", help="whose images (default: %(default)s)")
    parser.add_argument(
        "--max-images", type=int, default=MAX_IMAGES, metavar="N", help="how many at the most (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the choice among more (default: 0)")
    parser.add_argument("--no-images", action="store_true", help="the labels alone, of a config that need not be built")
    parser.add_argument(
        "--out", type=pathlib.Path, metavar="FILE", help="the page (default: DATASET-CONFIG.html or FOLDER.html, here)"
    )


def run(args: argparse.Namespace) -> None:
    """Writes the page.

    Raises:
      NoisyLabelsError: nothing of the kind is built or exported, or something else that was asked for cannot be had.
      OSError: the page cannot be written.
    """
    from noisy_label_datasets import files
    from noisy_label_datasets.explore.model import Choice
    from noisy_label_datasets.explore.page import to_html

    if args.out is not None and args.out.is_dir():
        raise NoisyLabelsError(f"--out is {args.out}, which is a folder: name a file")
    choice = Choice(args.split, args.max_images, args.seed)
    explored = (_labels_alone if args.no_images else _explored)(args.target, choice, args.data_dir)
    out = args.out or pathlib.Path(f"{explored.name.replace('/', '-')}.html")
    page = to_html(explored).encode()
    files.write_atomically(out, page)
    print(
        f"Wrote {len(explored.examples):,} {'images' if explored.has_images else 'examples'} of {explored.name}, "
        f"{explored.split}, to {out} ({len(page):,} bytes)"
    )


def _labels_alone(target: str, choice: Choice, data_dir: str | None) -> Explored:
    """Returns the labels of a dataset's config."""
    from noisy_label_datasets.explore.labels_alone import explore_labels
    from noisy_label_datasets.labels.loading import load_labels

    if target.partition("/")[0] not in dataset_names() and _is_path(target):
        raise NoisyLabelsError(f"--no-images takes DATASET/CONFIG, given the folder {target}")
    return explore_labels(load_labels(target, data_dir=data_dir), choice)


def _explored(target: str, choice: Choice, data_dir: str | None) -> Explored:
    """Returns what a target holds: a dataset's config, or else an exported folder."""
    folder = pathlib.Path(target)
    if target.partition("/")[0] in dataset_names() or not _is_path(target):
        from noisy_label_datasets.explore.built import explore_built

        return explore_built(find_builder(target, data_dir=data_dir), choice)
    from noisy_label_datasets.explore.exported import explore_exported

    if not folder.is_dir():
        raise NoisyLabelsError(f"{target} is no folder, nor is it of the form DATASET/CONFIG")
    return explore_exported(folder, choice)


def _is_path(target: str) -> bool:
    """Returns whether a target is meant to be a folder, where it is no dataset."""
    return pathlib.Path(target).is_dir() or target.startswith((".", "/", "~")) or target.count("/") > 1
