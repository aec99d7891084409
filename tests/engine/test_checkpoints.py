"""Checkpoints: kept apart where raters are trained in parallel, and never taken for whole where they are damaged."""

import concurrent.futures
import logging

import jax.numpy as jnp
import numpy as np
import pytest

from rater_training.engine import calls, loop
from rater_training.engine.checkpoints import Checkpoints, DamagedCheckpointError
from rater_training.engine.compiled import Program
from rater_training.engine.examples import Examples


def test_raters_trained_in_parallel_keep_their_checkpoints_apart(tmp_path):
    def state(rater: int, step: int) -> dict:
        return {f"leaf{i}": jnp.full((20, 20), 1000 * rater + step, jnp.float32) for i in range(40)}

    def train(rater: int) -> np.ndarray:
        checkpoints = Checkpoints(tmp_path / str(rater), f"fingerprint {rater}")
        for step in range(8):
            checkpoints.save(state(rater, step), step=step, history=[(step, 0.5)])
        saved = checkpoints.restore(state(rater, 0))
        assert saved.history == ((7, 0.5),)
        return np.asarray(saved.state["leaf39"])

    with concurrent.futures.ThreadPoolExecutor(4) as raters:
        for rater, leaf in enumerate(raters.map(train, range(4))):
            np.testing.assert_array_equal(leaf, np.full((20, 20), 1000 * rater + 7))


def state(step):
    return {"a": np.full((30, 20), step, np.float32), "b": np.arange(step, step + 3)}


@pytest.fixture
def two(tmp_path):
    """Checkpoints of the steps 1 and 2."""
    checkpoints = Checkpoints(tmp_path / "c", "fingerprint")
    for step in (1, 2):
        checkpoints.save(state(step), step=step, history=[(1, 0.5), (step, 0.25)])
    return Checkpoints(tmp_path / "c", "fingerprint")


def files_of(folder):
    """The files of a checkpoint, the largest first."""
    return sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: -path.stat().st_size)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def alter(path):
    """Changes one byte in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(data)


def alter_history(folder):
    path = next(path for path in files_of(folder) if path.parent.name == "about" and b"0.25" in path.read_bytes())
    path.write_bytes(path.read_bytes().replace(b"0.25", b"0.75"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: cut(files_of(folder)[0]),
        lambda folder: [alter(path) for path in files_of(folder) if path.parent.name == "d"],  # the arrays' numbers
        alter_history,
        lambda folder: [path.write_bytes(b"null") for path in files_of(folder) if path.parent.name == "about"],
    ],
    ids=["cut", "altered", "altered history", "null"],
)
def test_in_place_of_a_damaged_checkpoint_the_one_before_is_restored(two, damage, caplog):
    damage(two.folder / "2")
    saved = two.restore(state(0))
    np.testing.assert_array_equal(saved.state["a"], state(1)["a"])
    assert saved.history == ((1, 0.5), (1, 0.25))
    assert f"{two.folder}/2 cannot be read" in caplog.text
    assert two.intact_steps(state(0)) == [1]
    two.save(state(2), step=2, history=[(2, 0.25)])  # in place of the damaged one
    assert two.restore(state(0)).history == ((2, 0.25),)


def test_where_all_are_damaged_the_error_names_the_folder(two):
    for step in (1, 2):
        for path in files_of(two.folder / str(step)):
            cut(path)
    for read in (two.restore, two.intact_steps):
        with pytest.raises(DamagedCheckpointError, match=rf"{two.folder}.* cannot be read: .*remove"):
            read(state(0))


def test_a_run_whose_last_checkpoint_is_damaged_ends_bit_identical(tmp_path, monkeypatch):
    def step(state, batch, hyper):
        return state * 0.9 + batch.arrays["x"].sum(0), batch.arrays["x"].mean()

    monkeypatch.setattr(calls, "SECONDS_PER_CALL", 1e-9)
    examples = Examples({"x": np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)})

    def run(steps, name="c"):
        return loop.Run(
            "sum", np.zeros(3, np.float32), steps, checkpoints=Checkpoints(tmp_path / name, "f", every_seconds=0)
        )

    program = Program(step, 8)
    loop.train(program, examples, run(12))
    cut(files_of(tmp_path / "c" / "11")[0])
    steps = []
    resumed = loop.train(program, examples, run(20), on_progress=lambda step, loss: steps.append(step))
    undisturbed = loop.train(program, examples, run(20, "other"))
    assert steps[0] == 10 + calls.FIRST_STEPS  # it went on from the one before, of step 10
    np.testing.assert_array_equal(resumed.state, undisturbed.state)


@pytest.mark.parametrize(
    "error",
    [ValueError("RESOURCE_EXHAUSTED: pages [os_error_code='28']\nand pages"), OSError(28, "No space left on device")],
    ids=["of orbax", "of the system"],
)
def test_a_full_disk_is_an_error_of_one_line(tmp_path, monkeypatch, caplog, error):
    checkpoints = Checkpoints(tmp_path / "checkpoints", "fingerprint")
    checkpoints.save({"a": np.ones(3)}, step=1, history=[])

    def full(*args, **kwargs):
        logging.getLogger("absl").error("a traceback")
        raise error

    monkeypatch.setattr(checkpoints._open(), "save", full)
    with pytest.raises(OSError, match="cannot write checkpoint 2: No space left on device") as caught:
        checkpoints.save({"a": np.ones(3)}, step=2, history=[])
    assert (caught.value.errno, caught.value.filename) == (28, str(tmp_path / "checkpoints"))
    assert "\n" not in str(caught.value)
    assert checkpoints.steps() == [1]
