"""Options of learning, declared once for `noisy-labels learn` and the like and for `python -m noisy_label_learning`.

    add_learning_options(parser)
    command = to_arguments(args)        # the same options for another process

Nothing here knows how networks are trained: the command that only passes the options on has no JAX to ask.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

from noisy_label_datasets.learning_presets import PRESETS
from noisy_label_datasets.training_options import number, positive

share = number(lambda x: 0 <= x <= 1, "in [0, 1]")
fraction_of_larger_class = number(lambda x: 0.5 <= x < 1, "in [0.5, 1)")
above_zero = number(lambda x: 0 < x < math.inf, "above 0")

# Name -> what argparse's `add_argument` takes besides. Defaults stand in `noisy_label_learning.runs.config`.
TRAINING: Mapping[str, Mapping[str, Any]] = {
    "--preset": {
        "choices": tuple(PRESETS),
        "metavar": "NAME",
        "help": "network, schedule and size of images in one word: "
        + "; ".join(f"{preset.name}, {preset.summary}" for preset in PRESETS.values())
        + "; the options below change it",
    },
    "--network": {"metavar": "NAME", "help": "architecture (default: by the size of the images, `mlp` for digits)"},
    "--width": {"type": above_zero, "metavar": "X", "help": "multiplier of the channels of every layer"},
    "--pretrained": {
        "metavar": "imagenet|FILE",
        "help": "start from ImageNet's weights, where they are known, or from a file of Keras (default: from scratch)",
    },
    "--epochs": {"type": positive, "metavar": "N", "help": "passes over the training images"},
    "--batch-size": {"type": positive, "metavar": "N", "help": "images per step"},
    "--learning-rate": {"type": above_zero, "metavar": "X", "help": "the highest; a cosine falls from it to zero"},
    "--set": {
        "nargs": "+",
        "default": [],
        "metavar": "NAME.SETTING=VALUE",
        "help": "settings of algorithms and correctors, such as lqm.gamma=0.75 co_teaching.noise_rate=0.4",
    },
}
DATA: Mapping[str, Mapping[str, Any]] = {
    "--paired-share": {
        "type": share,
        "metavar": "X",
        "help": "share of the training images whose clean label may be seen (default: 0.1, as in the paper)",
    },
}
IMPORTS: Mapping[str, Mapping[str, Any]] = {
    "--register": {
        "nargs": "+",
        "default": [],
        "metavar": "MODULE",
        "help": "modules of your own with algorithms or correctors, of the working directory or installed",
    },
}
LEARN = {**TRAINING, **DATA, **IMPORTS}
CORRECTED: Mapping[str, Mapping[str, Any]] = {
    "--targets": {
        "choices": ("resampled", "sampled", "soft"),
        "default": "resampled",
        "help": "of a corrector's probabilities: a label drawn whenever its image is seen (default), one drawn once, "
        "or the probabilities themselves",
    },
}
_ALGORITHMS: Mapping[str, Any] = {
    "nargs": "+",
    "default": ["cross_entropy", "bootstrap", "co_teaching", "mc_softmax", "mentor_mix"],
    "metavar": "NAME",
}
TUNE: Mapping[str, Mapping[str, Any]] = {
    "--algorithms": {**_ALGORITHMS, "help": "whose settings are chosen (default: those of Section 4 of the paper)"},
    "--correctors": {
        "nargs": "+",
        "default": [],
        "metavar": "NAME",
        "help": "whose settings are chosen, too, such as lqm (default: none)",
    },
    "--seed": {"type": int, "default": 100, "metavar": "N", "help": "of all runs (default: 100)"},
}
STUDY: Mapping[str, Mapping[str, Any]] = {
    "--seeds": {"type": int, "nargs": "+", "default": [0, 1, 2, 3, 4], "metavar": "N", "help": "(default: 0 to 4)"},
    "--fractions": {
        "type": fraction_of_larger_class,
        "nargs": "+",
        "default": [],
        "metavar": "X",
        "help": "imbalance: shares of the larger class (default: 0.5 0.8 0.95)",
    },
    "--networks": {
        "nargs": "+",
        "default": ["efficientnet_lite0"],
        "metavar": "NAME",
        "help": "pretraining: networks whose ImageNet weights are installed (default: efficientnet_lite0)",
    },
    "--keras-weights": {
        "nargs": "+",
        "default": [],
        "metavar": "NETWORK=FILE",
        "help": "pretraining: files of Keras' weights instead, such as resnet50=resnet50.h5",
    },
    "--images": {
        "type": positive,
        "metavar": "N",
        "help": "pretraining and difficulty: training images at most, the same in all runs of a task (default: all)",
    },
    "--algorithms": {**_ALGORITHMS, "help": "human: what is compared (default: those of Section 4 of the paper)"},
    "--into": {"metavar": "FILE", "help": "a Markdown document with markers, such as docs/studies.md"},
    "--report": {"action": "store_true", "help": "train nothing: report the runs that are done"},
    "--dry-run": {"action": "store_true", "help": "say what would be run and what it costs, and end"},
}


def add_options(parser: argparse.ArgumentParser, options: Mapping[str, Mapping[str, Any]]) -> None:
    """Declares options."""
    for name, how in options.items():
        parser.add_argument(name, **how)


def to_arguments(args: argparse.Namespace, options: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns the arguments that give another process the options that were given to this one."""
    arguments: list[str] = []
    for name in options:
        value = getattr(args, name.removeprefix("--").replace("-", "_"))
        if isinstance(value, Sequence) and not isinstance(value, str):
            arguments += [name, *map(str, value)] if value else []
        elif value is not None and value is not False:
            arguments += [name] if value is True else [f"{name}={value}"]
    return arguments
