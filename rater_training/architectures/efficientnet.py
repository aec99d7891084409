"""EfficientNet-Lite 0 to 2: EfficientNet (Tan & Le, ICML 2019) without squeeze-and-excitation and with ReLU6.

As published with its weights (github.com/tensorflow/tpu, models/official/efficientnet/lite): stem and head keep their
width, and the first and the last stage their depth, when the network is scaled up. Images smaller than 96x96 are
enlarged first: the published weights know what edges look like at such sizes, and 32x32 pixels would end in one.
"""

from __future__ import annotations

import math

from rater_training.architectures.network import Network
from rater_training.architectures.specs import Depthwise, Enlarge, Layers, Norm, Relu, Residual, conv, scaled

SMALLEST_SIDE = 96

_RELU6 = Relu(limit=6.0)
_NORM = Norm()

# Expansion, features, repeats, stride of the first, kernel: of EfficientNet-B0, Table 1.
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
# Multipliers of width and depth.
_SCALES = {"efficientnet_lite0": (1.0, 1.0), "efficientnet_lite1": (1.0, 1.1), "efficientnet_lite2": (1.1, 1.2)}


def _lite(width: float, depth: float) -> Network:
    layers: Layers = (Enlarge(SMALLEST_SIDE), *conv(32, 3, 2, activation=_RELU6))
    channels = 32
    for stage, (expansion, unscaled, repeats, first_stride, kernel) in enumerate(_STAGES):
        features = scaled(unscaled, width)
        if 0 < stage < len(_STAGES) - 1:
            repeats = math.ceil(repeats * depth)
        for stride in (first_stride, *(1,) * (repeats - 1)):
            widened = conv(expansion * channels, activation=_RELU6) if expansion > 1 else ()
            depthwise = (Depthwise((kernel, kernel), stride), _NORM, _RELU6)
            block = widened + depthwise + conv(features, activation=None)
            layers += (Residual(block),) if (stride, features) == (1, channels) else block
            channels = features
    return Network(layers + conv(1280, activation=_RELU6))


NETWORKS = {name: _lite(width, depth) for name, (width, depth) in _SCALES.items()}
