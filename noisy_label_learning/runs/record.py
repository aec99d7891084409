"""The record of a run: one JSON file, written when the run is done.

    record = Record.read(path)
    record.selected().test_accuracy                                         # what tables show
    record.selections["selected_on_noisy_validation"].test_accuracy

Selections of an epoch stand side by side under their own names. Where the corrector corrects the validation labels,
too, these select an epoch of their own, which is then what tables show. `best_on_test` looks at the answers: it is
there because published figures often are it, and is never a headline.
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets import schema
from noisy_label_datasets.files import to_json, write_atomically
from noisy_label_learning.errors import LearningError

FORMAT = "noisy_label_learning/run"
FORMAT_VERSION = 1
LAST, SELECTED, BEST = "last", "selected_on_noisy_validation", "best_on_test"
SELECTED_ON_CORRECTED = "selected_on_corrected_validation"  # only of runs whose corrector corrects it
HEADLINE = "selected_on_validation"  # on the corrected one where there is one, else on the noisy one
SELECTIONS = (HEADLINE, LAST, SELECTED, SELECTED_ON_CORRECTED, BEST)
DONE, DIVERGED = "done", "diverged"
# What is not the same when a run is repeated.
OF_THE_MACHINE = ("seconds", "software", "resumed", "peak_memory_mib")


_SHARE, _SHA256 = schema.Number(0, 1), schema.Text("[0-9a-f]{64}")
_EPOCH = schema.Record(
    {
        "epoch": schema.Whole(0),
        "train_loss": schema.Number(),
        "noisy_valid_accuracy": _SHARE,
        "noisy_valid_loss": schema.Number(),
        "test_accuracy": _SHARE,
    },
    optional={
        "test_mean_average_precision": _SHARE,
        "test_auc_pr": _SHARE,
        "corrected_valid_accuracy": _SHARE,
        "corrected_valid_loss": schema.Number(),
    },
    others=None,
)
_NAMED = schema.Record({"name": schema.Text()})
_ANY = schema.MapOf(schema.Anything())
_IDENTITY = {"format": schema.Exactly(FORMAT), "format_version": schema.Exactly(FORMAT_VERSION)}
_OF_ANY_STATUS: dict[str, schema.Schema] = {
    **_IDENTITY,
    "key": _SHA256,
    "problem": schema.Text(),
    "config": schema.Record(
        {"algorithm": _NAMED, "corrector": _NAMED, "seed": schema.Whole(), "network": _ANY, "schedule": _ANY}
    ),
    "label_error": schema.Record(dict.fromkeys(("before", "after", "targets"), _SHARE)),
    "clean_labels_used": schema.Whole(0),
    "labels_sha256": _SHA256,
    "images_sha256": _SHA256,
    "seconds": schema.Record({name: schema.Number(0) for name in ("wall", "cpu")}),
    "software": schema.MapOf(schema.Text()),
}
_OF_STATUS: dict[str, dict[str, schema.Schema]] = {
    DONE: {
        "curve": schema.ListOf(_EPOCH, least=1),
        "selections": schema.Record(
            dict.fromkeys((LAST, SELECTED, BEST), _EPOCH), optional={SELECTED_ON_CORRECTED: _EPOCH}, others=None
        ),
        "details": _ANY,
    },
    DIVERGED: {
        "curve": schema.ListOf(_EPOCH),
        "selections": schema.Record({}, others=None),
        "details": schema.Record({"diverged": schema.Text()}),
    },
}


@dataclasses.dataclass(frozen=True)
class Epoch:
    """A point of the curve.

    Attributes:
      epoch: how many are done.
      train_loss: mean of the epoch's steps.
      noisy_valid_accuracy, noisy_valid_loss: agreement with the noisy labels of `noisy_label_valid`, and cross-entropy.
      test_accuracy: on clean labels.
      test_mean_average_precision, test_auc_pr: of binary tasks, on clean labels: the mean of both classes' average
        precision, and the area under the precision-recall curve of class 1; None of others.
      corrected_valid_accuracy, corrected_valid_loss: as on noisy validation, but expected of labels that have the
        corrector's probabilities; None where it gives none.
    """

    epoch: int
    train_loss: float
    noisy_valid_accuracy: float
    noisy_valid_loss: float
    test_accuracy: float
    test_mean_average_precision: float | None = None
    test_auc_pr: float | None = None
    corrected_valid_accuracy: float | None = None
    corrected_valid_loss: float | None = None

    def is_finite(self) -> bool:
        """Returns whether all of it are numbers."""
        return all(math.isfinite(value) for value in dataclasses.astuple(self) if value is not None)

    def to_json(self) -> dict[str, float]:
        """Returns what there is of it."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def select(curve: Sequence[Epoch]) -> dict[str, Epoch]:
    """Returns each selection's epoch. On validation: the highest accuracy, of equal ones the lowest loss."""
    found = {
        LAST: curve[-1],
        SELECTED: max(curve, key=lambda point: (point.noisy_valid_accuracy, -point.noisy_valid_loss)),
        BEST: max(curve, key=lambda point: point.test_accuracy),
    }
    corrected = [
        (point.corrected_valid_accuracy, -point.corrected_valid_loss, point)
        for point in curve
        if point.corrected_valid_accuracy is not None and point.corrected_valid_loss is not None
    ]
    if corrected:
        found[SELECTED_ON_CORRECTED] = max(corrected, key=lambda each: each[:2])[2]
    return found


def by_class(class_names: Sequence[str], shares: np.ndarray) -> dict[str, float | None]:
    """Returns shares by the classes' names, as JSON has them: None where there were no examples."""
    return {
        name: None if np.isnan(share) else round(float(share), 3)
        for name, share in zip(class_names, shares, strict=True)
    }


@dataclasses.dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
      key: of its configuration and data.
      problem: 'digits_noisy/high'.
      config: `RunConfig.to_json()`.
      status: "done" or "diverged"; a diverged run has no selections and is never averaged in.
      curve: an entry per epoch.
      selections: name -> the epoch.
      label_error: share of wrong labels among the noisy labels ("before"), the corrector's most probable labels
        ("after") and the labels or soft labels that were trained on ("targets"), on the training split.
      clean_labels_used: how many clean labels of the training split the corrector and the algorithm have seen.
      details: what the corrector and the algorithm chose or estimated.
      labels_sha256, images_sha256: of the problem.
      seconds: "wall" and "cpu", without the corrector's unless it was this run that computed its targets.
      software: versions.
      resumed: how many times it went on from a checkpoint.
      peak_memory_mib: the most memory that the process held meanwhile, of all runs of the loop together; None: the
        record is of a release that did not measure it.
    """

    key: str
    problem: str
    config: Mapping[str, Any]
    status: str
    curve: tuple[Epoch, ...]
    selections: Mapping[str, Epoch]
    label_error: Mapping[str, float]
    clean_labels_used: int
    details: Mapping[str, Any]
    labels_sha256: str
    images_sha256: str
    seconds: Mapping[str, float]
    software: Mapping[str, str]
    resumed: int = 0
    peak_memory_mib: float | None = None

    def selected(self, selection: str = HEADLINE) -> Epoch:
        """Returns the epoch of a selection, which is one of `SELECTIONS`, of a run that is done.

        Raises:
          LearningError: there is no such selection, or this run has none.
        """
        if selection not in SELECTIONS:
            raise LearningError(f"no selection {selection!r}; there are {', '.join(SELECTIONS)}")
        if selection == HEADLINE:
            selection = SELECTED_ON_CORRECTED if SELECTED_ON_CORRECTED in self.selections else SELECTED
        if selection not in self.selections:
            raise LearningError(
                f"{self.problem}, {self.corrector} + {self.algorithm}, seed {self.seed}, has no epoch {selection}; "
                f"there are {', '.join(self.selections) or 'none, for the run diverged'}"
            )
        return self.selections[selection]

    @property
    def algorithm(self) -> str:
        """The algorithm's name."""
        return self.config["algorithm"]["name"]

    @property
    def corrector(self) -> str:
        """The corrector's name."""
        return self.config["corrector"]["name"]

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.config["seed"]

    def reproducible(self) -> dict[str, Any]:
        """Returns all that is the same whenever the run is repeated on one machine."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in OF_THE_MACHINE}

    def write(self, path: pathlib.Path) -> None:
        """Writes the record; whole or not at all."""
        write_atomically(
            path,
            to_json(
                {
                    "format": FORMAT,
                    "format_version": FORMAT_VERSION,
                    **dataclasses.asdict(self),
                    "curve": [point.to_json() for point in self.curve],
                    "selections": {name: point.to_json() for name, point in self.selections.items()},
                }
            ),
        )

    @classmethod
    def read(cls, path: pathlib.Path) -> Record:
        """Returns what `write` wrote.

        Raises:
          LearningError: the file is no such record.
        """
        try:
            values = schema.read_json(path.read_bytes(), schema.Record(_IDENTITY))
            schema.check(values, schema.Record({"status": schema.OneOf((DONE, DIVERGED))}))
            optional: dict[str, schema.Schema] = {"resumed": schema.Whole(0)}
            if values.get("peak_memory_mib") is None:
                values.pop("peak_memory_mib", None)
            else:
                optional["peak_memory_mib"] = schema.Number(0)
            wanted = {**_OF_ANY_STATUS, **_OF_STATUS[values["status"]], "status": schema.Text()}
            schema.check(values, schema.Record(wanted, optional, others=None))
        except schema.SchemaError as error:
            raise LearningError(
                f"{path} is no record of a run: {error}; remove it, and the run is trained again"
            ) from error
        for name in _IDENTITY:
            del values[name]
        curve = tuple(Epoch(**point) for point in values.pop("curve"))
        selections = {name: Epoch(**point) for name, point in values.pop("selections").items()}
        return cls(curve=curve, selections=selections, **values)


def record_path(folder: pathlib.Path, config: Mapping[str, Any], problem: str, key: str) -> pathlib.Path:
    """Returns where the record of a run is kept: readable, and unique by the first digits of its key."""
    parts = (problem.replace("/", "-"), config["corrector"]["name"], config["algorithm"]["name"], str(config["seed"]))
    return folder / f"{'-'.join(parts)}-{key[:12]}.json"


def stored_record(folder: pathlib.Path, config: Mapping[str, Any], problem: str, key: str) -> Record | None:
    """Returns the record of a run that is done, or None; see `record_path`.

    Raises:
      LearningError: what lies there is no record, or that of another run.
    """
    path = record_path(folder, config, problem, key)
    try:
        record = Record.read(path)
    except FileNotFoundError:
        return None
    if (record.key, record.problem, to_json(record.config)) != (key, problem, to_json(config)):
        raise LearningError(f"{path} is the record of another run; remove it, and the run is trained again")
    return record


def read_records(folder: pathlib.Path) -> list[Record]:
    """Returns all records of a folder, in the order of their file names.

    Raises:
      LearningError: a file is no record.
    """
    return [Record.read(path) for path in sorted(folder.glob("*.json"))]
