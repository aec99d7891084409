"""Tables of plain text: never cut to the width of a terminal, so that they can be piped and searched."""

from __future__ import annotations

from collections.abc import Sequence

NOTHING = "-"


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under a header, columns aligned: numbers to the right, text to the left."""
    cells = [list(header), *(list(row) for row in rows)]
    columns = list(zip(*cells, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    numeric = [all(cell[0].isdigit() or cell == NOTHING for cell in column[1:]) for column in columns]
    for row in cells:
        aligned = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        print("  ".join(aligned).rstrip())
