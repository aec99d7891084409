"""Labels from raters that were trained before: of their dataset's splits, or of any images of the same size.

    weights = PoolWeights("predictions/cifar10_noisy/high/weights")
    label_dataset(weights, CleanDataset.load(folder), "predictions/again")     # the same bytes as after training
    labelled = label_images(weights, images)                                   # labels [n, R], codes [n, R, K]

For datasets that are too large for one machine see `rater_training.workers.beam_labelling`, which writes the same
files.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.predictions import PredictionsWriter
from noisy_label_datasets.labels.probability_codes import decode_probabilities, encode_probabilities
from rater_training.engine.trained import TrainedRater
from rater_training.training.one_rater import label
from rater_training.training.pool_folder import open_writer
from rater_training.training.weights import KeptPool, KeptRater, PoolWeights

LABELS_FORMAT = "noisy_label_datasets/labels"
LABELS_FORMAT_VERSION = 1


class LabellingError(NoisyLabelsError):
    """Images that these raters cannot label."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """What the R raters of a pool say of n images.

    Attributes:
      rater_ids: in the order of the pool.
      class_names: of the K classes.
      labels: [n, R] int32, the hard labels.
      codes: [n, R, K] uint8, the probabilities in the form of `noisy_label_datasets.labels.probability_codes`.
    """

    rater_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: np.ndarray
    codes: np.ndarray

    def probabilities(self) -> np.ndarray:
        """Returns the class probabilities [n, R, K] float32, summing to 1 over K."""
        return decode_probabilities(self.codes)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an .npz archive of `labels`, `codes`, and as text `rater_ids` and `class_names`; atomic, no pickle."""
        arrays = {
            "format": np.array([LABELS_FORMAT, str(LABELS_FORMAT_VERSION)]),
            "rater_ids": np.array(self.rater_ids),
            "class_names": np.array(self.class_names),
            "labels": self.labels,
            "codes": self.codes,
        }
        files.write_atomically(pathlib.Path(path), files.pack_arrays(arrays))


def label_dataset(
    weights: PoolWeights,
    dataset: CleanDataset,
    out: str | os.PathLike,
    on_rater: Callable[[str], None] = lambda rater_id: None,
) -> None:
    """Writes the rater-prediction artifact of a pool whose raters were kept.

    Args:
      weights: the raters.
      dataset: what they were trained on and what they label.
      out: folder of the artifact, new or begun.
      on_rater: is told the id of each rater that is stored.

    Raises:
      WeightsError: the pool is unfinished, or weights cannot be read.
      LabellingError: the raters were trained on other data.
      PredictionsError: `out` holds something else.
    """
    kept = weights.pool()
    fingerprint = dataset.fingerprint()
    writer = open_writer(dataset, kept.level, out)
    for rater_id in kept.rater_ids:
        rater = weights.rater(rater_id)
        check_trained_on(rater, fingerprint)
        if not writer.has_rater(rater_id, rater.fingerprint):
            trained = weights.load(rater_id)
            store(
                writer,
                rater,
                {split: label_with(rater, trained, dataset.splits[split].images) for split in LABELLED_SPLITS},
            )
        on_rater(rater_id)
    finish(writer, kept)


def label_images(weights: PoolWeights, images: np.ndarray) -> LabelledImages:
    """Returns what the raters of a pool say of images that they have not seen.

    Args:
      weights: the raters.
      images: [n, h, w, c] uint8, of the size that the raters were trained on; may be memory-mapped.

    Raises:
      WeightsError: the pool is unfinished, or weights cannot be read.
      LabellingError: images of another shape or dtype, or none.
    """
    kept = weights.pool()
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images) or images.shape[1:] != kept.image_shape:
        raise LabellingError(
            f"images have shape {images.shape} and dtype {images.dtype}; these raters label "
            f"[n, {', '.join(map(str, kept.image_shape))}] uint8, n of 1 or more"
        )
    labels, codes = [], []
    for rater_id in kept.rater_ids:
        probabilities = label_with(weights.rater(rater_id), weights.load(rater_id), images).astype(np.float32)
        labels.append(probabilities.argmax(axis=1).astype(np.int32))
        codes.append(encode_probabilities(probabilities))
    return LabelledImages(kept.rater_ids, kept.class_names, np.stack(labels, axis=1), np.stack(codes, axis=1))


def label_with(rater: KeptRater, trained: TrainedRater, images: np.ndarray) -> np.ndarray:
    """Returns a kept rater's class probabilities [n, K] float64 of images [n, h, w, c] uint8."""
    return label(trained, images, with_flip=rater.config.label_with_flip)


def check_trained_on(rater: KeptRater, data_fingerprint: str) -> None:
    """Raises LabellingError if a rater was trained on other data; its features would not be true of these."""
    if rater.fingerprint != rater.config.fingerprint(data_fingerprint):
        raise LabellingError(
            f"rater {rater.config.id} was trained on other arrays than these (fingerprints differ); "
            "images that no rater was trained for are labelled by `python -m rater_training label --images`"
        )


def store(writer: PredictionsWriter, rater: KeptRater, probabilities: Mapping[str, np.ndarray]) -> None:
    """Stores what a kept rater says, split -> [n, K], with what is known of it."""
    writer.write_rater(
        rater.config.id, fingerprint=rater.fingerprint, probabilities=probabilities, features=rater.features
    )


def finish(writer: PredictionsWriter, kept: KeptPool) -> None:
    """Writes the manifest of a pool whose raters are all stored."""
    writer.finish(kept.rater_ids, failures=kept.failures, provenance=kept.provenance)
