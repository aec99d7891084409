"""What a study is: a plan of runs, and a report of those that are done.

STUDIES["imbalance"].plan(request, problems)        # a list of PlannedRun
STUDIES["imbalance"].report(runs)                   # of Measured: tables, figure, statements of the paper
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets.noise import metrics
from noisy_label_learning.algorithms import CrossEntropy
from noisy_label_learning.algorithms.base import Algorithm
from noisy_label_learning.correctors import CORRECTORS
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import Problem
from noisy_label_learning.reports.findings import Verdict
from noisy_label_learning.runs.config import Network, RunConfig, Schedule
from noisy_label_learning.statistics import Line, Summary, linear_fit, summary
from noisy_label_learning.studies.drawing import Panel
from noisy_label_learning.studies.plan import Measured, PlannedRun, Problems, Source

CLEAN, NOISY = "clean", "noisy"


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked of a study.

    Attributes:
      sources: the problems, in order.
      seeds: of the runs.
      training: problem -> network and schedule.
      fractions: of the larger class, of the study of imbalance.
      networks: that are compared in the study of pretraining: each from scratch, then pretrained.
      algorithms: of the comparison with human labels.
      train_images: how many training images there are at most; None: all.
    """

    sources: tuple[Source, ...]
    seeds: tuple[int, ...]
    training: Callable[[Problem], tuple[Network, Schedule]]
    fractions: tuple[float, ...] = ()
    networks: tuple[tuple[Network, Network], ...] = ()
    algorithms: tuple[Algorithm, ...] = ()
    train_images: int | None = None

    def __post_init__(self) -> None:
        if not self.sources:
            raise LearningError("a study needs a config with labels; none is given")
        if len(set(self.seeds)) < len(self.seeds) or not self.seeds:
            raise LearningError(f"--seeds are {list(self.seeds)}; each has to be there once, and at least one")


@dataclasses.dataclass(frozen=True)
class Report:
    """What a study has found.

    Attributes:
      paragraphs: what the tables show.
      table: header and rows.
      verdicts: the paper's statements.
      unit: of the verdicts' effects.
      heading: of the figure.
      panels: of the figure.
      columns: of panels in the figure.
    """

    paragraphs: tuple[str, ...]
    table: tuple[Sequence[str], Sequence[Sequence[str]]]
    verdicts: tuple[Verdict, ...]
    unit: str
    heading: str
    panels: tuple[Panel, ...]
    columns: int = 2


@dataclasses.dataclass(frozen=True)
class Study:
    """A study.

    Attributes:
      name: as the command takes it.
      section: of the paper.
      question: what it asks, as a sentence.
      plan: (request, problems) -> the runs.
      report: the runs that are done -> what they say.
    """

    name: str
    section: str
    question: str
    plan: Callable[[Request, Problems], list[PlannedRun]]
    report: Callable[[Sequence[Measured]], Report]


def noise_tags(problem: Problem) -> dict[str, Any]:
    """Returns dataset and level of a problem, and how noisy its labels are before anything is left out."""
    data = problem.data
    dataset, _, level = data.name.partition("/")
    return {
        "dataset": dataset,
        "level": level,
        "alpha": round(metrics.krippendorff_alpha(data.train.noisy_labels, data.num_classes), 6)
        if data.train.noisy_labels.shape[1] > 1
        else None,
        "error_rate": round(metrics.rater_error_rate(data.train.noisy_labels, problem.answers.train_labels), 6),
    }


def runs_of(
    request: Request,
    problems: Problems,
    source: Source,
    derivations: tuple,
    tags: Mapping[str, Any],
    *,
    algorithm: Algorithm | None = None,
    network: Network | None = None,
) -> list[PlannedRun]:
    """Returns a run for every seed: of cross-entropy on the drawn labels unless another algorithm is given."""
    own, schedule = request.training(problems.get(source, derivations))
    configs = [
        RunConfig(algorithm or CrossEntropy(), CORRECTORS["none"](), network or own, schedule, seed=seed)
        for seed in request.seeds
    ]
    return [PlannedRun.of(problems, source, derivations, each, {**tags, "seed": each.seed}) for each in configs]


# ---------------------------------------------------------------------------------------------------------------------
# What reports are computed of


def where(runs: Iterable[Measured], **tags: Any) -> list[Measured]:
    """Returns the runs with these tags."""
    return [run for run in runs if all(run.tags.get(name) == value for name, value in tags.items())]


def values_of(runs: Iterable[Measured], name: str) -> list[Any]:
    """Returns the values that a tag has, in the order in which they first occur."""
    return list(dict.fromkeys(run.tags[name] for run in runs))


def by_seed(runs: Iterable[Measured], measure: str = "test_accuracy") -> dict[int, float]:
    """Returns seed -> a measure in per cent.

    Raises:
      LearningError: two runs of one seed, so that the tags do not tell them apart.
    """
    found: dict[int, float] = {}
    for run in runs:
        if run.tags["seed"] in found:
            raise LearningError(f"two runs have the tags {dict(run.tags)}")
        found[run.tags["seed"]] = run.percent(measure)
    return found


def minus(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    """Returns the difference of the seeds that both have."""
    return {seed: value - second[seed] for seed, value in first.items() if seed in second}


def slopes(points: Mapping[float, Mapping[int, float]]) -> dict[int, float]:
    """Returns seed -> slope of the line through its points {x: {seed: y}}, of seeds that are there at every x."""
    if len(points) < 2:
        return {}
    seeds = set.intersection(*(set(of_x) for of_x in points.values()))
    return {seed: linear_fit(list(points), [of_x[seed] for of_x in points.values()]).slope for seed in sorted(seeds)}


def line_through(points: Mapping[float, Mapping[int, float]]) -> Line | None:
    """Returns the line through all points of all seeds {x: {seed: y}}; None for fewer than two x."""
    pairs = [(x, y) for x, of_x in points.items() for y in of_x.values()]
    if len({x for x, _ in pairs}) < 2:
        return None
    return linear_fit([x for x, _ in pairs], [y for _, y in pairs])


def mean_of(of_seeds: Mapping[int, float]) -> Summary:
    """Returns the mean over seeds."""
    return summary(list(of_seeds.values()))


def shown(found: Summary | None, *, sign: bool = False, digits: int = 1) -> str:
    """Returns a mean with its 95 % interval as text."""
    if found is None:
        return "–"
    plus = "+" if sign else ""
    text = f"{found.mean:{plus}.{digits}f}"
    if found.interval is None:
        return text
    low, high = found.interval
    return f"{text} ({low:{plus}.{digits}f} to {high:{plus}.{digits}f})"


def shown_line(line: Line | None, *, scale: float = 1.0) -> str:
    """Returns a slope with its 95 % interval as text, times a scale."""
    if line is None:
        return "–"
    text = f"{scale * line.slope:+.2f}"
    if line.slope_interval is None:
        return text
    low, high = (scale * end for end in line.slope_interval)
    return f"{text} ({low:+.2f} to {high:+.2f})"


def ends(line: Line | None, x: Iterable[float]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Returns the ends of a line over the range of x, as figures draw it."""
    if line is None:
        return None
    x = np.asarray(list(x))
    return (float(x.min()), float(x.max())), (line.at(float(x.min())), line.at(float(x.max())))
