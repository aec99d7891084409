"""What the paper says of Sections 4 and 5, as statements that are checked on records: supported, refuted or undecided.

    for verdict in check(table):
        verdict.finding.statement, verdict.outcome, verdict.effect      # a Summary over seeds, in points of accuracy

A statement is turned into differences that it expects to be positive. Those of a seed are averaged; where the interval
of this average over the seeds lies above zero the statement is supported, below zero refuted, else undecided.
Statements of absence ("does not gain") are supported where the interval lies below a margin, refuted where above zero.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from noisy_label_learning.reports.comparing import BASELINE, Row, Table
from noisy_label_learning.statistics import Summary, summary

SUPPORTED, REFUTED, UNDECIDED, NOT_TESTED = "supported", "refuted", "undecided", "not tested"
OUTCOMES = (SUPPORTED, REFUTED, UNDECIDED, NOT_TESTED)
NEGLIGIBLE = 1.0  # points of accuracy: less than the smallest gain that Section 4 calls one
_TECHNIQUES = ("bootstrap", "co_teaching", "mc_softmax", "mentor_mix")
_MANY, _TWO = ("cifar100_noisy",), ("pcam_noisy", "cats_vs_dogs_noisy")
_TEN = ("cifar10_noisy", "digits_noisy")

# A difference: seed -> points of accuracy.
Difference = Mapping[int, float]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A statement of the paper.

    Attributes:
      name: short, unique.
      section: where it stands.
      statement: in a sentence.
      differences: the differences that it expects to be positive, of a table.
      absent: whether it says that there is no gain: that the mean difference is below `NEGLIGIBLE`.
    """

    name: str
    section: str
    statement: str
    differences: Callable[[Table], Sequence[Difference]]
    absent: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What records say of a finding.

    Attributes:
      finding: which.
      outcome: one of `OUTCOMES`.
      effect: mean over the differences, over seeds; None where no difference could be formed.
      differences: how many there are.
      in_favour: how many of them have a positive mean.
    """

    finding: Finding
    outcome: str
    effect: Summary | None
    differences: int
    in_favour: int


def check(table: Table, findings: Sequence[Finding] | None = None) -> list[Verdict]:
    """Returns what a table says of each finding."""
    return [judge(finding, finding.differences(table)) for finding in (FINDINGS if findings is None else findings)]


def judge(finding: Finding, differences: Sequence[Difference]) -> Verdict:
    """Returns what differences say of a finding."""
    differences = [difference for difference in differences if difference]
    seeds = set.intersection(*(set(d) for d in differences)) if differences else set()
    if not seeds:
        return Verdict(finding, NOT_TESTED, None, 0, 0)
    effect = summary([float(np.mean([d[seed] for d in differences])) for seed in sorted(seeds)])
    in_favour = sum(float(np.mean(list(d.values()))) > 0 for d in differences)
    outcome = UNDECIDED
    if effect.interval is not None:
        low, high = effect.interval
        if finding.absent:
            outcome = SUPPORTED if high < NEGLIGIBLE else REFUTED if low > 0 else UNDECIDED
        else:
            outcome = SUPPORTED if low > 0 else REFUTED if high < 0 else UNDECIDED
    return Verdict(finding, outcome, effect, len(differences), in_favour)


def _minus(first: Row | None, second: Row | None) -> Difference:
    """Returns the difference of two rows, of the seeds that both have."""
    if first is None or second is None:
        return {}
    theirs = dict(zip(second.seeds, second.values, strict=True))
    return {s: value - theirs[s] for s, value in zip(first.seeds, first.values, strict=True) if s in theirs}


def _problems(table: Table, datasets: Sequence[str] | None, noise: str) -> list[tuple[str, str, str]]:
    found = dict.fromkeys((row.dataset, row.level, row.noise) for row in table.rows)
    return [p for p in found if p[2] == noise and (datasets is None or p[0] in datasets)]


def _raters_minus_independent(datasets: Sequence[str]) -> Callable[[Table], list[Difference]]:
    """Of every algorithm: accuracy under the raters' noise minus that under independent noise of the same rate."""

    def differences(table: Table) -> list[Difference]:
        return [
            _minus(
                table.row(dataset, level, "raters", algorithm, "none"),
                table.row(dataset, level, "independent", algorithm, "none"),
            )
            for dataset, level, _ in _problems(table, datasets, "raters")
            for algorithm in (BASELINE, *_TECHNIQUES)
        ]

    return differences


def _gains_smaller_under_raters(datasets: Sequence[str]) -> Callable[[Table], list[Difference]]:
    """Of every technique: its gain under independent noise minus its gain under the raters' noise."""

    def differences(table: Table) -> list[Difference]:
        found: list[Difference] = []
        for dataset, level, _ in _problems(table, datasets, "raters"):
            for algorithm in _TECHNIQUES:
                gains = [
                    _minus(
                        table.row(dataset, level, noise, algorithm, "none"),
                        table.row(dataset, level, noise, BASELINE, "none"),
                    )
                    for noise in ("independent", "raters")
                ]
                found.append({seed: gains[0][seed] - gains[1][seed] for seed in gains[0] if seed in gains[1]})
        return found

    return differences


def _gain(
    algorithm: str,
    corrector: str,
    over: tuple[str, str],
    *,
    levels: Sequence[str] | None = None,
    noise: str = "raters",
    datasets: Sequence[str] | None = None,
) -> Callable[[Table], list[Difference]]:
    """The gain of an algorithm with a corrector over another pair (algorithm, corrector)."""

    def differences(table: Table) -> list[Difference]:
        return [
            _minus(table.row(*problem, algorithm, corrector), table.row(*problem, *over))
            for problem in _problems(table, datasets, noise)
            if levels is None or problem[1] in levels
        ]

    return differences


def _best_with_lqm(table: Table) -> list[Difference]:
    """LQM with each technique minus LQM alone."""
    return [
        difference
        for technique in _TECHNIQUES
        for difference in _gain(technique, "lqm", (BASELINE, "lqm"), datasets=(*_TEN, *_MANY))(table)
    ]


def _harder_at_high_noise(table: Table) -> list[Difference]:
    """LQM's gain at high noise minus its gain at low noise."""
    found: list[Difference] = []
    for dataset in dict.fromkeys(row.dataset for row in table.rows):
        gains = [
            _minus(
                table.row(dataset, level, "raters", BASELINE, "lqm"),
                table.row(dataset, level, "raters", BASELINE, "clean_subset"),
            )
            for level in ("high", "low")
        ]
        found.append({seed: gains[0][seed] - gains[1][seed] for seed in gains[0] if seed in gains[1]})
    return found


FINDINGS: tuple[Finding, ...] = (
    Finding(
        "many_classes_easier",
        "4.2",
        "With a hundred classes most algorithms are more accurate under the raters' noise than under independent flips "
        "of the same rate.",
        _raters_minus_independent(_MANY),
    ),
    Finding(
        "two_classes_harder",
        "4.2",
        "With two classes most algorithms are less accurate under the raters' noise than under independent "
        "flips of the same rate.",
        lambda table: [{s: -v for s, v in d.items()} for d in _raters_minus_independent(_TWO)(table)],
    ),
    Finding(
        "smaller_gains",
        "4.2",
        "With ten classes and with a hundred the techniques usually gain less over cross-entropy under the "
        "raters' noise than under independent flips.",
        _gains_smaller_under_raters((*_TEN, *_MANY)),
    ),
    *(
        Finding(
            f"{algorithm}_gains",
            "4.2, Figure 6",
            f"{algorithm} is more accurate than cross-entropy under the raters' noise.",
            _gain(algorithm, "none", (BASELINE, "none")),
        )
        for algorithm in _TECHNIQUES
    ),
    *(
        Finding(
            f"{algorithm}_does_not_gain",
            "4.1, footnote 3",
            f"{algorithm} does not improve on cross-entropy under the raters' noise.",
            _gain(algorithm, "none", (BASELINE, "none")),
            absent=True,
        )
        for algorithm in ("f_correction", "rog")
    ),
    Finding(
        "lqm_outperforms",
        "5.2, Figure 7",
        "LQM is more accurate than a baseline that has seen as many clean labels, at medium and high noise.",
        _gain(BASELINE, "lqm", (BASELINE, "clean_subset"), levels=("medium", "high")),
    ),
    Finding(
        "lqm_gains_more_at_high_noise",
        "5.2, Figure 7",
        "LQM's gain is larger at high noise than at low noise.",
        _harder_at_high_noise,
    ),
    Finding(
        "lqm_combines",
        "5.2, Figure 8",
        "With ten classes and with a hundred, other techniques usually improve further on LQM.",
        _best_with_lqm,
    ),
)
