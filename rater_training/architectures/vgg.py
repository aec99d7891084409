"""VGG-16 and -19 (Simonyan & Zisserman, "Very Deep Convolutional Networks", 2014, Table 1, columns D and E)."""

from __future__ import annotations

from rater_training.architectures.network import Network
from rater_training.architectures.specs import Layers, Pool, conv

_FEATURES = (64, 128, 256, 512, 512)


def _vgg(convolutions: tuple[int, ...]) -> Network:
    layers: Layers = ()
    for features, count in zip(_FEATURES, convolutions, strict=True):
        layers += conv(features, 3, norm=None, bias=True) * count + (Pool("max", 2, 2, padding="VALID"),)
    return Network(layers, hidden=(4096, 4096), small_hidden=(512, 512), keeps_reductions=True)


NETWORKS = {
    "vgg16": _vgg((2, 2, 3, 3, 3)),
    "vgg19": _vgg((2, 2, 4, 4, 4)),
}
