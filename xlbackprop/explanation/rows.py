"""One row of a training table as a scene: with the factors of the chain rule, which may have no column there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xlbackprop.audit.values import Values
from xlbackprop.engine import Value
from xlbackprop.explanation.chain import KEPT, Scene, scene_of
from xlbackprop.graph.expr import Block, Expr, Op, Prev, Ref
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.sheet.address import absolute, cell_name
from xlbackprop.sheet.layout import DRAWN, OVERVIEW, Layout
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import RATE

_LEVELS = ("", " above", " before that")  # this row or batch, the one above, and the one above that


class Row:
    """A quantity at one visit and one rate, among those of its row. `full` is the training with nothing inlined.

    A quantity of the row above, which an update uses, is named `w5 above`; one of all rows of
    the batch `E_total of the batch`.
    """

    def __init__(self, layout: Layout, full: Program, values: Values, rate: int, visit: int, name: str) -> None:
        self.layout, self.full, self.name, self._values = layout, full, name, values
        self.sheet = layout.sheets[rate]
        self.visit = self._last(visit) if self._is_once(name) else visit
        self._sources = dict(_sources(layout))
        self._held: dict[str, Value | list[float]] = {}
        self._cells: dict[str, str] = {}
        self._program = Program()

    def written(self) -> Expr:
        """What the quantity's own cell is made of, or would be if it had a column; with `Ref`s only."""
        return self._flat(self._row_expr(self._closed(self.name), 0), 0)

    def scene(self, erf_error: float) -> Scene:
        """The quantity, and all that it is made of."""
        self._define(self.name, 0)
        return scene_of(self._program, self._held, self._cells, erf_error)

    def _closed(self, name: str) -> Cell:
        """The cell as its column has it; of a quantity without one, with such quantities inlined."""
        if name in self.layout.columns:
            return self.layout.table[name]
        hidden = {cell.name for cell in self.full if cell.expr is not None and cell.name not in self.layout.columns}
        return self.full.without(hidden - {name})[name]

    def _define(self, base: str, level: int) -> str:
        """Add a quantity of this row (level 0) or of one above, after those that it is made of; its name."""
        name = base if self._is_given(base) else base + _LEVELS[level]
        if name in self._program:
            return name
        cell, expr = self.full[base], None
        if cell.expr is not None:
            if level == 0:
                expr = self._flat(self._row_expr(cell, 0), 0)
            elif level == 1 and cell.role in KEPT | {Role.GRADIENT}:
                expr = self._flat(self._row_expr(self._closed(base), 1), 1)
        self._program.add(replace(cell, name=name, expr=expr, first=None, within=None))
        self._place(name, base, level)
        return name

    def _row_expr(self, cell: Cell, level: int) -> Expr:
        return self.layout.table_rows.expr(cell, self._visit(cell.name, level))

    def _flat(self, expr: Expr, level: int) -> Expr:
        """The expression with a name of its own for each quantity of another row; defines all of them."""
        match expr:
            case Ref(base):
                return Ref(self._define(base, level))
            case Prev(base):
                return Ref(self._define(base, level + 1))
            case Block(base):
                return Ref(self._define_batch(base, level))
            case Op(symbol, args):
                return Op(symbol, tuple(self._flat(arg, level) for arg in args))
        return expr

    def _define_batch(self, base: str, level: int) -> str:
        name = f"{base} of the batch{_LEVELS[level]}"
        if name not in self._program:
            if level == 0:  # the row's own, so that a chain goes on
                self._define(base, 0)
            self._program.given(name, self.full[base].role)
            step = self.layout.batches.step_of(self._visit(base, level))
            start, count = self.layout.batches.start(step), self.layout.batches.count(step)
            column = self.layout.columns[base]
            first = self.layout.FIRST_ROW + start
            self._held[name] = [self._values.number(self.sheet, first + k, column) for k in range(count)]
            self._cells[name] = f"{cell_name(first, column)}:{cell_name(first + count - 1, column)}"
        return name

    def _is_given(self, base: str) -> bool:
        return base == RATE or base in self._sources

    def _visit(self, base: str, level: int) -> int:
        """The row of a quantity, counted from 0: what a batch has once stands in its last row.

        Above what a batch has once is the batch before, above all else the row before.
        """
        batches, visit = self.layout.batches, self.visit
        for above in range(level):
            visit = (batches.start(batches.step_of(visit)) if above or self._is_once(self.name) else visit) - 1
        return self._last(visit) if self._is_once(base) else visit

    def _is_once(self, base: str) -> bool:
        return self.layout.batches.several and base in self.full and self.full[base].once

    def _last(self, visit: int) -> int:
        """The last row of a row's batch."""
        return self.layout.batches.stop(self.layout.batches.step_of(visit)) - 1

    def _place(self, name: str, base: str, level: int) -> None:
        """Note where a quantity stands and what it holds, if it stands anywhere."""
        layout = self.layout
        if base == RATE:
            self._cells[name] = absolute(*layout.RATE_CELL)
            self._held[name] = self._values.at(self.sheet, *layout.RATE_CELL)
        elif base in self._sources:
            self._cells[name], (sheet, row, column, count) = self._sources[base]
            numbers = [self._values.number(sheet, row + k, column) for k in range(count)]
            self._held[name] = numbers[0] if count == 1 else numbers
        elif base in layout.columns:
            visit = self._visit(base, level)
            if visit < 0:  # nothing was before the first row
                return
            row, column = layout.FIRST_ROW + visit, layout.columns[base]
            self._cells[name], self._held[name] = cell_name(row, column), self._values.at(self.sheet, row, column)


def _sources(layout: Layout) -> Iterable[tuple[str, tuple[str, tuple[str, int, int, int]]]]:
    """Each input of the training: its range as text, and its sheet, first row, column and number of cells."""
    ranges = dict(layout.defined_names())
    for one in layout.parameters:
        yield one.name, (ranges[one.name], (OVERVIEW, one.row, one.column, 1))
    for column in layout.samples:
        name = column[0].name
        yield name, (ranges[name], (OVERVIEW, column[0].row, column[0].column, len(column)))
    for name, (row, place) in layout.statistics.items():
        yield name, (ranges[name], (OVERVIEW, row, place, 1))
    for k, drawn in enumerate(layout.drawn):
        name = naming.drawn_source(drawn)
        yield name, (ranges[name], (DRAWN, layout.COMPARE_HEADER_ROW + 1, 1 + k, layout.batches.visits))
