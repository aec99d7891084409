"""Trains raters: arrays in, trained networks out.

    trained = train(rater, images, labels, num_classes=10)
    trained.logits(images)

    for group in vmappable_groups(pool.raters):
        for rater, outcome in train_vmapped(group, images, labels, num_classes=10):
            ...                                 # as soon as it is done: a TrainedRater, or Diverged

A rater is a run of the training loop (`loop`) whose step is `rater_step.RaterStep`. Learning rate, steps and the like
are arguments of the compiled loop: raters of one architecture share one compilation, and can be trained in one loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rater_training import architectures
from rater_training.config import RaterConfig
from rater_training.engine import loop
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.compiled import Program
from rater_training.engine.devices import DEFAULT_DEVICE, Devices
from rater_training.engine.examples import Examples, Normalization, TrainingDataError
from rater_training.engine.optimizers import OPTIMIZERS
from rater_training.engine.rater_step import RaterState, RaterStep, hyperparameters
from rater_training.engine.trained import TrainedRater
from rater_training.pretrained import start as pretrained

# What a network takes from the training images before training (a whitening stem, say), it takes from the first ones.
_FIT_IMAGES = 2000


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
    normalization: Normalization | None = None,
    watched_at: Sequence[int] = (),
    watch: Callable[[int, TrainedRater], None] = lambda step, trained: None,
) -> TrainedRater:
    """Trains a rater, from its last checkpoint where there is one.

    Args:
      rater: the network and how it is trained.
      images: [n, h, w, c] uint8; may be memory-mapped.
      labels: [n] integers below `num_classes`.
      num_classes: number of classes.
      on_progress, checkpoints, streamed: as of `loop.train`.
      devices: which share every batch; of several processes each calls this with the same arguments.
      normalization: statistics of the images; None: they are computed.
      watched_at: steps after which `watch` is called, as it is after the last.
      watch: gets the steps done and the rater as it is then, for as long as the call takes; what it raises ends the
        training.

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
    started = time.monotonic()
    check(rater, images, labels, num_classes)
    examples = _examples(rater, images, labels, normalization)
    graphdef, state = initial_state(rater, examples, num_classes=num_classes)

    def evaluate(step: int, state: RaterState) -> tuple[RaterState, None]:
        watch(step, _trained(graphdef, loop.Result(state, (), (), 0.0), examples, devices, started))
        return state, None

    result = loop.train(
        _program(rater, graphdef, num_classes, devices),
        examples,
        _run(rater, state, checkpoints),
        on_progress=on_progress,
        evaluation=loop.Evaluation(watched_at, evaluate) if watched_at else None,
        streamed=streamed,
    )
    return _trained(graphdef, result, examples, devices, started)


def train_vmapped(
    raters: Sequence[RaterConfig],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    on_progress: Callable[[RaterConfig, int, float], None] = lambda rater, step, loss: None,
    checkpoints: Mapping[str, Checkpoints] | None = None,
    active: Collection[str] | None = None,
    devices: Devices = DEFAULT_DEVICE,
    normalization: Normalization | None = None,
) -> Iterator[tuple[RaterConfig, TrainedRater | loop.Diverged]]:
    """Trains the raters of one group of `vmappable_groups`; yields each when it is done, or when it has diverged.

    Args:
      raters: what differs is what a training loop takes as arguments: seed, steps, learning rate and the like.
      images: [n, h, w, c] uint8; resident on the device.
      labels: [n] integers below `num_classes`.
      num_classes: number of classes.
      on_progress: called every few seconds, for each rater in training, as that of `train`.
      checkpoints: by rater id: where each rater's state is kept, as if it were trained alone.
      active: ids of the raters to train; None: all. See `loop.train_vmapped`.
      devices: which share the raters, and every rater's batch.
      normalization: statistics of the images; None: they are computed.

    Raises:
      TrainingDataError, DevicesError, CheckpointError: as `train`.
    """
    started = time.monotonic()
    checkpoints = checkpoints or {}
    for rater in raters:
        check(rater, images, labels, num_classes)
    examples = _examples(raters[0], images, labels, normalization)
    by_name, runs, graphdef = {}, [], None
    for rater in raters:
        graphdef, state = initial_state(rater, examples, num_classes=num_classes)
        run = _run(rater, jax.tree.map(np.asarray, state), checkpoints.get(rater.id))
        by_name[run.name] = rater
        runs.append(run)
    outcomes = loop.train_vmapped(
        _program(raters[0], graphdef, num_classes, devices),
        examples,
        runs,
        active=None if active is None else [name for name, rater in by_name.items() if rater.id in active],
        on_progress=lambda run, step, loss: on_progress(by_name[run.name], step, loss),
    )
    for run, outcome in outcomes:
        if isinstance(outcome, loop.Result):
            yield by_name[run.name], _trained(graphdef, outcome, examples, devices, started)
        else:
            yield by_name[run.name], outcome


def vmappable_groups(raters: Sequence[RaterConfig], most: int | None = None) -> list[list[RaterConfig]]:
    """Returns the raters in groups that can be trained in one loop, of at most `most`, in the order of the firsts."""
    groups: dict[tuple, list[RaterConfig]] = {}
    for rater in raters:
        shared = (
            *(rater.architecture, rater.width, rater.batch_size, rater.augmentation, rater.optimizer, rater.dtype),
            rater.frozen,
            pretrained.expected_statistics(rater) is not None,  # one normalization for all
        )
        groups.setdefault(shared, []).append(rater)
    return [
        group[start : start + (most or len(group))]
        for group in groups.values()
        for start in range(0, len(group), most or len(group))
    ]


def initial_state(rater: RaterConfig, examples: Examples, *, num_classes: int) -> tuple[Any, RaterState]:
    """Returns the network's graph definition and the state from which a rater's training starts.

    Args:
      rater: the network and its seed.
      examples: the training images; some networks take their first layer from them.
      num_classes: number of classes.
    """
    images, normalization = examples.images, examples.normalization
    assert images is not None, "a rater is trained on images"
    assert normalization is not None
    module = architectures.create(
        rater.architecture,
        num_classes=num_classes,
        image_shape=images.shape[1:],
        width=rater.width,
        dtype=jnp.dtype(rater.dtype),
        rngs=nnx.Rngs(params=rater.seed, dropout=rater.seed),
    )
    pretrained.start(module, rater)
    if hasattr(module, "fit"):
        module.fit((images[:_FIT_IMAGES].astype(np.float32) - normalization.mean) / normalization.std)
    graphdef, params, statistics = nnx.split(module, nnx.Param, ...)
    return graphdef, RaterState(params, statistics, OPTIMIZERS[rater.optimizer].init(params))


def check(rater: RaterConfig, images: np.ndarray, labels: np.ndarray, num_classes: int) -> None:
    """Raises TrainingDataError if a rater cannot be trained on these arrays."""
    if images.ndim != 4 or images.dtype != np.uint8:
        raise TrainingDataError(f"images have shape {images.shape} and dtype {images.dtype}; wanted [n, h, w, c] uint8")
    if rater.augmentation.turn and images.shape[1] != images.shape[2]:
        raise TrainingDataError(f"rater {rater.id} turns its images, which are {images.shape[1]}x{images.shape[2]}")
    if labels.shape != images.shape[:1]:
        raise TrainingDataError(f"labels have shape {labels.shape}; wanted [{len(images)}], one per image")
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


def _examples(
    rater: RaterConfig, images: np.ndarray, labels: np.ndarray, normalization: Normalization | None
) -> Examples:
    if (expected := pretrained.expected_statistics(rater)) is not None:
        normalization = Normalization(*expected)
    return Examples({"labels": labels.astype(np.int32)}, images, normalization)


def _program(rater: RaterConfig, graphdef: Any, num_classes: int, devices: Devices) -> Program:
    return Program(RaterStep(graphdef, num_classes, rater.optimizer), rater.batch_size, rater.augmentation, devices)


def _run(rater: RaterConfig, state: RaterState, checkpoints: Checkpoints | None) -> loop.Run:
    return loop.Run(f"rater {rater.id}", state, rater.steps, rater.seed, hyperparameters(rater), checkpoints)


def _trained(graphdef: Any, result: loop.Result, examples: Examples, devices: Devices, started: float) -> TrainedRater:
    assert examples.normalization is not None
    return TrainedRater(
        graphdef=graphdef,
        params=result.state.params,
        statistics=result.state.statistics,
        normalization=examples.normalization,
        num_parameters=sum(leaf.size for leaf in jax.tree.leaves(result.state.params)),
        history=result.history,
        wall_seconds=time.monotonic() - started,
        devices=devices,
    )
