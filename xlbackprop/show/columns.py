"""What the drawing of a network of dense layers shows: columns of units, and the weights between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xlbackprop.graph.program import Role
from xlbackprop.show.drawing import number, shortened
from xlbackprop.spec import Spec, error_name, gradient_name, total_error
from xlbackprop.spec.layers import Activate, Dense
from xlbackprop.spec.shapes import Names, Placed

MOST_UNITS = 12  # of a longer layer stand the first ones and the last

Rows = Sequence[int | None]  # which units have a box, None for those that are left out


@dataclass(frozen=True)
class Quantity:
    """A name with its number, or with None where it has none."""

    name: str
    value: float | None
    role: Role

    @property
    def text(self) -> str:
        return shortened(self.name) if self.value is None else f"{shortened(self.name)}  {number(self.value)}"


@dataclass(frozen=True)
class Unit:
    """A box: the quantities that stand in it from top to bottom, and the bias below it."""

    quantities: tuple[Quantity, ...]
    bias: Quantity | None = None


@dataclass(frozen=True)
class Edge:
    """An arrow from a unit of the column before; both ends count the units of their column."""

    source: int
    target: int
    weight: Quantity | None = None


@dataclass(frozen=True)
class Column:
    """A layer; None among its units stands for those that are left out."""

    heading: tuple[str, ...]
    units: tuple[Unit | None, ...]
    edges: tuple[Edge, ...] = ()


@dataclass
class _Stage:
    """A dense layer, or the inputs, with the activation functions on it."""

    layer: Placed | None
    made: list[Names]
    functions: list[str] = field(default_factory=list)

    @property
    def rows(self) -> Rows:
        count = len(self.made[0])
        return range(count) if count <= MOST_UNITS else [*range(MOST_UNITS - 2), None, count - 1]


def is_layered(spec: Spec) -> bool:
    """Whether every layer is dense, or an activation function that stands on its own."""
    return all(isinstance(layer, (Dense, Activate)) for layer in spec.layers)


def columns(spec: Spec, values: Mapping[str, float], *, backward: bool) -> list[Column]:
    """From left to right: the inputs, the layers, the errors of the outputs, the total error."""
    told = _Teller(spec, values, backward=backward)
    stages = _stages(spec)
    result = [told.column(stages[0], None, "inputs")]
    hidden = [f"hidden {k}" for k in range(1, len(stages) - 1)] if len(stages) > 3 else ["hidden"]
    for below, stage, title in zip(stages, stages[1:], [*hidden[: len(stages) - 2], "output"]):
        result.append(told.column(stage, below, title))
    return [*result, *_errors(spec, told, stages[-1].rows)]


def _stages(spec: Spec) -> list[_Stage]:
    stages = [_Stage(None, [spec.inputs])]
    for one in spec.placed:
        if isinstance(one.layer, Dense):
            stages.append(_Stage(one, [one.units]))
        if one.activation:
            stages[-1].made.append(one.outputs)
            stages[-1].functions.append(one.activation)
    return stages


def _errors(spec: Spec, told: _Teller, rows: Rows) -> Iterator[Column]:
    total = told.forward(total_error(), Role.TOTAL_ERROR)
    targets = [told.forward(name, Role.TARGET) for name in spec.targets]
    shown = [place for place, k in enumerate(rows) if k is not None]
    to_total = tuple(Edge(place, 0) for place in shown)
    if len(spec.outputs) == 1 or not targets:  # the error has no parts
        yield Column(("error", spec.loss), (Unit((*targets, total)),), to_total)
        return
    parts = tuple(None if k is None else Unit((targets[k], told.forward(error_name(k), Role.ERROR))) for k in rows)
    yield Column(("errors", spec.loss), parts, tuple(Edge(place, place) for place in shown))
    yield Column(("total error",), (Unit((total,)),), to_total)


class _Teller:
    """The quantities of a pass: with their values, or with the gradient of the error by each."""

    def __init__(self, spec: Spec, values: Mapping[str, float], *, backward: bool) -> None:
        self._spec, self._values, self._backward = spec, values, backward

    def column(self, stage: _Stage, below: _Stage | None, title: str) -> Column:
        count = len(stage.made[0])
        left_out = [f"{count} units"] if count > MOST_UNITS else []
        units = tuple(None if k is None else self._unit(stage, k) for k in stage.rows)
        edges = self._edges(stage.layer, below.rows, stage.rows) if stage.layer and below else ()
        return Column((title, *(stage.functions or ["linear"] * bool(below)), *left_out), units, tuple(edges))

    def forward(self, name: str, role: Role) -> Quantity:
        return Quantity(name, self._values.get(name), role)

    def _unit(self, stage: _Stage, k: int) -> Unit:
        first = Role.PRE_ACTIVATION if stage.layer else Role.INPUT
        roles = [first, *[Role.ACTIVATION] * len(stage.functions)]
        quantities = tuple(self._told(names[k], role) for names, role in zip(stage.made, roles))
        biases = stage.layer.by_key.get("bias") if stage.layer else None
        return Unit(quantities, self._parameter(biases.names[k], Role.BIAS) if biases else None)

    def _edges(self, layer: Placed, below: Rows, rows: Rows) -> Iterator[Edge]:
        for target, j in enumerate(rows):
            for source, i in enumerate(below):
                if i is not None and j is not None and (name := layer.at("weights", j, i)):
                    yield Edge(source, target, self._parameter(name, Role.WEIGHT))

    def _told(self, name: str, role: Role) -> Quantity:
        adjoint = self._spec.adjoint(name)
        if not self._backward or adjoint not in self._values:
            return self.forward(name, role)
        return self.forward(adjoint, Role.DELTA if adjoint.startswith("δ") else Role.UPSTREAM)

    def _parameter(self, name: str, role: Role) -> Quantity:
        if not self._backward:
            return self.forward(name, role)
        gradient = self.forward(gradient_name(name), Role.GRADIENT)
        return gradient if gradient.value is not None else Quantity(f"{name} fixed", None, role)
