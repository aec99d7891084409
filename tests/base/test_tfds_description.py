"""A dataset of TFDS as a base, declared from what TFDS says of it."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.base.bases import encode_png
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.own_data import Origin, describe, origin_of, plan_for
from noisy_label_datasets.base.tfds_description import describe_tfds, find_tfds

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 28, 28, 1), dtype=np.uint8)


class MadeUpMnist(tfds.image_classification.MNIST, skip_registration=True):
    """As the real one, but small and made up."""

    name = "mnist"

    def _split_generators(self, dl_manager):
        return {split: self._examples(rows) for split, rows in (("train", range(40)), ("test", range(40, 60)))}

    def _examples(self, rows):
        for i in rows:
            yield i, {"image": encode_png(IMAGES[i]), "label": i % 10}


def test_a_dataset_is_declared_as_tfds_describes_it(tmp_path):
    MadeUpMnist(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    assert origin_of("mnist") == Origin("tfds", "mnist", "3.0.1")
    described = describe(origin_of("mnist"), "ignored", tmp_path)
    base = described.base
    assert (base.name, base.version, base.image_shape) == ("mnist", "3.0.1", (28, 28, 1))
    assert base.class_names == tuple("0123456789")
    assert base.id_key is None
    assert set(described.splits) == {"train", "test"}
    assert plan_for(described.splits)[0].fractions["test"] == {"test": 1.0}
    batches = list(base.batches(tmp_path, ["train", "test"]))
    assert sum(len(batch.ids) for batch in batches) == 60
    assert {label for batch in batches for label in batch.labels} == set(range(10))


def test_a_dataset_with_configs_has_its_config_in_its_name():
    assert find_tfds("imagenet_resized/32x32")[0] == "imagenet_resized/32x32"
    assert find_tfds("cmaterdb")[0] == "cmaterdb/bangla"
    assert Origin("tfds", "cmaterdb/bangla", "1.0.0").name == "cmaterdb_bangla"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mnits", "has no dataset 'mnits'; did you mean 'mnist'?"),
        ("nothing_like_it_at_all", "has no dataset 'nothing_like_it_at_all'$"),
        ("imagenet_resized/33x33", "is no dataset of TFDS: "),
        ("a b", "'a b' is no dataset of TFDS|has no dataset 'a b'"),
    ],
)
def test_a_name_that_tfds_does_not_have(name, said):
    with pytest.raises(BaseDatasetError, match=said) as raised:
        find_tfds(name)
    assert "\n" not in str(raised.value)


class Pairs(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Two images an example."""

    name = "mnist"
    VERSION = tfds.core.Version("3.0.1")
    pkg_dir_path = None

    def _info(self):
        image = tfds.features.Image(shape=(4, 4, 3))
        features = {"left": image, "right": image, "label": tfds.features.ClassLabel(num_classes=2)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"left": np.zeros((4, 4, 3), np.uint8), "right": np.zeros((4, 4, 3), np.uint8), "label": 0}


def test_a_dataset_that_is_none_of_images_with_one_label(tmp_path):
    Pairs(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    with pytest.raises(BaseDatasetError, match=r"mnist has 2 features of the kind image \(left, right\); a dataset of"):
        describe_tfds("mnist", tmp_path)
