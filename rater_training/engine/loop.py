'''The training loop: runs any step function, many steps in one compiled call.

A step function takes the state, a batch and the run's numbers, and returns the next state and the mean loss:

    import jax, numpy as np
    from rater_training.engine.compiled import Program
    from rater_training.engine.examples import Examples
    from rater_training.engine.loop import train
    from rater_training.engine.run import Run

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
from collections.abc import Callable, Collection, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rater_training.engine.batches import padded
from rater_training.engine.calls import Calls, stacked, starting_state
from rater_training.engine.compiled import Inputs, Program, run_steps
from rater_training.engine.devices import Devices
from rater_training.engine.examples import Examples, TrainingDataError, is_streamed
from rater_training.engine.run import Diverged, Evaluation, Result, Run


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

        calls = Calls(program.devices, [run], vmapped=False, evaluation=evaluation)
        ((_, outcome),) = calls.outcomes({0}, None, runner, lambda run, step, loss: on_progress(step, loss))
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
    has diverged, stays behind as it is and the others continue; its share of the computation is then wasted, so this is
    best for runs of equally many steps. Those with checkpoints of different steps resume one group after the other.

    Args:
      program: what the loop is compiled for; its devices share the runs, and every run's batch.
      examples: what is drawn from; resident on the device.
      runs: their names differ; states and hyper have the same structure, shapes and dtypes.
      active: names of the runs to train; None: all. The others keep their places, since the number of vmapped
        runs decides how their numbers are rounded: so a training that resumes is bit-identical to one undisturbed.
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
    calls = Calls(program.devices, runs, vmapped=True, evaluation=evaluation, result_devices=whole_devices)
    rows = {row for row, run in enumerate(runs) if active is None or run.name in active}
    for start, resumed in resume_groups([runs[row] for row in sorted(rows)], whole_devices):
        names = {run.name for run in resumed}
        of_group = {row for row in rows if runs[row].name in names}
        yield from calls.outcomes(of_group, start, lambda first: run_all, on_progress)


def resume_groups(runs: Sequence[Run], devices: Devices) -> list[tuple[int, list[Run]]]:
    """Returns runs in groups that resume from the same step: that of checkpoints that all of a group have.

    Checkpoints are written one after the other, and may be of runs that were trained alone, or apart.
    """
    stored = {
        run.name: set(run.checkpoints.intact_steps(starting_state(run)))
        if devices.is_primary and run.checkpoints is not None
        else set()
        for run in runs
    }
    starts: dict[str, int] = {run.name: 0 for run in runs if not stored[run.name]}
    while left := [run.name for run in runs if run.name not in starts]:
        steps = [step for name in left for step in stored[name]]
        most = max(steps, key=lambda step: (steps.count(step), step))
        starts |= {name: most for name in left if most in stored[name]}
    agreed = devices.broadcast(np.array([starts[run.name] for run in runs], np.int32)).tolist()
    return [(start, [r for r, s in zip(runs, agreed, strict=True) if s == start]) for start in dict.fromkeys(agreed)]


def _check(program: Program, examples: Examples, name: str) -> None:
    """Raises where there is no batch, or none that the devices can share."""
    if len(examples) < program.batch_size:
        raise TrainingDataError(f"{name} has batches of {program.batch_size} examples, but there are {len(examples)}")
    program.devices.check_batch(program.batch_size, name)


def _inputs(program: Program, examples: Examples, runs: Sequence[Run], *, vmapped: bool, resident: bool) -> Inputs:
    """Returns what the compiled loop reads, on the devices."""
    devices = program.devices
    keys = [jax.random.key(run.seed) for run in runs]
    hyper = stacked([run.hyper for run in runs], vmapped=vmapped)
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
