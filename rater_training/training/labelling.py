"""Labels from raters that were trained before: of their dataset's splits, or of any images of the same size.

    weights = open_weights("predictions/cifar10_noisy/high/weights")           # saved by a training, or shipped
    label_dataset(weights, CleanDataset.load(folder), "predictions/again")     # the same bytes as after training
    labelled = label_images(weights, images)                                   # labels [n, R], codes [n, R, K]

For datasets that are too large for one machine see `rater_training.workers.beam_labelling`, which writes the same
files.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.labels.predictions import PredictionsWriter
from noisy_label_datasets.labels.probability_codes import decode_probabilities, encode_probabilities
from rater_training.engine.trained import TrainedRater
from rater_training.training.one_rater import label
from rater_training.training.pool_folder import open_writer
from rater_training.training.progress import LabellingLines
from rater_training.training.saved import LabellingError, SavedPool, SavedRater, SavedRaters
from rater_training.training.shipped import ShippedWeights
from rater_training.training.weights import PoolWeights

LABELS_FORMAT = "noisy_label_datasets/labels"
LABELS_FORMAT_VERSION = 2  # 1 had no ids
# Between two signs of progress. A multiple of what `TrainedRater.logits` gives a network at a time, so that cutting a
# split into pieces changes no bit.
_PIECE = 2500


@dataclasses.dataclass(frozen=True)
class ImagePredictions:
    """The predictions of the R raters of a pool for n images.

    Attributes:
      rater_ids: in the order of the pool.
      class_names: of the K classes.
      labels: [n, R] int32, the hard labels.
      codes: [n, R, K] uint8, the probabilities in the form of `noisy_label_datasets.labels.probability_codes`.
      ids: [n] <U, names of the images; their positions where none were given.
    """

    rater_ids: tuple[str, ...]
    class_names: tuple[str, ...]
    labels: np.ndarray
    codes: np.ndarray
    ids: np.ndarray

    def probabilities(self) -> np.ndarray:
        """Returns the class probabilities [n, R, K] float32, summing to 1 over K."""
        return decode_probabilities(self.codes)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an .npz archive of `labels`, `codes`, and as text `ids`, `rater_ids` and `class_names`; atomic."""
        arrays = {
            "format": np.array([LABELS_FORMAT, str(LABELS_FORMAT_VERSION)]),
            "ids": self.ids,
            "rater_ids": np.array(self.rater_ids),
            "class_names": np.array(self.class_names),
            "labels": self.labels,
            "codes": self.codes,
        }
        files.write_atomically(pathlib.Path(path), files.pack_arrays(arrays))


def open_weights(folder: str | os.PathLike) -> SavedRaters:
    """Returns the raters in a folder, in whichever of the two forms they are there.

    Raises:
      WeightsError: there are none, or only a part of a pool.
    """
    path = pathlib.Path(folder)
    kept = (path / "raters").is_dir() and any(each.is_dir() for each in (path / "raters").iterdir())
    shipped = (path / "raters").is_dir() and any((path / "raters").glob("*.npz"))
    return ShippedWeights(path) if shipped and not kept else PoolWeights(path)


def label_dataset(
    weights: SavedRaters, dataset: CleanDataset, out: str | os.PathLike, lines: LabellingLines | None = None
) -> None:
    """Writes the rater-prediction artifact of a pool whose raters were saved.

    Args:
      weights: the raters.
      dataset: what they label; raters saved by a training have to be trained on it.
      out: folder of the artifact, new or unfinished: raters that are stored do not label again.
      lines: informed of the progress.

    Raises:
      WeightsError: the pool is unfinished, or weights cannot be read.
      LabellingError: the raters are not for this dataset, or were trained on other data.
      PredictionsError: `out` holds something else.
    """
    kept = weights.pool()
    kept.check_fits(dataset)
    data_fingerprint = dataset.fingerprint()
    fingerprints = {i: weights.rater(i).labels_fingerprint(data_fingerprint) for i in kept.rater_ids}
    writer = open_writer(dataset, kept.level, out)
    lines = lines or LabellingLines((), 0, quiet=True)
    for rater_id in kept.rater_ids:
        if writer.has_rater(rater_id, fingerprints[rater_id]):
            lines.finished(rater_id, "stored already")
            continue
        rater, trained = weights.rater(rater_id), weights.load(rater_id)
        probabilities = {
            split: label_with(rater, trained, dataset.splits[split].images, functools.partial(lines.labelled, rater_id))
            for split in LABELLED_SPLITS
        }
        store(writer, rater, probabilities, dataset, data_fingerprint)
        lines.finished(rater_id, "stored")
    finish(writer, kept)


def label_images(
    weights: SavedRaters, images: np.ndarray, ids: Sequence[str] | None = None, lines: LabellingLines | None = None
) -> ImagePredictions:
    """Returns the predictions of a pool's raters for images that they have not seen.

    Args:
      weights: the raters.
      images: [n, h, w, c] uint8, of the size that the raters were trained on; may be memory-mapped.
      ids: [n] what the images are called; None: their places.
      lines: informed of the progress.

    Raises:
      WeightsError: the pool is unfinished, or weights cannot be read.
      LabellingError: images of another shape or dtype, or none; ids that are not as many.
    """
    kept = weights.pool()
    lines = lines or LabellingLines((), 0, quiet=True)
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images) or images.shape[1:] != kept.image_shape:
        raise LabellingError(
            f"images have shape {images.shape} and dtype {images.dtype}; these raters label "
            f"[n, {', '.join(map(str, kept.image_shape))}] uint8, n of 1 or more"
        )
    named = np.array([f"{i}" for i in range(len(images))] if ids is None else list(ids), dtype=np.str_)
    if len(named) != len(images):
        raise LabellingError(f"{len(images)} images, but {len(named)} ids")
    labels, codes = [], []
    for rater_id in kept.rater_ids:
        rater, trained = weights.rater(rater_id), weights.load(rater_id)
        said = label_with(rater, trained, images, functools.partial(lines.labelled, rater_id))
        probabilities = said.astype(np.float32)
        labels.append(probabilities.argmax(axis=1).astype(np.int32))
        codes.append(encode_probabilities(probabilities))
        lines.finished(rater_id, "done")
    return ImagePredictions(kept.rater_ids, kept.class_names, np.stack(labels, axis=1), np.stack(codes, axis=1), named)


def label_with(
    rater: SavedRater,
    trained: TrainedRater,
    images: np.ndarray,
    on_images: Callable[[int], None] = lambda number: None,
) -> np.ndarray:
    """Returns a saved rater's class probabilities [n, K] float64.

    Args:
      rater, trained: what is known of it, and its network.
      images: [n, h, w, c] uint8.
      on_images: is told from time to time how many more are labelled.
    """
    pieces = []
    for start in range(0, len(images), _PIECE):
        piece = images[start : start + _PIECE]
        pieces.append(label(trained, piece, with_flip=rater.config.label_with_flip))
        on_images(len(piece))
    return np.concatenate(pieces)


def store(
    writer: PredictionsWriter,
    rater: SavedRater,
    probabilities: Mapping[str, np.ndarray],
    dataset: CleanDataset,
    data_fingerprint: str,
) -> None:
    """Stores a saved rater's predictions for a dataset, split -> [n, K], and its features."""
    valid = "clean_label_valid"
    # As they are stored, and as they come through a pipeline: the features are the same numbers either way.
    measured = np.asarray(probabilities[valid]).astype(np.float32).astype(np.float64)
    writer.write_rater(
        rater.config.id,
        fingerprint=rater.labels_fingerprint(data_fingerprint),
        probabilities=probabilities,
        features=rater.features_with(measured, dataset.splits[valid].labels),
    )


def finish(writer: PredictionsWriter, kept: SavedPool) -> None:
    """Writes the manifest of a pool whose raters are all stored."""
    writer.finish(kept.rater_ids, failures=kept.failures, provenance=kept.provenance)
