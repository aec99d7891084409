"""The compiled training loop: arrays in, a trained network out.

    trained = train(rater, images, labels, num_classes=10)
    trained.logits(images)

The training images lie on the device as bytes. Drawing a batch, cropping, mirroring, the forward and backward pass and
the update are one loop body, and one call runs many steps of it, so Python is met every few seconds and not every step.
Numbers such as learning rate and steps are arguments of the compiled loop: raters of one architecture share one
compilation.

`devices` says how the same loop runs on several devices, `streaming` where the batches come from when the images do not
fit on one, `members` how raters are trained together.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from noisy_label_datasets.errors import NoisyLabelsError
from rater_training import architectures
from rater_training.config import Augmentation, RaterConfig
from rater_training.engine.batches import order_of, resident
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.devices import DEFAULT_DEVICE, Devices
from rater_training.engine.optimizers import OPTIMIZERS
from rater_training.engine.step import Hyperparameters, Setup, Steps, TrainState, hyperparameters, resident_step
from rater_training.engine.trained import Normalization, TrainedRater
from rater_training.pretrained.imagenet import start_from_imagenet

# Progress is reported, and an interrupt or a diverging loss noticed, about this often.
SECONDS_A_CALL = 5.0
FIRST_STEPS = 4
# Images that take more than this share of a device's memory are streamed to it.
_MOST_RESIDENT = 0.5
# What a network takes from the training images before training (a whitening stem, say), it takes from the first ones.
_FIT_IMAGES = 2000


class TrainingDataError(NoisyLabelsError, ValueError):
    """Arrays that a rater cannot be trained on."""


class Diverged(RuntimeError):
    """Training reached a loss that is not a number, or infinite."""


def train(
    rater: RaterConfig,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
    checkpoints: Checkpoints | None = None,
    devices: Devices = DEFAULT_DEVICE,
    streamed: bool | None = None,
) -> TrainedRater:
    """Trains a rater, from its last checkpoint where there is one.

    Args:
      rater: the network and how it is trained.
      images: [n, h, w, c] uint8; may be memory-mapped.
      labels: [n] integers below `num_classes`.
      num_classes: number of classes.
      on_progress: called every few seconds with the steps done and the mean loss of the steps since the last call.
      checkpoints: where the state is kept from time to time; None: nowhere. Read and written by process 0.
      devices: which share every batch; of several processes each calls this with the same arguments.
      streamed: whether batches come from the host and not from images resident on the device; None: where the images
        would take more than half of the device's memory.

    Returns:
      The trained rater. Bit-identical for the same arguments on the same kind of machine and the same JAX version,
      interrupted or not. Other devices, or `streamed`, change it by rounding only.

    Raises:
      TrainingDataError: arrays of another shape, dtype or range, or fewer images than a batch.
      DevicesError: the devices cannot share a batch evenly.
      PretrainedError, WeightsError: published weights that the rater starts from are not installed, or damaged.
      Diverged: the loss is no longer finite.
      CheckpointError: the checkpoint is of another configuration or of other data.
    """
    check(rater, images, labels, num_classes)
    devices.check_batch(rater.batch_size, rater.id)
    started = time.monotonic()
    normalization = Normalization.of(images)
    graphdef, state = initial_state(rater, images, num_classes=num_classes)
    history: list[tuple[int, float]] = []
    if checkpoints is not None and devices.leads and (found := checkpoints.restore(state)) is not None:
        state, history = found
    state = devices.replicated(devices.agreed(state))

    setup = Setup(graphdef, rater.batch_size, rater.augmentation, num_classes, devices, rater.optimizer)
    scale = devices.replicated((normalization.mean, normalization.std))
    key = devices.replicated(jax.random.key(rater.seed))
    hyper = devices.replicated(hyperparameters(rater))
    with contextlib.ExitStack() as closed_at_the_end:
        if is_streamed(images, rater.augmentation, devices, streamed):
            from rater_training.engine.streaming import Stream  # brings grain, which resident images do without

            stream = Stream(
                rater, images, labels, key=key, scale=scale, hyper=hyper, setup=setup, first=int(state.step)
            )
            run: Steps = closed_at_the_end.enter_context(stream).run
        else:
            data = devices.replicated(resident(images, labels, rater.augmentation.crop_padding))
            run = functools.partial(_run_steps, data=data, key=key, scale=scale, hyper=hyper, setup=setup)
        steps_a_call = FIRST_STEPS
        while int(state.step) < rater.steps:
            called = time.monotonic()
            count = int(devices.agreed(min(steps_a_call, rater.steps - int(state.step))))
            state, loss = run(state, count)
            mean_loss = float(loss)
            history.append((int(state.step), mean_loss))
            if not np.isfinite(mean_loss):
                raise Diverged(f"rater {rater.id}: loss {mean_loss} by step {int(state.step)} of {rater.steps}")
            on_progress(*history[-1])
            # The state is whole in every process, so that process 0 writes it alone.
            if checkpoints is not None and devices.leads and checkpoints.due() and int(state.step) < rater.steps:
                checkpoints.save(state, step=int(state.step), history=history)
            steps_a_call = adapted(count, time.monotonic() - called)
    return TrainedRater(
        graphdef=graphdef,
        params=state.params,
        statistics=state.statistics,
        normalization=normalization,
        num_parameters=sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        history=tuple(history),
        wall_seconds=time.monotonic() - started,
        devices=devices,
    )


def initial_state(rater: RaterConfig, images: np.ndarray, *, num_classes: int) -> tuple[Any, TrainState]:
    """Returns the network's graph definition and the state from which a rater's training starts."""
    module = architectures.create(
        rater.architecture,
        num_classes=num_classes,
        image_shape=images.shape[1:],
        width=rater.width,
        dtype=jnp.dtype(rater.dtype),
        rngs=nnx.Rngs(params=rater.seed, dropout=rater.seed),
    )
    if rater.pretrained:
        start_from_imagenet(module, rater.architecture)
    if hasattr(module, "fit"):
        normalization = Normalization.of(images)
        module.fit((images[:_FIT_IMAGES].astype(np.float32) - normalization.mean) / normalization.std)
    graphdef, params, statistics = nnx.split(module, nnx.Param, ...)
    momentum = OPTIMIZERS[rater.optimizer].start(params)
    return graphdef, TrainState(jnp.zeros((), jnp.int32), params, statistics, momentum)


def check(rater: RaterConfig, images: np.ndarray, labels: np.ndarray, num_classes: int) -> None:
    """Raises TrainingDataError if a rater cannot be trained on these arrays."""
    if images.ndim != 4 or images.dtype != np.uint8:
        raise TrainingDataError(f"images have shape {images.shape} and dtype {images.dtype}; wanted [n, h, w, c] uint8")
    if labels.shape != images.shape[:1]:
        raise TrainingDataError(f"labels have shape {labels.shape}; wanted [{len(images)}], one an image")
    if len(images) < rater.batch_size:
        raise TrainingDataError(
            f"rater {rater.id} has batches of {rater.batch_size} images, but there are {len(images)}"
        )
    if labels.dtype.kind not in "iu":
        raise TrainingDataError(f"labels have dtype {labels.dtype}; wanted integers")
    missing = sorted(set(range(num_classes)) - set(np.unique(labels).tolist()))
    if missing or labels.min() < 0 or labels.max() >= num_classes:
        raise TrainingDataError(
            f"training labels run from {labels.min()} to {labels.max()} and lack the classes {missing};"
            f" wanted every class from 0 to {num_classes - 1}"
        )


def is_streamed(images: np.ndarray, augmentation: Augmentation, devices: Devices, wanted: bool | None) -> bool:
    """Returns what is wanted, or else whether images, framed for the crop, take more than half of a device's memory."""
    if wanted is not None:
        return wanted
    n, height, width, channels = images.shape
    frame = 2 * augmentation.crop_padding
    return n * (height + frame) * (width + frame) * channels > _MOST_RESIDENT * devices.memory_bytes()


def adapted(steps: int, seconds: float) -> int:
    """Returns how many steps the next call takes; at most four times as many, since the first call also compiles."""
    return max(1, min(4 * steps, round(steps * SECONDS_A_CALL / max(seconds, 1e-3))))


@functools.partial(jax.jit, static_argnames=("setup",))
def _run_steps(
    state: TrainState,
    count: int,
    *,
    data: tuple[jax.Array, jax.Array],
    key: jax.Array,
    scale: tuple[jax.Array, jax.Array],
    hyper: Hyperparameters,
    setup: Setup,
) -> tuple[TrainState, jax.Array]:
    """Runs `count` steps; returns the new state and the mean loss.

    What a step does depends on the state, the key and the step's number only, so any division of a training into
    calls gives the same result.
    """
    batches_an_epoch = len(data[1]) // setup.batch_size

    def body(_: jax.Array, carry: tuple[TrainState, jax.Array, jax.Array]) -> tuple[TrainState, jax.Array, jax.Array]:
        state, order, total = carry
        epoch, batch = jnp.divmod(state.step, batches_an_epoch)
        order = jax.lax.cond(batch == 0, lambda: order_of(key, epoch, len(data[1])), lambda: order)
        state, loss = resident_step(state, order, batch, data, key, scale, hyper, setup)
        return state, order, total + loss

    start = (state, order_of(key, state.step // batches_an_epoch, len(data[1])), jnp.zeros((), jnp.float32))
    state, _, total = jax.lax.fori_loop(0, count, body, start)
    return state, total / count
