"""What each cell of a band holds: the network's own program, its long sums written as SUMPRODUCT of lines of blocks.

Nothing is derived here. A training step is the program that the other layouts print, so every
gradient comes from the one walk back; a sum of products whose factors stand in two lines is
printed as their product. `w1*x1+w2*x2+b` is `SUMPRODUCT(C5:D5,C4:D4)+E5`; of a row and a column
it is `MMULT`, which is one number there. Whatever forms no lines stays as it is.

In a formula's text a row in brackets, `C[5]`, counts from the band's first row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from xlbackprop.graph.expr import ZERO, Block, Expr, Number, Op, Prev, Ref, add, build, div, mul, sub
from xlbackprop.graph.ops import OPS
from xlbackprop.graph.optimizers import updated
from xlbackprop.graph.program import Program, Role
from xlbackprop.graph.training import training
from xlbackprop.matrix.blocks import Band, Place
from xlbackprop.sheet.address import column_name
from xlbackprop.sheet.printers import worksheet
from xlbackprop.spec import Spec, updated_name

MOST_CHARACTERS = 8_192  # of a formula
_ROW = re.compile(r"\[(-?\d+)\]")


def step_program(spec: Spec) -> Program:
    """One step without the single factors of the chain rule, and with the updated weights that the next starts from."""
    full, trained = training(spec), frozenset(spec.trained)
    result = Program()
    for cell in full.without({cell.name for cell in full if cell.role is Role.LOCAL}):
        from_above = cell.name in trained
        result.add(replace(cell, expr=Prev(updated_name(cell.name)), within=None) if from_above else cell)
    for name in spec.trained:
        result.define(updated_name(name), Role.UPDATED, updated(spec, name, Ref), note=full[name].note)
    return result


def placed_in(template: str, top: int) -> str:
    """The formula in the band whose first row is `top`, counted from 0."""
    return _ROW.sub(lambda row: str(top + int(row[1]) + 1), template)


@dataclass(frozen=True)
class _Line:
    """Neighbouring cells."""

    place: Place
    count: int
    across: bool

    @property
    def text(self) -> str:
        (row, column), last = self.place, self.count - 1
        end = (row, column + last) if self.across else (row + last, column)
        return f"{_address(self.place)}:{_address(end)}"


@dataclass(frozen=True)
class _Term:
    """Of a sum: an expression, and the factors over and under its fraction bar."""

    negative: bool
    expr: Expr
    over: tuple[Expr, ...]
    under: tuple[Expr, ...]


class Formulas:
    """The formulas of a band. `outside` says where what does not stand in a band stands, such as the rate."""

    def __init__(self, band: Band, program: Program, outside: Mapping[str, str]) -> None:
        self._band, self._program, self._outside = band, program, outside

    def of(self, place: Place, *, first: bool) -> str:
        """The formula of a cell, without `=`, in the first band or in the others."""
        name = self._band.names[place]
        home = self._band.places[name][0]
        if place != home:
            return _address(home)
        cell = self._program[name]
        expr = cell.first if first and cell.first is not None else cell.expr
        assert expr is not None, f"{name} has no formula"
        return worksheet(self._joined(expr, place), lambda ref: self._resolve(ref, place))

    def _resolve(self, ref: Ref | Prev | Block, at: Place) -> str:
        if isinstance(ref, Prev):
            row, column = self._band.places[ref.name][0]
            return _address((row - self._band.height, column))
        if ref.name in self._band.places:
            return _address(self._nearest(self._band.places[ref.name], at))
        return self._outside.get(ref.name, ref.name)  # or the text of a sum

    def _nearest(self, places: Sequence[Place], at: Place) -> Place:
        return min(places, key=lambda place: (abs(place[0] - at[0]), abs(place[1] - at[1])))

    def _joined(self, expr: Expr, at: Place) -> Expr:
        """The expression with what can be a product or a sum of lines as a reference to the text of that."""
        match expr:
            case Op("+" | "-", _):
                return self._sum(_terms(expr), at)
            case Op(symbol, args) if "{args}" in OPS[symbol].worksheet and (line := self._line(args, at)):
                return Op(symbol, (Ref(line.text),))
            case Op(symbol, args):
                return build(symbol, *(self._joined(arg, at) for arg in args))
        return expr

    def _sum(self, terms: Sequence[_Term], at: Place) -> Expr:
        groups: dict[object, list[_Term]] = {}
        for term in terms:
            groups.setdefault(self._kind(term), []).append(term)
        result: Expr = ZERO
        for group in groups.values():
            line = self._product_of_lines(group, at)
            parts = [self._joined(term.expr, at) for term in group] if line is None else [line]
            for part in parts:
                result = sub(result, part) if group[0].negative else add(result, part)
        return result

    def _kind(self, term: _Term) -> object:
        """What terms that may stand in one sum of products have in common: the columns or rows that they come from."""
        return term.negative, tuple(map(self._block, term.over)), tuple(map(self._block, term.under))

    def _block(self, factor: Expr) -> object:
        if isinstance(factor, Ref) and factor.name in self._band.places:
            return self._block_of[self._band.places[factor.name][0]]
        return factor

    @cached_property
    def _block_of(self) -> dict[Place, int]:
        return {place: k for k, block in enumerate(self._band.blocks) for place, _ in block.cells()}

    def _product_of_lines(self, group: Sequence[_Term], at: Place) -> Expr | None:
        """Σ of the group as common factors times SUMPRODUCT, MMULT or SUM; None where its factors form no lines."""
        if len(group) < 2:
            return None
        under = {term.under for term in group}
        columns = list(zip(*(term.over for term in group)))
        common = [column[0] for column in columns if len(set(column)) == 1]
        varying = [column for column in columns if len(set(column)) > 1]
        if len(under) > 1 or not 1 <= len(varying) <= 2:
            return None
        text = self._lines_text([self._lines(column) for column in varying], at)
        if text is None:
            return None
        result: Expr = Ref(text)
        for factor in common:
            result = mul(result, self._joined(factor, at))
        for factor in under.pop():
            result = div(result, self._joined(factor, at))
        return result

    def _lines_text(self, found: Sequence[Sequence[_Line]], at: Place) -> str | None:
        if len(found) == 1:
            line = self._nearest_line(found[0], at)
            return None if line is None else f"SUM({line.text})"
        pairs = [(x, y) for x in found[0] for y in found[1]]
        if not pairs:
            return None

        def far(pair: tuple[_Line, _Line]) -> tuple[bool, int]:
            return pair[0].across != pair[1].across, sum(abs(line.place[0] - at[0]) for line in pair)

        x, y = min(pairs, key=far)
        if x.across == y.across:
            return f"SUMPRODUCT({x.text},{y.text})"
        row, column = (x, y) if x.across else (y, x)
        return f"MMULT({row.text},{column.text})"

    def _line(self, args: Sequence[Expr], at: Place) -> _Line | None:
        return self._nearest_line(self._lines(args), at) if len(args) > 1 else None

    def _nearest_line(self, lines: Sequence[_Line], at: Place) -> _Line | None:
        return min(lines, key=lambda line: abs(line.place[0] - at[0]), default=None)

    def _lines(self, factors: Sequence[Expr]) -> list[_Line]:
        """Where the factors, all references, stand beside or below each other in this order."""
        names = [factor.name for factor in factors if isinstance(factor, Ref)]
        if len(names) < len(factors) or names[0] not in self._band.places:
            return []
        at = self._band.names
        return [
            _Line((row, column), len(names), across)
            for row, column in self._band.places[names[0]]
            for across in (True, False)
            if all(at.get((row, column + k) if across else (row + k, column)) == name for k, name in enumerate(names))
        ]


def _address(place: Place) -> str:
    return f"{column_name(place[1])}[{place[0]}]"


def _terms(expr: Expr) -> list[_Term]:
    """The terms of a sum, from left to right; a long one leans left and is walked, not descended."""
    terms: list[_Term] = []
    negative = False
    while True:
        match expr:
            case Op("+" | "-" as sign, (left, right)):
                last = _terms(right)
                flip = (sign == "-") != negative
                terms += [replace(term, negative=term.negative != flip) for term in reversed(last)]
                expr = left
            case Op("neg", (inner,)):
                negative, expr = not negative, inner
            case _:
                over, under = _factors(expr)
                terms.append(_Term(negative, expr, over, under))
                return terms[::-1]


def _factors(expr: Expr) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
    """Those over and those under the fraction bar."""
    match expr:
        case Op("*" | "/" as symbol, (left, right)):
            (over, under), (more, below) = _factors(left), _factors(right)
            return (over + more, under + below) if symbol == "*" else (over + below, under + more)
        case Number(1):
            return (), ()
    return (expr,), ()
