"""Answer a question of the paper by training: imbalance, pretraining or difficulty, or nearness to human labels.

  noisy-labels study imbalance --dry-run         # Section 3.1: does noise cost more where classes are imbalanced?
  noisy-labels study pretraining                 # Section 3.2: are pretrained networks hurt less?
  noisy-labels study difficulty                  # Section 3.3: are easier tasks hurt more?
  noisy-labels study human                       # do results on synthetic noise foretell results on human labels?

Says first how many runs there are and what they cost. A run that has its record is not trained again, one that was
killed goes on from its checkpoint. Ends with the paper's statements checked, a table and a figure. With --beam the runs
are spread over the workers of an Apache Beam runner, whose options follow after `--`.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from noisy_label_datasets import learning_options, training_options
from noisy_label_datasets.cli.learning_process import Folders, check_installed, prepare, start
from noisy_label_datasets.cli.targets import add_data_dir, find_builder
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.registration import builder_class

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

# What is learned from where nothing is named: what the paper has there. Of configs with the same raters one stands.
CONFIGS = {
    "imbalance": (
        *(f"cats_vs_dogs_noisy/section31_{steps}" for steps in (25_000, 50_000, 100_000)),
        *(f"pcam_noisy/section31_{steps}" for steps in (10_000, 20_000, 50_000, 80_000)),
    ),
    "pretraining": (
        *(f"cats_vs_dogs_noisy/section32_{steps}" for steps in (100_000, 25_000, 10_000)),
        *(f"cifar10_noisy/{level}" for level in ("low", "medium", "steps_12000", "high")),
        *(f"pcam_noisy/{level}" for level in ("low", "medium", "high")),
    ),
    "difficulty": (
        *(f"cats_vs_dogs_noisy/{level}" for level in ("low", "medium", "high", "section31_25000")),
        *(f"pcam_noisy/{level}" for level in ("low", "medium", "high")),
        *(
            f"cifar100_{task}_noisy/{level}"
            for task in ("easy", "medium", "hard")
            for level in ("low", "medium", "high", "section33")
        ),
    ),
    "human": (),
}
# The kinds of human labels of CIFAR-10; of each the first column stands for it. TFDS has no two configs of one name, so
# these are not called as those of the dataset, whose file is not the one that may be named here.
PEOPLE = {"people_random": "random", "people_worst": "worst"}
_OF_PEOPLE = "cifar10_noisy"


IMAGES_TO_FINE_TUNE_ON = 1500  # at most, where neither they nor a preset are named: these networks are slow on a CPU


class StudyError(NoisyLabelsError, ValueError):
    """A study that cannot be made of what was asked for."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `study` takes."""
    parser.add_argument("study", choices=tuple(CONFIGS), metavar="STUDY", help=", ".join(CONFIGS))
    add_data_dir(parser)
    parser.add_argument(
        "--configs",
        nargs="+",
        default=[],
        metavar="DATASET/CONFIG",
        help="what is learned from (default: what the paper has in this study, as far as there are labels)",
    )
    parser.add_argument("--human-labels", metavar="FILE", help="human: CIFAR-10_human.pt (default: it is fetched once)")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="records elsewhere than in the data folder")
    parser.add_argument("--beam", action="store_true", help=training_options.beam_help("a run is an element"))
    learning_options.add_options(parser, learning_options.STUDY)
    learning_options.add_options(parser, learning_options.LEARN)


def run(args: argparse.Namespace) -> None:
    """Prepares the arrays of every config and runs the study."""
    training_options.check_beam(args, args.for_beam, not_with_beam=())
    check_installed()
    if args.preset is None:
        args.preset = "fine_tuning" if args.study == "pretraining" else "compact_32"
        if args.study == "pretraining" and args.images is None:
            args.images = IMAGES_TO_FINE_TUNE_ON
    prepared = [] if args.report else _prepared(args)
    out = args.out or (prepared[0].arrays.parents[2] / "studies" if prepared else None)
    if out is None:
        raise StudyError("--report reads the records of a folder: name it with --out")
    start(
        "study",
        args.study,
        f"--out={out}",
        *(word for folders in prepared for word in ("--source", str(folders.arrays), str(folders.labels))),
        *(["--beam"] if args.beam else []),
        *learning_options.to_arguments(args, learning_options.STUDY),
        *learning_options.to_arguments(args, learning_options.LEARN),
        *(["--", *args.for_beam] if args.for_beam else []),
    )


def _prepared(args: argparse.Namespace) -> list[Folders]:
    """Returns the folders of what is learned from."""
    if args.study == "human":
        if args.configs:
            raise StudyError("the study of human labels takes no --configs: it compares CIFAR-10N with its imitations")
        return [folders for kind in PEOPLE for folders in _people_and_dial(kind, args)]
    builders = []
    for target in args.configs or CONFIGS[args.study]:
        builder = find_builder(target, data_dir=args.data_dir)
        source = builder.builder_config.source
        if args.configs or source.is_at_hand(builder.label_context()):
            _check_binary(args.study, target, builder)
            builders.append(builder)
        else:
            print(f"{target} is left out, it has no labels here: {source.absence(builder.label_context())}", flush=True)
    if not builders:
        raise StudyError(
            f"none of the configs of the study {args.study} has labels here; name some that have with --configs"
        )
    return [prepare(builder, args.preset) for builder in builders]


def _check_binary(study: str, target: str, builder: NoisyLabelBuilder) -> None:
    if study == "imbalance" and len(builder.BASE.class_names) != 2:
        raise StudyError(
            f"the study of imbalance needs a binary task; {target} has {len(builder.BASE.class_names)} classes"
        )


def _people_and_dial(kind: str, args: argparse.Namespace) -> list[Folders]:
    """Returns the folders of human labels of CIFAR-10, and of the dial's at the same rate of wrong labels."""
    from noisy_label_datasets.build.configs import NoisyLabelConfig, dial_config
    from noisy_label_datasets.labels.cifar_n import CifarN

    of_dataset = builder_class(_OF_PEOPLE)
    source = CifarN(PEOPLE[kind], path=args.human_labels or "")
    people = of_dataset(config=NoisyLabelConfig(name=kind, source=source), data_dir=args.data_dir)
    labels = source.load(people.label_context())
    split = "noisy_label_train"
    rate = float(np.mean(labels.noisy_labels[split][:, 0] != labels.clean_labels[split]))
    turned = dial_config(round(rate, 3))
    own = turned.name in of_dataset.builder_configs
    dial = of_dataset(config=turned.name if own else turned, data_dir=args.data_dir)
    return [prepare(builder, args.preset) for builder in (people, dial)]
