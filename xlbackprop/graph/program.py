"""A program: one training step as named cells, each defined once and before it is used.

    cell    ::=  name : role = expr [; first = expr]
    program ::=  cell*

`first` is what stands in the first row, where there is no row above for `Prev`. A cell without
an expression is given from outside: an input of the workbook, or the learning rate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from xlbackprop.graph.expr import Expr, Ref, refs, substitute

# Excel takes 8,192 characters a formula, and a reference may be 10 long; nobody reads half as many.
MOST_REFS = 255


class Role(Enum):
    STEP = "step"
    RATE = "learning rate"
    SOURCE = "input of the workbook"
    TARGET = "target"
    INPUT = "input"
    WEIGHT = "weight"
    BIAS = "bias"
    PRE_ACTIVATION = "pre-activation"
    ACTIVATION = "activation"
    ERROR = "error of one output"
    TOTAL_ERROR = "total error"
    LOCAL = "local derivative"
    UPSTREAM = "upstream gradient"
    DELTA = "delta"
    GRADIENT = "gradient"
    UPDATED = "updated weight"
    CHANGE = "change of the error"


@dataclass(frozen=True, slots=True)
class Cell:
    name: str
    role: Role
    expr: Expr | None
    first: Expr | None = None
    note: str = ""  # in words, what joins what: "from i1 to h1"


class Program:
    def __init__(self, cells: Iterable[Cell] = ()) -> None:
        self.cells: dict[str, Cell] = {}
        for cell in cells:
            self.add(cell)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells.values())

    def __getitem__(self, name: str) -> Cell:
        return self.cells[name]

    def __contains__(self, name: str) -> bool:
        return name in self.cells

    def add(self, cell: Cell) -> Ref:
        assert cell.name not in self.cells, f"{cell.name} is defined twice"
        for expr in (cell.expr, cell.first):
            for used in refs(expr) if expr is not None else ():
                assert used in self.cells, f"{cell.name} uses {used} before it is defined"
        self.cells[cell.name] = cell
        return Ref(cell.name)

    def define(self, name: str, role: Role, expr: Expr, *, first: Expr | None = None, note: str = "") -> Ref:
        return self.add(Cell(name, role, expr, first, note))

    def given(self, name: str, role: Role, note: str = "") -> Ref:
        return self.add(Cell(name, role, None, None, note))

    def between(self, sources: Iterable[str], target: str) -> list[Cell]:
        """The cells on a path from a source to the target, sources and target included, in order."""
        reached = set(sources)
        for cell in self:
            if cell.expr is not None and not reached.isdisjoint(refs(cell.expr)):
                reached.add(cell.name)
        needed = {target}
        for cell in reversed(list(self)):
            if cell.name in needed and cell.expr is not None:
                needed.update(refs(cell.expr))
        return [cell for cell in self if cell.name in reached & needed]

    def inlined(self, shown: Iterable[Role]) -> Program:
        """The same mathematics with only the cells of these roles; the others stand in their users.

        Where an expression would grow past MOST_REFS, the deltas that it uses keep their place.
        """
        roles, kept = set(shown), set[str]()
        while True:
            hidden = {cell.name for cell in self if cell.expr and cell.role not in roles} - kept
            result = self.without(hidden)
            long = [cell for cell in result if cell.expr and sum(1 for _ in refs(cell.expr)) > MOST_REFS]
            more = {name for cell in long for name in self._deltas(cell.name, hidden)}
            if not more:
                return result
            kept |= more

    def without(self, hidden: Collection[str]) -> Program:
        """The same mathematics with these cells substituted into their users."""
        result, substitutes = Program(), dict[str, Expr]()
        for cell in self:
            expr = cell.expr and substitute(cell.expr, substitutes)
            if expr is not None and cell.name in hidden:
                substitutes[cell.name] = expr
            else:
                result.add(replace(cell, expr=expr))
        return result

    def _deltas(self, name: str, hidden: Collection[str]) -> Iterator[str]:
        """The hidden deltas that a cell uses, itself or through other hidden cells."""
        for used in refs(self.cells[name].expr or Ref(name)):
            if used in hidden:
                if self.cells[used].role is Role.DELTA:
                    yield used
                else:
                    yield from self._deltas(used, hidden)

    def sorted(self) -> Program:
        """The same cells, each after those it uses; the order is kept where it can be."""
        result, waiting = Program(), dict(self.cells)

        def place(name: str) -> None:
            cell = waiting.pop(name)
            for used in refs(cell.expr) if cell.expr is not None else ():
                if used in waiting:
                    place(used)
            result.add(cell)

        while waiting:
            place(next(iter(waiting)))
        return result
