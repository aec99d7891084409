"""What a network is made of, as data: layers, their arithmetic, and how a network is fitted to an image.

    layers = conv(64, 3) + (Branches(conv(32), conv(16) + conv(32, 3)),)
    shape, multiply_adds = trace(layers, (32, 32, 3))

A network is a tuple of layers, so tables of layers are joined with `+`. The layers here neither hold parameters nor
need JAX; `rater_training.architectures.layers` makes modules of them. Shapes are (height, width, channels).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

Shape = tuple[int, int, int]
Padding = str | int  # 'SAME', 'VALID', or pixels added on every side


class TooSmall(ValueError):
    """An image that is smaller than what a layer needs."""


class Layer:
    """One layer. A subclass is a frozen dataclass; `stride` is by how much it reduces the image."""

    stride: int = 1

    def trace(self, shape: Shape) -> tuple[Shape, int]:
        """Returns the shape of the output for an input of this shape, and the multiply-adds an image."""
        return shape, 0

    def map(self, change: Callable[[Layer], Layer | None]) -> Layer | None:
        """Returns this layer with every leaf changed; a leaf for which `change` gives None is left out."""
        return change(self)

    def without_reductions(self, count: int) -> tuple[Layer | None, int]:
        """Returns this layer with at most `count` of its reductions left out, and how many are still to be."""
        return (self.map(_keep_size), count - 1) if count and self.stride > 1 else (self, count)


Layers = tuple[Layer, ...]


@dataclasses.dataclass(frozen=True)
class Conv(Layer):
    """A convolution. `features` None: as many as the residual block around it was given."""

    features: int | None
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: Padding = "SAME"
    bias: bool = False

    def trace(self, shape: Shape) -> tuple[Shape, int]:
        if self.features is None:
            raise ValueError("a convolution without a number of features stands inside a Residual only")
        height, width = _output_size(shape, self.kernel, self.stride, self.padding)
        multiply_adds = height * width * math.prod(self.kernel) * shape[2] * self.features
        return (height, width, self.features), multiply_adds


@dataclasses.dataclass(frozen=True)
class Depthwise(Layer):
    """A convolution of each channel with a kernel of its own."""

    kernel: tuple[int, int] = (3, 3)
    stride: int = 1

    def trace(self, shape: Shape) -> tuple[Shape, int]:
        height, width = _output_size(shape, self.kernel, self.stride, "SAME")
        return (height, width, shape[2]), height * width * math.prod(self.kernel) * shape[2]


@dataclasses.dataclass(frozen=True)
class Norm(Layer):
    """Batch normalization."""

    epsilon: float = 1e-3
    scale: bool = True


@dataclasses.dataclass(frozen=True)
class Relu(Layer):
    """max(x, 0), or min(max(x, 0), limit)."""

    limit: float | None = None


NORM, RELU = Norm(), Relu()


@dataclasses.dataclass(frozen=True)
class Pool(Layer):
    """Pooling. `zeros`: padding counts as zeros (as if padded beforehand), else it counts as nothing."""

    kind: str  # 'max' or 'mean'
    window: int = 3
    stride: int = 2
    padding: Padding = "SAME"
    zeros: bool = False

    def trace(self, shape: Shape) -> tuple[Shape, int]:
        return (*_output_size(shape, (self.window, self.window), self.stride, self.padding), shape[2]), 0


@dataclasses.dataclass(frozen=True)
class Subsample(Layer):
    """Every second pixel in both directions, from row and column `offset` on."""

    offset: int = 0
    stride: int = 2

    def trace(self, shape: Shape) -> tuple[Shape, int]:
        return (*_output_size(shape, (1, 1), self.stride, "SAME"), shape[2]), 0


@dataclasses.dataclass(frozen=True)
class Enlarge(Layer):
    """Images whose shorter side is below `side` pixels are enlarged until it is not, bicubically."""

    side: int

    def trace(self, shape: Shape) -> tuple[Shape, int]:
        if min(shape[:2]) >= self.side:
            return shape, 0
        height, width = (-(-self.side * length // min(shape[:2])) for length in shape[:2])
        return (height, width, shape[2]), 0


class Branches(Layer):
    """Layers side by side on one input, joined along the channels."""

    def __init__(self, *branches: Layers):
        self.branches = branches

    @property
    def stride(self) -> int:  # type: ignore[override]  # of its branches, which agree
        return math.prod(layer.stride for layer in self.branches[0])

    def trace(self, shape: Shape) -> tuple[Shape, int]:
        shapes, multiply_adds = zip(*(trace(branch, shape) for branch in self.branches), strict=True)
        if len({s[:2] for s in shapes}) != 1:
            raise ValueError(f"branches of different sizes: {shapes}")
        return (*shapes[0][:2], sum(s[2] for s in shapes)), sum(multiply_adds)

    def map(self, change: Callable[[Layer], Layer | None]) -> Branches:
        return Branches(*(map_layers(branch, change) for branch in self.branches))


@dataclasses.dataclass(frozen=True)
class Residual(Layer):
    """shortcut(x) + scale * body(x); an empty shortcut is the identity."""

    body: Layers
    shortcut: Layers = ()
    scale: float = 1.0

    @property
    def stride(self) -> int:  # type: ignore[override]  # of its body
        return math.prod(layer.stride for layer in self.body)

    def body_for(self, features: int) -> Layers:
        """Returns the body for an input of so many features: its convolutions of unnamed size have theirs."""
        return tuple(
            dataclasses.replace(layer, features=features)
            if isinstance(layer, Conv) and layer.features is None
            else layer
            for layer in self.body
        )

    def trace(self, shape: Shape) -> tuple[Shape, int]:
        output, multiply_adds = trace(self.body_for(shape[2]), shape)
        other, more = trace(self.shortcut, shape)
        if output != other:
            raise ValueError(f"a residual block adds {output} to {other}")
        return output, multiply_adds + more

    def map(self, change: Callable[[Layer], Layer | None]) -> Residual:
        return dataclasses.replace(self, body=map_layers(self.body, change), shortcut=map_layers(self.shortcut, change))


def conv(
    features: int,
    kernel: int | tuple[int, int] = 1,
    stride: int = 1,
    padding: Padding = "SAME",
    *,
    norm: Norm | None = NORM,
    activation: Relu | None = RELU,
    bias: bool = False,
) -> Layers:
    """Returns a convolution, its normalization and its activation."""
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    following = tuple(layer for layer in (norm, activation) if layer is not None)
    return (Conv(features, kernel, stride, padding, bias), *following)


def trace(layers: Layers, shape: Shape) -> tuple[Shape, int]:
    """Returns the shape of the output of layers for an input of this shape, and the multiply-adds an image."""
    total = 0
    for layer in layers:
        shape, multiply_adds = layer.trace(shape)
        total += multiply_adds
    return shape, total


def map_layers(layers: Layers, change: Callable[[Layer], Layer | None]) -> Layers:
    """Returns layers with every leaf changed; those for which `change` gives None are left out."""
    return tuple(changed for layer in layers if (changed := layer.map(change)) is not None)


def scaled(features: int, width: float) -> int:
    """Returns `width` times a number of channels: the nearest multiple of 8 that is not more than a tenth below it.

    The rule of MobileNet-v2 (Sandler et al., 2018): channels in eights keep vector units busy. Width 1 changes nothing.
    """
    if width == 1:
        return features
    wanted = features * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def scale_features(layers: Layers, width: float) -> Layers:
    """Returns layers with `width` times the features."""

    def change(layer: Layer) -> Layer:
        features = getattr(layer, "features", None)
        return layer if features is None else dataclasses.replace(layer, features=scaled(features, width))  # type: ignore[type-var]

    return map_layers(layers, change)


def drop_reductions(layers: Layers, count: int) -> tuple[Layers, int]:
    """Returns layers without the first `count` reductions, and how many of them were not found."""
    kept: list[Layer] = []
    for layer in layers:
        changed, count = layer.without_reductions(count)
        if changed is not None:
            kept.append(changed)
    return tuple(kept), count


def pad_same(layers: Layers) -> Layers:
    """Returns layers with all padding 'SAME', so that only strides reduce the image."""

    def change(layer: Layer) -> Layer:
        return dataclasses.replace(layer, padding="SAME") if isinstance(layer, (Conv, Pool)) else layer

    return map_layers(layers, change)


def _keep_size(layer: Layer) -> Layer | None:
    if layer.stride == 1:
        return layer
    return None if isinstance(layer, (Pool, Subsample)) else dataclasses.replace(layer, stride=1)  # type: ignore[type-var]


def _output_size(shape: Shape, kernel: tuple[int, int], stride: int, padding: Padding) -> tuple[int, int]:
    if padding == "SAME":
        height, width = (-(-side // stride) for side in shape[:2])
    else:
        added = 0 if padding == "VALID" else 2 * int(padding)
        height, width = ((side + added - size) // stride + 1 for side, size in zip(shape[:2], kernel, strict=True))
    if min(height, width) < 1:
        raise TooSmall(f"an image of {shape[0]}x{shape[1]} is too small for a {kernel[0]}x{kernel[1]} window")
    return height, width
