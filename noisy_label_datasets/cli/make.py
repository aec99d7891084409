"""Make a dataset with raters of your own: train, build and card in one.

Ends with the noise card and the line of Python that loads the dataset. A run that was stopped resumes when the same
command is given again.
Raters that `noisy-labels train` has trained before, with --beam for instance, are not trained again. Where trained
raters come with the dataset in place of labels, they label your images, unless a pool or a training option is given.
"""

import argparse

from noisy_label_datasets import training_options
from noisy_label_datasets.cli.build import build, print_load_line, print_summary
from noisy_label_datasets.cli.card import show_card
from noisy_label_datasets.cli.label import label, raters_in_place_of_labels
from noisy_label_datasets.cli.targets import add_data_dir, add_file_format, add_target, find_builder
from noisy_label_datasets.cli.train import add_pool, train


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `make` takes."""
    add_target(parser)
    add_data_dir(parser)
    add_pool(parser)
    add_file_format(parser)
    # Part of a pool cannot be built from, and `build --beam` is another thing than `train --beam`.
    training_options.add_options(parser, without=("--only", "--beam"))


def run(args: argparse.Namespace) -> None:
    """Trains, builds, shows."""
    builder = find_builder(args.target, data_dir=args.data_dir)
    _step(1, "raters")
    options = training_options.to_arguments(args)
    if args.pool is None and not options and (shipped := raters_in_place_of_labels(builder)) is not None:
        label(builder, shipped)
    else:
        train(builder, pool=args.pool, options=options)
    _step(2, "dataset")
    builder = build(builder, args.file_format)
    print_summary(builder)
    _step(3, "noise card")
    show_card(builder)
    print_load_line(builder, args.data_dir)


def _step(number: int, name: str) -> None:
    print(f"\n{number}/3 {name}", flush=True)
