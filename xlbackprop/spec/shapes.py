"""A layer in its place in the network: shapes, parameters and names, which both tellings read.

Only structure stands here, no mathematics. A shape is (units,), (channels, length),
(channels, height, width) or (tokens, features); units are listed row by row, the last axis fastest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlbackprop.spec.layers import Layer

Row = tuple[float, ...]
Names = tuple[str, ...]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """A layer's parameters of one kind, flat: `""` names a place without a parameter, and a name may repeat."""

    key: str  # the layer's key in the network file
    names: Names
    values: Row
    shape: Shape
    trained: bool
    bias: bool = False


@dataclass(frozen=True)
class Placed:
    """A layer with what surrounds it. All names are flat, in the order of their shape."""

    layer: Layer
    index: int
    name: str
    shape_in: Shape
    shape: Shape
    below: Names  # what the layer takes
    skip: Names  # what a residual layer adds to it
    units: Names  # what it makes of that, before its activation function
    outputs: Names  # what it hands on
    tensors: tuple[Tensor, ...]

    @property
    def activation(self) -> str | None:
        return self.layer.applied

    def part(self, what: str, *position: int) -> str:
        """The name of a quantity between the layer's inputs and its units, positions counted from 0."""
        return "_".join((what, self.name, *(str(k + 1) for k in position)))

    def parts(self, what: str, *shape: int) -> Names:
        return tuple(self.part(what, *position) for position in positions(shape))

    @cached_property
    def by_key(self) -> dict[str, Tensor]:
        return {tensor.key: tensor for tensor in self.tensors}

    def at(self, key: str, *position: int) -> str:
        """The name of a parameter."""
        tensor = self.by_key[key]
        return tensor.names[flat_index(tensor.shape, position)]

    def input(self, *position: int) -> str:
        return self.below[flat_index(self.shape_in, position)]


def positions(shape: Shape) -> Iterator[Shape]:
    return product(*(range(n) for n in shape))


def flat_index(shape: Shape, position: Shape) -> int:
    index = 0
    for n, k in zip(shape, position, strict=True):
        index = index * n + k
    return index


def size(shape: Shape) -> int:
    return math.prod(shape)


def nested(values: Row, shape: Shape) -> Any:
    """Flat values as nested tuples of that shape."""
    if len(shape) <= 1:
        return tuple(values)
    step = len(values) // shape[0] if shape[0] else 0
    return tuple(nested(values[k * step : (k + 1) * step], shape[1:]) for k in range(shape[0]))


def flattened(value: Any) -> Row:
    """Nested tuples as flat values."""
    if not isinstance(value, tuple):
        return (float(value),)
    return tuple(number for part in value for number in flattened(part))


def shape_of(value: Any) -> Shape | None:
    """The shape of nested tuples, None where they are ragged."""
    if not isinstance(value, tuple):
        return ()
    shapes = {shape_of(part) for part in value}
    if len(shapes) != 1 or None in shapes:
        return None if value else (0,)
    return (len(value), *(shapes.pop() or ()))


def window_count(length: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """How many places a window has along an axis: floor((n + 2 padding - dilation (kernel - 1) - 1) / stride) + 1."""
    return (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@dataclass(frozen=True)
class Window:
    """Where each place of a sliding window looks: for kernels and for pooling, in one or two dimensions."""

    length: Shape  # of the axes that it slides along
    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape

    @property
    def places(self) -> Shape:
        return tuple(map(window_count, self.length, self.kernel, self.stride, self.padding, self.dilation))

    def sources(self, place: Shape) -> Iterator[tuple[Shape, Shape]]:
        """(offset in the kernel, position in the input), without those that fall into the padding."""
        for offset in positions(self.kernel):
            position = tuple(
                p * s - pad + k * d
                for p, s, pad, k, d in zip(place, self.stride, self.padding, offset, self.dilation, strict=True)
            )
            if all(0 <= at < n for at, n in zip(position, self.length)):
                yield offset, position
