"""Measures what is lost where an artifact keeps the most probable classes alone, and writes it into docs/measuring.md.

    python -m noisy_label_datasets.maintenance.kept_probabilities FOLDER [--write]

FOLDER is a rater-prediction artifact of many classes with the probabilities of all of them, format version 1, as
`PredictionsWriter(..., version=1)` writes it.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.kept_codes import KEPT, codes_of, keep_most_probable
from noisy_label_datasets.labels.predictions import RaterPredictions, read_predictions
from noisy_label_datasets.labels.probability_codes import decoded
from noisy_label_datasets.noise import dial, metrics
from noisy_label_datasets.noise.class_values import ClassValues, MostProbable
from noisy_label_datasets.noise.noise_models import uniforms_of_ids
from noisy_label_datasets.noise.rescalings import tempered
from noisy_label_datasets.noise.temperature_scaling import calibration

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "measuring.md"
BEGIN = "<!-- kept: written by python -m noisy_label_datasets.maintenance.kept_probabilities -->\n"
END = "<!-- end of kept -->\n"
SPLIT, CALIBRATED_ON = "noisy_label_train", "clean_label_valid"
NUMBERS = (3, KEPT, 8, 12, 20)
RATES = (0.3, 0.5, 0.7)
HEADER = (
    "| classes kept | bytes per rater and image | a probability: largest error | mean | of the label | "
    "a distribution: mean | "
    + " | ".join(f"dial at {rate:.2f}: rate, other labels, α" for rate in RATES)
    + f" |\n|{'---|' * (6 + len(RATES))}\n"
)


def kept_codes(codes: ClassValues, labels: np.ndarray, kept: int) -> ClassValues:
    """Returns codes [n, R, K] as they are read again where so many classes are kept; labels: [n, R]."""
    raters = zip(np.moveaxis(codes.dense(), 1, 0), labels.T, strict=True)
    read = [
        codes_of(chosen, *keep_most_probable(of_rater, chosen, kept=kept), num_classes=codes.num_classes)
        for of_rater, chosen in raters
    ]
    return MostProbable.joined(read, axis=1)


def stored_bytes(predictions: RaterPredictions, kept: int | None) -> float:
    """Returns how many bytes a rater's predictions of an image take, labels and all, compressed; None: all classes."""
    size = images = 0
    for split in LABELLED_SPLITS:
        codes, labels = predictions.codes[split].dense(), predictions.noisy_labels[split].astype(np.uint8)
        for rater in range(codes.shape[1]):
            arrays = {"labels": labels[:, rater], "codes": codes[:, rater]}
            if kept is not None:
                others, of_kept = keep_most_probable(codes[:, rater], labels[:, rater], kept=kept)
                arrays = {"labels": labels[:, rater], "others": others.T, "kept": of_kept.T}
            size += len(files.pack_arrays(arrays))
            images += len(codes)
    return size / images


def table(predictions: RaterPredictions) -> str:
    """Returns the table: a row a number of classes, the last for all of them."""
    labels, clean = predictions.noisy_labels, predictions.clean_labels
    full = predictions.probabilities(SPLIT)
    uniforms = uniforms_of_ids(predictions.ids[SPLIT], full.shape[1], "dial")
    lines, of_all = [], None
    for kept in (None, *NUMBERS[::-1]):
        codes = {split: predictions.codes[split] for split in (SPLIT, CALIBRATED_ON)}
        if kept is not None:
            codes = {split: kept_codes(of_split, labels[split], kept) for split, of_split in codes.items()}
        probabilities = decoded(codes[SPLIT])
        errors = np.abs(probabilities.dense() - full)
        of_label = np.take_along_axis(errors, labels[SPLIT][..., None], axis=-1)
        temperature = calibration(decoded(codes[CALIBRATED_ON]), clean[CALIBRATED_ON])
        calibrated = tempered(probabilities, temperature).normalised()
        drawn = []
        for rate in RATES:
            setting = dial.solve("error_odds", calibrated, clean[SPLIT], rate, uniforms)
            drawn.append(dial.draw("error_odds", calibrated, clean[SPLIT], setting, uniforms))
        of_all = drawn if of_all is None else of_all
        lines.append(
            f"| {'all' if kept is None else kept} | {stored_bytes(predictions, kept):.1f} "
            f"| {errors.max():.4f} | {errors.mean():.5f} | {of_label.mean():.5f} "
            f"| {errors.sum(axis=-1).mean() / 2:.4f} "
            + "".join(
                f"| {metrics.rater_error_rate(given, clean[SPLIT]):.4f}, {np.mean(given != reference):.1%}, "
                f"{metrics.krippendorff_alpha(given, full.shape[-1]):.3f} "
                for given, reference in zip(drawn, of_all, strict=True)
            )
            + "|\n"
        )
    n, raters, num_classes = full.shape
    caption = f"{raters} raters of `{predictions.dataset}`, {num_classes} classes, {n:,} images of `{SPLIT}`:\n\n"
    return caption + HEADER + "".join(lines[::-1])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.name} as well")
    arguments = parser.parse_args(argv)
    try:
        predictions = read_predictions(arguments.folder)
    except NoisyLabelsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if (num_classes := len(predictions.class_names)) <= max(NUMBERS):
        print(f"error: {arguments.folder} has {num_classes} classes; {max(NUMBERS) + 1} or more", file=sys.stderr)
        return 2
    measured = table(predictions)
    print(measured, end="")
    if arguments.write:
        before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
        document = before + BEGIN + measured + END + rest.split(END)[1]
        files.write_atomically(DOCUMENT, document.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
