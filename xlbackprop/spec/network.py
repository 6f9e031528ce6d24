"""The network file's top level: one frozen `Spec`, completed and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from random import Random
from typing import Annotated, Literal, get_args

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.spec import names as naming
from xlbackprop.spec.batches import Batches, masks, shuffled
from xlbackprop.spec.checks import MAX_COLUMNS, check
from xlbackprop.spec.layers import Dense, Dropout, LayerKind
from xlbackprop.spec.optimizers import Optimizer, Schedule, Sgd
from xlbackprop.spec.placing import placed
from xlbackprop.spec.shapes import Names, Placed, Row, Shape, Tensor, size

Style = Literal["class", "delta"]
Update = Literal["simultaneous", "sequential"]
Level = Literal["worked", "scaffolded", "blank"]
Group = Literal["forward", "backward", "update"]


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`label` stands for targets of 0 and a 1 at that output, counted from 0 as in PyTorch."""

    inputs: Row
    targets: Row = ()
    label: int | None = None


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True, kw_only=True):
    """A network, its samples and its training, every number given and checked.

    `level` says what its workbook is for. `worked`: every formula is there. `blank`: the cells of the
    groups in `leave` (all groups, if none is named) are empty, to be filled. `scaffolded`: the same,
    with each formula told in words. A worksheet leaves `about` out, which may tell results.
    """

    layers: Annotated[tuple[LayerKind, ...], msgspec.Meta(min_length=1)]
    samples: Annotated[tuple[Sample, ...], msgspec.Meta(min_length=1)]
    rates: Annotated[Row, msgspec.Meta(min_length=1)]
    steps: int | None = None
    epochs: int | None = None
    title: str = "A network"
    about: str = ""
    source: str = ""
    loss: str = "half squared error"
    reduction: Literal["mean", "sum"] = "mean"
    batch: int | Literal["full"] = 1
    shuffle: int | None = None
    optimizer: Optimizer = Sgd()
    schedule: Schedule = Schedule()
    l1: float = 0.0
    l2: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    update: Update = "simultaneous"
    normalize: bool = False
    input_gradients: bool = False
    style: Style = "delta"
    layout: Literal["rows", "matrix"] = "rows"
    level: Level = "worked"
    leave: tuple[Group, ...] = ()
    stable: bool | None = None
    seed: int = 0
    inputs: Names = ()
    targets: Names = ()
    input_shape: Shape = ()

    @cached_property
    def placed(self) -> tuple[Placed, ...]:
        """The layers in their places."""
        return placed(self.layers, self.inputs, self.shape_in)

    @property
    def shape_in(self) -> Shape:
        return self.input_shape or (len(self.inputs),)

    @cached_property
    def batches(self) -> Batches:
        n = len(self.samples)
        assert self.steps is not None, "a spec is completed by checked()"
        return Batches(n, n if self.batch == "full" else min(self.batch, n), self.steps)

    @property
    def updates(self) -> int:
        """How many updates the training makes."""
        return self.batches.steps

    @cached_property
    def order(self) -> tuple[int, ...] | None:
        """For every visit its sample, counted from 0, where the order was drawn."""
        return None if self.shuffle is None else tuple(shuffled(self.batches, self.shuffle))

    @cached_property
    def drawn(self) -> dict[str, Row]:
        """For every quantity that was drawn for each visit, its values."""
        result: dict[str, Row] = {}
        for one in self.placed:
            if isinstance(one.layer, Dropout) and one.layer.drawn:
                rows = masks(self.batches, one.layer.p, size(one.shape), one.layer.seed or 0)
                result |= dict(zip(one.parts("mask", *one.shape), zip(*rows)))
        return result

    @property
    def is_stable(self) -> bool:
        return self.style != "class" if self.stable is None else self.stable

    @property
    def left(self) -> tuple[Group, ...]:
        """The groups of cells that the workbook leaves to be filled."""
        return () if self.level == "worked" else self.leave or get_args(Group)

    def tensors(self) -> Iterator[Tensor]:
        for one in self.placed:
            yield from one.tensors

    @cached_property
    def initial(self) -> dict[str, tuple[float, bool, bool]]:
        """Every parameter in column order: its initial value, whether it is trained, whether it is a bias."""
        result: dict[str, tuple[float, bool, bool]] = {}
        for tensor in self.tensors():
            for name, value in zip(tensor.names, tensor.values):
                if name:
                    result.setdefault(name, (value, tensor.trained, tensor.bias))
        return result

    def parameters(self) -> Iterator[tuple[str, float, bool]]:
        """Every weight and bias in column order: its name, initial value, and whether it is trained."""
        return ((name, value, trained) for name, (value, trained, _) in self.initial.items())

    @cached_property
    def trained(self) -> Names:
        return tuple(name for name, _, trained in self.parameters() if trained)

    @cached_property
    def differentiated(self) -> Names:
        """The quantities whose gradients are wanted: what is trained and, if asked for, the inputs."""
        return (*self.trained, *self.inputs) if self.input_gradients else self.trained

    @property
    def is_simple(self) -> bool:
        """Whether a weight follows from the row above by its rate and gradient alone."""
        return (
            isinstance(self.optimizer, Sgd)
            and not self.batches.several
            and self.schedule == Schedule()
            and not (self.l1 or self.l2 or self.clip_norm or self.clip_value)
        )

    @property
    def couples(self) -> bool:
        """Whether the rows of a batch take part in each other's forward pass."""
        return any(one.layer.couples for one in self.placed)

    @property
    def outputs(self) -> Names:
        return self.placed[-1].outputs

    def adjoint(self, quantity: str) -> str:
        """The name of ∂E/∂quantity: a delta for a pre-activation."""
        return (naming.delta_name if quantity in self._sums else naming.gradient_name)(quantity)

    @cached_property
    def _sums(self) -> frozenset[str]:
        sums = {unit for one in self.placed for unit in one.units if one.layer.sums or one.layer.applied}
        activations = {output for one in self.placed if one.layer.applied for output in one.outputs}
        return frozenset(sums - activations - set(self.inputs))

    def with_parameters(self, values: Mapping[str, float]) -> Spec:
        """The same network with these initial values."""
        layers = []
        for one in self.placed:
            layer = one.layer
            for tensor in one.tensors:
                held = tuple(values[name] if name else 0.0 for name in tensor.names)
                layer = layer.holding(tensor.key, held, tensor.shape)
            layers.append(layer)
        return msgspec.structs.replace(self, layers=tuple(layers))

    @property
    def shape(self) -> str:
        """For example 2-2-2, or 1×6×6-2×4×4-10."""
        shapes = [self.shape_in, *(one.shape for one in self.placed if _changes(one))]
        return "-".join("×".join(map(str, shape)) for shape in shapes)

    @property
    def summary(self) -> str:
        """For example `2-2-2 sigmoid, half squared error`."""
        kinds = []
        for one in self.placed:
            if not isinstance(one.layer, Dense) and one.layer.__struct_config__.tag != "activation":
                kinds.append(str(one.layer.__struct_config__.tag))
            if one.layer.activation not in (None, "none"):
                kinds.append(str(one.layer.activation))
        return f"{self.shape} {'/'.join(dict.fromkeys(kinds)) or 'linear'}, {self.loss}"


def _changes(one: Placed) -> bool:
    return bool(one.tensors) or one.shape != one.shape_in


def override(spec: Spec, where: str = "options", **changes: object) -> Spec:
    """The spec with rates, steps or style changed, and checked again; None leaves a value as it is."""
    given = {key: value for key, value in changes.items() if value is not None}
    if given.get("level") == "worked":
        given = {"leave": ()} | given  # the key of a worksheet leaves nothing
    return checked(msgspec.structs.replace(spec, **given), where) if given else spec


def checked(spec: Spec, where: str) -> Spec:
    """The spec with what is missing filled in; raises NetworkError for what a type cannot say."""
    try:
        spec = _completed(spec)
        check(spec)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None
    return spec


def _completed(spec: Spec) -> Spec:
    if any(n < 1 for n in spec.input_shape):
        raise NetworkError(f"input_shape: is {'×'.join(map(str, spec.input_shape))}; each axis has at least 1")
    if size(spec.input_shape) > MAX_COLUMNS:
        raise NetworkError(
            f"input_shape: are {size(spec.input_shape):,} inputs and a sheet has {MAX_COLUMNS:,} columns"
        )
    inputs = spec.inputs or _numbered("i", size(spec.input_shape) if spec.input_shape else _input_count(spec))
    if spec.input_shape and size(spec.input_shape) != len(inputs):
        raise NetworkError(f"input_shape: {'×'.join(map(str, spec.input_shape))} is not {len(inputs)} inputs")
    spec = msgspec.structs.replace(spec, inputs=inputs)
    layers: list[LayerKind] = []
    shape = spec.shape_in
    for k, layer in enumerate(spec.layers):
        try:
            layers.append(layer.completed(shape, Random(f"{spec.seed} {k}")))
            shape = layers[-1].out(shape)
            if size(shape) > MAX_COLUMNS:
                raise NetworkError(f": makes {size(shape):,} units and a sheet has {MAX_COLUMNS:,} columns; use fewer")
        except NetworkError as error:
            raise NetworkError(f"layers[{k}]{error}") from None
    spec = msgspec.structs.replace(spec, layers=tuple(layers))
    n_out = 0 if spec.loss == "output" else size(shape)
    samples = tuple(_labelled(p, sample, n_out) for p, sample in enumerate(spec.samples))
    targets = spec.targets or _numbered("t", n_out)
    return msgspec.structs.replace(spec, samples=samples, targets=targets, steps=_steps(spec), epochs=None)


def _input_count(spec: Spec) -> int:
    first = spec.layers[0]
    if isinstance(first, Dense) and first.weights is not None:
        return len(first.weights[0]) if first.weights else 0
    return len(spec.samples[0].inputs)


def _labelled(p: int, sample: Sample, classes: int) -> Sample:
    if sample.label is None:
        return sample
    if sample.targets:
        raise NetworkError(f"samples[{p}]: has targets and label; give one of them")
    if not 0 <= sample.label < classes:
        raise NetworkError(f"samples[{p}].label: is {sample.label}; the {classes} outputs are 0 to {classes - 1}")
    return Sample(sample.inputs, tuple(float(k == sample.label) for k in range(classes)))


def _steps(spec: Spec) -> int:
    if spec.epochs is None:
        if spec.steps is None:
            raise NetworkError("missing key steps; give steps, or epochs")
        return spec.steps
    if spec.steps is not None:
        raise NetworkError("epochs: steps are given as well; give one of them")
    if spec.epochs < 1:
        raise NetworkError(f"epochs: is {spec.epochs}; give at least 1")
    size_of_batch = len(spec.samples) if spec.batch == "full" else max(1, spec.batch)
    return spec.epochs * -(-len(spec.samples) // size_of_batch)


def _numbered(prefix: str, count: int) -> Names:
    return tuple(f"{prefix}{k}" for k in range(1, count + 1))
