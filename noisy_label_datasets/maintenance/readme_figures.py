"""Writes the measured figures of the shipped labels into README.md, between its two markers.

    python -m noisy_label_datasets.maintenance.readme_figures

after a change of the labels in builders/*/rater_predictions.
"""

import pathlib

from noisy_label_datasets.labels.predictions import MANIFEST, RaterPredictions, read_predictions
from noisy_label_datasets.noise import metrics

REPOSITORY = pathlib.Path(__file__).parents[2]
README = REPOSITORY / "README.md"
BEGIN = "<!-- figures: written by python -m noisy_label_datasets.maintenance.readme_figures -->\n"
END = "<!-- end of figures -->\n"
SPLIT = "noisy_label_train"
HEADER = """\
| | raters | `noisy_label_train` | rater error rate | best to worst rater | Krippendorff's α |
|---|---|---|---|---|---|
"""


def row(predictions: RaterPredictions) -> str:
    """Returns the line of one config, measured on `noisy_label_train`."""
    noisy_labels, labels = predictions.noisy_labels[SPLIT], predictions.clean_labels[SPLIT]
    error_rates = metrics.error_rate_by_rater(noisy_labels, labels)
    alpha = metrics.krippendorff_alpha(noisy_labels, len(predictions.class_names))
    return (
        f"| `{predictions.dataset}/{predictions.level}` | {noisy_labels.shape[1]} | {len(labels):,} examples "
        f"| {metrics.rater_error_rate(noisy_labels, labels):.3f} "
        f"| {error_rates.min():.3f} to {error_rates.max():.3f} | {alpha:.3f} |\n"
    )


def table() -> str:
    """Returns the table: datasets by name, their configs from little noise to much."""
    shipped = [read_predictions(path.parent) for path in REPOSITORY.glob(f"builders/*/rater_predictions/*/{MANIFEST}")]
    shipped.sort(key=lambda p: (p.dataset, metrics.rater_error_rate(p.noisy_labels[SPLIT], p.clean_labels[SPLIT])))
    return HEADER + "".join(row(predictions) for predictions in shipped)


def with_figures(readme: str) -> str:
    """Returns the README's text with a new table in place of what stands between the markers."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    README.write_text(with_figures(README.read_text()))
