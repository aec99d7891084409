"""Small figures as SVG text. Colours are classes of the page's style, so that they follow its light or dark theme."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence

import numpy as np

LARGEST_HEAT_MAP = 20  # classes; of more, the cells are drawn as an image, without names


def bars(labels: Sequence[str], shares: Sequence[float | None], texts: Sequence[str]) -> str:
    """Horizontal bars, the longest as wide as there is room."""
    row, left, width = 27, 170, 500
    room = width - left - 64
    longest = max([share for share in shares if share is not None] or [1.0]) or 1.0
    body = []
    for i, (label, share, text) in enumerate(zip(labels, shares, texts, strict=True)):
        y, length = i * row, room * (share or 0) / longest
        body.append(_text(left - 10, y + 17, shorten(label, 20), "label", "end"))
        body.append(_rect(left, y + 5, max(length, 1), row - 10, "wrong"))
        body.append(_text(left + length + 8, y + 17, text, "value", "start"))
    return _svg(width, row * len(labels), body)


def histogram(counts: Sequence[int], expected: Sequence[float]) -> str:
    """Columns for counts, with a line through what was expected; column i is named i."""
    width, height, bottom, top = 500, 270, 26, 24
    step = width / len(counts)
    highest = max(*counts, *expected, 1)

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - value / highest)

    columns, texts = [], []
    for i, count in enumerate(counts):
        middle = (i + 0.5) * step
        columns.append(_rect(i * step + 3, y(count), step - 6, height - bottom - y(count), "right"))
        texts.append(_text(middle, y(count) - 6, f"{100 * count / max(sum(counts), 1):.0f}%", "value halo"))
        texts.append(_text(middle, height - 6, str(i), "label"))
    points = " ".join(f"{(i + 0.5) * step:.1f},{y(value):.1f}" for i, value in enumerate(expected))
    return _svg(width, height, [*columns, f'<polyline class="expected" points="{points}"/>', *texts])


def heat_map(shares: np.ndarray, names: Sequence[str]) -> str:
    """A confusion matrix [K, K] of shares; the diagonal, which would outshine the rest, in a colour of its own."""
    num_classes = len(names)
    off_diagonal = shares * (1 - np.eye(num_classes))
    strength = np.sqrt(off_diagonal / max(off_diagonal.max(), 1e-12))
    if num_classes > LARGEST_HEAT_MAP:
        return _heat_image(strength)
    slanted = max(map(len, names)) > 5
    cell, left, top = 44, 100, 76 if slanted else 28
    body = []
    for i, name in enumerate(names):
        middle = (i + 0.5) * cell
        body.append(_text(left - 8, top + middle + 4, shorten(name, 12), "label", "end"))
        body.append(
            f'<g transform="translate({left + middle + 4} {top - 8}) rotate(-40)">'
            f"{_text(0, 0, shorten(name, 12), 'label', 'start')}</g>"
            if slanted
            else _text(left + middle, top - 9, name, "label")
        )
        for j, given in enumerate(names):
            x, y, percent = left + j * cell + 1, top + i * cell + 1, 100 * shares[i, j]
            body.append(f"<g><title>{html.escape(f'{name} labelled {given}: {percent:.2f} %')}</title>")
            body.append(_rect(x, y, cell - 2, cell - 2, "diagonal" if i == j else "cell"))
            if i != j:
                body.append(_rect(x, y, cell - 2, cell - 2, "wrong", f' opacity="{strength[i, j]:.2f}"'))
            if percent >= 0.5:
                kind = "on-dark" if i != j and strength[i, j] > 0.6 else "value"
                body.append(_text(x + cell / 2 - 1, y + cell / 2 + 4, f"{percent:.0f}", kind))
            body.append("</g>")
    return _svg(left + num_classes * cell + 34 * slanted, top + num_classes * cell, body)


def scatter(points: Sequence[tuple[float, float, str]], x_name: str, y_name: str) -> str:
    """Points (x, y, title), y a share; x on a logarithmic scale where it spans more than a factor of ten."""
    width, height, left, bottom, top, right = 330, 230, 52, 40, 12, 20
    xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
    scale = math.log10 if min(xs) > 0 and max(xs) > 10 * min(xs) else float

    def place(value: float, least: float, most: float, start: float, end: float) -> float:
        return (start + end) / 2 if least == most else start + (end - start) * (value - least) / (most - least)

    def at_x(x: float) -> float:
        return place(scale(x), scale(min(xs)), scale(max(xs)), left + 16, width - right)

    def at_y(y: float) -> float:
        return place(y, min(ys), max(ys), height - bottom - 16, top + 8)

    return _svg(
        width,
        height,
        [
            f'<path class="axis" d="M{left},{top}V{height - bottom}H{width - right + 10}"/>',
            *(_text(left - 6, at_y(y) + 4, f"{100 * y:.0f}%", "label", "end") for y in sorted({min(ys), max(ys)})),
            *(_text(at_x(x), height - bottom + 16, _short(x), "label") for x in sorted({min(xs), max(xs)})),
            _text((left + width - right) / 2, height - 6, x_name, "label"),
            f'<g transform="translate(12 {height / 2 - 14}) rotate(-90)">{_text(0, 0, y_name, "label")}</g>',
            *(
                f'<circle class="point" cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="5.5">'
                f"<title>{html.escape(title)}</title></circle>"
                for x, y, title in points
            ),
        ],
    )


def image_uri(image: np.ndarray) -> str:
    """An image [h, w] or [h, w, c] uint8 as a PNG in a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def shorten(text: str, length: int) -> str:
    """Cuts a text to `length` characters, the last an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _heat_image(strength: np.ndarray) -> str:
    # Thousands of cells are an image: one colour whose opacity is the strength, so that it suits both themes.
    colour = np.broadcast_to(np.array([224, 94, 32]), (*strength.shape, 3))
    cells = np.concatenate([colour, 255 * strength[..., None]], axis=-1).round().astype(np.uint8)
    return f'<img class="heat" alt="confusion matrix" src="{image_uri(cells)}">'


def _short(value: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, kind: str, attributes: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place} rx="3"{attributes}/>'


def _svg(width: float, height: float, body: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" style="max-width:{width:g}px" role="img">{"".join(body)}</svg>'
