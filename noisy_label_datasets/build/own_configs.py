"""Configs that a user has built under a name of their own, found by that name from then on.

config = own_config("digits_noisy", "people", data_dir)     # None: there is none
config_names(Builder, data_dir)                             # those that the builder declares, and these
"""

from __future__ import annotations

import os
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from noisy_label_datasets.build.configs import NoisyLabelConfig
from noisy_label_datasets.labels.stored_annotations import StoredAnnotations, stored_configs


def own_config(dataset: str, name: str, data_dir: str | os.PathLike | None) -> NoisyLabelConfig | None:
    """Returns the config of annotations that are stored under a name; None: there are none.

    Args:
      dataset: 'digits_noisy'.
      name: 'people'.
      data_dir: the folder that holds all TFDS datasets; None: TFDS's own default.
    """
    return annotated_config(name) if name in stored_configs(_root(data_dir), dataset) else None


def annotated_config(name: str) -> NoisyLabelConfig:
    """Returns the config of this name whose labels are stored annotations."""
    return NoisyLabelConfig(name=name, source=StoredAnnotations(name))


def config_names(builder: Any, data_dir: str | os.PathLike | None = None) -> list[str]:
    """Returns the names of all configs of a builder or its class: declared ones, and those of stored annotations."""
    declared = list(builder.builder_configs)
    return declared + [name for name in stored_configs(_root(data_dir), builder.name) if name not in declared]


def _root(data_dir: str | os.PathLike | None) -> Any:
    return epath.Path(os.path.expanduser(tfds.core.constants.DATA_DIR if data_dir is None else data_dir))
