"""The names that `keras.applications` gives its layers, in the order of our modules.

    KERAS_NAMES["resnet50"][0] == Source("conv1_conv")

Each parameterised module of a network, in the order of its making (a shortcut before the body), has one `Source` here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rater_training.architectures import NETWORKS
from rater_training.architectures.specs import Branches, Conv, Layer, Norm, Residual


class Source(NamedTuple):
    """A Keras layer, and the first of its arrays that is meant (a separable convolution is two modules here)."""

    layer: str
    first: int = 0


def _resnet(blocks: tuple[int, ...]) -> Iterator[str]:
    yield from ("conv1_conv", "conv1_bn")
    for stage, count in enumerate(blocks, start=2):
        for block in range(1, count + 1):
            for part in range(0 if block == 1 else 1, 4):
                yield from (f"conv{stage}_block{block}_{part}_{kind}" for kind in ("conv", "bn"))
    yield "predictions"


def _vgg(convolutions: tuple[int, ...]) -> Iterator[str]:
    for block, count in enumerate(convolutions, start=1):
        yield from (f"block{block}_conv{i}" for i in range(1, count + 1))
    yield from ("fc1", "fc2", "predictions")


def _mobilenet_v1() -> Iterator[str]:
    yield from ("conv1", "conv1_bn")
    for block in range(1, 14):
        for kind in ("dw", "pw"):
            yield from (f"conv_{kind}_{block}", f"conv_{kind}_{block}_bn")
    yield "conv_preds"


def _mobilenet_v2() -> Iterator[str]:
    yield from ("Conv1", "bn_Conv1")
    for block in range(17):
        prefix = f"block_{block}" if block else "expanded_conv"
        for part in ("expand", "depthwise", "project")[0 if block else 1 :]:
            yield from (f"{prefix}_{part}", f"{prefix}_{part}_BN")
    yield from ("Conv_1", "Conv_1_bn", "predictions")


def _numbered(layers: tuple[Layer, ...], counts: dict[str, int], named: Iterator[str]) -> Iterator[str]:
    """Yields the names of layers that Keras numbers as it makes them; one with a bias takes the next of `named`."""
    for layer in layers:
        match layer:
            case Branches():
                for branch in layer.branches:
                    yield from _numbered(branch, counts, named)
            case Residual():
                yield from _numbered(layer.body, counts, named)
            case Conv(bias=True):
                yield next(named)
            case Conv() | Norm():
                kind = "conv2d" if isinstance(layer, Conv) else "batch_normalization"
                yield f"{kind}_{counts.get(kind, 0)}"
                counts[kind] = counts.get(kind, 0) + 1


def _inception_v3() -> Iterator[str]:
    yield from _numbered(NETWORKS["inception_v3"].layers, {}, iter(()))
    yield "predictions"


def _inception_resnet_v2() -> Iterator[str]:
    blocks = [("block35", 10), ("block17", 20), ("block8", 10)]
    projections = (f"{block}_{i}_conv" for block, count in blocks for i in range(1, count + 1))
    yield from _numbered(NETWORKS["inception_resnet_v2"].layers[:-3], {}, projections)
    yield from ("conv_7b", "conv_7b_bn", "predictions")


def _nasnet_mobile() -> Iterator[Source]:
    yield from map(Source, ("stem_conv1", "stem_bn1"))
    cells = ["stem_1", "stem_2", *"0123", "reduce_4", *"5678", "reduce_8", *("9", "10", "11", "12")]
    for before, cell in zip([None, *cells], cells, strict=False):
        kind, separable = "normal", ("left1", "right1", "left2", "right2", "left5")
        if cell.startswith(("stem", "reduce")):
            kind, separable = "reduction", ("left1", "right1", "right2", "right3", "left4")
        if before is not None:
            halves = before.startswith(("stem", "reduce"))
            for part in ("conv_1", "conv_2", "bn") if halves else ("conv_projection", "bn"):
                yield Source(f"adjust_{part}_{cell}")
        yield from map(Source, (f"{kind}_conv_1_{cell}", f"{kind}_bn_1_{cell}"))
        for operation in separable:
            for i in (1, 2):
                name = f"{kind}_{operation}_{cell}"
                yield from (Source(f"separable_conv_{i}_{name}", array) for array in (0, 1))
                yield Source(f"separable_conv_{i}_bn_{name}")
    yield Source("predictions")


def _sources(names: Iterator[str]) -> tuple[Source, ...]:
    return tuple(Source(name) for name in names)


KERAS_NAMES: dict[str, tuple[Source, ...]] = {
    "inception_v3": _sources(_inception_v3()),
    "inception_resnet_v2": _sources(_inception_resnet_v2()),
    "mobilenet_v1": _sources(_mobilenet_v1()),
    "mobilenet_v2": _sources(_mobilenet_v2()),
    "nasnet_mobile": tuple(_nasnet_mobile()),
    "resnet50": _sources(_resnet((3, 4, 6, 3))),
    "resnet101": _sources(_resnet((3, 4, 23, 3))),
    "resnet152": _sources(_resnet((3, 8, 36, 3))),
    "vgg16": _sources(_vgg((2, 2, 3, 3, 3))),
    "vgg19": _sources(_vgg((2, 2, 4, 4, 4))),
}
