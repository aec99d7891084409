"""Records of a benchmark as a section of a document: what is done, what was found, tables, and one figure of all.

put_between(pathlib.Path("docs/benchmarks.md"), "benchmarks", text)
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from noisy_label_datasets.files import write_atomically
from noisy_label_learning.errors import LearningError
from noisy_label_learning.reports import figures, tables
from noisy_label_learning.runs.record import DONE, Record


def benchmark_section(records: Sequence[Record], figure: str) -> tuple[str, bytes | None]:
    """Returns what records say as Markdown, and the figure of all; None where no run without a corrector is done.

    Args:
      records: of runs; all of one network and schedule for each dataset, or the section says which there are.
      figure: file name of the figure, as the text links to it.
    """
    done = [record for record in records if record.status == DONE]
    if not done:
        return "No run is done yet.\n", None
    hours = sum(record.seconds["cpu"] for record in done) / 3600
    networks = sorted({_network(record) for record in done})
    minutes = {name: _mean([r.seconds["cpu"] / 60 for r in done if r.algorithm == name]) for name in _algorithms(done)}
    peaks = [record.peak_memory_mib for record in done if record.peak_memory_mib is not None]
    lines = [
        f"{len(done)} runs are done, {hours:.1f} CPU hours; {len(records) - len(done)} diverged. Networks: "
        f"{'; '.join(networks)}. CPU minutes a run: "
        f"{', '.join(f'{name} {value:.1f}' for name, value in minutes.items())}."
        + (f" Peak of memory: {max(peaks):.0f} MiB." if peaks else ""),
        "",
        "### The paper's statements",
        "",
        tables.findings_markdown(done),
    ]
    drawn = None
    if any(record.corrector == "none" for record in done):
        drawn = figures.overview(done)
        lines += [f"![Test accuracy of all algorithms]({figure})", ""]
    lines += ["### Tables", "", tables.markdown(records)]
    return "\n".join(lines), drawn


def write_into(records: Sequence[Record], document: pathlib.Path) -> list[pathlib.Path]:
    """Writes the section between the markers of a document, and the figure beside it; returns the paths."""
    figure = document.with_suffix(".svg")
    text, drawn = benchmark_section(records, figure.name)
    put_between(document, "benchmarks", text)
    if drawn is None:
        return [document]
    write_atomically(figure, drawn)
    return [document, figure]


def put_between(document: pathlib.Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->` in a document.

    Raises:
      LearningError: there is no such document, or it lacks the markers.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    if not document.is_file():
        raise LearningError(f"--into {document}: there is no such file; it has to be a Markdown document")
    before, found_begin, rest = document.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise LearningError(f"{document} has no lines {begin.strip()} and {end.strip()}")
    write_atomically(document, (before + begin + text.strip("\n") + "\n" + end + after).encode())


def _network(record: Record) -> str:
    network, schedule = record.config["network"], record.config["schedule"]
    return f"{network['architecture']} of width {network['width']:g}, {schedule['epochs']} epochs"


def _algorithms(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.algorithm for record in records))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
