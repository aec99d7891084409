"""ResNet-50, -101 and -152 (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1).

As Keras has them: the stride of a stage is in its first 1x1 convolution, and convolutions have a bias beside batch
normalization.
"""

from __future__ import annotations

import functools

from rater_training.architectures.network import Network
from rater_training.architectures.specs import RELU, Layers, Norm, Pool, Residual, conv

_conv = functools.partial(conv, norm=Norm(epsilon=1.001e-5), bias=True)


def _bottleneck(features: int, stride: int = 1, *, project: bool = False) -> Layers:
    body = _conv(features, 1, stride) + _conv(features, 3) + _conv(4 * features, activation=None)
    shortcut = _conv(4 * features, 1, stride, activation=None) if project else ()
    return (Residual(body, shortcut), RELU)


def _resnet(blocks: tuple[int, int, int, int]) -> Network:
    layers: Layers = (*_conv(64, 7, 2, padding=3), Pool("max", 3, 2, padding=1))
    for stage, count in enumerate(blocks):
        features = 64 * 2**stage
        layers += _bottleneck(features, 1 if stage == 0 else 2, project=True) + _bottleneck(features) * (count - 1)
    return Network(layers)


NETWORKS = {
    "resnet50": _resnet((3, 4, 6, 3)),
    "resnet101": _resnet((3, 4, 23, 3)),
    "resnet152": _resnet((3, 8, 36, 3)),
}
