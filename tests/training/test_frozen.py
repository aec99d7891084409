"""Raters of whose network the last layer alone is trained: against scikit-learn's and against the whole network."""

import dataclasses

import jax
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from noisy_label_datasets.labels.predictions import read_predictions
from rater_training.config import ConfigError
from rater_training.engine import frozen
from rater_training.engine.examples import Examples
from rater_training.engine.raters import initial_state
from rater_training.engine.trained import TrainedRater
from rater_training.training import pool
from tests.training.tiny import Recorder, pool_of, rater, tiny_dataset

CONFIG = rater(
    "a",
    architecture="efficientnet_lite0",
    pretrained=True,
    frozen=True,
    optimizer="adamw",
    steps=400,
    batch_size=20,
    learning_rate=0.01,
    weight_decay=0.0,
)


@pytest.fixture(scope="module", autouse=True)
def _small_batches():
    """Images are not to be filled up to 500, which go through the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen, "LABELLING_BATCH", 20)
        yield


@pytest.fixture(scope="module")
def images():
    """Two kinds of noise, fine and coarse, that the published network tells apart; [60, 32, 32, 3], and labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int32) % 2
    fine = rng.integers(0, 256, (60, 32, 32, 3))
    coarse = np.kron(rng.integers(0, 256, (60, 8, 8, 3)), np.ones((1, 4, 4, 1), int))
    mixed = np.where(labels[:, None, None, None] == 1, 0.45 * fine + 0.55 * coarse, 0.55 * fine + 0.45 * coarse)
    return mixed.astype(np.uint8), labels


@pytest.fixture(scope="module")
def trained(images):
    return frozen.train(CONFIG, *images, num_classes=2)


def test_logits_are_those_of_the_whole_network(trained, images):
    """What the features give must be what the network gives that is kept on disk: another way of computing it."""
    some = images[0][:20]
    kept, whole = trained.logits(images[0])[:20], TrainedRater.logits(trained, some, batch_size=20)
    np.testing.assert_allclose(kept, whole, atol=2e-3)
    mirrored = (whole + TrainedRater.logits(trained, some[:, :, ::-1], batch_size=20)) / 2
    np.testing.assert_allclose(trained.logits(some, with_flip=True), mirrored, atol=2e-3)
    assert not np.allclose(mirrored, whole, atol=2e-3)


def test_only_the_last_layer_has_learned(trained, images):
    _, start = initial_state(CONFIG, Examples((), images[0]), num_classes=2)
    before, after = (jax.tree.leaves_with_path(jax.device_get(params)) for params in (start.params, trained.params))
    changed = {jax.tree_util.keystr(path) for (path, a), (_, b) in zip(before, after, strict=True) if (a != b).any()}
    assert len(changed) == 2
    assert all("head" in name for name in changed)


def test_it_finds_the_layer_that_logistic_regression_finds(images):
    """Without decay and on separable classes both draw the same line, so that labels of other images agree."""
    pixels, labels = images
    config = dataclasses.replace(CONFIG, weight_decay=0.1, steps=1000)
    learned = frozen.train(config, pixels[:40], labels[:40], num_classes=2)
    given = frozen.features(config.architecture, _module(learned), pixels, learned.normalization)
    scaled = (given - given[:40].mean(0)) / np.maximum(given[:40].std(0), 1e-3)
    theirs = LogisticRegression(C=0.1).fit(scaled[:40], labels[:40])
    predicted = learned.logits(pixels).argmax(1)  # of features that are kept
    assert (predicted[40:] == theirs.predict(scaled[40:])).mean() >= 0.9
    assert (predicted[:40] == labels[:40]).all()


def _module(trained):
    from flax import nnx

    return nnx.merge(trained.graphdef, trained.params, trained.statistics)


def test_a_share_of_the_features_is_drawn_by_the_seed(images):
    few = {"features_share": 0.1, "steps": 5}
    modules = [
        _module(frozen.train(dataclasses.replace(CONFIG, **few, seed=seed), *images, num_classes=2))
        for seed in (0, 0, 1)
    ]
    seen = [np.flatnonzero(np.abs(module.head.kernel[...]).sum(1)) for module in modules]
    # 128 of 1,280; features that are always 0 learn nothing.
    assert all(64 < len(some) <= 128 for some in seen)
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
    assert np.array_equal(modules[0].head.kernel[...], modules[1].head.kernel[...])


def test_features_are_computed_once(images, monkeypatch):
    monkeypatch.setattr(frozen, "_kept", type(frozen._kept)())
    calls = []
    monkeypatch.setattr(frozen, "_computed", lambda module, pixels, scale: calls.append(1) or np.ones((60, 1280), "f"))
    for seed in (0, 1):
        learned = frozen.train(dataclasses.replace(CONFIG, steps=2, seed=seed), *images, num_classes=2)
        learned.logits(images[0])
    assert len(calls) == 1
    learned.logits(images[0][:, :, ::-1])
    assert len(calls) == 2


def test_a_pool_may_have_some(tmp_path, monkeypatch):
    """With features that take no network to compute, and two networks that are started from published weights."""
    monkeypatch.setattr(frozen, "_kept", type(frozen._kept)())
    monkeypatch.setattr(
        frozen, "_computed", lambda module, pixels, scale: np.resize(pixels / np.float32(255), (len(pixels), 1280))
    )
    dataset = tiny_dataset()
    in_colour = {
        split: dataclasses.replace(some, images=np.repeat(some.images, 3, axis=3))
        for split, some in dataset.splits.items()
    }
    dataset = dataclasses.replace(dataset, splits=in_colour)
    first = dataclasses.replace(CONFIG, id="b", steps=20, batch_size=16)
    second = dataclasses.replace(first, id="c", seed=5, features_share=0.5)
    listener = Recorder()
    config = dataclasses.replace(pool_of(rater("a"), first, second), image_shape=(4, 4, 3))
    assert pool.train_pool(dataset, config, tmp_path / "out", listener, num_vmapped=None)
    predictions = read_predictions(tmp_path / "out")
    assert [known["id"] for known in predictions.raters] == ["a", "b", "c"]
    assert predictions.raters[1]["experience"] == 20 * 16


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(ConfigError, match="frozen is True; it has to be False unless pretrained"):
        rater("a", frozen=True)
    with pytest.raises(ConfigError, match="features_share is 0; it has to be above 0 and at most 1"):
        dataclasses.replace(CONFIG, features_share=0)
    with pytest.raises(ConfigError, match=r"features_share is 0\.5; it has to be 1 unless frozen"):
        rater("a", features_share=0.5)
