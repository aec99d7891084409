"""The metadata of a built dataset, checked when it is opened: what the card, `verify` and the tables read in it.

    check_metadata(folder, class_names)      # raises SchemaError, which names the place

TFDS reads `metadata.json` and the files of class names without a look at them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from noisy_label_datasets.base.splits import SPLIT_PLAN, SPLITS
from noisy_label_datasets.schema import (
    Anything,
    ListOf,
    MapOf,
    Number,
    Record,
    Schema,
    SchemaError,
    Text,
    Whole,
    parse_json,
)

METADATA_FILE = "metadata.json"


@dataclasses.dataclass(frozen=True)
class _OrNone:
    """Another schema, or null: of a figure that is not defined."""

    of: Schema

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if value is not None:
            self.of.check(value, place)


_SHARE = _OrNone(Number(0, 1))
_FIGURE = _OrNone(Number())


def _noise(num_classes: int, num_raters: int) -> Schema:
    """Returns the schema of `noise_figures`."""
    example = Record(
        {
            "id": Text(),
            "label": Whole(0, num_classes - 1),
            "votes": ListOf(Whole(-1, num_classes - 1), num_raters, num_raters),
        }
    )
    of_split = Record({"num_examples": Whole(0), "rater_error_rate": _SHARE, "krippendorff_alpha": _FIGURE})
    return Record(
        {
            "splits": Record({}, dict.fromkeys(SPLITS, of_split), others=None),
            "num_examples": Whole(0),
            "num_raters": Whole(num_raters, num_raters),
            "rater_error_rate": _SHARE,
            "error_rate_by_rater": ListOf(_SHARE, num_raters, num_raters),
            "error_rate_by_class": ListOf(_SHARE, num_classes, num_classes),
            "majority_error_rate": _SHARE,
            "krippendorff_alpha": _FIGURE,
            "agreement": _SHARE,
            "instance_dependence": _OrNone(MapOf(_FIGURE)),
            "confusion_matrix": ListOf(ListOf(Whole(0), num_classes, num_classes), num_classes, num_classes),
            "right_votes": ListOf(Whole(0), num_raters + 1, num_raters + 1),
            "examples": Record(dict.fromkeys(("easiest", "contested", "hardest"), ListOf(example))),
        }
    )


def check_metadata(
    folder: Any, class_names: Sequence[str], features: Collection[str], declared: Collection[str]
) -> None:
    """Checks what is written beside the examples of a built dataset.

    Args:
      folder: of a version (path object).
      class_names: of its labels, in order.
      features: names of the features that its examples have, as TFDS read them.
      declared: names of those that they should have.

    Raises:
      SchemaError: it is not what a build writes.
      OSError: a file cannot be read.
    """
    if missing := sorted(set(declared) - set(features)):
        raise SchemaError(f"features.json does not have the features {', '.join(missing)}")
    for file in ("label.labels.txt", "noisy_label.labels.txt"):
        # A class's name may hold what `splitlines` takes for the end of a line.
        if (folder / file).read_bytes().decode(errors="replace").rstrip("\n").split("\n") != list(class_names):
            raise SchemaError(f"{file} does not hold the names of the classes: {', '.join(class_names)[:200]}")
    metadata = parse_json((folder / METADATA_FILE).read_bytes())
    Record({"raters": ListOf(Record({"id": Text()}), least=1)}).check(metadata, "")
    Record(
        {
            "base": Record({"name": Text(), "version": Text()}),
            "split_plan": SPLIT_PLAN,
            "noise": _noise(len(class_names), len(metadata["raters"])),
            "origin": Text(),
            "labels_sha256": Text("[0-9a-f]{64}"),
            "provenance": MapOf(Anything()),
        },
        {"source": Text(), "missing_from_base": MapOf(Whole(0))},
    ).check(metadata, "")
