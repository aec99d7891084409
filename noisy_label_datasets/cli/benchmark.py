"""Compare algorithms and label correctors over levels, kinds of noise and seeds, with tables and figures.

  noisy-labels benchmark digits_noisy --algorithms cross_entropy bootstrap co_teaching mc_softmax mentor_mix \\
      --correctors none lqm --levels low medium high --noise raters independent class_conditional --seeds 0 1 2

Says first how many runs there are. Each run has a record in the folder `runs`; a run that has one is not trained again,
and one that was killed resumes from its checkpoint. Ends with tables as Markdown and CSV, figures like the paper's 5 to
8, and what the paper states, checked. With --beam the runs are spread over the workers of an Apache Beam runner, whose
options follow after `--`.
"""

from __future__ import annotations

import argparse
import pathlib

from noisy_label_datasets import learning_options, training_options
from noisy_label_datasets.cli.learning_process import check_installed, prepare, start
from noisy_label_datasets.cli.targets import UnknownNameError, add_data_dir, check_dataset, config_names, find_builder

NOISES = ("raters", "independent", "class_conditional")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `benchmark` takes."""
    parser.add_argument("dataset", metavar="DATASET", help="such as digits_noisy")
    add_data_dir(parser)
    parser.add_argument("--algorithms", required=True, nargs="+", metavar="NAME", help="as of `noisy-labels learn`")
    parser.add_argument("--correctors", nargs="+", default=["none"], metavar="NAME", help="as of `noisy-labels learn`")
    parser.add_argument("--levels", nargs="+", default=["low", "medium", "high"], metavar="LEVEL")
    parser.add_argument(
        "--noise", nargs="+", default=["raters"], choices=NOISES, metavar="KIND", help=", ".join(NOISES)
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="records elsewhere than in the data folder")
    parser.add_argument(
        "--beam", action="store_true", help=training_options.beam_help("the seeds of an algorithm are an element")
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and end")
    learning_options.add_options(parser, learning_options.LEARN)
    learning_options.add_options(parser, learning_options.CORRECTED)


def run(args: argparse.Namespace) -> None:
    """Prepares the arrays of every config and runs the benchmark."""
    training_options.check_beam(args, args.for_beam, not_with_beam=())
    check_installed()
    check_dataset(args.dataset, args.data_dir)
    known = config_names(args.dataset, args.data_dir)
    configs = [level if noise == "raters" else f"{level}_{noise}" for level in args.levels for noise in args.noise]
    if unknown := [config for config in configs if config not in known]:
        raise UnknownNameError(f"level of {args.dataset} called", unknown[0], known)
    prepared = [
        prepare(find_builder(f"{args.dataset}/{config}", data_dir=args.data_dir), args.preset) for config in configs
    ]
    start(
        "benchmark",
        f"--arrays={prepared[0].arrays}",
        f"--out={args.out or prepared[0].runs}",
        "--labels",
        *(str(folders.labels) for folders in prepared),
        "--algorithms",
        *args.algorithms,
        "--correctors",
        *args.correctors,
        "--seeds",
        *map(str, args.seeds),
        *(["--dry-run"] if args.dry_run else []),
        *(["--beam"] if args.beam else []),
        *learning_options.to_arguments(args, learning_options.LEARN),
        *learning_options.to_arguments(args, learning_options.CORRECTED),
        *(["--", *args.for_beam] if args.for_beam else []),
    )
