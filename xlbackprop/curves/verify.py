"""Verify a workbook of function tables: where the sheet's telling and the reference's meet.

The file is recalculated from disk. Each cell is compared with what its own row implies, each
derivative also with the complex step, and all of it once more with other inputs.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from xlbackprop.curves import reference
from xlbackprop.curves.layout import FIRST, LAST, Column, Layout, Place, layouts
from xlbackprop.curves.read import Inputs, Workbook, functions_of
from xlbackprop.curves.reference import Told
from xlbackprop.curves.report import Report
from xlbackprop.curves.spec import Functions
from xlbackprop.engine import Engine, Recalculated, Value
from xlbackprop.engine import engine as engine_named
from xlbackprop.reference.complex_step import FLOOR
from xlbackprop.reference.functions import Array
from xlbackprop.reference.told import Calculator
from xlbackprop.verification import texts
from xlbackprop.verification.compare import RELATIVE, Cells, agrees
from xlbackprop.verification.held import with_formulas
from xlbackprop.verification.report import Mismatch
from xlbackprop.verification.tally import Tally


def verify(
    path: Path | str,
    *,
    engine: str | Engine = "embedded",
    functions: Functions | None = None,
    progress: Callable[[str], None] = lambda phase: None,
) -> Report:
    """Recalculate and check a workbook of function tables, as it stands now.

    `functions` stands in for the file that the workbook carries. Raises WorkbookError for a
    workbook that cannot be read or has no table of ours, EngineError where the calculator fails.
    """
    calculator = engine_named(engine) if isinstance(engine, str) else engine
    progress("recalculating")
    recalculated = calculator.recalculate(Path(path))
    tables = layouts(functions or functions_of(Path(path), recalculated))
    progress("comparing")
    check = Check(Path(path), recalculated, calculator, tables)
    progress("comparing with other inputs")
    check.compare_changed(recalculated.changed(check.other_inputs))
    return check.report()


class Check:
    """The tables of a workbook compared with numpy, as they stand and, when it is told them, with other inputs.

    `linked` has, by place, what the settings that other sheets give must be.
    """

    def __init__(
        self,
        path: Path,
        recalculated: Recalculated,
        engine: Engine,
        tables: Sequence[Layout],
        linked: Mapping[Place, float] | None = None,
    ) -> None:
        self._book = Workbook(path, recalculated, tables)
        self._engine = engine.name
        calculator = Calculator(engine.epsilon, engine.exp_overflows, engine.erf_error)
        self._ledger, self._lucky = _Ledger(calculator), _Ledger(calculator, "lucky-formula")
        self._others = _other_inputs(self._book)
        for layout, inputs in zip(self._book.layouts, self._book.inputs):
            self._ledger.compare(_Found(layout, inputs, recalculated), linked or {})
            self._ledger.typed_cells(_Found(layout, inputs, recalculated), self._book)

    @property
    def other_inputs(self) -> dict[Place, float]:
        """The other numbers, by the cells where they are put in."""
        return {
            layout.input_place(one): inputs[one.name]
            for layout, inputs in zip(self._book.layouts, self._others)
            for one in layout.inputs
            if not one.link
        }

    def compare_changed(self, changed: Recalculated, linked: Mapping[Place, float] | None = None) -> None:
        """The same with the other inputs; wrong there means right here by luck."""
        for layout, other in zip(self._book.layouts, self._others):
            self._lucky.compare(_Found(layout, other, changed), linked or {})

    def report(self) -> Report:
        """What was found so far."""
        ledger, mismatches = self._ledger, {**self._lucky.mismatches, **self._ledger.mismatches}
        right = {place: formula for layout in self._book.layouts for place, formula in layout.formulas()}
        return Report(
            workbook=str(self._book.path),
            engine=self._engine,
            layouts=self._book.layouts,
            cells=ledger.cells,
            rounding=ledger.rounding,
            worst=ledger.worst,
            witnessed=ledger.witnessed,
            mismatches=with_formulas(self._book.path, [mismatches[place] for place in sorted(mismatches)], right),
        )


def _other_inputs(book: Workbook) -> list[Inputs]:
    """Every input near what it is and not equal to it, and between 0 and 1 where it was."""
    chance = random.Random(0)  # the same each time

    def other(value: float) -> float:
        power = chance.uniform(0.8, 1.25)
        if value == 0:
            return 0.1 * power
        return float(value**power) if 0 < value < 1 else value * power

    return [{name: other(value) for name, value in inputs.items()} for inputs in book.inputs]


class _Found:
    """The cells of a table as they stand, read once."""

    def __init__(self, layout: Layout, inputs: Inputs, recalculated: Recalculated) -> None:
        self.linked = {one.name: _number(recalculated.column(*layout.input_place(one), 1)[0]) for one in layout.linked}
        self.layout, self.inputs = layout, {**inputs, **self.linked}
        self.numbers: dict[str, Array] = {}
        self.labels: dict[str, str] = {}
        for column in layout.columns:
            place = layout.place(column)
            label, *values = recalculated.column(layout.sheet, layout.header_row, place, layout.table.count + 1)
            self.labels[column.name], self.numbers[column.name] = str(label), np.array([*map(_number, values)])

    def target(self, column: Column) -> float | None:
        return self.inputs[column.target] if column.target else None

    def label(self, column: Column) -> str:
        """What the header should read."""
        return f"{self.layout.label_start(column)}{self.inputs[column.target]:.15g}"

    def implied(self, column: Column, calculator: Calculator) -> Told:
        """What a column must be by the other cells of its rows and by the inputs."""
        table, inputs = self.layout.table, self.inputs
        if not column.function:
            if table.grid and column.name == table.variable:
                return reference.grid(inputs[FIRST], inputs[LAST], table.count, calculator)
            assert table.factor is not None
            return reference.product(self.numbers[table.variable], inputs[table.factor.name], calculator)
        z, target = self.numbers[table.argument], self.target(column)
        if not column.differentiated:
            return reference.value(column.function, z, target, calculator)
        a = self.numbers[self.layout.value(column).name]
        return reference.slope(column.function, z, a, target, calculator)


def _number(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


class _Ledger(Tally):
    """Keeps, for each cell, the first thing that is wrong with it."""

    def __init__(self, calculator: Calculator, kind: str = "wrong-formula") -> None:
        super().__init__()
        self.calculator, self._kind = calculator, kind
        self.witnessed = 0

    def compare(self, found: _Found, linked: Mapping[Place, float]) -> None:
        layout = found.layout
        for one in layout.linked:
            place, value = layout.input_place(one), found.linked[one.name]
            self.cells += 1
            if not math.isclose(value, linked[place], rel_tol=RELATIVE):
                self.mismatches[place] = Mismatch(*place, one.name, self._kind, value, linked[place])
        right: dict[str, Array] = {}  # of each column, which cells are as their rows imply
        for column in layout.calculated:
            values, told = found.numbers[column.name], Cells(*found.implied(column, self.calculator))
            self.count(column.name, values, told, partial(layout.row_place, column))
            right[column.name] = agrees(values, told)
            self._add(found, column, ~right[column.name], told.values, self._kind)
            if column.differentiated:
                function = layout.value(column).name
                self._complex_step(found, column, told, right[function] & np.isfinite(found.numbers[function]))
        self._labels(found)

    def _complex_step(self, found: _Found, column: Column, told: Cells, known: Array) -> None:
        """The derivative once more, without a rule, wherever the function has a value and the right one."""
        z = found.numbers[found.layout.table.argument]
        derivative = reference.complex_step(column.function, z, found.target(column))
        known = known & np.isfinite(derivative) & np.isfinite(told.values)
        self.witnessed += int(known.sum())
        wrong = known & ~agrees(found.numbers[column.name], Cells(derivative, told.noise), FLOOR)
        self._add(found, column, wrong, derivative, "wrong-gradient")

    def _labels(self, found: _Found) -> None:
        """The headers that name a target as it is now."""
        for column in found.layout.columns:
            if column.target:
                self.cells += 1
                if not texts.agrees(found.labels[column.name], found.label(column)):
                    self._add_label(found, column, self._kind)

    def typed_cells(self, found: _Found, book: Workbook) -> None:
        """Cells that should be calculated and hold a typed number, be it the right one."""
        layout = found.layout
        for one in layout.linked:
            if book.is_typed(place := layout.input_place(one)):
                value = found.linked[one.name]
                self.mismatches[place] = Mismatch(*place, one.name, "typed-constant", value, value)
        for column in layout.columns:
            if column.target and book.is_typed(layout.header_place(column)):
                self._add_label(found, column, "typed-constant")
        for column in layout.calculated:
            typed = np.array([book.is_typed(layout.row_place(column, k)) for k in range(layout.table.count)])
            if typed.any():
                self._add(found, column, typed, found.implied(column, self.calculator).values, "typed-constant")

    def _add(self, found: _Found, column: Column, wrong: Array, expected: Array, kind: str) -> None:
        """What was said of a cell first stands, but that it is typed is always worth saying."""
        values = found.numbers[column.name]
        for k in map(int, np.flatnonzero(wrong)):
            place = found.layout.row_place(column, k)
            if place not in self.mismatches or kind == "typed-constant":
                self.mismatches[place] = Mismatch(*place, column.name, kind, float(values[k]), float(expected[k]))

    def _add_label(self, found: _Found, column: Column, kind: str) -> None:
        place = found.layout.header_place(column)
        held, right = found.labels[column.name], found.label(column)
        self.mismatches[place] = Mismatch(*place, f"header of {column.name}", kind, held, right)
