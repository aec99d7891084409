"""A dataset of TFDS as a base, declared from what TFDS says of it.

base = describe_tfds("beans", data_dir)         # downloads and prepares it where it is not yet
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds

from noisy_label_datasets.base.bases import TfdsBase
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.tfds_base import prepared_builder

_ID_KEYS = ("id", "image/filename", "filename", "file_name")


def describe_tfds(name: str, data_dir: Any) -> tuple[TfdsBase, tuple[str, ...]]:
    """Returns a dataset as a base, and the names of its splits.

    Args:
      name: 'beans', or with a config 'imagenet_resized/32x32'.
      data_dir: where it is looked for first, and prepared if it is nowhere.

    Raises:
      BaseDatasetError: TFDS has no such dataset, it cannot be got, or it is none of images with one label each.
    """
    full_name, version = find_tfds(name)
    info = prepared_builder(full_name, version, data_dir).info
    features = info.features
    images = _of_kind(features, tfds.features.Image)
    labels = _of_kind(features, tfds.features.ClassLabel)
    image = _only(full_name, "image", images, info.supervised_keys, 0)
    label = _only(full_name, "class label", labels, info.supervised_keys, 1)
    shape, dtype = features[image].shape, features[image].np_dtype
    if shape[-1] not in (1, 3) or dtype != "uint8":
        raise BaseDatasetError(f"images of {full_name} are {shape} {dtype}; they have to be [h, w, 1 or 3] uint8")
    id_key = next((key for key in _ID_KEYS if key in _of_kind(features, tfds.features.Text)), None)
    base = TfdsBase(
        name=full_name,
        version=version,
        class_names=tuple(features[label].names),
        image_shape=shape,
        id_key=id_key,
        image_key=image,
        label_key=label,
        ids_are_paths=id_key not in (None, "id"),
    )
    if len(base.class_names) < 2:
        raise BaseDatasetError(f"{full_name} has {len(base.class_names)} class; a dataset has two or more")
    return base, tuple(split for split in info.splits if info.splits[split].num_examples)


def find_tfds(name: str) -> tuple[str, str]:
    """Returns the full name of a dataset of TFDS, config included where it has some, and its version.

    Raises:
      BaseDatasetError: there is none; the message names the one that is called most alike.
    """
    try:
        builder = tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        near = difflib.get_close_matches(name.partition("/")[0], tfds.list_builders(), n=1, cutoff=0.75)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BaseDatasetError(f"TFDS {tfds.__version__} has no dataset {name!r}{hint}") from error
    except (ValueError, AssertionError) as error:  # of a name that is none, or of a config that there is not
        raise BaseDatasetError(f"{name!r} is no dataset of TFDS: {str(error).partition(chr(10))[0]}") from error
    config = f"/{builder.builder_config.name}" if builder.builder_config else ""
    return builder.name + config, str(builder.version)


def _of_kind(features: Any, kind: type) -> list[str]:
    return sorted(key for key, feature in features.items() if isinstance(feature, kind))


def _only(dataset: str, what: str, keys: Sequence[str], supervised: Any, place: int) -> str:
    """Returns the feature of a kind: the only one, or that of the supervised pair."""
    if len(keys) == 1:
        return keys[0]
    if supervised and supervised[place] in keys:
        return supervised[place]
    raise BaseDatasetError(
        f"{dataset} has {len(keys)} features of the kind {what} ({', '.join(keys) or 'none'}); a dataset of "
        "images with one label each has one"
    )
