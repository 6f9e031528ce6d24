"""Worksheets: which cells a workbook leaves for its reader to fill, and what it calculates while they are empty."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from xlbackprop.graph.expr import ZERO, Expr, Op, refs
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import Spec

# What a network file's `leave` may name, with the roles that are in it.
GROUPS: dict[str, frozenset[Role]] = {
    "forward": frozenset(
        {
            Role.PART,
            Role.UNIT,
            Role.PRE_ACTIVATION,
            Role.ACTIVATION,
            Role.ERROR,
            Role.TOTAL_ERROR,
            Role.BATCH_ERROR,
            Role.CHANGE,
        }
    ),
    "backward": frozenset({Role.LOCAL, Role.UPSTREAM, Role.DELTA, Role.GRADIENT}),
    "update": frozenset({Role.WEIGHT, Role.BIAS, Role.UPDATED, Role.STATE, Role.BATCH_GRADIENT}),
}


def left_roles(spec: Spec) -> frozenset[Role]:
    """The roles whose cells are left empty; none in a worked workbook."""
    return frozenset(role for group in spec.left for role in GROUPS[group])


def is_left(roles: Collection[Role], role: Role, expr: Expr | None) -> bool:
    """Whether a cell with that role and formula is left empty.

    What is picked from elsewhere stays. So does a weight that is only copied: from Overview, where
    the training starts, or from the row above within a batch.
    """
    copied = role in (Role.WEIGHT, Role.BIAS) and not isinstance(expr, Op)
    return role in roles and expr is not None and not copied


def while_empty(program: Program, roles: Collection[Role]) -> Program:
    """The program that is calculated while the cells are empty: each is 0, and a mean of such cells is an error."""
    empty = {cell.name for cell in program if is_left(roles, cell.role, cell.expr)}

    def held(role: Role, expr: Expr | None) -> Expr | None:
        return ZERO if is_left(roles, role, expr) else expr and _without_means(expr, empty)

    return Program(
        replace(
            cell,
            expr=held(cell.role, cell.expr),
            first=held(cell.role, cell.first),
            within=held(cell.role, cell.within),
        )
        for cell in program
    )


def _without_means(expr: Expr, empty: set[str]) -> Expr:
    match expr:
        case Op("batch mean" | "average", args) if set(refs(expr)) <= empty:
            return Op("/", (ZERO, ZERO))
        case Op(symbol, args):
            return Op(symbol, tuple(_without_means(arg, empty) for arg in args))
    return expr
