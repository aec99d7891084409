"""Section 3.2, Figure 3: are networks that start from ImageNet's weights hurt less by label noise?

Test accuracy against the raters' error rate, of networks from scratch and of the same networks pretrained; the slope of
a line through the levels of a task says how fast accuracy falls.
"""

from __future__ import annotations

from collections.abc import Sequence

from noisy_label_learning.errors import LearningError
from noisy_label_learning.reports.findings import Finding, judge
from noisy_label_learning.studies.derivations import Derivation, TrainingPart
from noisy_label_learning.studies.drawing import Panel, Series
from noisy_label_learning.studies.plan import Measured, PlannedRun, Problems
from noisy_label_learning.studies.study import (
    Report,
    Request,
    Study,
    by_seed,
    ends,
    line_through,
    mean_of,
    minus,
    noise_tags,
    runs_of,
    shown,
    shown_line,
    slopes,
    values_of,
    where,
)

# The paper sees no gain here: images of another kind than ImageNet's.
WITHOUT_GAIN = "pcam_noisy"
SCRATCH, PRETRAINED = "from scratch", "pretrained"


def plan(request: Request, problems: Problems) -> list[PlannedRun]:
    """Returns the runs: every level, network and seed, from scratch and pretrained."""
    if not request.networks:
        raise LearningError("the study of pretraining needs networks whose weights are here; none is given")
    runs: list[PlannedRun] = []
    part: tuple[Derivation, ...] = () if request.train_images is None else (TrainingPart(request.train_images),)
    for source in request.sources:
        tags = noise_tags(problems.get(source))
        for pair in request.networks:
            for start, network in zip((SCRATCH, PRETRAINED), pair, strict=True):
                of_network = {**tags, "network": network.architecture, "start": start}
                runs += runs_of(request, problems, source, part, of_network, network=network)
    return runs


def accuracies(runs: Sequence[Measured], dataset: str, network: str, start: str) -> dict[float, dict[int, float]]:
    """Returns error rate -> seed -> test accuracy."""
    chosen = where(runs, dataset=dataset, network=network, start=start)
    return {rate: by_seed(where(chosen, error_rate=rate)) for rate in sorted(set(values_of(chosen, "error_rate")))}


def report(runs: Sequence[Measured]) -> Report:
    """Returns what the runs say."""
    rows, panels = [], []
    gains: dict[str, list[dict[int, float]]] = {}
    falls: dict[str, list[dict[int, float]]] = {}
    for dataset in values_of(runs, "dataset"):
        series: list[Series] = []
        gains[dataset], falls[dataset] = [], []
        for number, network in enumerate(values_of(where(runs, dataset=dataset), "network")):
            of_start = {start: accuracies(runs, dataset, network, start) for start in (SCRATCH, PRETRAINED)}
            for start, points in of_start.items():
                if not points:
                    continue
                line = line_through(points)
                means = {rate: mean_of(of_seeds) for rate, of_seeds in points.items()}
                cells = ", ".join(f"{100 * rate:.0f} %: {mean.mean:.1f}" for rate, mean in means.items())
                seeds = str(max(mean.seeds for mean in means.values()))
                rows.append((dataset, network, start, cells, shown_line(line, scale=0.1), seeds))
                series.append(
                    Series(
                        f"{network}, {start}",
                        tuple(means),
                        tuple(mean.mean for mean in means.values()),
                        tuple(mean.half_width for mean in means.values()),
                        line=ends(line, means),
                        colour=number,
                        hollow=start == SCRATCH,
                    )
                )
            scratch, pretrained = of_start[SCRATCH], of_start[PRETRAINED]
            gains[dataset] += [minus(pretrained[rate], scratch[rate]) for rate in scratch if rate in pretrained]
            both = [{rate: of[rate] for rate in scratch if rate in pretrained} for of in (pretrained, scratch)]
            falls[dataset].append({s: 0.1 * slope for s, slope in minus(*(slopes(of) for of in both)).items()})
        panels.append(Panel(dataset, "rater error rate", "test accuracy, per cent", tuple(series)))
    verdicts = []
    for dataset, differences in gains.items():
        absent = dataset == WITHOUT_GAIN
        statement = (
            f"{dataset}: pretraining does not improve test accuracy under noisy labels."
            if absent
            else f"{dataset}: pretrained networks are more accurate under noisy labels."
        )
        verdicts.append(
            judge(Finding(f"pretraining_{dataset}", "3.2, Figure 3", statement, lambda _: (), absent), differences)
        )
        if not absent:
            statement = f"{dataset}: the accuracy of pretrained networks falls more slowly as labels become noisier."
            finding = Finding(f"pretraining_slope_{dataset}", "3.2, Figure 3", statement, lambda _: ())
            verdicts.append(judge(finding, falls[dataset]))
    averaged = "; ".join(
        f"{dataset} {shown(mean_of(_averaged(of)), sign=True)}" for dataset, of in gains.items() if _averaged(of)
    )
    paragraphs = (
        "Test accuracy in per cent by rater error rate; the slope is of a line through all runs, in points per tenth "
        "of error rate, with its 95 % interval. Effects are the gain in accuracy in points, averaged over levels and "
        "networks, and the difference of slopes in points per tenth of error rate.",
        f"Gain of pretraining, points: {averaged or 'not known yet'}.",
    )
    header = ("dataset", "network", "start", "accuracy by error rate", "slope", "seeds")
    return Report(
        paragraphs, (header, rows), tuple(verdicts), "points", "Test accuracy by rater error rate", tuple(panels)
    )


def _averaged(differences: Sequence[dict[int, float]]) -> dict[int, float]:
    """Returns seed -> the mean of its differences, of the seeds that are in all."""
    differences = [difference for difference in differences if difference]
    if not differences:
        return {}
    seeds = set.intersection(*(set(difference) for difference in differences))
    return {seed: sum(d[seed] for d in differences) / len(differences) for seed in sorted(seeds)}


STUDY = Study(
    "pretraining", "3.2", "Are pretrained networks hurt less by label noise than those from scratch?", plan, report
)
