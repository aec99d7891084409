"""Binary tasks made imbalanced: some examples of both classes are kept, so that one class has a wanted share.

    rows = imbalanced(ids, labels, 0.9)                       # [m] rows; nine in ten of them are of class 0
    labels = load_labels("cats_vs_dogs_noisy/high").imbalanced(0.9)
    config = imbalanced_config(builder.builder_config, 0.9)   # of `build.configs`: a config for tfds.builder

Section 3.1 of the paper: the same imbalance in `noisy_label_train`, `noisy_label_valid` and `test`, and the same number
of examples at every imbalance. Which examples are kept follows from their ids, a seed and the fraction, in any order:
each has a number in [0, 1) from a hash of its id, and of each class those with the smallest are kept. So the examples
of the larger class at one fraction are among those at any higher fraction, and those of the smaller class among those
at any lower one. Classes are those of the clean labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.files import sha256, to_json
from noisy_label_datasets.labels.sources import (
    NOISY_SPLITS,
    Division,
    LabelContext,
    LabelIdentity,
    LabelSource,
    NoisyLabels,
)
from noisy_label_datasets.noise.noise_models import uniforms_of_ids

IMBALANCED_SPLITS = (*NOISY_SPLITS, "test")
FRACTIONS = (0.5, 0.95)
"""The least and the most imbalanced of Figure 2; how many examples are kept is what both allow."""

NO_SPLIT = ""
"""Stands for the split of an example that is in none."""


class ImbalanceError(NoisyLabelsError, ValueError):
    """A task that is not binary, or a fraction that cannot be had of it."""


def largest_total(labels: np.ndarray, fractions: Sequence[float] = FRACTIONS, *, majority: int = 0) -> int:
    """Returns the largest number of examples that can be had at each of some fractions.

    Args:
      labels: [n] clean labels, 0 or 1.
      fractions: of the larger class.
      majority: which class that is.
    """
    larger, smaller = (int(np.count_nonzero(labels == k)) for k in (majority, 1 - majority))
    total = len(labels)
    for fraction in fractions:
        _check_fraction(fraction)
        total = min(total, int(larger / fraction) + 1, int(smaller / (1 - fraction)) + 1)
        while any(wanted > there for wanted, there in zip(_counts(total, fraction), (larger, smaller), strict=True)):
            total -= 1
    return total


def imbalanced(
    ids: Sequence[str] | np.ndarray,
    labels: np.ndarray,
    fraction: float,
    *,
    total: int | None = None,
    seed: int = 0,
    majority: int = 0,
) -> np.ndarray:
    """Returns which examples are kept: rows [m] int64, rising.

    Args:
      ids: [n], unique.
      labels: [n] clean labels, 0 or 1.
      fraction: share of the larger class among those that are kept, in [0.5, 1), met as nearly as whole examples allow.
      total: how many are kept; None: as many as can be had at each of `FRACTIONS` and at this one.
      seed: another seed keeps others.
      majority: which class is the larger one.

    Raises:
      ImbalanceError: labels of other than two classes, a fraction that is not allowed or that leaves a class empty, or
        more examples wanted than there are.
    """
    ids, labels = np.asarray(ids), np.asarray(labels)
    if majority not in (0, 1):
        raise ImbalanceError(f"majority is {majority!r}; it has to be 0 or 1")
    if set(np.unique(labels).tolist()) != {0, 1}:
        raise ImbalanceError(
            f"imbalance is between two classes, 0 and 1, both of them there; these labels have {np.unique(labels)[:9]}"
        )
    _check_fraction(fraction)
    if total is None:
        total = largest_total(labels, (*FRACTIONS, fraction), majority=majority)
    wanted = dict(zip((majority, 1 - majority), _counts(total, fraction), strict=True))
    numbers = uniforms_of_ids(ids, 1, f"imbalance/{seed}")[:, 0]
    kept = []
    for k, count in sorted(wanted.items()):
        of_class = np.flatnonzero(labels == k)
        if count > len(of_class):
            raise ImbalanceError(
                f"{total} examples with a fraction of {fraction:g} of class {majority} are {count} of class {k}; there "
                f"are {len(of_class)}"
            )
        if count < 1:
            raise ImbalanceError(
                f"a fraction of {fraction:g} of class {majority} among {total} examples leaves class {k} empty"
            )
        kept.append(of_class[np.lexsort((ids[of_class], numbers[of_class]))[:count]])
    return np.sort(np.concatenate(kept))


def _counts(total: int, fraction: float) -> tuple[int, int]:
    """Returns how many examples of the larger and of the smaller class there are among so many."""
    larger = int(np.floor(fraction * total + 0.5))
    return larger, total - larger


def _check_fraction(fraction: float) -> None:
    if not 0.5 <= fraction < 1:
        raise ImbalanceError(f"the fraction of the larger class is {fraction!r}; it has to be in [0.5, 1)")


@dataclasses.dataclass(frozen=True)
class Imbalanced(LabelSource):
    """The labels of another source on the examples that `imbalanced` keeps of the noisy splits and of `test`.

    What is left out is in no split of the dataset. `clean_label_train` and `clean_label_valid` stay whole.

    Attributes:
      of: the other source, of a binary task.
      fraction: share of the larger class.
      seed: another seed keeps others.
      majority: which class is the larger one.
    """

    of: LabelSource
    fraction: float
    seed: int = 0
    majority: int = 0

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`.

        Raises:
          ImbalanceError: the task is not binary, or the fraction leaves a class empty.
        """
        if len(context.class_names) != 2:
            raise ImbalanceError(
                f"imbalance is between two classes; {context.dataset} has {len(context.class_names)}: "
                f"{', '.join(context.class_names[:5])}{', ...' if len(context.class_names) > 5 else ''}"
            )
        labels = self.of.load(context)
        ids, clean = dict(labels.ids), dict(labels.clean_labels)
        if "test" not in ids:  # nobody labelled it; it is made imbalanced all the same
            ids["test"], clean["test"] = _test_of(labels.division, context)
        dropped: set[str] = set()
        rows = {split: np.arange(len(of_split)) for split, of_split in labels.ids.items()}
        for split in IMBALANCED_SPLITS:
            kept = imbalanced(ids[split], clean[split], self.fraction, seed=self.seed, majority=self.majority)
            dropped |= set(np.delete(ids[split], kept).tolist())
            if split in rows:
                rows[split] = kept
        return dataclasses.replace(
            labels,
            division=ImbalancedDivision(labels.division, frozenset(dropped)),
            ids={split: of_split[rows[split]] for split, of_split in labels.ids.items()},
            clean_labels={split: of_split[rows[split]] for split, of_split in labels.clean_labels.items()},
            noisy_labels={split: of_split[rows[split]] for split, of_split in labels.noisy_labels.items()},
            provenance={
                "imbalance": {"fraction": self.fraction, "majority": self.majority, "seed": self.seed},
                "of": labels.provenance,
            },
            sha256=self._sha256(labels.sha256),
        )

    def describe(self) -> str:
        """See `LabelSource`."""
        return f"{self.of.describe()}, with {100 * self.fraction:g} % of the examples of class {self.majority}"

    def depends_on(self) -> tuple[LabelSource, ...]:
        """See `LabelSource`."""
        return (self.of,)

    def identify(self, context: LabelContext) -> LabelIdentity | None:
        """See `LabelSource`."""
        found = self.of.identify(context)
        return None if found is None else LabelIdentity(self._sha256(found.sha256), found.num_raters)

    def _sha256(self, of: str) -> str:
        return sha256(to_json({"of": of, "imbalance": [self.fraction, self.majority, self.seed]}))


@dataclasses.dataclass(frozen=True)
class ImbalancedDivision:
    """Another division, but for the examples that are left out.

    Attributes:
      of: the other division.
      dropped: ids of those that are in no split.
    """

    of: Division
    dropped: frozenset[str]

    def assign(self, base_split: str, ids: Sequence[str]) -> np.ndarray:
        """See `sources.Division`; NO_SPLIT for what is left out."""
        splits = self.of.assign(base_split, ids)
        return np.array(
            [NO_SPLIT if id_ in self.dropped else split for id_, split in zip(ids, splits.tolist(), strict=True)]
        )


def _test_of(division: Division, context: LabelContext) -> tuple[np.ndarray, np.ndarray]:
    """Returns ids and clean labels of `test`, read from the base dataset."""
    found: Mapping[str, int] = {
        id_: label
        for batch in context.examples()
        for split, id_, label in zip(
            division.assign(batch.base_split, batch.ids).tolist(), batch.ids, batch.labels, strict=True
        )
        if split == "test"
    }
    return np.array(list(found)), np.array(list(found.values()), np.int32)
