"""Named sets of network, schedule and image size for `noisy-labels learn`, `benchmark` and `study`: `--preset NAME`.

    PRESETS["compact"].arrays_side((None, None, 3))     # 48: photographs are read at 48x48 pixels

Nothing here knows how networks are trained: the command that prepares the images has no JAX to ask.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from noisy_label_datasets.errors import NoisyLabelsError


class PresetError(NoisyLabelsError, ValueError):
    """A preset that says two things at once, or is not there."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """How a network is trained on images of any of the tasks.

    Attributes:
      name: as `--preset` takes it.
      summary: what it is for, in a phrase.
      network: a name of `rater_training.architectures`.
      width: multiplier of the channels of every layer.
      epochs: passes over the training images; None: `steps` says how long.
      steps: optimizer steps, rounded to whole epochs; None: `epochs` says how long.
      batch_size: images per step; a fourth of the training images where these are fewer than four batches.
      learning_rate: the highest; a cosine falls from it to zero.
      momentum, weight_decay, warmup_fraction, optimizer: as of `rater_training.config.RaterConfig`.
      crop_padding, flip: of the augmentation.
      largest_side: images with a longer side, or of any size, are read at this height and width; None: at the size at
        which raters see them.
    """

    name: str
    summary: str
    network: str
    width: float
    epochs: int | None
    steps: int | None
    batch_size: int
    learning_rate: float
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup_fraction: float = 0.0
    optimizer: str = "nesterov"
    crop_padding: int = 4
    flip: bool = True
    largest_side: int | None = None

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise PresetError(f"preset {self.name} has {self.epochs=} and {self.steps=}; it has to have one of them")

    def arrays_side(self, image_shape: tuple[int | None, int | None, int]) -> int | None:
        """Returns the height and width at which images of a shape are read; None: as raters see them.

        Args:
          image_shape: of the base dataset; None stands for any height or width.
        """
        if self.largest_side is None:
            return None
        fits = all(side is not None and side <= self.largest_side for side in image_shape[:2])
        return None if fits else self.largest_side

    def epochs_of(self, examples: int) -> int:
        """Returns the passes over so many training images."""
        if self.epochs is not None:
            return self.epochs
        assert self.steps is not None
        return max(1, round(self.steps / max(1, examples // self.batch_size_of(examples))))

    def batch_size_of(self, examples: int) -> int:
        """Returns the images per step for so many training images."""
        return min(self.batch_size, max(1, examples // 4))


COMPACT = Preset(
    name="compact",
    summary="one small network for all tasks, for a machine without an accelerator",
    network="compact_vgg",
    width=0.5,
    epochs=12,
    steps=None,
    batch_size=128,
    learning_rate=0.2,
    warmup_fraction=0.1,
    # Cats vs Dogs has half as many training images as CIFAR, of 2.25 times as many pixels: as much work an epoch.
    largest_side=48,
)
"""Meant for a cross-entropy run of some four minutes of two idle cores on 20,000 images of 32x32 pixels, and sized for
that by the time of single steps; no whole run has been timed on an idle machine."""

COMPACT_32 = dataclasses.replace(
    COMPACT, name="compact_32", summary="the same on 32x32 pixels, for many runs", largest_side=32
)
"""The default of the studies, which are many runs: photographs cost less than half of what they do at 48x48."""

FINE_TUNING = Preset(
    name="fine_tuning",
    summary="for networks that start from published weights",
    network="efficientnet_lite0",
    width=1.0,
    epochs=4,
    steps=None,
    batch_size=32,
    learning_rate=0.02,
    weight_decay=1e-4,
    warmup_fraction=0.1,
    largest_side=96,
)
"""A low rate, so that what was learned on ImageNet is not lost at once. The study of pretraining takes it for both
starts, with few training images: an image costs these networks more than ten times what it costs `compact`."""

PAPER = Preset(
    name="paper",
    summary="ResNet-50 at the paper's size, for an accelerator",
    network="resnet50",
    width=1.0,
    epochs=None,
    steps=17_000,
    batch_size=256,
    learning_rate=0.01,
    weight_decay=0.0,
)
"""Section 4.1 names the network of its experiments, ResNet-50, and no schedule. Appendix A has one for the raters, for
CIFAR-10 at medium noise 17,000 steps of 256 images from a learning rate of 0.01, with cosine decay, flips and crops."""

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in (COMPACT, COMPACT_32, FINE_TUNING, PAPER)}
