"""Inception-v1, -v2, -v3, -v4 and Inception-ResNet-v2.

*   v1: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, Table 1. With batch normalization, and with 3x3
    where the table has "5x5", as TF-Slim and torchvision have it (6.6 million parameters; 7.0 with 5x5).
*   v2: Ioffe & Szegedy, "Batch Normalization", 2015, Figure 5. Its rows (4c) and (4d) print a pooling projection of
    128 beside a sum of 576, which needs 96: the sums are followed, as in TF-Slim.
*   v3: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, as Keras has it (without auxiliary head).
*   v4, Inception-ResNet-v2: Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections",
    AAAI 2017; the latter as Keras has it.
"""

from __future__ import annotations

import functools

from rater_training.architectures.network import Network
from rater_training.architectures.specs import RELU, Branches, Conv, Layers, Norm, Pool, Residual
from rater_training.architectures.specs import conv as _full_conv

conv = functools.partial(_full_conv, norm=Norm(scale=False))
conv_valid = functools.partial(conv, padding="VALID")

_MEAN: Layers = (Pool("mean", 3, 1),)
_MAX: Layers = (Pool("max", 3, 1),)
_MAX_HALF: Layers = (Pool("max", 3, 2),)
_MAX_HALF_VALID: Layers = (Pool("max", 3, 2, padding="VALID"),)


# v1: features of 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; pool projection. The columns of Table 1.
_V1 = {
    "3": ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    "4": (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    "5": ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
}


def _v1_module(one: int, reduce3: int, three: int, reduce5: int, five: int, projection: int) -> Layers:
    return (
        Branches(conv(one), conv(reduce3) + conv(three, 3), conv(reduce5) + conv(five, 3), _MAX + conv(projection)),
    )


def _v1() -> Network:
    layers = conv(64, 7, 2) + _MAX_HALF + conv(64) + conv(192, 3)
    for stage, modules in _V1.items():
        layers += (Pool("max", 2, 2),) if stage == "5" else _MAX_HALF
        for row in modules:
            layers += _v1_module(*row)
    return Network(layers)


# v2: features of 1x1; 3x3 reduce, 3x3; double 3x3 reduce, double 3x3; pool and its projection. The columns of Figure 5.
# Without 1x1 and projection: a module of stride 2, whose pooling is passed through.
_V2 = (
    (64, 64, 64, 64, 96, _MEAN, 32),
    (64, 64, 96, 64, 96, _MEAN, 64),
    (0, 128, 160, 64, 96, _MAX_HALF, 0),
    (224, 64, 96, 96, 128, _MEAN, 128),
    (192, 96, 128, 96, 128, _MEAN, 128),
    (160, 128, 160, 128, 160, _MEAN, 96),
    (96, 128, 192, 160, 192, _MEAN, 96),
    (0, 128, 192, 192, 256, _MAX_HALF, 0),
    (352, 192, 320, 160, 224, _MEAN, 128),
    (352, 192, 320, 192, 224, _MAX, 128),
)


def _v2() -> Network:
    layers = conv(64, 7, 2) + _MAX_HALF + conv(64) + conv(192, 3) + _MAX_HALF
    for one, reduce3, three, reduce_double, double, pool, projection in _V2:
        stride = pool[0].stride
        branches = [
            conv(reduce3) + conv(three, 3, stride),
            conv(reduce_double) + conv(double, 3) + conv(double, 3, stride),
            pool + (conv(projection) if projection else ()),
        ]
        layers += (Branches(*([conv(one)] if one else []), *branches),)
    return Network(layers)


def _stem() -> Layers:
    """The stem of v3 and Inception-ResNet-v2: 299x299x3 -> 35x35x192."""
    return (
        conv_valid(32, 3, 2)
        + conv_valid(32, 3)
        + conv(64, 3)
        + _MAX_HALF_VALID
        + conv_valid(80)
        + conv_valid(192, 3)
        + _MAX_HALF_VALID
    )


def _v3_a(projection: int) -> Layers:
    return (Branches(conv(64), conv(48) + conv(64, 5), conv(64) + conv(96, 3) + conv(96, 3), _MEAN + conv(projection)),)


def _v3_b(features: int) -> Layers:
    across, down = (1, 7), (7, 1)
    return (
        Branches(
            conv(192),
            conv(features) + conv(features, across) + conv(192, down),
            conv(features) + conv(features, down) + conv(features, across) + conv(features, down) + conv(192, across),
            _MEAN + conv(192),
        ),
    )


def _v3_c() -> Layers:
    fork: Layers = (Branches(conv(384, (1, 3)), conv(384, (3, 1))),)
    return (Branches(conv(320), conv(384) + fork, conv(448) + conv(384, 3) + fork, _MEAN + conv(192)),)


def _v3() -> Network:
    reduction_a = Branches(conv_valid(384, 3, 2), conv(64) + conv(96, 3) + conv_valid(96, 3, 2), _MAX_HALF_VALID)
    reduction_b = Branches(
        conv(192) + conv_valid(320, 3, 2),
        conv(192) + conv(192, (1, 7)) + conv(192, (7, 1)) + conv_valid(192, 3, 2),
        _MAX_HALF_VALID,
    )
    layers = _stem() + _v3_a(32) + _v3_a(64) + _v3_a(64)
    layers += (reduction_a, *_v3_b(128), *_v3_b(160), *_v3_b(160), *_v3_b(192))
    return Network((*layers, reduction_b, *_v3_c(), *_v3_c()))


def _v4_stem() -> Layers:
    """Figure 3 of the paper: 299x299x3 -> 35x35x384."""
    return (
        *conv_valid(32, 3, 2),
        *conv_valid(32, 3),
        *conv(64, 3),
        Branches(_MAX_HALF_VALID, conv_valid(96, 3, 2)),
        Branches(
            conv(64) + conv_valid(96, 3),
            conv(64) + conv(64, (7, 1)) + conv(64, (1, 7)) + conv_valid(96, 3),
        ),
        Branches(conv_valid(192, 3, 2), _MAX_HALF_VALID),
    )


def _v4() -> Network:
    across, down = (1, 7), (7, 1)
    a = Branches(_MEAN + conv(96), conv(96), conv(64) + conv(96, 3), conv(64) + conv(96, 3) + conv(96, 3))
    reduction_a = Branches(_MAX_HALF_VALID, conv_valid(384, 3, 2), conv(192) + conv(224, 3) + conv_valid(256, 3, 2))
    b = Branches(
        _MEAN + conv(128),
        conv(384),
        conv(192) + conv(224, across) + conv(256, down),
        conv(192) + conv(192, across) + conv(224, down) + conv(224, across) + conv(256, down),
    )
    reduction_b = Branches(
        _MAX_HALF_VALID,
        conv(192) + conv_valid(192, 3, 2),
        conv(256) + conv(256, across) + conv(320, down) + conv_valid(320, 3, 2),
    )
    fork: Layers = (Branches(conv(256, (1, 3)), conv(256, (3, 1))),)
    c = Branches(
        _MEAN + conv(256), conv(256), conv(384) + fork, conv(384) + conv(448, (1, 3)) + conv(512, (3, 1)) + fork
    )
    return Network((*_v4_stem(), *(a,) * 4, reduction_a, *(b,) * 7, reduction_b, *(c,) * 3))


def _residual(*branches: Layers, scale: float) -> Residual:
    """Branches, then a linear projection onto as many channels as the block was given, scaled before it is added."""
    return Residual((Branches(*branches), Conv(None, bias=True)), scale=scale)


def _inception_resnet_v2() -> Network:
    mixed = Branches(conv(96), conv(48) + conv(64, 5), conv(64) + conv(96, 3) + conv(96, 3), _MEAN + conv(64))
    a = _residual(conv(32), conv(32) + conv(32, 3), conv(32) + conv(48, 3) + conv(64, 3), scale=0.17)
    reduction_a = Branches(conv_valid(384, 3, 2), conv(256) + conv(256, 3) + conv_valid(384, 3, 2), _MAX_HALF_VALID)
    b = _residual(conv(192), conv(128) + conv(160, (1, 7)) + conv(192, (7, 1)), scale=0.1)
    reduction_b = Branches(
        conv(256) + conv_valid(384, 3, 2),
        conv(256) + conv_valid(288, 3, 2),
        conv(256) + conv(288, 3) + conv_valid(320, 3, 2),
        _MAX_HALF_VALID,
    )
    c = functools.partial(_residual, conv(192), conv(192) + conv(224, (1, 3)) + conv(256, (3, 1)))
    layers = (*_stem(), mixed, *(a, RELU) * 10, reduction_a, *(b, RELU) * 20, reduction_b)
    return Network((*layers, *(c(scale=0.2), RELU) * 9, c(scale=1.0), *conv(1536)))


NETWORKS = {
    "inception_v1": _v1(),
    "inception_v2": _v2(),
    "inception_v3": _v3(),
    "inception_v4": _v4(),
    "inception_resnet_v2": _inception_resnet_v2(),
}
