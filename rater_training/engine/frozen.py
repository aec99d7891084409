"""Raters of whose network only the last layer is trained: `RaterConfig.frozen`.

    trained = train(rater, images, labels, num_classes=100)
    trained.logits(images)

Every image goes through the published network once, as it is, and the last layer learns from the features that come
out (Donahue et al. 2014, "DeCAF"): a training of thousands of steps takes seconds. The features of the same images are
kept, so that all raters of one network and of one process share them. Last layers on the same features err alike;
`RaterConfig.features_share` gives each rater a part of them, drawn by its seed (Ho 1998, "The random subspace method").
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rater_training.config import RaterConfig
from rater_training.engine import loop, raters
from rater_training.engine.batches import Batch
from rater_training.engine.compiled import Program
from rater_training.engine.examples import Examples, Normalization, normalized
from rater_training.engine.optimizers import OPTIMIZERS
from rater_training.engine.rater_step import Hyperparameters, hyperparameters, learning_rate
from rater_training.engine.trained import LABELLING_BATCH, TrainedRater

# Of the pixels that the published networks were trained on, in bytes (MEAN_RGB and STDDEV_RGB of the models). Other
# raters' statistics are those of their dataset, to which normalization layers that learn can adapt.
NORMALIZATION = Normalization(np.full(3, 127, np.float32), np.full(3, 128, np.float32))
_KEPT_BYTES = 2**30
_LEAST_DEVIATION = 1e-3  # of a feature; what varies less is not blown up

_kept: collections.OrderedDict[tuple[str, str], np.ndarray] = collections.OrderedDict()
_one_at_a_time = threading.Lock()  # each uses all cores, and two raters may want the same features


@dataclasses.dataclass(frozen=True)
class FrozenRater(TrainedRater):
    """A rater whose logits come from kept features: the same network, less work.

    Attributes:
      architecture: of the published network.
    """

    architecture: str = ""

    def logits(self, images: np.ndarray, *, with_flip: bool = False, batch_size: int = LABELLING_BATCH) -> np.ndarray:
        """Returns the logits as `TrainedRater.logits` does, but for rounding; `batch_size` changes nothing."""
        if with_flip:
            return (self.logits(images) + self.logits(images[:, :, ::-1])) / 2
        module = nnx.merge(self.graphdef, self.params, self.statistics)
        given = features(self.architecture, module, images, self.normalization)
        return np.asarray(_logits(given, module.head.kernel[...], module.head.bias[...]))


class _Head(NamedTuple):
    """A last layer while it is trained: kernel [d, K] and bias [K], and the optimizer's state."""

    params: tuple[jax.Array, jax.Array]
    opt_state: Any


@dataclasses.dataclass(frozen=True)
class _HeadStep:
    """Cross-entropy of the last layer to the labels, and the optimizer's update; a step of `engine.loop`."""

    num_classes: int
    optimizer: str

    def __call__(self, state: _Head, batch: Batch, hyper: Hyperparameters) -> tuple[_Head, jax.Array]:
        targets = optax.smooth_labels(jax.nn.one_hot(batch.arrays["labels"], self.num_classes), hyper.label_smoothing)

        def loss_of(params: tuple[jax.Array, jax.Array]) -> jax.Array:
            return optax.softmax_cross_entropy(_logits(batch.arrays["features"], *params), targets).mean()

        loss, gradients = jax.value_and_grad(loss_of)(state.params)
        rate = learning_rate(batch.step.astype(jnp.float32), hyper)
        params, opt_state = OPTIMIZERS[self.optimizer].update(
            state.params, state.opt_state, gradients, rate, hyper.momentum, hyper.weight_decay
        )
        return _Head(params, opt_state), loss


def train(
    rater: RaterConfig,
    images: np.ndarray,
    labels: np.ndarray,
    *,
    num_classes: int,
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
) -> FrozenRater:
    """Trains the last layer of a published network.

    Args:
      rater: with `frozen`; its augmentation is not applied.
      images: [n, h, w, c] uint8.
      labels: [n] integers below `num_classes`.
      num_classes: number of classes.
      on_progress: as of `loop.train`.

    Returns:
      The trained rater; its network takes images, as that of any other.

    Raises:
      TrainingDataError, PretrainedError, WeightsError, Diverged: as `engine.raters.train`.
    """
    started = time.monotonic()
    raters.check(rater, images, labels, num_classes)
    graphdef, state = raters.initial_state(rater, Examples((), images, NORMALIZATION), num_classes=num_classes)
    module = nnx.merge(graphdef, state.params, state.statistics)
    given = features(rater.architecture, module, images, NORMALIZATION)
    mean = given.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = np.maximum(given.std(axis=0, dtype=np.float64), _LEAST_DEVIATION).astype(np.float32)
    seen = _seen(rater, given.shape[1])
    zeros = (jnp.zeros((len(seen), num_classes)), jnp.zeros(num_classes))
    result = loop.train(
        Program(_HeadStep(num_classes, rater.optimizer), rater.batch_size),
        Examples({"features": (given[:, seen] - mean[seen]) / deviation[seen], "labels": labels.astype(np.int32)}),
        loop.Run(
            f"rater {rater.id}",
            _Head(zeros, OPTIMIZERS[rater.optimizer].init(zeros)),
            rater.steps,
            rater.seed,
            hyperparameters(rater),
        ),
        on_progress=on_progress,
    )
    kernel, bias = (np.asarray(array) for array in result.state.params)
    # In the network the layer stands on the features as they are.
    whole = np.zeros((given.shape[1], num_classes), np.float32)
    whole[seen] = kernel / deviation[seen, None]
    module.head.kernel.set_value(jnp.asarray(whole))
    module.head.bias.set_value(jnp.asarray(bias - mean @ whole))
    graphdef, params, statistics = nnx.split(module, nnx.Param, ...)
    return FrozenRater(
        graphdef=graphdef,
        params=params,
        statistics=statistics,
        normalization=NORMALIZATION,
        num_parameters=sum(leaf.size for leaf in jax.tree.leaves(params)),
        history=result.history,
        wall_seconds=time.monotonic() - started,
        architecture=rater.architecture,
    )


def features(architecture: str, module: Any, images: np.ndarray, normalization: Normalization) -> np.ndarray:
    """Returns what a published network makes of images before its last layer, computed or kept: [n, d] float32.

    Args:
      architecture: which network.
      module: that network (`architectures.network.FeedForward`).
      images: [n, h, w, c] uint8.
      normalization: of the pixels.
    """
    digest = hashlib.sha256(repr((images.shape, normalization.mean.tolist(), normalization.std.tolist())).encode())
    digest.update(np.ascontiguousarray(images).data)
    key = (architecture, digest.hexdigest())
    with _one_at_a_time:
        if key not in _kept:
            _kept[key] = _computed(module, images, normalization)
            while len(_kept) > 1 and sum(kept.nbytes for kept in _kept.values()) > _KEPT_BYTES:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
        return _kept[key]


def _computed(module: Any, images: np.ndarray, normalization: Normalization) -> np.ndarray:
    graphdef, state = nnx.split(module)
    scale = (normalization.mean, normalization.std)
    outputs = []
    for start in range(0, len(images), LABELLING_BATCH):
        batch = images[start : start + LABELLING_BATCH]
        # The last batch is filled up so that one compiled function serves all.
        filled = np.concatenate([batch, np.repeat(batch[-1:], LABELLING_BATCH - len(batch), axis=0)])
        outputs.append(np.asarray(_features(state, filled, scale, graphdef=graphdef))[: len(batch)])
    return np.concatenate(outputs)


@functools.partial(jax.jit, static_argnames=("graphdef",))
def _features(state: Any, images: jax.Array, scale: Any, *, graphdef: Any) -> jax.Array:
    return nnx.merge(graphdef, state).features(normalized(images, scale), train=False)


@jax.jit
def _logits(given: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    return given @ kernel + bias[None]


def _seen(rater: RaterConfig, count: int) -> np.ndarray:
    """Returns which of `count` features a rater sees, in ascending order."""
    return np.sort(np.random.default_rng(rater.seed).permutation(count)[: max(1, round(rater.features_share * count))])
