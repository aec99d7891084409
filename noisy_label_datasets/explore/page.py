"""The explorer as one self-contained HTML page, which works from a file and without a network.

The page is a skeleton; `explorer.js` fills it from the data that stand beside it as JSON. A content security policy
lets the browser run that script and no other, and fetch nothing from anywhere, whatever names and ids hold.
"""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.resources
import json
import re
from typing import Any

import numpy as np

from noisy_label_datasets.card.style import PALETTE
from noisy_label_datasets.explore.model import Explored
from noisy_label_datasets.explore.sheets import COLUMNS, ROWS, Sheets, make_sheets
from noisy_label_datasets.output import printable
from noisy_label_datasets.version import __version__

ALL_KEPT = 12  # of so many classes every probability is shown; of more, the most probable of each rater
MOST_PROBABLE = 5
_SCALE = 10_000  # probabilities are whole numbers of this


def to_html(explored: Explored) -> str:
    """Returns the page.

    Raises:
      ExploreError: an image that cannot be decoded.
    """
    sheets = make_sheets(explored.examples) if explored.has_images else None
    style, script = PALETTE + _file("explorer.css"), _file("explorer.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_csp_hash(style)}'; script-src '{_csp_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "title": _text(f"{explored.name}: explorer"),
        "name": _text(explored.name),
        "version": _text(explored.version),
        "about": _text(_about(explored)),
        "made_by": _text(f"noisy-label-datasets {__version__}"),
        "style": style,
        "data": _json(_data(explored, sheets)),
        "script": script,
    }
    # In one pass, so that nothing in a name is taken for a mark.
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _file("explorer.html"))


def _about(explored: Explored) -> str:
    shown, total = len(explored.examples), explored.num_examples
    what = "images" if explored.has_images else "examples"
    which = (
        f"All {total:,} {what}"
        if shown == total
        else f"{shown:,} of {total:,} {what}, drawn with seed {explored.seed},"
    )
    without = "" if explored.has_images else ", without the images"
    return f"{which} of {explored.split}, with the labels of {len(explored.rater_ids):,} raters{without}."


def _data(explored: Explored, sheets: Sheets | None) -> dict[str, Any]:
    """Returns what the script reads: arrays as the base64 of their little-endian bytes."""
    examples = explored.examples
    return {
        "classes": [printable(name) for name in explored.class_names],
        "raters": [printable(rater) for rater in explored.rater_ids],
        "ids": [printable(example.id) for example in examples],
        "labels": _array([example.label for example in examples], "<i2"),
        "noisyLabels": _array([example.noisy_labels for example in examples], "<i2"),
        "noisyLabel": _array([example.noisy_label for example in examples], "<i2"),
        "noisyLabelRater": _array([example.noisy_label_rater for example in examples], "<i4"),
        "probabilities": _probabilities(explored.probabilities),
        "noProbabilities": printable(explored.no_probabilities),
        "sheets": sheets
        and {
            "uris": sheets.uris,
            "cell": sheets.cell,
            "columns": COLUMNS,
            "perSheet": COLUMNS * ROWS,
            "sizes": _array(sheets.sizes, "u1"),
            "originals": _array(sheets.originals, "<i4"),
        },
    }


def _probabilities(probabilities: np.ndarray | None) -> dict[str, Any] | None:
    """Returns all probabilities, or those of each rater's most probable classes, in ten-thousandths."""
    if probabilities is None:
        return None
    values = np.rint(probabilities * _SCALE).astype("<u2")
    if probabilities.shape[-1] <= ALL_KEPT:
        return {"kept": probabilities.shape[-1], "classes": None, "values": _array(values, "<u2")}
    classes = np.argsort(-probabilities, axis=-1, kind="stable")[..., :MOST_PROBABLE]
    return {
        "kept": MOST_PROBABLE,
        "classes": _array(classes, "<i2"),
        "values": _array(np.take_along_axis(values, classes, axis=-1), "<u2"),
    }


def _text(text: str) -> str:
    return html.escape(printable(text))


def _array(values: Any, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode()


def _json(value: Any) -> str:
    """Returns JSON that no text in it can end the element of, nor begin a comment in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _csp_hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _file(name: str) -> str:
    return (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")
