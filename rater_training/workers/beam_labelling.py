"""Labels of a dataset that is too large for one machine: an Apache Beam pipeline around RunInference.

    options = ["--runner=FnApiRunner"]
    label_dataset_on_workers("predictions/weights", "clean/cifar10_noisy", "predictions/again", options=options)

The files are those of `training.labelling.label_dataset`, byte for byte on machines of one kind: the networks are
given the same blocks of images. In a pipeline of your own, with blocks of images from wherever:

    probabilities = blocks | RunInference(KeyedModelHandler(RaterPoolHandler("predictions/weights")))

This module needs Apache Beam.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference

from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.beam_logs import keep_quiet
from rater_training.engine.trained import LABELLING_BATCH, TrainedRater
from rater_training.training import labelling
from rater_training.training.pool_folder import open_writer
from rater_training.training.saved import SavedRater
from rater_training.workers import beam_pool

# Blocks of as many images as `TrainedRater.logits` gives a network at a time make every batch the same, however the
# runner divides the work, and with it the last bit of every probability.
BLOCK = LABELLING_BATCH

Block = tuple[str, int]  # a split, and the position of the first of up to BLOCK examples


@dataclasses.dataclass(frozen=True)
class LoadedPool:
    """The raters of a pool, in its order, and their networks."""

    raters: tuple[tuple[SavedRater, TrainedRater], ...]


class RaterPoolHandler(ModelHandler[np.ndarray, np.ndarray, LoadedPool]):
    """Runs raters of a pool on a block of images: [b, h, w, c] uint8 -> probabilities [b, R, K] float32.

    A block is a batch already, of up to BLOCK images, so RunInference is asked to form no batches of blocks.
    """

    def __init__(self, weights: str, rater_ids: Sequence[str] | None = None) -> None:
        """Prepares the handler.

        Args:
          weights: a folder of raters, the same on every worker.
          rater_ids: which of them are asked; None: all of the pool.
        """
        super().__init__(min_batch_size=1, max_batch_size=1)
        self._weights, self._rater_ids = weights, rater_ids

    def load_model(self) -> LoadedPool:
        """Returns the raters, on this worker's first device."""
        keep_quiet()
        beam_pool.silence_orbax()
        weights = labelling.open_weights(self._weights)
        rater_ids = weights.pool().rater_ids if self._rater_ids is None else self._rater_ids
        return LoadedPool(tuple((weights.rater(i), weights.load(i)) for i in rater_ids))

    def run_inference(
        self, batch: Sequence[np.ndarray], model: LoadedPool, inference_args: dict[str, Any] | None = None
    ) -> Iterator[np.ndarray]:
        """Yields the probabilities of each block."""
        for images in batch:
            said = [labelling.label_with(rater, trained, images) for rater, trained in model.raters]
            yield np.stack(said, axis=1).astype(np.float32)

    def get_num_bytes(self, batch: Sequence[np.ndarray]) -> int:
        """Returns the bytes of a batch, for Beam's metrics."""
        return sum(images.nbytes for images in batch)

    def get_metrics_namespace(self) -> str:
        """Returns under which name Beam's metrics stand."""
        return "RaterPool"


def label_dataset_on_workers(weights: str, arrays: str, out: str, *, options: Sequence[str] = ()) -> None:
    """Writes the rater-prediction artifact of a pool whose raters were saved, on the workers of a Beam runner.

    Args:
      weights: folder of saved or shipped raters, the same on every worker, which holds all of them in memory.
      arrays: folder of the clean arrays, the same on every worker, which reads from it what it labels.
      out: folder of the artifact, the same on every worker; one worker at a time holds one rater's predictions for all
        examples, 4 bytes per class and example.
      options: Beam's, as on its command line; without a runner among them, worker processes on this machine.

    Raises:
      PipelineError: Beam does not take an option, or the pipeline failed.
      WeightsError, LabellingError, PredictionsError: as `labelling.label_dataset`.
    """
    saved, dataset = labelling.open_weights(weights), beam_pool.load_arrays(arrays)
    kept = saved.pool()
    kept.check_fits(dataset)
    data_fingerprint = beam_pool.fingerprint_of(arrays)
    fingerprints = {i: saved.rater(i).labels_fingerprint(data_fingerprint) for i in kept.rater_ids}
    writer = open_writer(dataset, kept.level, out)  # writes the examples once, and not once per worker
    rater_ids = [i for i in kept.rater_ids if not writer.has_rater(i, fingerprints[i])]
    if not rater_ids:
        labelling.finish(writer, kept)
        return
    blocks: list[Block] = [
        (split, start) for split in LABELLED_SPLITS for start in range(0, len(dataset.splits[split]), BLOCK)
    ]
    beam_pool.run(
        beam_pool.pipeline_options(options, workers=len(blocks)),
        lambda pipeline: (
            pipeline
            | "Blocks" >> beam.Create(blocks)
            | "Read" >> beam.Map(functools.partial(_read, arrays=arrays))
            | "Label" >> RunInference(KeyedModelHandler(RaterPoolHandler(weights, rater_ids)))
            | "By rater" >> beam.FlatMap(functools.partial(_by_rater, rater_ids=rater_ids))
            | "Of a rater" >> beam.GroupByKey()
            | "Store" >> beam.Map(functools.partial(_store, weights=weights, arrays=arrays, out=out))
            | "All" >> beam.combiners.ToList()
            | "Finish" >> beam.Map(functools.partial(_finish, weights=weights, arrays=arrays, out=out))
        ),
    )


def _read(block: Block, arrays: str) -> tuple[Block, np.ndarray]:
    split, start = block
    return block, np.asarray(beam_pool.load_arrays(arrays).splits[split].images[start : start + BLOCK])


def _by_rater(
    labelled: tuple[Block, np.ndarray], rater_ids: Sequence[str]
) -> Iterator[tuple[str, tuple[Block, np.ndarray]]]:
    block, probabilities = labelled
    for position, rater_id in enumerate(rater_ids):
        yield rater_id, (block, np.ascontiguousarray(probabilities[:, position]))


def _store(said: tuple[str, Iterable[tuple[Block, np.ndarray]]], weights: str, arrays: str, out: str) -> str:
    """Stores the predictions of one rater, block by block in any order."""
    rater_id, blocks = said
    dataset, saved = beam_pool.load_arrays(arrays), labelling.open_weights(weights)
    kept = saved.pool()
    probabilities = {
        split: np.zeros((len(dataset.splits[split]), len(kept.class_names)), np.float32) for split in LABELLED_SPLITS
    }
    for (split, start), values in blocks:
        probabilities[split][start : start + len(values)] = values
    writer = open_writer(dataset, kept.level, out)
    labelling.store(writer, saved.rater(rater_id), probabilities, dataset, beam_pool.fingerprint_of(arrays))
    return rater_id


def _finish(stored: Sequence[str], weights: str, arrays: str, out: str) -> None:
    """Writes the manifest; waits, as an element of the pipeline, for all that is stored."""
    kept = labelling.open_weights(weights).pool()
    labelling.finish(open_writer(beam_pool.load_arrays(arrays), kept.level, out), kept)
