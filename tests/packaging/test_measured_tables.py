"""The tables of measured figures in the documents are those of what is shipped."""

import numpy as np
import pytest

from noisy_label_datasets.base.cifar100 import FINE_NAMES
from noisy_label_datasets.maintenance import dataset_tables, shipped_raters_tables
from noisy_label_datasets.maintenance.tables import measured_pools, with_table


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make"), [("pools", "pools_table"), ("superclasses", "superclass_table")])
def test_tables_of_every_dataset(name, make):
    text = dataset_tables.DOCUMENT.read_text()
    assert with_table(text, name, dataset_tables.WRITER, getattr(dataset_tables, make)()) == text


def test_table_of_shipped_raters():
    text = shipped_raters_tables.DOCUMENT.read_text()
    table = shipped_raters_tables.pools_table()
    assert with_table(text, "raters", shipped_raters_tables.WRITER, table) == text


def test_pools_are_sorted_from_little_noise_to_much():
    names = [f"{pool.dataset}/{pool.level}" for pool, _ in measured_pools()]
    digits = ["digits_noisy/low", "digits_noisy/medium", "digits_noisy/high"]
    assert [name for name in names if name.startswith("digits")] == digits


def test_share_of_wrong_labels_in_the_superclass():
    """Maple trees taken for oaks stay among the trees; taken for bears they do not."""
    maple, oak, bear = (FINE_NAMES.index(name) for name in ("maple_tree", "oak_tree", "bear"))
    noisy_labels = np.array([[oak, bear], [maple, oak], [oak, maple]])
    assert dataset_tables.share_in_superclass(noisy_labels, np.array([maple] * 3)) == 3 / 4


def test_compression_makes_images_worse():
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    ways = shipped_raters_tables._ways()
    off = {name: np.abs(make(image).astype(int) - image).mean() for name, make in ways.items()}
    assert off["as they are"] == 0
    assert 0 < off["JPEG of quality 75"] < off["JPEG of quality 10"]
    assert off["shrunk to 64x64 and enlarged again"] > 0
