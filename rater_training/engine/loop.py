'''The training loop: runs any step function, many steps in one compiled call.

A step function takes the state, a batch and the run's numbers, and returns the next state and the mean loss:

    import jax, numpy as np
    from rater_training.engine.compiled import Program
    from rater_training.engine.examples import Examples
    from rater_training.engine.loop import Run, train

    def step(state, batch, hyper):
        """Logistic regression on soft targets."""
        x, targets = batch.arrays["x"], batch.arrays["targets"]
        loss_of = lambda w: -(targets * jax.nn.log_softmax(x @ w)).sum(1).mean()
        loss, gradient = jax.value_and_grad(loss_of)(state["w"])
        return {"w": state["w"] - hyper * gradient}, loss

    x = np.random.default_rng(0).normal(size=(100, 5)).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[(x[:, 0] > 0).astype(int)]
    examples = Examples({"x": x, "targets": targets})
    start = {"w": np.zeros((5, 2), np.float32)}
    result = train(Program(step, batch_size=20), examples, Run("mine", start, steps=50, hyper=np.float32(0.5)))
    result.state["w"], result.history[-1]

The contract:

- The state is any pytree of arrays: two networks and their optimizer states, running means, a table with one row per
  example. The loop counts the steps and donates the state to the compiled call. It is copied once at the beginning, so
  the arrays in `Run.state` stay usable; those handed to `Evaluation.run` are used up by the next call.
- A batch (`batches.Batch`) has `images`, cropped, flipped and normalized on the device, the drawn rows of every other
  array, which examples these are, a key of random numbers for this step, and the numbers of step and epoch.
- Whatever differs between runs that share a compilation is an array in `Run.hyper` (`train_vmapped`: also what differs
  per example, as an array [n, ...] indexed by `batch.indices`).
- Between calls the loop reports progress, notices an interrupt or a loss that is not finite, writes checkpoints, and at
  chosen steps runs an `Evaluation`.
- The result is bit-identical for the same arguments on the same kind of machine and the same JAX version, interrupted
  or not. Other devices, or streamed images, change it by rounding only.

`rater_step.RaterStep` is such a step; `raters` trains raters with it.
'''

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from rater_training.engine.batches import padded
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.compiled import Inputs, LoopState, Program, run_steps
from rater_training.engine.devices import Devices
from rater_training.engine.examples import Examples, TrainingDataError, is_streamed

# Progress is reported, and an interrupt or a diverging loss noticed, about this often.
SECONDS_PER_CALL = 5.0
FIRST_STEPS = 4


class Diverged(NoisyLabelsError, RuntimeError):
    """Training reached a loss that is not a number, or infinite."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
      name: in messages.
      state: what the step function starts from, a pytree of arrays.
      steps: how many.
      seed: of the order of examples, augmentation and the steps' random numbers.
      hyper: what the step function gets as its third argument, a pytree of arrays.
      checkpoints: where the state is kept from time to time, and from where it resumes; None: nowhere. Read and
        written by process 0.
    """

    name: str
    state: Any
    steps: int
    seed: int = 0
    hyper: Any = ()
    checkpoints: Checkpoints | None = None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What is done with the state between two calls.

    Attributes:
      every: at the multiples of this number of steps, and after the last step.
      run: step, state -> the state, as it is or changed (with a copy of the best parameters, say), and an entry of the
        run's curve, which is JSON. Of vmapped runs the state has their axis first, and the entry is a list, one each.
    """

    every: int
    run: Callable[[int, Any], tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes:
      state: after the last step, on the program's devices.
      history: (step, mean loss since the last entry) pairs, as progress was reported.
      curve: (step, entry) pairs of the evaluation.
      wall_seconds: time spent, compilation included, since the last start.
    """

    state: Any
    history: tuple[tuple[int, float], ...]
    curve: tuple[tuple[int, Any], ...]
    wall_seconds: float


def train(
    program: Program,
    examples: Examples,
    run: Run,
    *,
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
    evaluation: Evaluation | None = None,
    streamed: bool | None = None,
) -> Result:
    """Trains one run, from its last checkpoint where there is one.

    Args:
      program: what the loop is compiled for. Of several processes each calls this with the same arguments.
      examples: what is drawn from.
      run: what is trained.
      on_progress: called every few seconds with the steps done and the mean loss of the steps since the last call.
      evaluation: what is done between calls; what its entries are is part of the checkpoints.
      streamed: whether batches come from the host and not from examples resident on the device; None: where the images
        would take more than half of the device's memory.

    Raises:
      TrainingDataError: fewer examples than a batch.
      DevicesError: the devices cannot share a batch evenly.
      Diverged: the loss is no longer finite.
      CheckpointError: the checkpoint is of another configuration or of other data.
    """
    _check(program, examples, run.name)
    stream = examples.images is not None and is_streamed(
        examples.images, program.augmentation, program.devices, streamed
    )
    inputs = _inputs(program, examples, [run], vmapped=False, resident=not stream)
    with contextlib.ExitStack() as closed_at_the_end:

        def runner(first: int) -> Callable:
            if not stream:
                return functools.partial(run_steps, inputs=inputs, program=program, vmapped=False)
            from rater_training.engine.streaming import Stream  # brings grain, which resident images do without

            batches = Stream(examples, inputs, program, seed=run.seed, first=first, steps=run.steps)
            closed_at_the_end.enter_context(batches)
            return lambda state, active, count: batches.run(state, count)

        loop = _Loop(program.devices, [run], vmapped=False, evaluation=evaluation)
        ((_, outcome),) = loop.outcomes({0}, None, runner, lambda run, step, loss: on_progress(step, loss))
    if isinstance(outcome, Diverged):
        raise outcome
    return outcome


def train_vmapped(
    program: Program,
    examples: Examples,
    runs: Sequence[Run],
    *,
    active: Collection[str] | None = None,
    on_progress: Callable[[Run, int, float], None] = lambda run, step, loss: None,
    evaluation: Evaluation | None = None,
) -> Iterator[tuple[Run, Result | Diverged]]:
    """Trains several runs in one loop (`jax.vmap` over stacked states); yields each when it is done or diverges.

    Each is the run that it is alone but for rounding. They go through their steps side by side. One that is done, or
    has diverged, stays behind as it is and the others go on; its share of the computation is then in vain, so this is
    best for runs of as many steps. Those whose checkpoints are of different steps resume one group after the other.

    Args:
      program: what the loop is compiled for; its devices share the runs, and every run's batch.
      examples: what is drawn from; resident on the device.
      runs: their names differ; states and hyper have the same structure, shapes and dtypes.
      active: names of the runs to train; None: all. The others keep their places, for how many runs are computed
        together decides how their numbers are rounded: so a training that resumes is bit-identical to one undisturbed.
      on_progress: called every few seconds, for each run in training, as that of `train`.
      evaluation: as of `train`.

    Raises:
      TrainingDataError, DevicesError, CheckpointError: as `train`.
    """
    whole_devices = program.devices
    program = dataclasses.replace(program, devices=whole_devices.for_members(len(runs)))
    for run in runs:
        _check(program, examples, run.name)
    inputs = _inputs(program, examples, runs, vmapped=True, resident=True)
    run_all = functools.partial(run_steps, inputs=inputs, program=program, vmapped=True)
    loop = _Loop(program.devices, runs, vmapped=True, evaluation=evaluation, result_devices=whole_devices)
    rows = {row for row, run in enumerate(runs) if active is None or run.name in active}
    for start, resumed in resume_groups([runs[row] for row in sorted(rows)], whole_devices):
        names = {run.name for run in resumed}
        together = {row for row in rows if runs[row].name in names}
        yield from loop.outcomes(together, start, lambda first: run_all, on_progress)


def resume_groups(runs: Sequence[Run], devices: Devices) -> list[tuple[int, list[Run]]]:
    """Returns runs in groups that go on from the same step: that of checkpoints that all of a group have.

    Checkpoints are written one after the other, and may be of runs that were trained alone, or apart.
    """
    stored = {
        run.name: set(run.checkpoints.steps()) if devices.leads and run.checkpoints is not None else set()
        for run in runs
    }
    starts: dict[str, int] = {run.name: 0 for run in runs if not stored[run.name]}
    while left := [run.name for run in runs if run.name not in starts]:
        steps = [step for name in left for step in stored[name]]
        most = max(steps, key=lambda step: (steps.count(step), step))
        starts |= {name: most for name in left if most in stored[name]}
    agreed = devices.agreed(np.array([starts[run.name] for run in runs], np.int32)).tolist()
    return [(start, [r for r, s in zip(runs, agreed, strict=True) if s == start]) for start in dict.fromkeys(agreed)]


class _Loop:
    """Calls the compiled loop until all is done: for one run, or for vmapped ones."""

    def __init__(
        self,
        devices: Devices,
        runs: Sequence[Run],
        *,
        vmapped: bool,
        evaluation: Evaluation | None,
        result_devices: Devices | None = None,
    ) -> None:
        if evaluation is not None and len({run.steps for run in runs}) > 1:
            # An evaluation may change the state, and would do so at steps at which a run alone has none.
            steps = sorted({run.steps for run in runs})
            raise ValueError(f"runs with an evaluation have {steps} steps; wanted one number")
        self._devices, self._runs, self._vmapped, self._evaluation = devices, runs, vmapped, evaluation
        self._result_devices = result_devices or devices

    def outcomes(
        self,
        rows: Collection[int],
        start: int | None,
        runner: Callable[[int], Callable],
        on_progress: Callable[[Run, int, float], None],
    ) -> Iterator[tuple[Run, Result | Diverged]]:
        """Trains some of the runs and yields what comes of each, as soon as it is known.

        Args:
          rows: which runs; the others keep their places.
          start: the step from which they go on; None: that of the last checkpoint.
          runner: first step -> what runs steps: state, active, count -> the new state and the mean losses.
          on_progress: run, step, loss.
        """
        started = time.monotonic()
        devices, training = self._devices, {row: self._runs[row] for row in sorted(rows)}
        loop_state, histories, curves = self._begin(training, start)
        step = int(loop_state.step)
        run_steps = runner(step)
        steps_per_call = FIRST_STEPS
        while training:
            called = time.monotonic()
            count = int(devices.agreed(min(steps_per_call, self._next_stop(step, training) - step)))
            active = devices.by_members(np.isin(np.arange(len(self._runs)), list(training))) if self._vmapped else None
            loop_state, losses = run_steps(loop_state, active, count)
            step += count
            for row, loss in enumerate(np.ravel(devices.host(losses)).tolist()):
                if row not in training:
                    continue
                run = self._runs[row]
                histories[row].append((step, loss))
                if not np.isfinite(loss):
                    del training[row]
                    yield run, Diverged(f"{run.name}: loss {loss} by step {step} of {run.steps}")
                else:
                    on_progress(run, step, loss)
            seconds = time.monotonic() - called
            loop_state = self._evaluated(loop_state, step, training, curves)
            for row, run in list(training.items()):
                if step == run.steps:
                    del training[row]
                    state = self._result_state(loop_state.state, row)
                    history, curve = tuple(histories[row]), tuple(curves[row])
                    yield run, Result(state, history, curve, time.monotonic() - started)
            due = any(run.checkpoints is not None and run.checkpoints.due() for run in training.values())
            if devices.agreed(due):
                self._save(loop_state, step, training, histories, curves)
            steps_per_call = adapted(count, seconds)

    def _begin(
        self, training: dict[int, Run], start: int | None
    ) -> tuple[LoopState, list[list[tuple[int, float]]], list[list[tuple[int, Any]]]]:
        """Returns the state on the devices, each run's losses so far, and its curve so far."""
        states, histories, curves = [], [], []
        for row, run in enumerate(self._runs):
            state, history, curve = LoopState(jnp.zeros((), jnp.int32), run.state), [], []
            if row in training and run.checkpoints is not None and start != 0 and self._devices.leads:
                saved = run.checkpoints.restore(state, step=start)
                assert saved is not None or start is None, f"{run.name} has no checkpoint of step {start}"
                if saved is not None:
                    state, history, curve = saved.state, list(saved.history), list(saved.curve)
            states.append(jax.tree.map(np.asarray, state))
            histories.append(history)
            curves.append(curve)
        row = min(training)
        step = self._devices.agreed(states[row].step)
        state = self._devices.agreed(_stacked([state.state for state in states], vmapped=self._vmapped))
        return LoopState(self._devices.replicated(step), self._own(state)), histories, curves

    def _next_stop(self, step: int, training: dict[int, Run]) -> int:
        """Returns the step at which the next call ends at the latest."""
        end = min(run.steps for run in training.values())
        if self._evaluation is not None:
            end = min(end, (step // self._evaluation.every + 1) * self._evaluation.every)
        return end

    def _evaluated(
        self, loop_state: LoopState, step: int, training: dict[int, Run], curves: list[list[tuple[int, Any]]]
    ) -> LoopState:
        """Runs the evaluation where it is its turn, adds to the curves, and returns the state after it."""
        evaluation = self._evaluation
        if evaluation is None or not training:
            return loop_state
        if step % evaluation.every and step < min(run.steps for run in training.values()):
            return loop_state
        state, entries = evaluation.run(step, loop_state.state)
        for row in training:
            curves[row].append((step, entries[row] if self._vmapped else entries))
        if state is loop_state.state:
            return loop_state
        return LoopState(loop_state.step, self._own(state))

    def _save(
        self,
        loop_state: LoopState,
        step: int,
        training: dict[int, Run],
        histories: list[list[tuple[int, float]]],
        curves: list[list[tuple[int, Any]]],
    ) -> None:
        """Writes a checkpoint of each run in training, by process 0."""
        whole = self._devices.host(loop_state)
        for row, run in training.items():
            if self._devices.leads and run.checkpoints is not None:
                state = LoopState(whole.step, self._row(whole.state, row))
                run.checkpoints.save(state, step=step, history=histories[row], curve=curves[row])

    def _own(self, state: Any) -> Any:
        """Returns a state on the devices that the loop may use up: no memory of the caller's, no array twice."""
        place = self._devices.by_members if self._vmapped else self._devices.replicated
        return jax.tree.map(lambda leaf: jnp.copy(leaf if isinstance(leaf, jax.Array) else place(leaf)), state)

    def _row(self, tree: Any, row: int) -> Any:
        return jax.tree.map(lambda leaf: leaf[row], tree) if self._vmapped else tree

    def _result_state(self, state: Any, row: int) -> Any:
        """Returns one run's state, in memory of its own where the loop goes on with the others."""
        if not self._vmapped:
            return state
        return self._result_devices.replicated(jax.tree.map(np.array, self._row(self._devices.host(state), row)))


def _check(program: Program, examples: Examples, name: str) -> None:
    """Raises where there is no batch, or none that the devices can share."""
    if len(examples) < program.batch_size:
        raise TrainingDataError(f"{name} has batches of {program.batch_size} examples, but there are {len(examples)}")
    program.devices.check_batch(program.batch_size, name)


def _inputs(program: Program, examples: Examples, runs: Sequence[Run], *, vmapped: bool, resident: bool) -> Inputs:
    """Returns what the compiled loop reads, on the devices."""
    devices = program.devices
    keys = [jax.random.key(run.seed) for run in runs]
    hyper = _stacked([run.hyper for run in runs], vmapped=vmapped)
    scale = None
    if examples.normalization is not None:
        scale = devices.replicated((examples.normalization.mean, examples.normalization.std))
    images = arrays = None
    if resident:
        arrays = devices.replicated(examples.arrays)
        if examples.images is not None:
            images = devices.replicated(padded(examples.images, program.augmentation.crop_padding))
    return Inputs(
        images=images,
        arrays=arrays,
        scale=scale,
        key=devices.by_members(jnp.stack(keys)) if vmapped else devices.replicated(keys[0]),
        hyper=devices.by_members(hyper) if vmapped else devices.replicated(hyper),
    )


def _stacked(trees: Sequence[Any], *, vmapped: bool) -> Any:
    """Returns the trees as one with a first axis; the only one as it is where nothing is vmapped."""
    if not vmapped:
        return trees[0]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def adapted(steps: int, seconds: float) -> int:
    """Returns how many steps the next call takes; at most four times as many, since the first call also compiles."""
    return max(1, min(4 * steps, round(steps * SECONDS_PER_CALL / max(seconds, 1e-3))))
