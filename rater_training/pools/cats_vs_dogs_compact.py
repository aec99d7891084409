"""Compact pools for Cats vs Dogs, for machines without an accelerator."""

from rater_training.config import PoolConfig
from rater_training.pools.recipes import Frozen, Row, Scratch, raters

_SMALL, _LARGE = 32, 96  # pixels a side

_HIGH = (
    Scratch("compact_vgg", 36),
    Scratch("compact_vgg", 60),
    Scratch("compact_resnet", 44),
    Scratch("compact_resnet", 100),  # the best
    Scratch("compact_inception", 60),
    Scratch("compact_inception", 44),
    Scratch("compact_inception_resnet", 60),
    Scratch("compact_mobilenet", 80),
    Scratch("compact_mobilenet", 60),  # the worst
    Scratch("compact_nasnet", 60),
)
_MEDIUM = (
    Scratch("compact_vgg", 130),
    Scratch("compact_vgg", 90),  # one of the worst
    Scratch("compact_resnet", 130),
    Scratch("compact_resnet", 250),
    Scratch("compact_inception", 130),
    Scratch("compact_inception", 260),
    Scratch("compact_inception_resnet", 300),
    Scratch("compact_resnet", 400),  # the best
    Scratch("compact_vgg", 350),
    Scratch("compact_mobilenet", 350),
)
_LOW: tuple[Row, ...] = (
    Frozen("efficientnet_lite0"),  # the best
    Frozen("efficientnet_lite0", 0.3),
    Frozen("efficientnet_lite0", 0.6),
    Frozen("efficientnet_lite1"),
    Frozen("efficientnet_lite1", 0.3),
    Frozen("efficientnet_lite1", 0.6),
    Frozen("efficientnet_lite2"),
    Frozen("efficientnet_lite2", 0.4),
    Frozen("efficientnet_lite0", 0.15),  # the worst
    Frozen("efficientnet_lite2", 0.7),
)


_SECTION31_25000 = (
    Scratch("compact_vgg", 120),
    Scratch("compact_vgg", 200),
    Scratch("compact_vgg", 280),
    Scratch("compact_resnet", 90),
    Scratch("compact_resnet", 150),
    Scratch("compact_resnet", 220),
    Scratch("compact_inception", 160),
    Scratch("compact_inception_resnet", 200),
    Scratch("compact_mobilenet", 220),
    Scratch("compact_nasnet", 150),
)
_SECTION31_50000: tuple[Row, ...] = (
    *(Frozen("efficientnet_lite0", share) for share in (0.4, 0.25, 0.2, 0.1)),
    *(Frozen("efficientnet_lite1", share) for share in (0.4, 0.25, 0.15)),
    *(Frozen("efficientnet_lite2", share) for share in (0.4, 0.25, 0.15)),
)
_SECTION31_100000: tuple[Row, ...] = (
    *(Frozen("efficientnet_lite0", share) for share in (0.95, 0.9, 0.8, 0.3)),
    *(Frozen("efficientnet_lite1", share) for share in (0.95, 0.9, 0.8)),
    *(Frozen("efficientnet_lite2", share) for share in (0.95, 0.9, 0.8)),
)


def _pool(level: str, rows: tuple[Row, ...], side: int, seed: int) -> PoolConfig:
    return PoolConfig(
        name=f"cats_vs_dogs/{level}_compact",
        dataset="cats_vs_dogs_noisy",
        level=level,
        raters=raters(rows, side=side, seed=seed),
        image_shape=(side, side, 3),
        num_classes=2,
        source=f"the shape of the paper's {level} Cats vs Dogs pool (Appendix A), scaled down for a CPU",
    )


POOLS = (
    _pool("high", _HIGH, _SMALL, seed=0),
    _pool("medium", _MEDIUM, _SMALL, seed=100),
    _pool("low", _LOW, _LARGE, seed=200),
    _pool("section31_25000", _SECTION31_25000, _SMALL, seed=300),
    _pool("section31_50000", _SECTION31_50000, _LARGE, seed=400),
    _pool("section31_100000", _SECTION31_100000, _LARGE, seed=500),
)
