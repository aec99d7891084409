"""The folder of a pool: its raters' predictions, saved networks, and checkpoints until it is finished.

    folder = PoolFolder(dataset, pool, "predictions/digits_noisy/medium", data_fingerprint=dataset.fingerprint())
    if not folder.has_rater(rater):
        folder.write_rater(rater, train_rater(dataset, rater))
    folder.finish(failures={})

Several processes may have it open, and write different raters.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.predictions import MANIFEST, PredictionsWriter
from rater_training import architectures
from rater_training.config import PoolConfig, RaterConfig
from rater_training.training.one_rater import RaterResult
from rater_training.training.saved import SavedRater
from rater_training.training.weights import PoolWeights

_CHECKPOINTS = "checkpoints"  # beside the artifact's files while raters are in training
_WEIGHTS = "weights"  # beside them where weights are saved


class PoolError(NoisyLabelsError):
    """A pool that cannot be trained on this dataset, or of which no rater could be trained."""


class PoolFolder:
    """The folder of a pool in training.

    Attributes:
      checkpoints: where raters in training have their state; a folder, or none yet.
    """

    def __init__(
        self,
        dataset: CleanDataset,
        pool: PoolConfig,
        out: str | os.PathLike,
        *,
        data_fingerprint: str,
        save_weights: bool = False,
    ) -> None:
        """Opens a folder, new or unfinished.

        Args:
          dataset: the five clean splits.
          pool: which raters.
          out: the folder.
          data_fingerprint: of `dataset`; computing it takes a pass over all images.
          save_weights: store the trained networks too, in `out/weights`; a rater that is stored without its network
            then counts as missing.

        Raises:
          PredictionsError: `out` holds something else.
        """
        self._dataset, self._pool, self._data_fingerprint = dataset, pool, data_fingerprint
        self._writer = open_writer(dataset, pool.level, out)
        self._weights = PoolWeights(self._writer.folder / _WEIGHTS) if save_weights else None
        self.checkpoints = checkpoints_folder(out)

    def has_rater(self, rater: RaterConfig) -> bool:
        """Returns whether a rater is stored, with its network where those are saved.

        Raises:
          PredictionsError: a rater of its id but another configuration is stored.
        """
        fingerprint = rater.fingerprint(self._data_fingerprint)
        return self._writer.has_rater(rater.id, fingerprint) and (
            self._weights is None or self._weights.has_rater(rater.id, fingerprint)
        )

    def write_rater(self, rater: RaterConfig, result: RaterResult) -> None:
        """Stores a rater: its predictions and features, and before them its network where those are saved.

        Args:
          rater: how it was trained.
          result: its predictions, its features and its network.
        """
        fingerprint = rater.fingerprint(self._data_fingerprint)
        if self._weights is not None:
            self._weights.save_rater(
                SavedRater(rater, fingerprint, result.features),
                result.network,
                image_shape=self._pool.image_shape,
                num_classes=self._pool.num_classes,
            )
        self._writer.write_rater(
            rater.id, fingerprint=fingerprint, probabilities=result.probabilities, features=result.features
        )

    def finish(self, failures: Mapping[str, str], *, note: str = "") -> bool:
        """Makes a finished artifact of the folder if no rater is missing; returns whether that is so.

        Args:
          failures: rater id -> why the pool goes without it.
          note: a note for the provenance.

        Raises:
          PoolError: every rater failed.
        """
        pool, writer = self._pool, self._writer
        stored = [r.id for r in pool.raters if writer.has_rater(r.id, r.fingerprint(self._data_fingerprint))]
        if len(stored) + len(failures) < len(pool.raters):
            return False
        if not stored:
            raise PoolError(f"pool {pool.name}: every rater failed: {'; '.join(failures.values())}")
        provenance = provenance_of(pool, note)
        if not (writer.folder / MANIFEST).exists() or failures:
            writer.finish(stored, failures=failures, provenance=provenance)
        if (writer.folder / _WEIGHTS).exists():
            PoolWeights(writer.folder / _WEIGHTS).finish(
                pool,
                class_names=self._dataset.class_names,
                rater_ids=stored,
                failures=failures,
                provenance=provenance,
            )
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        return True


def checkpoints_folder(out: str | os.PathLike) -> pathlib.Path:
    """Returns where raters in training have their state, also for processes that have no `PoolFolder`."""
    return pathlib.Path(out) / _CHECKPOINTS


def open_writer(dataset: CleanDataset, level: str, out: str | os.PathLike) -> PredictionsWriter:
    """Returns the writer of the artifact of a pool that labels a dataset; opens a folder, new or unfinished."""
    return PredictionsWriter(
        out,
        dataset=dataset.name,
        level=level,
        base={"name": dataset.base_name, "version": dataset.base_version},
        split_plan=dataset.split_plan,
        class_names=dataset.class_names,
        examples={split: (dataset.splits[split].ids, dataset.splits[split].labels) for split in LABELLED_SPLITS},
    )


def check_pool(dataset: CleanDataset, pool: PoolConfig) -> None:
    """Raises PoolError where a pool cannot be trained on a dataset."""
    unknown = sorted({rater.architecture for rater in pool.raters} - set(architectures.ARCHITECTURES))
    if unknown:
        allowed = ", ".join(sorted(architectures.ARCHITECTURES))
        raise PoolError(f"pool {pool.name} names the architectures {', '.join(unknown)}; there are {allowed}")
    image_shape = dataset.splits["clean_label_train"].images.shape[1:]
    given = (dataset.name, tuple(image_shape), len(dataset.class_names))
    wanted = (pool.dataset, tuple(pool.image_shape), pool.num_classes)
    if given != wanted:
        raise PoolError(f"pool {pool.name} is for (dataset, image shape, classes) {wanted}; these arrays are {given}")


def provenance_of(pool: PoolConfig, note: str) -> Mapping[str, Any]:
    """Returns what the manifest says of how a pool was trained; note: what a reader should know besides."""
    return {
        "pool": dataclasses.asdict(pool),
        "trained_on": "clean_label_train",
        "labels": "argmax of the probabilities",
        **({"note": note} if note else {}),
    }
