"""The networks of `rater_training`'s tables in PyTorch layers, as a user of PyTorch would write them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from rater_training.architectures import NETWORKS, specs
from rater_training.architectures.network import fit

_IMAGE = (32, 32, 3)


class PlainResidual(nn.Module):
    """shortcut(x) + body(x)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + self.body(x)


class Pad(nn.Module):
    """Pads by (before, after) zeros in height and width, as 'SAME' does where strides make it uneven."""

    def __init__(self, pads: tuple[tuple[int, int], tuple[int, int]], value: float = 0.0):
        super().__init__()
        self.sides, self.value = (*pads[1], *pads[0]), value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.pad(x, self.sides, value=self.value)


class PlainNetwork(nn.Module):
    """A network without branches: images [b, 3, 32, 32] float -> logits [b, num_classes]."""

    def __init__(self, name: str, form: str, width: float, num_classes: int):
        super().__init__()
        layers = fit(NETWORKS[name], _IMAGE, width=width, form=form).layers
        self.body, channels = _chain(layers, _IMAGE)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images).float().mean((2, 3)))


def _chain(layers: specs.Layers, shape: specs.Shape) -> tuple[nn.Sequential, int]:
    modules: list[nn.Module] = []
    for layer in layers:
        modules += _modules(layer, shape)
        shape, _ = layer.trace(shape)
    return nn.Sequential(*modules), shape[2]


def _modules(layer: specs.Layer, shape: specs.Shape) -> list[nn.Module]:
    height, width, channels = shape
    match layer:
        case specs.Conv(int(features), kernel, stride, padding, bias):
            pads = _pads((height, width), kernel, stride, padding)
            return _padded(pads, lambda p: nn.Conv2d(channels, features, kernel, stride, p, bias=bias))
        case specs.Depthwise(kernel, stride):
            pads = _pads((height, width), kernel, stride, "SAME")
            return _padded(
                pads, lambda p: nn.Conv2d(channels, channels, kernel, stride, p, groups=channels, bias=False)
            )
        case specs.Norm(epsilon, _):
            return [nn.BatchNorm2d(channels, eps=epsilon, momentum=0.1)]
        case specs.Relu(None):
            return [nn.ReLU(inplace=True)]
        case specs.Relu(6.0):
            return [nn.ReLU6(inplace=True)]
        case specs.Pool("max", window, stride, padding, False):
            pads = _pads((height, width), (window, window), stride, padding)
            return _padded(pads, lambda p: nn.MaxPool2d(window, stride, p), value=float("-inf"))
        case specs.Residual(body, shortcut, 1.0):
            return [PlainResidual(*(_chain(part, shape)[0] for part in (body, shortcut)))]
    raise NotImplementedError(f"{layer!r}: MobileNet and ResNet have no such layer")


def _pads(
    size: tuple[int, int], kernel: tuple[int, int], stride: int, padding: specs.Padding
) -> tuple[tuple[int, int], tuple[int, int]]:
    def of(side: int, width: int) -> tuple[int, int]:
        if padding == "SAME":
            total = max((-(-side // stride) - 1) * stride + width - side, 0)
            return total // 2, total - total // 2
        return (0, 0) if padding == "VALID" else (int(padding), int(padding))

    return of(size[0], kernel[0]), of(size[1], kernel[1])


def _padded(pads: tuple[tuple[int, int], tuple[int, int]], make, value: float = 0.0) -> list[nn.Module]:  # type: ignore[no-untyped-def]
    """Returns a layer that pads by itself where the padding is even, or else after a padding layer."""
    if all(before == after for before, after in pads):
        return [make(tuple(before for before, _ in pads))]
    return [Pad(pads, value), make(0)]
