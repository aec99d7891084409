"""Several devices and several processes give the loss curve of one device.

Other numbers of devices are processes of their own, since JAX settles that number when it starts. The
network has batch normalisation: its statistics have to be those of the whole batch, not of a device's share.
"""

import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from flax import nnx

from rater_training import architectures
from rater_training.config import Augmentation, RaterConfig
from rater_training.engine import calls, loop, raters
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.devices import DEFAULT_DEVICE, Cluster, Devices, DevicesError, connect
from tests.training.tiny import blobs

ROOT = pathlib.Path(__file__).parents[2]

RATER = RaterConfig(
    id="a",
    architecture="tiny_with_norm",
    steps=6,  # of a hundred and fifty images: into the second epoch
    batch_size=48,
    learning_rate=0.1,
    augmentation=Augmentation(crop_padding=1, flip=True),
    seed=5,
)
MEMBERS = [
    RATER,
    RaterConfig(**{**vars(RATER), "id": "b", "seed": 6, "steps": 4}),
    RaterConfig(**{**vars(RATER), "id": "wild", "seed": 6, "learning_rate": 1e30}),
    RaterConfig(**{**vars(RATER), "id": "c", "seed": 7, "learning_rate": 0.02}),
]


class TinyWithNorm(nnx.Module):
    """A hidden layer with batch normalisation."""

    def __init__(self, *, num_classes, image_shape, width, dtype, rngs):
        self.hidden = nnx.Linear(int(np.prod(image_shape)), 16, rngs=rngs)
        self.norm = nnx.BatchNorm(16, momentum=0.8, rngs=rngs)
        self.head = nnx.Linear(16, num_classes, rngs=rngs)

    def __call__(self, images, train):
        x = self.norm(self.hidden(images.reshape(len(images), -1)), use_running_average=not train)
        return self.head(nnx.relu(x))


def _report(trained, images):
    statistics = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(trained.devices.host(trained.statistics))])
    return {
        "losses": [loss for _, loss in trained.history],
        "logits": trained.logits(images, batch_size=21).tolist(),
        "statistics": statistics.tolist(),
    }


ALONE = ("resident", "streamed")


def curves(devices, alone=ALONE):
    """Trains alone, in these ways, and together on these devices; a loss for each step, and what comes of it."""
    images, labels = blobs(n=150)
    reports = {}
    for way in alone:
        trained = raters.train(RATER, images, labels, num_classes=3, devices=devices, streamed=way == "streamed")
        reports[way] = _report(trained, images)
    for rater, outcome in raters.train_vmapped(MEMBERS, images, labels, num_classes=3, devices=devices):
        if isinstance(outcome, loop.Diverged):
            reports[rater.id] = str(outcome)
        else:
            reports[rater.id] = _report(outcome, images)
    return reports


def prepare(patch):
    """Makes the network known, and has every call take one step: the whole loss curve is seen."""
    patch.setitem(architectures.ARCHITECTURES, "tiny_with_norm", TinyWithNorm)
    patch.setattr(calls, "SECONDS_PER_CALL", 1e-9)
    patch.setattr(calls, "FIRST_STEPS", 1)


def run_on_all(out, alone, coordinator=None, processes=None, process_id=None):
    """What the processes below run; process 0 writes what came of it."""
    if coordinator is not None:
        connect(Cluster(coordinator, int(processes), int(process_id)))
    prepare(pytest.MonkeyPatch())
    reports = curves(Devices.all(), alone)
    if jax.process_index() == 0:
        pathlib.Path(out).write_text(json.dumps({"devices": jax.device_count(), "reports": reports}))


def start(function, *arguments, devices=1):
    """Starts a process that calls a function of this module."""
    code = f"from tests.engine import test_devices; test_devices.{function}{arguments!r}"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
    }
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment)


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


def wait(*processes, seconds=300):
    deadline = time.monotonic() + seconds
    try:
        assert [process.wait(deadline - time.monotonic()) for process in processes] == [0] * len(processes)
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def one_device():
    """Of the default device of this process, whatever others there are."""
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch)
        return curves(DEFAULT_DEVICE)


def check_same(got, wanted, alone):
    assert set(got) == {alone, *(member.id for member in MEMBERS)}
    for name in (alone, "a", "b", "c"):
        assert len(got[name]["losses"]) == (4 if name == "b" else 6)
        for what in ("losses", "statistics", "logits"):
            np.testing.assert_allclose(got[name][what], wanted[name][what], rtol=1e-4, atol=1e-5, err_msg=name)
    assert got["wild"].startswith("rater wild: loss")


def test_one_device_resident_streamed_and_together_agree(one_device):
    for name in ("streamed", "a"):
        for what in ("losses", "statistics", "logits"):
            np.testing.assert_allclose(one_device[name][what], one_device["resident"][what], rtol=1e-4, atol=1e-5)


def test_eight_devices_give_the_loss_curve_of_one(one_device, tmp_path):
    """A batch of one that is alone on all of them, on images that each has; each of four members on two."""
    out = tmp_path / "out.json"
    wait(start("run_on_all", str(out), ("resident",), devices=8))
    result = json.loads(out.read_text())
    assert result["devices"] == 8
    check_same(result["reports"], one_device, "resident")


def test_two_processes_give_the_loss_curve_of_one(one_device, tmp_path):
    """Two of four members on each process's devices, and each process reads half of a batch of one that is alone."""
    out, coordinator = tmp_path / "out.json", f"localhost:{free_port()}"
    wait(*(start("run_on_all", str(out), ("streamed",), coordinator, 2, i, devices=2) for i in range(2)))
    result = json.loads(out.read_text())
    assert result["devices"] == 4
    check_same(result["reports"], one_device, "streamed")


def train_with_checkpoints(folder, out, coordinator, process_id, delay):
    connect(Cluster(coordinator, 2, process_id))
    prepare(pytest.MonkeyPatch())
    images, labels = blobs(n=150)
    steps = []
    trained = raters.train(
        dataclasses.replace(RATER, steps=12),
        images,
        labels,
        num_classes=3,
        on_progress=lambda step, loss: (steps.append(step), time.sleep(delay)),
        # Of the folder's name each process has its own: that of process 0 is the only one there is.
        checkpoints=Checkpoints(f"{folder}{process_id}", "fingerprint", every_seconds=0),
        devices=Devices.all(),
    )
    logits = trained.logits(images)
    if process_id == 0:
        np.savez(out, logits=logits, first_step=steps[0])


@pytest.mark.slow
def test_two_killed_processes_go_on_and_end_bit_identical(tmp_path):
    def begin(folder, out, delay):
        coordinator = f"localhost:{free_port()}"
        return [
            start("train_with_checkpoints", str(tmp_path / folder), str(tmp_path / out), coordinator, i, delay)
            for i in range(2)
        ]

    processes = begin("killed", "killed.npz", 0.5)
    deadline = time.monotonic() + 240
    while not any(p.name.isdigit() and int(p.name) >= 4 for p in (tmp_path / "killed0").glob("*")):
        assert all(process.poll() is None for process in processes), "the training ended before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.02)
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "killed1").exists()
    wait(*begin("killed", "resumed.npz", 0.0))
    wait(*begin("undisturbed", "undisturbed.npz", 0.0))
    resumed, undisturbed = np.load(tmp_path / "resumed.npz"), np.load(tmp_path / "undisturbed.npz")
    assert resumed["first_step"] > 4
    assert undisturbed["first_step"] == 1
    assert np.array_equal(resumed["logits"], undisturbed["logits"])


def test_how_processes_find_each_other_is_given_whole_or_not_at_all():
    with pytest.raises(DevicesError, match=r"all or none are given; \['processes', 'process_id'\] are not"):
        Cluster("localhost:1")
    with pytest.raises(DevicesError, match="process_id is 2; it has to be in 0 to 1 of 2 processes"):
        Cluster("localhost:1", 2, 2)


def test_a_batch_that_cannot_be_shared_evenly_is_refused():
    """On a mesh that names the one device eight times, which is enough to say so."""
    mesh = jax.sharding.AbstractMesh((1, 8), ("members", "data"))
    with pytest.raises(
        DevicesError, match=r"batches of 50 images, which 8 devices cannot share evenly; .* 1, 2, 5 can"
    ):
        Devices(mesh).check_batch(50, "a")
