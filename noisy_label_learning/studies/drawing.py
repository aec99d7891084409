"""Figures of studies: panels of points with whiskers and lines, as SVG whose bytes follow from what is drawn.

panels("Impact of imbalance", [Panel("cats_vs_dogs_noisy", "fraction of the larger class", "drop", series)])
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence

COLOURS = ("#b0413e", "#2f6f9f", "#3b7d5d", "#b5762a", "#7d5ba6", "#4c566a", "#8a8a35", "#a05195", "#5a8a9f")
_MARKERS = "osD^vP*X<"


@dataclasses.dataclass(frozen=True)
class Series:
    """Points of one kind.

    Attributes:
      label: in the legend.
      x, y: [n].
      error: [n] half widths of intervals, None where there is none.
      line: (x, y) of the ends of a fitted line; the points are joined where there is none and `joined` says so.
      joined: whether the points are joined.
      colour: number of a colour.
      hollow: whether the points are hollow and the line is dashed.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    error: tuple[float | None, ...] = ()
    line: tuple[tuple[float, float], tuple[float, float]] | None = None
    joined: bool = False
    colour: int = 0
    hollow: bool = False


@dataclasses.dataclass(frozen=True)
class Panel:
    """Axes with series.

    Attributes:
      title, x_label, y_label: what is written at them.
      series: in the order of the legend.
      diagonal: whether y = x is drawn.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    diagonal: bool = False


def panels(heading: str, drawn: Sequence[Panel], *, columns: int = 2) -> bytes:
    """Returns panels as SVG, in rows of so many."""
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(columns, len(drawn))
    rows = -(-len(drawn) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.7 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.ravel()[len(drawn) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.ravel(), drawn, strict=False):
        for series in panel.series:
            colour = COLOURS[series.colour % len(COLOURS)]
            marker = _MARKERS[series.colour % len(_MARKERS)]
            style = "--" if series.hollow else "-"
            axes.plot(
                series.x,
                series.y,
                marker=marker,
                linestyle=style if series.joined else "none",
                color=colour,
                markerfacecolor="white" if series.hollow else colour,
                markersize=4.5,
                linewidth=1.2,
                label=series.label,
            )
            for x, y, error in zip(series.x, series.y, series.error, strict=False):
                if error is not None:
                    axes.errorbar(x, y, yerr=error, color=colour, linewidth=0.8, capsize=1.5)
            if series.line is not None:
                axes.plot(*series.line, linestyle=style, color=colour, linewidth=1.2)
        if panel.diagonal and panel.series:
            values = [value for series in panel.series for value in (*series.x, *series.y)]
            ends = (min(values), max(values))
            axes.plot(ends, ends, color="grey", linewidth=0.8, linestyle=":")
        axes.set_title(panel.title, fontsize="medium")
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize="x-small", frameon=False)
    figure.suptitle(heading, fontsize="medium")
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "noisy_label_learning"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
