"""Trains one rater and has it label the splits that it was not trained on.

result = train_rater(CleanDataset.load(folder), get_pool("digits/medium").raters[0])
result.probabilities["test"], result.features["accuracy"], result.network
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from rater_training.config import RaterConfig
from rater_training.engine import frozen, raters
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.devices import DEFAULT_DEVICE, Devices
from rater_training.engine.examples import Normalization
from rater_training.engine.processor import processor
from rater_training.engine.trained import TrainedRater
from rater_training.training.features import performance

_SOFTWARE = ("jax", "jaxlib", "flax", "optax", "numpy")
_MAX_LOSSES = 20


@dataclasses.dataclass(frozen=True)
class RaterResult:
    """A trained rater and its predictions.

    Attributes:
      probabilities: labelled split -> [n, K] class probabilities, float64.
      features: the rater features, JSON.
      network: the trained network.
    """

    probabilities: Mapping[str, np.ndarray]
    features: Mapping[str, Any]
    network: TrainedRater


def train_rater(
    dataset: CleanDataset,
    rater: RaterConfig,
    *,
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
    checkpoints: Checkpoints | None = None,
    devices: Devices = DEFAULT_DEVICE,
    streamed: bool | None = None,
    normalization: Normalization | None = None,
) -> RaterResult:
    """Trains one rater on `clean_label_train` and has it label the other splits.

    Args:
      dataset: the five clean splits.
      rater: the network and how it is trained.
      on_progress: called every few seconds with the steps done and the mean loss of the steps since the last call.
      checkpoints: where its state is saved from time to time, and from where it resumes; None: nowhere.
      devices, streamed, normalization: as of `engine.raters.train`.

    Raises:
      TrainingDataError, DevicesError, Diverged, CheckpointError: as `engine.raters.train`.
    """
    clean = dataset.splits["clean_label_train"]
    images, num_classes = np.asarray(clean.images), len(dataset.class_names)
    if rater.frozen:  # over in seconds: no checkpoints, and one device
        alone = frozen.train(rater, images, clean.labels, num_classes=num_classes, on_progress=on_progress)
        return label_splits(dataset, rater, alone)
    trained = raters.train(
        rater,
        images,
        clean.labels,
        num_classes=num_classes,
        on_progress=on_progress,
        checkpoints=checkpoints,
        devices=devices,
        streamed=streamed,
        normalization=normalization,
    )
    return label_splits(dataset, rater, trained)


def label_splits(dataset: CleanDataset, rater: RaterConfig, trained: TrainedRater) -> RaterResult:
    """Returns a trained rater with its predictions for every split that it was not trained on."""
    probabilities = {
        split: label(trained, dataset.splits[split].images, with_flip=rater.label_with_flip)
        for split in LABELLED_SPLITS
    }
    rater_features = {
        "architecture": rater.architecture,
        "width": rater.width,
        "num_parameters": trained.num_parameters,
        "steps": rater.steps,
        "batch_size": rater.batch_size,
        "learning_rate": rater.learning_rate,
        "seed": rater.seed,
        "experience": rater.examples_seen,
        **performance(probabilities["clean_label_valid"], dataset.splits["clean_label_valid"].labels),
        "wall_seconds": round(trained.wall_seconds, 1),
        "training_log": _training_log(trained),
    }
    return RaterResult(probabilities, rater_features, trained)


def _training_log(trained: TrainedRater) -> Mapping[str, Any]:
    """Returns when, where and with what a rater was trained, and how its loss fell."""
    device = jax.devices()[0]
    every = -(-len(trained.history) // _MAX_LOSSES)
    shown = trained.history[::-1][::every][::-1]  # from the end, so that the final loss is among them
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": f"{device.platform}: {device.device_kind}",
        **({"devices": trained.devices.count} if trained.devices.count > 1 else {}),
        "processor": processor(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "python": platform.python_version(),
        "software": {name: importlib.metadata.version(name) for name in _SOFTWARE},
        "losses": [{"step": step, "loss": round(loss, 4)} for step, loss in shown],
    }


def label(trained: TrainedRater, images: np.ndarray, *, with_flip: bool) -> np.ndarray:
    """Returns a rater's class probabilities [n, K] float64 of images [n, h, w, c] uint8."""
    return softmax(trained.logits(images, with_flip=with_flip))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities [n, K] float64 of logits [n, K]."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
