"""What every layer of a network file has: its shapes, its parameters, its activation."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.spec.shapes import Names, Row, Shape, Window, nested, shape_of, size
from xlbackprop.spec.start import Init

if TYPE_CHECKING:
    from typing_extensions import Self

Sizes = int | tuple[int, ...]
MOST_PARAMETERS = 1_000_000  # of one kind in one layer; no workbook has room for as many


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
        for key in ("size", "channels"):
            given = getattr(self, key, None)
            if given is not None and given < 1:
                raise NetworkError(f".{key}: is {given}; give at least 1")
        for field in self.fields(shape):
            if size(field.shape) > MOST_PARAMETERS:
                raise NetworkError(
                    f".{field.key}: {times(field.shape)} are more than {MOST_PARAMETERS:,} numbers; use fewer units"
                )
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
