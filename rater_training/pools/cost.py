"""What training costs, in floating-point operations.

    training_flops(get_pool("cifar10/high"))        # 1.1e18

Counted are the convolutions and matrix products, two operations per multiply-add, and three times the forward pass for
forward and backward; normalization, activations, augmentation, the optimizer and the labelling afterwards are not. Of
frozen networks the last layer is counted, not the features, which are computed once an image and network.
"""

from __future__ import annotations

import functools

from rater_training import architectures
from rater_training.architectures import efficientnet, network, specs
from rater_training.config import PoolConfig, RaterConfig

_OPERATIONS_A_MULTIPLY_ADD = 2
_PASSES = 3  # forward; backward to the inputs; backward to the parameters


def training_flops(pool: PoolConfig) -> float:
    """Returns the floating-point operations of training all raters of a pool."""
    return float(sum(_training_multiply_adds(rater, pool) for rater in pool.raters) * _OPERATIONS_A_MULTIPLY_ADD)


def _training_multiply_adds(rater: RaterConfig, pool: PoolConfig) -> float:
    if rater.frozen:
        (*_, features), _ = specs.trace(efficientnet.NETWORKS[rater.architecture].layers, pool.image_shape)
        forward = rater.features_share * features * pool.num_classes
    else:
        shape = (pool.image_shape, pool.num_classes, rater.width)
        forward = forward_multiply_adds(rater.architecture, *shape)
    return _PASSES * rater.examples_seen * forward


@functools.cache
def forward_multiply_adds(
    architecture: str, image_shape: tuple[int, int, int], num_classes: int, width: float = 1.0
) -> int:
    """Returns the multiply-adds of one image's forward pass.

    For the paper's networks from their tables, in no time; for others from what XLA counts in the program, which takes
    a second (and has the operations of all layers in it).

    Raises:
      ValueError: unknown architecture, or images too small for it.
    """
    if architecture in architectures.NETWORKS:
        fitted = network.fit(architectures.NETWORKS[architecture], image_shape, width=width)
        return network.multiply_adds(fitted, image_shape, num_classes)
    return _counted_by_xla(architecture, image_shape, num_classes, width)


def _counted_by_xla(architecture: str, image_shape: tuple[int, int, int], num_classes: int, width: float) -> int:
    import jax
    import jax.numpy as jnp
    from flax import nnx

    def make() -> nnx.Module:
        return architectures.create(
            architecture, num_classes=num_classes, image_shape=image_shape, width=width, rngs=nnx.Rngs(0)
        )

    graphdef, state = nnx.split(nnx.eval_shape(make))
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    lowered = jax.jit(lambda state, image: nnx.merge(graphdef, state)(image, train=False)).lower(state, image)
    return round(lowered.cost_analysis()["flops"] / _OPERATIONS_A_MULTIPLY_ADD)
