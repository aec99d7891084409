"""Training of raters: what it computes, that it repeats itself, and what it refuses."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from rater_training.config import Augmentation, ConfigError, RaterConfig
from rater_training.engine import batches, calls, loop, rater_step, raters
from rater_training.engine.checkpoints import CheckpointError, Checkpoints
from rater_training.engine.examples import Examples, TrainingDataError
from tests.training.tiny import blobs, leaves

NO_AUGMENTATION = Augmentation(crop_padding=0, flip=False)
RATER = RaterConfig(
    id="mlp",
    architecture="mlp",
    steps=60,
    batch_size=50,
    learning_rate=0.05,
    warmup_fraction=0.1,
    augmentation=Augmentation(crop_padding=1, flip=True),
    seed=5,
)


def test_it_learns_what_a_linear_model_of_scikit_learn_learns():
    from sklearn.linear_model import LogisticRegression

    images, labels = blobs()
    rater = dataclasses.replace(RATER, augmentation=NO_AUGMENTATION, architecture="softmax_regression", steps=300)
    trained = raters.train(rater, images, labels, num_classes=3)
    test_images, test_labels = blobs(seed=1)
    ours = (trained.logits(test_images).argmax(1) == test_labels).mean()
    scaled = images.reshape(len(images), -1) / 255
    peer = LogisticRegression(max_iter=1000).fit(scaled, labels)
    theirs = peer.score(test_images.reshape(len(test_images), -1) / 255, test_labels)
    assert theirs > 0.9
    assert ours > theirs - 0.03


def test_one_step_is_the_textbook_step():
    """Softmax regression from known weights: gradient, weight decay and Nesterov's step written out in NumPy."""
    images, labels = blobs(n=30)
    rater = dataclasses.replace(
        RATER,
        architecture="softmax_regression",
        steps=1,
        batch_size=30,
        warmup_fraction=0.0,
        weight_decay=0.1,
        label_smoothing=0.3,
        augmentation=NO_AUGMENTATION,
    )
    trained = raters.train(rater, images, labels, num_classes=3)
    start = raters.initial_state(rater, Examples({}, images), num_classes=3)[1]
    weights = {path[-1].key: np.asarray(leaf) for path, leaf in _paths(start.params)}
    x = (images.reshape(30, -1).astype(np.float64) - images.mean()) / images.std()
    logits = x @ weights["kernel"] + weights["bias"]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = 0.7 * np.eye(3)[labels] + 0.1
    kernel_gradient = x.T @ (p - targets) / 30 + 0.1 * weights["kernel"]
    bias_gradient = (p - targets).mean(0)
    got = {path[-1].key: np.asarray(leaf) for path, leaf in _paths(trained.params)}
    step = 0.05 * 1.9  # Nesterov's first step: the gradient plus momentum times it
    np.testing.assert_allclose(got["kernel"], weights["kernel"] - step * kernel_gradient, atol=1e-5)
    np.testing.assert_allclose(got["bias"], weights["bias"] - step * bias_gradient, atol=1e-5)


def _paths(tree):
    from flax import nnx

    return jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(tree))


def test_the_learning_rate_rises_and_falls_as_optax_says():
    import optax

    rater = dataclasses.replace(RATER, steps=100, warmup_fraction=0.2, learning_rate=0.4)
    hyper = rater_step.hyperparameters(rater)
    ours = [float(rater_step.learning_rate(np.float32(step), hyper)) for step in range(100)]
    assert ours[19] == pytest.approx(0.4)
    np.testing.assert_allclose(ours[:20], 0.4 * np.arange(1, 21) / 20, rtol=1e-5)
    cosine = optax.cosine_decay_schedule(0.4, 80)
    np.testing.assert_allclose(ours[20:], [cosine(step) for step in range(80)], atol=1e-6)


def test_a_rater_that_is_stopped_early_is_what_the_longer_training_was_at_that_step():
    images, labels = blobs(n=60)
    whole = dataclasses.replace(RATER, steps=12, warmup_fraction=0.25)
    seen = {}
    raters.train(
        whole,
        images,
        labels,
        num_classes=3,
        watched_at=(2, 5, 7),
        watch=lambda step, trained: seen.update({step: [leaf.copy() for leaf in leaves(trained)]}),
    )
    assert list(seen) == [2, 5, 7, 12]
    stopped = dataclasses.replace(whole, steps=5, schedule_steps=12)
    trained = raters.train(stopped, images, labels, num_classes=3)
    for ours, theirs in zip(leaves(trained), seen[5], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    shorter = raters.train(dataclasses.replace(whole, steps=5), images, labels, num_classes=3)
    assert any((ours != theirs).any() for ours, theirs in zip(leaves(shorter), seen[5], strict=True))


def test_a_schedule_is_not_shorter_than_the_training():
    with pytest.raises(ConfigError, match=r"schedule_steps is 4; it has to be None, or as many as steps \(5\) or more"):
        dataclasses.replace(RATER, steps=5, schedule_steps=4)


def test_drawn_images_are_crops_and_mirror_images():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 2)).astype(np.uint8)
    padding = 2
    framed = batches.padded(images, padding)
    chosen = np.array([3, 0, 3, 1] * 30)
    drawn = np.asarray(batches.draw(framed, chosen, jax.random.key(0), Augmentation(crop_padding=padding)))
    framed, seen = np.asarray(framed), set()
    for index, image in zip(chosen, drawn, strict=True):
        matches = [
            (i, j, flipped)
            for i in range(5)
            for j in range(5)
            for flipped in (False, True)
            if np.array_equal(image, framed[index, i : i + 4, j : j + 4][:, :: -1 if flipped else 1])
        ]
        assert matches
        seen.update(matches)
    assert len(seen) > 30  # of the 50 there are


def test_images_that_have_no_up_and_down_are_turned_too():
    """All eight symmetries of a square, by NumPy's `rot90` and its flips; streamed images as resident ones."""
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 1)).astype(np.uint8)
    chosen, turning = np.array([1, 0] * 40), Augmentation(crop_padding=0, turn=True)
    drawn = np.asarray(batches.draw(images, chosen, jax.random.key(0), turning))
    seen = set()
    for index, image in zip(chosen, drawn, strict=True):
        (match,) = [
            (quarters, flipped)
            for quarters in range(4)
            for flipped in (False, True)
            if np.array_equal(image, np.rot90(images[index][:, :: -1 if flipped else 1], quarters))
        ]
        seen.add(match)
    assert len(seen) == 8
    assert np.array_equal(batches.draw_each(images[chosen], jax.random.key(0), turning), drawn)
    oblong = np.zeros((20, 4, 6, 1), np.uint8)
    with pytest.raises(TrainingDataError, match="turns its images, which are 4x6"):
        raters.train(dataclasses.replace(RATER, augmentation=turning), oblong, np.arange(20) % 3, num_classes=3)


def test_every_image_is_seen_once_an_epoch():
    """With batches of a third and a rate that changes nothing, three steps' mean loss is the loss of the whole set."""
    images, labels = blobs(n=30)
    rater = dataclasses.replace(
        RATER,
        architecture="softmax_regression",
        steps=3,
        batch_size=10,
        learning_rate=1e-12,
        augmentation=NO_AUGMENTATION,
    )
    engine_losses = raters.train(rater, images, labels, num_classes=3).history
    whole = raters.train(dataclasses.replace(rater, batch_size=30, steps=1), images, labels, num_classes=3).history
    assert engine_losses[-1][1] == pytest.approx(whole[0][1], rel=1e-5)


def test_the_same_seed_gives_the_same_rater_and_another_seed_another():
    images, labels = blobs()
    first = raters.train(RATER, images, labels, num_classes=3)
    again = raters.train(RATER, images, labels, num_classes=3)
    other = raters.train(dataclasses.replace(RATER, seed=6), images, labels, num_classes=3)
    assert all(np.array_equal(a, b) for a, b in zip(leaves(first), leaves(again), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(leaves(first), leaves(other), strict=True))


def test_how_a_training_is_divided_into_calls_does_not_matter(monkeypatch):
    images, labels = blobs()
    whole = raters.train(RATER, images, labels, num_classes=3)
    monkeypatch.setattr(calls, "SECONDS_PER_CALL", 1e-9)  # one step a call
    monkeypatch.setattr(calls, "FIRST_STEPS", 1)
    by_steps = raters.train(RATER, images, labels, num_classes=3)
    assert len(by_steps.history) == RATER.steps > len(whole.history)
    assert all(np.array_equal(a, b) for a, b in zip(leaves(whole), leaves(by_steps), strict=True))


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    images, labels = blobs()
    raters.train(RATER, images, labels, num_classes=3, checkpoints=Checkpoints(tmp_path / "c", "one", every_seconds=0))
    with pytest.raises(CheckpointError, match="another configuration"):
        raters.train(RATER, images, labels, num_classes=3, checkpoints=Checkpoints(tmp_path / "c", "two"))


_KILLED = """
from tests.engine import test_raters
test_raters.train_slowly({folder!r})
"""


def train_slowly(folder):
    calls.SECONDS_PER_CALL = 1e-9
    images, labels = blobs()
    checkpoints = Checkpoints(folder, "fingerprint", every_seconds=0)
    return raters.train(
        RATER, images, labels, num_classes=3, checkpoints=checkpoints, on_progress=lambda step, loss: time.sleep(0.05)
    )


def test_a_killed_training_goes_on_and_ends_bit_identical(tmp_path):
    folder = tmp_path / "checkpoints"
    script = _KILLED.format(folder=str(folder))
    root = pathlib.Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    deadline = time.monotonic() + 120
    while len([p for p in folder.glob("*") if p.name.isdigit() and int(p.name) >= 8]) == 0:
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()

    images, labels = blobs()
    steps_done = []
    resumed = raters.train(
        RATER,
        images,
        labels,
        num_classes=3,
        checkpoints=Checkpoints(folder, "fingerprint", every_seconds=1e9),
        on_progress=lambda step, loss: steps_done.append(step),
    )
    assert steps_done[0] > 8  # it did not start anew
    undisturbed = raters.train(RATER, images, labels, num_classes=3)
    assert all(np.array_equal(a, b) for a, b in zip(leaves(resumed), leaves(undisturbed), strict=True))
    assert np.array_equal(resumed.logits(images), undisturbed.logits(images))


def test_a_rate_that_diverges_is_reported():
    images, labels = blobs()
    wild = dataclasses.replace(RATER, architecture="mlp", learning_rate=1e20, warmup_fraction=0.0)
    with pytest.raises(loop.Diverged, match=r"rater mlp: loss (nan|inf) by step \d+ of 60"):
        raters.train(wild, images, labels, num_classes=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images, labels: (images.astype(np.float32), labels), r"dtype float32; wanted \[n, h, w, c\] uint8"),
        (lambda images, labels: (images[..., 0], labels), r"shape \(300, 6, 6\)"),
        (lambda images, labels: (images / np.nan, labels), r"dtype float64; wanted \[n, h, w, c\] uint8"),
        (
            lambda images, labels: (np.array([images[0], images[1, :5]], object), labels[:2]),
            r"shape \(2,\) and dtype obj",
        ),
        (lambda images, labels: (images, labels * 1.0), "labels have dtype float64; wanted integers"),
        (lambda images, labels: (images, labels[:-1]), r"labels have shape \(299,\)"),
        (lambda images, labels: (images[:1], labels[:1]), "batches of 50 images, but there are 1"),
        (lambda images, labels: (images[labels != 1], labels[labels != 1]), r"lack the classes \[1\]"),
        (lambda images, labels: (images, labels + 1), "run from 1 to 3"),
    ],
)
def test_faulty_arrays_are_refused(change, message):
    images, labels = change(*blobs())
    with pytest.raises(TrainingDataError, match=message):
        raters.train(RATER, images, labels, num_classes=3)
