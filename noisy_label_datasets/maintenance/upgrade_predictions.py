"""Rewrites a rater-prediction artifact of many classes, finished or not, in format version 2.

    python -m noisy_label_datasets.maintenance.upgrade_predictions FOLDER NEW_FOLDER

The new artifact is what the same raters would have written today, byte for byte; FOLDER stays as it is. Weights and
checkpoints beside it are not taken along. Artifacts of up to twelve classes need no rewriting.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Sequence

from noisy_label_datasets import files
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.prediction_files import ExamplesFile, PredictionsError, RaterFile
from noisy_label_datasets.labels.prediction_schema import ALL_CLASSES, MOST_PROBABLE, format_version
from noisy_label_datasets.labels.predictions import EXAMPLES, MANIFEST, PredictionsWriter, read_predictions


def upgrade(folder: pathlib.Path, new_folder: pathlib.Path) -> PredictionsWriter:
    """Writes the artifact of `folder` to `new_folder`, new or unfinished, and returns its writer.

    Raises:
      PredictionsError: there is none, it is damaged, or it is not one of format version 1 and many classes.
      OSError: `new_folder` cannot be written.
    """
    path = folder / EXAMPLES
    if not path.exists():
        raise PredictionsError(f"no rater predictions in {folder}: {EXAMPLES} is not there")
    examples = ExamplesFile.read(path, path.read_bytes())
    header, num_classes = examples.header, len(examples.header["class_names"])
    if header["format_version"] != ALL_CLASSES or format_version(num_classes) != MOST_PROBABLE:
        raise PredictionsError(
            f"{folder} has format version {header['format_version']} and {num_classes} classes: nothing to be rewritten"
        )
    writer = PredictionsWriter(
        new_folder,
        dataset=header["dataset"],
        level=header["level"],
        base=header["base"],
        split_plan=SplitPlan.from_json(header["split_plan"]),
        class_names=header["class_names"],
        examples={split: (ids, examples.labels[split]) for split, ids in examples.ids.items()},
    )
    for rater_path in sorted((folder / "raters").glob("[!.]*.npz")):
        rater = RaterFile.read(rater_path, rater_path.read_bytes(), examples.counts, num_classes, ALL_CLASSES)
        files.write_atomically(new_folder / "raters" / rater_path.name, rater.to_bytes(writer.format_version))
    if (folder / MANIFEST).exists():
        pool = read_predictions(folder)
        writer.finish([features["id"] for features in pool.raters], failures=pool.failures, provenance=pool.provenance)
    return writer


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("new_folder", type=pathlib.Path, metavar="NEW_FOLDER")
    arguments = parser.parse_args(argv)
    try:
        writer = upgrade(arguments.folder, arguments.new_folder)
    except (NoisyLabelsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Wrote {writer.folder}, format version {writer.format_version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
