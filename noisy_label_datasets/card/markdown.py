"""The table of a builder's README, kept up to date by command.

The README holds two marks, and what is between them is written by `noisy-labels card <dataset> --readme README.md`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from noisy_label_datasets.card.model import NoiseCard, decimal, percent, ratio
from noisy_label_datasets.errors import NoisyLabelsError

BEGIN, END = "<!-- noise cards: begin -->", "<!-- noise cards: end -->"


def to_markdown(cards: Sequence[NoiseCard]) -> str:
    """Returns a table with a row per config."""
    heads = [
        "Config",
        "Raters",
        "Rater error rate",
        "Best – worst rater",
        "Krippendorff's alpha",
        "Majority error rate",
    ]
    heads += ["Difficulty explained by the class"]
    with_people = any(card.table1 for card in cards)
    if with_people:
        heads += ["Distance to human labels ÷ that of independent flips"]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for card in cards:
        noise, errors = card.noise, card.rater_errors()
        dependence = noise["instance_dependence"] or {}
        cells = [
            f"`{card.name}`",
            str(noise["num_raters"]),
            percent(noise["rater_error_rate"]),
            f"{percent(errors[0][1])} – {percent(errors[-1][1])}" if errors else "–",
            decimal(noise["krippendorff_alpha"]),
            percent(noise["majority_error_rate"]),
            percent(dependence.get("explained_by_class")),
        ]
        if with_people:
            cells.append(decimal(ratio(card.table1, "paper"), 2) if card.table1 else "–")
        lines.append("| " + " | ".join(cells) + " |")
    measured = cards[0].noise["measured_split"]
    lines += ["", f"Figures of `{measured}`, version {cards[0].version}."]
    return "\n".join(lines)


def replace_between_marks(readme: str, table: str) -> str:
    """Returns the text with the table in place of what stood between the marks.

    Raises:
      NoisyLabelsError: the marks are not there, once each and in order; or a config there is not in the table.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise NoisyLabelsError(f"the README needs the lines {BEGIN} and {END}, once each, where the table shall stand")
    if lost := sorted(_configs(rest[: rest.index(END)]) - _configs(table)):
        raise NoisyLabelsError(
            f"the README has figures of {', '.join(lost)}, which the new table lacks: build these, too, or take their "
            "rows out of the README first"
        )
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def _configs(table: str) -> set[str]:
    """Returns the names of the configs that have a row."""
    return set(re.findall(r"^\| `([^`]+)`", table, flags=re.MULTILINE))
