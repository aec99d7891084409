"""Pools of made-up raters, for datasets whose real ones would have to be trained."""

import os
from collections.abc import Callable

# Progress bars of TFDS fill the log of a failed test.
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
import pytest

from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.labels.predictions import PredictionsWriter


@pytest.fixture(scope="session")
def write_pool() -> Callable:
    """A function that writes an artifact of raters who err at random, for a clean dataset."""

    def write(clean, folder, *, level="low", num_raters=4, error=0.3, **changes):
        rng = np.random.default_rng(0)
        arguments = {
            "dataset": clean.name,
            "level": level,
            "base": {"name": clean.base_name, "version": clean.base_version},
            "split_plan": clean.split_plan,
            "class_names": clean.class_names,
            "examples": {split: (clean.splits[split].ids, clean.splits[split].labels) for split in LABELLED_SPLITS},
        }
        writer = PredictionsWriter(folder, **{**arguments, **changes})
        rater_ids = [f"{r:02d}-made_up" for r in range(num_raters)]
        for rater_id in rater_ids:
            probabilities = {}
            for split, (_, labels) in {**arguments, **changes}["examples"].items():
                votes = np.where(rng.random(len(labels)) < error, rng.integers(0, 10, len(labels)), labels)
                probabilities[split] = 0.02 + 0.8 * np.eye(10)[votes]
            features = {"architecture": "made_up", "accuracy": 1 - error}
            writer.write_rater(rater_id, fingerprint="f", probabilities=probabilities, features=features)
        writer.finish(rater_ids, provenance={"device": "none"})

    return write
