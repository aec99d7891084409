"""The pools, by name: `get_pool("digits/medium")`, or of your own: `get_pool("my_module:POOL")`.

A new pool is a `PoolConfig` in a module of its task; a new task is a module beside this one, with its pools in `POOLS`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from rater_training.config import ConfigError, PoolConfig

_HELPERS = ("choice", "cost", "paper", "recipes", "source", "suited")  # modules without pools; the first brings JAX
_MODULES = [
    importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
    if module.name not in _HELPERS
]

POOLS: dict[str, PoolConfig] = {pool.name: pool for module in _MODULES for pool in module.POOLS}


def get_pool(name: str) -> PoolConfig:
    """Returns the pool of this name, or the one that a module holds, as 'module:VARIABLE'.

    Raises:
      ConfigError: there is none of this name, naming those there are; or nothing of the kind in that module.
    """
    module, colon, variable = name.partition(":")
    if colon:
        try:
            pool = getattr(importlib.import_module(module), variable)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"no pool {name!r}: {error}") from error
        if not isinstance(pool, PoolConfig):
            raise ConfigError(f"{name} is a {type(pool).__name__}, not a PoolConfig")
        return pool
    if name not in POOLS:
        raise ConfigError(f"no pool {name!r}; there are: {', '.join(POOLS)}")
    return POOLS[name]


def summary(pool: PoolConfig, *, cost: bool = False) -> Mapping[str, Any]:
    """Returns what a list shows of a pool, as JSON values; with `cost` also "training_flops", which takes a second."""
    row = {
        "name": pool.name,
        "dataset": pool.dataset,
        "level": pool.level,
        "raters": len(pool.raters),
        "architectures": sorted({rater.architecture for rater in pool.raters}),
        "steps": sorted({rater.steps for rater in pool.raters}),
        "examples_seen": pool.examples_seen,
        "image_size": list(pool.image_shape[:2]),
        "source": pool.source,
    }
    if cost:
        from rater_training.pools.cost import training_flops  # brings JAX, which the configurations do without

        row["training_flops"] = training_flops(pool)
    return row
