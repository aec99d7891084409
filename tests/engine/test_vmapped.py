"""Vmapped raters: each is the rater it is alone, whatever becomes of the others."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.labels.predictions import read_predictions
from rater_training.config import Augmentation, RaterConfig
from rater_training.engine import calls, loop, raters
from rater_training.engine.checkpoints import CheckpointError, Checkpoints
from rater_training.engine.devices import DEFAULT_DEVICE
from rater_training.training import pool
from tests.training.tiny import Recorder, blobs, leaves, pool_of, tiny_dataset

RATER = RaterConfig(
    id="a",
    architecture="mlp",
    width=0.25,
    steps=20,
    batch_size=40,
    learning_rate=0.05,
    augmentation=Augmentation(crop_padding=1, flip=True),
    seed=5,
)
GROUP = [
    RATER,
    dataclasses.replace(RATER, id="b", seed=6, learning_rate=0.01, steps=13, weight_decay=0.1),
    dataclasses.replace(RATER, id="wild", seed=7, learning_rate=1e20),
    dataclasses.replace(RATER, id="c", seed=8, warmup_fraction=0.3, label_smoothing=0.2, momentum=0.5),
]


def test_each_is_the_rater_it_is_alone_and_a_diverging_one_takes_none_with_it():
    images, labels = blobs()
    done = list(raters.train_vmapped(GROUP, images, labels, num_classes=3))
    assert [rater.id for rater, _ in done] == ["wild", "b", "a", "c"]  # as they come to their end
    outcomes = {rater.id: outcome for rater, outcome in done}
    assert isinstance(outcomes["wild"], loop.Diverged)
    assert "rater wild: loss" in str(outcomes["wild"])
    for rater in (GROUP[0], GROUP[1], GROUP[3]):
        alone, together = raters.train(rater, images, labels, num_classes=3), outcomes[rater.id]
        assert together.history[-1][0] == rater.steps
        assert together.num_parameters == alone.num_parameters
        for ours, theirs in zip(leaves(together), leaves(alone), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-6)
        np.testing.assert_allclose(together.logits(images), alone.logits(images), atol=1e-5)


def test_a_group_that_is_trained_by_adamw_goes_on_from_its_checkpoints_and_is_the_raters_alone(tmp_path):
    images, labels = blobs()
    first = dataclasses.replace(RATER, optimizer="adamw", learning_rate=0.01, weight_decay=0.1)
    group = [first, dataclasses.replace(first, id="b", seed=1, momentum=0.8)]
    kept = {rater.id: Checkpoints(tmp_path / rater.id, rater.id, every_seconds=0) for rater in group}

    def stop(rater, step, loss):
        if step > first.steps // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(raters.train_vmapped(group, images, labels, num_classes=3, checkpoints=kept, on_progress=stop))
    steps = []
    resumed = raters.train_vmapped(
        group, images, labels, num_classes=3, checkpoints=kept, on_progress=lambda rater, step, loss: steps.append(step)
    )
    undisturbed = raters.train_vmapped(group, images, labels, num_classes=3)
    for (rater, again), (_, once) in zip(resumed, undisturbed, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(leaves(again), leaves(once), strict=True))
        alone = raters.train(rater, images, labels, num_classes=3)
        np.testing.assert_allclose(again.logits(images), alone.logits(images), atol=1e-4)
    assert min(steps) > first.steps // 4  # it did not start anew


@pytest.mark.slow
def test_convolutions_and_batch_statistics_of_members_are_those_alone():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = (rng.integers(0, 120, (60, 8, 8, 1)) + 40 * labels[:, None, None, None]).astype(np.uint8)
    first = dataclasses.replace(RATER, architecture="compact_vgg", batch_size=20, steps=3)
    group = [first, dataclasses.replace(first, id="b", seed=1, learning_rate=0.2)]
    for rater, together in raters.train_vmapped(group, images, labels, num_classes=3):
        alone = raters.train(rater, images, labels, num_classes=3)
        np.testing.assert_allclose(together.logits(images), alone.logits(images), atol=1e-4)
        for ours, theirs in zip(leaves(together), leaves(alone), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_what_has_to_be_the_same_in_a_group():
    others = [
        dataclasses.replace(RATER, id="width", width=1.0),
        dataclasses.replace(RATER, id="batch", batch_size=20),
        dataclasses.replace(RATER, id="dtype", dtype="bfloat16"),
        dataclasses.replace(RATER, id="optimizer", optimizer="adamw"),
        dataclasses.replace(RATER, id="crop", augmentation=Augmentation(crop_padding=2)),
        dataclasses.replace(RATER, id="softmax", architecture="softmax_regression"),
    ]
    groups = raters.vmappable_groups([GROUP[0], *others, *GROUP[1:]])
    assert [[rater.id for rater in group] for group in groups] == [
        ["a", "b", "wild", "c"],
        *[[rater.id] for rater in others],
    ]
    assert [len(group) for group in raters.vmappable_groups(GROUP, 3)] == [3, 1]


class Stored:
    def __init__(self, *steps):
        self._steps = steps

    def intact_steps(self, state):
        return list(self._steps)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({}, [(0, "a b wild c")]),
        # Killed while checkpoints were written: the step before is one that all have.
        ({"a": (300, 600), "b": (300, 600), "wild": (0, 300), "c": (0, 300)}, [(300, "a b wild c")]),
        # One diverged long ago, one is new: they begin where they are, and the others go on together.
        ({"a": (300, 600), "b": (300, 600), "wild": (20,)}, [(600, "a b"), (20, "wild"), (0, "c")]),
    ],
)
def test_raters_go_on_from_a_step_of_which_all_have_a_checkpoint(stored, expected):
    runs = [loop.Run(rater.id, (), 1000, checkpoints=Stored(*stored.get(rater.id, ()))) for rater in GROUP]
    found = loop.resume_groups(runs, DEFAULT_DEVICE)
    assert [(step, " ".join(run.name for run in group)) for step, group in found] == expected


def pool_and_dataset():
    """Two raters of equal steps, one that is done earlier and one that diverges, and a rater of another kind."""
    raters = [dataclasses.replace(rater, batch_size=16, steps=10 if rater.id == "b" else 40) for rater in GROUP]
    return pool_of(*raters, dataclasses.replace(RATER, id="other", architecture="softmax_regression")), tiny_dataset()


@pytest.fixture(scope="module")
def trained_together(tmp_path_factory):
    """The folder of the pool, trained together and undisturbed, and what was told meanwhile."""
    folder, (tiny, dataset), recorder = tmp_path_factory.mktemp("together"), pool_and_dataset(), Recorder()
    assert pool.train_pool(dataset, tiny, folder, recorder, num_vmapped=None)
    return folder, recorder


def test_a_pool_trained_together_is_the_pool_trained_alone(trained_together, tmp_path):
    folder, recorder = trained_together
    tiny, dataset = pool_and_dataset()
    assert pool.train_pool(dataset, tiny, tmp_path, Recorder())
    together, alone = read_predictions(folder), read_predictions(tmp_path)
    assert [rater["id"] for rater in together.raters] == ["a", "b", "c", "other"]
    assert list(together.failures) == ["wild"] == list(alone.failures)
    assert recorder.messages["wild"].startswith("FAILED")
    for split in LABELLED_SPLITS:
        assert np.array_equal(together.noisy_labels[split], alone.noisy_labels[split])
        np.testing.assert_allclose(together.probabilities(split), alone.probabilities(split), atol=0.03)
    assert not (folder / "checkpoints").exists()


_KILLED = """
from tests.engine import test_vmapped
test_vmapped.train_slowly({folder!r})
"""


def train_slowly(folder):
    """One step a call, a checkpoint after each."""
    calls.SECONDS_PER_CALL = 1e-9
    checkpoints = pool.Checkpoints
    pool.Checkpoints = lambda folder, fingerprint: checkpoints(folder, fingerprint, every_seconds=0)
    tiny, dataset = pool_and_dataset()
    pool.train_pool(dataset, tiny, folder, Recorder(), num_vmapped=None)


def test_a_killed_group_goes_on_and_ends_bit_identical(trained_together, tmp_path):
    """Killed when one of the group is stored, one has diverged and two are in training."""
    folder, root = tmp_path / "out", pathlib.Path(__file__).parents[2]
    script = _KILLED.format(folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    deadline = time.monotonic() + 240
    of_c = folder / "checkpoints" / "c"
    while not any(path.name.isdigit() and int(path.name) >= 14 for path in of_c.glob("*")):
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.stem for path in (folder / "raters").iterdir()] == ["b"]

    tiny, dataset = pool_and_dataset()
    recorder = Recorder()
    assert pool.train_pool(dataset, tiny, folder, recorder, num_vmapped=None)
    assert recorder.kept == ["b"]
    assert recorder.first_steps["a"] > 14  # it did not start anew
    undisturbed, _ = trained_together
    for name in ("a", "b", "c", "other"):
        with (
            np.load(folder / "raters" / f"{name}.npz") as resumed,
            np.load(undisturbed / "raters" / f"{name}.npz") as wanted,
        ):
            said = [key for key in wanted if key.endswith((".codes", ".labels"))]
            assert len(said) == 2 * len(LABELLED_SPLITS)
            assert all(np.array_equal(resumed[key], wanted[key]) for key in said), name


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    images, labels = blobs()
    stores = {rater.id: Checkpoints(tmp_path / rater.id, "one", every_seconds=0) for rater in GROUP}
    list(raters.train_vmapped(GROUP, images, labels, num_classes=3, checkpoints=stores))
    others = {rater.id: Checkpoints(tmp_path / rater.id, "two") for rater in GROUP}
    with pytest.raises(CheckpointError, match=r"/a holds a checkpoint of another configuration"):
        list(raters.train_vmapped([GROUP[0], GROUP[3]], images, labels, num_classes=3, checkpoints=others))


def test_how_a_training_is_divided_into_calls_does_not_matter(monkeypatch):
    images, labels = blobs()
    whole = dict(raters.train_vmapped(GROUP[:2], images, labels, num_classes=3))
    monkeypatch.setattr(calls, "SECONDS_PER_CALL", 1e-9)
    by_steps = dict(raters.train_vmapped(GROUP[:2], images, labels, num_classes=3))
    for rater in GROUP[:2]:
        assert len(by_steps[rater].history) > len(whole[rater].history)
        assert all(np.array_equal(a, b) for a, b in zip(leaves(by_steps[rater]), leaves(whole[rater]), strict=True))
