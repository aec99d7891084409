"""A whole network as data, in the form that suits the images, and as a module.

    fitted = fit(resnet.NETWORKS["resnet50"], image_shape=(32, 32, 3), width=0.5)
    module = FeedForward(fitted, num_classes=10, image_shape=(32, 32, 3), rngs=nnx.Rngs(0))

The paper says neither how its ImageNet networks met the 32x32 pixels of CIFAR nor the 96x96 of PatchCamelyon. All of
them reduce an image 32-fold, so that CIFAR would end in a single pixel and, for the Inceptions without padding, in
less. Hence two forms:

*   `imagenet`: exactly the published network, whatever the image.
*   `small`: the same layers with the same parameters, padded 'SAME' throughout, and without as many of the first
    reductions (a strided convolution keeps its size, a pooling is left out) as it takes for a last map of at least 3x3
    pixels. So it is commonly done for CIFAR: 32x32 ends in 4x4 and costs about a third of 224x224. As no parameter
    changes, weights from ImageNet fit this form, too. VGG is the exception: it starts with convolutions at full size,
    where dropped reductions would cost 16 times as much, and its fully connected layers take what size there is. It
    keeps its reductions and has 512 hidden units for 4096, as VGGs for CIFAR have (Liu & Deng, ACPR 2015).
*   `auto` (the default) is `imagenet` where its last map is at least 3x3 pixels, else `small`. 224x224 is `imagenet`
    for all; 96x96 too, except for Inception-v3, -v4 and Inception-ResNet-v2, which do not pad: they are `small` with
    all reductions kept; 32x32 is `small` for all.

No network has dropout: Keras' have none (but for a thousandth in MobileNet), and the paper names none.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from rater_training.architectures import layers, specs
from rater_training.config import ConfigError

FORMS = ("auto", "imagenet", "small")
_SMALLEST_LAST_SIDE = 3


@dataclasses.dataclass(frozen=True)
class Network:
    """Layers up to the last map, and what stands between it and the logits.

    Attributes:
      layers: at width 1, in the ImageNet form.
      hidden: units of fully connected layers before the logits; none: the mean over the last map.
      small_hidden: the same in the small form.
      keeps_reductions: whether the small form has all of them.
    """

    layers: specs.Layers
    hidden: tuple[int, ...] = ()
    small_hidden: tuple[int, ...] = ()
    keeps_reductions: bool = False


def fit(network: Network, image_shape: specs.Shape, *, width: float = 1.0, form: str = "auto") -> Network:
    """Returns the network at a width and in the form for such images.

    Raises:
      ConfigError: no such form, or images too small for it.
    """
    if form not in FORMS:
        raise ConfigError(f"form is {form!r}; it has to be one of {', '.join(FORMS)}")
    if width <= 0:
        raise ConfigError(f"width is {width}; it has to be above 0")
    if form == "auto":
        form = "imagenet" if _last_side(network.layers, image_shape) >= _SMALLEST_LAST_SIDE else "small"
    fitted = network.layers if form == "imagenet" else _small(network, image_shape)
    hidden = network.hidden if form == "imagenet" else network.small_hidden
    if _last_side(fitted, image_shape) < 1:
        raise ConfigError(
            f"images of {image_shape[0]}x{image_shape[1]} are too small for the {form} form of this network"
        )
    return Network(
        layers=specs.scale_features(fitted, width), hidden=tuple(specs.scaled(units, width) for units in hidden)
    )


def multiply_adds(network: Network, image_shape: specs.Shape, num_classes: int) -> int:
    """Returns the multiply-adds of one image's forward pass; normalization, activations and pooling are not counted."""
    shape, total = specs.trace(network.layers, image_shape)
    features = shape[0] * shape[1] * shape[2] if network.hidden else shape[2]
    for units in (*network.hidden, num_classes):
        total += features * units
        features = units
    return total


def _small(network: Network, image_shape: specs.Shape) -> specs.Layers:
    padded = specs.pad_same(network.layers)
    fitted, dropped = padded, 0
    while not network.keeps_reductions and _last_side(fitted, image_shape) < _SMALLEST_LAST_SIDE:
        dropped += 1
        fitted, left = specs.drop_reductions(padded, dropped)
        if left:
            raise ConfigError(f"images of {image_shape[0]}x{image_shape[1]} are too small for this network")
    return fitted


def _last_side(network_layers: specs.Layers, image_shape: specs.Shape) -> int:
    try:
        shape, _ = specs.trace(network_layers, image_shape)
    except specs.TooSmall:
        return 0
    return min(shape[:2])


class FeedForward(nnx.Module):
    """A network as a module: images [b, h, w, c] float -> logits [b, num_classes] float32."""

    def __init__(
        self,
        network: Network,
        *,
        num_classes: int,
        image_shape: specs.Shape,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        kernels = layers.Kernels(dtype)
        self.dtype = kernels.dtype
        self.body, shape = layers.build(network.layers, image_shape, kernels)
        self.flatten = bool(network.hidden)
        features = shape[0] * shape[1] * shape[2] if self.flatten else shape[2]
        hidden = []
        for units in network.hidden:
            hidden.append(layers.DenseModule(features, units, kernels, gain=2.0))
            features = units
        self.hidden = nnx.List(hidden)
        self.head = layers.DenseModule(features, num_classes, kernels, gain=1.0)
        kernels.draw(rngs.params())

    def features(self, images: jax.Array, train: bool) -> jax.Array:
        """Returns what the last map is made to for the layers after it: [b, features]."""
        x = self.body(images.astype(self.dtype), train)
        return x.reshape(x.shape[0], -1) if self.flatten else jnp.mean(x.astype(jnp.float32), axis=(1, 2))

    def __call__(self, images: jax.Array, train: bool) -> jax.Array:
        x = self.features(images, train)
        for layer in self.hidden:
            x = nnx.relu(layer(x))
        return self.head(x.astype(jnp.float32))


def feed_forward(
    network: Network,
    *,
    num_classes: int,
    image_shape: specs.Shape,
    width: float = 1.0,
    form: str = "auto",
    dtype: DTypeLike = jnp.float32,
    rngs: nnx.Rngs,
) -> FeedForward:
    """Returns the module of a network that is fitted to the images; arguments as those of `architectures.create`."""
    fitted = fit(network, image_shape, width=width, form=form)
    return FeedForward(fitted, num_classes=num_classes, image_shape=image_shape, dtype=dtype, rngs=rngs)
