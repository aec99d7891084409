"""Compact pools for CIFAR-100 and the three 20-way tasks made of it, for machines without an accelerator."""

from rater_training.config import PoolConfig
from rater_training.pools.recipes import Frozen, Row, Scratch, Tuned, raters

_SIDE = 32
_LITE0, _LITE1, _LITE2 = "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"

# Of the 20-way tasks: shares of the features that the raters of each published network see; steps of the others.
_SHARES = {
    "cifar100_easy": {
        "low": (1.0, 0.6, 0.3, 0.2),
        "medium": (0.1, 0.07, 0.05, 0.04),
        "high": (0.03, 0.025, 0.02, 0.015),
        "section33": (0.4, 0.15, 0.1, 0.06),
    },
    "cifar100_medium": {
        "low": (1.0, 0.6, 0.3, 0.2),
        "medium": (0.15, 0.1, 0.08, 0.06),
        "high": (0.05, 0.04, 0.03, 0.02),
        "section33": (0.4, 0.2, 0.12, 0.08),
    },
    "cifar100_hard": {
        "low": (1.0, 0.6, 0.3, 0.2),
        "medium": (0.15, 0.1, 0.08, 0.06),
        "high": (0.05, 0.04, 0.03, 0.02),
        "section33": (0.4, 0.2, 0.12, 0.08),
    },
}
_STEPS = {"low": 200, "medium": 100, "high": 50, "section33": 100}
_SEEDS = {"low": 0, "medium": 100, "high": 200, "section33": 300}


_LEVELS: dict[str, tuple[Row, ...]] = {
    "low": (
        *(Tuned(_LITE0, steps) for steps in (1400, 1200, 1000)),
        *(Tuned(_LITE1, steps) for steps in (1400, 1200, 1000)),
        *(Tuned(_LITE2, steps) for steps in (1400, 1200, 1000)),
        Scratch("compact_resnet", 6000, width=1.0),
        Scratch("compact_vgg", 6000, width=1.0),
    ),
    "medium": (
        *(Frozen(_LITE0, share, 1500) for share in (1.0, 0.8, 0.6)),
        *(Frozen(_LITE1, share, 1500) for share in (1.0, 0.8, 0.6)),
        *(Frozen(_LITE2, share, 1500) for share in (1.0, 0.8, 0.6)),
        Scratch("compact_resnet", 1200),
        Scratch("compact_vgg", 1200),
    ),
    "high": (
        *(Frozen(_LITE0, share, 1500) for share in (0.7, 0.5, 0.4, 0.3)),
        *(Frozen(_LITE1, share, 1500) for share in (0.7, 0.5, 0.4, 0.3)),
        Scratch("compact_resnet", 500),
        Scratch("compact_vgg", 500),
        Frozen(_LITE2, 0.5, 1500),
    ),
}


def _hundred_way(level: str) -> PoolConfig:
    return PoolConfig(
        name=f"cifar100/{level}_compact",
        dataset="cifar100_noisy",
        level=level,
        raters=raters(_LEVELS[level], side=_SIDE, seed=5000 + _SEEDS[level]),
        image_shape=(_SIDE, _SIDE, 3),
        num_classes=100,
        source=f"the shape of the paper's {level} CIFAR-100 pool (Appendix A), scaled down for a CPU",
    )


def _twenty_way(number: int, task: str, level: str) -> PoolConfig:
    shares = _SHARES[task][level]
    rows = (
        *(Frozen(_LITE0, share) for share in shares),
        *(Frozen(_LITE1, share) for share in shares[:3]),
        Frozen(_LITE2, shares[0]),
        Scratch("compact_resnet", _STEPS[level], width=0.25),
        Scratch("compact_vgg", _STEPS[level], width=0.25),
        *((Frozen(_LITE2, shares[2]),) if task != "cifar100_easy" else ()),  # of easy the paper has ten raters
    )
    return PoolConfig(
        name=f"{task}/{level}_compact",
        dataset=f"{task}_noisy",
        level=level,
        raters=raters(rows, side=_SIDE, seed=1000 * number + _SEEDS[level]),
        image_shape=(_SIDE, _SIDE, 3),
        num_classes=20,
        source="as many raters as the paper has for Section 3.3 (Appendix A), scaled down for a CPU",
    )


POOLS = (
    *(_hundred_way(level) for level in _LEVELS),
    *(_twenty_way(number, task, level) for number, task in enumerate(_SHARES, start=1) for level in _SHARES[task]),
)
