"""What every layer's cells are made with: its units with their activations, and the parts on the way to them."""

from __future__ import annotations

from collections.abc import Sequence

from xlbackprop.graph.expr import Expr, Ref, build
from xlbackprop.graph.ops import stable
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import Spec
from xlbackprop.spec.names import activation_name, delta_name
from xlbackprop.spec.shapes import Placed


def define(program: Program, one: Placed, spec: Spec, units: Sequence[Expr], note: str) -> None:
    """The layer's units, in order, each with its activation."""
    for unit, expr in zip(one.units, units, strict=True):
        unit_of(program, one, spec, unit, expr, note)


def unit_of(program: Program, one: Placed, spec: Spec, unit: str, expr: Expr, note: str) -> None:
    role = Role.PRE_ACTIVATION if spec.adjoint(unit) == delta_name(unit) else Role.UNIT
    program.define(unit, role, expr, note=note)
    activate(program, one, spec, unit)


def activate(program: Program, one: Placed, spec: Spec, unit: str) -> None:
    if one.activation is not None:
        value = build(stable(one.activation, wanted=spec.is_stable), Ref(unit))
        program.define(activation_name(unit), Role.ACTIVATION, value, note=one.activation)


def part(program: Program, name: str, expr: Expr, note: str) -> Ref:
    return program.define(name, Role.PART, expr, note=note)


def refs_of(names: Sequence[str]) -> tuple[Ref, ...]:
    return tuple(map(Ref, names))
