"""MobileNet-v1 (Howard et al., 2017, Table 1) and -v2 (Sandler et al., CVPR 2018, Table 2)."""

from __future__ import annotations

from rater_training.architectures.network import Network
from rater_training.architectures.specs import Depthwise, Layers, Norm, Relu, Residual, conv

_RELU6 = Relu(limit=6.0)
_NORM = Norm()

# Features of the pointwise convolution and stride of the depthwise one.
_V1 = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)

# Expansion t, features c, repeats n, stride s of the first: the columns of Table 2.
_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _depthwise(stride: int) -> Layers:
    return (Depthwise((3, 3), stride), _NORM, _RELU6)


def _v1() -> Network:
    layers = conv(32, 3, 2, activation=_RELU6)
    for features, stride in _V1:
        layers += _depthwise(stride) + conv(features, activation=_RELU6)
    return Network(layers)


def _v2() -> Network:
    layers, channels = conv(32, 3, 2, activation=_RELU6), 32
    for expansion, features, repeats, first_stride in _V2:
        for stride in (first_stride, *(1,) * (repeats - 1)):
            widened = conv(expansion * channels, activation=_RELU6) if expansion > 1 else ()
            block = widened + _depthwise(stride) + conv(features, activation=None)
            layers += (Residual(block),) if (stride, features) == (1, channels) else block
            channels = features
    return Network(layers + conv(1280, activation=_RELU6))


NETWORKS = {"mobilenet_v1": _v1(), "mobilenet_v2": _v2()}
