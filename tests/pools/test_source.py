"""Pools as Python source: they come back, edited or not, and what is no pool is an error that names the file."""

import dataclasses

import pytest

from rater_training import pools
from rater_training.config import ConfigError
from rater_training.pools.source import module_of, pools_of, variable_of


@pytest.mark.parametrize("name", ["digits/medium", "cifar10/low_compact", "cats_vs_dogs/low_compact", "pcam/high"])
def test_the_pools_of_this_package_come_back(tmp_path, name):
    pool = dataclasses.replace(pools.POOLS[name], level="error_0.125", source='says "x"\n')
    path = tmp_path / "pools.py"
    path.write_text(module_of([pool], "Raters."))
    assert pools_of(path) == (pool,)
    assert "ERROR_0_125 = PoolConfig(\n" in path.read_text()
    assert path.read_text().count("seed=") == len(pool.raters)  # a seed is to be seen, be it the default
    assert not list(tmp_path.glob("__pycache__"))


def test_the_variable_of_a_level():
    assert variable_of("error_0.10") == "ERROR_0_10"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("POOLS = (", "SyntaxError"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("", "has no attribute 'POOLS'"),
        ("POOLS = ()", "has to be a tuple of PoolConfig"),
        ("POOLS = (1,)", "has to be a tuple of PoolConfig"),
    ],
)
def test_what_is_no_module_of_pools_is_named(tmp_path, text, said):
    path = tmp_path / "pools.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said) as raised:
        pools_of(path)
    assert str(path) in str(raised.value)
