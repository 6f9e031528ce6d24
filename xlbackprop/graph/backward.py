"""Backpropagation as more cells: one walk over a program, from the loss back to the weights.

For each cell on the way the walk defines its adjoint, the derivative of the loss by it, and
the local derivatives ∂cell/∂argument that hand the adjoint on. For `o1 = w5*a_h1 + w6*a_h2`:

    δ_o1       = ∂E/∂a_o1 * ∂a_o1/∂o1        the adjoint of o1
    ∂o1/∂w5    = a_h1                        a local derivative
    ∂E/∂w5     = δ_o1 * ∂o1/∂w5              the adjoint of w5, its gradient

The walk knows nothing of layers: what a cell does is in the table of operations, and a quantity
used in several places adds up what each use hands it. An operation over the rows of a batch (their
mean) hands its adjoint on by the same operation. Adjoints are those of the sum of the losses over
the batch's rows.
"""

from __future__ import annotations

from collections.abc import Collection

from xlbackprop.graph.expr import ONE, ZERO, Block, Expr, Op, Ref, add, mul, total
from xlbackprop.graph.ops import OPS
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.spec.names import delta_name, gradient_name, local_name, over_batch


def backward(program: Program, loss: str, wrt: Collection[str]) -> None:
    """Define ∂loss/∂q for each q on a path from `wrt` to the loss, the gradients of `wrt` among them."""
    wrt = frozenset(wrt)
    path = _Path(program, loss, wrt)
    upstream: dict[str, list[Expr]] = {loss: [ONE]}
    for cell in path.from_loss():
        adjoint = total(upstream[cell.name])
        over_rows = _over_rows(cell)
        plain = adjoint == ONE or (isinstance(adjoint, Ref) and over_rows is None)
        if cell.name in wrt or not plain:
            adjoint = _define_adjoint(program, cell, adjoint, cell.name in wrt)
        if over_rows is not None:
            assert isinstance(adjoint, Ref) and isinstance(cell.expr, Op)
            back = Op(cell.expr.symbol, (Block(adjoint.name),))
            mean = program.define(over_batch(adjoint.name), Role.UPSTREAM, back, note="over the batch")
            upstream.setdefault(over_rows, []).append(mean)
        for name, partial in path.partials[cell.name].items():
            if name in path.cells:
                local = program.define(local_name(cell.name, name), Role.LOCAL, partial)
                upstream.setdefault(name, []).append(mul(adjoint, local))


class _Path:
    """The cells between `wrt` and the loss, with their local derivatives; nothing passes where one is 0."""

    def __init__(self, program: Program, loss: str, wrt: Collection[str]) -> None:
        self.partials = {
            cell.name: {name: partial for name, partial in partials(cell).items() if partial != ZERO}
            for cell in program
        }
        self._loss, self._wrt = loss, wrt
        reached = set(wrt)
        for cell in program:
            if not reached.isdisjoint(self._uses(cell)):
                reached.add(cell.name)
        needed = {loss}
        for cell in reversed(list(program)):
            if cell.name in needed:
                needed.update(self._uses(cell))
        on_path = reached & needed
        self.cells = {cell.name: cell for cell in program if cell.name in on_path}

    def _uses(self, cell: Cell) -> list[str]:
        over_rows = _over_rows(cell)
        return [*self.partials[cell.name], *([] if over_rows is None else [over_rows])]

    def from_loss(self) -> list[Cell]:
        """The cells by their longest distance from the loss: users first, a layer's units from first to last.

        Among cells of the same distance those asked for come first, so that a layer's gradients
        stand before the walk goes on below it.
        """
        distance = {self._loss: 0}
        for cell in reversed(self.cells.values()):
            for name in self._uses(cell):
                distance[name] = max(distance.get(name, 0), distance[cell.name] + 1)
        return sorted(self.cells.values(), key=lambda cell: (distance[cell.name], cell.name not in self._wrt))


def _over_rows(cell: Cell) -> str | None:
    """What the cell takes from all rows of its batch, if it is an operation over them."""
    match cell.expr:
        case Op(_, (Block(name),)):
            return name
    return None


def _define_adjoint(program: Program, cell: Cell, adjoint: Expr, is_gradient: bool) -> Ref:
    if is_gradient:
        return program.define(gradient_name(cell.name), Role.GRADIENT, adjoint, note=cell.note)
    if cell.role is Role.PRE_ACTIVATION:
        return program.define(delta_name(cell.name), Role.DELTA, adjoint)
    return program.define(gradient_name(cell.name), Role.UPSTREAM, adjoint)


def partials(cell: Cell) -> dict[str, Expr]:
    """∂cell/∂q for each quantity q of its row that the cell's expression uses, its own output seen as a Ref."""
    return {} if cell.expr is None else _partials(cell.expr, Ref(cell.name))


def _partials(expr: Expr, output: Expr) -> dict[str, Expr]:
    match expr:
        case Ref(name):
            return {name: ONE}
        case Op("+", _):
            return _partials_of_sum(expr)
        case Op(symbol, args):
            inners = [_partials(arg, arg) for arg in args]
            result: dict[str, Expr] = {}
            if not any(inners):  # made of constants
                return result
            for inner, outer in zip(inners, OPS[symbol].partials(output, *args)):
                for name, partial in inner.items():
                    result[name] = add(result.get(name, ZERO), mul(outer, partial))
            return result
    return {}


def _partials_of_sum(expr: Expr) -> dict[str, Expr]:
    """Of a sum, term by term: one of hundreds of terms is a chain as deep as it is long."""
    terms: list[Expr] = []
    while isinstance(expr, Op) and expr.symbol == "+":
        expr, term = expr.args
        terms.append(term)
    result: dict[str, Expr] = {}
    for term in (expr, *reversed(terms)):
        for name, partial in _partials(term, term).items():
            result[name] = add(result.get(name, ZERO), partial)
    return result
