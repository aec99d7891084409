"""The noise card in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import rich.box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from noisy_label_datasets.card.model import NoiseCard, decimal, percent, times
from noisy_label_datasets.human import table1
from noisy_label_datasets.human.same_images import SameImages

WRONG, RIGHT = "dark_orange", "dodger_blue2"
BLOCKS = " ▏▎▍▌▋▊▉█"
LARGEST_MATRIX = 10  # classes that fit beside each other in 80 columns


def print_card(card: NoiseCard, console: Console) -> None:
    """Prints the card, at most 80 columns wide."""
    parts: list[RenderableType] = [
        Text.assemble((card.name, "bold"), f" {card.version}"),
        Text(card.summary, style="dim"),
        "",
        _figures(card),
        "",
        "[bold]Error rate of a rater[/]",
        _bars(card.rater_errors(), percent, WRONG),
        "",
        f"[bold]Images by how many of {card.noise['num_raters']} raters are right[/]",
        _right_votes(card),
        "",
        *_confusion(card),
    ]
    if card.people:
        parts += ["", *people_lines(card.people)]
    if card.table1 is not None:
        parts += ["", *table1_lines(card.table1, card.name)]
    console.print(Group(*parts), width=min(console.width, 80), highlight=False)


def people_lines(people: Sequence[SameImages]) -> list[RenderableType]:
    """Raters beside human annotators, a row per kind of human labels."""
    shown = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    shown.add_column("human labels")
    for title in ("images", "raters err", "humans err", "both err", "correlation", "confusions"):
        shown.add_column(title, justify="right")
    for found in people:
        both = f"{percent(found.both_err)} {times(found.both_err, found.by_chance)}"
        cells = [f"{found.num_examples:,}", percent(found.raters_err), percent(found.people_err), both]
        correlation = None if found.correlation is None else found.correlation.value
        shown.add_row(Text(found.name), *cells, decimal(correlation, 2), decimal(found.confusions, 2))
    lines = [
        f"[dim]{escape(found.name)}: by the class alone both would err {times(found.by_class, found.by_chance)} "
        f"as often as by chance; two humans do {times(found.two_people_err, found.people_err**2)}[/]"
        for found in people
    ]
    note = (
        "[dim]Both err: a rater and a person on one image, and how many times as often as by chance. Correlation: of "
        "the shares of either who err on an image. Confusions: of the shares of a class that they take for another.[/]"
    )
    return ["[bold]Raters beside human annotators, on the same images[/]", shown, *lines, note]


def table1_lines(table: table1.Table1, name: str) -> list[RenderableType]:
    """Table 1 for one pool, beside the paper's where the level is one of the paper's."""
    level = name.rpartition("/")[2]
    printed = table1.PAPER.get(level)
    shown = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    shown.add_column(escape(level))
    for title in ("error", "as in the paper", *["paper prints"] * bool(printed), "as distributions"):
        shown.add_column(title, justify="right", no_wrap=True)
    for title, row in table.rows.items():
        beside = [str(printed.get(title, ""))] if printed else []
        cells = [percent(row.error_rate), str(row.paper), *beside, str(row.proper or "–")]
        shown.add_row(title, *cells, style="bold" if title == "raters" else "")
    paper = f"; the paper {table1.paper_ratio(level):.2f}" if printed else ""
    return [
        shown,
        f"raters / independent flips: [bold]{table.ratios['paper']}[/] as in the paper{paper}; "
        f"[bold]{table.ratios['proper'] or '–'}[/] as distributions",
        f"[dim]human labels as they are: raters lie {table.rows['raters'].raw} from them; "
        f"{percent(table.human_error_rate)} of them are wrong; {table.num_raters} per image lie {table.human_floor} "
        "from the others[/]",
    ]


def _figures(card: NoiseCard) -> Table:
    noise, errors = card.noise, card.rater_errors()
    grid = Table.grid(padding=(0, 2))
    grid.add_row("rater error rate", f"[bold]{percent(noise['rater_error_rate'])}[/]", _range(errors))
    grid.add_row("Krippendorff's alpha", f"[bold]{decimal(noise['krippendorff_alpha'])}[/]", "agreement beyond chance")
    grid.add_row("majority vote", f"[bold]{percent(noise['majority_error_rate'])}[/]", "wrong")
    share = (noise["instance_dependence"] or {}).get("explained_by_class")
    if share is not None:
        grid.add_row(
            "spread in difficulty", f"[bold]{percent(share)}[/]", "depends on the class, the rest on the image"
        )
    splits = ", ".join(f"{split} {count:,}" for split, count in card.splits.items())
    grid.add_row("examples", f"[bold]{noise['num_examples']:,}[/]", f"[dim]{splits}[/]")
    return grid


def _range(errors: Sequence[tuple[str, float]]) -> str:
    if not errors:
        return ""
    return f"from {percent(errors[0][1])} to {percent(errors[-1][1])} in {len(errors)} raters"


def _right_votes(card: NoiseCard) -> Table:
    counts = card.noise["right_votes"]
    total = max(sum(counts), 1)
    return _bars([(str(i), count / total) for i, count in enumerate(counts)], percent, RIGHT)


def _confusion(card: NoiseCard) -> list[RenderableType]:
    if len(card.class_names) > LARGEST_MATRIX:
        pairs = [(f"{clean} → {given}", share) for clean, given, share in card.confusions(10)]
        return ["[bold]Most frequent confusions[/]", _bars(pairs, percent, WRONG)]
    shares = card.confusion_shares()
    matrix = Table.grid(padding=(0, 0))
    matrix.add_row("", *(Text(name[:5], style="dim", justify="right") for name in card.class_names))
    off_diagonal = shares[~np.eye(len(shares), dtype=bool)]
    highest = max(float(off_diagonal.max(initial=0)), 1e-12)
    for i, name in enumerate(card.class_names):
        cells = []
        for j, share in enumerate(shares[i]):
            heat = round(255 * (float(share) / highest) ** 0.5) if i != j else 0
            style = f"on rgb({heat},{heat * 9 // 24},{heat // 12})" if heat > 40 else ""
            cells.append(Text(f"{100 * share:5.0f} " if share >= 0.005 else " " * 6, style=style))
        matrix.add_row(Text(f"{name[:14]} ", style="dim", justify="right"), *cells)
    return ["[bold]Clean class (row) and label given (column), percent[/]", matrix]


def _bars(pairs: Sequence[tuple[str, float]], text: Callable[[float], str], style: str) -> Table:
    grid, width = Table.grid(padding=(0, 1)), 40
    longest = max((share for _, share in pairs), default=0) or 1
    for name, share in pairs:
        eighths = round(8 * width * share / longest)
        bar = "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()
        grid.add_row(Text(name, style="dim", justify="right"), Text(bar, style=style), text(share))
    return grid
