"""The configs that every dataset has: what they are called, what they hold, what is said when there are no labels."""

import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.build.configs import dial_config
from noisy_label_datasets.labels import sources
from noisy_label_datasets.labels.derived_sources import ClassConditionalFlips, Dial, IndependentFlips
from noisy_label_datasets.labels.published import Published
from noisy_label_datasets.labels.sources import MissingLabelsError, Raters
from noisy_label_datasets.registration import builder_class, dataset_names
from rater_training.pools import POOLS
from tests.made_up import write_pool

LEVELS = ("low", "medium", "high")
RELEASED = ("cifar10_noisy", "cifar100_noisy", "pcam_noisy", "cats_vs_dogs_noisy")


@pytest.fixture(scope="module")
def data_dir(bases, tmp_path_factory):
    """A user's folder with raters for cats_vs_dogs_noisy/low, 30 % of whose labels are wrong."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(bases / "cats_vs_dogs", folder / "cats_vs_dogs")
    write_pool(folder, builder_class("cats_vs_dogs_noisy")(config="low", data_dir=folder).clean_dataset())
    return folder


def build(data_dir, config):
    builder = tfds.builder("cats_vs_dogs_noisy", config=config, data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare()
    return builder


@pytest.mark.parametrize("dataset", dataset_names())
def test_every_dataset_has_the_standard_configs(dataset):
    configs = {name: config.source for name, config in builder_class(dataset).builder_configs.items()}
    for level in LEVELS:
        assert configs[level] == Raters(level)
        assert configs[f"{level}_independent"] == IndependentFlips(of=level)
        assert configs[f"{level}_class_conditional"] == ClassConditionalFlips(of=level)
        assert configs.get(f"published_{level}") == (Published(level) if dataset in RELEASED else None)
    assert configs["rate_0.30"] == Dial(0.30, of="low")
    assert next(iter(configs)) == "low"


def test_every_pool_labels_a_config_of_a_dataset():
    """The images that the raters see included: size, channels, classes."""
    for pool in POOLS.values():
        builder = builder_class(pool.dataset)
        raters = builder.builder_configs[pool.level].source.pool  # another level, where the paper trained two alike
        assert Raters(raters) in {builder.builder_configs[pool.level].source, builder.builder_configs[raters].source}
        height_and_width = builder.RATER_IMAGE_SIZE or builder.BASE.image_shape[:2]
        if pool.name.endswith("_compact"):  # some see images smaller than the paper's pools do
            assert pool.image_shape[0] == pool.image_shape[1] <= height_and_width[0]
            height_and_width = pool.image_shape[:2]
        assert pool.image_shape == (*height_and_width, builder.BASE.image_shape[2])
        assert pool.num_classes == len(builder.BASE.class_names)


def test_arrays_for_raters_that_see_images_smaller(data_dir):
    builder = builder_class("cats_vs_dogs_noisy")(config="low", data_dir=data_dir)
    small, whole = builder.clean_dataset(image_size=(64, 64)), builder.clean_dataset()
    for split, examples in small.splits.items():
        assert examples.images.shape[1:] == (64, 64, 3)
        assert whole.splits[split].images.shape[1:] == (224, 224, 3)
        assert examples.ids.tolist() == whole.splits[split].ids.tolist()


@pytest.mark.parametrize("config", ["low_independent", "low_class_conditional", "rate_0.40"])
def test_made_labels_are_built_from_the_raters_of_their_level(data_dir, config):
    builder = build(data_dir, config)
    metadata = builder.info.metadata
    assert len(metadata["raters"]) == 3
    assert metadata["provenance"]["of"]["level"] == "low"
    assert {len(example["noisy_labels"]) for example in builder.as_data_source("test")} == {3}


@pytest.mark.parametrize("rate", [0.35, 0.437])
def test_any_rate_by_a_config_object(data_dir, rate):
    builder = build(data_dir, dial_config(rate))
    examples = list(builder.as_data_source("noisy_label_train"))
    wrong = np.mean([np.array(example["noisy_labels"]) != example["label"] for example in examples])
    assert abs(wrong - rate) <= 1 / (3 * len(examples))  # the next rate that so few labels can have


def test_names_of_dials_do_not_collide():
    configs = [dial_config(0.3), dial_config(0.3, of="medium"), dial_config(0.301), dial_config(0.3, rescaling="skill")]
    assert [config.name for config in configs] == ["rate_0.30", "medium_rate_0.30", "rate_0.301", "rate_0.30_skill"]
    assert configs[3].source == Dial(0.3, rescaling="skill")


@pytest.fixture
def nothing_shipped(monkeypatch):
    monkeypatch.setattr(sources, "is_finished", lambda folder: False)


@pytest.mark.parametrize("config", ["medium", "medium_independent", "medium_class_conditional"])
def test_labels_that_do_not_exist_yet(data_dir, config, nothing_shipped):
    with pytest.raises(MissingLabelsError) as caught:
        build(data_dir, config)
    said = str(caught.value)
    assert "train them with `noisy-labels train cats_vs_dogs_noisy/medium`" in said
    assert said.endswith("or take those of the paper's authors: cats_vs_dogs_noisy/published_medium")


def test_labels_that_nobody_published(tmp_path, nothing_shipped):
    builder = tfds.builder("cifar100_easy_noisy/high_independent", data_dir=tmp_path)
    with pytest.raises(MissingLabelsError, match=r"train them with `noisy-labels train cifar100_easy_noisy/high`$"):
        builder.builder_config.source.load(builder.label_context())
