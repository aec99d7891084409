"""What the commands share that write tables of measured figures into documents."""

from __future__ import annotations

import pathlib

from noisy_label_datasets.labels.predictions import MANIFEST, PREDICTIONS_DIR, RaterPredictions, read_predictions
from noisy_label_datasets.labels.shipped_raters import FOLDER, RECORDED
from noisy_label_datasets.noise import metrics

REPOSITORY = pathlib.Path(__file__).parents[2]
SPLIT = "noisy_label_train"  # on which figures are measured


def head(*titles: str) -> str:
    """Returns the first two lines of a Markdown table."""
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}\n"


def with_table(document: str, name: str, writer: str, table: str) -> str:
    """Returns a document with a table in place of what stands between its markers.

    Args:
      document: its text.
      name: of the table.
      writer: the module that writes it, which the marker names.
      table: in Markdown.
    """
    begin, end = f"<!-- {name}: written by python -m {writer} -->\n", f"<!-- end of {name} -->\n"
    before, rest = document.split(begin)
    _, after = rest.split(end)
    return before + begin + table + end + after


def measured_pools() -> list[tuple[RaterPredictions, bool]]:
    """Returns what every pool said, by dataset and from little noise to much, and whether it is of a part of a dataset.

    Of pools whose labels are not shipped it is the predictions for the part that was at hand.
    """
    found = [(path, False) for path in REPOSITORY.glob(f"builders/*/{PREDICTIONS_DIR}/*/{MANIFEST}")]
    found += [(path, True) for path in REPOSITORY.glob(f"builders/*/{FOLDER}/*/{RECORDED}/{MANIFEST}")]
    pools = [(read_predictions(path.parent), part) for path, part in found]
    return sorted(pools, key=lambda pool: (pool[0].dataset, error_rate(pool[0])))


def error_rate(predictions: RaterPredictions) -> float:
    """Returns the rater error rate of a pool on `noisy_label_train`."""
    return metrics.rater_error_rate(predictions.noisy_labels[SPLIT], predictions.clean_labels[SPLIT])
