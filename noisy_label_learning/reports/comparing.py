"""Records side by side: mean accuracies over seeds, and differences to a baseline, paired over the seeds they share.

    table = Table.of(records)                   # of the epochs selected on validation
    row = table.row("digits_noisy", "high", "raters", "co_teaching", "none")
    row.accuracy, row.gain, row.adjusted_p      # Summary, Summary of the difference, after Holm's correction

A row is a dataset, level, kind of noise, corrector and algorithm with all settings. Its baseline is cross-entropy on
the same labels; of rows whose corrector has seen clean labels, cross-entropy that has been given as many
(`clean_subset`).
Diverged runs are counted and left out of every mean.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence

from noisy_label_learning.errors import LearningError
from noisy_label_learning.runs.record import DONE, HEADLINE, SELECTIONS, Record
from noisy_label_learning.statistics import Summary, holm, paired_difference, summary

BASELINE = "cross_entropy"
NOISES = {"": "raters", "independent": "independent", "class_conditional": "class_conditional"}


def split_problem(problem: str) -> tuple[str, str, str]:
    """Returns dataset, level and kind of noise of 'digits_noisy/high_independent'."""
    dataset, _, config = problem.partition("/")
    for suffix, noise in NOISES.items():
        if suffix and config.endswith(f"_{suffix}"):
            return dataset, config.removesuffix(f"_{suffix}"), noise
    return dataset, config, "raters"


@dataclasses.dataclass(frozen=True)
class Row:
    """Runs that differ in their seeds only.

    Attributes:
      dataset, level, noise: of the problem.
      algorithm, corrector: names.
      settings: what is not the default, as 'gamma=0.5'; "" where all is.
      seeds: of the runs that are done.
      values: test accuracy of each seed, in per cent.
      accuracy: mean of the values; None where all runs diverged.
      baseline: what the gain is to, as 'cross_entropy, none'; "" where this is the baseline, or there is none.
      gain: mean difference to the baseline over shared seeds; None without any.
      adjusted_p: p-value of the gain after Holm's correction over the rows of the same problem.
      clean_labels: of the training split, that the runs have seen.
      label_error: mean share of wrong labels before, and of the targets after the corrector.
      diverged: how many runs did.
      cpu_seconds: mean.
      trusted: label -> mean share of its examples that was trained on in the end; empty where the algorithm takes all.
    """

    dataset: str
    level: str
    noise: str
    algorithm: str
    corrector: str
    settings: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    accuracy: Summary | None
    baseline: str
    gain: Summary | None
    adjusted_p: float | None
    clean_labels: int
    label_error: tuple[float, float]
    diverged: int
    cpu_seconds: float
    trusted: Mapping[str, float]

    @property
    def method(self) -> str:
        """What the row is called in a table."""
        name = self.algorithm if self.corrector == "none" else f"{self.corrector} + {self.algorithm}"
        return f"{name} ({self.settings})" if self.settings else name


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of one selection.

    Attributes:
      selection: which epoch's accuracy is shown: a name of `SELECTIONS`.
      rows: in the order in which problems, correctors and algorithms first occur.
    """

    selection: str
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, records: Sequence[Record], selection: str = HEADLINE) -> Table:
        """Returns the table of some records.

        Raises:
          LearningError: an unknown selection, two records of the same run, or of a problem whose labels changed.
        """
        if selection not in SELECTIONS:
            raise LearningError(f"no selection {selection!r}; there are {', '.join(SELECTIONS)}")
        _check_labels(records)
        groups: dict[tuple, list[Record]] = {}
        for record in records:
            groups.setdefault(_kind(record), []).append(record)
        rows = [_row(kind, group, groups, selection) for kind, group in groups.items()]
        return cls(selection, tuple(_adjusted(rows)))

    def row(self, dataset: str, level: str, noise: str, algorithm: str, corrector: str) -> Row | None:
        """Returns the first row of these names, or None."""
        wanted = (dataset, level, noise, algorithm, corrector)
        return next((r for r in self.rows if (r.dataset, r.level, r.noise, r.algorithm, r.corrector) == wanted), None)


def _check_labels(records: Iterable[Record]) -> None:
    labels: dict[str, str] = {}
    for record in records:
        if labels.setdefault(record.problem, record.labels_sha256) != record.labels_sha256:
            raise LearningError(
                f"records of {record.problem} are of different labels ({labels[record.problem][:12]} and "
                f"{record.labels_sha256[:12]}): keep the runs of each in a folder of their own"
            )


def _kind(record: Record) -> tuple[str, str]:
    config = {name: value for name, value in record.config.items() if name != "seed"}
    return record.problem, json.dumps(config, sort_keys=True)


def settings_text(config: Mapping) -> str:
    """Returns what is not the default of algorithm and corrector, as 'gamma=0.5'; "" where all is."""
    from noisy_label_learning.algorithms import ALGORITHMS
    from noisy_label_learning.correctors import CORRECTORS

    parts = []
    for what, known in (("corrector", CORRECTORS), ("algorithm", ALGORITHMS)):
        values = json.loads(json.dumps(config[what]))  # tuples as the lists that a record's file has
        kind = known.get(values.pop("name"))
        defaults = json.loads(json.dumps(dataclasses.asdict(kind()))) if kind is not None else {}
        parts += [f"{name}={value}" for name, value in values.items() if defaults.get(name) != value]
    return ", ".join(part for part in parts if not part.startswith(("source_sha256", "revision")))


def _row(
    kind: tuple[str, str], group: Sequence[Record], groups: Mapping[tuple, Sequence[Record]], selection: str
) -> Row:
    first = group[0]
    accuracies = _accuracies(group, selection)
    seeds = tuple(sorted(accuracies))
    values = tuple(accuracies[seed] for seed in seeds)
    baseline_corrector = "clean_subset" if first.clean_labels_used else "none"
    baseline, gain = "", None
    if (first.algorithm, first.corrector) != (BASELINE, baseline_corrector):
        for other in groups.values():
            same = (other[0].problem, other[0].algorithm, other[0].corrector)
            alike = all(other[0].config[name] == first.config[name] for name in ("network", "schedule"))
            if same == (first.problem, BASELINE, baseline_corrector) and alike:
                theirs = _accuracies(other, selection)
                shared = [seed for seed in seeds if seed in theirs]
                if shared:
                    baseline = f"{BASELINE}, {baseline_corrector}"
                    gain = paired_difference([accuracies[s] for s in shared], [theirs[s] for s in shared])
    dataset, level, noise = split_problem(first.problem)
    return Row(
        dataset=dataset,
        level=level,
        noise=noise,
        algorithm=first.algorithm,
        corrector=first.corrector,
        settings=settings_text(first.config),
        seeds=seeds,
        values=values,
        accuracy=summary(values) if values else None,
        baseline=baseline,
        gain=gain,
        adjusted_p=None,
        clean_labels=max(record.clean_labels_used for record in group),
        label_error=(_mean(r.label_error["before"] for r in group), _mean(r.label_error["targets"] for r in group)),
        diverged=sum(record.status != DONE for record in group),
        cpu_seconds=_mean(record.seconds["cpu"] for record in group),
        trusted=_trusted(group),
    )


def _trusted(group: Sequence[Record]) -> dict[str, float]:
    of_runs = [shares for record in group if (shares := record.details.get("trusted_by_label"))]
    labels = [label for label in of_runs[0] if all(shares[label] is not None for shares in of_runs)] if of_runs else []
    return {label: _mean(shares[label] for shares in of_runs) for label in labels}


def _accuracies(group: Sequence[Record], selection: str) -> dict[int, float]:
    found: dict[int, float] = {}
    for record in group:
        if record.status != DONE:
            continue
        if record.seed in found:
            raise LearningError(f"two records of {record.problem}, {record.algorithm}, seed {record.seed}")
        found[record.seed] = 100 * record.selected(selection).test_accuracy
    return found


def _adjusted(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows with p-values adjusted for how many gains stand in the table of each problem."""
    adjusted = list(rows)
    problems = dict.fromkeys((row.dataset, row.level, row.noise) for row in rows)
    for problem in problems:
        places = [
            i
            for i, row in enumerate(rows)
            if (row.dataset, row.level, row.noise) == problem and row.gain is not None and row.gain.p_value is not None
        ]
        p_values = holm([gain.p_value for i in places if (gain := rows[i].gain) and gain.p_value is not None])
        for i, p_value in zip(places, p_values, strict=True):
            adjusted[i] = dataclasses.replace(rows[i], adjusted_p=p_value)
    return adjusted


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)
