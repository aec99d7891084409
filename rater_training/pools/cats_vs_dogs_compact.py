"""Compact pools for Cats vs Dogs, for machines without an accelerator.

    noisy-labels train cats_vs_dogs_noisy/high      # the compact pool is the default

Each has ten raters, as the paper's (Appendix A, CvD). Error rates on `noisy_label_train` of the shipped labels, best
and worst rater, and how often two raters agree (`python -m noisy_label_datasets.maintenance.readme_figures`):

    pool                paper    here     best     worst    two agree on
    low                 0.09     0.092    0.080    0.114    0.92
    medium              0.20     0.202    0.143    0.264    0.83
    high                0.29     0.298    0.239    0.421    0.78
    section31_25000              0.185    0.148    0.225    0.78
    section31_50000              0.106    0.090    0.130    0.90
    section31_100000             0.088    0.080    0.114    0.93

Decided otherwise than in the paper:

*   The photographs at hand were squeezed to 96x96. Raters see them at 32x32 (medium, high) or 96x96;
    the paper's networks were made for 224x224. A rater that sees less errs where the small picture does not show the
    animal.
*   At 32x32 compact networks from random numbers come to 27 % wrong in 60 steps of 128 images, to 20 % in 160 and to
    14 % in 400, a minute or a few of one CPU core. The paper's rate of 0.001 for 10,000 steps of 128 would hardly do
    better from random numbers; its networks had an accelerator, and perhaps ImageNet.
*   9 % is out of their reach in minutes. The raters of low and of the studies of Section 3.1 are last layers on the
    features of EfficientNet-Lite 0 to 2, at 96x96, each on its own share of them (`engine.frozen`). They are of three
    families only and agree more than networks that were trained whole: a compact network at 96x96 takes hours of a
    CPU.
*   The raters were put together so that the mean error rates are near the paper's; those rates are measured on the
    images that they label.
*   Pools that the paper trains alike are one here: section33 is high, section32_10000 is medium, section32_25000 and
    _100000 are those of Section 3.1.
"""

from __future__ import annotations

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


_SECTION31_25000: tuple[Row, ...] = (
    *(Frozen("efficientnet_lite0", share) for share in (0.06, 0.04, 0.03, 0.02)),
    *(Frozen("efficientnet_lite1", share) for share in (0.05, 0.03, 0.02)),
    *(Frozen("efficientnet_lite2", share) for share in (0.05, 0.03, 0.02)),
)
_SECTION31_50000: tuple[Row, ...] = (
    *(Frozen("efficientnet_lite0", share) for share in (0.4, 0.25, 0.2, 0.1)),
    *(Frozen("efficientnet_lite1", share) for share in (0.4, 0.25, 0.15)),
    *(Frozen("efficientnet_lite2", share) for share in (0.4, 0.25, 0.15)),
)
_SECTION31_100000: tuple[Row, ...] = (
    *(Frozen("efficientnet_lite0", share) for share in (0.95, 0.9, 0.8, 0.15)),  # the last is the worst
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
    _pool("section31_25000", _SECTION31_25000, _LARGE, seed=300),
    _pool("section31_50000", _SECTION31_50000, _LARGE, seed=400),
    _pool("section31_100000", _SECTION31_100000, _LARGE, seed=500),
)
