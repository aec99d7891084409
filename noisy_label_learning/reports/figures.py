"""Figures like the paper's 5 to 8, as SVG, of the records of one dataset.

    write_figures(folder, records)      # accuracy.svg, gain.svg, lqm.svg, lqm_gain.svg: those that there are runs for

Figures 5 and 6 set the raters' noise (darker) beside independent noise of the same rate (lighter), 7 and 8 LQM beside
its baseline. Whiskers are 95 % intervals over seeds; the paper's are none.
"""

from __future__ import annotations

import io
import pathlib
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from noisy_label_datasets.files import write_atomically
from noisy_label_learning.errors import LearningError
from noisy_label_learning.reports.comparing import BASELINE, NOISES, Row, Table
from noisy_label_learning.runs.record import HEADLINE, Record
from noisy_label_learning.statistics import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#4c566a", "#b5762a", "#3b7d5d", "#7d5ba6", "#b0413e", "#2f6f9f", "#8a8a35", "#a05195", "#5a8a9f")
_OF_THE_CLEAN_SUBSET = "#a9b1bd"
_LEVELS = ("low", "medium", "high")
Method = tuple[str, str, str]  # corrector, algorithm, settings
_SHORT = {
    "cross_entropy": "cross-entropy",
    "bootstrap": "Bootstrap",
    "co_teaching": "Co-Teaching",
    "mc_softmax": "MCSoftMax",
    "mentor_mix": "MentorMix",
    "generalized_cross_entropy": "GCE",
    "elr": "ELR",
    "f_correction": "F-correction",
    "rog": "RoG",
    "lqm": "LQM",
}


def write_figures(folder: pathlib.Path, records: Sequence[Record], *, selection: str = HEADLINE) -> list[pathlib.Path]:
    """Writes the figures that there are runs for; returns the paths.

    Raises:
      LearningError: as `Table.of`.
    """
    table = Table.of(records, selection)
    paths = []
    for dataset in dict.fromkeys(row.dataset for row in table.rows):
        rows = [row for row in table.rows if row.dataset == dataset and row.accuracy is not None]
        levels = _levels_of(rows)
        plain = [row for row in rows if row.corrector == "none"]
        with_lqm = [row for row in rows if row.corrector in ("lqm", "clean_subset") and row.noise == "raters"]
        for name, title, chosen, value in (
            ("accuracy", "Test accuracy, per cent", plain, _accuracy),
            ("gain", "Gain over cross-entropy, points", [row for row in plain if row.gain], _gain),
            ("lqm", "Test accuracy, per cent", [row for row in with_lqm if row.algorithm == BASELINE], _accuracy),
            ("lqm_gain", "Gain over the baseline, points", [row for row in with_lqm if row.gain], _gain),
        ):
            if not chosen or (name.startswith("lqm") and not any(row.corrector == "lqm" for row in chosen)):
                continue
            path = folder / f"{dataset}-{name}.svg"
            heading = f"{dataset}, epoch: {selection.replace('_', ' ')}{_whiskers(chosen)}"
            write_atomically(path, _bars(heading, title, chosen, levels, value))
            paths.append(path)
    return paths


def _accuracy(row: Row) -> Summary | None:
    return row.accuracy


def _gain(row: Row) -> Summary | None:
    return row.gain


def overview(records: Sequence[Record], *, selection: str = HEADLINE) -> bytes:
    """Returns Figure 5 in one look as SVG: test accuracy of every algorithm, a panel per dataset.

    Of runs without a corrector; within a panel a group per level, the raters' noise darker than flips of the same rate.

    Raises:
      LearningError: no such run is done, or as `Table.of`.
    """
    from matplotlib.figure import Figure

    rows = [row for row in Table.of(records, selection).rows if row.corrector == "none" and row.accuracy is not None]
    if not rows:
        raise LearningError("an overview needs runs without a corrector; none is done")
    methods = _methods_of(rows)
    noises = [noise for noise in NOISES.values() if any(row.noise == noise for row in rows)]
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    columns = min(2, len(datasets))
    figure = Figure(figsize=(6.4 * columns, 3.4 * -(-len(datasets) // columns) + 0.6), layout="constrained")
    grid = figure.subplots(-(-len(datasets) // columns), columns, squeeze=False).ravel()
    for axes in grid[len(datasets) :]:
        axes.set_visible(False)
    for axes, dataset in zip(grid, datasets, strict=False):
        of_dataset = [row for row in rows if row.dataset == dataset]
        _draw_bars(axes, of_dataset, _levels_of(of_dataset), methods, noises, _accuracy)
        axes.set_ylabel("test accuracy, per cent")
        axes.set_title(dataset, fontsize="medium")
    _add_legend(figure, methods, noises, 6.4 * columns)
    return _svg(figure)


def _bars(heading: str, title: str, rows: Sequence[Row], levels: Sequence[str], value: Any) -> bytes:
    """Returns grouped bars as SVG: a group per level, a bar per method and, within it, per kind of noise."""
    from matplotlib.figure import Figure

    methods = _methods_of(rows)
    noises = [noise for noise in NOISES.values() if any(r.noise == noise for r in rows)]
    inches = max(5.0, 1.0 + 0.2 * len(levels) * (len(methods) * len(noises) + 1))
    figure = Figure(figsize=(inches, 4.0), layout="constrained")
    axes: Axes = figure.subplots()
    _draw_bars(axes, rows, levels, methods, noises, value)
    axes.set_ylabel(title)
    axes.set_title(textwrap.fill(heading, int(inches / 0.09)), fontsize="medium")  # some 0.09 inches per letter
    _add_legend(figure, methods, noises, inches)
    return _svg(figure)


def _draw_bars(
    axes: Axes, rows: Sequence[Row], levels: Sequence[str], methods: Sequence[Method], noises: Sequence[str], value: Any
) -> None:
    colours = _colours(methods)
    width = 0.8 / (len(methods) * len(noises))
    for m, method in enumerate(methods):
        for k, noise in enumerate(noises):
            for place, level in enumerate(levels):
                row = next(
                    (
                        r
                        for r in rows
                        if (r.corrector, r.algorithm, r.settings, r.noise, r.level) == (*method, noise, level)
                    ),
                    None,
                )
                found = None if row is None else value(row)
                if found is None:
                    continue
                x = place - 0.4 + width * (m * len(noises) + k + 0.5)
                axes.bar(x, found.mean, 0.92 * width, color=colours[method], alpha=(1.0, 0.5, 0.25)[k])
                if found.half_width is not None:
                    axes.errorbar(x, found.mean, yerr=found.half_width, color="black", linewidth=0.8, capsize=1.5)
    if value is _accuracy:
        values = [found.mean - (found.half_width or 0) for row in rows if (found := value(row)) is not None]
        axes.set_ylim(max(0.0, 5 * ((min(values) - 5) // 5)), min(axes.get_ylim()[1], 100.0))
    else:
        axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(levels)), [_level(level, rows) for level in levels])
    axes.spines[["top", "right"]].set_visible(False)


def _add_legend(figure: Figure, methods: Sequence[Method], noises: Sequence[str], inches: float) -> None:
    from matplotlib.patches import Patch

    colours = _colours(methods)
    legend = [Patch(color=colours[method], label=_label(*method)) for method in methods]
    if len(noises) > 1:
        legend += [
            Patch(color="grey", alpha=(1.0, 0.5, 0.25)[k], label=f"noise: {noise.replace('_', '-')}")
            for k, noise in enumerate(noises)
        ]
    longest = max(len(str(patch.get_label())) for patch in legend)
    columns = max(1, min(len(legend), int(inches / (0.5 + 0.085 * longest))))
    figure.legend(handles=legend, loc="outside lower center", ncols=columns, fontsize="small", frameon=False)


def _svg(figure: Figure) -> bytes:
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "noisy_label_learning"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _levels_of(rows: Sequence[Row]) -> list[str]:
    return sorted({row.level for row in rows}, key=lambda level: _LEVELS.index(level) if level in _LEVELS else 3)


def _methods_of(rows: Sequence[Row]) -> list[Method]:
    return sorted(dict.fromkeys((row.corrector, row.algorithm, row.settings) for row in rows), key=_place)


def _place(method: Method) -> tuple[bool, int, str]:
    """Returns where a method stands: the baseline that has seen clean labels first, then as the paper has them."""
    corrector, algorithm, settings = method
    known = list(_SHORT)
    return corrector != "clean_subset", known.index(algorithm) if algorithm in known else len(known), settings


def _whiskers(rows: Sequence[Row]) -> str:
    """Returns what the heading says of the whiskers; "" where there are none."""
    seeds = sorted({len(row.seeds) for row in rows if row.accuracy is not None and row.accuracy.half_width is not None})
    return f"; whiskers: 95 % interval, {' or '.join(map(str, seeds))} seeds" if seeds else ""


def _level(level: str, rows: Sequence[Row]) -> str:
    """Returns a level with the share of wrong labels, from least to most over the kinds of noise."""
    errors = sorted({round(100 * row.label_error[0]) for row in rows if row.level == level})
    return f"{level}\n{' to '.join(map(str, dict.fromkeys((errors[0], errors[-1]))))} % wrong"


def _colours(methods: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
    """Returns the colour of each method: an algorithm has the same one in all figures, its other settings free ones."""
    colours: dict[tuple[str, str, str], str] = {}
    known = list(_SHORT)
    for method in methods:
        corrector, algorithm, _ = method
        if corrector == "clean_subset" and algorithm == BASELINE:
            colours[method] = _OF_THE_CLEAN_SUBSET
            continue
        own = _COLOURS[known.index(algorithm)] if algorithm in known[: len(_COLOURS)] else _COLOURS[-1]
        free = [colour for colour in (own, *reversed(_COLOURS)) if colour not in colours.values()]
        colours[method] = free[0] if free else own
    return colours


def _label(corrector: str, algorithm: str, settings: str) -> str:
    name = _SHORT.get(algorithm, algorithm)
    if corrector == "clean_subset":
        name = "cross-entropy, as many clean labels" if algorithm == BASELINE else f"{name}, clean subset"
    elif corrector != "none":
        first = _SHORT.get(corrector, corrector)
        name = first if algorithm == BASELINE else f"{first} + {name}"
    return f"{name} ({settings})" if settings else name
