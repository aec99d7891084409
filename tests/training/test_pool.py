"""A pool: stored a rater at a time, resumed, complete without a rater that failed, and never mixed up."""

import concurrent.futures
import dataclasses
import json
import threading
import time

import jax
import numpy as np
import pytest

from noisy_label_datasets import lease
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.labels.predictions import PredictionsError, read_predictions
from rater_training.config import Augmentation, ConfigError, KerasWeights
from rater_training.engine import raters
from rater_training.engine.checkpoints import CheckpointError, Checkpoints
from rater_training.engine.devices import Devices
from rater_training.engine.examples import TrainingDataError
from rater_training.pretrained.imagenet import PUBLISHED, PretrainedError
from rater_training.training import pool
from rater_training.training.features import performance
from rater_training.training.one_rater import softmax
from rater_training.training.pool_folder import PoolError
from rater_training.training.saved import config_of
from tests.training.tiny import Recorder, pool_of, rater, tiny_dataset


class InterruptedAt(Recorder):
    def __init__(self, rater_id):
        super().__init__()
        self._rater_id = rater_id

    def started(self, rater, position):
        if rater.id == self._rater_id:
            raise KeyboardInterrupt


@pytest.fixture
def dataset():
    return tiny_dataset()


def test_the_artifact_holds_what_the_raters_say(dataset, tmp_path):
    first, second = rater("a", seed=1), rater("b", seed=2, steps=3)
    assert pool.train_pool(dataset, pool_of(first, second), tmp_path / "out", Recorder())
    predictions = read_predictions(tmp_path / "out")
    trained = raters.train(
        second,
        dataset.splits["clean_label_train"].images,
        dataset.splits["clean_label_train"].labels,
        num_classes=2,
    )
    for split in LABELLED_SPLITS:
        examples = dataset.splits[split]
        logits = trained.logits(examples.images)
        assert np.array_equal(predictions.ids[split], examples.ids)
        assert np.array_equal(predictions.noisy_labels[split][:, 1], logits.argmax(1))
        expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        np.testing.assert_allclose(predictions.probabilities(split)[:, 1], expected, atol=0.03)
    features = predictions.raters[1]
    labels = dataset.splits["clean_label_valid"].labels
    assert features["id"] == "b"
    assert features["experience"] == 3 * 16
    assert features["num_parameters"] == 16 * 2 + 2
    assert features["accuracy"] == pytest.approx((predictions.noisy_labels["clean_label_valid"][:, 1] == labels).mean())
    assert features["training_log"]["losses"][-1]["step"] == 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["examples.npz", "manifest.json", "raters"]


def test_an_interrupted_pool_goes_on_with_the_next_rater(dataset, tmp_path):
    tiny = pool_of(rater("a"), rater("b", seed=1), rater("c", seed=2))
    with pytest.raises(KeyboardInterrupt):
        pool.train_pool(dataset, tiny, tmp_path / "out", InterruptedAt("c"))
    with pytest.raises(PredictionsError, match="unfinished"):
        read_predictions(tmp_path / "out")
    recorder = Recorder()
    assert pool.train_pool(dataset, tiny, tmp_path / "out", recorder)
    assert (recorder.kept, recorder.trained) == (["a", "b"], ["c"])
    undisturbed = tmp_path / "undisturbed"
    pool.train_pool(dataset, tiny, undisturbed, Recorder())
    for split in LABELLED_SPLITS:
        assert np.array_equal(
            read_predictions(tmp_path / "out").codes[split].dense(), read_predictions(undisturbed).codes[split].dense()
        )


def test_raters_trained_beside_one_another_say_what_they_say_alone(dataset, tmp_path):
    tiny = pool_of(*(rater(name, seed=seed) for seed, name in enumerate("abcd")))
    pool.train_pool(dataset, tiny, tmp_path / "together", Recorder(), num_parallel=3)
    pool.train_pool(dataset, tiny, tmp_path / "alone", Recorder())
    together, alone = read_predictions(tmp_path / "together"), read_predictions(tmp_path / "alone")
    assert [features["id"] for features in together.raters] == list("abcd")
    assert all(np.array_equal(together.codes[split].dense(), alone.codes[split].dense()) for split in LABELLED_SPLITS)


class Blocked(Recorder):
    """Stops in its first call of `progressed` until it is let go."""

    def __init__(self):
        super().__init__()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def progressed(self, rater, step, loss):
        super().progressed(rater, step, loss)
        self.reached.set()
        assert self.go_on.wait(600)


def test_of_two_runs_on_one_folder_the_second_waits_for_the_rater_that_the_first_is_training(
    dataset, tmp_path, monkeypatch, caplog
):
    """Two runs used to delete each other's checkpoints."""
    monkeypatch.setattr(
        pool, "Checkpoints", lambda folder, fingerprint: Checkpoints(folder, fingerprint, every_seconds=0)
    )
    monkeypatch.setattr(lease, "_QUIET_SECONDS", 0.1)
    two = pool_of(rater("a", seed=1), rater("b", seed=2))
    first, second = Blocked(), Recorder()
    with concurrent.futures.ThreadPoolExecutor(2) as runs:
        of_first = runs.submit(pool.train_pool, dataset, two, tmp_path / "out", first)
        assert first.reached.wait(600)
        of_second = runs.submit(pool.train_pool, dataset, two, tmp_path / "out", second)
        deadline = time.monotonic() + 600
        while "waiting for process" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not second.first_steps
        first.go_on.set()
        assert of_first.result(600)
        assert of_second.result(600)
    assert "out/checkpoints/a.lease" in caplog.text
    assert sorted(first.trained + second.trained) == ["a", "b"]  # each once
    assert not (tmp_path / "out" / "checkpoints").exists()
    pool.train_pool(dataset, two, tmp_path / "alone", Recorder())
    together, alone = read_predictions(tmp_path / "out"), read_predictions(tmp_path / "alone")
    for split in LABELLED_SPLITS:
        assert np.array_equal(together.noisy_labels[split], alone.noisy_labels[split])


def test_raters_can_be_trained_in_several_runs(dataset, tmp_path):
    tiny = pool_of(rater("a"), rater("b", seed=1))
    assert not pool.train_pool(dataset, tiny, tmp_path / "out", Recorder(), only=("b",))
    assert pool.train_pool(dataset, tiny, tmp_path / "out", Recorder(), only=("a",))
    assert [features["id"] for features in read_predictions(tmp_path / "out").raters] == ["a", "b"]


def test_a_rater_that_diverges_is_left_out_with_its_reason(dataset, tmp_path):
    tiny = pool_of(rater("good"), rater("wild", architecture="mlp", learning_rate=1e20))
    recorder = Recorder()
    assert pool.train_pool(dataset, tiny, tmp_path / "out", recorder)
    predictions = read_predictions(tmp_path / "out")
    assert [features["id"] for features in predictions.raters] == ["good"]
    assert "loss" in predictions.failures["wild"]
    assert recorder.messages["wild"].startswith("FAILED")
    with pytest.raises(PoolError, match="every rater failed"):
        pool.train_pool(
            dataset,
            pool_of(rater("wild", architecture="mlp", learning_rate=1e20)),
            tmp_path / "none",
            Recorder(),
        )


def test_a_rater_of_another_configuration_is_not_taken_for_the_wanted_one(dataset, tmp_path):
    pool.train_pool(dataset, pool_of(rater("a")), tmp_path / "out", Recorder())
    with pytest.raises(PredictionsError, match="another configuration"):
        pool.train_pool(dataset, pool_of(rater("a", steps=21)), tmp_path / "out", Recorder())


def test_a_checkpoint_of_another_configuration_is_refused_and_kept(dataset, tmp_path, monkeypatch):
    class Eager(Checkpoints):
        def __init__(self, folder, fingerprint):
            super().__init__(folder, fingerprint, every_seconds=0)

    class StoppedAfter(Recorder):
        def progressed(self, rater, step, loss):
            if step > 4:
                raise KeyboardInterrupt

    monkeypatch.setattr(pool, "Checkpoints", Eager)
    with pytest.raises(KeyboardInterrupt):
        pool.train_pool(dataset, pool_of(rater("a")), tmp_path / "out", StoppedAfter())
    kept = tmp_path / "out" / "checkpoints" / "a"
    assert kept.exists()
    with pytest.raises(CheckpointError, match=r"checkpoints/a holds a checkpoint of another configuration .* remove"):
        pool.train_pool(dataset, pool_of(rater("a", steps=21)), tmp_path / "out", Recorder())
    assert kept.exists()
    assert pool.train_pool(dataset, pool_of(rater("a")), tmp_path / "out", Recorder())


def test_clean_labels_that_lack_a_class_are_refused_with_its_number(dataset, tmp_path):
    clean = dataset.splits["clean_label_train"]
    one_class = dataclasses.replace(clean, labels=np.zeros_like(clean.labels))
    faulty = dataclasses.replace(dataset, splits={**dataset.splits, "clean_label_train": one_class})
    two = pool_of(rater("a"), rater("b"))
    for num_vmapped in (1, None):
        with pytest.raises(TrainingDataError, match=r"lack the classes \[1\]; wanted every class from 0 to 1"):
            pool.train_pool(faulty, two, tmp_path / "out", Recorder(), num_vmapped=num_vmapped)


def test_what_several_devices_share_is_trained_one_at_a_time(dataset, tmp_path):
    two = Devices(jax.sharding.AbstractMesh((1, 2), ("members", "data")))
    with pytest.raises(PoolError, match="num_parallel is 3; on 2 devices, which share every batch, it has to be 1"):
        pool.train_pool(dataset, pool_of(rater("a")), tmp_path / "out", Recorder(), num_parallel=3, devices=two)


def test_a_pool_for_another_dataset_is_refused(dataset, tmp_path):
    other = dataclasses.replace(pool_of(rater("a")), num_classes=3)
    with pytest.raises(PoolError, match=r"\('tiny_noisy', \(4, 4, 1\), 3\).*\('tiny_noisy', \(4, 4, 1\), 2\)"):
        pool.train_pool(dataset, other, tmp_path / "out", Recorder())


def test_an_unknown_architecture_is_answered_with_those_there_are(dataset, tmp_path):
    with pytest.raises(PoolError, match=r"names the architectures resnet51; there are .*resnet50"):
        pool.train_pool(dataset, pool_of(rater("a", architecture="resnet51")), tmp_path / "out", Recorder())
    assert not (tmp_path / "out").exists()


def test_configurations_check_themselves():
    with pytest.raises(ConfigError, match="two raters of one id: a"):
        pool_of(rater("a"), rater("a", seed=1))
    with pytest.raises(ConfigError, match=r"learning_rate is -1; .* above 0"):
        rater("a", learning_rate=-1)
    with pytest.raises(ConfigError, match=r"dtype is 'float16'; .* one of float32, bfloat16"):
        rater("a", dtype="float16")
    with pytest.raises(ConfigError, match="has no rater z; it has a, b"):
        pool_of(rater("a"), rater("b")).select(("z",))


def test_the_fingerprint_tells_every_field_and_the_data_apart():
    base = rater("a")
    others = [rater("a", steps=21), rater("a", seed=1), rater("a", width=0.5), rater("a", augmentation=Augmentation())]
    prints = [config.fingerprint("data") for config in (base, *others)] + [base.fingerprint("other data")]
    assert len(set(prints)) == len(prints)
    assert base.fingerprint("data") == rater("a").fingerprint("data")


def test_the_fingerprint_of_stored_raters_stays_what_it_is():
    """Taken before fields were last renamed around it; with another one no stored or shipped rater would be found."""
    every_field = rater(
        "a",
        architecture="mlp",
        width=0.5,
        optimizer="adamw",
        momentum=0.8,
        weight_decay=0.01,
        warmup_fraction=0.1,
        label_smoothing=0.2,
        label_with_flip=True,
        dtype="bfloat16",
        seed=3,
    )
    hashed = "71e26888ca9755b111351b55b13ef45827a20eeeccc8d16cae332f68d175cc93"
    assert every_field.fingerprint("data") == hashed
    pretrained = dataclasses.replace(every_field, width=1.0, pretrained=True)
    assert pretrained.fingerprint("data") == "019b58ded957c982a0c78e83828ad2fd6493a9088f971f1c428f8e58c648a26a"


def test_of_a_file_of_weights_the_content_is_in_the_fingerprint_and_not_the_path(tmp_path):
    for name, content in (("one.h5", b"weights"), ("moved.h5", b"weights"), ("other.h5", b"others")):
        (tmp_path / name).write_bytes(content)
    one, moved, other = (
        rater("a", pretrained=KerasWeights.of(tmp_path / name)).fingerprint("data")
        for name in ("one.h5", "moved.h5", "other.h5")
    )
    assert one == moved != other
    config = rater("a", pretrained=KerasWeights.of(tmp_path / "one.h5"))
    assert config_of(json.loads(json.dumps(dataclasses.asdict(config)))) == config  # as saved weights have it
    with pytest.raises(ConfigError, match="sha256 is '1'; it has to be 64 hexadecimal digits"):
        KerasWeights("one.h5", "1")


def test_without_the_file_of_weights_or_with_another_one_no_rater_is_trained(dataset, tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"weights")
    wanted = pool_of(rater("a"), rater("b", architecture="mobilenet_v1", pretrained=KerasWeights.of(path)))
    path.write_bytes(b"others")
    recorder = Recorder()
    with pytest.raises(PretrainedError, match=r"weights\.h5 has the SHA-256 \w+; rater b is to start from \w+"):
        pool.train_pool(dataset, wanted, tmp_path / "out", recorder)
    path.unlink()
    with pytest.raises(PretrainedError, match=r"rater b starts from .*weights\.h5, which is not there"):
        pool.train_pool(dataset, wanted, tmp_path / "out", recorder)
    assert not recorder.trained


def test_a_rater_that_labels_with_flip_gives_the_mean_over_the_mirror_images(dataset, tmp_path):
    """Against the two logits of the same network, trained once more and averaged here."""
    config = rater("a", label_with_flip=True)
    clean, images = dataset.splits["clean_label_train"], dataset.splits["test"].images
    trained = raters.train(config, clean.images, clean.labels, num_classes=2)
    plain, mirrored = trained.logits(images), trained.logits(np.flip(images, axis=2))
    np.testing.assert_allclose(trained.logits(images, with_flip=True), (plain + mirrored) / 2, rtol=1e-6)
    assert not np.allclose(plain, mirrored)  # else the test could not tell
    assert pool.train_pool(dataset, pool_of(config), tmp_path / "out", Recorder())
    stored = read_predictions(tmp_path / "out")
    assert np.array_equal(stored.noisy_labels["test"][:, 0], (plain + mirrored).argmax(1))
    expected = softmax((plain + mirrored) / 2)
    np.testing.assert_allclose(stored.probabilities("test")[:, 0], expected, atol=0.03)


def test_a_field_at_its_default_leaves_the_fingerprint_alone():
    """So that a field which a later release adds does not disown the raters that are stored."""
    assert rater("a").fingerprint("data") == rater("a", label_with_flip=False).fingerprint("data")
    assert rater("a").fingerprint("data") != rater("a", label_with_flip=True).fingerprint("data")


def test_performance_by_hand():
    """Four examples, two classes; precision and recall of class 1 counted by hand."""
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    labels = np.array([0, 0, 1, 1])
    known = performance(probabilities, labels)
    assert known["accuracy"] == 0.5
    assert known["loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.3]).mean())
    assert known["confusion_matrix"] == [[1, 1], [1, 1]]
    # Ranked by probability: right at 0.8, wrong at 0.6, right at 0.3, wrong at 0.1.
    assert known["mean_average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert known["auc_roc"] == pytest.approx(3 / 4)


def test_without_published_weights_no_rater_is_trained(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(PUBLISHED, "efficientnet_lite0", ("no_such_package", "a.pth"))
    starts_from_them = rater("b", architecture="efficientnet_lite0", pretrained=True)
    listener = Recorder()
    with pytest.raises(PretrainedError, match="the ImageNet weights of efficientnet_lite0 are not installed"):
        pool.train_pool(dataset, pool_of(rater("a"), starts_from_them), tmp_path, listener)
    assert not listener.trained
    # The other can be trained without them.
    pool.train_pool(dataset, pool_of(rater("a"), starts_from_them), tmp_path, listener, only=("a",))
    assert listener.trained == ["a"]
    none = rater("c", pretrained=True)
    with pytest.raises(PretrainedError, match="no published weights are known of softmax_regression"):
        pool.train_pool(dataset, pool_of(none), tmp_path / "other", listener)
