"""Pools as the text of a Python module, which gives them back when it is imported, and may be edited.

path.write_text(module_of(pools, "Raters of photos_noisy."))
pools_of(path)
"""

from __future__ import annotations

import importlib.util
import pathlib
import re
import sys
from collections.abc import Sequence

from noisy_label_datasets.source_text import python_of
from rater_training.config import ConfigError, PoolConfig


def module_of(pools: Sequence[PoolConfig], docstring: str) -> str:
    """Returns the text of a module with a variable per pool (`variable_of`), and all of them in `POOLS`."""
    names = [variable_of(pool.level) for pool in pools]
    parts = [f'"""{docstring}"""', "from rater_training.config import Augmentation, PoolConfig, RaterConfig"]
    parts += [f"{name} = {python_of(pool)}" for name, pool in zip(names, pools, strict=True)]
    return "\n\n".join([*parts, f"POOLS = ({', '.join(names)},)"]) + "\n"


def variable_of(level: str) -> str:
    """Returns the name of the variable of a level's pool: 'ERROR_0_10' of 'error_0.10'."""
    return re.sub(r"\W", "_", level).upper()


def pools_of(path: pathlib.Path) -> tuple[PoolConfig, ...]:
    """Returns the pools of a module that `module_of` wrote and others may have edited.

    Raises:
      ConfigError: it cannot be imported, or its `POOLS` are not pools.
    """
    spec = importlib.util.spec_from_file_location(f"_pools_of_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # the folder is the user's
    try:
        spec.loader.exec_module(module)
        pools = tuple(module.POOLS)
    except Exception as error:  # of a file that people edit, any
        what = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{path} cannot be imported as a module with POOLS: {what}") from error
    finally:
        sys.dont_write_bytecode = writes
    if not pools or not all(isinstance(pool, PoolConfig) for pool in pools):
        raise ConfigError(f"POOLS in {path} has to be a tuple of PoolConfig, with one at least")
    return pools
