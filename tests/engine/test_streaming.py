"""Batches from the host are those of resident images, and no more of them are in memory than are needed."""

import dataclasses
import time

import jax
import numpy as np
import pytest

from rater_training.config import Augmentation, RaterConfig
from rater_training.engine import batches, calls, raters, streaming
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.compiled import Inputs, LoopState, Program
from rater_training.engine.examples import Examples, Normalization, is_streamed
from rater_training.engine.rater_step import RaterStep, hyperparameters
from tests.training.tiny import blobs, leaves

RATER = RaterConfig(
    id="a",
    architecture="mlp",
    width=0.25,
    steps=40,
    batch_size=32,
    learning_rate=0.05,
    augmentation=Augmentation(crop_padding=1, flip=True),
    seed=5,
)


def memory_mapped(folder, images):
    np.save(folder / "images.npy", images)
    return np.load(folder / "images.npy", mmap_mode="r")


def test_a_rater_is_the_same_streamed_and_resident(tmp_path):
    images, labels = blobs()
    resident = raters.train(RATER, images, labels, num_classes=3, streamed=False)
    streamed = raters.train(RATER, memory_mapped(tmp_path, images), labels, num_classes=3, streamed=True)
    for ours, theirs in zip(leaves(streamed), leaves(resident), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(streamed.logits(images), resident.logits(images), atol=1e-5)


def test_batches_and_their_augmentation_are_the_same_bytes():
    """Both written out by hand for a step of the second epoch."""
    images, labels = blobs(n=100)
    key = jax.random.key(RATER.seed)
    program = Program(None, 32, RATER.augmentation)
    source = streaming.Batches(Examples({"labels": labels}, images), program, key=key, steps=7)
    assert len(source) == 7
    step = 4  # three batches an epoch
    chosen = np.asarray(batches.order_of(key, 1, 100))[32:64]
    from_host, its_arrays, its_indices = source[step]
    assert np.array_equal(from_host, images[chosen])
    assert np.array_equal(its_arrays["labels"], labels[chosen])
    assert np.array_equal(its_indices, chosen)
    framed = batches.padded(images, 1)
    of_step = batches.augmentation_key(key, step)
    resident = batches.draw(framed, chosen, of_step, RATER.augmentation)
    streamed = batches.draw_each(np.pad(from_host, ((0, 0), (1, 1), (1, 1), (0, 0))), of_step, RATER.augmentation)
    assert np.array_equal(resident, streamed)
    assert not np.array_equal(resident, images[chosen])


class Counting:
    """Images that say how many of them were read."""

    def __init__(self, images):
        self._images, self.read = images, 0
        self.shape, self.ndim, self.dtype = images.shape, images.ndim, images.dtype

    def __len__(self):
        return len(self._images)

    def __getitem__(self, chosen):
        self.read += len(chosen)
        return self._images[chosen]


def test_only_a_few_batches_are_read_ahead():
    images, labels = blobs()
    counting = Counting(images)
    examples = Examples({"labels": labels}, counting, Normalization.of(images))
    graphdef, state = raters.initial_state(RATER, Examples({}, images), num_classes=3)
    program = Program(RaterStep(graphdef, 3), RATER.batch_size, RATER.augmentation)
    scale = (np.zeros(1, np.float32), np.full(1, 255, np.float32))
    inputs = Inputs(None, None, scale, jax.random.key(0), hyperparameters(RATER))
    loop_state = LoopState(jax.numpy.zeros((), int), state)
    with streaming.Stream(examples, inputs, program, seed=0, first=0, steps=40) as stream:
        for done in (5, 10, 15):
            loop_state, loss = stream.run(loop_state, 5)
            assert np.isfinite(loss)
            time.sleep(0.2)  # as long as it would take to read everything
            assert done * 32 <= counting.read <= (done + streaming.READ_AHEAD + streaming.THREADS) * 32


def test_a_stopped_training_goes_on_and_ends_bit_identical(tmp_path, monkeypatch):
    images, labels = blobs()
    undisturbed = raters.train(RATER, images, labels, num_classes=3, streamed=True)
    monkeypatch.setattr(calls, "SECONDS_PER_CALL", 1e-9)

    def stop(step, loss):
        if step >= 20:
            raise KeyboardInterrupt

    kept = Checkpoints(tmp_path / "c", "fingerprint", every_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        raters.train(RATER, images, labels, num_classes=3, streamed=True, checkpoints=kept, on_progress=stop)
    steps = []
    resumed = raters.train(
        RATER,
        images,
        labels,
        num_classes=3,
        streamed=True,
        checkpoints=Checkpoints(tmp_path / "c", "fingerprint"),
        on_progress=lambda step, loss: steps.append(step),
    )
    assert steps[0] > 15
    assert all(np.array_equal(a, b) for a, b in zip(leaves(resumed), leaves(undisturbed), strict=True))


def test_images_are_streamed_where_they_take_more_than_half_of_the_memory():
    class Small:
        def memory_bytes(self):
            return 2 * 100 * 8 * 8

    framed = Augmentation(crop_padding=1)
    assert not is_streamed(np.zeros((100, 6, 6, 1), np.uint8), framed, Small(), None)
    assert is_streamed(np.zeros((101, 6, 6, 1), np.uint8), framed, Small(), None)
    assert not is_streamed(np.zeros((101, 6, 6, 1), np.uint8), framed, Small(), False)
    assert is_streamed(np.zeros((1, 6, 6, 1), np.uint8), framed, Small(), True)


def test_one_rater_by_itself_is_on_the_default_device():
    images, labels = blobs(n=60)
    trained = raters.train(dataclasses.replace(RATER, steps=1), images, labels, num_classes=3)
    assert trained.devices.mesh is None
    assert trained.devices.memory_bytes() > 1 << 30
