"""Tables of records as Markdown and CSV, the paper's figures beside ours.

write_tables(folder, records)       # tables.md, tables.csv, findings.md
"""

from __future__ import annotations

import csv
import io
import pathlib
from collections.abc import Sequence

from noisy_label_datasets.files import write_atomically
from noisy_label_learning.paper_tables import reported
from noisy_label_learning.reports.comparing import Row, Table
from noisy_label_learning.reports.findings import Verdict, check
from noisy_label_learning.runs.record import HEADLINE, LAST, Record
from noisy_label_learning.statistics import Summary

SHOWN_SELECTIONS = (HEADLINE, LAST)
_CSV_COLUMNS = (
    "selection",
    "dataset",
    "level",
    "noise",
    "corrector",
    "algorithm",
    "settings",
    "seeds",
    "accuracy",
    "std",
    "half_width",
    "gain",
    "gain_half_width",
    "adjusted_p",
    "baseline",
    "clean_labels",
    "label_error_before",
    "label_error_targets",
    "diverged",
    "cpu_seconds",
    "paper",
    "paper_std",
)


def markdown(records: Sequence[Record], *, selection: str = HEADLINE) -> str:
    """Returns a table for each dataset, level and kind of noise.

    Every table says which selection it shows; every row how many seeds there are and how many clean labels it has seen.
    """
    table = Table.of(records, selection)
    parts = []
    for problem in dict.fromkeys((row.dataset, row.level, row.noise) for row in table.rows):
        rows = [row for row in table.rows if (row.dataset, row.level, row.noise) == problem]
        dataset, level, noise = problem
        error = 100 * rows[0].label_error[0]
        parts += [
            f"**{dataset}/{level}, noise {noise}** ({error:.1f} % of the labels are wrong; test accuracy in per cent, "
            f"epoch: {selection.replace('_', ' ')})",
            "",
            "| method | accuracy | gain, 95 % interval | p (Holm) | seeds | clean labels | wrong targets | paper |",
            "|---|---|---|---|---|---|---|---|",
            *(_markdown_row(row) for row in rows),
            "",
            *_trusted_lines(rows),
        ]
    return "\n".join(parts)


def _markdown_row(row: Row) -> str:
    cell = reported(row.dataset, row.level, row.noise, row.algorithm, row.corrector)
    seeds = f"{len(row.seeds)}" + (f" ({row.diverged} diverged)" if row.diverged else "")
    cells = (
        row.method,
        _mean_and_std(row.accuracy),
        _interval(row.gain),
        "–" if row.adjusted_p is None else f"{row.adjusted_p:.3f}" if row.adjusted_p >= 0.001 else "< 0.001",
        seeds,
        f"{row.clean_labels}",
        f"{100 * row.label_error[1]:.1f} %",
        "–" if cell is None else f"{cell.accuracy:.1f} ± {cell.std:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _trusted_lines(rows: Sequence[Row]) -> list[str]:
    """Returns which labels' examples were left out by algorithms that choose; nothing where none does."""
    choosing = [row for row in rows if row.trusted]
    if not choosing:
        return []
    told = []
    for row in choosing:
        ordered = sorted(row.trusted.items(), key=lambda item: item[1])
        told.append(f"{row.method}: " + ", ".join(f"{label} {100 * share:.0f} %" for label, share in _ends(ordered)))
    return [f"Of each label's examples were trained on in the end, least and most: {'; '.join(told)}.", ""]


def _ends(ordered: Sequence[tuple[str, float]], least: int = 3) -> Sequence[tuple[str, float]]:
    return ordered if len(ordered) <= least + 1 else [*ordered[:least], ordered[-1]]


def _mean_and_std(found: Summary | None) -> str:
    if found is None:
        return "–"
    return f"{found.mean:.1f}" + (f" ± {found.std:.1f}" if found.std is not None else "")


def _interval(found: Summary | None) -> str:
    if found is None:
        return "–"
    if found.interval is None:
        return f"{found.mean:+.1f}"
    low, high = found.interval
    return f"{found.mean:+.1f} ({low:+.1f} to {high:+.1f})"


def csv_text(records: Sequence[Record], *, selections: Sequence[str] = SHOWN_SELECTIONS) -> str:
    """Returns all rows of all selections as CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, _CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for selection in selections:
        for row in Table.of(records, selection).rows:
            cell = reported(row.dataset, row.level, row.noise, row.algorithm, row.corrector)
            accuracy, gain = row.accuracy, row.gain
            writer.writerow(
                {
                    "selection": selection,
                    **{name: getattr(row, name) for name in ("dataset", "level", "noise", "corrector", "algorithm")},
                    "settings": row.settings,
                    "seeds": " ".join(map(str, row.seeds)),
                    "accuracy": _number(accuracy.mean if accuracy else None),
                    "std": _number(accuracy.std if accuracy else None),
                    "half_width": _number(accuracy.half_width if accuracy else None),
                    "gain": _number(gain.mean if gain else None),
                    "gain_half_width": _number(gain.half_width if gain else None),
                    "adjusted_p": "" if row.adjusted_p is None else f"{row.adjusted_p:.6g}",
                    "baseline": row.baseline,
                    "clean_labels": row.clean_labels,
                    "label_error_before": f"{row.label_error[0]:.4f}",
                    "label_error_targets": f"{row.label_error[1]:.4f}",
                    "diverged": row.diverged,
                    "cpu_seconds": f"{row.cpu_seconds:.2f}",
                    "paper": "" if cell is None else cell.accuracy,
                    "paper_std": "" if cell is None else cell.std,
                }
            )
    return file.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def findings_markdown(records: Sequence[Record], *, selection: str = HEADLINE) -> str:
    """Returns what the records say of the paper's statements, as a table."""
    return verdicts_markdown(check(Table.of(records, selection)))


def verdicts_markdown(verdicts: Sequence[Verdict], *, unit: str = "points") -> str:
    """Returns what is said of statements, as a table; unit: of their effects."""
    lines = [f"| section | statement | verdict | effect, {unit} (95 %) | comparisons |", "|---|---|---|---|---|"]
    lines += [_finding_row(verdict) for verdict in verdicts]
    return "\n".join(lines) + "\n"


def _finding_row(verdict: Verdict) -> str:
    finding = verdict.finding
    count = f"{verdict.in_favour} of {verdict.differences} positive" if verdict.differences else "–"
    return f"| {finding.section} | {finding.statement} | {verdict.outcome} | {_interval(verdict.effect)} | {count} |"


def write_tables(folder: pathlib.Path, records: Sequence[Record]) -> list[pathlib.Path]:
    """Writes tables.md, tables.csv and findings.md; returns the paths."""
    document = "\n".join(
        [
            "# Test accuracy",
            "",
            "Gains are over cross-entropy on the same labels or, where clean labels were seen, over cross-entropy that "
            "was given as many; they are paired over seeds (same labels, initial weights and order).",
            "",
            *(
                f"## {selection.replace('_', ' ')}\n\n{markdown(records, selection=selection)}"
                for selection in SHOWN_SELECTIONS
            ),
        ]
    )
    paths = []
    for name, text in (
        ("tables.md", document),
        ("tables.csv", csv_text(records)),
        ("findings.md", findings_markdown(records)),
    ):
        write_atomically(folder / name, text.encode())
        paths.append(folder / name)
    return paths
