"""Raters suited to a dataset that nobody has tuned a pool for: ten, of several families, for its image size and number.

    raters = suited_raters((32, 32, 3), num_images=2000, count=10, max_steps=400, seed=0)

Each is a training of `max_steps`, which a pilot goes through; the raters of a pool are these, stopped earlier
(`RaterConfig.schedule_steps`). Compact networks have the recipe of the project's compact pools (`recipes`); on images
of at most 12 pixels a side the cheap networks of `digits` come first. With `pretrained` the raters are last layers on
the features of published networks, each on a share of them; it is the share that then decides how often they err.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rater_training.config import Augmentation, ConfigError, RaterConfig

LEAST_SIDE = 8  # of compact networks
LEAST_IMAGES = 16  # to train on
_SMALL_SIDE = 12  # up to which networks without convolutions are worth their while
_MOST_BATCH = 128


@dataclasses.dataclass(frozen=True)
class Kind:
    """A network and how fast it learns.

    Attributes:
      architecture: a key of `rater_training.architectures.ARCHITECTURES`.
      width: multiplier of its channels.
      rate: the highest learning rate at batches of 128; it shrinks with the batch.
    """

    architecture: str
    width: float
    rate: float


# In this order, so that few raters are of many families, too; two widths or rates of most.
COMPACT = (
    Kind("compact_vgg", 0.5, 0.5),
    Kind("compact_resnet", 0.5, 0.5),
    Kind("compact_mobilenet", 0.5, 0.5),
    Kind("compact_inception", 0.5, 0.5),
    Kind("compact_nasnet", 0.5, 0.5),
    Kind("compact_inception_resnet", 0.5, 0.5),
    Kind("compact_vgg", 0.25, 0.5),
    Kind("compact_resnet", 0.5, 0.2),
    Kind("compact_mobilenet", 0.5, 0.2),
    Kind("compact_vgg", 0.5, 0.2),
)
SMALL = (
    Kind("softmax_regression", 1.0, 0.1),
    Kind("mlp", 1.0, 0.1),
    Kind("compact_vgg", 0.25, 0.4),
    Kind("compact_resnet", 0.25, 0.4),
    Kind("compact_mobilenet", 0.25, 0.4),
    Kind("mlp", 0.5, 0.2),
    Kind("compact_inception", 0.25, 0.4),
    Kind("compact_vgg", 0.25, 0.2),
    Kind("compact_resnet", 0.25, 0.2),
    Kind("softmax_regression", 1.0, 0.2),
)
TINY = tuple(kind for kind in SMALL if not kind.architecture.startswith("compact"))
MOST_RATERS = len(COMPACT)
PRETRAINED = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
LEAST_PRETRAINED_SIDE = 32


def suited_raters(
    image_shape: Sequence[int],
    *,
    num_images: int,
    count: int,
    max_steps: int,
    flip: bool,
    seed: int,
    pretrained: bool = False,
) -> tuple[RaterConfig, ...]:
    """Returns raters for a dataset, each trained for `max_steps`; the first has this seed, the next the next.

    Args:
      image_shape: (height, width, channels) at which they see the images.
      num_images: of `clean_label_train`.
      count: how many raters.
      max_steps: of each.
      flip: whether a flipped image is as good as the image; it is not of digits and letters.
      seed: of the first rater.
      pretrained: whether they start from published networks, of which the last layer alone is trained.

    Raises:
      ConfigError: too few images, a number of raters that there are not, or images that published networks do not take.
    """
    if num_images < LEAST_IMAGES:
        raise ConfigError(f"clean_label_train has {num_images} images; raters need {LEAST_IMAGES} or more")
    if not 2 <= count <= MOST_RATERS:
        raise ConfigError(f"the number of raters is {count}; it has to be 2 to {MOST_RATERS}")
    if pretrained:
        return _pretrained_raters(image_shape, batch_size_for(num_images), count, max_steps, seed)
    side = min(image_shape[:2])
    kinds = TINY if side < LEAST_SIDE else SMALL if max(image_shape[:2]) <= _SMALL_SIDE else COMPACT
    batch_size = batch_size_for(num_images)
    return tuple(
        RaterConfig(
            id=f"{i:02}-{kind.architecture}",
            architecture=kind.architecture,
            width=kind.width,
            steps=max_steps,
            batch_size=batch_size,
            learning_rate=round(kind.rate * batch_size / _MOST_BATCH, 6),
            weight_decay=5e-4,
            warmup_fraction=0.2,
            augmentation=Augmentation(crop_padding=max(1, side // 16) if side >= LEAST_SIDE else 0, flip=flip),
            seed=seed + i,
        )
        # Where there are fewer kinds than raters they come again, with seeds of their own.
        for i, kind in enumerate((kinds * MOST_RATERS)[:count])
    )


def _pretrained_raters(
    image_shape: Sequence[int], batch_size: int, count: int, max_steps: int, seed: int
) -> tuple[RaterConfig, ...]:
    if image_shape[2] != 3 or min(image_shape[:2]) < LEAST_PRETRAINED_SIDE:
        raise ConfigError(
            f"published networks take colour images of {LEAST_PRETRAINED_SIDE} pixels a side or more; these are "
            f"{'x'.join(map(str, image_shape))}"
        )
    return tuple(
        RaterConfig(
            id=f"{i:02}-{architecture}",
            architecture=architecture,
            pretrained=True,
            frozen=True,
            optimizer="adamw",
            steps=max_steps,
            batch_size=batch_size,
            learning_rate=0.001,
            weight_decay=0.02,
            augmentation=Augmentation(crop_padding=0, flip=False),
            seed=seed + i,
        )
        for i, architecture in enumerate((PRETRAINED * MOST_RATERS)[:count])
    )


def batch_size_for(num_images: int) -> int:
    """Returns a power of two, at most 128 and at most a quarter of the images but for the smallest datasets."""
    batch_size = _MOST_BATCH
    while batch_size > LEAST_IMAGES and 4 * batch_size > num_images:
        batch_size //= 2
    return batch_size
