"""Compare the labels of the CIFAR-10 test set with people's: Table 1 of the paper.

  noisy-labels evaluate cifar10_noisy
  noisy-labels evaluate cifar10_noisy/low rater_predictions/cifar10_noisy/high/

For each built config, or folder of rater predictions: how far its labels lie from CIFAR-10H, beside independent and
class-conditional flips of the same error rate and the figures that the paper prints. CIFAR-10H is fetched once (0.8
MB). The paper corrects mislabelled test images before it computes error rates; --corrections does, from a list that is
fetched too.
"""

import argparse
import dataclasses
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.targets import add_data_dir, full_name

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from noisy_label_datasets.builder import NoisyLabelBuilder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `evaluate` takes."""
    parser.add_argument(
        "pools", nargs="+", metavar="DATASET[/LEVEL]|FOLDER", help="what is built, or folders of rater predictions"
    )
    add_data_dir(parser)
    parser.add_argument("--human-labels", metavar="FILE", help="cifar10h-counts.npy (default: fetched)")
    parser.add_argument(
        "--corrections",
        nargs="?",
        const="",
        metavar="FILE",
        help="correct mislabelled test images first, by cifar10_mturk.json (default: fetched)",
    )


def run(args: argparse.Namespace) -> None:
    """Prints a table for each pool.

    Raises:
      HumanLabelsError: people's labels or the corrections cannot be had, are damaged, or are of other examples.
      NoisyLabelsError: a pool that is not there or not whole.
    """
    from rich.console import Console

    from noisy_label_datasets import human_labels, table1
    from noisy_label_datasets.card.terminal import table1_lines
    from noisy_label_datasets.instance_dependence import instance_dependence

    people = human_labels.load_cifar10h(args.human_labels)
    pools = [pool for name in args.pools for pool in find_pools(name, args.data_dir)]
    console = Console(highlight=False)
    for number, pool in enumerate(pools):
        labels, counts = pool.labels, people.of(pool.ids)
        if args.corrections is not None:
            labels = human_labels.load_corrections(pool.ids, labels, args.corrections or None)
        if number == 0:
            num_corrected = None if args.corrections is None else int((labels != pool.labels).sum())
            _print_setting(console, num_corrected, table1.reproduction(labels, counts))
        console.print(*table1_lines(table1.compare(pool.noisy_labels, labels, counts), pool.name), sep="\n")
        found = instance_dependence(pool.noisy_labels, labels, counts.shape[1])
        console.print(
            f"[dim]within a class: variance of the votes {found.vote_variance:.4f}, of an image's error rate "
            f"{found.flip_rate_variance:.4f}; {found.explained_by_class:.1%} of the latter's total is the class\n"
        )


@dataclasses.dataclass(frozen=True)
class PoolLabels:
    """The labels of a test split.

    Attributes:
      name: 'cifar10_noisy/low'.
      ids: [n] <U.
      labels: [n] clean labels.
      noisy_labels: [n, R].
    """

    name: str
    ids: "np.ndarray"
    labels: "np.ndarray"
    noisy_labels: "np.ndarray"


def find_pools(name: str, data_dir: str | None) -> list[PoolLabels]:
    """Returns the test labels of a folder of rater predictions, of a built config, or of all that are built."""
    from noisy_label_datasets.cli.card import built
    from noisy_label_datasets.predictions import read_predictions

    if pathlib.Path(name).is_dir():
        read = read_predictions(pathlib.Path(name))
        full = f"{read.dataset}/{read.level}"
        return [PoolLabels(full, read.ids["test"], read.clean_labels["test"], read.noisy_labels["test"])]
    return [labels_of_test(builder) for builder in built(name, data_dir)]


def labels_of_test(builder: "NoisyLabelBuilder") -> PoolLabels:
    """Returns the test labels of a built dataset."""
    import numpy as np

    from noisy_label_datasets.cli.reading import read_labels

    read = read_labels(builder, "test")
    return PoolLabels(full_name(builder), np.array(read.ids), read.labels, np.array(read.noisy_labels))


def _print_setting(console: "Console", num_corrected: int | None, found: "Mapping[str, object]") -> None:
    """Says what the labels are judged by, and how near this way comes to what the paper prints."""
    from noisy_label_datasets import table1

    if num_corrected is None:
        console.print("Mislabelled test images are not corrected, as they are in the paper: --corrections does it.")
    else:
        console.print(f"{num_corrected} mislabelled test images are corrected.")
    rates = " / ".join(f"{rate:.1%}" for rate in table1.PAPER_ERROR_RATES.values())
    here = " / ".join(str(found[level]) for level in table1.LEVELS)
    paper = " / ".join(str(table1.PAPER[level]["independent flipping"]) for level in table1.LEVELS)
    console.print(f"Independent flips at the paper's error rates ({rates}):\n  here   {here}\n  paper  {paper}\n")
