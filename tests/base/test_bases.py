"""Base datasets of arrays, and the encoding of images. TFDS bases: tests/builders/test_cifar10_noisy.py."""

import dataclasses

import numpy as np
import pytest

from noisy_label_datasets.base.arrays import LabelledImages
from noisy_label_datasets.base.bases import BATCH_SIZE, ArraysBase, RelabelledBase, TfdsBase, decode_image, encode_png
from noisy_label_datasets.base.errors import BaseDatasetError


def shapes(n=BATCH_SIZE + 3):
    rng = np.random.default_rng(0)
    return {
        "train": LabelledImages(
            ids=np.array([f"shape_{i}" for i in range(n)]),
            images=rng.integers(0, 256, (n, 6, 5, 3), dtype=np.uint8),
            labels=rng.integers(0, 2, n, dtype=np.int32),
        )
    }


BASE = ArraysBase(name="shapes", version="1.0.0", class_names=("a", "b"), image_shape=(6, 5, 3), load=shapes)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_pixel(channels):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, channels), dtype=np.uint8)
    encoded = encode_png(image)
    assert encoded.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decode_image(encoded, channels), image)


def test_every_example_once():
    examples = shapes()["train"]
    batches = list(BASE.batches(None, ["train"]))
    assert [len(batch.ids) for batch in batches] == [BATCH_SIZE, 3]
    assert [id_ for batch in batches for id_ in batch.ids] == examples.ids.tolist()
    assert [label for batch in batches for label in batch.labels] == examples.labels.tolist()
    np.testing.assert_array_equal(decode_image(batches[1].images[2], 3), examples.images[-1])


def test_arrays_that_are_not_as_declared():
    with pytest.raises(BaseDatasetError, match=r"shapes has no split 'test'; it has \['train'\]"):
        next(BASE.batches(None, ["test"]))
    taller = ArraysBase(name="shapes", version="1.0.0", class_names=("a", "b"), image_shape=(7, 5, 3), load=shapes)
    with pytest.raises(BaseDatasetError, match=r"images of shapes are \(6, 5, 3\), not \(7, 5, 3\)"):
        next(taller.batches(None, ["train"]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a\nb", "c", "d"), r"class 0 has the name 'a\\nb': with a control character or line break in it"),
        (("", "b", "c"), "class 0 has the name '': empty"),
        (("a", "b", "b"), "classes 1 and 2 have the same name 'b'"),
        (("a", 2), "class 1 has the name 2, which is not text"),
        ("ab", "class names are a list of texts"),
    ],
)
def test_class_names_that_would_not_survive_are_refused_where_a_base_is_declared(names, message):
    """TFDS stores names as lines: the first of these came back as four classes, the second as two."""
    tfds_base = TfdsBase(name="shapes", version="1.0.0", class_names=("a", "b"), image_shape=(6, 5, 3))
    for declare in (
        lambda: dataclasses.replace(BASE, class_names=names),
        lambda: dataclasses.replace(tfds_base, class_names=names),
        lambda: RelabelledBase(BASE, names, relabel=lambda batch: batch.labels, original_label="shape"),
    ):
        with pytest.raises(BaseDatasetError, match=f"^label of the base dataset shapes: {message}"):
            declare()
    with pytest.raises(BaseDatasetError, match=f"^coarse_label of the base dataset shapes: {message}"):
        dataclasses.replace(tfds_base, extra_labels={"coarse_label": names})
