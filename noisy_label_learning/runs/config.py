"""What a run is: frozen dataclasses that check themselves, and the key under which its record is kept.

    config = RunConfig(algorithm=CoTeaching(), corrector=NoCorrector(), network=Network("mlp"), schedule=Schedule(),
    seed=0) config.key(problem)         # SHA-256 of all that the result depends on

The key covers the configuration, the labels, the images and, of an algorithm or corrector that is not this package's,
its source: a record of other labels or of an edited loss is not taken for one of these.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import math
import typing
from collections.abc import Mapping
from typing import Any

from noisy_label_datasets.files import sha256, to_json
from noisy_label_datasets.learning_presets import Preset
from noisy_label_learning.algorithms import ALGORITHMS, Algorithm
from noisy_label_learning.correctors import CORRECTORS, Corrector
from noisy_label_learning.errors import LearningError, require, unknown
from noisy_label_learning.problem import Problem
from rater_training.config import Augmentation, KerasWeights, RaterConfig

FORMAT_VERSION = 1  # of runs: raised when the same configuration comes to another result
TARGETS = ("resampled", "sampled", "soft")


@dataclasses.dataclass(frozen=True)
class Network:
    """The network that is trained.

    Attributes:
      architecture: a name of `rater_training.architectures`; the paper's is "resnet50".
      width: multiplier of the channels of every layer.
      dtype: of the computation.
      pretrained: as of `RaterConfig`: whether all but the last layer starts from ImageNet's weights, or from those of a
        file of Keras.
    """

    architecture: str = "mlp"
    width: float = 1.0
    dtype: str = "float32"
    pretrained: bool | KerasWeights = False

    def to_json(self) -> dict[str, Any]:
        """Returns this as JSON; of a file its hash, wherever it is. What starts from random numbers says nothing."""
        values = dataclasses.asdict(self)
        pretrained = values.pop("pretrained")
        if isinstance(self.pretrained, KerasWeights):
            values["pretrained"] = {"sha256": self.pretrained.sha256}
        elif pretrained:
            values["pretrained"] = True
        return values


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how fast: stochastic gradient descent with Nesterov momentum, cosine decay from a peak.

    Attributes:
      epochs: passes over the training images; a rest smaller than a batch is left out of each.
      batch_size, learning_rate, momentum, weight_decay, warmup_fraction, optimizer: as of `RaterConfig`.
      crop_padding, flip: of the augmentation.
    """

    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_fraction: float = 0.0
    optimizer: str = "nesterov"
    crop_padding: int = 0
    flip: bool = False

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "epochs", self.epochs, "1 or more")
        require(0 < self.learning_rate < math.inf, "learning_rate", self.learning_rate, "above 0, and finite")

    def steps_per_epoch(self, examples: int) -> int:
        """Returns the batches of an epoch of so many examples.

        Raises:
          LearningError: they do not fill one batch.
        """
        if examples < self.batch_size:
            raise LearningError(f"batch_size is {self.batch_size}, but there are {examples} examples to train on")
        return examples // self.batch_size


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One run.

    Attributes:
      algorithm, corrector, network, schedule: what is trained, on which labels, and how.
      seed: of initial weights, order, augmentation, and of the corrector; all algorithms share it.
      targets: what is trained on where a corrector says probabilities: a label that is drawn from them whenever its
        image is seen ("resampled"; the caption of Figure 7 has stochastic sampling), one that is drawn once for the
        whole training ("sampled"), or the probabilities ("soft").
    """

    algorithm: Algorithm
    corrector: Corrector
    network: Network = Network()
    schedule: Schedule = Schedule()
    seed: int = 0
    targets: str = "resampled"

    def __post_init__(self) -> None:
        require(self.seed >= 0, "seed", self.seed, "0 or more")
        require(self.targets in TARGETS, "targets", self.targets, f"one of {', '.join(TARGETS)}")

    def to_json(self) -> dict[str, Any]:
        """Returns the configuration as JSON."""
        return {
            "algorithm": described(self.algorithm, ALGORITHMS),
            "corrector": described(self.corrector, CORRECTORS),
            "network": self.network.to_json(),
            "schedule": dataclasses.asdict(self.schedule),
            "seed": self.seed,
            "targets": self.targets,
        }

    def key(self, problem: Problem) -> str:
        """Returns the SHA-256, in hexadecimal digits, of all that the run's result depends on."""
        return sha256(
            to_json(
                {
                    "format": FORMAT_VERSION,
                    "problem": problem.data.name,
                    "labels": problem.labels_sha256,
                    "images": problem.images_sha256,
                    **self.to_json(),
                }
            )
        )


def training_config(network: Network, schedule: Schedule, steps: int, *, seed: int) -> RaterConfig:
    """Returns the engine's configuration of a network's training."""
    return RaterConfig(
        id="learner",
        architecture=network.architecture,
        steps=steps,
        batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        width=network.width,
        pretrained=network.pretrained,
        optimizer=schedule.optimizer,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        warmup_fraction=schedule.warmup_fraction,
        augmentation=Augmentation(schedule.crop_padding, schedule.flip),
        dtype=network.dtype,
        seed=seed,
    )


def described(chosen: Algorithm | Corrector, known: Mapping[str, type]) -> dict[str, Any]:
    """Returns an algorithm or corrector as JSON: name, settings, and a hash of its source if it is none of `known`."""
    fields = {"name": chosen.name, **dataclasses.asdict(chosen)}
    if (revision := getattr(chosen, "revision", 1)) != 1:
        fields["revision"] = revision
    if known.get(chosen.name) is not type(chosen):
        fields["source_sha256"] = hashlib.sha256(inspect.getsource(type(chosen)).encode()).hexdigest()
    return fields


def by_name(what: str, name: str, known: Mapping[str, type], settings: Mapping[str, Any]) -> Any:
    """Returns an algorithm or corrector of a name, with settings other than its defaults.

    Raises:
      LearningError: there is none of that name, or it has no such setting (the message names those that there are), or
        a setting is of another kind than it is declared to be, or not finite.
    """
    if name not in known:
        raise unknown(what, name, known)
    fields = [field.name for field in dataclasses.fields(known[name])]
    for setting in settings:
        if setting not in fields:
            raise LearningError(
                f"{what} {name} has no setting {setting!r}; "
                + (f"it has {', '.join(fields)}" if fields else "it has none")
            )
    hints = typing.get_type_hints(known[name])
    for setting, value in settings.items():
        kinds = typing.get_args(hints[setting]) or (hints[setting],)
        if set(kinds) <= set(_KINDS) and not any(_is_a(value, kind) for kind in kinds):
            allowed = " or ".join(_KINDS[kind] for kind in kinds)
            raise LearningError(f"setting {setting!r} of {what} {name} is {value!r}; it has to be {allowed}")
    return known[name](**settings)


_KINDS = {float: "a number", int: "a whole number", bool: "True or False", str: "text", type(None): "None"}


def _is_a(value: Any, kind: type) -> bool:
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def defaults(image_shape: tuple[int, int, int], examples: int) -> tuple[Network, Schedule]:
    """Returns a network and a schedule for images of a size and a CPU: seconds for digits, minutes for CIFAR."""
    if min(image_shape[:2]) < 16:
        return Network("mlp"), Schedule()
    batch_size = min(128, max(1, examples // 4))
    return (
        Network("compact_resnet", width=0.5),
        Schedule(epochs=20, batch_size=batch_size, learning_rate=0.2, warmup_fraction=0.1, crop_padding=4, flip=True),
    )


def of_preset(preset: Preset, examples: int) -> tuple[Network, Schedule]:
    """Returns the network and schedule of a preset for so many training images."""
    return (
        Network(preset.network, width=preset.width),
        Schedule(
            epochs=preset.epochs_of(examples),
            batch_size=preset.batch_size_of(examples),
            learning_rate=preset.learning_rate,
            momentum=preset.momentum,
            weight_decay=preset.weight_decay,
            warmup_fraction=preset.warmup_fraction,
            optimizer=preset.optimizer,
            crop_padding=preset.crop_padding,
            flip=preset.flip,
        ),
    )
