"""Make a dataset with raters of your own: train, build and card in one; of your own data with --from.

Ends with the noise card and the line of Python that loads the dataset. A run that was stopped resumes when the same
command is given again.
Raters that `noisy-labels train` has trained before, with --beam for instance, are not trained again. Where trained
raters come with the dataset in place of labels, they label your images, unless a pool or a training option is given.

With --from the dataset is made of your own data, at the error rates that you want:

  noisy-labels make --from ./photos                       a folder per class, as Keras and torchvision read them
  noisy-labels make --from labels.npz --rates 0.1 0.3     arrays: images and labels
  noisy-labels make beans_noisy --from beans              any image-classification dataset of TFDS

The builder is written to a folder of the dataset's name, here and to be edited. docs/your-own-data.md says more.
"""

from __future__ import annotations

import argparse

from noisy_label_datasets import fitting_options, training_options
from noisy_label_datasets.cli import making
from noisy_label_datasets.cli.build import build, print_load_line, print_summary
from noisy_label_datasets.cli.card import show_card
from noisy_label_datasets.cli.label import label, raters_in_place_of_labels
from noisy_label_datasets.cli.targets import add_data_dir, add_file_format, add_target, find_builder
from noisy_label_datasets.cli.train import add_pool, train
from noisy_label_datasets.errors import NoisyLabelsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `make` takes."""
    add_target(parser, optional=True)
    add_data_dir(parser)
    add_pool(parser)
    add_file_format(parser)
    # Part of a pool cannot be built from, and `build --beam` is another thing than `train --beam`.
    training_options.add_options(parser, without=("--only", "--beam"))
    own = parser.add_argument_group("data of your own", "with the name of the new dataset, or none, for DATASET/CONFIG")
    own.add_argument(
        "--from", dest="source", metavar="DATA", help="./FOLDER, FILE.npz, or the name of a dataset of TFDS"
    )
    own.add_argument(
        "--rater-image-size",
        type=making.image_size,
        metavar="N|HxW",
        help="size at which raters see the images, which the dataset keeps as they are (default: as they are up to "
        "48 pixels a side, else 32; 96 with --pretrained)",
    )
    own.add_argument(
        "--corrupt",
        choices=("refuse", "skip"),
        default="refuse",
        help="what is done about files that cannot be read as images (default: refuse)",
    )
    fitting_options.add_options(own)


def run(args: argparse.Namespace) -> None:
    """Trains, builds, shows."""
    if args.source is not None:
        if args.pool is not None:
            raise NoisyLabelsError("--pool does not go with --from, which finds the raters itself")
        making.make_from(args)
        return
    if args.target is None:
        raise NoisyLabelsError("make takes DATASET/CONFIG, such as digits_noisy/medium, or --from for data of your own")
    making.check_alone(args, args.parser)
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
