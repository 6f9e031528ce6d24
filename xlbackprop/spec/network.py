"""The network file's top level: one frozen `Spec`, completed and checked."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from random import Random
from typing import Annotated, Any, Literal

import msgspec

from xlbackprop.errors import NetworkError
from xlbackprop.spec import names as naming
from xlbackprop.spec.batches import Batches, masks, shuffled
from xlbackprop.spec.layers import Dense, Dropout, LayerKind, Softmax
from xlbackprop.spec.optimizers import AdamW, Optimizer, Schedule, Sgd
from xlbackprop.spec.placing import placed
from xlbackprop.spec.shapes import Names, Placed, Row, Shape, Tensor, size

Style = Literal["class", "delta"]
Update = Literal["simultaneous", "sequential"]

MAX_ROWS = 1_048_576  # of a worksheet, Excel 2007 and later
MAX_COLUMNS = 16_384
MAX_FAN = 200  # inputs or units of a layer: a sum of so many products fits in a formula's 8,192 characters
MAX_RATES = 254  # the most values CHOOSE can choose from
_ROOM = 64  # rows or columns of a sheet kept for titles, headers and the step column


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`label` stands for targets of 0 and a 1 at that output, counted from 0 as in PyTorch."""

    inputs: Row
    targets: Row = ()
    label: int | None = None


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True, kw_only=True):
    """A network, its samples and its training, every number given and checked."""

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
        return frozenset(unit for one in self.placed for unit in one.units if one.layer.sums or one.layer.applied)

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
    return checked(msgspec.structs.replace(spec, **given), where) if given else spec


def checked(spec: Spec, where: str) -> Spec:
    """The spec with what is missing filled in; raises NetworkError for what a type cannot say."""
    try:
        spec = _completed(spec)
        for check in (_check_vocabulary, _check_shapes, _check_numbers, _check_training, _check_names, _check_room):
            check(spec)
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}") from None
    return spec


def _completed(spec: Spec) -> Spec:
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


def _check_vocabulary(spec: Spec) -> None:
    # The words are the rows of the tables, so that a new activation is a row there and nothing here.
    from xlbackprop.graph.losses import LOSSES
    from xlbackprop.graph.ops import of_kind

    for k, layer in enumerate(spec.layers):
        if layer.applied is not None and layer.applied not in of_kind("activation"):
            raise NetworkError(
                f"layers[{k}].activation: unknown value {layer.applied!r}; "
                f"known are {', '.join(of_kind('activation'))}"
            )
    if spec.loss not in LOSSES:
        raise NetworkError(f"loss: unknown value {spec.loss!r}; known are {', '.join(LOSSES)}")
    last = spec.layers[-1]
    if LOSSES[spec.loss].needs_positive and not (
        last.applied in ("sigmoid", "gaussian") or (isinstance(last, Softmax) and not last.applied)
    ):
        raise NetworkError(
            f"loss: {spec.loss} takes the logarithm of the outputs, which can be 0 or less here; "
            "end with a softmax layer or sigmoid units, or take the loss from logits"
        )


def _check_shapes(spec: Spec) -> None:
    below = f"there are {len(spec.inputs)} inputs"
    shape = spec.shape_in
    for k, layer in enumerate(spec.layers):
        try:
            layer.check(shape)
            shape = layer.out(shape)
        except NetworkError as error:
            raise NetworkError(f"layers[{k}]{str(error).replace('{below}', below)}") from None
        below = f"layers[{k}] has {size(shape)} units"
    n_out = 0 if spec.loss == "output" else size(shape)
    _ = spec.placed  # raises for what does not fit between layers
    if len(spec.targets) != n_out:
        raise NetworkError(f"targets: has {len(spec.targets)} names, but the last layer has {n_out} units")
    for p, sample in enumerate(spec.samples):
        for key, row, names in (("inputs", sample.inputs, spec.inputs), ("targets", sample.targets, spec.targets)):
            if len(row) != len(names):
                raise NetworkError(f"samples[{p}].{key}: has {len(row)} numbers; the network needs {len(names)}")


def _check_numbers(spec: Spec) -> None:
    for place, value in _all_numbers(spec):
        if not math.isfinite(value):
            raise NetworkError(f"{place}: is {value}; give a finite number")
    for k, rate in enumerate(spec.rates):
        if rate <= 0:
            raise NetworkError(f"rates[{k}]: is {rate!r}; a learning rate is above 0")
    if repeated := _repeated(spec.rates):
        raise NetworkError(f"rates: {repeated!r} is given twice; each rate has one sheet, so give it once")
    if spec.updates < 1:
        raise NetworkError(f"steps: is {spec.updates}; give at least 1")


def _all_numbers(spec: Spec) -> Iterator[tuple[str, float]]:
    for one in spec.placed:
        for tensor in one.tensors:
            for k, value in enumerate(tensor.values):
                place = "".join(f"[{i}]" for i in _unravelled(k, tensor.shape)) if len(tensor.shape) > 1 else ""
                yield f"layers[{one.index}].{tensor.key}{place}", value
    for p, sample in enumerate(spec.samples):
        yield from ((f"samples[{p}].inputs", value) for value in sample.inputs)
        yield from ((f"samples[{p}].targets", value) for value in sample.targets)
    yield from ((f"rates[{k}]", value) for k, value in enumerate(spec.rates))
    for struct, place in ((spec.optimizer, "optimizer."), (spec.schedule, "schedule."), (spec, "")):
        for key in struct.__struct_fields__:
            value = getattr(struct, key)
            if isinstance(value, float):
                yield f"{place}{key}", value


def _unravelled(k: int, shape: Shape) -> Shape:
    position: list[int] = []
    for n in reversed(shape):
        k, rest = divmod(k, n)
        position.insert(0, rest)
    return tuple(position)


def _check_training(spec: Spec) -> None:
    if spec.batch != "full" and spec.batch < 1:
        raise NetworkError(f"batch: is {spec.batch}; give at least 1, or full")
    for key, limit in (("l1", 0), ("l2", 0)):
        if getattr(spec, key) < limit:
            raise NetworkError(f"{key}: is {getattr(spec, key)!r}; give 0 or more")
    for key in ("clip_norm", "clip_value"):
        if (bound := getattr(spec, key)) is not None and bound <= 0:
            raise NetworkError(f"{key}: is {bound!r}; give a number above 0")
    for key in ("every", "last"):
        if getattr(spec.schedule, key) < 1:
            raise NetworkError(f"schedule.{key}: is {getattr(spec.schedule, key)}; give at least 1")
    for key, low, high in (
        ("momentum", 0, 1), ("dampening", 0, 1), ("beta", 0, 1), ("alpha", 0, 1), ("beta1", 0, 1), ("beta2", 0, 1),
        ("epsilon", 0, math.inf), ("weight_decay", 0, math.inf),
    ):  # fmt: skip
        value = getattr(spec.optimizer, key, low)
        if not low <= value < high:
            raise NetworkError(f"optimizer.{key}: is {value!r}; give a number from {low} to below {high}")
    if isinstance(spec.optimizer, AdamW) and spec.l2:
        raise NetworkError("l2: adamw has its own weight_decay; give that one")
    smallest = min(count for _, count in spec.batches)
    for one in spec.placed:
        rest = size(one.shape[1:])
        if one.layer.couples and smallest * rest < 2:
            raise NetworkError(
                f"layers[{one.index}]: batch norm has one number to normalise in a batch of {smallest}; "
                "use batches of at least 2, or its mode evaluation"
            )
    if spec.normalize:
        for k, name in enumerate(spec.inputs):
            if len({sample.inputs[k] for sample in spec.samples}) == 1:
                raise NetworkError(f"normalize: {name} is the same in every sample; leave it out, or do not normalize")
    plain = all(isinstance(layer, Dense) for layer in spec.layers)
    if spec.update == "sequential" and not (plain and simple(spec)):
        raise NetworkError("update: sequential is for dense layers, one sample a step and plain sgd; use simultaneous")
    if spec.style == "class" and not plain:
        raise NetworkError("style: class writes closed forms of dense layers; use delta for other layers")


def simple(spec: Spec) -> bool:
    """Whether a weight follows from the row above by its rate and gradient alone."""
    return (
        isinstance(spec.optimizer, Sgd)
        and not spec.batches.several
        and spec.schedule == Schedule()
        and not (spec.l1 or spec.l2 or spec.clip_norm or spec.clip_value)
    )


def _check_names(spec: Spec) -> None:
    quantities = [*spec.inputs, *spec.targets, *spec.initial]
    units = [unit for one in spec.placed for unit in one.units if unit not in one.below]
    for name in (*quantities, *units):
        if not re.fullmatch(r"[^\W\d]\w{0,63}", name):
            raise NetworkError(
                f"the name {name!r}: a name is a letter and then up to 63 letters, digits or _; rename it"
            )
    made = [naming.RATE, naming.STEP, naming.VISIT, naming.SAMPLE, naming.total_error(), naming.batch_error()]
    made += [output for one in spec.placed for output in one.outputs if output not in (*one.below, *one.units)]
    made += [naming.error_name(k) for k in range(len(spec.targets))]
    # Excel does not tell w1 from W1 in a defined name, so neither may a network.
    if repeated := _repeated(name.casefold() for name in (*quantities, *units, *made)):
        raise NetworkError(f"the name {repeated!r} stands for two quantities; rename one of them")
    values: dict[str, float] = {}
    for tensor in spec.tensors():
        for name, value in zip(tensor.names, tensor.values):
            if not name and value:
                raise NetworkError(f"{tensor.key}: is {value!r} where there is no connection; give 0, or a name")
            if name and values.setdefault(name, value) != value:
                raise NetworkError(
                    f"the name {name!r} stands for two quantities, {values[name]!r} and {value!r}; "
                    "a shared weight has one value"
                )


def _check_room(spec: Spec) -> None:
    visits = spec.batches.visits
    if (rows := visits + _ROOM) > MAX_ROWS:
        raise NetworkError(f"steps: {spec.updates} steps need {rows:,} rows and a sheet has {MAX_ROWS:,}; give fewer")
    if (rows := len(spec.samples) + _ROOM) > MAX_ROWS:
        raise NetworkError(f"samples: {len(spec.samples)} need {rows:,} rows and a sheet has {MAX_ROWS:,}; give fewer")
    if len(spec.inputs) > MAX_FAN and isinstance(spec.layers[0], Dense):
        raise NetworkError(_too_wide("inputs", len(spec.inputs)))
    for one in spec.placed:
        fan = size(one.shape) if isinstance(one.layer, Dense) else 0
        if one.layer.__struct_config__.tag == "conv":
            fan = size(one.tensors[0].shape[1:])
        if fan > MAX_FAN:
            raise NetworkError(_too_wide(f"layers[{one.index}]", fan))
    units = sum(size(one.shape) for one in spec.placed)
    names = len(spec.initial) + len(spec.trained) + 3 * units + len(spec.inputs) + 2 * len(spec.targets)
    if (columns := names + _ROOM) > MAX_COLUMNS:
        raise NetworkError(
            f"layers: the table needs {columns:,} columns and a sheet has {MAX_COLUMNS:,}; use fewer units"
        )
    if len(spec.rates) > MAX_RATES:
        raise NetworkError(
            f"rates: has {len(spec.rates)}; each is a sheet, and a workbook takes {MAX_RATES}; give fewer"
        )


def _too_wide(place: str, count: int) -> str:
    return f"{place}: has {count} units; the formula of their sum fits up to {MAX_FAN}; use fewer"


def _repeated(values: Iterable[Any]) -> Any | None:
    return next((value for value, count in Counter(values).items() if count > 1), None)
