"""NASNet-A Mobile (Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition", CVPR 2018).

As Keras has it: NASNet-A (4 @ 1056), without drop path. A cell takes the outputs of the two cells before it (Figure
4); the tables below are its five sums.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from rater_training.architectures import layers, specs
from rater_training.architectures.network import Network
from rater_training.architectures.specs import NORM, RELU, Branches, Conv, Depthwise, Layers, Pool, Subsample

# An operation and what it is applied to: `h`, the output of the cell before, squeezed; `p`, of the one before that;
# or the sum of an earlier row, counted from 0. A cell's output is `joined`, side by side.
Operand = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Sums:
    """The five sums of a kind of cell, in order, and which values are joined to its output."""

    rows: tuple[tuple[Operand, Operand], ...]
    joined: tuple[str, ...]


_NORMAL = Sums(
    rows=(
        (("separable5", "h"), ("separable3", "p")),
        (("separable5", "p"), ("separable3", "p")),
        (("mean", "h"), ("identity", "p")),
        (("mean", "p"), ("mean", "p")),
        (("separable3", "h"), ("identity", "h")),
    ),
    joined=("p", "0", "1", "2", "3", "4"),
)
_REDUCTION = Sums(
    rows=(
        (("separable5", "h"), ("separable7", "p")),
        (("max", "h"), ("separable7", "p")),
        (("zero_mean", "h"), ("separable5", "p")),
        (("mean", "0"), ("identity", "1")),
        (("separable3", "0"), ("max", "h")),
    ),
    joined=("1", "2", "3", "4"),
)


def _operation(name: str, features: int, stride: int) -> Layers:
    if name.startswith("separable"):
        size = int(name.removeprefix("separable"))
        first, second = ((RELU, Depthwise((size, size), s), Conv(features), NORM) for s in (stride, 1))
        return first + second
    # Keras pads with zeros before the poolings of stride 2, so that they count.
    pools: dict[str, Layers] = {
        "identity": (),
        "mean": (Pool("mean", 3, stride),),
        "zero_mean": (Pool("mean", 3, stride, zeros=True),),
        "max": (Pool("max", 3, stride, zeros=True),),
    }
    return pools[name]


@dataclasses.dataclass(frozen=True)
class Cell(specs.Layer):
    """One cell: what it makes of the outputs of the two cells before it."""

    features: int
    sums: Sums
    stride: int = 1

    def layers(self, operand: Operand) -> Layers:
        """Returns an operation's layers; `h` and `p` are reduced where the cell reduces, a sum is so already."""
        name, of = operand
        return _operation(name, self.features, self.stride if of in ("h", "p") else 1)

    def squeeze(self) -> Layers:
        """Returns the layers from the output of the cell before to `h`."""
        return (RELU, Conv(self.features), NORM)

    def adjust(self, shape: specs.Shape, earlier: specs.Shape | None) -> Layers:
        """Returns the layers from the output of the cell before the last one to `p`, which is to be of the size of `h`.

        The first cell has no earlier one: its `p` is what `h` is made of, as it is.
        """
        if earlier is None:
            return ()
        if earlier[:2] != shape[:2]:
            half = Conv(self.features // 2)
            return (RELU, Branches((Subsample(0), half), (Subsample(1), half)), NORM)
        return () if earlier[2] == self.features else self.squeeze()

    def trace_pair(self, shape: specs.Shape, earlier: specs.Shape | None) -> tuple[specs.Shape, int]:
        """As `trace`, given the shapes of the outputs of both cells before it."""
        p, total = specs.trace(self.adjust(shape, earlier), earlier or shape)
        h, more = specs.trace(self.squeeze(), shape)
        shapes, total = {"p": p, "h": h}, total + more
        for row, (left, right) in enumerate(self.sums.rows):
            shapes[str(row)], more = specs.trace(self.layers(left), shapes[left[1]])
            _, also = specs.trace(self.layers(right), shapes[right[1]])
            total += more + also
        joined = [shapes[name] for name in self.sums.joined]
        return (*joined[-1][:2], sum(s[2] for s in joined)), total


@dataclasses.dataclass(frozen=True)
class Cells(specs.Layer):
    """Cells one after the other."""

    cells: tuple[Cell, ...]

    def trace(self, shape: specs.Shape) -> tuple[specs.Shape, int]:
        earlier, total = None, 0
        for cell in self.cells:
            (shape, more), earlier = cell.trace_pair(shape, earlier), shape
            total += more
        return shape, total

    def map(self, change: Callable[[specs.Layer], specs.Layer | None]) -> Cells:
        return Cells(specs.map_layers(self.cells, change))  # type: ignore[arg-type]  # cells stay cells

    def without_reductions(self, count: int) -> tuple[Cells, int]:
        cells, count = specs.drop_reductions(self.cells, count)
        return Cells(cells), count  # type: ignore[arg-type]  # cells stay cells


class CellModule(nnx.Module):
    """A cell as a module: the outputs of the last cell and the one before it -> its own."""

    def __init__(self, cell: Cell, shape: specs.Shape, earlier: specs.Shape | None, kernels: layers.Kernels):
        self.sums = cell.sums
        self.adjust, p = layers.build(cell.adjust(shape, earlier), earlier or shape, kernels)
        self.squeeze, h = layers.build(cell.squeeze(), shape, kernels)
        shapes = {"p": p, "h": h}
        operations = []
        for row, (left, right) in enumerate(cell.sums.rows):
            module, shapes[str(row)] = layers.build(cell.layers(left), shapes[left[1]], kernels)
            operations += [module, layers.build(cell.layers(right), shapes[right[1]], kernels)[0]]
        self.operations = nnx.List(operations)

    def __call__(self, x: jax.Array, earlier: jax.Array, train: bool) -> jax.Array:
        values = {"p": self.adjust(earlier, train), "h": self.squeeze(x, train)}
        for row, (left, right) in enumerate(self.sums.rows):
            values[str(row)] = self.operations[2 * row](values[left[1]], train) + self.operations[2 * row + 1](
                values[right[1]], train
            )
        return jnp.concatenate([values[name] for name in self.sums.joined], axis=-1)


@layers.build_layer.register(Cells)
class CellsModule(nnx.Module):
    """Cells one after the other; the first takes its input for both."""

    def __init__(self, layer: Cells, shape: specs.Shape, kernels: layers.Kernels):
        cells, earlier = [], None
        for cell in layer.cells:
            cells.append(CellModule(cell, shape, earlier, kernels))
            (shape, _), earlier = cell.trace_pair(shape, earlier), shape
        self.cells = nnx.List(cells)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        earlier = x
        for cell in self.cells:
            x, earlier = cell(x, earlier, train), x
        return x


def _mobile(features: int = 44, repeats: int = 4) -> Network:
    cells = [Cell(features // 4, _REDUCTION, 2), Cell(features // 2, _REDUCTION, 2)]
    for stage in range(3):
        if stage:
            cells.append(Cell(features * 2**stage, _REDUCTION, 2))
        cells += [Cell(features * 2**stage, _NORMAL)] * repeats
    return Network((*specs.conv(32, 3, 2, padding="VALID", activation=None), Cells(tuple(cells)), RELU))


NETWORKS = {"nasnet_mobile": _mobile()}
