"""Train a pool of raters and store their predictions for the images that they were not trained on.

The clean images are written as arrays for the training process, and the raters' predictions go to
<data dir>/rater_predictions/DATASET/CONFIG, where building the dataset looks for them first. Every rater is stored as
soon as it is done: a run that was stopped resumes with the next rater when the same command is given again.

With --beam the raters are trained by the workers of an Apache Beam runner, whose options follow after `--`:

  noisy-labels train digits_noisy/medium --beam -- --runner=FnApiRunner --direct_num_workers=2 \\
      --direct_running_mode=multi_processing
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from noisy_label_datasets import training_options
from noisy_label_datasets.cli.targets import UnknownNameError, add_data_dir, add_target, find_builder
from noisy_label_datasets.cli.training_process import TrainingError, list_pools, run_training
from noisy_label_datasets.info import full_name
from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR, is_finished

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

COMPACT = "_compact"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `train` takes."""
    add_target(parser)
    add_data_dir(parser)
    add_pool(parser)
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="store the predictions elsewhere")
    training_options.add_options(parser)


def add_pool(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--pool`."""
    parser.add_argument(
        "--pool",
        metavar="NAME",
        help="the rater pool (default: the builder's own or the compact one of this config, if there is one); of "
        "your own: module:VARIABLE, a PoolConfig in a module of the working directory or an installed one",
    )


def run(args: argparse.Namespace) -> None:
    """Trains a pool."""
    training_options.check_beam(args, args.for_beam)
    options = training_options.to_arguments(args, args.for_beam)
    builder = find_builder(args.target, data_dir=args.data_dir)
    folder = train(builder, pool=args.pool, out=args.out, options=options)
    if not is_finished(folder):  # with --only; the training process has printed so
        return
    print(f"\nThe labels are in {folder}")
    if args.out is None:
        print(f"Next: noisy-labels build {args.target}")


def train(
    builder: NoisyLabelBuilder,
    *,
    pool: str | None,
    out: pathlib.Path | None = None,
    options: Sequence[str] = (),
) -> pathlib.Path:
    """Trains the raters on whose predictions a config's labels depend, and returns the folder of the predictions.

    Args:
      builder: of the config.
      pool: the name that was asked for, if any.
      out: where the predictions go, if not where building the dataset looks for them.
      options: of the training process.

    Raises:
      TrainingError: no raters that could be trained stand behind the labels, or training failed.
    """
    source = builder.builder_config.source
    config = source.pool_to_train()
    if config is None:
        raise TrainingError(f"there are no raters of {full_name(builder)} to train: {source.describe()}")
    pools = list_pools()
    chosen = choose_pool(pools, builder.name, config, pool or builder.POOLS.get(config))
    data_dir = pathlib.Path(builder.data_dir_root)
    arrays = data_dir / "clean_arrays" / builder.name / str(builder.version)
    out = out or data_dir / PREDICTIONS_DIR / builder.name / config
    print(f"Reading {builder.BASE.name} {builder.BASE.version}, whose clean half the raters are trained on", flush=True)
    # A pool of the user's own is not known here, and sees the images at the builder's size.
    size = next((tuple(known["image_size"]) for known in pools if known["name"] == chosen), None)
    builder.clean_dataset(arrays, image_size=size)
    run_training(arrays=arrays, pool=chosen, out=out, options=options)
    return out


def choose_pool(pools: list[Mapping[str, Any]], dataset: str, level: str, wanted: str | None) -> str:
    """Returns the name of the pool to train.

    Args:
      pools: mappings with "name", "dataset" and "level".
      dataset, level: what it shall label.
      wanted: the name that was asked for, or None for the compact pool or, if there is none, the first. One of the
        user's own, 'module:VARIABLE', is not looked at before it is trained.

    Raises:
      UnknownNameError: the pool that was asked for does not label this dataset at this level.
      TrainingError: no pool does.
    """
    names = [pool["name"] for pool in pools if (pool["dataset"], pool["level"]) == (dataset, level)]
    if wanted in names or (wanted and ":" in wanted):
        return str(wanted)
    if wanted is not None:
        raise UnknownNameError(f"rater pool for {dataset}/{level} called", wanted, names)
    if not names:
        trained = sorted({f"{pool['dataset']}/{pool['level']}" for pool in pools})
        raise TrainingError(f"there is no rater pool for {dataset}/{level}; pools exist for {', '.join(trained)}")
    chosen = next((name for name in names if name.endswith(COMPACT)), names[0])
    if others := [name for name in names if name != chosen]:
        print(f"Rater pool {chosen}; with --pool also {', '.join(others)}")
    return chosen
