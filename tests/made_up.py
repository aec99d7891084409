"""Raters that err at random: what tests put in the place of trained ones."""

import pathlib

import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.labels.predictions import PredictionsWriter


def write_raters(folder: pathlib.Path, clean: CleanDataset, config: str, *, num_raters: int = 3, error: float = 0.3):
    """Writes the predictions of raters of whose labels the share `error` is wrong, towards any class alike."""
    rng = np.random.default_rng(0)
    num_classes = len(clean.class_names)
    examples = {split: (clean.splits[split].ids, clean.splits[split].labels) for split in LABELLED_SPLITS}
    writer = PredictionsWriter(
        folder,
        dataset=clean.name,
        level=config,
        base={"name": clean.base_name, "version": clean.base_version},
        split_plan=clean.split_plan,
        class_names=clean.class_names,
        examples=examples,
    )
    rater_ids = [f"{r:02d}-made_up" for r in range(num_raters)]
    for rater_id in rater_ids:
        probabilities = {}
        for split, (_, labels) in examples.items():
            wrong = (labels + rng.integers(1, num_classes, len(labels))) % num_classes
            predicted = np.where(rng.random(len(labels)) < error, wrong, labels)
            probabilities[split] = 0.2 / num_classes + 0.8 * np.eye(num_classes)[predicted]
        writer.write_rater(rater_id, fingerprint="f", probabilities=probabilities, features={"accuracy": 1 - error})
    writer.finish(rater_ids, provenance={"device": "none"})
