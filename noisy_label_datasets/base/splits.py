"""The five splits of a noisy-label dataset (Section 2.2 of the paper), by seeded hash of the example id.

    plan = SplitPlan({"train": {"clean_label_train": 0.4, "clean_label_valid": 0.1,
                                "noisy_label_train": 0.4, "noisy_label_valid": 0.1},
                      "test": {"test": 1.0}})
    plan.assign("train", ["train_00000", "train_00001"])    # array of split names

The split of an example depends on its id, the seed and the fractions, and on nothing else: not on the order of the
examples, nor on which other examples there are, nor on the machine.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.schema import MapOf, Number, Record, Whole

SPLITS = ("clean_label_train", "clean_label_valid", "noisy_label_train", "noisy_label_valid", "test")
LABELLED_SPLITS = SPLITS[1:]
"""What the raters label: every split that they did not train on."""


SPLIT_PLAN = Record({"fractions": MapOf(MapOf(Number(0, 1))), "seed": Whole()})
"""What `SplitPlan.to_json` gives, as a schema."""


class SplitPlanError(NoisyLabelsError, ValueError):
    """Fractions that do not give the five splits, or a base split that the plan does not have."""


@dataclasses.dataclass(frozen=True)
class SplitPlan:
    """Which share of each split of the base dataset goes to which of the five splits.

    Attributes:
      fractions: base split -> {split: fraction above 0}. The fractions of a base split sum to 1, and all together
        they name every one of the five splits.
      seed: another seed gives another division of the same sizes.
    """

    fractions: Mapping[str, Mapping[str, float]]
    seed: int = 0

    def __post_init__(self) -> None:
        # In one order, whatever the order given, so that the order of a mapping cannot change the division.
        ordered = {
            base: {split: float(shares[split]) for split in SPLITS if split in shares}
            for base, shares in sorted(self.fractions.items())
        }
        for base, shares in self.fractions.items():
            unknown = sorted(set(shares) - set(SPLITS))
            if unknown:
                raise SplitPlanError(f"base split {base!r} is divided into {unknown}; the splits are {list(SPLITS)}")
            if not all(0 < share <= 1 for share in shares.values()):
                raise SplitPlanError(f"base split {base!r}: fractions are above 0 and at most 1, given {dict(shares)}")
            if not math.isclose(math.fsum(shares.values()), 1, abs_tol=1e-9):
                raise SplitPlanError(f"base split {base!r}: fractions sum to {math.fsum(shares.values())}, not 1")
        missing = [split for split in SPLITS if not any(split in shares for shares in ordered.values())]
        if missing:
            raise SplitPlanError(f"no base split gives {missing}; the plan is {ordered}")
        if type(self.seed) is not int:
            raise SplitPlanError(f"seed is a whole number, given {self.seed!r}")
        object.__setattr__(self, "fractions", ordered)

    def assign(self, base_split: str, ids: Sequence[str]) -> np.ndarray:
        """Returns the split of each example of a base split; see `divide`.

        Args:
          base_split: a split of the base dataset that the plan has.
          ids: the n ids.

        Returns:
          [n] <U: names of splits.
        """
        if base_split not in self.fractions:
            raise SplitPlanError(f"the plan has no base split {base_split!r}; it has {list(self.fractions)}")
        return divide(ids, self.fractions[base_split], self.seed)

    def to_json(self) -> dict[str, Any]:
        """Returns the plan as JSON; `from_json` reads it."""
        return {"fractions": {base: dict(shares) for base, shares in self.fractions.items()}, "seed": self.seed}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SplitPlan:
        """Returns the plan that `to_json` wrote.

        Raises:
          SplitPlanError: it is not such a plan.
        """
        try:
            return cls(fractions=value["fractions"], seed=value["seed"])
        except (KeyError, TypeError, AttributeError) as error:
            raise SplitPlanError(f"not a split plan: {value!r}") from error


def divide(ids: Sequence[str], shares: Mapping[str, float], seed: int) -> np.ndarray:
    """Returns the part of each example: [n] <U.

    The first 8 bytes of SHA-256 of "<seed>:<id>", as a fraction of 2**64, fall into one of the intervals that the
    shares, in their order, cut [0, 1) into.

    Args:
      ids: the n ids.
      shares: part -> fraction, summing to 1.
      seed: another seed gives another division.
    """
    ends = np.array([int(end * 2**64) for end in itertools.accumulate(shares.values())][:-1], dtype=np.uint64)
    digests = b"".join(hashlib.sha256(f"{seed}:{id_}".encode()).digest()[:8] for id_ in ids)
    hashes = np.frombuffer(digests, dtype=">u8").astype(np.uint64)
    return np.array(list(shares))[np.searchsorted(ends, hashes, side="right")]
