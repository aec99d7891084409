"""The layers of a network that hold numbers, in a fixed order: where weights from other libraries are put.

for leaf in leaves(module):
    variables(leaf)         # a convolution's kernel and bias, say
"""

from __future__ import annotations

from collections.abc import Iterator

from flax import nnx

from rater_training.architectures import layers, nasnet
from rater_training.architectures.network import FeedForward


def leaves(module: nnx.Module) -> Iterator[nnx.Module]:
    """Yields the modules that hold parameters, in the order in which the data passes them."""
    match module:
        case layers.ConvModule() | layers.DepthwiseModule() | layers.NormModule() | layers.DenseModule():
            yield module
            parts: tuple[nnx.Module, ...] = ()
        case FeedForward():
            parts = (module.body, *module.hidden, module.head)
        case layers.ChainModule():
            parts = tuple(module.modules)
        case layers.BranchesModule():
            parts = tuple(module.branches)
        case layers.ResidualModule():
            parts = (module.shortcut, module.body)
        case nasnet.CellsModule():
            parts = tuple(module.cells)
        case nasnet.CellModule():
            parts = (module.adjust, module.squeeze, *module.operations)
        case _:
            parts = ()
    for part in parts:
        yield from leaves(part)


def variables(leaf: nnx.Module) -> list[nnx.Variable]:
    """Returns a leaf's parameters and statistics in the order in which Keras and PyTorch keep them."""
    names = ("scale", "bias", "mean", "variance") if isinstance(leaf, layers.NormModule) else ("kernel", "bias")
    return [param for name in names if (param := getattr(leaf, name, None)) is not None]
