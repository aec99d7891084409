"""The raters' networks, by name.

    module = create("resnet50", num_classes=10, image_shape=(32, 32, 3), rngs=nnx.Rngs(0))
    logits = module(images, train=False)

A new family is a module beside this one and its names a line below.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from rater_training.architectures import compact, efficientnet, inception, mlp, mobilenet, nasnet, resnet, vgg
from rater_training.architectures.network import Network, feed_forward
from rater_training.config import ConfigError

# The thirteen networks of the paper's raters (Appendix A), and others of their families, as data.
NETWORKS: dict[str, Network] = {
    **inception.NETWORKS,
    **mobilenet.NETWORKS,
    **nasnet.NETWORKS,
    **resnet.NETWORKS,
    **vgg.NETWORKS,
}

ARCHITECTURES: dict[str, Callable[..., nnx.Module]] = {
    **{name: functools.partial(feed_forward, network) for name, network in NETWORKS.items()},
    **{name: functools.partial(feed_forward, network) for name, network in efficientnet.NETWORKS.items()},
    **compact.ARCHITECTURES,
    **mlp.ARCHITECTURES,
}


def create(
    name: str,
    *,
    num_classes: int,
    image_shape: tuple[int, int, int],
    width: float = 1.0,
    dtype: DTypeLike = jnp.float32,
    rngs: nnx.Rngs,
) -> nnx.Module:
    """Returns a freshly initialised network.

    Args:
      name: a key of `ARCHITECTURES`.
      num_classes: number of logits.
      image_shape: (height, width, channels) of the images that it will be given.
      width: multiplier of the number of channels of every layer.
      dtype: of the computation; parameters are float32.
      rngs: the stream "params" initialises, "dropout" is drawn from in training where the network has dropout.

    Returns:
      A module: `module(images [b, h, w, c], train)` gives logits [b, num_classes] float32.

    Raises:
      ConfigError: unknown name.
    """
    if name not in ARCHITECTURES:
        raise ConfigError(f"no architecture {name!r}; there are: {', '.join(sorted(ARCHITECTURES))}")
    return ARCHITECTURES[name](num_classes=num_classes, image_shape=image_shape, width=width, dtype=dtype, rngs=rngs)
