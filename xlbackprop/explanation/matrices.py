"""A cell, or a quantity, of a workbook in the matrix layout: of one band of one rate's sheet."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xlbackprop.audit.values import Values
from xlbackprop.engine import Engine, Value
from xlbackprop.explanation.asked import Asked
from xlbackprop.explanation.cells import checked
from xlbackprop.explanation.chain import Scene, chain
from xlbackprop.explanation.plain import explain_plain
from xlbackprop.explanation.report import Explanation
from xlbackprop.graph.expr import Ref, priors, with_priors
from xlbackprop.graph.program import Program, Role
from xlbackprop.matrix.layout import Layout
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.places import OVERVIEW
from xlbackprop.sheet.words import words
from xlbackprop.spec.names import RATE

_ABOVE = " above"


@dataclass(frozen=True)
class Matrices:
    layout: Layout
    values: Values
    engine: Engine

    def explain(self, asked: Asked) -> Explanation:
        """Raises WorkbookError for what is not there."""
        layout, rates = self.layout, [self._number(OVERVIEW, one.row, one.column) for one in self.layout.rates]
        names = list(layout.band.places)
        name = asked.quantity(names)
        if name is not None:
            rate, step = asked.rate_among(rates), asked.step_among(layout.bands - 1)
            return self._in_band(layout.sheets[rate], rates[rate], step, layout.band.places[name][0])
        cell = asked.cell(self.values.book.sheets, names)
        if cell is None:
            raise asked.unknown(names)
        place = (cell[0] or layout.sheets[asked.rate_among(rates)], cell[1], cell[2])
        if place[0] in layout.sheets and place[1] >= layout.TOP:
            step, row = divmod(place[1] - layout.TOP, layout.band.height)
            if step < layout.bands and (row, place[2]) in layout.band.names:
                return self._in_band(place[0], rates[layout.sheets.index(place[0])], step, (row, place[2]))
        return explain_plain(self.values, place, str(asked.workbook), self.engine.name, "not part of a band")

    def _in_band(self, sheet: str, rate: float, step: int, at: tuple[int, int]) -> Explanation:
        layout, name = self.layout, self.layout.band.names[at]
        scene, top = self._scene(sheet, step), layout.top(step)
        written = scene.program[name].expr or Ref(name)
        right = next(one for one in layout.templates if one.place == at).formula(step, top)
        found = checked(self.values, self.engine, scene, written, (sheet, top + at[0], at[1]), right)
        notes = []
        if (first := layout.at(name, step)) != (top + at[0], at[1]):
            notes.append(("copy of", cell_name(*first)))
        return replace(
            found, quantity=name, step=step, rate=rate, says=words(layout.program[name]), notes=tuple(notes),
            chain=chain(scene, name, found.symbols),
        )  # fmt: skip

    def _scene(self, sheet: str, step: int) -> Scene:
        """All quantities of a band, each of which has a cell, and the weights that the band above hands on."""
        layout, program = self.layout, Program()
        values: dict[str, Value | list[float]] = {RATE: self._number(sheet, *layout.RATE_CELL)}
        cells, given = dict(layout.outside), dict[str, list[float]]()
        for one in layout.inputs():
            given.setdefault(one.name, []).append(self._number(OVERVIEW, one.row, one.column))
        values |= {name: numbers if len(numbers) > 1 else numbers[0] for name, numbers in given.items()}
        for cell in layout.program:
            expr = cell.first if step == 0 and cell.first is not None else cell.expr
            for prior in () if expr is None else dict.fromkeys(priors(expr)):
                self._hold(prior + _ABOVE, sheet, layout.at(prior, step - 1), values, cells)
                program.given(prior + _ABOVE, layout.program[prior].role)
            program.add(replace(cell, expr=expr and with_priors(expr, lambda prior: Ref(prior + _ABOVE)), first=None))
            if cell.role not in (Role.SOURCE, Role.RATE):
                self._hold(cell.name, sheet, layout.at(cell.name, step), values, cells)
        return Scene(program, values, cells, self.engine.erf_error)

    def _hold(
        self, name: str, sheet: str, place: tuple[int, int],
        values: dict[str, Value | list[float]], cells: dict[str, str],
    ) -> None:  # fmt: skip
        values[name], cells[name] = self.values.at(sheet, *place), cell_name(*place)

    def _number(self, sheet: str, row: int, column: int) -> float:
        return self.values.number(sheet, row, column)
