"""A program: one training step as named cells, each defined once and before it is used.

    cell    ::=  name : role = expr [; first = expr] [; within = expr]
    program ::=  cell*

`first` is what stands in the first row, where there is no row above for `Prev`; `within` what
stands in those rows of a batch that are not its first. A cell that a batch has once stands in its
last row. A cell without an expression is given from outside: an input of the workbook, or the learning rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from xlbackprop.errors import NetworkError
from xlbackprop.graph.expr import Expr, Ref, blocks, refs, substitute

# Excel takes 8,192 characters a formula, and a reference may be 10 long; nobody reads half as many.
MOST_REFS = 255


class Role(Enum):
    STEP = "step"
    MASK = "dropout mask"
    RATE = "learning rate"
    SOURCE = "input of the workbook"
    TARGET = "target"
    INPUT = "input"
    WEIGHT = "weight"
    BIAS = "bias"
    PART = "on the way"
    UNIT = "output of a layer"
    PRE_ACTIVATION = "pre-activation"
    ACTIVATION = "activation"
    ERROR = "error of one output"
    TOTAL_ERROR = "total error"
    LOCAL = "local derivative"
    UPSTREAM = "upstream gradient"
    DELTA = "delta"
    GRADIENT = "gradient"
    BATCH_ERROR = "error of the batch"
    BATCH_GRADIENT = "gradient of the batch"
    STATE = "state of the optimiser"
    UPDATED = "updated weight"
    CHANGE = "change of the error"


@dataclass(frozen=True, slots=True)
class Cell:
    name: str
    role: Role
    expr: Expr | None
    first: Expr | None = None
    note: str = ""  # in words, what joins what: "from i1 to h1"
    within: Expr | None = None
    once: bool = False  # a batch has it once


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
        if cell.name in self.cells:
            raise NetworkError(f"the name {cell.name!r} stands for two quantities; rename one of them")
        for expr in (cell.expr, cell.first):
            for used in refs(expr) if expr is not None else ():
                assert used in self.cells, f"{cell.name} uses {used} before it is defined"
        self.cells[cell.name] = cell
        return Ref(cell.name)

    def define(
        self,
        name: str,
        role: Role,
        expr: Expr,
        *,
        first: Expr | None = None,
        note: str = "",
        within: Expr | None = None,
        once: bool = False,
    ) -> Ref:
        return self.add(Cell(name, role, expr, first, note, within, once))

    def given(self, name: str, role: Role, note: str = "") -> Ref:
        return self.add(Cell(name, role, None, None, note))

    def inlined(self, shown: Iterable[Role]) -> Program:
        """The same mathematics with only the cells of these roles; the others stand in their users.

        What is used in all rows of a batch keeps its place, and so does an upstream gradient with
        several users. Where an expression would grow past MOST_REFS, the deltas that it uses do too.
        """
        roles, kept = set(shown), self._of_batches() | self._shared_upstream()
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

    def _of_batches(self) -> set[str]:
        """What is taken from all rows of a batch, and what is made of it."""
        kept: set[str] = set()
        for cell in self:
            if cell.expr is not None and (used := set(blocks(cell.expr))):
                kept |= used | {cell.name}
        return kept

    def _shared_upstream(self) -> set[str]:
        users = Counter(used for cell in self if cell.expr is not None for used in refs(cell.expr))
        return {cell.name for cell in self if cell.role is Role.UPSTREAM and users[cell.name] > 1}

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
