"""Do results on synthetic noise foretell results on human labels? What a synthetic benchmark is for.

Every algorithm is trained on human labels, and on three imitations of the same rate of wrong labels: the dial, which
samples from raters' probabilities; flips with the humans' own confusion matrix; independent flips. An imitation is the
better the nearer its accuracies, and the algorithms' gains over cross-entropy, are to those on human labels, and the
more alike it ranks the algorithms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from noisy_label_datasets.noise import metrics
from noisy_label_learning.errors import LearningError
from noisy_label_learning.reports.comparing import BASELINE
from noisy_label_learning.reports.findings import Finding, judge
from noisy_label_learning.statistics import rank_correlation
from noisy_label_learning.studies.derivations import Derivation, FlipsAlike, OneRater
from noisy_label_learning.studies.drawing import Panel, Series
from noisy_label_learning.studies.plan import Measured, PlannedRun, Problems, Source
from noisy_label_learning.studies.study import (
    Report,
    Request,
    Study,
    by_seed,
    mean_of,
    minus,
    runs_of,
    shown,
    values_of,
    where,
)

HUMAN, DIAL, CLASS_CONDITIONAL, INDEPENDENT = "human", "dial", "class_conditional", "independent"
IMITATIONS = (DIAL, CLASS_CONDITIONAL, INDEPENDENT)
# Whose labels stand for the humans of a config with several.
FIRST_RATERS = {"people_random": "random_label1"}
DISTANCES = {
    "accuracy": "mean absolute difference of accuracies",
    "gain": "mean absolute difference of gains",
    "rank": "rank correlation of the algorithms",
}
_FROM_RATE = 0.01  # the dial's share of wrong labels is that of the human labels within this


def plan(request: Request, problems: Problems) -> list[PlannedRun]:
    """Returns the runs: of human labels and their imitations, every algorithm and seed.

    Sources come in pairs: the humans' labels, then the dial's at the same rate.
    """
    if len(request.sources) % 2:
        raise LearningError("the comparison with human labels takes pairs of labels: human ones, then the dial's")
    if BASELINE not in [algorithm.name for algorithm in request.algorithms]:
        raise LearningError(f"the comparison with human labels needs the algorithm {BASELINE}: gains are over it")
    runs: list[PlannedRun] = []
    for human, dial in zip(request.sources[::2], request.sources[1::2], strict=True):
        config = problems.get(human).data.name.partition("/")[2]
        first: tuple[Derivation, ...] = (OneRater(FIRST_RATERS[config]),) if config in FIRST_RATERS else ()
        kinds: dict[str, tuple[Source, tuple[Derivation, ...]]] = {
            HUMAN: (human, first),
            DIAL: (dial, ()),
            CLASS_CONDITIONAL: (human, (*first, FlipsAlike(CLASS_CONDITIONAL))),
            INDEPENDENT: (human, (*first, FlipsAlike(INDEPENDENT))),
        }
        wanted = None
        for noise, (source, derivations) in kinds.items():
            problem = problems.get(source, derivations)
            rate = metrics.rater_error_rate(problem.data.train.noisy_labels, problem.answers.train_labels)
            wanted = rate if wanted is None else wanted
            if noise == DIAL and abs(rate - wanted) > _FROM_RATE:  # flips are drawn at the humans' own rate
                raise LearningError(
                    f"{problem.data.name} has {rate:.1%} wrong labels, {config} {wanted:.1%}: no imitation of them"
                )
            for algorithm in request.algorithms:
                tags = {"people": config, "noise": noise, "algorithm": algorithm.name, "error_rate": round(rate, 6)}
                runs += runs_of(request, problems, source, derivations, tags, algorithm=algorithm)
    return runs


def accuracies(runs: Sequence[Measured], people: str, noise: str) -> dict[str, dict[int, float]]:
    """Returns algorithm -> seed -> test accuracy."""
    chosen = where(runs, people=people, noise=noise)
    return {algorithm: by_seed(where(chosen, algorithm=algorithm)) for algorithm in values_of(chosen, "algorithm")}


def distances(
    human: Mapping[str, Mapping[int, float]], other: Mapping[str, Mapping[int, float]]
) -> dict[str, dict[int, float]]:
    """Returns how far an imitation is from human labels: name of `DISTANCES` -> seed -> value.

    Seeds and algorithms count that are there on both sides; gains need cross-entropy, a rank correlation three
    algorithms.

    Args:
      human, other: algorithm -> seed -> accuracy in per cent.
    """
    algorithms = [algorithm for algorithm in human if algorithm in other]
    sides = (human, other)
    seeds = sorted(set.intersection(*(set(side[a]) for side in sides for a in algorithms))) if algorithms else []
    found: dict[str, dict[int, float]] = {name: {} for name in DISTANCES}
    for seed in seeds:
        ours, theirs = (np.array([side[a][seed] for a in algorithms]) for side in sides)
        found["accuracy"][seed] = float(np.abs(ours - theirs).mean())
        if BASELINE in algorithms and len(algorithms) > 1:
            place = algorithms.index(BASELINE)
            gains = [np.delete(of_side - of_side[place], place) for of_side in (ours, theirs)]
            found["gain"][seed] = float(np.abs(gains[0] - gains[1]).mean())
        if len(algorithms) > 2 and np.isfinite(correlation := rank_correlation(ours, theirs)):
            found["rank"][seed] = correlation
    return found


def report(runs: Sequence[Measured]) -> Report:
    """Returns what the runs say."""
    rows, panels = [], []
    nearer: dict[tuple[str, str], list[dict[int, float]]] = {}
    for people in values_of(runs, "people"):
        of_noise = {noise: accuracies(runs, people, noise) for noise in (HUMAN, *IMITATIONS)}
        for noise, of_algorithms in of_noise.items():
            for algorithm, of_seeds in of_algorithms.items():
                gain = minus(of_seeds, of_algorithms.get(BASELINE, {})) if algorithm != BASELINE else {}
                shown_gain = shown(mean_of(gain), sign=True) if gain else "–"
                rows.append((people, noise, algorithm, shown(mean_of(of_seeds)), shown_gain, str(len(of_seeds))))
        far = {noise: distances(of_noise[HUMAN], of_noise[noise]) for noise in IMITATIONS}
        for noise, of_names in far.items():
            for name, of_seeds in of_names.items():
                if of_seeds:
                    text = shown(mean_of(of_seeds), digits=2)
                    rows.append((people, noise, f"**{DISTANCES[name]}**", text, "", str(len(of_seeds))))
        for other in (CLASS_CONDITIONAL, INDEPENDENT):
            for name in DISTANCES:
                sides = (far[DIAL][name], far[other][name]) if name == "rank" else (far[other][name], far[DIAL][name])
                nearer.setdefault((name, other), []).append(minus(*sides))
        series = []
        for number, noise in enumerate(IMITATIONS):
            both = [algorithm for algorithm in of_noise[HUMAN] if algorithm in of_noise[noise]]
            ours, theirs = ([mean_of(of_noise[kind][a]) for a in both] for kind in (HUMAN, noise))
            series.append(
                Series(
                    noise.replace("_", "-"),
                    tuple(mean.mean for mean in ours),
                    tuple(mean.mean for mean in theirs),
                    tuple(mean.half_width for mean in theirs),
                    colour=number,
                )
            )
        panels.append(Panel(people, "accuracy on human labels", "on the imitation", tuple(series), diagonal=True))
    verdicts = tuple(
        judge(
            Finding(
                f"dial_nearer_{name}_{other}",
                "a goal of this package",
                f"{DISTANCES[name].capitalize()} to human labels: the dial is nearer than {other.replace('_', '-')} "
                "flips.",
                lambda _: (),
            ),
            differences,
        )
        for (name, other), differences in nearer.items()
    )
    paragraphs = (
        "Test accuracy in per cent and gains over cross-entropy in points, with 95 % intervals over the seeds; then "
        "how far each imitation is from human labels of the same rate: mean absolute differences in points, and "
        "Spearman's correlation of the algorithms' accuracies.",
    )
    header = ("human labels", "noise", "algorithm", "accuracy", "gain", "seeds")
    heading = "Do results on imitations foretell those on human labels?"
    return Report(paragraphs, (header, rows), verdicts, "points or correlation", heading, tuple(panels))


STUDY = Study("human", "none", "Do results on synthetic noise foretell results on human labels?", plan, report)
