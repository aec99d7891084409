"""Trained raters saved on disk (orbax), to label images that they have not seen.

    weights = PoolWeights("predictions/cifar10_noisy/high/weights")     # what `train --save-weights` wrote
    trained = weights.load("00-compact_inception")
    trained.logits(images, with_flip=weights.rater("00-compact_inception").config.label_with_flip)

Files:

    pool.json               raters in order, failures, provenance: what the artifact's manifest has; written last
    raters/<rater id>/      an orbax checkpoint: `arrays`, parameters and batch statistics by their path in the network,
                            and `about`, JSON: the rater's configuration, features and normalization

A rater's folder is whole or not there (orbax writes to a temporary folder and renames).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from noisy_label_datasets import files
from noisy_label_datasets.labels.prediction_schema import RATER_ID
from noisy_label_datasets.labels.shipped_raters import WeightsError
from noisy_label_datasets.schema import (
    Anything,
    Exactly,
    ListOf,
    MapOf,
    Number,
    Record,
    Schema,
    SchemaError,
    Text,
    Whole,
    check,
    read_json,
)
from rater_training.config import PoolConfig
from rater_training.engine.checkpoints import ONE_AT_A_TIME, content_sha256, first_line, naming_what_is_written
from rater_training.engine.examples import Normalization
from rater_training.engine.trained import TrainedRater
from rater_training.training.saved import (
    SavedPool,
    SavedRater,
    abstract_network,
    by_path,
    config_of,
    shape_of,
)

FORMAT = "noisy_label_datasets/rater_weights"
FORMAT_VERSION = 1
_POOL = "pool.json"

_IDENTITY: dict[str, Schema] = {"format": Exactly(FORMAT), "format_version": Exactly(FORMAT_VERSION)}
_IMAGE_SHAPE = ListOf(Whole(1, 2**15), least=3, most=3)
_STATISTIC = ListOf(Number(), least=1)
_DESCRIPTION = Record(
    {
        **_IDENTITY,
        "dataset": Text(),
        "level": Text(),
        "image_shape": _IMAGE_SHAPE,
        "class_names": ListOf(Text(), least=2),
        "raters": ListOf(Text(RATER_ID), least=1),
        "failures": MapOf(Text()),
        "provenance": MapOf(Anything()),
    }
)
_ABOUT = Record(
    {
        **_IDENTITY,
        "rater": MapOf(Anything()),
        "image_shape": _IMAGE_SHAPE,
        "num_classes": Whole(2, 2**20),
        "fingerprint": Text(),
        "features": MapOf(Anything()),
        "normalization": Record({"mean": _STATISTIC, "std": _STATISTIC}),
        "history": ListOf(ListOf(Number(), least=2, most=2)),
        "wall_seconds": Number(0),
    },
    optional={"sha256": Text("[0-9a-f]{64}")},
)


class PoolWeights:
    """The folder in which the trained raters of a pool are saved; several processes may write different raters."""

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = pathlib.Path(folder).absolute()  # orbax takes no others

    def has_rater(self, rater_id: str, fingerprint: str) -> bool:
        """Returns whether a rater of this fingerprint is saved."""
        with self._naming(rater_id):
            return self._path(rater_id).exists() and self._about(rater_id)["fingerprint"] == fingerprint

    def save_rater(
        self,
        rater: SavedRater,
        trained: TrainedRater,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
    ) -> None:
        """Saves a rater, in place of one of its id.

        Args:
          rater: its description.
          trained: the network.
          image_shape: (height, width, channels) of its images.
          num_classes: number of classes.

        Raises:
          OSError: the disk is full, or the folder, which the error names, cannot be written.
        """
        about = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "rater": dataclasses.asdict(rater.config),
            "image_shape": list(image_shape),
            "num_classes": num_classes,
            "fingerprint": rater.fingerprint,
            "features": dict(rater.features),
            "normalization": {
                "mean": trained.normalization.mean.tolist(),
                "std": trained.normalization.std.tolist(),
            },
            "history": [list(entry) for entry in trained.history],
            "wall_seconds": trained.wall_seconds,
        }
        about = json.loads(json.dumps(about))  # as it will be read
        arrays = by_path({"params": trained.params, "statistics": trained.statistics})
        about["sha256"] = content_sha256({name: np.asarray(array) for name, array in arrays.items()}, about)
        path = self._path(rater.config.id)
        with (
            ONE_AT_A_TIME,
            naming_what_is_written(f"rater {rater.config.id}", path),
            ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer,
        ):
            checkpointer.save(
                path,
                ocp.args.Composite(arrays=ocp.args.StandardSave(arrays), about=ocp.args.JsonSave(about)),
                force=True,
            )

    def rater(self, rater_id: str) -> SavedRater:
        """Returns the description of a rater, without its weights.

        Raises:
          WeightsError: it is not saved, of another format version, or cannot be read.
        """
        with self._naming(rater_id):
            about = self._about(rater_id)
            return SavedRater(config_of(about["rater"]), about["fingerprint"], about["features"])

    def load(self, rater_id: str) -> TrainedRater:
        """Returns a rater's network, on this process's first device.

        Raises:
          WeightsError: it is not saved, of another format version, altered, or cannot be read.
        """
        with self._naming(rater_id):
            return self._load(rater_id)

    def _load(self, rater_id: str) -> TrainedRater:
        about = self._about(rater_id)
        network = abstract_network(config_of(about["rater"]), about["image_shape"], about["num_classes"])
        device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        wanted = {
            name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device)
            for name, leaf in by_path(network.state).items()
        }
        arrays = self._restore(rater_id, arrays=ocp.args.StandardRestore(wanted)).arrays
        if "sha256" in about:
            content = content_sha256({name: np.asarray(arrays[name]) for name in wanted}, about)
            if about["sha256"] != content:
                raise ValueError("it does not hold what was written")  # the caller names the rater
        restored = jax.tree.unflatten(jax.tree.structure(network.state), [arrays[name] for name in wanted])
        mean, std = (np.asarray(about["normalization"][name], np.float32) for name in ("mean", "std"))
        return TrainedRater(
            graphdef=network.graphdef,
            params=restored["params"],
            statistics=restored["statistics"],
            normalization=Normalization(mean, std),
            num_parameters=sum(leaf.size for leaf in jax.tree.leaves(restored["params"])),
            history=tuple((int(step), float(loss)) for step, loss in about["history"]),
            wall_seconds=about["wall_seconds"],
        )

    def finish(
        self,
        pool: PoolConfig,
        *,
        class_names: Sequence[str],
        rater_ids: Sequence[str],
        failures: Mapping[str, str],
        provenance: Mapping[str, Any],
    ) -> None:
        """Writes the description of the pool, once no rater is missing."""
        description = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "dataset": pool.dataset,
            "level": pool.level,
            "image_shape": list(pool.image_shape),
            "class_names": list(class_names),
            "raters": list(rater_ids),
            "failures": dict(failures),
            "provenance": dict(provenance),
        }
        files.write_atomically(self.folder / _POOL, files.to_json(description))

    def pool(self) -> SavedPool:
        """Returns the description of the pool.

        Raises:
          WeightsError: there is no such folder, the pool is unfinished, a rater is missing, or of another version.
        """
        path = self.folder / _POOL
        try:
            description = read_json(path.read_bytes(), _DESCRIPTION)
        except FileNotFoundError as error:
            raise WeightsError(
                f"no weights of a whole pool in {self.folder}: {path.name} is not there; "
                "`python -m rater_training train --save-weights` writes them to the folder weights of its --out"
            ) from error
        except SchemaError as error:
            raise WeightsError(f"{path} cannot be read: {error}") from error
        if missing := [rater for rater in description["raters"] if not self._path(rater).exists()]:
            raise WeightsError(f"{self.folder} lacks the weights of {', '.join(missing)}")
        return SavedPool(
            dataset=description["dataset"],
            level=description["level"],
            image_shape=shape_of(description["image_shape"]),
            class_names=tuple(description["class_names"]),
            rater_ids=tuple(description["raters"]),
            failures=description["failures"],
            provenance=description["provenance"],
        )

    def _path(self, rater_id: str) -> pathlib.Path:
        return self.folder / "raters" / rater_id

    def _about(self, rater_id: str) -> Mapping[str, Any]:
        about = self._restore(rater_id, about=ocp.args.JsonRestore()).about
        check(about, _ABOUT)
        return about

    def _restore(self, rater_id: str, **items: Any) -> Any:
        path = self._path(rater_id)
        if not path.exists():
            raise WeightsError(f"no weights of rater {rater_id}: {path} is not there")
        with ONE_AT_A_TIME, ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            return checkpointer.restore(path, ocp.args.Composite(**items))

    @contextlib.contextmanager
    def _naming(self, rater_id: str) -> Iterator[None]:
        """Makes whatever is raised while a rater is read an error that names its folder."""
        try:
            yield
        except WeightsError:
            raise
        except Exception as error:  # on altered files orbax raises a dozen kinds of error
            raise WeightsError(f"the weights in {self._path(rater_id)} cannot be read: {first_line(error)}") from error
