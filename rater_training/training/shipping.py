"""From raters that a training saved to raters that are shipped, and back to a training that resumes.

    missing = ship(PoolWeights("predictions/medium/weights"), dataset, get_pool("pcam/medium_compact"), into)
    resume_from_shipped(into, dataset, get_pool("pcam/medium_compact"), "predictions/elsewhere")

A pool is converted a rater at a time, in whatever state its training is; what is there already stays as it is, byte for
byte. `resume_from_shipped` has the raters of an unfinished pool label again, so that a training elsewhere resumes
with the next.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.labels import shipped_raters
from rater_training.config import PoolConfig
from rater_training.training import labelling
from rater_training.training.one_rater import RaterResult
from rater_training.training.pool_folder import PoolFolder, open_writer, provenance_of
from rater_training.training.shipped import ShippedWeights, rounded
from rater_training.training.weights import PoolWeights

# Labels compared with those of the full weights, from the beginning of each split.
COMPARED = 2000
_COMPARED_SPLIT = "noisy_label_train"


def ship(
    weights: PoolWeights,
    dataset: CleanDataset,
    pool: PoolConfig,
    into: str | os.PathLike,
    *,
    record: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Converts the saved raters of a pool, and reports how many of their labels stay the same.

    Args:
      weights: those that a training saved; some or all raters of the pool.
      dataset: what they were trained on.
      pool: of which they are.
      into: `builders/<dataset>/rater_weights/<config>`, new or unfinished.
      record: whether the converted raters' predictions for the dataset are stored in `recorded`.
      report: gets a line per rater, of its size and of the labels that stay the same.

    Returns:
      The ids of the raters that are still missing; if none is, pool.json is written.

    Raises:
      WeightsError: saved weights that cannot be read, or that hold numbers that are not finite.
      OSError: the folder cannot be written or the disk is full.
    """
    shipped, data_fingerprint = ShippedWeights(into), dataset.fingerprint()
    writer = open_writer(dataset, pool.level, shipped.folder / shipped_raters.RECORDED) if record else None
    missing = []
    for config in pool.raters:
        fingerprint = config.fingerprint(data_fingerprint)
        if not shipped.has_rater(config.id, fingerprint):
            if not weights.has_rater(config.id, fingerprint):
                missing.append(config.id)
                continue
            rater = weights.rater(config.id)
            trained = weights.load(config.id)
            images = dataset.splits[_COMPARED_SPLIT].images[:COMPARED]
            full, small = (
                labelling.label_with(rater, network, images).argmax(axis=1) for network in (trained, rounded(trained))
            )
            same = int(np.sum(full == small))
            shipped.save_rater(
                rater,
                trained,
                image_shape=pool.image_shape,
                num_classes=pool.num_classes,
                compared={"examples": len(images), "same": same},
            )
            size = shipped.path(config.id).stat().st_size
            report(
                f"{config.id}  {size / 1e3:.0f} kB, {same:,} of {len(images):,} labels "
                f"({same / len(images):.2%}) are those of the full weights"
            )
        kept = shipped.rater(config.id)
        if writer is not None and not writer.has_rater(config.id, kept.labels_fingerprint(data_fingerprint)):
            trained = shipped.load(config.id)
            said = {s: labelling.label_with(kept, trained, dataset.splits[s].images) for s in LABELLED_SPLITS}
            labelling.store(writer, kept, said, dataset, data_fingerprint)
    if not missing:
        shipped_raters.write_shipped_pool(
            shipped.folder,
            dataset=dataset.name,
            level=pool.level,
            base={"name": dataset.base_name, "version": dataset.base_version},
            split_plan=dataset.split_plan,
            class_names=dataset.class_names,
            image_shape=pool.image_shape,
            rater_ids=[config.id for config in pool.raters],
            failures={},
            provenance=provenance_of(pool, "weights of one byte each, with a scale per output channel"),
        )
        if writer is not None:
            labelling.finish(writer, shipped.pool())
    return missing


def resume_from_shipped(
    unfinished: str | os.PathLike,
    dataset: CleanDataset,
    pool: PoolConfig,
    out: str | os.PathLike,
    *,
    save_weights: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Stores the predictions of an unfinished pool's raters where a training is to resume with the others.

    Only raters of the configuration and of the data that are wanted count; others are trained.

    Args:
      unfinished: where `ship` has written some raters.
      dataset: the five clean splits.
      pool: that is to be trained.
      out: the folder of its training.
      save_weights: save their networks beside the predictions too.
      report: gets a line per rater that is stored.
    """
    shipped, data_fingerprint = ShippedWeights(pathlib.Path(unfinished)), dataset.fingerprint()
    folder = PoolFolder(dataset, pool, out, data_fingerprint=data_fingerprint, save_weights=save_weights)
    for config in pool.raters:
        if folder.has_rater(config) or not shipped.has_rater(config.id, config.fingerprint(data_fingerprint)):
            continue
        rater, trained = shipped.rater(config.id), shipped.load(config.id)
        said = {s: labelling.label_with(rater, trained, dataset.splits[s].images) for s in LABELLED_SPLITS}
        valid = "clean_label_valid"
        rater_features = rater.features_with(said[valid], dataset.splits[valid].labels)
        folder.write_rater(config, RaterResult(said, rater_features, trained))
        report(f"{config.id}  taken from {unfinished}")
