"""Raters that err at random: what tests put in the place of trained ones."""

import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.labels.predictions import PredictionsWriter

# What is the same for all tests that do not say otherwise; of the raters' features nothing is computed.
FEATURES = {"architecture": "made_up", "accuracy": 0.7}
PROVENANCE = {"device": "none"}


def write_artifact(
    folder: pathlib.Path,
    predict: Callable[[int, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]],
    rater_ids: Sequence[str],
    *,
    features: Callable[[int], Mapping[str, object]] = lambda rater: FEATURES,
    provenance: Mapping[str, object] = PROVENANCE,
    **declared,
) -> None:
    """Writes the predictions of raters.

    predict: number of a rater, labelled split -> labels [n]; to labelled split -> class probabilities [n, K].
    declared: what `PredictionsWriter` takes.
    """
    writer = PredictionsWriter(folder, **declared)
    labels = {split: labels for split, (_, labels) in declared["examples"].items()}
    for rater, rater_id in enumerate(rater_ids):
        writer.write_rater(
            rater_id, fingerprint="f", probabilities=predict(rater, labels), features=dict(features(rater))
        )
    writer.finish(list(rater_ids), provenance=dict(provenance))


def declared_by(clean: CleanDataset, config: str = "low") -> dict:
    """What `PredictionsWriter` takes, for a dataset."""
    return {
        "dataset": clean.name,
        "level": config,
        "base": {"name": clean.base_name, "version": clean.base_version},
        "split_plan": clean.split_plan,
        "class_names": clean.class_names,
        "examples": {split: (clean.splits[split].ids, clean.splits[split].labels) for split in LABELLED_SPLITS},
    }


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits)
    return odds / odds.sum(axis=-1, keepdims=True)


def write_raters(
    folder: pathlib.Path,
    clean: CleanDataset,
    config: str = "low",
    *,
    num_raters: int = 3,
    error: float = 0.3,
    seed: int = 0,
    **changes,
) -> None:
    """Writes the predictions of raters of whose labels the share `error` is wrong, towards any class alike.

    changes: of what the dataset declares.
    """
    rng = np.random.default_rng(seed)
    num_classes = len(clean.class_names)

    def predict(rater, labels):
        probabilities = {}
        for split, of_split in labels.items():
            wrong = (of_split + rng.integers(1, num_classes, len(of_split))) % num_classes
            predicted = np.where(rng.random(len(of_split)) < error, wrong, of_split)
            probabilities[split] = 0.2 / num_classes + 0.8 * np.eye(num_classes)[predicted]
        return probabilities

    rater_ids = [f"{rater:02d}-made_up" for rater in range(num_raters)]
    write_artifact(folder, predict, rater_ids, **{**declared_by(clean, config), **changes})


def pool_folder(data_dir: pathlib.Path, dataset: str, config: str = "low") -> pathlib.Path:
    """Where the predictions of a config's raters are in a user's folder."""
    return data_dir / "rater_predictions" / dataset / config


def write_pool(data_dir: pathlib.Path, clean: CleanDataset, config: str = "low", **arguments) -> pathlib.Path:
    """`write_raters` in a user's folder; returns the folder of the predictions."""
    folder = pool_folder(data_dir, clean.name, config)
    write_raters(folder, clean, config, **arguments)
    return folder
