"""Show the noise card of a built dataset: in the terminal, as an HTML page, in a README.

  noisy-labels card digits_noisy/medium
  noisy-labels card cifar10_noisy/medium --html medium.html
  noisy-labels card cifar10_noisy --readme README.md

With the name of a dataset alone, the cards of all its configs that are built. Where human labels are at hand, those of
configs such as human_random or of annotations that `build --annotations` has stored, the card also compares the raters
with these people on the same images; that of a CIFAR-10 dataset does so with CIFAR-10H, too (see `noisy-labels evaluate
--help`).
"""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.targets import add_data_dir
from noisy_label_datasets.errors import NoisyLabelsError

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder
    from noisy_label_datasets.card.model import NoiseCard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `card` takes."""
    parser.add_argument("target", metavar="DATASET[/CONFIG]", help="such as digits_noisy/medium")
    add_data_dir(parser)
    parser.add_argument("--html", metavar="FILE", type=pathlib.Path, help="write the page of a single config here")
    parser.add_argument(
        "--readme", metavar="FILE", type=pathlib.Path, help="write a table of the configs between this file's marks"
    )
    parser.add_argument("--human-labels", metavar="FILE", help="cifar10h-counts.npy (default: what `evaluate` fetched)")


def run(args: argparse.Namespace) -> None:
    """Prints the cards and writes what is asked for.

    Raises:
      NoisyLabelsError: nothing of the kind is built, several configs for one page, or a README without marks.
      OSError: a file that cannot be read or written.
    """
    from noisy_label_datasets import files
    from noisy_label_datasets.card.markdown import replace_between_marks, to_markdown
    from noisy_label_datasets.card.page import to_html
    from noisy_label_datasets.cli.built import built

    builders = built(args.target, args.data_dir)
    if args.html and len(builders) > 1:
        raise NoisyLabelsError(f"--html is for one config; {args.target} has {len(builders)} that are built: name one")
    cards = [show_card(builder, args.human_labels) for builder in builders]
    if args.html:
        files.write_atomically(args.html, to_html(cards[0]).encode())
        print(f"Wrote {args.html}")
    if args.readme:
        readme = replace_between_marks(args.readme.read_text(encoding="utf-8"), to_markdown(cards))
        files.write_atomically(args.readme, readme.encode())
        print(f"Wrote the figures of {', '.join(card.name for card in cards)} into {args.readme}")


def show_card(builder: NoisyLabelBuilder, human_labels: str | None = None) -> NoiseCard:
    """Prints the noise card of a built dataset in the terminal, and returns it."""
    from noisy_label_datasets.card.terminal import print_card
    from noisy_label_datasets.output import console

    card = _card_of(builder, human_labels)
    print_card(card, console())
    print()
    return card


def _card_of(builder: NoisyLabelBuilder, human_labels: str | None) -> NoiseCard:
    """Returns the noise card of a built dataset, beside people where human labels are at hand."""
    from noisy_label_datasets.card.built import noise_card
    from noisy_label_datasets.cli.beside_humans import cifar10h_of, people_beside
    from noisy_label_datasets.human.table1 import compare

    if not builder.is_prepared():
        return noise_card(builder)  # which says so
    test = cifar10h_of(builder, human_labels)
    table1 = None if test is None else compare(test.labels.noisy_labels, test.labels.labels, test.counts)
    return noise_card(builder, table1, people_beside(builder, test))
