"""Trained raters small enough to come with a dataset: one file each, one byte a weight, no pickle.

    shipped = ShippedWeights("builders/pcam_noisy/rater_weights/medium")
    shipped.load(shipped.pool().rater_ids[0]).logits(images)

`noisy_label_datasets.labels.shipped_raters` says which files there are. A rater's file is an .npz archive whose bytes
depend on its content alone: `rater`, JSON (format, configuration, features, normalization, ...), and the weights as
`quantization` has them. It is written as soon as the rater is converted, so that an unfinished pool can be kept, and
resumed elsewhere (`shipping`).
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.labels import shipped_raters
from noisy_label_datasets.labels.shipped_raters import WeightsError
from noisy_label_datasets.schema import ListOf, MapOf, Number, Record, Text, Whole, check, read_json
from rater_training.engine.trained import Normalization, TrainedRater
from rater_training.training.features import performance
from rater_training.training.quantization import dequantized, quantized
from rater_training.training.saved import SavedPool, SavedRater, abstract_network, by_path, config_of

FORMAT = "noisy_label_datasets/shipped_rater"
FORMAT_VERSION = 1
_RATER = "rater"

_IDENTITY = Record({"format": Text(), "format_version": Whole()})
_ABOUT = Record(
    {
        "rater": Record({"id": Text()}),
        "fingerprint": Text(),
        "features": Record({}, optional={"wall_seconds": Number(0)}),
        "image_shape": ListOf(Whole(1, 2**16), least=3, most=3),
        "num_classes": Whole(2, 2**20),
        "compared": MapOf(Whole(0)),
        "normalization": Record({"mean": ListOf(Number(), least=1), "std": ListOf(Number(), least=1)}),
    }
)


@dataclasses.dataclass(frozen=True)
class ShippedRater(SavedRater):
    """A rater that labels images it was not trained for, besides those that it was.

    Attributes:
      sha256: of its file.
      compared: how many labels of the full weights were compared ("examples") and how many of the shipped ones are the
        same ("same").
    """

    sha256: str
    compared: Mapping[str, int]

    def labels_fingerprint(self, data_fingerprint: str) -> str:
        """See `SavedRater`; of any data."""
        return files.sha256(files.to_json({"rater": self.sha256, "data": data_fingerprint}))

    def features_with(self, probabilities: np.ndarray, labels: np.ndarray) -> Mapping[str, Any]:
        """See `SavedRater`; its performance is measured again, on the images that it labels."""
        return {**self.features, **performance(probabilities, labels)}


@dataclasses.dataclass(frozen=True)
class SavedShippedPool(SavedPool):
    """A pool whose raters are shipped.

    Attributes:
      base: name and version of the dataset that the images are from.
      split_plan: how that is divided. By another the raters might label what they were trained on.
    """

    base: Mapping[str, str]
    split_plan: Any

    def _compared(self, dataset: CleanDataset) -> list[tuple[str, Any, Any]]:
        base = {"name": dataset.base_name, "version": dataset.base_version}
        return [
            *super()._compared(dataset),
            ("the base dataset", base, dict(self.base)),
            ("the split plan", dataset.split_plan, self.split_plan),
        ]


class ShippedWeights:
    """The folder of a pool's shipped raters; see `saved.SavedRaters`."""

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = pathlib.Path(folder)

    def has_rater(self, rater_id: str, fingerprint: str) -> bool:
        """Returns whether a rater of this fingerprint is there; a file that is not whole counts as not there."""
        try:
            return self.rater(rater_id).fingerprint == fingerprint
        except WeightsError:
            return False

    def save_rater(
        self,
        rater: SavedRater,
        trained: TrainedRater,
        *,
        image_shape: tuple[int, int, int],
        num_classes: int,
        compared: Mapping[str, int] | None = None,
    ) -> None:
        """Stores a rater, in place of one of its id.

        Args:
          rater: its description.
          trained: the network.
          image_shape: (height, width, channels) of its images.
          num_classes: number of classes.
          compared: see `ShippedRater`.

        Raises:
          WeightsError: a weight that is not finite.
          OSError: the folder cannot be written or the disk is full.
        """
        about = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "rater": rater.config.given(),
            "fingerprint": rater.fingerprint,
            "features": dict(rater.features),
            "image_shape": list(image_shape),
            "num_classes": num_classes,
            "compared": dict(compared or {"examples": 0, "same": 0}),
            "normalization": {
                "mean": trained.normalization.mean.tolist(),
                "std": trained.normalization.std.tolist(),
            },
        }
        weights = _weights(trained)
        if bad := [name for name, values in weights.items() if not np.isfinite(values).all()]:
            raise WeightsError(f"rater {rater.config.id} cannot be stored: {bad[0]} holds numbers that are not finite")
        arrays = quantized(weights)
        arrays[_RATER] = np.frombuffer(files.to_json(about), np.uint8)
        files.write_atomically(self.path(rater.config.id), files.pack_arrays(arrays))

    def rater(self, rater_id: str) -> ShippedRater:
        """See `saved.SavedRaters`."""
        about, _, digest = self._read(rater_id)
        try:
            config = config_of(about["rater"])
            return ShippedRater(config, about["fingerprint"], about["features"], digest, about["compared"])
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"{self.path(rater_id)} is not as it has to be: {error}") from error

    def load(self, rater_id: str) -> TrainedRater:
        """See `saved.SavedRaters`."""
        about, arrays, _ = self._read(rater_id)
        path = self.path(rater_id)
        try:
            config = config_of(about["rater"])
            network = abstract_network(config, about["image_shape"], about["num_classes"])
            weights = dequantized(arrays)
            normalization = _normalization(about["normalization"], about["image_shape"][-1])
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"{path} is not as it has to be: {error}") from error
        wanted = by_path(network.state)
        if differing := sorted(set(wanted) ^ set(weights)):
            raise WeightsError(
                f"{path} is of another network than {config.architecture} as this code has it: "
                f"{len(differing)} arrays stand on one side only, such as {differing[0]}"
            )
        for name, leaf in wanted.items():
            if weights[name].shape != leaf.shape:
                raise WeightsError(
                    f"{path} is of another network than {config.architecture} as this code has it: "
                    f"{name} has shape {weights[name].shape}, not {leaf.shape}"
                )
        device = jax.local_devices()[0]
        leaves = [jax.device_put(weights[name].astype(leaf.dtype), device) for name, leaf in wanted.items()]
        restored = jax.tree.unflatten(jax.tree.structure(network.state), leaves)
        return TrainedRater(
            graphdef=network.graphdef,
            params=restored["params"],
            statistics=restored["statistics"],
            normalization=normalization,
            num_parameters=sum(leaf.size for leaf in jax.tree.leaves(restored["params"])),
            history=(),
            wall_seconds=float(about["features"].get("wall_seconds", 0)),
        )

    def pool(self) -> SavedShippedPool:
        """See `saved.SavedRaters`; every file is compared with its SHA-256."""
        described = shipped_raters.read_shipped_pool(self.folder)
        for name, wanted in described.files.items():
            try:
                data = (self.folder / name).read_bytes()
            except FileNotFoundError as error:
                raise WeightsError(f"{self.folder} lacks the weights of {pathlib.Path(name).stem}") from error
            if files.sha256(data) != wanted:
                raise WeightsError(
                    f"{self.folder / name} was altered or cut short: its SHA-256 is not what "
                    f"{shipped_raters.DESCRIPTION} lists"
                )
        return SavedShippedPool(
            dataset=described.dataset,
            level=described.level,
            image_shape=described.image_shape,
            class_names=described.class_names,
            rater_ids=described.rater_ids,
            failures=described.failures,
            provenance={
                **described.provenance,
                shipped_raters.LABELLED_BY: {"shipped_raters_sha256": described.sha256},
            },
            base=described.base,
            split_plan=described.split_plan,
        )

    def path(self, rater_id: str) -> pathlib.Path:
        """Returns the path of a rater's file."""
        return self.folder / shipped_raters.rater_file(rater_id)

    def _read(self, rater_id: str) -> tuple[Mapping[str, Any], dict[str, np.ndarray], str]:
        """Returns what a rater's file says of it, the stored weights, and the file's SHA-256."""
        path = self.path(rater_id)
        try:
            data = path.read_bytes()
            arrays = files.unpack_arrays(data)
            about = read_json(arrays.pop(_RATER).tobytes(), _IDENTITY)
            given = (about["format"], about["format_version"])
            if given == (FORMAT, FORMAT_VERSION):
                check(about, _ABOUT)
        except FileNotFoundError as error:
            raise WeightsError(f"no weights of rater {rater_id}: {path} is not there") from error
        except (ValueError, KeyError) as error:
            raise WeightsError(f"{path} was altered or cut short, or holds no rater: {error}") from error
        if given != (FORMAT, FORMAT_VERSION):
            raise WeightsError(f"{path} is {given[0]} version {given[1]}; this code reads {FORMAT} {FORMAT_VERSION}")
        if (named := about["rater"]["id"]) != rater_id:
            raise WeightsError(f"{path} is of rater {named!r}")
        return about, arrays, files.sha256(data)


def rounded(trained: TrainedRater) -> TrainedRater:
    """Returns a network with the weights that it would have if it were stored here and read again."""
    state = {"params": trained.params, "statistics": trained.statistics}
    weights = dequantized(quantized(_weights(trained)))
    leaves = [jax.numpy.asarray(weights[name], leaf.dtype) for name, leaf in by_path(state).items()]
    restored = jax.tree.unflatten(jax.tree.structure(state), leaves)
    return dataclasses.replace(trained, params=restored["params"], statistics=restored["statistics"])


def _weights(trained: TrainedRater) -> dict[str, np.ndarray]:
    leaves = by_path({"params": trained.params, "statistics": trained.statistics})
    return {name: np.asarray(leaf) for name, leaf in leaves.items()}


def _normalization(values: Mapping[str, Any], channels: int) -> Normalization:
    mean, std = (np.asarray(values[name], np.float32) for name in ("mean", "std"))
    if mean.shape != (channels,) or std.shape != (channels,):
        raise ValueError(f"the normalization is of {mean.shape} and {std.shape}, the images have {channels} channels")
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std > 0).all()):
        raise ValueError("the normalization is not of finite numbers, with deviations above zero")
    return Normalization(mean, std)
