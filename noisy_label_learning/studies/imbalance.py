"""Section 3.1, Figure 2: does label noise cost more where the classes are more imbalanced?

Binary tasks. Both classes are subsampled to some fractions of the larger class, at a fixed total, in training,
validation and test alike. What noise costs is the drop from training on clean labels to training on the drawn noisy
ones, in mean average precision and in the area under the precision-recall curve of the smaller class.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noisy_label_learning.errors import LearningError
from noisy_label_learning.reports.findings import Finding, judge
from noisy_label_learning.studies.derivations import CleanLabels, ImbalancedPart
from noisy_label_learning.studies.drawing import Panel, Series
from noisy_label_learning.studies.plan import Measured, PlannedRun, Problems
from noisy_label_learning.studies.study import (
    CLEAN,
    NOISY,
    Report,
    Request,
    Study,
    by_seed,
    mean_of,
    minus,
    noise_tags,
    runs_of,
    shown,
    slopes,
    values_of,
    where,
)

FRACTIONS = (0.5, 0.8, 0.95)  # each is as many runs again
MEASURES = {"test_mean_average_precision": "mean average precision", "test_auc_pr": "area under the PR curve"}


def plan(request: Request, problems: Problems) -> list[PlannedRun]:
    """Returns the runs: every level, fraction and seed, with clean and with noisy labels.

    Raises:
      LearningError, ImbalanceError: a task that is not binary, or a fraction that leaves a class empty.
    """
    runs = []
    for source in request.sources:
        problem = problems.get(source)
        if problem.data.num_classes != 2:
            has = f"{problem.data.name} has {problem.data.num_classes} classes"
            raise LearningError(f"the study of imbalance needs a binary task; {has}")
        tags = noise_tags(problem)
        for fraction in request.fractions or FRACTIONS:
            part = ImbalancedPart(fraction)
            for labels, derivations in ((CLEAN, (CleanLabels(), part)), (NOISY, (part,))):
                of_part = {**tags, "fraction": fraction, "labels": labels}
                runs += runs_of(request, problems, source, derivations, of_part)
    return runs


def drops(runs: Sequence[Measured], dataset: str, level: str, measure: str) -> dict[float, dict[int, float]]:
    """Returns fraction -> seed -> the drop from clean to noisy training, in points, of what is done."""
    found = {}
    of_level = where(runs, dataset=dataset, level=level)
    for fraction in sorted(set(values_of(of_level, "fraction"))):
        clean, noisy = (by_seed(where(of_level, fraction=fraction, labels=kind), measure) for kind in (CLEAN, NOISY))
        if of_seeds := minus(clean, noisy):
            found[fraction] = of_seeds
    return found


def report(runs: Sequence[Measured]) -> Report:
    """Returns what the runs say."""
    rows, verdicts, panels = [], [], []
    for dataset in values_of(runs, "dataset"):
        of_dataset = where(runs, dataset=dataset)
        levels = sorted(values_of(of_dataset, "level"), key=lambda level: -_alpha(of_dataset, level))
        for measure, name in MEASURES.items():
            differences, series = [], []
            for number, level in enumerate(levels):
                alpha, points = _alpha(of_dataset, level), drops(runs, dataset, level, measure)
                if not points:
                    continue
                means = {fraction: mean_of(of_seeds) for fraction, of_seeds in points.items()}
                for fraction, mean in means.items():
                    rows.append((dataset, level, f"{alpha:.2f}", f"{fraction:.2f}", name, shown(mean), str(mean.seeds)))
                series.append(
                    Series(
                        f"k-alpha {alpha:.2f}",
                        tuple(means),
                        tuple(mean.mean for mean in means.values()),
                        tuple(mean.half_width for mean in means.values()),
                        joined=True,
                        colour=number,
                    )
                )
                # From the balanced task to one of nineteen in twenty, along the line through the seed's drops.
                differences.append({seed: slope * 0.45 for seed, slope in slopes(points).items()})
            finding = Finding(
                f"imbalance_{dataset}_{measure}",
                "3.1, Figure 2",
                f"{dataset}: label noise costs more {name} where the classes are more imbalanced.",
                lambda _: (),
            )
            verdicts.append(judge(finding, differences))
            panels.append(Panel(dataset, "fraction of the larger class", f"drop in {name}", tuple(series)))
    paragraphs = (
        "Drop from training on clean labels to training on noisy ones, in points, with 95 % intervals over the seeds; "
        "Krippendorff's alpha of the raters before anything is left out. The effect of a statement is how much larger "
        "the drop is at a fraction of 0.95 than at 0.5, on a line through the drops of a seed, averaged over levels.",
    )
    header = ("dataset", "level", "alpha", "fraction", "measure", "drop", "seeds")
    return Report(
        paragraphs, (header, rows), tuple(verdicts), "points", "What noise costs, by imbalance", tuple(panels)
    )


def _alpha(runs: Sequence[Measured], level: str) -> float:
    alpha = where(runs, level=level)[0].tags["alpha"]
    return float("nan") if alpha is None else float(np.float64(alpha))


STUDY = Study(
    "imbalance",
    "3.1",
    "Does label noise cost more where the classes are more imbalanced?",
    plan,
    report,
)
