"""The chain that leads to a number: what it is made of, each quantity once, from the result to where it starts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from xlbackprop.engine import Value
from xlbackprop.explanation.report import Link
from xlbackprop.graph.expr import Block, Expr, Prev, Ref, refs
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.sheet.plugged import rounded
from xlbackprop.sheet.printers import in_symbols, worksheet
from xlbackprop.sheet.values import page_values

_RELATIVE = 1e-9  # how far a cell may be from what its formula should give, of the larger number
_ROUNDING = 1e-14  # and of the largest number in it
_MOST_LISTED = 6  # numbers of a batch that are written out

BACKWARD = frozenset({Role.LOCAL, Role.UPSTREAM, Role.DELTA, Role.GRADIENT})
KEPT = frozenset({Role.BATCH_GRADIENT, Role.STATE})
UPDATES = frozenset({*KEPT, Role.WEIGHT, Role.BIAS, Role.UPDATED})
_FORWARD = frozenset(
    {Role.PART, Role.UNIT, Role.PRE_ACTIVATION, Role.ACTIVATION, Role.ERROR, Role.TOTAL_ERROR, Role.BATCH_ERROR,
     Role.CHANGE}
)  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """The quantities of one step: what each is made of, its number, and its cell where it has one.

    Expressions have `Ref` alone; what stands in a row above or in all rows of a batch has a name
    of its own. The value of a batch's quantity is a list.
    """

    program: Program
    values: Mapping[str, Value | list[float]]
    cells: Mapping[str, str]
    erf_error: float = 0.0  # absolute: how far the calculator's ERF may be off

    @cached_property
    def _uses_erf(self) -> bool:
        """Whether any formula does: a factor without a cell is calculated here, by an exact ERF."""
        return any("ERF(" in in_symbols(cell.expr) for cell in self.program if cell.expr is not None)

    def value(self, name: str) -> Value:
        found = self.values.get(name)
        return None if isinstance(found, list) else found

    def numbers(self, expr: Expr) -> str:
        """The expression with a number of six digits for each quantity."""
        return worksheet(expr, self._number).replace("*", "·")

    def _number(self, ref: Ref | Prev | Block) -> str:
        found = self.values.get(ref.name)
        if isinstance(found, list):
            return self.listed(ref.name) or ref.name
        return rounded(found) if isinstance(found, (int, float)) else ref.name

    def listed(self, name: str) -> str:
        """The numbers of a quantity in all rows of a batch, the middle of many left out; nothing of an input's list."""
        found = self.values.get(name)
        if not isinstance(found, list) or self.program[name].role is Role.SOURCE:
            return ""
        texts = [rounded(one) for one in found]
        return ",".join([*texts[:2], "...", texts[-1]] if len(texts) > _MOST_LISTED else texts)

    def implied(self, expr: Expr) -> float:
        """What the expression gives with the numbers that stand here; nan for an error."""
        used = {name: self.values.get(name) for name in refs(expr)}
        if any(value is None or isinstance(value, str) for value in used.values()):
            return float("nan")
        program = Program([*(Cell(name, Role.PART, None) for name in used), Cell("", Role.PART, expr)])
        return page_values(program, used)[""]  # type: ignore[arg-type]  # lists are what AVERAGE takes

    def agrees(self, found: Value, expr: Expr) -> bool:
        """Whether a number is what the expression gives, as near as rounding allows; unknown after an overflow."""
        implied = self.implied(expr)
        if math.isnan(implied):
            return True
        if not isinstance(found, (int, float)):
            return False
        largest = max((abs(one) for one in self._numbers(expr)), default=0.0)
        rounding = _ROUNDING + (4 * self.erf_error if self._uses_erf else 0.0)
        return abs(found - implied) <= _RELATIVE * max(abs(found), abs(implied)) + rounding * largest

    def _numbers(self, expr: Expr) -> Iterator[float]:
        for name in refs(expr):
            found = self.values.get(name)
            for one in found if isinstance(found, list) else [found]:
                if isinstance(one, (int, float)) and math.isfinite(one):
                    yield float(one)


def scene_of(
    program: Program, held: Mapping[str, Value | list[float]], cells: Mapping[str, str], erf_error: float = 0.0
) -> Scene:
    """The scene in which quantities that no cell holds are calculated from those that one does."""
    given = {cell.name: held.get(cell.name) for cell in program if cell.expr is None or cell.name in held}
    numbers = {name: value if isinstance(value, (int, float)) else math.nan for name, value in given.items()}
    hidden = Program([replace(cell, expr=None) if cell.name in held else cell for cell in program])
    return Scene(program, {**page_values(hidden, numbers), **held}, cells, erf_error)


def chain(scene: Scene, name: str, said: str = "") -> tuple[Link, ...]:
    """The links of a quantity, depth first; the first is left out where it has the formula that is `said` already.

    Of a derivative the factors of the chain rule, back to the error; of what the forward pass
    calculates all that it is made of, down to inputs and weights; of a weight what updated it.
    """
    program, links, seen = scene.program, list[Link](), set[str]()
    role = program[name].role
    followed = BACKWARD if role in BACKWARD else KEPT if role in UPDATES else _FORWARD

    def link(one: Cell, depth: int) -> None:
        seen.add(one.name)
        goes_on = one.name == name or one.role in followed
        expr = one.expr if goes_on or one.role in BACKWARD else None
        links.append(_link(scene, one.name, expr, depth))
        for used in dict.fromkeys(refs(expr)) if expr is not None and goes_on else ():
            ends = program[used].role in BACKWARD or followed is not BACKWARD
            if used not in seen and ends:
                link(program[used], depth + 1)

    link(program[name], 0)
    if links[0].symbols in ("", said):
        return tuple(replace(one, depth=one.depth - 1) for one in links[1:])
    return tuple(links)


def _link(scene: Scene, name: str, expr: Expr | None, depth: int) -> Link:
    found, cell = scene.value(name), scene.cells.get(name, "")
    if expr is None:
        return Link(name, cell, "", scene.listed(name), found, depth)
    agrees = scene.agrees(found, expr)
    gives = found if agrees else scene.implied(expr)
    return Link(name, cell, in_symbols(expr), scene.numbers(expr), gives, depth, None if agrees else found)
