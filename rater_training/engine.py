"""The compiled training loop: arrays in, a trained network out.

    trained = train(rater, images, labels, num_classes=10)
    trained.logits(images)

The training images lie on the device as bytes. Drawing a batch, cropping, mirroring, the forward and backward pass and
the update are one loop body, and one call runs many steps of it, so Python is met every few seconds and not every step.
Numbers such as learning rate and steps are arguments of the compiled loop: raters of one architecture share one
compilation.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from noisy_label_datasets.errors import NoisyLabelsError
from rater_training import architectures
from rater_training.checkpoints import Checkpoints
from rater_training.config import Augmentation, RaterConfig

# Progress is reported, and an interrupt or a diverging loss noticed, about this often.
SECONDS_A_CALL = 5.0
_FIRST_STEPS = 4
# What a network takes from the training images before training (a whitening stem, say), it takes from the first ones.
_FIT_IMAGES = 2000


class TrainingDataError(NoisyLabelsError, ValueError):
    """Arrays that a rater cannot be trained on."""


class Diverged(RuntimeError):
    """Training reached a loss that is not a number, or infinite."""


class TrainState(NamedTuple):
    """All that changes while training: what a checkpoint has to hold."""

    step: jax.Array  # [] int32: steps done
    params: Any
    statistics: Any  # batch statistics and other variables that no gradient flows to
    momentum: Any


class Hyperparameters(NamedTuple):
    """The numbers of a `RaterConfig` that the compiled loop takes as arguments, each a float32 scalar."""

    learning_rate: jax.Array
    total_steps: jax.Array
    warmup_steps: jax.Array
    momentum: jax.Array
    weight_decay: jax.Array
    label_smoothing: jax.Array


@dataclasses.dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of the training pixels, a channel, in units of byte values; [c] float32 each."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> Normalization:
        """Returns the statistics of images [n, h, w, c] uint8."""
        # By value counts: exact, and in no more memory than the images themselves.
        mean, std = [], []
        values = np.arange(256)
        for channel in range(images.shape[-1]):
            counts = np.bincount(images[..., channel].ravel(), minlength=256)
            average = (counts * values).sum() / counts.sum()
            mean.append(average)
            std.append(np.sqrt((counts * (values - average) ** 2).sum() / counts.sum()))
        # A channel without any contrast is left as it is rather than divided by zero.
        return cls(np.asarray(mean, np.float32), np.maximum(np.asarray(std, np.float32), 1.0))


@dataclasses.dataclass(frozen=True)
class TrainedRater:
    """A trained network and how its training went.

    Attributes:
      graphdef, params, statistics: the Flax NNX module, split.
      normalization: how the images were normalised.
      num_parameters: trained numbers (without batch statistics).
      history: (step, mean loss since the last entry) pairs.
      wall_seconds: time spent in training, compilation included.
    """

    graphdef: Any
    params: Any
    statistics: Any
    normalization: Normalization
    num_parameters: int
    history: tuple[tuple[int, float], ...]
    wall_seconds: float

    def logits(self, images: np.ndarray, *, with_flip: bool = False, batch_size: int = 500) -> np.ndarray:
        """Returns the logits [n, num_classes] float32 of images [n, h, w, c] uint8.

        Args:
          images: without augmentation.
          with_flip: the mean of the logits of each image and of its mirror image.
          batch_size: images at a time; the result does not depend on it but for rounding.
        """
        if with_flip:
            mirrored = self.logits(images[:, :, ::-1], batch_size=batch_size)
            return (self.logits(images, batch_size=batch_size) + mirrored) / 2
        outputs = []
        for start in range(0, len(images), batch_size):
            batch = images[start : start + batch_size]
            # The last batch is filled up so that one compiled function serves all.
            filled = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
            logits = _logits(self.graphdef, self.params, self.statistics, *self._scale, filled)
            outputs.append(np.asarray(logits)[: len(batch)])
        return np.concatenate(outputs)

    @property
    def _scale(self) -> tuple[np.ndarray, np.ndarray]:
        return self.normalization.mean, self.normalization.std


def train(
    rater: RaterConfig,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
    checkpoints: Checkpoints | None = None,
) -> TrainedRater:
    """Trains a rater, from its last checkpoint where there is one.

    Args:
      rater: the network and how it is trained.
      images: [n, h, w, c] uint8.
      labels: [n] integers below `num_classes`.
      num_classes: number of classes.
      on_progress: called every few seconds with the steps done and the mean loss of the steps since the last call.
      checkpoints: where the state is kept from time to time; None: nowhere.

    Returns:
      The trained rater. Bit-identical for the same arguments on the same kind of machine and the same JAX version,
      interrupted or not.

    Raises:
      TrainingDataError: arrays of another shape, dtype or range, or fewer images than a batch.
      Diverged: the loss is no longer finite.
      CheckpointError: the checkpoint is of another configuration or of other data.
    """
    _check(rater, images, labels, num_classes)
    started = time.monotonic()
    normalization = Normalization.of(images)
    graphdef, state = initial_state(rater, images, num_classes=num_classes)
    loop = functools.partial(
        _run_steps,
        graphdef=graphdef,
        batch_size=rater.batch_size,
        augmentation=rater.augmentation,
        num_classes=num_classes,
    )
    data = resident(images, labels, rater.augmentation.crop_padding)
    scale = (jnp.asarray(normalization.mean), jnp.asarray(normalization.std))
    key = jax.random.key(rater.seed)

    history: list[tuple[int, float]] = []
    if checkpoints is not None and (found := checkpoints.restore(state)) is not None:
        state, history = found
    steps_a_call = _FIRST_STEPS
    while int(state.step) < rater.steps:
        called = time.monotonic()
        count = min(steps_a_call, rater.steps - int(state.step))
        state, loss = loop(state, key, data, scale, hyperparameters(rater), count)
        mean_loss = float(loss)
        history.append((int(state.step), mean_loss))
        if not np.isfinite(mean_loss):
            raise Diverged(f"rater {rater.id}: loss {mean_loss} by step {int(state.step)} of {rater.steps}")
        on_progress(*history[-1])
        if checkpoints is not None and checkpoints.due() and int(state.step) < rater.steps:
            checkpoints.save(state, step=int(state.step), history=history)
        steps_a_call = _adapted(count, time.monotonic() - called)
    return TrainedRater(
        graphdef=graphdef,
        params=state.params,
        statistics=state.statistics,
        normalization=normalization,
        num_parameters=sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        history=tuple(history),
        wall_seconds=time.monotonic() - started,
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
    if hasattr(module, "fit"):
        normalization = Normalization.of(images)
        module.fit((images[:_FIT_IMAGES].astype(np.float32) - normalization.mean) / normalization.std)
    graphdef, params, statistics = nnx.split(module, nnx.Param, ...)
    momentum = jax.tree.map(jnp.zeros_like, params)
    return graphdef, TrainState(jnp.zeros((), jnp.int32), params, statistics, momentum)


def learning_rate(step: jax.Array, hyper: Hyperparameters) -> jax.Array:
    """Returns the rate of a step: a linear rise from zero over the warm-up, then a cosine from the peak to zero."""
    rising = (step + 1) / jnp.maximum(hyper.warmup_steps, 1)
    done = (step - hyper.warmup_steps) / jnp.maximum(hyper.total_steps - hyper.warmup_steps, 1)
    falling = 0.5 * (1 + jnp.cos(jnp.pi * done))
    return hyper.learning_rate * jnp.where(step < hyper.warmup_steps, rising, falling)


def hyperparameters(rater: RaterConfig) -> Hyperparameters:
    """Returns a rater's numbers as float32 scalars."""
    numbers = Hyperparameters(
        learning_rate=rater.learning_rate,
        total_steps=rater.steps,
        warmup_steps=round(rater.warmup_fraction * rater.steps),
        momentum=rater.momentum,
        weight_decay=rater.weight_decay,
        label_smoothing=rater.label_smoothing,
    )
    return jax.tree.map(lambda number: jnp.asarray(number, jnp.float32), numbers)


def _check(rater: RaterConfig, images: np.ndarray, labels: np.ndarray, num_classes: int) -> None:
    if images.ndim != 4 or images.dtype != np.uint8:
        raise TrainingDataError(f"images have shape {images.shape} and dtype {images.dtype}; wanted [n, h, w, c] uint8")
    if labels.shape != images.shape[:1]:
        raise TrainingDataError(f"labels have shape {labels.shape}; wanted [{len(images)}], one an image")
    if len(images) < rater.batch_size:
        raise TrainingDataError(
            f"rater {rater.id} has batches of {rater.batch_size} images, but there are {len(images)}"
        )
    missing = sorted(set(range(num_classes)) - set(np.unique(labels).tolist()))
    if missing or labels.min() < 0 or labels.max() >= num_classes:
        raise TrainingDataError(
            f"training labels run from {labels.min()} to {labels.max()} and lack the classes {missing};"
            f" wanted every class from 0 to {num_classes - 1}"
        )


def resident(images: np.ndarray, labels: np.ndarray, padding: int) -> tuple[jax.Array, jax.Array]:
    """Returns images framed by `padding` zeros, [n, h + 2 p, w + 2 p, c] uint8, and labels [n] int32, on the device."""
    framed = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return jnp.asarray(framed), jnp.asarray(labels, jnp.int32)


def _adapted(steps: int, seconds: float) -> int:
    """Returns how many steps the next call takes; at most four times as many, since the first call also compiles."""
    return max(1, min(4 * steps, round(steps * SECONDS_A_CALL / max(seconds, 1e-3))))


@functools.partial(jax.jit, static_argnames=("graphdef", "batch_size", "augmentation", "num_classes"))
def _run_steps(
    state: TrainState,
    key: jax.Array,
    data: tuple[jax.Array, jax.Array],
    scale: tuple[jax.Array, jax.Array],
    hyper: Hyperparameters,
    count: int,
    *,
    graphdef: Any,
    batch_size: int,
    augmentation: Augmentation,
    num_classes: int,
) -> tuple[TrainState, jax.Array]:
    """Runs `count` steps; returns the new state and the mean loss.

    What a step does depends on the state, the key and the step's number only, so any division of a training into
    calls gives the same result.
    """
    images, labels = data
    batches_an_epoch = len(labels) // batch_size
    order_key, augmentation_key = jax.random.split(key)

    def order_of(epoch: jax.Array) -> jax.Array:
        return jax.random.permutation(jax.random.fold_in(order_key, epoch), len(labels))

    def body(_: jax.Array, carry: tuple[TrainState, jax.Array, jax.Array]) -> tuple[TrainState, jax.Array, jax.Array]:
        state, order, total = carry
        epoch, batch = jnp.divmod(state.step, batches_an_epoch)
        order = jax.lax.cond(batch == 0, lambda: order_of(epoch), lambda: order)
        chosen = jax.lax.dynamic_slice_in_dim(order, batch * batch_size, batch_size)
        pixels = draw(images, chosen, jax.random.fold_in(augmentation_key, state.step), augmentation)
        inputs = _normalized(pixels, scale)
        targets = optax.smooth_labels(jax.nn.one_hot(labels[chosen], num_classes), hyper.label_smoothing)

        def loss_of(params: Any) -> tuple[jax.Array, Any]:
            module = nnx.merge(graphdef, params, state.statistics, copy=True)
            logits = module(inputs, train=True)
            loss = optax.softmax_cross_entropy(logits, targets).mean()
            return loss, nnx.split(module, nnx.Param, ...)[2]

        (loss, statistics), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        rate = learning_rate(state.step.astype(jnp.float32), hyper)
        params, momentum = _nesterov(state.params, state.momentum, gradients, rate, hyper)
        return TrainState(state.step + 1, params, statistics, momentum), order, total + loss

    start = (state, order_of(state.step // batches_an_epoch), jnp.zeros((), jnp.float32))
    state, _, total = jax.lax.fori_loop(0, count, body, start)
    return state, total / count


def draw(images: jax.Array, chosen: jax.Array, key: jax.Array, augmentation: Augmentation) -> jax.Array:
    """Returns the chosen images, cropped and mirrored at random, in one gather.

    Args:
      images: [n, h + 2 p, w + 2 p, c], framed by p = `augmentation.crop_padding` pixels.
      chosen: [b] indices.
      key: of the random offsets and mirrorings.
      augmentation: what to draw.

    Returns:
      [b, h, w, c] of the images' dtype.
    """
    padding = augmentation.crop_padding
    height, width = images.shape[1] - 2 * padding, images.shape[2] - 2 * padding
    crop_key, flip_key = jax.random.split(key)
    offsets = jax.random.randint(crop_key, (2, len(chosen), 1), 0, 2 * padding + 1)
    mirrored = jax.random.bernoulli(flip_key, 0.5, (len(chosen), 1)) & augmentation.flip
    columns = jnp.arange(width)[None]
    columns = offsets[1] + jnp.where(mirrored, columns[:, ::-1], columns)
    rows = offsets[0] + jnp.arange(height)[None]
    return images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]


def _nesterov(params: Any, momentum: Any, gradients: Any, rate: jax.Array, hyper: Hyperparameters) -> tuple[Any, Any]:
    """Returns parameters and momentum after one step of Nesterov's method (as in Sutskever et al. 2013)."""
    transformation = optax.chain(
        optax.add_decayed_weights(hyper.weight_decay, mask=lambda tree: jax.tree.map(lambda leaf: leaf.ndim > 1, tree)),
        optax.trace(decay=hyper.momentum, nesterov=True),
    )
    empty, _ = transformation.init(params)
    updates, (_, trace) = transformation.update(gradients, (empty, optax.TraceState(momentum)), params)
    return jax.tree.map(lambda p, u: p - rate * u, params, updates), trace.trace


@functools.partial(jax.jit, static_argnames=("graphdef",))
def _logits(
    graphdef: Any, params: Any, statistics: Any, mean: jax.Array, std: jax.Array, images: jax.Array
) -> jax.Array:
    module = nnx.merge(graphdef, params, statistics)
    return module(_normalized(images, (mean, std)), train=False)


def _normalized(pixels: jax.Array, scale: tuple[jax.Array, jax.Array]) -> jax.Array:
    mean, std = (statistic[None, None, None] for statistic in scale)
    return (pixels.astype(jnp.float32) - mean) / std
