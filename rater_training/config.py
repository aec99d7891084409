"""What a rater and a pool are: frozen dataclasses that check themselves.

    rater = RaterConfig(id="00-compact_vgg", architecture="compact_vgg", steps=400, batch_size=250, learning_rate=0.5)
    pool = PoolConfig(name="cifar10/high_compact", dataset="cifar10_noisy", level="high", raters=(rater,), ...)

Everything that a rater's labels depend on stands in its `RaterConfig` and in the data it is trained on, so
`RaterConfig.fingerprint` tells whether a stored result is the one that is wanted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping

from noisy_label_datasets.errors import NoisyLabelsError

DTYPES = ("float32", "bfloat16")
OPTIMIZERS = ("nesterov", "adamw")  # of `rater_training.engine.optimizers`, which needs JAX
_RATER_ID = re.compile(r"[a-z0-9][a-z0-9_.-]*")


class ConfigError(NoisyLabelsError, ValueError):
    """A configuration with a value that is not allowed."""


def _require(holds: bool, name: str, given: object, allowed: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {given!r}; it has to be {allowed}")


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The paper's "standard flipping and cropping" (Appendix A).

    Attributes:
      crop_padding: pixels of zeros added on each side before a crop of the original size is taken; 0: no crop.
      flip: whether an image is flipped left to right with probability one half.
      turn: whether an image, which is square, is turned by 0, 90, 180 or 270 degrees with the same probability: for
        images that have no up and down, such as those of a microscope.
    """

    crop_padding: int = 4
    flip: bool = True
    turn: bool = False

    def __post_init__(self) -> None:
        _require(self.crop_padding >= 0, "crop_padding", self.crop_padding, "0 or more pixels")


NO_AUGMENTATION = Augmentation(crop_padding=0, flip=False)


@dataclasses.dataclass(frozen=True)
class KerasWeights:
    """A file of weights of a `keras.applications` network, from which a rater starts.

        RaterConfig(..., architecture="resnet50", pretrained=KerasWeights.of("resnet50_weights.h5"))

    Attributes:
      path: `.h5`, `.weights.h5` or `.keras`; where the file is on this machine.
      sha256: of the file; it, and not the path, is part of a rater's fingerprint.
    """

    path: str
    sha256: str

    def __post_init__(self) -> None:
        _require(bool(re.fullmatch("[0-9a-f]{64}", self.sha256)), "sha256", self.sha256, "64 hexadecimal digits")

    @classmethod
    def of(cls, path: str | os.PathLike) -> KerasWeights:
        """Returns the weights of a file; reads it once.

        Raises:
          OSError: it cannot be read.
        """
        return cls(os.fspath(path), sha256_of(path))


def sha256_of(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclasses.dataclass(frozen=True)
class RaterConfig:
    """One rater: a network and how it is trained.

    The paper gives architecture, batch size, initial learning rate, steps and "standard cosine learning rate decay";
    it names no optimizer. Stochastic gradient descent with Nesterov momentum 0.9 stands for it here, without weight
    decay, warm-up or label smoothing unless a pool says so.

    Attributes:
      id: unique in its pool; names the rater's file, so lower-case letters, digits, `_`, `-` and `.` only.
      architecture: a key of `rater_training.architectures.ARCHITECTURES`.
      steps: optimizer steps.
      batch_size: images per step, drawn without replacement within an epoch.
      learning_rate: the highest rate, reached at the end of the warm-up, from which the cosine falls to zero.
      width: multiplier of the number of channels of every layer.
      pretrained: whether all but the last layer starts from weights that were trained on ImageNet
        (`rater_training.pretrained.imagenet`), or from random numbers as the paper's raters do; or a file of Keras'
        weights, with which images are normalized as Keras does for that network.
      frozen: whether of such a network the last layer alone is trained (`rater_training.engine.frozen`), on images as
        they are, without augmentation.
      features_share: share of the features, drawn by the seed, that the last layer of a frozen network sees, in (0, 1].
      optimizer: 'nesterov', or 'adamw' (`rater_training.engine.optimizers`).
      momentum: of Nesterov's method, or the first beta of AdamW, in [0, 1).
      weight_decay: of kernels (not of biases and normalization): L2, added to the gradient, or AdamW's.
      warmup_fraction: share of the schedule's steps in which the rate rises linearly from zero, in [0, 1).
      schedule_steps: for how many steps the learning rate's schedule (warm-up and cosine) is made, of which the first
        `steps` are done: a training that is stopped early, whatever it would have become. None: `steps`.
      label_smoothing: share of the target spread evenly over all classes, in [0, 1).
      augmentation: random crop, flip and turn.
      label_with_flip: whether a label comes from the mean of the logits of an image and of its flipped copy (test-time
        augmentation; Krizhevsky et al. 2012, Section 4.1, average probabilities) or from the image alone.
      dtype: of the computation; parameters are float32 always.
      seed: of initialisation, data order and augmentation.
    """

    id: str
    architecture: str
    steps: int
    batch_size: int
    learning_rate: float
    width: float = 1.0
    pretrained: bool | KerasWeights = False
    frozen: bool = False
    features_share: float = 1.0
    optimizer: str = "nesterov"
    momentum: float = 0.9
    weight_decay: float = 0.0
    warmup_fraction: float = 0.0
    schedule_steps: int | None = None
    label_smoothing: float = 0.0
    augmentation: Augmentation = Augmentation()
    label_with_flip: bool = False
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        _require(bool(_RATER_ID.fullmatch(self.id)), "id", self.id, f"a file name of the form {_RATER_ID.pattern}")
        _require(self.steps >= 1, "steps", self.steps, "1 or more")
        scheduled = self.schedule_steps is None or self.schedule_steps >= self.steps
        _require(scheduled, "schedule_steps", self.schedule_steps, f"None, or as many as steps ({self.steps}) or more")
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "1 or more")
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        _require(self.width > 0, "width", self.width, "above 0")
        _require(not self.pretrained or self.width == 1, "width", self.width, "1 for a pretrained network")
        _require(self.pretrained is True or not self.frozen, "frozen", self.frozen, "False unless pretrained is True")
        _require(0 < self.features_share <= 1, "features_share", self.features_share, "above 0 and at most 1")
        _require(self.frozen or self.features_share == 1, "features_share", self.features_share, "1 unless frozen")
        _require(self.optimizer in OPTIMIZERS, "optimizer", self.optimizer, f"one of {', '.join(OPTIMIZERS)}")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "in [0, 1)")
        _require(self.weight_decay >= 0, "weight_decay", self.weight_decay, "0 or more")
        _require(0 <= self.warmup_fraction < 1, "warmup_fraction", self.warmup_fraction, "in [0, 1)")
        _require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "in [0, 1)")
        _require(self.dtype in DTYPES, "dtype", self.dtype, f"one of {', '.join(DTYPES)}")
        _require(self.seed >= 0, "seed", self.seed, "0 or more")

    @property
    def examples_seen(self) -> int:
        """Images drawn in the whole training, repeats counted: the rater feature `experience`."""
        return self.steps * self.batch_size

    def given(self) -> dict[str, object]:
        """Returns the fields that do not have their default, as JSON values.

        A field that a later release adds, whose default is what was done before, so leaves stored raters valid.
        """
        values = dataclasses.asdict(self)
        if not self.augmentation.turn:  # which came later than the others of its kind
            del values["augmentation"]["turn"]
        return {f.name: values[f.name] for f in dataclasses.fields(self) if getattr(self, f.name) != f.default}

    def fingerprint(self, data_fingerprint: str) -> str:
        """Returns a SHA-256 over this configuration and the data it is trained on and labels."""
        # The names of the fields are hashed: renamed, no stored rater would be found (a test pins the hash).
        given = self.given()
        if isinstance(self.pretrained, KerasWeights):
            given["pretrained"] = {"sha256": self.pretrained.sha256}  # wherever the file is
        record = {"rater": given, "data": data_fingerprint}
        return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class PoolConfig:
    """A pool of raters that label one dataset at one noise level.

    Attributes:
      name: `<task>/<pool>`, as `--pool` takes it: 'cifar10/high', 'cifar10/high_compact'.
      dataset: the noisy dataset it labels: 'cifar10_noisy'.
      level: the config of that dataset: 'high'.
      raters: in the order in which their labels stand in an example.
      image_shape: (height, width, channels) of the images.
      num_classes: number of classes.
      source: where the configuration is from (paper section) and what was decided where the text is unclear.
    """

    name: str
    dataset: str
    level: str
    raters: tuple[RaterConfig, ...]
    image_shape: tuple[int, int, int]
    num_classes: int
    source: str

    def __post_init__(self) -> None:
        _require(self.name.count("/") == 1, "name", self.name, "of the form <task>/<pool>")
        _require(bool(self.raters), "raters", self.raters, "at least one rater")
        ids = [rater.id for rater in self.raters]
        repeated = sorted({i for i in ids if ids.count(i) > 1})
        if repeated:
            raise ConfigError(f"pool {self.name}: two raters of one id: {', '.join(repeated)}")
        _require(self.num_classes >= 2, "num_classes", self.num_classes, "2 or more")

    @property
    def examples_seen(self) -> int:
        """Images drawn by all raters together."""
        return sum(rater.examples_seen for rater in self.raters)

    def select(self, rater_ids: tuple[str, ...]) -> tuple[RaterConfig, ...]:
        """Returns the raters of these ids, in pool order; raises ConfigError on an id that the pool does not have."""
        known: Mapping[str, RaterConfig] = {rater.id: rater for rater in self.raters}
        unknown = sorted(set(rater_ids) - set(known))
        if unknown:
            raise ConfigError(f"pool {self.name} has no rater {', '.join(unknown)}; it has {', '.join(known)}")
        return tuple(rater for rater in self.raters if rater.id in rater_ids)
