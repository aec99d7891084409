"""Descriptions of saved raters, in whatever form their weights are on disk.

`weights.PoolWeights` saves them in full precision (orbax), `shipped.ShippedWeights` in the small form that comes with a
dataset; both are `SavedRaters`, and `labelling` works with either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.shipped_raters import WeightsError
from rater_training import architectures
from rater_training.config import Augmentation, KerasWeights, RaterConfig
from rater_training.engine.trained import TrainedRater


class LabellingError(NoisyLabelsError):
    """Images that these raters cannot label."""


@dataclasses.dataclass(frozen=True)
class SavedRater:
    """The description of a saved rater.

    Attributes:
      config: how it was trained.
      fingerprint: of its configuration and of the data that it was trained on.
      features: its rater features, as in the rater-prediction artifact.
    """

    config: RaterConfig
    fingerprint: str
    features: Mapping[str, Any]

    def labels_fingerprint(self, data_fingerprint: str) -> str:
        """Returns the fingerprint of its predictions for a dataset.

        Raises:
          LabellingError: it was trained on other data; its features would not be true of these.
        """
        if self.fingerprint != self.config.fingerprint(data_fingerprint):
            raise LabellingError(
                f"rater {self.config.id} was trained on other arrays than these (fingerprints differ); "
                "images that no rater was trained for are labelled by `python -m rater_training label --images`"
            )
        return self.fingerprint

    def features_with(self, probabilities: np.ndarray, labels: np.ndarray) -> Mapping[str, Any]:
        """Returns its features beside labels of a dataset.

        Args:
          probabilities: [n, K] its predictions for `clean_label_valid`.
          labels: [n] the clean labels there.
        """
        return self.features


@dataclasses.dataclass(frozen=True)
class SavedPool:
    """The description of a pool whose raters were saved.

    Attributes:
      dataset, level: what it labels.
      image_shape: (height, width, channels).
      class_names: of the K classes.
      rater_ids: in the order of the pool, without those that failed.
      failures: rater id -> why the pool goes without it.
      provenance: as in the manifest of the artifact.
    """

    dataset: str
    level: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    rater_ids: tuple[str, ...]
    failures: Mapping[str, str]
    provenance: Mapping[str, Any]

    def check_fits(self, dataset: CleanDataset) -> None:
        """Raises LabellingError if a dataset is another than the one that these raters label."""
        for what, given, wanted in self._compared(dataset):
            if given != wanted:
                raise LabellingError(f"these raters label {what} {wanted}; the arrays are of {given}")

    def _compared(self, dataset: CleanDataset) -> list[tuple[str, Any, Any]]:
        """What a dataset is asked for: what, what it has, what it should have."""
        shape = shape_of(dataset.splits["test"].images.shape[1:])
        return [
            ("the dataset", dataset.name, self.dataset),
            ("images of shape", shape, self.image_shape),
            ("the classes", tuple(dataset.class_names), self.class_names),
        ]


class SavedRaters(Protocol):
    """The trained raters of a pool, on disk."""

    def pool(self) -> SavedPool:
        """Returns the description of the pool.

        Raises:
          WeightsError: there is no such folder, the pool is unfinished, a rater is missing, or of another version.
        """
        ...

    def rater(self, rater_id: str) -> SavedRater:
        """Returns the description of a rater.

        Raises:
          WeightsError: it is not saved, of another format version, or cannot be read.
        """
        ...

    def load(self, rater_id: str) -> TrainedRater:
        """Returns a rater's network, on this process's first device; raises as `rater`."""
        ...


def config_of(values: Mapping[str, Any]) -> RaterConfig:
    """Returns the configuration of which these are the fields, as JSON has them; those left out have their default.

    Raises:
      WeightsError: they are not those of a configuration, or of one that this code does not know.
    """
    try:
        given = dict(values)
        if "augmentation" in given:
            given["augmentation"] = Augmentation(**given["augmentation"])
        if isinstance(given.get("pretrained"), Mapping):
            given["pretrained"] = KerasWeights(**given["pretrained"])
        return RaterConfig(**given)
    except (TypeError, ValueError, KeyError) as error:
        raise WeightsError(f"a rater's configuration is not one that this code knows: {error}") from error


def shape_of(values: Sequence[int]) -> tuple[int, int, int]:
    """Returns (height, width, channels)."""
    height, width, channels = values
    return int(height), int(width), int(channels)


class AbstractNetwork(NamedTuple):
    """A network without any memory for its arrays.

    Attributes:
      graphdef: its graph definition.
      params, statistics: shapes in the place of arrays.
    """

    graphdef: Any
    params: Any
    statistics: Any

    @property
    def state(self) -> dict[str, Any]:
        """Parameters and statistics under the names that they have on disk."""
        return {"params": self.params, "statistics": self.statistics}


def abstract_network(config: RaterConfig, image_shape: Sequence[int], num_classes: int) -> AbstractNetwork:
    """Returns a rater's network, of which the arrays are still to be read."""

    def make() -> nnx.Module:
        return architectures.create(
            config.architecture,
            num_classes=num_classes,
            image_shape=shape_of(image_shape),
            width=config.width,
            dtype=jnp.dtype(config.dtype),
            rngs=nnx.Rngs(params=config.seed, dropout=config.seed),
        )

    return AbstractNetwork(*nnx.split(nnx.eval_shape(make), nnx.Param, ...))


def by_path(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by their path in it, 'params.body.layers.0.kernel', in the tree's order."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}
