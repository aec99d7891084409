"""What stands as JSON in a rater-prediction artifact, by schema, and the versions of its format."""

from __future__ import annotations

from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLIT_PLAN
from noisy_label_datasets.schema import Anything, Exactly, ListOf, MapOf, Number, OneOf, Record, Schema, Text, Whole

FORMAT = "noisy_label_datasets/rater_predictions"
ALL_CLASSES, MOST_PROBABLE = FORMAT_VERSIONS = (1, 2)
"""Which classes a rater's file has codes of: all, or the most probable (see `kept_codes`)."""
MOST_CLASSES_IN_FULL = 12  # of more, an artifact keeps the most probable
MOST_EXAMPLES = 10**8  # of a split
RATER_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]*"

_SHARE = Number(0, 1)
_KNOWN_FEATURES: dict[str, Schema] = {
    "architecture": Text(),
    "width": Number(0),
    "num_parameters": Whole(0),
    "steps": Whole(0),
    "batch_size": Whole(0),
    "learning_rate": Number(0),
    "seed": Whole(),
    "experience": Number(0),
    "accuracy": _SHARE,
    "loss": Number(0),
    "mean_average_precision": _SHARE,
    "auc_pr": _SHARE,
    "auc_roc": _SHARE,
    "confusion_matrix": ListOf(ListOf(Whole(0))),
    "wall_seconds": Number(0),
    "training_log": MapOf(Anything()),
}
RATER_FEATURES = Record({"id": Text(RATER_ID)}, optional=_KNOWN_FEATURES)
"""Of a rater; what is not known here may stand there, too."""
FEATURES = Record({"id": Text()}, optional=_KNOWN_FEATURES)
"""Of whoever labelled, such as a human annotator, whose id may be any text."""
PUBLISHED_FEATURES = MapOf(Record({}, optional=_KNOWN_FEATURES))
"""Rater id -> features, in the release of the paper's authors."""

RATER = Record({"fingerprint": Text(), "features": RATER_FEATURES}, others=None)
"""What stands beside a rater's predictions."""

_FORMAT: dict[str, Schema] = {"format": Exactly(FORMAT), "format_version": OneOf(FORMAT_VERSIONS)}
IDENTITY = Record(_FORMAT)
"""What has to be right before anything else is looked at."""

_HEADER: dict[str, Schema] = {
    **_FORMAT,
    "dataset": Text(),
    "level": Text(),
    "base": Record({"name": Text(), "version": Text()}),
    "split_plan": SPLIT_PLAN,
    "class_names": ListOf(Text(), least=2),
}
HEADER = Record(_HEADER)
"""What stands beside the examples."""

MANIFEST = Record(
    {
        **_HEADER,
        "counts": Record({split: Whole(1, MOST_EXAMPLES) for split in LABELLED_SPLITS}, others=None),
        "raters": ListOf(RATER_FEATURES, least=1),
        "failures": MapOf(Text()),
        "provenance": MapOf(Anything()),
        "files": MapOf(Text("[0-9a-f]{64}")),
    }
)


def format_version(num_classes: int) -> int:
    """Returns the format version that new predictions of so many classes are written in."""
    return ALL_CLASSES if num_classes <= MOST_CLASSES_IN_FULL else MOST_PROBABLE
