"""The checks of a gradient as cells: the forward pass again with a parameter stepped by ε, by -ε and by ih.

A parameter's check is a program of its own. What does not move with the parameter has no cell in
it, and stands in the others as the shown step's number; what moves has one in each band:

    h1 at w+ε, h1 at w-ε, Re h1 at w+ih, Im h1 at w+ih

Where the samples of a batch take part in each other's forward pass, the parameter is stepped in the
shown sample alone, the other samples have cells of their own, and E is the sum over the batch.

From the errors follow (E(w+ε)-E(w-ε))/2ε and Im E(w+ih)/h, beside the gradient that the backward
pass found. The complex step alone decides whether they agree: a difference of nearly equal errors
has few digits, and none at a kink.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from xlbackprop.graph.expr import TWO, ZERO, Expr, Number, Op, Ref, add, blocks, div, mul, refs, sub, substitute, total
from xlbackprop.graph.expr import build as op
from xlbackprop.graph.ops import OPS
from xlbackprop.graph.pairs import Pair, still
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.graph.training import FORWARD
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import gradient_name, other_name, total_error

MOST_CELLS, MOST_COLUMNS = 20_000, 16_000
MOST_USED = 400  # references in a formula: most are 16 characters long here, and Excel takes 8,192
SUMMARY = (
    naming.VALUE, naming.ANALYTIC, naming.CENTRAL, naming.CENTRAL_OFF, naming.COMPLEX, naming.COMPLEX_OFF,
    naming.AGREES,
)  # fmt: skip
BANDS = (naming.PLUS, naming.MINUS, naming.RE, naming.IM)


@dataclass(frozen=True)
class Told:
    """A cell of the forward pass, what it is calculated from, and the names in that."""

    cell: Cell
    expr: Expr
    used: frozenset[str]


_OF_SAMPLES = (Role.INPUT, Role.TARGET, Role.MASK, Role.WEIGHT, Role.BIAS)
_RELATIVE, _OF_LARGEST, _FLOOR = Number(1e-9), Number(1e-12), Number(1e-100)
_LEAST = Number(1e-300)  # stands for a largest of 0, where 0/0 would fail


def checks(spec: Spec, program: Program) -> dict[str, Program]:
    """The cells of each check that the sheet has room for, by the name of what is stepped.

    None where batches have different sizes and their samples take part in each other's forward pass.
    """
    if spec.couples and len(spec.samples) % spec.batches.size:
        return {}
    rows = others(spec)
    forward = _unrolled(program, rows)
    totals = [total_error(), *(other_name(total_error(), k) for k in rows)]
    found = {name: _check(forward, totals, name) for name in _chosen(spec, forward)}
    return {name: cells for name, cells in found.items() if cells is not None}


def others(spec: Spec) -> range:
    """The other samples that take part in a sample's forward pass, counted from 1."""
    return range(1, spec.batches.size if spec.couples else 1)


def _unrolled(program: Program, rows: range) -> list[Told]:
    """The forward pass of the shown sample and of the others; what is taken over the batch they share."""
    told: list[Told] = []
    renamed: dict[int, dict[str, Expr]] = {
        k: {cell.name: Ref(other_name(cell.name, k)) for cell in program if cell.role in _OF_SAMPLES} for k in rows
    }
    for cell in program:
        if cell.role not in FORWARD or cell.expr is None:
            continue
        if isinstance(cell.expr, Op) and any(blocks(cell.expr)):
            told.append(_told(cell, _over_rows(cell.expr, rows)))
            continue
        told.append(_told(cell, cell.expr))
        for k in rows:
            name = other_name(cell.name, k)
            told.append(_told(replace(cell, name=name), substitute(cell.expr, renamed[k])))
            renamed[k][cell.name] = Ref(name)
    return told


def _told(cell: Cell, expr: Expr) -> Told:
    return Told(cell, expr, frozenset(refs(expr)))


def _over_rows(expr: Op, rows: range) -> Expr:
    """An operation on all rows of a batch as one on cells."""
    (column,) = blocks(expr)
    cells = [Ref(column), *(Ref(other_name(column, k)) for k in rows)]
    return op("average", *cells) if expr.symbol == "batch mean" else total(list(cells))


def _check(forward: list[Told], totals: list[str], name: str) -> Program | None:
    """What is given to it is what stands on the pages; None where a formula is too long for a cell."""
    result = Program()
    for cell in _cells(forward, totals, name):
        used = list(islice(refs(cell.expr or ZERO), MOST_USED + 1))
        if len(used) > MOST_USED:
            return None
        for one in used:
            result.cells.setdefault(one, Cell(one, Role.PART, None))
        result.cells[cell.name] = cell
    return result


def checkable(spec: Spec) -> list[str]:
    """What has a gradient that is the derivative of the error.

    In the sequential order of updates that is so of the last layer's alone.
    """
    last = {name for tensor in spec.placed[-1].tensors for name in tensor.names}
    return [name for name in spec.differentiated if name in last or spec.update != "sequential"]


def _chosen(spec: Spec, forward: list[Told]) -> list[str]:
    """As many as MOST_CELLS has room for, spread evenly over all tensors."""
    if len(BANDS) * len(forward) > MOST_COLUMNS:
        return []

    @cache
    def cells(name: str) -> int:
        return len(SUMMARY) + 2 + len(BANDS) * sum(1 for _ in _moved(forward, name))

    names = checkable(spec)
    tensors = [spec.inputs, *(tensor.names for one in spec.placed for tensor in one.tensors)]
    groups = [[name for name in dict.fromkeys(tensor) if name in names] for tensor in tensors]
    stride = 1 + len(names) * len(forward) // 1_000_000  # looking at each takes its time, too
    spread = {name for group in groups for name in group[::stride]}
    while sum(map(cells, spread)) > MOST_CELLS and stride < max(map(len, groups)):
        stride += 1
        spread = {name for group in groups for name in group[::stride]}
    result = [name for name in names if name in spread]
    while sum(map(cells, result)) > MOST_CELLS:
        result = result[:-1:2]
    return result


def _cells(forward: list[Told], totals: list[str], name: str) -> Iterator[Cell]:
    moved = list(_moved(forward, name))
    stepped: dict[str, dict[str, Expr]] = {}
    yield _part(naming.VALUE, Ref(name))
    yield _part(naming.ANALYTIC, Ref(gradient_name(name)))
    for band, w, step in ((naming.PLUS, naming.UP, add), (naming.MINUS, naming.DOWN, sub)):
        yield _part(w, step(Ref(naming.VALUE), Ref(naming.EPSILON)))
        stepped[band] = {name: Ref(w), **{one.cell.name: Ref(band.format(one.cell.name)) for one in moved}}
        for one in moved:
            yield _part(band.format(one.cell.name), substitute(one.expr, stepped[band]), one.cell.role)
    pairs = {name: Pair(Ref(naming.VALUE), Ref(naming.H))}
    for one in moved:
        cell, pair = one.cell, _pair(one.expr, pairs)
        pairs[cell.name] = Pair(Ref(naming.RE.format(cell.name)))
        yield _part(naming.RE.format(cell.name), pair.re, cell.role)
        if pair.im != ZERO:
            pairs[cell.name] = Pair(pairs[cell.name].re, Ref(naming.IM.format(cell.name)))
            yield _part(naming.IM.format(cell.name), pair.im, cell.role)
    plus, minus = (total([by.get(error, Ref(error)) for error in totals]) for by in stepped.values())
    im = total([pairs[error].im for error in totals if error in pairs])
    yield _part(naming.CENTRAL, div(sub(plus, minus), mul(TWO, Ref(naming.EPSILON))))
    yield _part(naming.CENTRAL_OFF, _off(naming.CENTRAL))
    yield _part(naming.COMPLEX, div(im, Ref(naming.H)))
    yield _part(naming.COMPLEX_OFF, _off(naming.COMPLEX))
    allowed = add(mul(_RELATIVE, _larger(naming.COMPLEX)), mul(_OF_LARGEST, Ref(naming.LARGEST)))
    # SIGN and no comparison: some calculators take numbers below 1e-15 for 0 when they compare.
    yield _part(naming.AGREES, op("positive", sub(add(allowed, _FLOOR), _distance(naming.COMPLEX))))


def _part(name: str, expr: Expr, role: Role = Role.PART) -> Cell:
    return Cell(name, role, expr)


def _moved(forward: list[Told], name: str) -> Iterator[Told]:
    """The cells that move with a quantity."""
    moving = {name}
    for one in forward:
        if not moving.isdisjoint(one.used):
            moving.add(one.cell.name)
            yield one


def _pair(expr: Expr, pairs: Mapping[str, Pair]) -> Pair:
    match expr:
        case Ref(name):
            return pairs.get(name, Pair(expr))
        case Op("+", (left, right)):
            return _pair(left, pairs) + _pair(right, pairs)
        case Op(symbol, args):
            parts = [_pair(arg, pairs) for arg in args]
            rule = OPS[symbol].complex
            if rule is still or all(part.im == ZERO for part in parts):
                return Pair(op(symbol, *(part.re for part in parts)))
            return rule(*parts)
    return Pair(expr)


def _distance(found: str) -> Expr:
    return op("absolute", sub(Ref(naming.ANALYTIC), Ref(found)))


def _larger(found: str) -> Expr:
    return op("max", op("absolute", Ref(naming.ANALYTIC)), op("absolute", Ref(found)))


def _off(found: str) -> Expr:
    """The difference over the larger of both."""
    larger = op("max", op("absolute", Ref(naming.ANALYTIC)), op("absolute", Ref(found)), _LEAST)
    return div(_distance(found), larger)
