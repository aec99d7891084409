"""Compact pools: beside each pool of the paper one for machines without an accelerator.

    noisy-labels train pcam_noisy/low           # the compact pool, pcam/low_compact, is the default
    python -m rater_training list --cost        # what each costs

`compact` makes them of the paper's (Appendix A): as many raters in the same order, of at least five families, with the
printed batch size. Scaled down are the networks (`STAND_INS`) and the steps, to a seventieth of the printed, about what
the three CIFAR-10 pools that are tuned by hand have (`cifar10_compact`). The recipe is theirs: a warm-up, weight decay
5e-4, and fifty times the printed learning rate, which makes 0.5 of 0.01. Rates below 0.05 are raised to it, and steps
below 56: with less such a network hardly learns.

None of these pools has been trained on its images: which error rates to expect is not measured. Decided besides:

*   Cats vs Dogs is seen at 64x64 pixels, to which the builder shrinks the images for this pool (the paper's pools see
    224x224); PatchCamelyon at its own 96x96. There the networks have half the width.
*   CIFAR-100 low is trained for as many steps as medium, at its rate, with label smoothing and labels from an image and
    its mirror image, as CIFAR-10 low is. By its printed training, by far the shortest, it would err
    more than high and not less.
*   CIFAR-10 with 12,000 steps has the raters of cifar10/high_compact with 12/5 of their steps, as the paper's has those
    of high. CIFAR-10's other three are those tuned by hand.
"""

import dataclasses
from typing import Any

from rater_training.config import Augmentation, PoolConfig, RaterConfig
from rater_training.pools import cats_vs_dogs, cifar10_compact, cifar100, pcam

# The paper's thirteen architectures: which compact network stands for each, and its width on 32x32 pixels. MobileNet-v2
# is the sum of separable convolutions and what they are given, as compact_nasnet is and compact_mobilenet is not.
STAND_INS = {
    "inception_v1": ("compact_inception", 0.75),
    "inception_v2": ("compact_inception", 1.0),
    "inception_v3": ("compact_inception", 1.0),
    "inception_v4": ("compact_inception", 1.25),
    "inception_resnet_v2": ("compact_inception_resnet", 1.0),
    "mobilenet_v1": ("compact_mobilenet", 1.0),
    "mobilenet_v2": ("compact_nasnet", 1.0),
    "nasnet_mobile": ("compact_nasnet", 1.25),
    "resnet50": ("compact_resnet", 0.75),
    "resnet101": ("compact_resnet", 1.0),
    "resnet152": ("compact_resnet", 1.25),
    "vgg16": ("compact_vgg", 1.0),
    "vgg19": ("compact_vgg", 1.25),
}
_STEPS_DIVISOR, _FEWEST_STEPS = 70, 56
_RATE_FACTOR, _LOWEST_RATE = 50, 0.05
_IMAGE_SIDES = {"cats_vs_dogs": 64}
_LARGE = 64  # pixels a side from which networks have half the width
# Pools whose recipe is not the rule's.
_CHANGES: dict[str, dict[str, Any]] = {
    "cifar100/low": {"steps": 2857, "learning_rate": 0.5, "label_smoothing": 0.1, "label_with_flip": True},
}


def compact(pool: PoolConfig) -> PoolConfig:
    """Returns the compact pool of one of the paper's."""
    task, level = pool.name.split("/")
    side = _IMAGE_SIDES.get(task, pool.image_shape[0])
    return PoolConfig(
        name=f"{pool.name}_compact",
        dataset=pool.dataset,
        level=level,
        raters=tuple(_stand_in(rater, pool.name, side) for rater in pool.raters),
        image_shape=(side, side, 3),
        num_classes=pool.num_classes,
        source=f"the shape of {pool.name} ({pool.source}), scaled down for a CPU; its error rates are not measured",
    )


def _stand_in(rater: RaterConfig, pool_name: str, side: int) -> RaterConfig:
    architecture, width = STAND_INS[rater.architecture]
    scaled = RaterConfig(
        id=f"{rater.id.partition('-')[0]}-{architecture}",
        architecture=architecture,
        width=width / 2 if side >= _LARGE else width,
        steps=max(_FEWEST_STEPS, round(rater.steps / _STEPS_DIVISOR)),
        batch_size=rater.batch_size,
        learning_rate=max(_LOWEST_RATE, round(_RATE_FACTOR * rater.learning_rate, 6)),
        weight_decay=5e-4,
        warmup_fraction=0.2,
        augmentation=Augmentation(crop_padding=side // 16, flip=True),
        seed=rater.seed,
    )
    return dataclasses.replace(scaled, **_CHANGES.get(pool_name, {}))


def _steps_12000() -> PoolConfig:
    high = next(pool for pool in cifar10_compact.POOLS if pool.level == "high")
    raters = (
        dataclasses.replace(rater, steps=round(rater.steps * 12_000 / 5_000), seed=4000 + i)
        for i, rater in enumerate(high.raters)
    )
    return dataclasses.replace(
        high,
        name="cifar10/steps_12000_compact",
        level="steps_12000",
        raters=tuple(raters),
        source="the raters of cifar10/high_compact with 12/5 of their steps (Appendix A, Section 3.2); not measured",
    )


POOLS = (
    _steps_12000(),
    *(compact(pool) for task in (cifar100, pcam, cats_vs_dogs) for pool in task.POOLS),
)
