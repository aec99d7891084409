"""How the raters of the compact pools are trained: from random numbers, or from a published network.

raters(("compact_vgg", 60), Frozen("efficientnet_lite0", share=0.3)), side=32, seed=100)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from rater_training.config import Augmentation, RaterConfig


@dataclasses.dataclass(frozen=True)
class Scratch:
    """A compact network from random numbers, for some steps of 128 images.

    Attributes:
      architecture: a compact one.
      steps: of 128 images.
      width: multiplier of its channels.
      turn: whether training turns the images, and labels come from an image and its mirror image.
      learning_rate: the highest.
      weight_decay: of kernels.
    """

    architecture: str
    steps: int
    width: float = 0.5
    turn: bool = False
    learning_rate: float = 0.5
    weight_decay: float = 5e-4


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A published network of which the last layer alone is trained.

    Attributes:
      architecture: one that weights are published of.
      share: of its features that the layer sees.
      steps: of 128 images.
    """

    architecture: str
    share: float = 1.0
    steps: int = 500


@dataclasses.dataclass(frozen=True)
class Tuned:
    """A published network that is fine-tuned, all layers, as those of `cifar10_compact` are.

    Its labels come from an image and its mirror image.

    Attributes:
      architecture: one that weights are published of.
      steps: of 64 images.
    """

    architecture: str
    steps: int


Row = Scratch | Frozen | Tuned


def raters(rows: Iterable[Row], *, side: int, seed: int) -> tuple[RaterConfig, ...]:
    """Returns the raters of a pool that sees images of `side` pixels; the first has this seed, the next the next."""
    return tuple(_rater(f"{i:02}-{row.architecture}", row, side, seed + i) for i, row in enumerate(rows))


def _rater(name: str, row: Row, side: int, seed: int) -> RaterConfig:
    if isinstance(row, Frozen):
        return RaterConfig(
            id=name,
            architecture=row.architecture,
            pretrained=True,
            frozen=True,
            features_share=row.share,
            optimizer="adamw",
            steps=row.steps,
            batch_size=128,
            learning_rate=0.001,
            weight_decay=0.02,
            augmentation=Augmentation(crop_padding=0, flip=False),
            seed=seed,
        )
    if isinstance(row, Tuned):
        return RaterConfig(
            id=name,
            architecture=row.architecture,
            pretrained=True,
            optimizer="adamw",
            steps=row.steps,
            batch_size=64,
            learning_rate=0.001,
            weight_decay=0.02,
            warmup_fraction=0.2,
            augmentation=Augmentation(crop_padding=side // 8, flip=True),
            label_with_flip=True,
            seed=seed,
        )
    return RaterConfig(
        id=name,
        architecture=row.architecture,
        width=row.width,
        steps=row.steps,
        batch_size=128,
        learning_rate=row.learning_rate,
        weight_decay=row.weight_decay,
        warmup_fraction=0.2,
        augmentation=Augmentation(crop_padding=side // 16, flip=True, turn=row.turn),
        label_with_flip=row.turn,
        seed=seed,
    )
