"""The pools, by name: `get_pool("digits/medium")`.

A new pool is a `PoolConfig` in a module of its task; a new task is a module whose `POOLS` is added below.
"""

from collections.abc import Mapping
from typing import Any

from rater_training.config import ConfigError, PoolConfig
from rater_training.pools import cats_vs_dogs, cifar10, cifar10_compact, cifar100, digits, pcam

_MODULES = (digits, cifar10_compact, cifar10, cifar100, pcam, cats_vs_dogs)

POOLS: dict[str, PoolConfig] = {pool.name: pool for module in _MODULES for pool in module.POOLS}


def get_pool(name: str) -> PoolConfig:
    """Returns the pool of this name; raises ConfigError, naming those there are, on another."""
    if name not in POOLS:
        raise ConfigError(f"no pool {name!r}; there are: {', '.join(POOLS)}")
    return POOLS[name]


def summary(pool: PoolConfig) -> Mapping[str, Any]:
    """Returns what a list shows of a pool, as JSON values."""
    from rater_training.pools import cost  # brings JAX, which the configurations do without

    return {
        "name": pool.name,
        "dataset": pool.dataset,
        "level": pool.level,
        "raters": len(pool.raters),
        "architectures": sorted({rater.architecture for rater in pool.raters}),
        "steps": sorted({rater.steps for rater in pool.raters}),
        "examples_seen": pool.examples_seen,
        "training_flops": cost.training_flops(pool),
        "source": pool.source,
    }
