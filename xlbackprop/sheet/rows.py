"""The rows of a training table: the address of each quantity in each row, and the formula that stands there."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property

from xlbackprop.graph.expr import Block, Expr, Prev, Ref, blocks, priors
from xlbackprop.graph.program import Cell, Program
from xlbackprop.sheet.address import absolute, cell_name
from xlbackprop.sheet.printers import worksheet
from xlbackprop.spec.batches import Batches
from xlbackprop.spec.names import RATE

RATE_CELL = (2, 1)
FIRST_ROW = 5


class TableRows:
    """Visits count from 0 and stand one below the other; what a batch has once stands in its last row."""

    def __init__(self, program: Program, batches: Batches) -> None:
        self.program, self.batches = program, batches
        self.shown = [cell for cell in program if cell.expr is not None]
        self.columns = {cell.name: column for column, cell in enumerate(self.shown)}

    @cached_property
    def last_visits(self) -> tuple[int, ...]:
        """Of each batch, its last row."""
        return tuple(start + count - 1 for start, count in self.batches)

    def visits(self, name: str) -> range | tuple[int, ...]:
        """The rows in which a quantity has a cell."""
        several = self.program[name].once and self.batches.several
        return self.last_visits if several else range(self.batches.visits)

    def formula(self, cell: Cell, visit: int) -> str:
        """The formula of that row, without its `=`."""
        expr = self.expr(cell, visit)
        step = self.batches.step_of(visit)
        start = FIRST_ROW + self.batches.start(step)
        stop = FIRST_ROW + self.batches.stop(step)
        above = start - 1 if cell.once else FIRST_ROW + visit - 1

        def resolve(ref: Ref | Prev | Block) -> str:
            if ref.name == RATE:
                return absolute(*RATE_CELL)
            if ref.name not in self.columns:
                return ref.name
            column = self.columns[ref.name]
            if isinstance(ref, Block):
                return f"{cell_name(start, column)}:{cell_name(stop - 1, column)}"
            return cell_name(above if isinstance(ref, Prev) else FIRST_ROW + visit, column)

        return worksheet(expr, resolve)

    def shape(self, cell: Cell, visit: int) -> Hashable:
        """What rows with the same formula, filled down, have in common."""
        expr = self.expr(cell, visit)
        if not self.batches.several:
            return expr is cell.first
        step = self.batches.step_of(visit)
        around = (self.batches.start(step) - visit, self.batches.stop(step) - visit) if any(blocks(expr)) else ()
        before = self.batches.count(step) if cell.once and any(priors(expr)) else 0
        return expr is cell.first, expr is cell.within, around, before

    def expr(self, cell: Cell, visit: int) -> Expr:
        """What a calculated cell is made of in that row."""
        assert cell.expr is not None
        if cell.first is not None and (visit == 0 or (cell.once and self.batches.step_of(visit) == 0)):
            return cell.first
        if cell.within is not None and visit > self.batches.start(self.batches.step_of(visit)):
            return cell.within
        return cell.expr
