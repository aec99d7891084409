"""What records of `noisy-labels benchmark` say, written into docs/learning.md: tables, the paper's statements, figures.

    noisy-labels benchmark digits_noisy --algorithms cross_entropy bootstrap co_teaching mc_softmax mentor_mix \\
        --correctors none lqm --levels low medium high --noise raters independent class_conditional --out runs
    noisy-labels benchmark digits_noisy --algorithms generalized_cross_entropy elr f_correction rog --out runs
    noisy-labels benchmark digits_noisy --algorithms cross_entropy co_teaching --correctors none majority \\
        dawid_skene dawid_skene:gold=True lqm lqm:cleaner=best_raters lqm:cleaner=aggregate --out runs
    PYTHONPATH=benchmarks:. python benchmarks/learning_tables.py --runs runs --into docs/learning.md

Records that are there are not computed again, by either command.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from documents import report

from noisy_label_learning.algorithms import ALGORITHMS
from noisy_label_learning.correctors import CORRECTORS
from noisy_label_learning.reports import figures, tables
from noisy_label_learning.reports.comparing import BASELINE, NOISES, settings_text, split_problem
from noisy_label_learning.runs.record import Record, read_records

OF_THE_PAPER = ("cross_entropy", "bootstrap", "co_teaching", "mc_softmax", "mentor_mix")  # what its figures show
LEVELS = ("low", "medium", "high")
Say = Callable[[str], None]


def ordered(records: Sequence[Record]) -> list[Record]:
    """Returns records by level, kind of noise, corrector and algorithm, in the package's order of these."""

    def place(record: Record) -> tuple[object, ...]:
        dataset, level, noise = split_problem(record.problem)
        return (
            dataset,
            LEVELS.index(level) if level in LEVELS else len(LEVELS),
            list(NOISES.values()).index(noise),
            list(CORRECTORS).index(record.corrector) if record.corrector in CORRECTORS else len(CORRECTORS),
            settings_text({**record.config, "algorithm": {"name": BASELINE}}),
            list(ALGORITHMS).index(record.algorithm) if record.algorithm in ALGORITHMS else len(ALGORITHMS),
            record.seed,
        )

    return sorted(records, key=place)


def of_the_benchmark(records: Sequence[Record]) -> list[Record]:
    """Returns the runs whose settings are the defaults, without a corrector, and with LQM or its baseline."""
    return [
        record
        for record in records
        if not settings_text(record.config) and record.corrector in ("none", "clean_subset", "lqm")
    ]


def under_raters_noise(records: Sequence[Record]) -> list[Record]:
    """Returns the runs whose noise is that of the raters."""
    return [record for record in records if split_problem(record.problem)[2] == "raters"]


def expectations(records: Sequence[Record], say: Say) -> None:
    """Says how many wrong labels each corrector expects among its targets, and how many there are."""
    say("| labels | corrector | wrong as given | expected of the targets | rests on | in fact |")
    say("|---|---|---|---|---|---|")
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        of_corrector = settings_text({**record.config, "algorithm": {"name": BASELINE}})
        if record.details["corrector"].get("expected_error") is not None and record.algorithm == BASELINE:
            name = record.corrector + (f" ({of_corrector})" if of_corrector else "")
            groups.setdefault((record.problem, name), []).append(record)
    for (problem, name), group in groups.items():
        expected = [record.details["corrector"]["expected_error"] for record in group]
        given, real = ([record.label_error[key] for record in group] for key in ("before", "targets"))
        basis = group[0].details["corrector"]["error_basis"]
        shares = [f"{100 * np.mean(values):.1f} %" for values in (given, expected, real)]
        say(f"| {problem} | {name} | {shares[0]} | {shares[1]} | {basis} | {shares[2]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=pathlib.Path, required=True, metavar="FOLDER", help="records")
    parser.add_argument("--into", type=pathlib.Path, metavar="FILE", help="this document; figures come beside it")
    args = parser.parse_args()
    records = ordered(read_records(args.runs))
    if not records:
        raise SystemExit(f"{args.runs} holds no record of a run")
    chosen = of_the_benchmark(records)
    raters = under_raters_noise(records)
    with report(args.into, "learning benchmark", markdown=True) as say:
        say(tables.markdown(under_raters_noise(chosen)))
        say(tables.findings_markdown(chosen))
        if args.into is not None:
            for path in figures.write_figures(args.into.parent, [r for r in chosen if r.algorithm in OF_THE_PAPER]):
                say(f"![{path.stem}]({path.name})")
    with report(args.into, "learning correctors", markdown=True) as say:
        say(tables.markdown([record for record in raters if record.algorithm == BASELINE]))
    with report(args.into, "learning expectations", markdown=True) as say:
        expectations(raters, say)


if __name__ == "__main__":
    main()
