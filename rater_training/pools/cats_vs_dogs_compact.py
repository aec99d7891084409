"""Compact pools for Cats vs Dogs, for machines without an accelerator."""

from rater_training.config import PoolConfig
from rater_training.pools.recipes import Frozen, Row, Scratch, raters

_SMALL, _LARGE = 32, 96  # pixels a side
_LITES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")

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
    Frozen("efficientnet_lite0"),
    Frozen("efficientnet_lite0", 0.3),
    Frozen("efficientnet_lite0", 0.6),
    Frozen("efficientnet_lite1"),
    Frozen("efficientnet_lite1", 0.3),
    Frozen("efficientnet_lite1", 0.6),
    Frozen("efficientnet_lite2"),  # the best
    Frozen("efficientnet_lite2", 0.4),
    Scratch("compact_resnet", 250, width=0.25),
    Scratch("compact_vgg", 250, width=0.25),
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
    *(Frozen(architecture, share) for architecture in _LITES for share in (1.0, 0.8)),
    Frozen("efficientnet_lite2", 0.6),
    Scratch("compact_resnet", 500, width=0.25),
    Scratch("compact_vgg", 500, width=0.25),
    Scratch("compact_vgg", 350, width=0.25),
)
_SECTION31_100000: tuple[Row, ...] = (
    *(Frozen(architecture, share) for architecture in _LITES for share in (1.0, 0.9)),
    Frozen("efficientnet_lite1", 0.7),
    Frozen("efficientnet_lite2", 0.7),
    Scratch("compact_resnet", 1000, width=0.25),
    Scratch("compact_vgg", 1000, width=0.25),
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
