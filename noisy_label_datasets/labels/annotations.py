"""Labels of human annotators, from a table with a row per given label, as a source of a config's labels.

    NoisyLabelConfig(name="people", source=Annotations("labels.csv"))

    id,annotator,label
    train_00017,ann,cat
    train_00017,bob,dog

Every annotator becomes a rater. Who has not labelled an example has -1 there, and the one noisy label of an example is
drawn among those that were given. Examples that nobody has labelled cannot be in a noisy split: where there would be
any, the labelled ones alone are divided into the noisy splits, and the rest goes to the clean splits.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.names import check_ids
from noisy_label_datasets.base.splits import SPLITS, divide
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.sources import (
    NOISY_SPLITS,
    Division,
    LabelContext,
    LabelSource,
    MissingLabelsError,
    NoisyLabels,
)
from noisy_label_datasets.noise import metrics

if TYPE_CHECKING:
    import pandas as pd

MOST_ANNOTATORS = 1000
_SHOWN = 3


class AnnotationsError(NoisyLabelsError, ValueError):
    """A table of annotations that does not fit the dataset, or is no such table."""


@dataclasses.dataclass(frozen=True)
class Annotations(LabelSource):
    """Labels from a table of annotations.

    Attributes:
      path: of the table: CSV, or Parquet by its ending.
      example: the column with the example's id, as the base dataset has it.
      annotator: the column that says who gave the label.
      label: the column with the label: the name of a class, or its number; -1 or empty: none was given. Where classes
        are called by numbers that are not theirs ("1", "2", "3"), a label is such a name.
    """

    path: str
    example: str = "id"
    annotator: str = "annotator"
    label: str = "label"

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.fsdecode(self.path))  # a pathlib.Path will do

    def describe(self) -> str:
        """See `LabelSource`."""
        return f"labels of human annotators, from {os.path.basename(self.path)}"

    def is_at_hand(self, context: LabelContext) -> bool:
        """See `LabelSource`."""
        return pathlib.Path(self.path).is_file()

    def is_by_humans(self) -> bool:
        """See `LabelSource`."""
        return True

    def absence(self, context: LabelContext) -> str:
        """See `LabelSource`."""
        return "no such table"

    def reads_base(self) -> bool:
        """See `LabelSource`; the clean labels are the base's."""
        return True

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels of every split that somebody has labelled an example of; see `LabelSource`.

        Raises:
          AnnotationsError: another table; ids that the base does not have; labels that are no class; an annotator who
            labelled an example twice; more annotators than can be columns; no example labelled.
        """
        table = self._read()
        base = {
            id_: (batch.base_split, label)
            for batch in context.examples()
            for id_, label in zip(batch.ids, batch.labels, strict=True)
        }
        self._check_ids(table, base, context)
        labels = self._numbers(table[self.label], context.class_names)
        given = labels >= 0
        table, labels = table[given], labels[given]
        if not len(table):
            raise AnnotationsError(f"{self.path} has no label: {self.label} is empty or -1 in every row")
        annotators = sorted(table[self.annotator].unique())
        if len(annotators) > MOST_ANNOTATORS:
            raise AnnotationsError(
                f"{self.path} is by {len(annotators)} annotators; as raters there can be {MOST_ANNOTATORS}. Number the"
                f" labels of an example instead (first, second, ...) and name that column as {self.annotator}"
            )
        ids = np.asarray(sorted(base))
        matrix = np.full((len(ids), len(annotators)), metrics.MISSING, np.int32)
        rows = np.searchsorted(ids, table[self.example].to_numpy(dtype=np.str_))
        matrix[rows, np.searchsorted(annotators, table[self.annotator].to_numpy(dtype=np.str_))] = labels
        return self._divided(ids, matrix, annotators, base, context)

    def _read(self) -> pd.DataFrame:
        import pandas as pd

        wanted = [self.example, self.annotator, self.label]
        try:
            table = pd.read_parquet(self.path) if self.path.lower().endswith(".parquet") else _read_csv(self.path)
            for column in set(wanted) & set(table.columns):
                table[column] = table[column].astype(object)  # Parquet's text is decoded here, and not later
        except FileNotFoundError as error:
            raise MissingLabelsError(f"there is no table {self.path}") from error
        except Exception as error:  # of a damaged table, half a dozen kinds
            said = str(error).partition("\n")[0]
            raise AnnotationsError(f"{self.path} cannot be read as a table: {said}") from error
        if missing := [column for column in wanted if column not in table.columns]:
            raise AnnotationsError(f"{self.path} has no column {missing}; it has {list(map(str, table.columns))}")
        for column in (self.example, self.annotator):
            if table[column].isna().any():
                raise AnnotationsError(f"{self.path}: {int(table[column].isna().sum())} rows have no {column}")
            table[column] = table[column].astype(str)
        table[self.annotator] = table[self.annotator].str.strip()
        if len(table):
            try:
                check_ids(table[self.annotator].unique().astype(np.str_))
            except ValueError as error:
                raise AnnotationsError(f"{self.path}: {self.annotator}: {error}") from error
        twice = table.duplicated([self.example, self.annotator], keep=False)
        if twice.any():
            first = table[twice].iloc[0]
            raise AnnotationsError(
                f"{self.path}: {int(table.duplicated([self.example, self.annotator]).sum())} labels are by an annotator"
                f" who has labelled the example already, such as {first[self.annotator]!r} {first[self.example]!r}"
            )
        return table

    def _check_ids(self, table: pd.DataFrame, base: Mapping[str, Any], context: LabelContext) -> None:
        unknown = sorted(set(table[self.example]) - set(base))
        if unknown:
            name = f"{context.base['name']} {context.base['version']}"
            raise AnnotationsError(
                f"{self.path}: {len(unknown)} ids are not in {name}, such as {', '.join(unknown[:_SHOWN])};"
                f" there they look like {next(iter(base))}"
            )

    def _numbers(self, given: pd.Series, class_names: Sequence[str]) -> np.ndarray:
        """Returns the numbers of the classes [m], -1 where there is no label; raises AnnotationsError."""
        import pandas as pd

        text = given.astype(str).str.strip()
        number_of, by_name_only = _numbers_of(class_names)
        by_name = text.map({name: number for number, name in enumerate(class_names)}).astype(float)
        by_number = pd.to_numeric(text, errors="coerce").astype(float)
        if by_name_only:
            by_number = by_number.map({**number_of, -1.0: -1}).astype(float)
        labels = by_name.where(by_name.notna(), by_number)
        labels = labels.where(given.notna() & (text != ""), -1)
        wrong = labels.isna() | (labels % 1 != 0) | (labels < -1) | (labels >= len(class_names))
        if wrong.any():
            values = ", ".join(repr(value) for value in text[wrong].unique()[:_SHOWN])
            names = ", ".join(class_names[:10])
            raise AnnotationsError(
                f"{self.path}: {int(wrong.sum())} labels are no class, such as {values}; there are the classes "
                + (f"called {names}" if by_name_only else f"0 to {len(class_names) - 1}, or by name {names}")
            )
        return labels.to_numpy().astype(np.int32)

    def _divided(
        self,
        ids: np.ndarray,
        matrix: np.ndarray,
        annotators: Sequence[str],
        base: Mapping[str, tuple[str, int]],
        context: LabelContext,
    ) -> NoisyLabels:
        """Returns the labels [n, R] of the base's examples by split, without splits that nobody labelled any of."""
        labelled = (matrix != metrics.MISSING).any(axis=1)
        division: Division = context.split_plan
        split_of = _assigned(division, ids, base)
        if not labelled[np.isin(split_of, NOISY_SPLITS)].all():
            division = LabelledFirst(frozenset(ids[labelled].tolist()), context.split_plan)
            split_of = _assigned(division, ids, base)
        rows = {split: found for split in SPLITS if labelled[found := np.flatnonzero(split_of == split)].any()}
        if absent := [split for split in NOISY_SPLITS if split not in rows]:
            raise AnnotationsError(f"{self.path} labels too few examples: none of them falls into {absent}")
        clean = np.asarray([base[id_][1] for id_ in ids.tolist()], np.int32)
        return NoisyLabels(
            raters=tuple(
                self._features(annotator, matrix[:, column], clean, len(context.class_names))
                for column, annotator in enumerate(annotators)
            ),
            division=division,
            ids={split: ids[of_split] for split, of_split in rows.items()},
            clean_labels={split: clean[of_split] for split, of_split in rows.items()},
            noisy_labels={split: matrix[of_split] for split, of_split in rows.items()},
            provenance={
                "annotations": os.path.basename(self.path),
                "annotators": len(annotators),
                "labels": int((matrix != metrics.MISSING).sum()),
            },
            origin="annotated",
            sha256=files.sha256(pathlib.Path(self.path).read_bytes()),
        )

    def _features(self, annotator: str, noisy: np.ndarray, clean: np.ndarray, num_classes: int) -> dict[str, Any]:
        """Returns what is known of an annotator, measured on all that they labelled."""
        labelled = noisy != metrics.MISSING
        return {
            "id": annotator,
            "architecture": "human annotator",
            "experience": int(labelled.sum()),
            "accuracy": float(np.mean(noisy[labelled] == clean[labelled])),
            "confusion_matrix": metrics.confusion_matrix(noisy[labelled], clean[labelled], num_classes).tolist(),
        }


def _read_csv(path: str) -> pd.DataFrame:
    """Returns a table of text, NaN where a cell is empty; raises ValueError where columns cannot be told apart."""
    import pandas as pd

    # A class or an annotator may be called "NA" or "None", and an id may look like a number.
    as_text: dict[str, Any] = {"dtype": str, "keep_default_na": False, "na_values": [""]}
    heads = pd.read_csv(path, header=None, nrows=1, **as_text).iloc[0].tolist()  # as given: pandas renames equal ones
    if twice := sorted({str(head) for head in heads if head == head and heads.count(head) > 1}):
        raise ValueError(f"it has several columns called {', '.join(twice)}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows with more cells than there are columns
        return pd.read_csv(path, index_col=False, **as_text)


def _numbers_of(class_names: Sequence[str]) -> tuple[Mapping[float, int], bool]:
    """Returns classes by the numbers that they are called, and whether any of these is not the class's own number."""
    import pandas as pd

    called = pd.to_numeric(pd.Series(list(class_names), dtype=object), errors="coerce").astype(float).tolist()
    finite = [number for number in called if math.isfinite(number)]
    number_of = {number: place for place, number in enumerate(called) if finite.count(number) == 1}
    return number_of, any(number != place for place, number in enumerate(called) if math.isfinite(number))


def _assigned(division: Division, ids: np.ndarray, base: Mapping[str, tuple[str, int]]) -> np.ndarray:
    """Returns the split of each example [n] <U."""
    base_splits = np.asarray([base[id_][0] for id_ in ids.tolist()])
    split_of = np.empty(len(ids), dtype=f"<U{max(map(len, SPLITS))}")
    for base_split in np.unique(base_splits).tolist():
        here = base_splits == base_split
        split_of[here] = division.assign(base_split, ids[here].tolist())
    return split_of


@dataclasses.dataclass(frozen=True)
class LabelledFirst:
    """The division of a split plan, but the noisy splits have the labelled examples and no others.

    Attributes:
      labelled: ids of the examples that somebody has labelled.
      plan: the dataset's.
    """

    labelled: frozenset[str]
    plan: Any

    def assign(self, base_split: str, ids: Sequence[str]) -> np.ndarray:
        """See `sources.Division`."""
        shares = self.plan.fractions[base_split]
        noisy, others = (
            {split: share for split, share in shares.items() if (split in NOISY_SPLITS) == wanted}
            for wanted in (True, False)
        )
        if not noisy or not others:
            return self.plan.assign(base_split, ids)
        by = {
            wanted: divide(ids, {split: share / sum(of.values()) for split, share in of.items()}, self.plan.seed)
            for wanted, of in ((True, noisy), (False, others))
        }
        labelled = np.asarray([id_ in self.labelled for id_ in ids], dtype=bool)
        return np.where(labelled, by[True], by[False])
