"""Data, a pool and a listener that are over in no time: what the tests of training share."""

import dataclasses

import jax
import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset, LabelledImages
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from rater_training.config import Augmentation, PoolConfig, RaterConfig


def blobs(n=300, seed=0):
    """Images [n, 6, 6, 1] whose brightest third tells the class, with noise: easy, but not without learning."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 120, (n, 6, 6, 1))
    for i, label in enumerate(labels):
        images[i, 2 * label : 2 * label + 2] += 80
    return images.astype(np.uint8), labels


def leaves(trained):
    """The arrays of a trained rater."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves((trained.params, trained.statistics))]


def tiny_dataset(of_test=40):
    """Forty images a split, two classes; of the split `test` as many as are wanted."""
    rng = np.random.default_rng(0)
    splits = {}
    for split in SPLITS:
        n = of_test if split == "test" else 40
        labels = np.arange(n, dtype=np.int32) % 2
        images = (rng.integers(0, 150, (n, 4, 4, 1)) + 60 * labels[:, None, None, None]).astype(np.uint8)
        splits[split] = LabelledImages(np.array([f"{split}_{i}" for i in range(n)]), images, labels)
    plan = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
    return CleanDataset("tiny_noisy", "1.0.0", "tiny", "1.0.0", ("dark", "bright"), plan, splits)


def rater(name, **changes):
    """A rater of `tiny_dataset`."""
    config = RaterConfig(
        id=name,
        architecture="softmax_regression",
        steps=20,
        batch_size=16,
        learning_rate=0.05,
        augmentation=Augmentation(crop_padding=1, flip=False),
    )
    return dataclasses.replace(config, **changes)


def pool_of(*raters):
    """A pool for `tiny_dataset`."""
    return PoolConfig(
        name="tiny/high",
        dataset="tiny_noisy",
        level="high",
        raters=raters,
        image_shape=(4, 4, 1),
        num_classes=2,
        source="a test",
    )


class Recorder:
    """Remembers what a pool tells its listener."""

    def __init__(self):
        self.trained, self.kept, self.messages, self.first_steps = [], [], {}, {}

    def started(self, rater, position):
        pass

    def progressed(self, rater, step, loss):
        self.first_steps.setdefault(rater.id, step)

    def finished(self, rater, message, *, trained):
        (self.trained if trained else self.kept).append(rater.id)
        self.messages[rater.id] = message
