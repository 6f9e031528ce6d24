"""What an architecture is: its layers, what each takes and makes, and what does not fit together."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.network_values import check_texts

MOST = 1_000_000  # far above any layer's number, and far below where a spreadsheet stops counting exactly
Positive = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Map = tuple[int, int, int]  # channels, height, width
LONGEST_NAME = 100
INPUT = "input"  # the name of the row that is the image


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """`below` (in the file `from`) names what it takes, where that is not the layer before it."""

    trains: ClassVar[bool] = False  # whether it has weights that make features: a convolution or dense layer
    collapses: ClassVar[bool] = False  # whether it takes a whole map and leaves none
    name: str = ""
    below: str = msgspec.field(default="", name="from")

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)

    @property
    def options(self) -> dict[str, int]:
        """Its numbers, by their keys in the file."""
        own = [key for key in self.__struct_fields__ if key not in Layer.__struct_fields__]
        return {key: int(value) for key in own if not isinstance(value := getattr(self, key), str)}

    def out(self, taken: Map) -> Map:
        """The shape of what it makes. Raises NetworkError where it cannot take this."""
        return taken


class Window(Layer, frozen=True, kw_only=True):
    """A kernel that slides over a map, rows and columns alike."""

    kernel: Positive
    padding: Count = 0

    @property
    def extent(self) -> int:
        """How many rows the kernel reaches over."""
        return int(self.options.get("dilation", 1)) * (self.kernel - 1) + 1

    def out(self, taken: Map) -> Map:
        channels, *size = taken
        if min(size) + 2 * self.padding < self.extent:
            raise NetworkError(
                f"kernel: reaches over {self.extent} rows, more than its input of {shown(taken)} "
                f"with padding {self.padding}; make it smaller, or the padding larger"
            )
        height, width = ((n + 2 * self.padding - self.extent) // self.options["stride"] + 1 for n in size)
        return channels, height, width


class Conv(Window, frozen=True, tag="conv", kw_only=True):
    trains = True
    channels: Positive
    stride: Positive = 1
    dilation: Positive = 1
    groups: Positive = 1
    bias: bool = True

    def out(self, taken: Map) -> Map:
        if taken[0] % self.groups or self.channels % self.groups:
            raise NetworkError(
                f"groups: {self.groups} do not divide {taken[0]} and {self.channels} channels; give a divisor of both"
            )
        return (self.channels, *super().out(taken)[1:])


class Pool(Window, frozen=True, kw_only=True):
    stride: Positive | None = None  # None: the kernel's size, as in PyTorch

    def out(self, taken: Map) -> Map:
        if 2 * self.padding > self.kernel:
            raise NetworkError(
                f"padding: {self.padding} is more than half of the kernel, {self.kernel}; make it smaller"
            )
        return super().out(taken)


class MaxPool(Pool, frozen=True, tag="max pool", kw_only=True):
    dilation: Positive = 1


class AveragePool(Pool, frozen=True, tag="average pool"):
    pass


class GlobalAverage(Layer, frozen=True, tag="global average"):
    collapses = True

    def out(self, taken: Map) -> Map:
        return taken[0], 1, 1


class Flatten(Layer, frozen=True, tag="flatten"):
    collapses = True

    def out(self, taken: Map) -> Map:
        return taken[0] * taken[1] * taken[2], 1, 1


class Dense(Layer, frozen=True, tag="dense", kw_only=True):
    trains = True
    collapses = True
    channels: Positive
    bias: bool = True

    def out(self, taken: Map) -> Map:
        if taken[1:] != (1, 1):
            raise NetworkError(f"takes a map, {shown(taken)}; put a flatten or a global average before it")
        return self.channels, 1, 1


class BatchNorm(Layer, frozen=True, tag="batch norm"):
    pass


class Dropout(Layer, frozen=True, tag="dropout"):
    pass


class Relu(Layer, frozen=True, tag="relu"):
    pass


class Sigmoid(Layer, frozen=True, tag="sigmoid"):
    pass


class Tanh(Layer, frozen=True, tag="tanh"):
    pass


class Softmax(Layer, frozen=True, tag="softmax"):
    pass


class LogSoftmax(Layer, frozen=True, tag="log-softmax"):
    pass


class Add(Layer, frozen=True, tag="add", kw_only=True):
    """A residual join: what it takes plus what the layer `of` made."""

    of: str


AnyLayer = (
    Conv | MaxPool | AveragePool | GlobalAverage | BatchNorm | Dropout | Relu | Sigmoid | Tanh | Flatten | Dense
    | Softmax | LogSoftmax | Add
)  # fmt: skip


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """Rows are counted as on the sheet: 0 is the image, k the k-th layer.

    The distances are those of the session's rules, counted in layers with weights: from a max pool
    or a batch norm to the prediction, which counts too, and between two max pools.
    """

    input: tuple[Positive, Positive, Positive]
    layers: Annotated[tuple[AnyLayer, ...], msgspec.Meta(min_length=1)]
    kind: Literal["architecture"] = "architecture"
    title: str = "An architecture"
    about: str = ""
    source: str = ""
    parameter_limit: Positive | None = None
    pool_distance: Count = 3
    pool_spacing: Count = 2
    norm_distance: Count = 2

    @cached_property
    def rows(self) -> dict[str, int]:
        return {INPUT: 0, **{layer.name: k for k, layer in enumerate(self.layers, 1)}}

    def below(self, row: int) -> int:
        """The row that a layer takes."""
        name = self.layers[row - 1].below
        return self.rows[name] if name else row - 1

    def other(self, row: int) -> int | None:
        """The row that a join adds to it."""
        layer = self.layers[row - 1]
        return self.rows[layer.of] if isinstance(layer, Add) else None

    @cached_property
    def last_map(self) -> int:
        """The row whose receptive field counts: the last before a layer takes the whole map at once."""
        collapsing = [k for k, layer in enumerate(self.layers, 1) if layer.collapses]
        return self.below(collapsing[0]) if collapsing else len(self.layers)

    @property
    def judged(self) -> int:
        """The row that says so where that is too small: the one that takes the map, or else the last."""
        collapsing = (k for k, layer in enumerate(self.layers, 1) if layer.collapses)
        return next(collapsing, len(self.layers))

    def max_pool_before(self, row: int) -> int | None:
        pools = [k for k, layer in enumerate(self.layers[: row - 1], 1) if isinstance(layer, MaxPool)]
        return pools[-1] if pools else None


def shown(shape: Map) -> str:
    return "×".join(map(str, shape))


def checked(architecture: Architecture, where: str) -> Architecture:
    """With names and strides filled in; raises NetworkError for what does not fit together."""
    try:
        architecture = _completed(architecture)
        check_texts(architecture)
        _check_names(architecture)
        _check_shapes(architecture)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None
    return architecture


def _completed(architecture: Architecture) -> Architecture:
    layers: list[AnyLayer] = []
    seen: Counter[str] = Counter()
    for layer in architecture.layers:
        seen[layer.kind] += 1
        missing: dict[str, object] = {"name": layer.name or f"{layer.kind} {seen[layer.kind]}"}
        if isinstance(layer, Pool) and layer.stride is None:
            missing["stride"] = layer.kernel
        layers.append(msgspec.structs.replace(layer, **missing))
    return msgspec.structs.replace(architecture, layers=tuple(layers))


def _check_names(architecture: Architecture) -> None:
    known = [INPUT]
    for k, layer in enumerate(architecture.layers):
        if not layer.name.isprintable() or layer.name != layer.name.strip() or len(layer.name) > LONGEST_NAME:
            raise NetworkError(
                f"layers[{k}].name: is not one short line; give it a name as {layer.kind.replace(' ', '')}1"
            )
        if layer.name in known:
            raise NetworkError(f"layers[{k}].name: {layer.name!r} is taken; give it another")
        for key, name in (("from", layer.below), ("of", layer.of if isinstance(layer, Add) else "")):
            if name and name not in known:
                raise NetworkError(
                    f"layers[{k}].{key}: no layer before it is named {name!r}; name one of those above it"
                )
        known.append(layer.name)


def _check_shapes(architecture: Architecture) -> None:
    shapes: list[Map] = [architecture.input]
    for k, layer in enumerate(architecture.layers):
        taken = shapes[architecture.below(k + 1)]
        if isinstance(layer, Add) and (other := shapes[architecture.rows[layer.of]]) != taken:
            raise NetworkError(
                f"layers[{k}] ({layer.name}): {shown(other)} of {layer.of!r} cannot be added to {shown(taken)}; "
                "give the shortcut a conv of its own with the same stride and channels"
            )
        try:
            shapes.append(layer.out(taken))
        except NetworkError as error:
            raise NetworkError(f"layers[{k}] ({layer.name}): {error}") from None
