"""Layers that normalise what they take: norms, dropout, softmax, attention, and the encoding of positions."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, ClassVar, Literal

from xlbackprop.errors import NetworkError
from xlbackprop.spec.layer import Field, Layer, times
from xlbackprop.spec.shapes import Row, Shape, size
from xlbackprop.spec.start import Constant, Init, Zeros

if TYPE_CHECKING:
    from typing_extensions import Self


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

    def completed(self, shape: Shape, chance: Random) -> Self:
        if self.mode == "training" and bool(self.mask) == (self.seed is not None):
            raise NetworkError(": give mask, a 0 or 1 for each input, or seed, to draw one for each visit")
        return super().completed(shape, chance)

    def check(self, shape: Shape) -> None:
        super().check(shape)
        if not 0 <= self.p < 1:
            raise NetworkError(f".p: is {self.p!r}; a part of the inputs, from 0 to below 1")
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
        _, features = _tokens(shape)
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


def _tokens(shape: Shape) -> Shape:
    if len(shape) != 2:
        raise NetworkError(f": takes (tokens, features); its inputs are {times(shape)}; say so with input_shape")
    return shape
