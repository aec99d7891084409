"""TFDS's own test of a builder, for each builder of the package: build, reload, metadata, tags, checksums, no `os`.

It builds the first dataset of each kind of base, and of the others what takes no build; tests/family/test_family.py
builds them all.
"""

import pathlib
import shutil

import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.registration import builder_class, own_names
from tests.made_up import write_pool


class Conventions:
    """Puts a made-up base and made-up raters in the folder that a `DatasetBuilderTestCase` builds in."""

    EXAMPLE_DIR = pathlib.Path(__file__).parent  # nothing is downloaded
    BUILDER_CONFIG_NAMES_TO_TEST = ["low"]  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _take(self, bases):
        self.bases = bases

    def test_download_and_prepare_as_dataset(self):
        folder, base = pathlib.Path(self.tmp_dir), self.DATASET_CLASS.BASE
        if (self.bases / base.name).exists():
            shutil.copytree(self.bases / base.name, folder / base.name)
        clean = self.DATASET_CLASS(config="low", data_dir=folder).clean_dataset()
        self.SPLITS = {split: len(clean.splits[split]) for split in SPLITS}
        write_pool(folder, clean)
        super().test_download_and_prepare_as_dataset()


def kind_of(base) -> tuple:
    """What a build depends on: where images and labels are from, whether images have ids and one size."""
    images = getattr(base, "base", base)
    return type(base), type(images), getattr(images, "id_key", None) is None, None in images.image_shape


KINDS: set[tuple] = set()
for _name in own_names():
    _title = "".join(word.title() for word in _name.split("_"))
    _attributes = {"DATASET_CLASS": builder_class(_name)}
    if (_kind := kind_of(builder_class(_name).BASE)) in KINDS:
        _attributes["test_download_and_prepare_as_dataset"] = None  # no test
    KINDS.add(_kind)
    globals()[f"Test{_title}"] = type(f"Test{_title}", (Conventions, tfds.testing.DatasetBuilderTestCase), _attributes)


def test_every_dataset_is_tested():
    tested = {value.DATASET_CLASS.name for value in globals().values() if hasattr(value, "DATASET_CLASS")}
    assert tested == set(own_names())
