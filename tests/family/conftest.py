"""Bases that follow from what the builders declare, and pools of made-up raters for them.

A new dataset needs no line here: a base of TFDS is made of the real builder of TFDS, whose version and features are
thereby compared with the declared ones, with made-up images of one colour in it; a base of arrays is read.
"""

import collections
import functools
import io
import math

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from noisy_label_datasets.base import cifar100
from noisy_label_datasets.base.bases import TfdsBase, content_ids, encode_png
from noisy_label_datasets.registration import builder_class, own_names
from tests.once import made_once

COARSE_OF_FINE = {name: coarse for coarse, names in enumerate(cifar100.SUPERCLASSES.values()) for name in names}

# What is particular to a base: the form of its ids, and labels that follow from others.
IDS = {"cats_vs_dogs": lambda split, i, label: f"PetImages/{('Cat', 'Dog')[label]}/{i // 2}.jpg"}
LABELS = {"cifar100": lambda example: {"coarse_label": COARSE_OF_FINE[cifar100.FINE_NAMES[example["label"]]]}}


def base_of(dataset: str):
    """The base whose examples a dataset takes, with its own labels."""
    base = builder_class(dataset).BASE
    return getattr(base, "base", base)


def made_up_bases() -> dict:
    """Name -> a dataset on it, for each base that TFDS has."""
    return {base_of(name).name: name for name in own_names() if isinstance(base_of(name), TfdsBase)}


@functools.cache
def examples_of(dataset: str) -> dict:
    """Base split -> id -> what the base of a dataset, made up where it is one of TFDS, holds of an example."""
    base = base_of(dataset)
    if not isinstance(base, TfdsBase):
        return {
            split: {
                id_: {"image": encode_png(image), "label": int(label)}
                for id_, image, label in zip(of.ids.tolist(), of.images, of.labels, strict=True)
            }
            for split, of in base.load().items()
        }
    rng = np.random.default_rng(0)
    image = tfds.builder_cls(base.name)(data_dir="/nowhere").info.features[base.image_key]
    num_classes = len(base.class_names)
    found = {}
    for split, shares in builder_class(dataset).SPLIT_PLAN.fractions.items():
        count = max(20, 2 * num_classes)
        if len(shares) > 1:  # enough for each of its parts
            count = max(40, 8 * num_classes, math.ceil(6 / min(shares.values())))
        found[split], seen = {}, collections.Counter()
        for i in range(count):
            height, width = (size or (20 + i % 60, 50 - i % 60 // 2)[axis] for axis, size in enumerate(image.shape[:2]))
            # One random colour: tells one example from another, and is small as a file.
            color = rng.integers(0, 256, image.shape[2], dtype=np.uint8)
            pixels = np.broadcast_to(color, (height, width, image.shape[2]))
            encoded = jpeg(pixels) if image._encoding_format == "jpeg" else encode_png(pixels)
            example = {base.image_key: encoded, base.label_key: i % num_classes}
            example |= {name: i % len(names) for name, names in base.extra_labels.items()}
            example |= LABELS.get(base.name, lambda example: {})(example)
            if base.id_key is None:
                (id_,) = content_ids(split, [encoded], [example[base.label_key]], image.shape[2], seen)
            else:
                id_ = IDS.get(base.name, lambda split, i, label: f"{split}_{i:05d}")(split, i, example[base.label_key])
            found[split][id_] = example
    return found


def jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="jpeg")
    return buffer.getvalue()


def made_up(dataset: str) -> type:
    """TFDS's builder of the base of a dataset, with made-up examples in the place of those that it downloads."""
    base, real = base_of(dataset), tfds.builder_cls(base_of(dataset).name)

    class MadeUp(real, skip_registration=True):
        name = base.name
        pkg_dir_path = getattr(real, "pkg_dir_path", None)

        def _split_generators(self, dl_manager):
            for key, names in {base.label_key: base.class_names, **base.extra_labels}.items():
                if self.info.features[key]._int2str is None:  # TFDS reads them from what it downloads
                    self.info.features[key].names = list(names)
            return {split: self._examples(split) for split in examples_of(dataset)}

        def _examples(self, split):
            for id_, example in examples_of(dataset)[split].items():
                yield id_, example if base.id_key is None else {base.id_key: id_, **example}

    return MadeUp


@pytest.fixture(scope="session")
def examples_by_split():
    """A function: dataset -> base split -> id -> what its base holds of an example."""
    return examples_of


@pytest.fixture(scope="session")
def base_examples() -> dict:
    """Base -> id -> what the made-up base holds of an example."""
    return {
        base: {id_: example for of_split in examples_of(dataset).values() for id_, example in of_split.items()}
        for base, dataset in made_up_bases().items()
    }


@pytest.fixture(scope="session")
def made_up_cats_vs_dogs() -> type:
    """The builder of the made-up Cats vs Dogs, for those who want other examples in it."""
    return made_up("cats_vs_dogs_noisy")


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """A folder with the bases, in array_record, which is read without TensorFlow."""

    def make(folder):
        for dataset in made_up_bases().values():
            made_up(dataset)(data_dir=folder, file_format="array_record").download_and_prepare()

    return made_once(tmp_path_factory, "bases", make)
