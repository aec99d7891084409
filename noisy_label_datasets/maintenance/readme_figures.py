"""Writes the measured figures of the shipped labels into README.md, between its two markers.

    python -m noisy_label_datasets.maintenance.readme_figures

after a change of the labels in builders/*/rater_predictions, or of the raters in builders/*/rater_weights.
"""

from __future__ import annotations

from noisy_label_datasets.labels.predictions import RaterPredictions
from noisy_label_datasets.maintenance.tables import REPOSITORY, SPLIT, error_rate, head, measured_pools
from noisy_label_datasets.noise import metrics

README = REPOSITORY / "README.md"
BEGIN = "<!-- figures: written by python -m noisy_label_datasets.maintenance.readme_figures -->\n"
END = "<!-- end of figures -->\n"
HEADER = head("", "raters", f"`{SPLIT}`", "rater error rate", "best to worst rater", "Krippendorff's α")


def row(predictions: RaterPredictions, part: bool) -> str:
    """Returns the line of one config; part: whether the examples are only some of the dataset's."""
    noisy_labels, labels = predictions.noisy_labels[SPLIT], predictions.clean_labels[SPLIT]
    error_rates = metrics.error_rate_by_rater(noisy_labels, labels)
    alpha = metrics.krippendorff_alpha(noisy_labels, len(predictions.class_names))
    return (
        f"| `{predictions.dataset}/{predictions.level}` | {noisy_labels.shape[1]} | {len(labels):,} examples"
        f"{', a part' if part else ''} | {error_rate(predictions):.3f} "
        f"| {error_rates.min():.3f} to {error_rates.max():.3f} | {alpha:.3f} |\n"
    )


def table() -> str:
    """Returns the table: datasets by name, their configs from little noise to much."""
    return HEADER + "".join(row(predictions, part) for predictions, part in measured_pools())


def with_figures(readme: str) -> str:
    """Returns the README's text with a new table in place of what stands between the markers."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    README.write_text(with_figures(README.read_text()))
