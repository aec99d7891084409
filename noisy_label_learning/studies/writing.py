"""Reports of studies as Markdown and SVG, in a folder and between the markers of a document.

write_report(folder / "report", report, ...)            # imbalance.md, imbalance.svg
write_into(STUDIES["imbalance"], records, pathlib.Path("docs/studies.md"))
"""

from __future__ import annotations

import pathlib

from noisy_label_datasets.files import write_atomically
from noisy_label_learning.reports.document import put_between
from noisy_label_learning.reports.tables import verdicts_markdown
from noisy_label_learning.studies.drawing import panels
from noisy_label_learning.studies.plan import runs_so_far
from noisy_label_learning.studies.study import Study


def markdown(study: Study, records: pathlib.Path, figure: str) -> tuple[str, bytes | None]:
    """Returns what a study has found so far, and its figure; None where no run is done.

    Args:
      study: which.
      records: folder of the records and of the plan.
      figure: file name of the figure, as the text links to it.

    Raises:
      LearningError: there is no plan of this study in the folder.
    """
    so_far = runs_so_far(records, study.name)
    runs = so_far.done
    seconds = {run.record.key: run.record.seconds["cpu"] for run in runs}
    counted = f"{len(runs)} of {so_far.planned} runs are done, {sum(seconds.values()) / 3600:.1f} CPU hours."
    if so_far.diverged:
        counted += f" {len(so_far.diverged)} diverged and count nowhere."
    if not runs:
        return f"{study.question} {counted}\n", None
    found = study.report(runs)
    networks = sorted({run.record.config["network"]["architecture"] for run in runs})
    epochs = sorted({run.record.config["schedule"]["epochs"] for run in runs})
    made = f"Networks: {', '.join(networks)}; epochs: {', '.join(map(str, epochs))}; epoch selected on validation."
    header, rows = found.table
    lines = [
        f"{study.question} {counted} {made}",
        "",
        verdicts_markdown(found.verdicts, unit=found.unit),
        *(f"{paragraph}\n" for paragraph in found.paragraphs),
        f"![{found.heading}]({figure})",
        "",
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n", panels(found.heading, found.panels, columns=found.columns)


def write_report(study: Study, records: pathlib.Path, folder: pathlib.Path) -> list[pathlib.Path]:
    """Writes a study's text and figure into a folder; returns the paths."""
    text, figure = markdown(study, records, f"{study.name}.svg")
    written = [folder / f"{study.name}.md"]
    write_atomically(written[0], text.encode())
    if figure is not None:
        written.append(folder / f"{study.name}.svg")
        write_atomically(written[1], figure)
    return written


def write_into(study: Study, records: pathlib.Path, document: pathlib.Path) -> list[pathlib.Path]:
    """Writes a study's text between the markers of a document, and its figure beside it; returns the paths."""
    figure_path = document.with_name(f"study-{study.name}.svg")
    text, figure = markdown(study, records, figure_path.name)
    put_between(document, f"study {study.name}", text)
    written = [document]
    if figure is not None:
        write_atomically(figure_path, figure)
        written.append(figure_path)
    return written
