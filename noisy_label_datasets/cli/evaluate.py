"""Compare the labels of the CIFAR-10 test set with those of human annotators: Table 1 of the paper.

  noisy-labels evaluate cifar10_noisy
  noisy-labels evaluate cifar10_noisy/low rater_predictions/cifar10_noisy/high/

For each built config, or folder of rater predictions: how far its labels lie from CIFAR-10H, beside independent and
class-conditional flips of the same error rate and the figures that the paper prints. CIFAR-10H is fetched once (0.8
MB). The paper corrects mislabelled test images before it computes error rates; --corrections does, from a list that is
fetched too. With --rates, also labels that are sampled from a pool's probabilities, rescaled in each of three ways so
that they have these error rates.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from noisy_label_datasets import training_options
from noisy_label_datasets.cli.built import PoolLabels, built, labels_of_test
from noisy_label_datasets.cli.targets import add_data_dir
from noisy_label_datasets.errors import NoisyLabelsError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.table import Table


_RATE = training_options.number(lambda rate: 0 < rate < 1, "between 0 and 1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `evaluate` takes."""
    parser.add_argument(
        "pools", nargs="+", metavar="DATASET[/CONFIG]|FOLDER", help="built datasets, or folders of rater predictions"
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
    parser.add_argument("--rates", nargs="+", type=_RATE, default=[], metavar="RATE", help="target error rates")


def run(args: argparse.Namespace) -> None:
    """Prints a table for each pool.

    Raises:
      HumanLabelsError: the human labels or the corrections cannot be had, are damaged, or are of other examples.
      NoisyLabelsError: a pool that does not exist or is incomplete.
    """
    from noisy_label_datasets import output
    from noisy_label_datasets.card.terminal import table1_lines
    from noisy_label_datasets.human import ciln_bench, human_labels, table1

    pools = _with_labels([pool for name in args.pools for pool in find_pools(name, args.data_dir)])
    for pool in pools:  # before anything is fetched
        human_labels.check_are_labelled(pool.ids, pool.name)
    people = human_labels.load_cifar10h(args.human_labels)
    console = output.console(highlight=False)
    for number, pool in enumerate(pools):
        labels, counts = pool.labels, people.of(pool.ids)
        if args.corrections is not None:
            labels = human_labels.load_corrections(pool.ids, labels, args.corrections or None)
        if number == 0:
            num_corrected = None if args.corrections is None else int((labels != pool.labels).sum())
            _print_setting(console, num_corrected, table1.reproduction(labels, counts))
        console.print(*table1_lines(table1.compare(pool.noisy_labels, labels, counts), pool.name), sep="\n")
        console.print(table_of_figures(pool, labels, counts, args.rates), "")
        if pool.noisy_labels.shape[1] >= ciln_bench.LABELS:
            console.print(table_as_ciln(pool, labels, counts, args.rates), "")


def _with_labels(pools: Sequence[PoolLabels]) -> list[PoolLabels]:
    """Returns those that have labels of the test split, and names the others, as of people who labelled none of it."""
    from noisy_label_datasets.noise import metrics

    labelled = [pool for pool in pools if metrics.is_labelled(pool.noisy_labels).any()]
    without = [pool.name for pool in pools if not metrics.is_labelled(pool.noisy_labels).any()]
    said = f"no labels of the test split, which CIFAR-10H is of: {', '.join(without)}"
    if not labelled:
        raise NoisyLabelsError(said)
    if without:
        print(f"Left out, with {said}")
    return labelled


def find_pools(name: str, data_dir: str | None) -> list[PoolLabels]:
    """Returns the test labels of a folder of rater predictions, of a built config, or of all configs that are built."""
    from noisy_label_datasets.labels.calibration import calibrated
    from noisy_label_datasets.labels.predictions import read_predictions

    if pathlib.Path(name).is_dir():
        read = read_predictions(pathlib.Path(name))
        full = f"{read.dataset}/{read.level}"
        labels = (read.ids["test"], read.clean_labels["test"], read.noisy_labels["test"])
        return [PoolLabels(full, *labels, lambda: calibrated(read, "test").dense())]
    if pathlib.Path(name).is_absolute() or name.count("/") > 1:
        raise NoisyLabelsError(f"{name} is no folder, nor is it of the form DATASET/CONFIG")
    return [labels_of_test(builder) for builder in built(name, data_dir)]


def table_of_figures(pool: PoolLabels, labels: np.ndarray, counts: np.ndarray, rates: Sequence[float]) -> Table:
    """Returns a table of the figures of a pool's labels, as they are and at target error rates.

    Raises:
      NoisyLabelsError: the labels were not predicted by raters, or a rate is none.
    """
    from noisy_label_datasets.card.model import decimal
    from noisy_label_datasets.human.sweep import Figures, HumanLabelled, measure, sweep

    if rates and pool.probabilities is None:
        raise NoisyLabelsError(f"{pool.name} has no class probabilities to sample from: --rates is for a rater pool")
    shown = _table(
        ("labels", "error", "alpha", "votes", "flips", "class", "ratio", "of 4", "distr."),
        "variances of votes and flip rates within a class; share of the latter that the class explains; raters over "
        "independent flips as in the paper, the same of four labels per image, and as distributions",
    )

    def add(name: str, found: Figures) -> None:
        shown.add_row(
            name,
            f"{found.error_rate:.1%}",
            f"{found.alpha:.3f}",
            f"{found.vote_variance:.4f}",
            f"{found.flip_rate_variance:.4f}",
            f"{found.explained_by_class:.1%}",
            *(decimal(each.value if each else None) for each in (found.ratio, found.ratio_of_four, found.proper_ratio)),
        )

    add("as they are", measure(pool.noisy_labels, labels, counts))
    if pool.probabilities is not None and rates:
        for rescaled in sweep(pool.probabilities(), HumanLabelled(pool.ids, labels, counts), rates):
            if rescaled.figures is None:
                shown.add_row(rescaled.rescaling, f"{rescaled.rate:.1%}", *["–"] * 7)
            else:
                add(f"{rescaled.rescaling} {rescaled.setting:.2g}", rescaled.figures)
    return shown


def table_as_ciln(pool: PoolLabels, labels: np.ndarray, counts: np.ndarray, rates: Sequence[float]) -> Table:
    """Returns a table of the four best raters, as they are and at target rates, beside the voters of CILN-Bench."""
    from noisy_label_datasets.human import ciln_bench
    from noisy_label_datasets.human.sweep import HumanLabelled, sweep_four

    shown = _table(
        ("four labels per image", "error", "ratio"),
        "the four best raters beside the four voters of CILN-Bench (Islam et al. 2026), over independent flips and as "
        "in that benchmark; its distances as released",
    )

    def add(name: str, found: ciln_bench.Comparison) -> None:
        shown.add_row(name, f"{found.error_rate:.1%}", str(found.ratio))

    best = ciln_bench.best(pool.noisy_labels, labels)
    add("as they are", ciln_bench.compare(pool.noisy_labels[:, best], labels, counts))
    if pool.probabilities is not None and rates:
        for rescaled in sweep_four(pool.probabilities(), HumanLabelled(pool.ids, labels, counts), rates):
            if rescaled.comparison is None:
                shown.add_row(rescaled.rescaling, f"{rescaled.rate:.1%}", "–")
            else:
                add(rescaled.rescaling, rescaled.comparison)
    for name, ratio in ciln_bench.reported_ratios(labels, counts).items():
        shown.add_row(f"CILN-Bench, {name}", f"{ciln_bench.SETTINGS[name].error_rate:.1%}", f"{ratio:.3f}")
    return shown


def _table(titles: Sequence[str], caption: str) -> Table:
    """Returns a table without rows: the first column text, the others numbers."""
    import rich.box
    from rich.table import Table

    shown = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, show_edge=False, caption=caption)
    for column, title in enumerate(titles):
        shown.add_column(title, justify="right" if column else "left", no_wrap=True)
    return shown


def _print_setting(console: Console, num_corrected: int | None, found: Mapping[str, object]) -> None:
    """Prints what the labels are compared with, and how near this comes to the figures of the paper."""
    from noisy_label_datasets.human import table1

    if num_corrected is None:
        console.print("Mislabelled test images are not corrected, as they are in the paper: --corrections does it.")
    else:
        console.print(f"{num_corrected} mislabelled test images are corrected.")
    rates = " / ".join(f"{rate:.1%}" for rate in table1.PAPER_ERROR_RATES.values())
    here = " / ".join(str(found[level]) for level in table1.LEVELS)
    paper = " / ".join(str(table1.PAPER[level]["independent flipping"]) for level in table1.LEVELS)
    console.print(f"Independent flips at the paper's error rates ({rates}):\n  here   {here}\n  paper  {paper}\n")
