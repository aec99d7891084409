"""Pools for `digits_noisy`: the 8x8 digits that scikit-learn carries, for trying everything out in two minutes.

    noisy-labels make digits_noisy/medium

Not in the paper, but made as its pools are: the levels differ in how long the raters are trained, and nothing else.
Nine raters of four architectures and eight shapes; the rater error rates aimed at are those of the paper's CIFAR-10
datasets (0.11 / 0.19 / 0.48), the measured ones stand in builders/digits_noisy/README.md. On two CPU cores a pool takes
about a minute, most of it compilation.
"""

from __future__ import annotations

from rater_training.config import Augmentation, PoolConfig, RaterConfig

# (architecture, width, learning rate, steps at the low, medium and high level)
_RATERS = (
    ("softmax_regression", 1.0, 0.05, (200, 60, 18)),
    ("softmax_regression", 1.0, 0.1, (160, 40, 14)),
    ("mlp", 1.0, 0.05, (120, 46, 16)),
    ("mlp", 1.0, 0.1, (80, 28, 12)),
    ("mlp", 0.5, 0.1, (70, 36, 14)),
    ("compact_vgg", 0.25, 0.2, (80, 60, 24)),
    ("compact_vgg", 0.25, 0.1, (110, 80, 22)),
    ("compact_resnet", 0.25, 0.1, (80, 44, 32)),
    ("compact_resnet", 0.25, 0.2, (70, 54, 20)),
)
_LEVELS = ("low", "medium", "high")


def _pool(level: str, seed: int) -> PoolConfig:
    return PoolConfig(
        name=f"digits/{level}",
        dataset="digits_noisy",
        level=level,
        raters=tuple(
            RaterConfig(
                id=f"{i:02}-{architecture}",
                architecture=architecture,
                width=width,
                steps=steps[_LEVELS.index(level)],
                batch_size=64,
                learning_rate=learning_rate,
                augmentation=Augmentation(crop_padding=1, flip=False),  # a mirrored digit is another sign
                seed=seed + i,
            )
            for i, (architecture, width, learning_rate, steps) in enumerate(_RATERS)
        ),
        image_shape=(8, 8, 1),
        num_classes=10,
        source="not in the paper: small pools on scikit-learn's digits, for trying everything out",
    )


POOLS = tuple(_pool(level, seed=100 * (i + 1)) for i, level in enumerate(_LEVELS))
