"""Backpropagation as more cells: one walk over a program, from the loss back to the weights.

For each cell on the way the walk defines its adjoint, the derivative of the loss by it, and
the local derivatives ∂cell/∂argument that hand the adjoint on. For `o1 = w5*a_h1 + w6*a_h2`:

    δ_o1       = ∂E/∂a_o1 * ∂a_o1/∂o1        the adjoint of o1
    ∂o1/∂w5    = a_h1                        a local derivative
    ∂E/∂w5     = δ_o1 * ∂o1/∂w5              the adjoint of w5, its gradient

The walk knows nothing of layers: what a cell does is in the table of operations, and a quantity
used in several places adds up what each use hands it.
"""

from __future__ import annotations

from collections.abc import Collection

from xlbackprop.graph.expr import ONE, ZERO, Expr, Op, Ref, add, mul, refs, total
from xlbackprop.graph.ops import OPS
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.spec import delta_name, gradient_name, local_name


def backward(program: Program, loss: str, wrt: Collection[str]) -> None:
    """Define ∂loss/∂q for each q on a path from `wrt` to the loss, the gradients of `wrt` among them."""
    path = _from_loss(program.between(wrt, loss), loss, wrt)
    on_path = {cell.name for cell in path}
    upstream: dict[str, list[Expr]] = {loss: [ONE]}
    for cell in path:
        adjoint = total(upstream[cell.name])
        if cell.name in wrt or not (adjoint == ONE or isinstance(adjoint, Ref)):
            adjoint = _define_adjoint(program, cell, adjoint, cell.name in wrt)
        for name, partial in partials(cell).items():
            if name in on_path:
                local = program.define(local_name(cell.name, name), Role.LOCAL, partial)
                upstream.setdefault(name, []).append(mul(adjoint, local))


def _from_loss(path: list[Cell], loss: str, wrt: Collection[str]) -> list[Cell]:
    """The cells by their longest distance from the loss: users first, a layer's units from first to last.

    Among cells of the same distance those asked for come first, so that a layer's gradients
    stand before the walk goes on below it.
    """
    distance = {loss: 0}
    for cell in reversed(path):
        for name in refs(cell.expr) if cell.expr is not None else ():
            distance[name] = max(distance.get(name, 0), distance[cell.name] + 1)
    return sorted(path, key=lambda cell: (distance[cell.name], cell.name not in wrt))


def _define_adjoint(program: Program, cell: Cell, adjoint: Expr, is_gradient: bool) -> Ref:
    if is_gradient:
        return program.define(gradient_name(cell.name), Role.GRADIENT, adjoint, note=cell.note)
    if cell.role is Role.PRE_ACTIVATION:
        return program.define(delta_name(cell.name), Role.DELTA, adjoint)
    return program.define(gradient_name(cell.name), Role.UPSTREAM, adjoint)


def partials(cell: Cell) -> dict[str, Expr]:
    """∂cell/∂q for each quantity q that the cell's expression uses, its own output seen as a Ref."""
    return {} if cell.expr is None else _partials(cell.expr, Ref(cell.name))


def _partials(expr: Expr, output: Expr) -> dict[str, Expr]:
    match expr:
        case Ref(name):
            return {name: ONE}
        case Op(symbol, args):
            result: dict[str, Expr] = {}
            for arg, outer in zip(args, OPS[symbol].partials(output, *args)):
                for name, inner in _partials(arg, arg).items():
                    result[name] = add(result.get(name, ZERO), mul(outer, inner))
            return result
    return {}
