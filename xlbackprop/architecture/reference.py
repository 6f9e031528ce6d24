"""The same numbers told independently, in plain Python: windows are counted one by one, weights by their shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from xlbackprop.architecture import layout as at
from xlbackprop.architecture.layout import TOTALS, Quantity
from xlbackprop.architecture.spec import (
    Architecture,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    Layer,
    Map,
    MaxPool,
    Relu,
    Window,
    shown,
)

Value = int | str


class _Unknown(Exception):
    """A quantity follows from a cell that holds no whole number."""


def tell(architecture: Architecture, found: Mapping[Quantity, object] | None = None) -> dict[Quantity, Value]:
    """Every calculated quantity; with `found`, what each should be if all that it follows from is as found.

    What follows from a cell without a whole number is left out.
    """
    told: dict[Quantity, Value] = {}
    telling = _Telling(architecture, told if found is None else found)
    for row in (*range(len(architecture.layers) + 1), TOTALS):
        for key in at.ALL_TOTALS if row == TOTALS else at.QUANTITIES:
            try:
                value = telling.of(row, key)
            except _Unknown:
                continue
            if value is not None:
                told[row, key] = value
    return told


def windows(size: int, layer: Window) -> int:
    """How many places a kernel has along an axis."""
    first_of_last = size + 2 * layer.padding - layer.extent
    return len(range(0, first_of_last + 1, layer.options["stride"]))


def weight_shape(layer: Layer, taken: Map, made: int) -> tuple[int, ...]:
    """As PyTorch has it, for a layer that makes so many channels; () for a layer without weights."""
    if isinstance(layer, Conv):
        return made, taken[0] // layer.groups, layer.kernel, layer.kernel
    if isinstance(layer, Dense):
        return made, math.prod(taken)
    return (made,) if isinstance(layer, BatchNorm) else ()


class _Telling:
    """What follows from the values that are known."""

    def __init__(self, architecture: Architecture, known: Mapping[Quantity, object]) -> None:
        self.architecture, self.known = architecture, known

    def at(self, row: int, key: str) -> int:
        value = self.known.get((row, key))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not float(value).is_integer():
            raise _Unknown
        return int(value)

    def says(self, row: int) -> str:
        value = self.known.get((row, at.RULE))
        if not isinstance(value, str) or value.startswith("#"):  # an error
            raise _Unknown
        return value

    def shape(self, row: int, keys: tuple[str, ...]) -> Map:
        channels, height, width = (self.at(row, key) for key in keys)
        return channels, height, width

    def of(self, row: int, key: str) -> Value | None:
        if row == TOTALS:
            return self.total(key)
        if row == 0:
            return self.of_image(key)
        layer, below = self.architecture.layers[row - 1], self.architecture.below(row)
        if key in at.IN:
            return self.at(below, at.OUT[at.IN.index(key)])
        if key in at.OUT:
            return self.made(row, layer, at.OUT.index(key))
        if key == at.FIELD:
            return self.field(row, layer, below)
        if key == at.JUMP:
            return self.at(below, key) * (layer.options["stride"] if isinstance(layer, Window) else 1)
        if key == at.AFTER:
            judged = isinstance(layer, (MaxPool, BatchNorm, Relu))
            return sum(one.trains for one in self.architecture.layers[row:]) if judged else None
        if key == at.RULE:
            return " ".join(f"{says}." for says in self.broken(row, layer))
        return self.parameters(row, layer, key)

    def of_image(self, key: str) -> Value | None:
        image = dict(zip(at.OUT, self.architecture.input))
        return {**image, at.FIELD: 1, at.JUMP: 1, at.SO_FAR: 0}.get(key)

    def made(self, row: int, layer: Layer, axis: int) -> int:
        if isinstance(layer, Flatten):
            return 1 if axis else math.prod(self.shape(row, at.IN))
        if axis == 0 and isinstance(layer, (Conv, Dense)):
            return layer.channels
        size = self.at(row, at.IN[axis])
        if axis and layer.collapses:
            return 1
        return windows(size, layer) if axis and isinstance(layer, Window) else size

    def field(self, row: int, layer: Layer, below: int) -> int:
        """From the first row of the image that the layer sees to its last, along the longer side."""
        one, jump = self.at(below, at.FIELD), self.at(below, at.JUMP)
        looks_at = [0]  # the rows of what it takes
        if isinstance(layer, Window):
            looks_at.append(layer.extent - 1)
        elif layer.collapses:
            looks_at = [size - 1 for size in self.shape(row, at.IN)[1:]]
        last = max(looks_at)
        seen = last * jump + one
        other = self.architecture.other(row)
        return seen if other is None else max(seen, self.at(other, at.FIELD))

    def parameters(self, row: int, layer: Layer, key: str) -> int | None:
        if key == at.SO_FAR:
            earlier = self.at(row - 1, at.SO_FAR)
            return earlier + (self.at(row, at.PARAMETERS) if layer.trains or isinstance(layer, BatchNorm) else 0)
        if key == at.RUNNING:
            return self.at(row, at.OUT[0]) * 2 if isinstance(layer, BatchNorm) else None
        shape = weight_shape(layer, self.shape(row, at.IN), self.at(row, at.OUT[0]))
        if not shape:
            return None
        if key == at.PARAMETERS:
            return self.at(row, at.WEIGHTS) + self.at(row, at.BIASES)
        if key == at.BIASES:
            return shape[0] if not isinstance(layer, (Conv, Dense)) or layer.bias else 0
        return math.prod(shape)

    def broken(self, row: int, layer: Layer) -> Iterator[str]:
        """What does not fit, and the rules of the session that are broken."""
        architecture = self.architecture
        taken, made = self.shape(row, at.IN), self.shape(row, at.OUT)
        size = f"{taken[1]}×{taken[2]}"
        if isinstance(layer, Window) and 0 in made[1:]:
            yield f"A kernel over {layer.extent} rows does not fit into {size} with padding {layer.padding}"
        if isinstance(layer, Conv) and any(count % layer.groups for count in (taken[0], made[0])):
            yield f"{layer.groups} groups do not divide {taken[0]} and {made[0]} channels"
        if isinstance(layer, Dense) and set(taken[1:]) != {1}:
            yield f"Takes a map of {size}: put a flatten before it"
        other = architecture.other(row)
        if other is not None and (added := self.shape(other, at.OUT)) != taken:
            yield f"{shown(added)} cannot be added to {shown(taken)}"
        side = max(architecture.input[1:])
        if row == architecture.judged and (seen := self.at(architecture.last_map, at.FIELD)) < side:
            yield f"Receptive field {seen}, smaller than the image, {side}"
        if isinstance(layer, (MaxPool, BatchNorm, Relu)):
            yield from self.too_close(row, layer, self.at(row, at.AFTER))

    def too_close(self, row: int, layer: Layer, after: int) -> Iterator[str]:
        architecture = self.architecture
        if isinstance(layer, Relu):
            if not after:
                yield "On the prediction: never before the last layer"
            return
        least = architecture.pool_distance if isinstance(layer, MaxPool) else architecture.norm_distance
        if after < least:
            yield f"Too close to the prediction: {after}, at least {least}"
        between = 0
        for one in reversed(architecture.layers[: row - 1]):
            if isinstance(layer, MaxPool) and isinstance(one, MaxPool) and between < architecture.pool_spacing:
                least = architecture.pool_spacing
                yield f"Too close to the max pool before: {between}, at least {least}"
            if isinstance(one, MaxPool):
                return
            between += one.trains

    def total(self, key: str) -> Value:
        architecture = self.architecture
        last = len(architecture.layers)
        norms = [row for row, layer in enumerate(architecture.layers, 1) if isinstance(layer, BatchNorm)]
        if key == at.TRAINED:
            others = (row for row, layer in enumerate(architecture.layers, 1) if layer.trains)
            return sum(self.at(row, at.PARAMETERS) for row in (*norms, *others))
        if key == at.NOT_TRAINED:
            return sum(self.at(row, at.RUNNING) for row in norms)
        if key == at.OUTPUT:
            return shown(self.shape(last, at.OUT))
        if key == at.SEEN:
            return self.at(architecture.last_map, at.FIELD)
        if key == at.SIDE:
            return max(architecture.input[1:])
        limit = architecture.parameter_limit
        over = limit is not None and self.at(TOTALS, at.TRAINED) >= limit
        if key == at.BROKEN:
            return over + sum(self.says(row) != "" for row in range(1, last + 1))
        broken = self.at(TOTALS, at.BROKEN)
        if not broken:
            return "Every rule of the session is kept"
        says = f"Rules broken: {broken}; see the column rule"
        return f"{says}; parameters are not fewer than {limit}" if over else says
