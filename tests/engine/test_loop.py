"""The training loop with step functions that are none of rater training."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rater_training.config import Augmentation
from rater_training.engine import calls, loop
from rater_training.engine.batches import augmentation_key, order_of, step_key
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.compiled import Program, run_steps
from rater_training.engine.examples import Examples, Normalization, TrainingDataError
from tests.training.tiny import blobs

IMAGES, LABELS = blobs(n=60)
TARGETS = np.float32(0.8) * np.eye(3, dtype=np.float32)[LABELS] + np.float32(0.2 / 3)
WEIGHTS = np.linspace(0.5, 1.5, 60).astype(np.float16)
ARRAYS = {"targets": TARGETS, "more": (LABELS.astype(np.int8), WEIGHTS)}
BATCH = 20


def start(seed=0):
    """Two linear networks, a counter per example, and the sum of losses since it was last read."""
    networks = [0.01 * jax.random.normal(jax.random.key(seed + i), (36, 3)) for i in (1, 2)]
    return {"networks": networks, "seen": jnp.zeros(60, jnp.int32), "sum": jnp.zeros(())}


def losses_of(network, images, targets, weights):
    logits = images.reshape(len(images), -1) @ network
    return weights.astype(jnp.float32) * optax.softmax_cross_entropy(logits, targets)


def two_networks(state, batch, hyper):
    """Each network learns from the examples of small loss to the other (as in Co-Teaching), on mixed images."""
    _, weights = batch.arrays["more"]
    mix = jax.random.uniform(batch.key, (len(weights), 1, 1, 1), minval=0.7)
    images = mix * batch.images + (1 - mix) * batch.images[::-1]
    each = [losses_of(network, images, batch.arrays["targets"], weights) for network in state["networks"]]
    kept = 15 - 5 * jnp.minimum(batch.epoch, 1)  # a schedule of epochs
    new = []
    for network, of_peer in zip(state["networks"], each[::-1], strict=True):
        keep = jnp.argsort(jnp.argsort(of_peer)) < kept

        def mean(network, keep=keep):
            return (keep * losses_of(network, images, batch.arrays["targets"], weights)).sum() / kept

        new.append(network - hyper["rate"] / (1 + batch.step) * jax.grad(mean)(network))
    loss = (each[0].mean() + each[1].mean()) / 2
    seen = state["seen"].at[batch.indices].add(1)
    return {"networks": new, "seen": seen, "sum": state["sum"] + loss}, loss


def run(**changes):
    return dataclasses.replace(loop.Run("mine", start(), steps=9, seed=4, hyper={"rate": np.float32(0.1)}), **changes)


def program(**changes):
    return dataclasses.replace(Program(two_networks, BATCH, Augmentation(1, True)), **changes)


def same(ours, theirs, **tolerance):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)


def by_hand(seed, steps):
    """The same in NumPy and Python: order, crop, flip, mixing and both updates, one step after the other."""
    key = jax.random.key(seed)
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)))
    networks = [np.asarray(network, np.float64) for network in start()["networks"]]
    losses = []
    for step in range(steps):
        order = np.asarray(order_of(key, step // 3, 60))
        chosen = order[step % 3 * BATCH : (step % 3 + 1) * BATCH]
        crop_key, flip_key = jax.random.split(augmentation_key(key, step))
        offsets = np.asarray(jax.random.randint(crop_key, (2, BATCH, 1), 0, 3))[..., 0]
        flips = np.asarray(jax.random.bernoulli(flip_key, 0.5, (BATCH, 1)))[:, 0]
        pixels = np.stack(
            [
                padded[i, r : r + 6, c : c + 6][:, :: -1 if f else 1]
                for i, r, c, f in zip(chosen, *offsets, flips, strict=True)
            ]
        )
        x = (pixels - IMAGES.mean()) / IMAGES.std()
        mix = np.asarray(jax.random.uniform(step_key(key, step), (BATCH, 1, 1, 1), minval=0.7))
        x = (mix * x + (1 - mix) * x[::-1]).reshape(BATCH, -1)
        each = []
        for network in networks:
            logits = x @ network
            log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            each.append((-(TARGETS[chosen] * log_p).sum(1) * WEIGHTS[chosen], np.exp(log_p)))
        losses.append((each[0][0].mean() + each[1][0].mean()) / 2)
        kept = 15 if step < 3 else 10
        for i in (0, 1):
            keep = np.argsort(each[1 - i][0])[:kept]
            errors = (each[i][1] - TARGETS[chosen])[keep] * WEIGHTS[chosen][keep, None]
            networks[i] = networks[i] - 0.1 / (1 + step) * x[keep].T @ errors / kept
    return networks, losses


def test_two_networks_mixed_images_soft_targets_and_weights():
    result = loop.train(program(), Examples(ARRAYS, IMAGES), run())
    networks, losses = by_hand(seed=4, steps=9)
    same(result.state["networks"], networks, atol=2e-5)
    np.testing.assert_array_equal(result.state["seen"], np.full(60, 3))  # three whole epochs
    assert result.history[-1][0] == 9
    assert float(result.state["sum"]) == pytest.approx(sum(losses), rel=1e-4)


def test_they_are_the_same_streamed():
    examples = Examples(ARRAYS, IMAGES)
    resident = loop.train(program(), examples, run(), streamed=False)
    streamed = loop.train(program(), examples, run(), streamed=True)
    same(streamed.state, resident.state, atol=1e-5)


def test_vmapped_runs_are_those_alone_and_take_numbers_and_arrays_of_their_own():
    def step(state, batch, hyper):
        images = batch.images.reshape(BATCH, -1)
        labels = hyper["labels"][batch.indices]  # of each run its own
        loss, gradient = jax.value_and_grad(
            lambda w: optax.softmax_cross_entropy_with_integer_labels(images @ w, labels).mean()
        )(state)
        return state - hyper["rate"] * gradient, loss

    runs = [
        loop.Run(str(i), start(i)["networks"][0], 6, seed=i, hyper={"rate": np.float32(0.1 + i), "labels": labels})
        for i, labels in enumerate([LABELS, (LABELS + 1) % 3])
    ]
    examples = Examples({}, IMAGES)
    outcomes = {run.name: result for run, result in loop.train_vmapped(Program(step, BATCH), examples, runs)}
    for run in runs:
        alone = loop.train(Program(step, BATCH), examples, run)
        same(outcomes[run.name].state, alone.state, atol=1e-5)


def test_examples_without_images():
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)

    def step(state, batch, hyper):
        assert batch.images is None
        return state + batch.arrays["x"].sum(0), batch.arrays["x"].mean()

    result = loop.train(Program(step, BATCH), Examples({"x": features}), loop.Run("sums", np.zeros(4, np.float32), 3))
    np.testing.assert_allclose(result.state, features.sum(0), rtol=1e-4, atol=1e-5)
    assert result.history[-1][1] == pytest.approx(features.mean(), abs=1e-5)


def test_a_step_has_random_numbers_of_its_own():
    """None of the keys that order and augmentation have, and another in every step and run."""
    keys = [
        tuple(np.ravel(jax.random.key_data(key)).tolist())
        for seed in (0, 1)
        for step in (0, 1, 2)
        for base in [jax.random.key(seed)]
        for key in (step_key(base, step), augmentation_key(base, step), *jax.random.split(base))
    ]
    assert len(set(keys)) == 2 * (3 + 3 + 2)


def test_states_of_a_caller_stay_usable_and_may_hold_an_array_twice():
    shared = jnp.ones((36, 3))
    state = {"networks": [shared, shared], "seen": jnp.zeros(60, jnp.int32), "sum": jnp.zeros(())}
    result = loop.train(program(), Examples(ARRAYS, IMAGES), run(state=state))
    np.testing.assert_array_equal(state["networks"][0], np.ones((36, 3)))
    assert not np.array_equal(result.state["networks"][0], np.ones((36, 3)))


def test_the_state_is_donated(monkeypatch):
    used = []

    def spy(loop_state, active, count, **settings):
        used.append(loop_state.state["networks"][0])
        return run_steps(loop_state, active, count, **settings)

    monkeypatch.setattr(loop, "run_steps", spy)
    loop.train(program(), Examples(ARRAYS, IMAGES), run())
    assert used
    assert all(array.is_deleted() for array in used)


@dataclasses.dataclass
class Curve:
    """An evaluation: the mean loss since the last one, read from the state and set back."""

    every: int = 3

    def __call__(self, step, state):
        entry = {"step": step, "loss": float(state["sum"]) / self.every, "seen": np.asarray(state["seen"]).tolist()}
        return {**state, "sum": jnp.zeros(())}, entry


def test_an_evaluation_at_some_steps_and_the_last():
    evaluation = loop.Evaluation((1, 2, 5), lambda step, state: (state, step))
    result = loop.train(program(), Examples(ARRAYS, IMAGES), run(steps=8), evaluation=evaluation)
    assert [step for step, _ in result.curve] == [1, 2, 5, 8]


def test_an_evaluation_sees_the_state_at_its_steps_and_may_change_it():
    progress = []
    result = loop.train(
        program(),
        Examples(ARRAYS, IMAGES),
        run(steps=8),
        evaluation=loop.Evaluation(3, Curve()),
        on_progress=lambda step, loss: progress.append(step),
    )
    _, losses = by_hand(seed=4, steps=8)
    assert [step for step, _ in result.curve] == [3, 6, 8]
    assert {3, 6, 8} <= set(progress)
    np.testing.assert_allclose(
        [entry["loss"] for _, entry in result.curve[:2]], np.reshape(losses[:6], (2, 3)).mean(1), rtol=1e-4
    )
    assert result.curve[0][1]["seen"] == [1] * 60
    assert float(result.state["sum"]) == 0


def test_a_stopped_run_resumes_with_its_curve_bit_identical(tmp_path, monkeypatch):
    examples, evaluation = Examples(ARRAYS, IMAGES), loop.Evaluation(3, Curve())
    undisturbed = loop.train(program(), examples, run(), evaluation=evaluation)
    monkeypatch.setattr(calls, "SECONDS_PER_CALL", 1e-9)

    def stop(step, loss):
        if step == 6:
            raise KeyboardInterrupt

    stopped = run(checkpoints=Checkpoints(tmp_path / "c", "mine", every_seconds=0))
    with pytest.raises(KeyboardInterrupt):
        loop.train(program(), examples, stopped, evaluation=evaluation, on_progress=stop)
    steps = []
    resumed = loop.train(
        program(),
        examples,
        run(checkpoints=Checkpoints(tmp_path / "c", "mine")),
        evaluation=evaluation,
        on_progress=lambda step, loss: steps.append(step),
    )
    assert steps[0] == 6
    assert resumed.curve == undisturbed.curve
    same(resumed.state, undisturbed.state)


def test_vmapped_runs_are_evaluated_together():
    def each(step, state):
        return state, [float(total) for total in state["sum"]]

    runs = [run(name=str(i), seed=i) for i in range(2)]
    examples, evaluation = Examples(ARRAYS, IMAGES), loop.Evaluation(4, each)
    for of_run, result in loop.train_vmapped(program(), examples, runs, evaluation=evaluation):
        alone = loop.train(
            program(),
            examples,
            of_run,
            evaluation=loop.Evaluation(4, lambda step, state: (state, float(state["sum"]))),
        )
        assert [step for step, _ in result.curve] == [step for step, _ in alone.curve] == [4, 8, 9]
        np.testing.assert_allclose([e for _, e in result.curve], [e for _, e in alone.curve], rtol=1e-5)


def test_a_loss_that_is_not_finite_is_reported():
    with pytest.raises(loop.Diverged, match=r"mine: loss (nan|inf) by step \d+ of 9"):
        loop.train(program(), Examples(ARRAYS, IMAGES), run(hyper={"rate": np.float32(1e38)}))


def test_statistics_of_the_images_are_computed_once(monkeypatch):
    counted = []
    of = Normalization.of.__func__
    monkeypatch.setattr(Normalization, "of", classmethod(lambda cls, images: counted.append(1) or of(cls, images)))
    examples = Examples(ARRAYS, IMAGES)
    runs = [run(name=str(i), steps=1) for i in range(3)]
    assert len(list(loop.train_vmapped(program(), examples, runs))) == 3
    Examples(ARRAYS, IMAGES, examples.normalization)
    assert len(counted) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Examples(), r"have \[\] rows"),
        (lambda: Examples({"a": np.zeros(3), "b": np.zeros(4)}), r"have \[3, 4\] rows; wanted one number"),
        (lambda: Examples({"a": np.zeros(3)}, IMAGES), r"have \[3, 60\] rows"),
        (lambda: Examples({}, IMAGES[..., 0]), r"shape \(60, 6, 6\)"),
        (
            lambda: loop.train(program(batch_size=61), Examples(ARRAYS, IMAGES), run()),
            "batches of 61 examples, but there are 60",
        ),
    ],
)
def test_faulty_examples_are_refused(make, message):
    with pytest.raises(TrainingDataError, match=message):
        make()


def test_the_example_of_the_documentation_runs():
    code = re.search(r"mean loss:\n\n(.*?)\n\nThe contract", loop.__doc__, re.DOTALL).group(1)
    scope = {}
    exec("\n".join(line[4:] for line in code.splitlines()), scope)
    x, result = scope["x"], scope["result"]
    assert (((x @ np.asarray(result.state["w"])).argmax(1) == 1) == (x[:, 0] > 0)).mean() > 0.9
    assert result.history[-1][1] < np.log(2)
