"""Made-up bases of the same form as the real ones, and pools of made-up raters for them."""

import os

# Progress bars of TFDS fill the log of a failed test.
os.environ.setdefault("TQDM_DISABLE", "1")

import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.datasets.patch_camelyon import patch_camelyon_dataset_builder as patch_camelyon

from noisy_label_datasets.base import cifar100
from noisy_label_datasets.base.bases import encode_png
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.labels.predictions import PredictionsWriter
from noisy_label_datasets.registration import builder_class

RNG = np.random.default_rng(0)
COARSE_OF_FINE = {name: coarse for coarse, names in enumerate(cifar100.SUPERCLASSES.values()) for name in names}


def flat(*shape: int) -> np.ndarray:
    """An image of one random colour: tells one example from another, and is small as a file."""
    return np.broadcast_to(RNG.integers(0, 256, 3, dtype=np.uint8), (*shape, 3))


def jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="jpeg")
    return buffer.getvalue()


def cifar10_examples() -> dict:
    return {
        f"{split}_{i:05d}": {"image": encode_png(flat(32, 32)), "label": i % 10}
        for split, count in (("train", 120), ("test", 20))
        for i in range(count)
    }


def cifar100_examples() -> dict:
    """Every class 8 times in train, twice in test."""
    return {
        f"{split}_{i:05d}": {
            "image": encode_png(flat(32, 32)),
            "label": i % 100,
            "coarse_label": COARSE_OF_FINE[cifar100.FINE_NAMES[i % 100]],
        }
        for split, count in (("train", 800), ("test", 200))
        for i in range(count)
    }


def patch_camelyon_examples() -> dict:
    return {
        f"{split}_{i}": {"image": encode_png(flat(96, 96)), "label": int(RNG.integers(2))}
        for split, count in (("train", 40), ("valid", 40), ("test", 20))
        for i in range(count)
    }


def cats_vs_dogs_examples() -> dict:
    return {
        f"PetImages/{kind}/{i}.jpg": {"image": jpeg(flat(20 + i, 50 - i // 2)), "label": kind.lower()}
        for kind in ("Cat", "Dog")
        for i in range(60)
    }


EXAMPLES = {
    "cifar10": cifar10_examples(),
    "cifar100": cifar100_examples(),
    "patch_camelyon": patch_camelyon_examples(),
    "cats_vs_dogs": cats_vs_dogs_examples(),
}


class MadeUp:
    """Takes the place of what the real builder downloads."""

    id_key = "id"
    splits = {"train": "train", "test": "test"}  # noqa: RUF012

    def _split_generators(self, dl_manager):
        return {split: self._examples(prefix) for split, prefix in self.splits.items()}

    def _examples(self, prefix):
        for id_, example in EXAMPLES[self.name].items():
            if id_.startswith(prefix):
                yield id_, {self.id_key: id_, **example}


class MadeUpCifar10(MadeUp, tfds.image_classification.Cifar10, skip_registration=True):
    name = "cifar10"

    def _split_generators(self, dl_manager):
        self.info.features["label"].names = builder_class("cifar10_noisy").BASE.class_names
        return super()._split_generators(dl_manager)


class MadeUpCifar100(MadeUp, tfds.image_classification.Cifar100, skip_registration=True):
    name = "cifar100"

    def _split_generators(self, dl_manager):
        self.info.features["label"].names = cifar100.FINE_NAMES
        self.info.features["coarse_label"].names = cifar100.COARSE_NAMES
        return super()._split_generators(dl_manager)


class MadeUpPatchCamelyon(MadeUp, patch_camelyon.Builder, skip_registration=True):
    name = "patch_camelyon"
    pkg_dir_path = patch_camelyon.Builder.pkg_dir_path
    splits = {"train": "train", "validation": "valid", "test": "test"}  # noqa: RUF012


class MadeUpCatsVsDogs(MadeUp, tfds.image_classification.CatsVsDogs, skip_registration=True):
    name = "cats_vs_dogs"
    id_key = "image/filename"
    splits = {"train": "PetImages"}  # noqa: RUF012


@pytest.fixture(scope="session")
def base_examples() -> dict:
    """Base -> id -> what the made-up base holds of an example."""
    return EXAMPLES


@pytest.fixture(scope="session")
def made_up_cats_vs_dogs() -> type:
    """The builder of the made-up Cats vs Dogs, for those who want other examples in it."""
    return MadeUpCatsVsDogs


@pytest.fixture(scope="session")
def bases(tmp_path_factory):
    """A folder with the bases, in array_record, which is read without TensorFlow."""
    folder = tmp_path_factory.mktemp("bases")
    for builder in (MadeUpCifar10, MadeUpCifar100, MadeUpPatchCamelyon, MadeUpCatsVsDogs):
        builder(data_dir=folder, file_format="array_record").download_and_prepare()
    return folder


@pytest.fixture(scope="session")
def write_pool():
    """A function that writes an artifact of raters who err at random, for the clean arrays of a dataset."""

    def write(clean, data_dir, *, level="low", num_raters=3, error=0.3):
        rng = np.random.default_rng(0)
        num_classes = len(clean.class_names)
        examples = {split: (clean.splits[split].ids, clean.splits[split].labels) for split in LABELLED_SPLITS}
        writer = PredictionsWriter(
            data_dir / "rater_predictions" / clean.name / level,
            dataset=clean.name,
            level=level,
            base={"name": clean.base_name, "version": clean.base_version},
            split_plan=clean.split_plan,
            class_names=clean.class_names,
            examples=examples,
        )
        rater_ids = [f"{r:02d}-made_up" for r in range(num_raters)]
        for rater_id in rater_ids:
            probabilities = {}
            for split, (_, labels) in examples.items():
                wrong = (labels + rng.integers(1, num_classes, len(labels))) % num_classes
                said = np.eye(num_classes)[np.where(rng.random(len(labels)) < error, wrong, labels)]
                probabilities[split] = 0.2 / num_classes + 0.8 * said
            writer.write_rater(rater_id, fingerprint="f", probabilities=probabilities, features={"accuracy": 1 - error})
        writer.finish(rater_ids, provenance={"device": "none"})

    return write
