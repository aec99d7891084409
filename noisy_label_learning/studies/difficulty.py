"""Section 3.3, Figure 4: are easier tasks hurt more by label noise?

The drop in test accuracy from training on clean labels to training on noisy ones, against 1 - Krippendorff's alpha, and
a line for each task; a task is the easier the more accurate it is with clean labels.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from noisy_label_learning.reports.findings import Finding, judge
from noisy_label_learning.studies.derivations import CleanLabels, Derivation, TrainingPart
from noisy_label_learning.studies.drawing import Panel, Series
from noisy_label_learning.studies.plan import Measured, PlannedRun, Problems
from noisy_label_learning.studies.study import (
    CLEAN,
    NOISY,
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

# The tasks that the paper sets beside each other, from the easiest on.
FAMILIES: dict[str, tuple[str, ...]] = {
    "binary tasks": ("cats_vs_dogs_noisy", "pcam_noisy"),
    "20-way tasks on CIFAR-100": ("cifar100_easy_noisy", "cifar100_medium_noisy", "cifar100_hard_noisy"),
}


def plan(request: Request, problems: Problems) -> list[PlannedRun]:
    """Returns the runs: every level and seed with noisy labels, and every task and seed with clean ones."""
    runs: list[PlannedRun] = []
    part: tuple[Derivation, ...] = () if request.train_images is None else (TrainingPart(request.train_images),)
    for source in request.sources:
        tags = noise_tags(problems.get(source))
        for labels, derivations in ((CLEAN, (CleanLabels(), *part)), (NOISY, part)):
            runs += runs_of(request, problems, source, derivations, {**tags, "labels": labels})
    return runs


def drops(runs: Sequence[Measured], dataset: str) -> dict[float, dict[int, float]]:
    """Returns 1 - alpha -> seed -> the drop in test accuracy from clean to noisy training, in points."""
    found: dict[float, dict[int, float]] = {}
    for level in values_of(where(runs, dataset=dataset), "level"):
        clean, noisy = (by_seed(where(runs, dataset=dataset, level=level, labels=kind)) for kind in (CLEAN, NOISY))
        alpha = where(runs, dataset=dataset, level=level)[0].tags["alpha"]
        if alpha is not None and (of_seeds := minus(clean, noisy)):
            found[round(1 - alpha, 6)] = of_seeds
    return dict(sorted(found.items()))


def clean_accuracies(runs: Sequence[Measured], dataset: str) -> dict[int, float]:
    """Returns seed -> test accuracy with clean labels, which the levels of a task share, averaged where they do not."""
    of_levels = [
        by_seed(where(runs, dataset=dataset, level=level, labels=CLEAN))
        for level in values_of(where(runs, dataset=dataset), "level")
    ]
    seeds = sorted({seed for of_level in of_levels for seed in of_level})
    means = {}
    for seed in seeds:
        found = [of_level[seed] for of_level in of_levels if seed in of_level]
        means[seed] = sum(found) / len(found)
    return means


def report(runs: Sequence[Measured]) -> Report:
    """Returns what the runs say."""
    rows, verdicts, panels = [], [], []
    there = values_of(runs, "dataset")
    others = tuple(dataset for dataset in there if not any(dataset in family for family in FAMILIES.values()))
    for title, family in {**FAMILIES, "other tasks": others}.items():
        datasets = [dataset for dataset in family if dataset in there]
        if not datasets:
            continue
        series, points, clean = [], {}, {}
        for number, dataset in enumerate(datasets):
            points[dataset], clean[dataset] = drops(runs, dataset), clean_accuracies(runs, dataset)
            line = line_through(points[dataset])
            accuracy = mean_of(clean[dataset]) if clean[dataset] else None
            for noise, of_seeds in points[dataset].items():
                rows.append((dataset, shown(accuracy), f"{noise:.2f}", shown(mean_of(of_seeds), sign=True), "", ""))
            rows.append((dataset, shown(accuracy), "line", "", shown_line(line, scale=0.1), str(len(clean[dataset]))))
            means = {noise: mean_of(of_seeds) for noise, of_seeds in points[dataset].items()}
            series.append(
                Series(
                    f"{dataset} ({'–' if accuracy is None else f'{accuracy.mean:.1f} %'})",
                    tuple(means),
                    tuple(mean.mean for mean in means.values()),
                    tuple(mean.half_width for mean in means.values()),
                    line=ends(line, means) if means else None,
                    colour=number,
                )
            )
        panels.append(Panel(title, "1 - Krippendorff's alpha", "drop in test accuracy, points", tuple(series)))
        for easier, harder in itertools.pairwise(datasets):
            finding = Finding(
                f"easier_{easier}_{harder}",
                "3.3",
                f"{easier} is easier than {harder}: more accurate with clean labels.",
                lambda _: (),
            )
            verdicts.append(judge(finding, [minus(clean[easier], clean[harder])]))
            finding = Finding(
                f"difficulty_{easier}_{harder}",
                "3.3, Figure 4",
                f"The accuracy on {easier} falls faster with label noise than on {harder}.",
                lambda _: (),
            )
            faster = minus(slopes(points[easier]), slopes(points[harder]))
            verdicts.append(judge(finding, [{seed: 0.1 * slope for seed, slope in faster.items()}]))
    paragraphs = (
        "Drop in test accuracy from training on clean labels to training on noisy ones, in points, and test accuracy "
        "with clean labels in per cent, with 95 % intervals over the seeds. Slopes are of a line through all runs of a "
        "task, in points per tenth of 1 - alpha; effects are the difference of clean accuracies in points, and that of "
        "slopes in points per tenth of 1 - alpha.",
    )
    header = ("dataset", "clean accuracy", "1 - alpha", "drop", "slope", "seeds")
    return Report(
        paragraphs, (header, rows), tuple(verdicts), "points", "What noise costs, by difficulty", tuple(panels)
    )


STUDY = Study("difficulty", "3.3", "Are easier tasks hurt more by label noise?", plan, report)
