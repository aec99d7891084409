"""Everything that is tried, by name."""

import dataclasses
import functools
from collections.abc import Callable, Iterable

from tests.faults.base_served import BASE_SERVED
from tests.faults.built_kinds import BUILT_KINDS
from tests.faults.damaged import try_damaged
from tests.faults.human_kinds import HUMAN_KINDS
from tests.faults.kinds import PLAIN_KINDS
from tests.faults.learning_kinds import LEARNING_KINDS
from tests.faults.processes import KILLED, RACES
from tests.faults.served import SERVED
from tests.faults.trained_kinds import TRAINED_KINDS
from tests.faults.trials import Tally


@dataclasses.dataclass(frozen=True)
class Trying:
    """One row of the table.

    Attributes:
      run: tries it with each of some seeds.
      costly: whether a trial takes a process and many seconds; of such, `--slow-count` are made.
      fast: whether it is part of the fast tests.
    """

    run: Callable[[Iterable[int]], Tally]
    costly: bool = False
    fast: bool = False


KINDS: dict[str, Trying] = {
    **{
        f"damaged: {kind.name}": Trying(functools.partial(try_damaged, kind), fast=not kind.slow)
        for kind in (*PLAIN_KINDS, *HUMAN_KINDS, *TRAINED_KINDS, *LEARNING_KINDS, *BUILT_KINDS)
    },
    **{name: Trying(run) for name, run in {**SERVED, **BASE_SERVED}.items()},
    **{name: Trying(run, costly=True) for name, run in {**KILLED, **RACES}.items()},
}


def try_kind(name: str, seeds: Iterable[int]) -> Tally:
    """Tries a kind with some seeds."""
    return KINDS[name].run(seeds)
