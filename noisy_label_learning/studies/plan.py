"""What a study is made of: runs of the learning package on derived problems, and what a report has to know of each.

    problems = Problems()
    run = PlannedRun.of(problems, Source(arrays, labels), (CleanLabels(),), config, {"labels": "clean", "seed": 0})
    run.path(folder).exists()

A plan is written beside the records, so that a report can be made of the two without the data.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from noisy_label_datasets import schema
from noisy_label_datasets.files import to_json, write_atomically
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import PAIRED_SHARE, Problem
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.cost import training_flops
from noisy_label_learning.runs.record import DONE, Record, record_path
from noisy_label_learning.studies.derivations import Derivation, derived

FORMAT = "noisy_label_learning/study"
FORMAT_VERSION = 1
_IDENTITY = {"format": schema.Exactly(FORMAT), "format_version": schema.Exactly(FORMAT_VERSION)}
_PLAN = schema.Record(
    {
        **_IDENTITY,
        "study": schema.Text(),
        "runs": schema.ListOf(schema.Record({"record": schema.Text(), "tags": schema.MapOf(schema.Anything())})),
    }
)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a problem is read from.

    Attributes:
      arrays: folder of the clean arrays.
      labels: folder of the noisy labels.
      paired_share: share of the training split whose clean label may be seen.
    """

    arrays: str
    labels: str
    paired_share: float = PAIRED_SHARE

    def load(self) -> Problem:
        """Returns the problem."""
        return Problem.load(self.arrays, self.labels, paired_share=self.paired_share)


class Problems:
    """Problems of sources and derivations; the last of each is kept, for images are large."""

    def __init__(self) -> None:
        self._read: tuple[Source, Problem] | None = None
        self._derived: tuple[tuple[Source, tuple[Derivation, ...]], Problem] | None = None

    def get(self, source: Source, derivations: tuple[Derivation, ...] = ()) -> Problem:
        """Returns a problem."""
        if self._derived is None or self._derived[0] != (source, derivations):
            if self._read is None or self._read[0] != source:
                self._read, self._derived = None, None  # free the memory before more is read
                self._read = source, source.load()
            self._derived = (source, derivations), derived(self._read[1], derivations)
        return self._derived[1]


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A run of a study.

    Attributes:
      source, derivations: which problem.
      config: what is trained on it, and how.
      tags: what the study's report groups runs by (JSON values).
      problem: name of the problem.
      key: of the run's record.
      images: how many are trained on in all.
      flops: of training its networks.
    """

    source: Source
    derivations: tuple[Derivation, ...]
    config: RunConfig
    tags: Mapping[str, Any]
    problem: str
    key: str
    images: int
    flops: float

    @classmethod
    def of(
        cls, problems: Problems, source: Source, derivations: tuple, config: RunConfig, tags: Mapping[str, Any]
    ) -> PlannedRun:
        """Returns the run of a configuration on a problem."""
        problem = problems.get(source, derivations)
        data = problem.data
        return cls(
            source,
            derivations,
            config,
            tags,
            problem=data.name,
            key=config.key(problem),
            images=config.schedule.epochs * len(data.train) * config.algorithm.networks,
            flops=training_flops(
                config,
                image_shape=data.train.images.shape[1:],  # type: ignore[arg-type]
                num_classes=data.num_classes,
                examples=len(data.train),
            ),
        )

    def path(self, folder: pathlib.Path) -> pathlib.Path:
        """Returns where the run's record is."""
        return record_path(folder, self.config.to_json(), self.problem, self.key)


@dataclasses.dataclass(frozen=True)
class Measured:
    """A run of a plan and its record.

    Attributes:
      tags: of the plan.
      record: of the run.
    """

    tags: Mapping[str, Any]
    record: Record

    def percent(self, measure: str = "test_accuracy") -> float:
        """Returns a measure of the epoch selected on validation, in per cent."""
        found = getattr(self.record.selected(), measure)
        if found is None:
            raise LearningError(f"the record of {self.record.problem} has no {measure}: its task is not binary")
        return 100 * found


def write_plan(folder: pathlib.Path, study: str, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> pathlib.Path:
    """Writes a study's plan beside its records: the file of each run's record, and its tags; returns the path."""
    path = folder / "plans" / f"{study}.json"
    runs = [{"record": name, "tags": dict(tags)} for name, tags in entries]
    write_atomically(path, to_json({"format": FORMAT, "format_version": FORMAT_VERSION, "study": study, "runs": runs}))
    return path


def read_plan(folder: pathlib.Path, study: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns what `write_plan` wrote: file names of records and tags.

    Raises:
      LearningError: there is none, or it is no plan.
    """
    path = folder / "plans" / f"{study}.json"
    try:
        plan = schema.parse_json(path.read_bytes())
        for form in (schema.Record(_IDENTITY), _PLAN):
            schema.check(plan, form)
    except FileNotFoundError as error:
        raise LearningError(f"{folder} has no plan of the study {study}: it has not been run there") from error
    except schema.SchemaError as error:
        raise LearningError(f"{path} is no plan of a study that this code reads: {error}") from error
    return [(run["record"], run["tags"]) for run in plan["runs"]]


@dataclasses.dataclass(frozen=True)
class RunsSoFar:
    """What has become of the runs of a plan.

    Attributes:
      done: those that are done.
      planned: how many are planned.
      diverged: records of those that diverged, which count nowhere.
    """

    done: list[Measured]
    planned: int
    diverged: list[Record]


def runs_so_far(folder: pathlib.Path, study: str) -> RunsSoFar:
    """Returns what has become of the runs of a study's plan."""
    plan = read_plan(folder, study)
    done, diverged = [], {}
    for name, tags in plan:
        path = folder / name
        if not path.exists():
            continue
        record = Record.read(path)
        if record.status == DONE:
            done.append(Measured(tags, record))
        else:
            diverged[name] = record
    return RunsSoFar(done, len(plan), list(diverged.values()))
