"""The kinds of layers that a network file may have: their keys, their shapes, their parameters.

A new kind takes a class here, a row in `graph/layers.py` and one in `reference/network.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.spec.layer import Field, Layer, Sizes, sliding, times
from xlbackprop.spec.normal_layers import (
    Attention,
    BatchNorm,
    Dropout,
    GroupNorm,
    LayerNorm,
    LogSoftmax,
    PositionalEncoding,
    Softmax,
)
from xlbackprop.spec.shapes import Names, Row, Shape, Window, shape_of, size
from xlbackprop.spec.start import Init

if TYPE_CHECKING:
    from typing_extensions import Self


class Dense(Layer, tag="dense", frozen=True, kw_only=True):
    """z = W x + b. `weights` is (n_out, n_in); `bias` is one number for all units, or one each."""

    weights: tuple[Row, ...] | None = None
    activation: str | None = "identity"
    bias: float | Row | None = None
    train_bias: bool = True
    weight_names: tuple[Names, ...] = ()
    bias_names: Names = ()
    size: int | None = None
    init: Init | None = None
    bias_init: Init | None = None
    prefix: ClassVar[str] = "h"
    sums: ClassVar[bool] = True

    def out(self, shape: Shape) -> Shape:
        if self.weights is None and self.size is None:
            raise NetworkError(": missing key weights; or give size and init")
        return (len(self.weights) if self.weights is not None else self.size or 0,)

    def fields(self, shape: Shape) -> tuple[Field, ...]:
        (n_out,) = self.out(shape)
        names = tuple(name for row in self.weight_names for name in row)
        fields = [Field("weights", (n_out, size(shape)), "w", init=self.init, names=names)]
        if self.bias is not None or self.bias_init is not None:
            shared = isinstance(self.bias, float)
            shape = (1,) if shared else (n_out,)
            fields.append(Field("bias", shape, "b", self.train_bias, True, self.bias_init, self.bias_names))
        return tuple(fields)

    def check(self, shape: Shape) -> None:
        (n_out,), n_in = self.out(shape), size(shape)
        if n_out == 0:
            raise NetworkError(".weights: has no rows; give one row of weights for each unit")
        for j, row in enumerate(self.weights or ()):
            if len(row) != n_in or n_in == 0:
                raise NetworkError(f".weights[{j}]: has {len(row)} weights where {{below}}; give one weight for each")
        if self.weight_names and len(self.weight_names) != n_out:
            raise NetworkError(f".weight_names: has {len(self.weight_names)} entries for {n_out} rows of weights")
        for j, names in enumerate(self.weight_names):
            if len(names) != n_in:
                raise NetworkError(f".weight_names[{j}]: has {len(names)} names for {n_in} weights")
        biases = self.bias if isinstance(self.bias, tuple) else () if self.bias is None else (self.bias,)
        if isinstance(self.bias, tuple) and len(self.bias) != n_out:
            raise NetworkError(
                f".bias: has {len(self.bias)} numbers for {n_out} units; "
                "give one each, or a single number that all share"
            )
        if self.bias_names and len(self.bias_names) != len(biases):
            raise NetworkError(f".bias_names: has {len(self.bias_names)} names for {len(biases)} biases")

    def holding(self, key: str, values: Row, shape: Shape) -> Self:
        if key == "bias" and isinstance(self.bias, float):
            return msgspec.structs.replace(self, bias=values[0])
        return super().holding(key, values, shape)


class Conv(Layer, tag="conv", frozen=True, kw_only=True):
    """A kernel with shared weights slides over (channels, length) or (channels, height, width).

    `weights` is (channels out, channels in, kernel) or (channels out, channels in, height, width).
    """

    weights: tuple[tuple[tuple[float | Row, ...], ...], ...] = ()
    bias: Row | None = None
    channels: int | None = None
    kernel: Sizes | None = None
    stride: Sizes = 1
    padding: Sizes = 0
    dilation: Sizes = 1
    train_bias: bool = True
    weight_names: Names = ()
    bias_names: Names = ()
    init: Init | None = None
    bias_init: Init | None = None
    prefix: ClassVar[str] = "c"
    sums: ClassVar[bool] = True

    def window(self, shape: Shape) -> Window:
        kernel = self.kernel
        if self.weights:
            kernel = (shape_of(self.weights) or ())[2:]
        if kernel is None:
            raise NetworkError(": missing key weights; or give channels, kernel and init")
        return sliding(shape, kernel, self.stride, self.padding, self.dilation)

    def out(self, shape: Shape) -> Shape:
        channels = len(self.weights) or self.channels
        if channels is None:
            raise NetworkError(": missing key weights; or give channels, kernel and init")
        return (channels, *self.window(shape).places)

    def fields(self, shape: Shape) -> tuple[Field, ...]:
        channels = self.out(shape)[0]
        kernel = (channels, shape[0], *self.window(shape).kernel)
        weights = Field("weights", kernel, "w", init=self.init, names=self.weight_names)
        if self.bias is None and self.bias_init is None:
            return (weights,)
        return weights, Field("bias", (channels,), "b", self.train_bias, True, self.bias_init, self.bias_names)


class Pool(Layer, tag="pool", frozen=True, kw_only=True):
    """The largest or the average of each window; `stride` is the kernel's size if left out.

    As in PyTorch, padding never wins a maximum and counts as zeros in an average.
    """

    how: Literal["max", "average"]
    kernel: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    prefix: ClassVar[str] = "p"

    def window(self, shape: Shape) -> Window:
        return sliding(shape, self.kernel, self.kernel if self.stride is None else self.stride, self.padding, 1)

    def out(self, shape: Shape) -> Shape:
        window = self.window(shape)
        for axis, (kernel, padding) in enumerate(zip(window.kernel, window.padding)):
            if 2 * padding > kernel:
                raise NetworkError(f".padding: is {padding} on axis {axis}; a pool takes at most half its kernel")
        return (shape[0], *window.places)


class GlobalAverage(Layer, tag="global average", frozen=True, kw_only=True):
    """The average of each channel over all its places."""

    prefix: ClassVar[str] = "g"

    def out(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise NetworkError(f": takes (channels, places); its inputs are {times(shape)}")
        return shape[:1]


class Flatten(Layer, tag="flatten", frozen=True, kw_only=True):
    """The same units in one row."""

    def out(self, shape: Shape) -> Shape:
        return (size(shape),)


class Activate(Layer, tag="activation", frozen=True, kw_only=True):
    """An activation function on its own."""

    activation: str

    def check(self, shape: Shape) -> None:
        if self.applied is None:
            raise NetworkError(".activation: is none; name a function, or leave the layer out")


class Residual(Layer, tag="residual", frozen=True, kw_only=True):
    """z = x + the outputs of the layer named `of` (or of "inputs"): a skip connection, before its activation."""

    of: str
    prefix: ClassVar[str] = "r"
    sums: ClassVar[bool] = True


class Duplicate(Layer, tag="duplicate", frozen=True, kw_only=True):
    """Y1 = X, Y2 = X, ...: all inputs, then all again."""

    copies: int = 2
    prefix: ClassVar[str] = "y"

    def out(self, shape: Shape) -> Shape:
        if self.copies < 2:
            raise NetworkError(f".copies: is {self.copies}; give at least 2")
        return (self.copies * size(shape),)


class _Parts(Layer, frozen=True, kw_only=True):
    parts: int = 2
    prefix: ClassVar[str] = "y"

    def out(self, shape: Shape) -> Shape:
        if self.parts < 2 or size(shape) % self.parts:
            raise NetworkError(f".parts: {size(shape)} inputs do not make {self.parts} equal parts")
        return (size(shape) // self.parts,)


class Add(_Parts, tag="add", frozen=True, kw_only=True):
    """Y = X1 + X2 + ..., the inputs cut into equal parts."""


class Max(_Parts, tag="max", frozen=True, kw_only=True):
    """Y = the larger of X1, X2, ..., the inputs cut into equal parts; the first wins a tie."""


class Circuit(Layer, tag="circuit", frozen=True, kw_only=True):
    """Formulas of the inputs, the parameters and each other: `cells = [["q", "x + y"], ["f", "q * z"]]`."""

    cells: tuple[tuple[str, str], ...]
    parameters: dict[str, float] = msgspec.field(default_factory=dict)
    outputs: Names = ()

    def out(self, shape: Shape) -> Shape:
        return (len(self.handed_on),)

    def holding(self, key: str, values: Row, shape: Shape) -> Self:
        return msgspec.structs.replace(self, parameters=dict(zip(self.parameters, values)))

    @property
    def handed_on(self) -> Names:
        """The cells that the layer above, or the loss, sees: the last one if none are named."""
        return self.outputs or tuple(name for name, _ in self.cells[-1:])


LayerKind = (
    Dense
    | Conv
    | Pool
    | GlobalAverage
    | Flatten
    | Activate
    | Residual
    | Duplicate
    | Add
    | Max
    | BatchNorm
    | LayerNorm
    | GroupNorm
    | Dropout
    | Softmax
    | LogSoftmax
    | PositionalEncoding
    | Attention
    | Circuit
)

__all__ = [
    "Activate",
    "Add",
    "Attention",
    "BatchNorm",
    "Circuit",
    "Conv",
    "Dense",
    "Dropout",
    "Duplicate",
    "Field",
    "Flatten",
    "GlobalAverage",
    "GroupNorm",
    "Layer",
    "LayerKind",
    "LayerNorm",
    "LogSoftmax",
    "Max",
    "Pool",
    "PositionalEncoding",
    "Residual",
    "Sizes",
    "Softmax",
    "sliding",
    "times",
]
