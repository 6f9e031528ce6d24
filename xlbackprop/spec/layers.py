"""The kinds of layers that a network file may have: their keys, their shapes, their parameters.

A new kind takes a class here, a row in `graph/layers.py` and one in `reference/layers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.spec.shapes import Names, Row, Shape, Window, nested, shape_of, size
from xlbackprop.spec.start import Constant, Init, Zeros

if TYPE_CHECKING:
    from typing_extensions import Self

Sizes = int | tuple[int, ...]


@dataclass(frozen=True)
class Field:
    """A key that holds parameters: how many, what they are called, and how they start if not given."""

    key: str
    shape: Shape
    prefix: str
    trained: bool = True
    bias: bool = False
    init: Init | None = None
    names: Any = ()


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What every layer has. `name` is for residual layers to refer to, and part of its quantities' names."""

    name: str = ""
    units: Names = ()
    prefix: ClassVar[str] = "x"
    # Whether its units are weighted sums, so that their adjoints are deltas even without an activation.
    sums: ClassVar[bool] = False
    # Whether its units are made from the other rows of the batch too.
    couples: ClassVar[bool] = False
    activation: str | None = None

    @property
    def applied(self) -> str | None:
        """The activation function that the units go through; None if they are handed on as they are."""
        return None if self.activation in (None, "none") else self.activation

    def out(self, shape: Shape) -> Shape:
        """The shape of its units. Raises NetworkError where `shape`, of its inputs, does not fit."""
        return shape

    def fields(self, shape: Shape) -> tuple[Field, ...]:
        return ()

    def completed(self, shape: Shape, chance: Random) -> Self:
        """With numbers for the parameters that are only described."""
        changes: dict[str, Any] = {}
        left_out = dict(zip(reversed(self.__struct_fields__), reversed(self.__struct_defaults__)))
        for field in self.fields(shape):
            if getattr(self, field.key) == left_out[field.key]:
                if field.init is None:
                    raise NetworkError(f": missing key {field.key}; or say how it starts, with init")
                changes[field.key] = nested(field.init.draw(field.shape, chance), field.shape)
        changes |= dict.fromkeys({"init", "bias_init", "size"} & set(self.__struct_fields__))
        return msgspec.structs.replace(self, **changes)

    def check(self, shape: Shape) -> None:
        """Raises NetworkError for parameters that do not fit the shape of the inputs."""
        for field in self.fields(shape):
            found = shape_of(getattr(self, field.key))
            if found != field.shape:
                has = "is ragged" if found is None else f"is {times(found)}"
                raise NetworkError(f".{field.key}: {has} where inputs of {times(shape)} need {times(field.shape)}")

    def holding(self, key: str, values: Row, shape: Shape) -> Self:
        """With these flat values for a key."""
        return msgspec.structs.replace(self, **{key: nested(values, shape)})


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


class _Affine(Layer, frozen=True, kw_only=True):
    scale: Row = ()
    shift: Row = ()
    train: bool = True
    epsilon: float = 1e-5
    prefix: ClassVar[str] = "n"

    def features(self, shape: Shape) -> int:
        return shape[0]

    def fields(self, shape: Shape) -> tuple[Field, ...]:
        one = (self.features(shape),)
        return (
            Field("scale", one, "γ", self.train, False, Constant(value=1.0)),
            Field("shift", one, "β", self.train, True, Zeros()),
        )

    def check(self, shape: Shape) -> None:
        super().check(shape)
        if self.epsilon <= 0:
            raise NetworkError(f".epsilon: is {self.epsilon!r}; give a small number above 0")


class BatchNorm(_Affine, tag="batch norm", frozen=True, kw_only=True):
    """γ (x - μ)/√(σ² + ε) + β, μ and σ² of each channel over the batch; with `mode = "evaluation"` as given."""

    mode: Literal["training", "evaluation"] = "training"
    mean: Row = ()
    variance: Row = ()

    @property
    def couples(self) -> bool:  # type: ignore[override]
        return self.mode == "training"

    def fields(self, shape: Shape) -> tuple[Field, ...]:
        if self.mode == "training":
            return super().fields(shape)
        one = (shape[0],)
        return (
            *super().fields(shape),
            Field("mean", one, "mean", False, True, Zeros()),
            Field("variance", one, "variance", False, True, Constant(value=1.0)),
        )


class LayerNorm(_Affine, tag="layer norm", frozen=True, kw_only=True):
    """γ (x - μ)/√(σ² + ε) + β, μ and σ² over the units of a sample; of (tokens, features), of each token."""

    def features(self, shape: Shape) -> int:
        return shape[-1] if len(shape) == 2 else size(shape)


class GroupNorm(_Affine, tag="group norm", frozen=True, kw_only=True):
    """The same over groups of channels, with a scale and shift for each channel."""

    groups: int

    def check(self, shape: Shape) -> None:
        super().check(shape)
        if self.groups < 1 or shape[0] % self.groups:
            raise NetworkError(f".groups: {shape[0]} channels do not make {self.groups} equal groups")


class Dropout(Layer, tag="dropout", frozen=True, kw_only=True):
    """Inputs that the mask lets through, divided by 1 - p; `mask` for all visits, or a new one drawn for each."""

    p: float = 0.5
    mask: Row = ()
    seed: int | None = None
    mode: Literal["training", "evaluation"] = "training"
    prefix: ClassVar[str] = "d"

    @property
    def drawn(self) -> bool:
        return self.mode == "training" and self.seed is not None

    def fields(self, shape: Shape) -> tuple[Field, ...]:
        if self.mode == "evaluation" or self.drawn:
            return ()
        return (Field("mask", (size(shape),), "mask", False),)

    def check(self, shape: Shape) -> None:
        super().check(shape)
        if not 0 <= self.p < 1:
            raise NetworkError(f".p: is {self.p!r}; a part of the inputs, from 0 to below 1")
        if self.mode == "training" and bool(self.mask) == (self.seed is not None):
            raise NetworkError(": give mask, a 0 or 1 for each input, or seed, to draw one for each visit")
        if any(value not in (0, 1) for value in self.mask):
            raise NetworkError(".mask: has a number that is neither 0 nor 1")


class Softmax(Layer, tag="softmax", frozen=True, kw_only=True):
    """Likelihoods e^z / Σ e^z over all inputs; of (tokens, features), of each token."""

    stable: bool | None = None
    prefix: ClassVar[str] = "s"


class LogSoftmax(Layer, tag="log-softmax", frozen=True, kw_only=True):
    """z - ln Σ e^z, the logarithm of softmax."""

    stable: bool | None = None
    prefix: ClassVar[str] = "l"


class PositionalEncoding(Layer, tag="positional encoding", frozen=True, kw_only=True):
    """Adds sin(t / base^(2k/n)) to feature 2k of token t and the cosine to feature 2k+1. Vaswani et al., 2017."""

    base: float = 10_000.0
    prefix: ClassVar[str] = "e"

    def out(self, shape: Shape) -> Shape:
        return _tokens(shape)


class Attention(Layer, tag="attention", frozen=True, kw_only=True):
    """softmax(Q Kᵀ / √d) V of each token over all (or with `causal` the earlier) tokens. Vaswani et al., 2017.

    `query`, `key` and `value` are (d, features), `output`, if any, (features out, d).
    """

    query: tuple[Row, ...] = ()
    key: tuple[Row, ...] = ()
    value: tuple[Row, ...] = ()
    output: tuple[Row, ...] | None = None
    causal: bool = False
    size: int | None = None
    init: Init | None = None
    prefix: ClassVar[str] = "u"

    def out(self, shape: Shape) -> Shape:
        tokens, _ = _tokens(shape)
        return (tokens, len(self.output) if self.output else len(self.value) or self.size or 0)

    def fields(self, shape: Shape) -> tuple[Field, ...]:
        tokens, features = _tokens(shape)
        d, d_value = len(self.query) or self.size or 0, len(self.value) or self.size or 0
        if not d or not d_value:
            raise NetworkError(": missing keys query, key and value; or give size and init")
        fields = [
            Field("query", (d, features), "wq", init=self.init),
            Field("key", (d, features), "wk", init=self.init),
            Field("value", (d_value, features), "wv", init=self.init),
        ]
        if self.output:
            fields.append(Field("output", (len(self.output), d_value), "wo"))
        return tuple(fields)


class Circuit(Layer, tag="circuit", frozen=True, kw_only=True):
    """Formulas of the inputs, the parameters and each other: `cells = [["q", "x + y"], ["f", "q * z"]]`."""

    cells: tuple[tuple[str, str], ...]
    parameters: dict[str, float] = {}
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


def sliding(shape: Shape, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Window:
    """The window of a kernel over inputs (channels, ...). Raises NetworkError where it does not fit."""
    if len(shape) not in (2, 3):
        raise NetworkError(
            f": slides over (channels, length) or (channels, height, width); its inputs are {times(shape)}; "
            "say so with input_shape"
        )
    axes = len(shape) - 1

    def each(key: str, value: Sizes, least: int) -> Shape:
        many = value if isinstance(value, tuple) else (value,) * axes
        if len(many) != axes:
            raise NetworkError(f".{key}: has {len(many)} numbers for inputs of {times(shape)}; give {axes}, or one")
        if min(many) < least:
            raise NetworkError(f".{key}: is {min(many)}; give at least {least}")
        return many

    window = Window(
        shape[1:], each("kernel", kernel, 1), each("stride", stride, 1), each("padding", padding, 0),
        each("dilation", dilation, 1),
    )  # fmt: skip
    if min(window.places) < 1:
        padded = tuple(n + 2 * pad for n, pad in zip(window.length, window.padding))
        raise NetworkError(
            f".kernel: {times(window.kernel)}"
            + (f" with dilation {times(window.dilation)}" if max(window.dilation) > 1 else "")
            + f" is larger than its input of {times(padded)}"
            + (" with padding" if max(window.padding) else "")
            + "; use a smaller kernel, or padding"
        )
    return window


def times(shape: Shape) -> str:
    """For example 6×6."""
    return "×".join(map(str, shape)) or "one number"


def _tokens(shape: Shape) -> Shape:
    if len(shape) != 2:
        raise NetworkError(f": takes (tokens, features); its inputs are {times(shape)}; say so with input_shape")
    return shape
