"""Raters for a dataset that nobody has tuned a pool for."""

import pytest

from rater_training.architectures import ARCHITECTURES
from rater_training.config import ConfigError
from rater_training.pools.suited import batch_size_for, suited_raters


def suited(image_shape=(32, 32, 3), *, num_images=2000, count=10, pretrained=False):
    return suited_raters(
        image_shape,
        num_images=num_images,
        count=count,
        max_steps=400,
        flip=True,
        seed=5,
        pretrained=pretrained,
    )


@pytest.mark.parametrize("image_shape", [(4, 4, 1), (8, 8, 1), (16, 24, 3), (32, 32, 3), (28, 28, 1)])
def test_ten_raters_of_several_kinds_for_every_size(image_shape):
    raters = suited(image_shape)
    assert len({rater.id for rater in raters}) == 10
    assert [rater.seed for rater in raters] == list(range(5, 15))
    assert {rater.architecture for rater in raters} <= set(ARCHITECTURES)
    kinds = {(rater.architecture, rater.width, rater.learning_rate) for rater in raters}
    assert len(kinds) >= (3 if min(image_shape[:2]) < 8 else 9)
    compact = {rater.architecture for rater in raters if rater.architecture.startswith("compact")}
    assert len(compact) == (0 if image_shape[0] < 8 else 4 if image_shape[0] == 8 else 6)


def test_few_raters_are_of_different_families():
    assert len({rater.architecture for rater in suited(count=5)}) == 5


@pytest.mark.parametrize(("images", "batch"), [(16, 16), (60, 16), (128, 32), (300, 64), (512, 128), (10**5, 128)])
def test_the_batch_size_follows_the_number_of_images(images, batch):
    assert batch_size_for(images) == batch


def test_what_cannot_be_had_is_named():
    with pytest.raises(ConfigError, match="clean_label_train has 9 images; raters need 16 or more"):
        suited(num_images=9)
    with pytest.raises(ConfigError, match="the number of raters is 11; it has to be 2 to 10"):
        suited(count=11)
    with pytest.raises(ConfigError, match="published networks take colour images of 32 pixels a side or more"):
        suited((96, 96, 1), pretrained=True)
    assert {rater.architecture for rater in suited((96, 96, 3), pretrained=True)} >= {"efficientnet_lite2"}
