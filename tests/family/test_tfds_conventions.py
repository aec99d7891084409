"""TFDS's own test of a builder, for each builder of the package: build, reload, metadata, tags, checksums, no `os`."""

import pathlib
import shutil

import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.registration import builder_class, own_names


class Conventions:
    """Puts a made-up base and made-up raters in the folder that a `DatasetBuilderTestCase` builds in."""

    EXAMPLE_DIR = pathlib.Path(__file__).parent  # nothing is downloaded
    BUILDER_CONFIG_NAMES_TO_TEST = ["low"]  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _take(self, bases, write_pool):
        self.bases, self.write_pool = bases, write_pool

    def test_download_and_prepare_as_dataset(self):
        folder, base = pathlib.Path(self.tmp_dir), self.DATASET_CLASS.BASE
        if (self.bases / base.name).exists():
            shutil.copytree(self.bases / base.name, folder / base.name)
        clean = self.DATASET_CLASS(config="low", data_dir=folder).clean_dataset()
        self.SPLITS = {split: len(clean.splits[split]) for split in SPLITS}
        self.write_pool(clean, folder)
        super().test_download_and_prepare_as_dataset()


for _name in own_names():
    _title = "".join(word.title() for word in _name.split("_"))
    globals()[f"Test{_title}"] = type(
        f"Test{_title}", (Conventions, tfds.testing.DatasetBuilderTestCase), {"DATASET_CLASS": builder_class(_name)}
    )


def test_every_dataset_is_tested():
    tested = {value.DATASET_CLASS.name for value in globals().values() if hasattr(value, "DATASET_CLASS")}
    assert tested == set(own_names())
