"""The calls of the compiled loop, one after the other, and all that happens between them.

Progress, a loss that is not finite, evaluations and checkpoints: for one run, or for several vmapped ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rater_training.engine.compiled import LoopState
from rater_training.engine.devices import Devices
from rater_training.engine.run import Diverged, Evaluation, Result, Run

# Progress is reported, and an interrupt or a diverging loss noticed, about this often.
SECONDS_PER_CALL = 5.0
FIRST_STEPS = 4


class Calls:
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
        """Trains some of the runs and yields the result of each as soon as it is known.

        Args:
          rows: which runs; the others keep their places.
          start: the step from which they resume; None: that of the last checkpoint.
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
            count = int(devices.broadcast(min(steps_per_call, self._next_stop(step, training) - step)))
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
            if devices.broadcast(due):
                self._save(loop_state, step, training, histories, curves)
            steps_per_call = adapted(count, seconds)

    def _begin(
        self, training: dict[int, Run], start: int | None
    ) -> tuple[LoopState, list[list[tuple[int, float]]], list[list[tuple[int, Any]]]]:
        """Returns the state on the devices, each run's losses so far, and its curve so far."""
        states, histories, curves = [], [], []
        for row, run in enumerate(self._runs):
            state, history, curve = starting_state(run), [], []
            if row in training and run.checkpoints is not None and start != 0 and self._devices.is_primary:
                saved = run.checkpoints.restore(state, step=start)
                assert saved is not None or start is None, f"{run.name} has no checkpoint of step {start}"
                if saved is not None:
                    state, history, curve = saved.state, list(saved.history), list(saved.curve)
            states.append(jax.tree.map(np.asarray, state))
            histories.append(history)
            curves.append(curve)
        row = min(training)
        step = self._devices.broadcast(states[row].step)
        state = self._devices.broadcast(stacked([state.state for state in states], vmapped=self._vmapped))
        return LoopState(self._devices.replicated(step), self._own(state)), histories, curves

    def _next_stop(self, step: int, training: dict[int, Run]) -> int:
        """Returns the step at which the next call ends at the latest."""
        end = min(run.steps for run in training.values())
        if self._evaluation is not None:
            end = int(min(end, self._evaluation.next_after(step)))
        return end

    def _evaluated(
        self, loop_state: LoopState, step: int, training: dict[int, Run], curves: list[list[tuple[int, Any]]]
    ) -> LoopState:
        """Runs the evaluation where it is its turn, adds to the curves, and returns the state after it."""
        evaluation = self._evaluation
        if evaluation is None or not training:
            return loop_state
        if not evaluation.is_due(step) and step < min(run.steps for run in training.values()):
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
            if self._devices.is_primary and run.checkpoints is not None:
                state = LoopState(whole.step, self._row(whole.state, row))
                run.checkpoints.save(state, step=step, history=histories[row], curve=curves[row])

    def _own(self, state: Any) -> Any:
        """Returns a state on the devices that the loop may use up: no memory of the caller's, no array twice."""
        place = self._devices.by_members if self._vmapped else self._devices.replicated
        return jax.tree.map(
            lambda leaf: self._devices.copied(leaf if isinstance(leaf, jax.Array) else place(leaf)), state
        )

    def _row(self, tree: Any, row: int) -> Any:
        return jax.tree.map(lambda leaf: leaf[row], tree) if self._vmapped else tree

    def _result_state(self, state: Any, row: int) -> Any:
        """Returns one run's state, in memory of its own where the loop continues with the others."""
        if not self._vmapped:
            return state
        return self._result_devices.replicated(jax.tree.map(np.array, self._row(self._devices.host(state), row)))


def starting_state(run: Run) -> LoopState:
    """Returns what a run starts from where it has no checkpoint."""
    return LoopState(jnp.zeros((), jnp.int32), run.state)


def stacked(trees: Sequence[Any], *, vmapped: bool) -> Any:
    """Returns the trees as one with a first axis; the only one as it is where nothing is vmapped."""
    if not vmapped:
        return trees[0]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def adapted(steps: int, seconds: float) -> int:
    """Returns how many steps the next call takes; at most four times as many, since the first call also compiles."""
    return max(1, min(4 * steps, round(steps * SECONDS_PER_CALL / max(seconds, 1e-3))))
