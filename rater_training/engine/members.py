"""Raters of one architecture trained together: one compiled step for all of them (`jax.vmap` over stacked states).

    for group in alike(pool.raters):
        for rater, result in train_together(group, images, labels, num_classes=10):
            ...                                 # as soon as it is done: a TrainedRater, or Diverged

Each keeps its own seed, order, learning rate, number of steps and checkpoints, and is the rater that it is alone but
for rounding. They go through their steps side by side. One that is done, or has diverged, stays behind as it is and the
others go on; its share of the computation is then in vain, so this is best for raters of as many steps.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rater_training.config import RaterConfig
from rater_training.engine import loop
from rater_training.engine.batches import order_of, resident
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.devices import DEFAULT_DEVICE, Devices
from rater_training.engine.step import Hyperparameters, Setup, TrainState, hyperparameters, resident_step
from rater_training.engine.trained import Normalization, TrainedRater

# Of a stacked state all has a member's axis but the step, which is the same for all.
_AXES: Any = TrainState(step=None, params=0, statistics=0, momentum=0)


def alike(raters: Sequence[RaterConfig], most: int | None = None) -> list[list[RaterConfig]]:
    """Returns the raters in groups that can be trained together, of at most `most` each, in the order of the firsts."""
    groups: dict[tuple, list[RaterConfig]] = {}
    for rater in raters:
        shared = (rater.architecture, rater.width, rater.batch_size, rater.augmentation, rater.optimizer, rater.dtype)
        groups.setdefault(shared, []).append(rater)
    return [
        group[start : start + (most or len(group))]
        for group in groups.values()
        for start in range(0, len(group), most or len(group))
    ]


def in_step(
    raters: Sequence[RaterConfig], checkpoints: Mapping[str, Checkpoints], devices: Devices = DEFAULT_DEVICE
) -> list[tuple[int, list[RaterConfig]]]:
    """Returns the raters in groups that go on from the same step: that of checkpoints that all of a group have.

    Checkpoints are written one after the other, and may be of raters that were trained alone, or apart.
    """
    stored = {r.id: set(checkpoints[r.id].steps()) if devices.leads and r.id in checkpoints else set() for r in raters}
    starts: dict[str, int] = {r.id: 0 for r in raters if not stored[r.id]}
    while left := [r.id for r in raters if r.id not in starts]:
        steps = [step for rater_id in left for step in stored[rater_id]]
        most = max(steps, key=lambda step: (steps.count(step), step))
        starts |= {rater_id: most for rater_id in left if most in stored[rater_id]}
    agreed = devices.agreed(np.array([starts[r.id] for r in raters], np.int32)).tolist()
    return [(start, [r for r, s in zip(raters, agreed, strict=True) if s == start]) for start in dict.fromkeys(agreed)]


def train_together(
    raters: Sequence[RaterConfig],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    on_progress: Callable[[RaterConfig, int, float], None] = lambda rater, step, loss: None,
    checkpoints: Mapping[str, Checkpoints] | None = None,
    start: int = 0,
    active: Collection[str] | None = None,
    devices: Devices = DEFAULT_DEVICE,
) -> Iterator[tuple[RaterConfig, TrainedRater | loop.Diverged]]:
    """Trains raters of one group of `alike`, and yields each when it is done, or when its loss is no longer finite.

    Args:
      raters: what differs is what a training loop takes as arguments: seed, steps, learning rate and the like.
      images: [n, h, w, c] uint8; resident on the device.
      labels: [n] integers below `num_classes`.
      num_classes: number of classes.
      on_progress: called every few seconds, for each rater in training, as that of `loop.train`.
      checkpoints: by rater id: where each rater's state is kept, as if it were trained alone.
      start: the step from which they go on: 0, or one of which each has a checkpoint (see `in_step`).
      active: ids of the raters to train; None: all. The others keep their places, for how many raters are computed
        together decides how their numbers are rounded: so a training that goes on is bit-identical to one undisturbed.
      devices: which share the members, and every member's batch.

    Raises:
      TrainingDataError, DevicesError, CheckpointError: as `loop.train`.
    """
    checkpoints = checkpoints or {}
    for rater in raters:
        loop.check(rater, images, labels, num_classes)
    alone, devices = devices, devices.for_members(len(raters))
    devices.check_batch(raters[0].batch_size, raters[0].id)
    started = time.monotonic()
    normalization = Normalization.of(images)
    training = {row: rater for row, rater in enumerate(raters) if active is None or rater.id in active}
    graphdef, state, histories = _initial(raters, images, num_classes, checkpoints, training, start, devices)
    run = functools.partial(
        _run_steps,
        data=devices.replicated(resident(images, labels, raters[0].augmentation.crop_padding)),
        keys=devices.by_members(jnp.stack([jax.random.key(rater.seed) for rater in raters])),
        scale=devices.replicated((normalization.mean, normalization.std)),
        hyper=devices.by_members(_stacked([hyperparameters(rater) for rater in raters])),
        setup=Setup(graphdef, raters[0].batch_size, raters[0].augmentation, num_classes, devices, raters[0].optimizer),
    )

    steps_a_call = loop.FIRST_STEPS
    while training:
        called, step = time.monotonic(), int(state.step)
        nearest_end = min(rater.steps for rater in training.values()) - step
        count = int(devices.agreed(min(steps_a_call, nearest_end)))
        in_training = np.isin(np.arange(len(raters)), list(training))
        state, losses = run(state, devices.by_members(in_training), count)
        step += count
        for row, (rater, loss) in enumerate(zip(raters, devices.host(losses).tolist(), strict=True)):
            if row not in training:
                continue
            histories[row].append((step, loss))
            if not np.isfinite(loss):
                del training[row]
                yield rater, loop.Diverged(f"rater {rater.id}: loss {loss} by step {step} of {rater.steps}")
                continue
            on_progress(rater, step, loss)
            if step == rater.steps:
                del training[row]
                params, statistics = alone.replicated(_row(devices.host((state.params, state.statistics)), row))
                yield (
                    rater,
                    TrainedRater(
                        graphdef=graphdef,
                        params=params,
                        statistics=statistics,
                        normalization=normalization,
                        num_parameters=sum(leaf.size for leaf in jax.tree.leaves(params)),
                        history=tuple(histories[row]),
                        wall_seconds=time.monotonic() - started,
                        devices=alone,
                    ),
                )
        if devices.agreed(any(checkpoints[rater.id].due() for rater in training.values() if rater.id in checkpoints)):
            whole = devices.host(state)
            for row, rater in training.items():
                if devices.leads and rater.id in checkpoints:
                    own = _member_state(whole, row)
                    checkpoints[rater.id].save(own, step=step, history=histories[row])
        steps_a_call = loop.adapted(count, time.monotonic() - called)


def _initial(
    raters: Sequence[RaterConfig],
    images: np.ndarray,
    num_classes: int,
    checkpoints: Mapping[str, Checkpoints],
    training: Collection[int],
    start: int,
    devices: Devices,
) -> tuple[Any, TrainState, list[list[tuple[int, float]]]]:
    """Returns the graph definition, the stacked state on the devices, and each rater's losses so far."""
    states, histories = [], []
    for row, rater in enumerate(raters):
        graphdef, state = loop.initial_state(rater, images, num_classes=num_classes)
        history: list[tuple[int, float]] = []
        if start and row in training and devices.leads:
            found = checkpoints[rater.id].restore(state, step=start)
            assert found is not None, f"rater {rater.id} has no checkpoint of step {start}"
            state, history = found
        states.append(jax.tree.map(np.asarray, state))
        histories.append(history)
    _, *changing = devices.agreed(_stacked(states))
    step = devices.replicated(np.int32(start))
    return graphdef, TrainState(step, *(devices.by_members(tree) for tree in changing)), histories


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def _row(tree: Any, row: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[row], tree)


def _member_state(whole: TrainState, row: int) -> TrainState:
    return TrainState(whole.step, *(_row(tree, row) for tree in whole[1:]))


@functools.partial(jax.jit, static_argnames=("setup",))
def _run_steps(
    state: TrainState,
    active: jax.Array,
    count: int,
    *,
    data: tuple[jax.Array, jax.Array],
    keys: jax.Array,
    scale: tuple[jax.Array, jax.Array],
    hyper: Hyperparameters,
    setup: Setup,
) -> tuple[TrainState, jax.Array]:
    """Runs `count` steps of the M members that are `active` [M]; returns the new state and the mean losses [M]."""
    n = len(data[1])
    batches_an_epoch = n // setup.batch_size

    def orders_of(epoch: jax.Array) -> jax.Array:
        return jax.vmap(lambda key: order_of(key, epoch, n))(keys)

    def member_step(
        state: TrainState, order: jax.Array, batch: jax.Array, key: jax.Array, hyper: Hyperparameters
    ) -> tuple[TrainState, jax.Array]:
        return resident_step(state, order, batch, data, key, scale, hyper, setup)

    members_step = jax.vmap(
        member_step,
        in_axes=(_AXES, 0, None, 0, 0),
        out_axes=(_AXES, 0),
        spmd_axis_name=setup.devices.members_axis,
    )

    def of_active(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(active.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    def body(_: jax.Array, carry: tuple[TrainState, jax.Array, jax.Array]) -> tuple[TrainState, jax.Array, jax.Array]:
        old, orders, total = carry
        epoch, batch = jnp.divmod(old.step, batches_an_epoch)
        orders = jax.lax.cond(batch == 0, lambda: orders_of(epoch), lambda: orders)
        (step, *new), losses = members_step(old, orders, batch, keys, hyper)
        kept = (jax.tree.map(of_active, tree, before) for tree, before in zip(new, old[1:], strict=True))
        return TrainState(step, *kept), orders, total + losses

    start = (state, orders_of(state.step // batches_an_epoch), jnp.zeros(len(active), jnp.float32))
    state, _, total = jax.lax.fori_loop(0, count, body, start)
    return state, total / count
