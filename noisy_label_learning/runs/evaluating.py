"""A network's outputs in evaluation mode: accuracies for the curve, probabilities, features of its layers.

evaluated = Evaluator(graphdef, algorithm, scale).measure(networks, valid, test)
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from noisy_label_learning.algorithms.base import Algorithm
from noisy_label_learning.errors import LearningError
from rater_training.engine.examples import Normalization, normalized

_IMAGES_PER_CALL = 500
MOST_LAYERS = 4


class LabelledChunks(NamedTuple):
    """Images with labels on the device, in chunks of one size.

    Attributes:
      images: [chunks, size, h, w, c] uint8; the last chunk is filled up.
      labels: [chunks, size] int32; -1 where it is.
    """

    images: jax.Array
    labels: jax.Array

    @classmethod
    def of(cls, images: np.ndarray, labels: np.ndarray) -> LabelledChunks:
        """Returns images [n, h, w, c] uint8 with labels [n]."""
        size = min(_IMAGES_PER_CALL, len(images))
        chunks = -(-len(images) // size)
        filled = chunks * size - len(images)
        padded_labels = np.concatenate([labels.astype(np.int32), np.full(filled, -1, np.int32)])
        padded_images = np.concatenate([images, np.zeros((filled, *images.shape[1:]), np.uint8)])
        return cls(
            jnp.asarray(padded_images.reshape(chunks, size, *images.shape[1:])),
            jnp.asarray(padded_labels.reshape(chunks, size)),
        )


def chunks_of_beliefs(beliefs: np.ndarray, chunks: LabelledChunks) -> np.ndarray:
    """Returns P(label) [n, K] of the images of these chunks, as [chunks, size, K] float32: 0 where they are filled."""
    count, size = chunks.labels.shape
    padded = np.zeros((count * size, beliefs.shape[1]), np.float32)
    padded[: len(beliefs)] = beliefs
    return padded.reshape(count, size, -1)


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """Runs a network without changing it.

    Attributes:
      graphdef: of the Flax NNX module.
      algorithm: says what the outputs mean.
      normalization: of the training images.
    """

    graphdef: Any
    algorithm: Algorithm
    normalization: Normalization

    @property
    def _scale(self) -> tuple[np.ndarray, np.ndarray]:
        return self.normalization.mean, self.normalization.std

    def measure(
        self,
        params: Any,
        statistics: Any,
        chunks: LabelledChunks,
        beliefs: jax.Array | None = None,
        *,
        vmapped: bool = False,
    ) -> np.ndarray:
        """Returns accuracy and mean cross-entropy, [2] float64, or [runs, 2] of vmapped runs.

        With beliefs, of `chunks_of_beliefs` (of vmapped runs stacked), both follow once more, as they are expected of
        labels that these say the probabilities of: [4], or [runs, 4].
        """
        sums = _measure(
            params,
            statistics,
            self._scale,
            chunks,
            beliefs,
            graphdef=self.graphdef,
            algorithm=self.algorithm,
            vmapped=vmapped,
        )
        return np.asarray(sums, np.float64) / int((np.asarray(chunks.labels) >= 0).sum())

    def log_probabilities(self, params: Any, statistics: Any, images: np.ndarray) -> np.ndarray:
        """Returns log p [n, K] float32 of images [n, h, w, c] uint8."""
        found = [
            np.asarray(_log_probabilities(params, statistics, self._scale, chunk, self.graphdef, self.algorithm))[
                :count
            ]
            for chunk, count in _chunks(images)
        ]
        return np.concatenate(found)

    def features(self, params: Any, statistics: Any, images: np.ndarray) -> list[np.ndarray]:
        """Returns the spatially averaged outputs [n, d] of several layers, at most four, the deepest last.

        Of the network's blocks one after the other (`hidden` layers, `cells`, or the layers of a `body`) the last of
        each size of map counts.

        Raises:
          LearningError: the network has no layers between images and logits.
        """
        found: list[list[np.ndarray]] = []
        for chunk, count in _chunks(images):
            layers = _features(params, statistics, self._scale, chunk, self.graphdef)
            found.append([np.asarray(layer)[:count] for layer in layers])
        if not found or not found[0]:
            raise LearningError("this network has no hidden layers whose features could be used")
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _chunks(images: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Yields chunks of one size and how many images of each are wanted."""
    size = min(_IMAGES_PER_CALL, len(images))
    for start in range(0, len(images), size):
        chunk = np.asarray(images[start : start + size])
        yield np.concatenate([chunk, np.repeat(chunk[-1:], size - len(chunk), axis=0)]), len(chunk)


@functools.partial(jax.jit, static_argnames=("graphdef", "algorithm", "vmapped"))
def _measure(
    params: Any,
    statistics: Any,
    scale: tuple[jax.Array, jax.Array],
    chunks: LabelledChunks,
    beliefs: jax.Array | None,
    *,
    graphdef: Any,
    algorithm: Algorithm,
    vmapped: bool,
) -> jax.Array:
    """Returns how many labels are predicted and the sum of cross-entropies, see `Evaluator.measure`."""

    def of_one(params: Any, statistics: Any, beliefs: jax.Array | None) -> jax.Array:
        def of_chunk(of_chunk: tuple[LabelledChunks, jax.Array | None]) -> jax.Array:
            chunk, believed = of_chunk
            log_p = _log_probabilities(params, statistics, scale, chunk.images, graphdef, algorithm)
            predicted, real = log_p.argmax(axis=-1), chunk.labels >= 0
            right = (predicted == chunk.labels) & real
            loss = -jnp.take_along_axis(log_p, jnp.maximum(chunk.labels, 0)[:, None], axis=1)[:, 0]
            sums = [right.sum().astype(jnp.float32), jnp.where(real, loss, 0).sum()]
            if believed is not None:
                sums += [jnp.take_along_axis(believed, predicted[:, None], axis=1).sum(), -(believed * log_p).sum()]
            return jnp.stack(sums)

        return jax.lax.map(of_chunk, (chunks, beliefs)).sum(axis=0)

    return (jax.vmap(of_one) if vmapped else of_one)(params, statistics, beliefs)


@functools.partial(jax.jit, static_argnames=("graphdef", "algorithm"))
def _log_probabilities(
    params: Any,
    statistics: Any,
    scale: tuple[jax.Array, jax.Array],
    images: jax.Array,
    graphdef: Any,
    algorithm: Algorithm,
) -> jax.Array:
    module = nnx.merge(graphdef, params, statistics)
    return algorithm.log_probabilities(module(normalized(images, scale), train=False))


@functools.partial(jax.jit, static_argnames=("graphdef",))
def _features(
    params: Any, statistics: Any, scale: tuple[jax.Array, jax.Array], images: jax.Array, graphdef: Any
) -> list[jax.Array]:
    module = nnx.merge(graphdef, params, statistics)
    run = nnx.capture(module, nnx.Intermediate, method_outputs=nnx.Intermediate)
    _, intermediates = run(normalized(images, scale), train=False)
    outputs = {path: variable.get_value()[0] for path, variable in nnx.to_flat_state(intermediates)}
    blocks = [
        path
        for path in outputs
        if path[:-2] in (("hidden",), ("cells",), ("body", "modules")) and path[-1] == "__call__"
    ]
    last_of_size: dict[tuple[int, ...], tuple] = {}
    for path in sorted(blocks, key=lambda path: (path[0] == "hidden", path[-2])):
        last_of_size[outputs[path].shape[1:]] = path
    layers = [outputs[path].astype(jnp.float32) for path in last_of_size.values()][-MOST_LAYERS:]
    return [layer if layer.ndim == 2 else layer.mean(axis=(1, 2)) for layer in layers]
