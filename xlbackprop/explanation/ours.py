"""A cell, or a quantity, of a training workbook of ours: its layout says where each stands and what it is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from xlbackprop.audit.values import Values
from xlbackprop.engine import Engine, Value
from xlbackprop.errors import WorkbookError
from xlbackprop.explanation.asked import Asked
from xlbackprop.explanation.cells import Place, checked, formula_at, missing_formula
from xlbackprop.explanation.chain import Scene, chain
from xlbackprop.explanation.plain import explain_plain, users_of
from xlbackprop.explanation.report import Explanation, full
from xlbackprop.explanation.rows import Row
from xlbackprop.graph import training
from xlbackprop.graph.program import Program, Role
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.sheet.layout import (
    BATCH_FIRST,
    DRAWN,
    EPOCH_ERROR,
    OVERVIEW,
    RISES,
    Input,
    Kind,
    Layout,
    Run,
)  # fmt: skip
from xlbackprop.sheet.printers import in_symbols, worksheet
from xlbackprop.sheet.words import words
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import RATE, SAMPLE, total_error
from xlbackprop.verification.read import Workbook


@dataclass(frozen=True)
class Ours:
    """`values` are those that the workbook gives now; `book` is its layout and the present inputs."""

    book: Workbook
    values: Values
    engine: Engine

    @property
    def layout(self) -> Layout:
        return self.book.layout

    @cached_property
    def full(self) -> Program:
        return training.training(self.layout.spec)

    def explain(self, asked: Asked) -> Explanation:
        """Raises WorkbookError for what is not there."""
        name = asked.quantity(self._names)
        if name is not None:
            return self._named(asked, name)
        cell = asked.cell(self.values.book.sheets, self._names)
        if cell is None:
            raise asked.unknown(self._names)
        sheet, row, column = cell
        return self.at((sheet or self.layout.sheets[self._rate(asked)], row, column))

    @cached_property
    def _names(self) -> list[str]:
        """All that can be asked for by name: quantities of a row, then those that pages alone have, then inputs."""
        rows = [cell.name for cell in self.full if cell.role is not Role.SOURCE]
        inputs = [one.name for one in self.layout.inputs()]
        return list(dict.fromkeys((*rows, *self.layout.page_cells, *inputs)))

    # By name.

    def _named(self, asked: Asked, name: str) -> Explanation:
        layout, rate = self.layout, self._rate(asked)
        if name == RATE:
            return self.at((layout.sheets[rate], *layout.RATE_CELL))
        for one in layout.inputs():
            if one.name == name:
                return self._input(one)
        if name in self.full:
            return self._in_table(rate, layout.batches.start(asked.step_among(layout.batches.steps)), name)
        page, row = layout.page_cells[name]
        shown = (self.layout.batches.step_of(self.book.step_shown), self.book.rate_shown)
        wanted = (shown[0] if asked.step is None else asked.step, shown[1] if asked.rate is None else rate)
        if wanted != shown:
            raise WorkbookError(
                f"{name}: stands on {page} alone, which shows step {shown[0]} at "
                f"η = {self.book.spec.rates[shown[1]]:g}; choose another on {OVERVIEW}, or leave --step and --rate out"
            )
        return self.at((page, row, layout.PAGE_VALUE))

    def _rate(self, asked: Asked) -> int:
        return asked.rate_among(self.book.spec.rates)

    # By place.

    def at(self, place: Place) -> Explanation:
        """What stands in a cell."""
        for run in self.layout.runs():
            if run.sheet == place[0] and run.column == place[2] and place[1] in run.rows:
                return self._of_run(run, list(run.rows).index(place[1]), place)
        for one in self.layout.inputs():
            if place == (one.sheet, one.row, one.column):
                return self._input(one)
        return self._beside(place)

    def _beside(self, place: Place) -> Explanation:
        """A head, a line of a page beside its value, or something that belongs to no quantity."""
        found = explain_plain(self.values, place, str(self.book.path), self.engine.name)
        layout = self.layout
        heads = {
            (sheet, layout.HEADER_ROW, k): cell.name for sheet in layout.sheets for k, cell in enumerate(layout.shown)
        }
        lines = {(page, row): name for name, (page, row) in layout.page_cells.items()}
        if place in heads:
            name, below = heads[place], cell_name(layout.FIRST_ROW, place[2])
            return replace(found, says=f"the head of the column of {name} ({words(layout.table[name])}); see {below}")
        if place[:2] in lines and place[2] <= layout.PAGE_ROUNDED:
            name = lines[place[:2]]
            what = ("symbol", "words", "formula", "formula with its numbers", "value", "value, rounded")[place[2]]
            below = cell_name(place[1], layout.PAGE_VALUE)
            return replace(found, says=f"the {what} of {name} ({words(layout.page[name])}); see {below}")
        return found

    def _of_run(self, run: Run, k: int, place: Place) -> Explanation:
        match run.kind:
            case Kind.TABLE:
                assert run.rate is not None
                return self._in_table(run.rate, self.layout.table_rows.visits(run.name)[k], run.name)
            case Kind.PAGE:
                return self._on_page(run.name, place)
        return self._copy(run, k, place)

    def _in_table(self, rate: int, visit: int, name: str) -> Explanation:
        """A quantity of a row; one that has no column is calculated from those that have."""
        layout, batches = self.layout, self.layout.batches
        row = Row(layout, self.full, self.values, rate, visit, name)
        written = row.written()
        scene = row.scene(self.engine.erf_error)
        sheet, visit, step = row.sheet, row.visit, batches.step_of(visit)
        if name in layout.columns:
            place = (sheet, layout.FIRST_ROW + visit, layout.columns[name])
            right = layout.table_rows.formula(layout.table[name], visit)
            found = checked(self.values, self.engine, scene, written, place, right)
        else:
            found = Explanation(
                str(self.book.path), self.engine.name, sheet,
                formula="=" + worksheet(written, lambda ref: scene.cells.get(ref.name, ref.name)),
                symbols=in_symbols(written), numbers=scene.numbers(written), value=scene.value(name),
                notes=(("stands in", self._elsewhere(name)),),
            )  # fmt: skip
        sample = ""
        if batches.several and not self.full[name].once:
            number = self.values.number(sheet, layout.FIRST_ROW + visit, layout.columns[SAMPLE])
            sample = f"sample {number:g}"
        return replace(
            found, quantity=name, step=step, rate=self.book.spec.rates[rate], says=words(self.full[name]), where=sample,
            notes=(*found.notes, *self._history(name, rate, visit)),
            chain=chain(scene, name, in_symbols(written)),
        )  # fmt: skip

    def _elsewhere(self, name: str) -> str:
        layout = self.layout
        inside = f"no column of its own in the {layout.spec.style} style"
        if name not in layout.page_cells:
            return inside
        page, row = layout.page_cells[name]
        return f"{inside}; {in_sheet(page, cell_name(row, layout.PAGE_VALUE))} has it for the step shown there"

    def _history(self, name: str, rate: int, visit: int) -> Iterator[tuple[str, str]]:
        """Of a weight, where it started and how far it has come."""
        start = next((one for one in self.layout.parameters if one.name == naming.start_name(name)), None)
        if start is None:
            return
        first = self.book.inputs[start]
        place = in_sheet(OVERVIEW, cell_name(start.row, start.column))
        yield "starts at", f"{full(first)} ({place}, {start.name})"
        column, row = self.layout.columns[name], self.layout.FIRST_ROW + visit
        now = self.values.number(self.layout.sheets[rate], row, column)
        if visit and not math.isnan(now):
            yield "since then", f"{now - first:+.6g}".upper()

    def _on_page(self, name: str, place: Place) -> Explanation:
        """A line of a page: calculated there, or picked from the shown row of its table."""
        layout, visit, rate = self.layout, self.book.step_shown, self.book.rate_shown
        cell = layout.page[name]
        right = layout.page_formula(cell, place[0])
        if cell.expr is not None:
            scene = self._page_scene(place[0])
            found = checked(self.values, self.engine, scene, cell.expr, place, right)
            return replace(
                found, quantity=name, step=layout.batches.step_of(visit), rate=self.book.spec.rates[rate],
                says=words(cell), chain=chain(scene, name, found.symbols),
            )  # fmt: skip
        if name in self.full and name != RATE:
            return self._shows(place, right, self._in_table(rate, visit, name))
        return self._simply(place, name, words(cell), right)

    def _page_scene(self, page: str) -> Scene:
        cells = {name: self.layout.page_address(name, page) for name in self.layout.page_cells}
        return Scene(self.layout.page, self._page_values, cells, self.engine.erf_error)

    @cached_property
    def _page_values(self) -> dict[str, Value | list[float]]:
        column = self.layout.PAGE_VALUE
        return {name: self.values.at(sheet, row, column) for name, (sheet, row) in self.layout.page_cells.items()}

    # Copies and inputs.

    def _copy(self, run: Run, k: int, place: Place) -> Explanation:
        layout, right = self.layout, self.layout.run_formula(run, k)
        if run.name == layout.error and run.rate is not None and run.step is not None:
            visit = layout.batches.start(run.step + k)
            return self._shows(place, right, self._in_table(run.rate, visit, run.name))
        if run.name == RATE and run.rate is not None:
            return self._shows(place, right, self._input(layout.rates[run.rate]))
        says = self._says(run)
        if run.kind is Kind.CHECK and run.name in layout.checks.columns:
            says = f"part of the check of {layout.checks.names[run.rows[k] - run.row]}, for the step shown"
        return self._simply(place, run.name, says, right)

    def _says(self, run: Run) -> str:
        if run.name == RISES:
            return "how many visits to a sample found a larger error than the visit before"
        if run.name == EPOCH_ERROR:
            return f"the average of {total_error()} over an epoch"
        if run.kind is Kind.DRAWN:
            return f"drawn at random when the workbook was made: {run.name} of one row"
        if run.name in self.layout.shown_batch:
            end = "first" if run.name == BATCH_FIRST else "last"
            return f"the {end} row of the batch that the pages show, counted from 1"
        if run.name in self.layout.statistics:
            return f"{run.name.replace('_', ' of ', 1)} over all samples, by which inputs are normalised"
        return f"{run.name}: {run.kind.value}"

    def _shows(self, place: Place, right: str, source: Explanation) -> Explanation:
        """A cell that shows another: all that is said of that one, and the cell's own formula."""
        found, formula = self.values.at(*place), formula_at(self.values, place)
        where = in_sheet(source.sheet, source.cell)
        wrong = missing_formula(formula, found)
        if formula and full(found) != full(source.value):
            wrong = f"it should show {full(source.value)}"
        inherited = f"{where}: {source.wrong}" if source.wrong else ""
        return replace(
            source, sheet=place[0], cell=cell_name(place[1], place[2]), value=found, wrong=wrong or inherited,
            right=f"={right}" if wrong else source.right,
            formula=formula, notes=(("shows", f"{where}, which is {source.formula or 'an input'}"), *source.notes),
        )  # fmt: skip

    def _simply(self, place: Place, name: str, says: str, right: str) -> Explanation:
        formula, value = formula_at(self.values, place), self.values.at(*place)
        wrong = "" if place[0] == DRAWN else missing_formula(formula, value)
        return Explanation(
            str(self.book.path), self.engine.name, place[0], cell_name(place[1], place[2]), name, says=says,
            formula=formula, value=value, wrong=wrong, right=f"={right}" if wrong else "",
        )  # fmt: skip

    def _input(self, one: Input) -> Explanation:
        place = (one.sheet, one.row, one.column)
        users = users_of(self.values, one.name)
        notes = [("name", one.name), ("used by", users or "no formula"), ("note", one.note)]
        return Explanation(
            str(self.book.path), self.engine.name, one.sheet, cell_name(one.row, one.column), one.label,
            says="an input: change it, and everything that uses it follows",
            value=self.values.at(*place), notes=tuple((label, text) for label, text in notes if text),
        )  # fmt: skip
