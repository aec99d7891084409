"""Images and labels brought together by many workers of Apache Beam.

    with BeamJoin.prepare(folder, labels, draws, BaseParts(parts)) as join:
        join.examples(pipeline)["test"]      # PCollection of (id, example), for TFDS's Beam writer
        ...                                  # the pipeline runs
        join.check()                         # JoinError, as of the plain path

    parts of the base ──► look up labels by id ──► five splits ──► TFDS's writer
                                  │
                                  └──► ids, faults ──► a report of the join, read by whoever started the pipeline

**How the labels reach the workers.** As arrays sorted by id in a few files in the folder of the build, which workers
have to reach anyway to write there; each process opens them once. They take the R bytes of an example's labels and its
id, a tenth of what the `NoisyLabels` of whoever starts the pipeline takes, so they are never what does not fit. A
`CoGroupByKey` of labels and images would send every image through one more shuffle, of which TFDS's writer needs one as
it is; a side input would be sent to the workers element by element, and in the pipeline itself no runner takes many MB.
What is grouped by id is ids alone, to find those that stand there twice or on one side only.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.utils.shared import Shared

from noisy_label_datasets.base.bases import Part
from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.beam_logs import keep_quiet
from noisy_label_datasets.build.join import (
    NO_IMAGE,
    NO_LABELS,
    OTHER_LABEL,
    REPEATED,
    UNLABELLED,
    Fault,
    check_faults,
    example_features,
    no_labels,
    other_label,
)
from noisy_label_datasets.labels.sampling import NO_RATER
from noisy_label_datasets.labels.sources import Division, NoisyLabels

NAMED = 3  # how many ids of a fault a report names
_IDS, _FAULTS = "ids", "faults"


@dataclasses.dataclass(frozen=True)
class LabelTable:
    """The labels of a split in the order of the ids.

    Attributes:
      ids: [n] S, UTF-8, sorted.
      clean_labels: [n] whole numbers.
      noisy_labels: [n, R] whole numbers.
      draws: [n] whole numbers, the rater whose label is `noisy_label`; NO_RATER outside the noisy splits.
    """

    ids: np.ndarray
    clean_labels: np.ndarray
    noisy_labels: np.ndarray
    draws: np.ndarray

    @classmethod
    def write(cls, folder: Any, split: str, labels: NoisyLabels, draws: np.ndarray) -> None:
        """Writes the table of a split, to be read by `read`."""
        ids = np.char.encode(labels.ids[split], "utf-8")
        order = np.argsort(ids)
        smallest = np.min_scalar_type(-1 - int(max(labels.noisy_labels[split].max(initial=0), 0)))
        columns = cls(
            ids[order],
            labels.clean_labels[split][order],
            labels.noisy_labels[split][order].astype(smallest),
            draws[order],
        )
        for field in dataclasses.fields(cls):
            with (folder / f"{split}.{field.name}.npy").open("wb") as file:
                np.lib.format.write_array(file, getattr(columns, field.name), allow_pickle=False)

    @classmethod
    def read(cls, folder: Any, split: str) -> LabelTable:
        """Returns the table of a split; of a local folder memory-mapped."""
        arrays = {}
        for field in dataclasses.fields(cls):
            path = folder / f"{split}.{field.name}.npy"
            if "://" in os.fspath(path):
                with path.open("rb") as file:
                    arrays[field.name] = np.lib.format.read_array(file, allow_pickle=False)
            else:
                arrays[field.name] = np.lib.format.open_memmap(os.fspath(path), mode="r")
        return cls(**arrays)

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """Returns the row of each id: [n], UNLABELLED where it has none."""
        wanted = np.array([id_.encode() for id_ in ids])
        if not len(self.ids):
            return np.full(len(ids), UNLABELLED)
        rows = np.searchsorted(self.ids, wanted).clip(max=len(self.ids) - 1)
        return np.where(self.ids[rows] == wanted, rows, UNLABELLED)


class _Tables(dict):
    """split -> LabelTable; a class of its own so that it can be shared by the threads of a process."""


@dataclasses.dataclass(frozen=True)
class BaseParts:
    """The base, as a pipeline reads it.

    Attributes:
      parts: to be read in parallel.
      extra_names: of its further class labels.
      may_lack: how many labelled ids it may lack.
    """

    parts: Sequence[Part]
    extra_names: tuple[str, ...] = ()
    may_lack: int = 0


@dataclasses.dataclass(frozen=True)
class BeamJoin:
    """Images and labels brought together by id, a part of the base at a time, wherever a worker is.

    Attributes:
      folder: of the label tables and the report; workers reach it.
      labelled: the splits with labels.
      num_raters: R.
      division: says which example is in which split.
      base: the images.
    """

    folder: Any
    labelled: tuple[str, ...]
    num_raters: int
    division: Division
    base: BaseParts

    @classmethod
    @contextlib.contextmanager
    def prepare(
        cls, folder: Any, labels: NoisyLabels, draws: Mapping[str, np.ndarray], base: BaseParts
    ) -> Iterator[BeamJoin]:
        """Writes what the workers need, and removes it in the end.

        Args:
          folder: made here; a path object.
          labels: to be joined.
          draws: labelled split -> [n], see `LabelTable`.
          base: the images.

        Raises:
          OSError: the folder cannot be written or the disk is full.
        """
        folder.mkdir(parents=True)
        try:
            for split in labels.ids:
                LabelTable.write(folder, split, labels, draws[split])
            yield cls(folder, tuple(labels.ids), len(labels.raters), labels.division, base)
        finally:
            folder.rmtree()

    def examples(self, pipeline: beam.Pipeline) -> dict[str, beam.PCollection]:
        """Returns the examples by split, as (id, features); the report of the join is written beside them."""
        outputs = (
            pipeline
            | "Parts" >> beam.Create(range(len(self.base.parts)))
            | "Spread" >> beam.Reshuffle()
            | "Join" >> beam.ParDo(_JoinParts(self)).with_outputs(_IDS, _FAULTS, *SPLITS)
        )
        labelled_ids = (
            pipeline
            | "LabelledSplits" >> beam.Create(self.labelled)
            | "LabelledIds" >> beam.FlatMap(_labelled_ids, folder=self.folder)
        )
        by_id = {"base": outputs[_IDS], "labels": labelled_ids} | "ById" >> beam.CoGroupByKey()
        of_ids = by_id | "IdFaults" >> beam.FlatMap(_id_faults, labelled=self.labelled)
        if self.base.may_lack:
            _ = (
                by_id
                | "Missing" >> beam.FlatMap(_missing_ids)
                | "MissingIds" >> beam.combiners.ToList()
                | "WriteMissing" >> beam.Map(_write_report, path=self._missing)
            )
        _ = (
            (outputs[_FAULTS], of_ids)
            | "Faults" >> beam.Flatten()
            | "CountFaults" >> beam.CombinePerKey(_CountAndName())
            | "Report" >> beam.combiners.ToList()
            | "WriteReport" >> beam.Map(_write_report, path=self._report)
        )
        return {split: outputs[split] for split in SPLITS}

    def check(self) -> dict[str, list[str]]:
        """Returns the labelled ids, by split, that the base lacks; none but where it may lack some.

        Raises:
          JoinError: labels and base do not fit, as of `join_by_id`.
        """
        faults = {what: Fault(*found) for what, found in json.loads(self._report.read_bytes())}
        check_faults(faults, may_lack=self.base.may_lack)
        found = sorted(json.loads(self._missing.read_bytes())) if self.base.may_lack else []
        return {split: [id_ for of_split, id_ in found if of_split == split] for split in self.labelled}

    @property
    def _report(self) -> Any:
        return self.folder / "report.json"

    @property
    def _missing(self) -> Any:
        return self.folder / "missing.json"


class _JoinParts(beam.DoFn):
    """Reads a part, looks up the labels; outputs the examples by split, all ids, and what is wrong."""

    def __init__(self, join: BeamJoin) -> None:
        self.join, self.shared = join, Shared()

    def setup(self) -> None:
        keep_quiet()
        self.tables = self.shared.acquire(
            lambda: _Tables({split: LabelTable.read(self.join.folder, split) for split in self.join.labelled})
        )

    def process(self, number: int) -> Iterator[Any]:
        output = beam.pvalue.TaggedOutput
        for batch in self.join.base.parts[number]():
            splits = self.join.division.assign(batch.base_split, batch.ids)
            rows = np.full(len(splits), UNLABELLED)
            for split in set(splits.tolist()) & set(self.tables):
                of_split = np.flatnonzero(splits == split)
                rows[of_split] = self.tables[split].rows([batch.ids[i] for i in of_split.tolist()])
            extras = list(zip(*batch.extra_labels.values(), strict=True)) or [()] * len(splits)
            for split, row, id_, image, label, extra in zip(
                splits.tolist(), rows.tolist(), batch.ids, batch.images, batch.labels, extras, strict=True
            ):
                yield output(_IDS, (id_, split))
                if not split:  # left out by the division
                    continue
                noisy_labels, draw = no_labels(self.join.num_raters), NO_RATER
                if row != UNLABELLED:
                    table = self.tables[split]
                    noisy_labels, draw = table.noisy_labels[row].tolist(), int(table.draws[row])
                    if (labelled := int(table.clean_labels[row])) != label:
                        yield output(_FAULTS, (OTHER_LABEL, other_label(id_, label, labelled)))
                further = dict(zip(self.join.base.extra_names, extra, strict=True))
                yield output(split, (id_, example_features(id_, image, label, noisy_labels, draw, further)))


def _labelled_ids(split: str, folder: Any) -> Iterator[tuple[str, str]]:
    for id_ in LabelTable.read(folder, split).ids:
        yield id_.decode(), split


def _id_faults(grouped: tuple[str, Mapping[str, Iterable[str]]], labelled: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with an id that stands in these splits of the base and of the labels."""
    id_, splits = grouped
    of_base, of_labels = list(splits["base"]), list(splits["labels"])
    if len(of_base) > 1:
        yield REPEATED, id_
    if set(of_labels) - set(of_base):
        yield NO_IMAGE, id_
    if (set(of_base) & set(labelled)) - set(of_labels):
        yield NO_LABELS, id_


def _missing_ids(grouped: tuple[str, Mapping[str, Iterable[str]]]) -> Iterator[tuple[str, str]]:
    """Yields an id with the splits in which it has labels and the base does not have it."""
    id_, splits = grouped
    for split in set(splits["labels"]) - set(splits["base"]):
        yield split, id_


class _CountAndName(beam.CombineFn):
    """(number of faults, the first few in the order of the ids)."""

    def create_accumulator(self) -> tuple[int, list[str]]:
        return 0, []

    def add_input(self, accumulator: tuple[int, list[str]], element: str) -> tuple[int, list[str]]:
        return self.merge_accumulators([accumulator, (1, [element])])

    def merge_accumulators(self, accumulators: Any) -> tuple[int, list[str]]:
        counts, named = zip(*accumulators, strict=True)
        return sum(counts), sorted(name for names in named for name in names)[:NAMED]

    def extract_output(self, accumulator: tuple[int, list[str]]) -> tuple[int, list[str]]:
        return accumulator


def _write_report(found: list[Any], path: Any) -> None:
    path.write_text(json.dumps(found))
