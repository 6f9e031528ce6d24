"""Verify a workbook in the matrix layout: every cell of every block beside the training told again in numpy.

The file is recalculated from disk by a calculator that is not ours. A cell must be as the whole
training has it, and as the other cells of its band imply; gradients also as the complex step has
them; and all of it once more with other inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from xlbackprop.engine import Engine, Inputs
from xlbackprop.engine import engine as engine_named
from xlbackprop.matrix.compare import Comparison, Told
from xlbackprop.matrix.read import read_inputs, read_layout
from xlbackprop.matrix.report import Report
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.places import OVERVIEW, Input
from xlbackprop.spec import total_error
from xlbackprop.verification.compare import agrees
from xlbackprop.verification.held import live_cells, with_formulas
from xlbackprop.verification.report import Mismatch
from xlbackprop.verification.tally import Tally, near


def verify(
    path: Path | str,
    *,
    engine: str | Engine = "embedded",
    progress: Callable[[str], None] = lambda phase: None,
) -> Report:
    """Recalculate and check a workbook that `matrix.sheet.build` wrote, as it stands now.

    Raises WorkbookError for a file that cannot be read or was moved about, EngineError where the
    calculator fails.
    """
    path = Path(path)
    calculator = engine_named(engine) if isinstance(engine, str) else engine
    progress("recalculating")
    recalculated = calculator.recalculate(path)
    layout = read_layout(path, recalculated)
    inputs = read_inputs(path, layout, recalculated)
    progress("comparing")
    present = Comparison(layout, recalculated, calculator, layout.spec_with(inputs))
    ledger = Ledger()
    ledger.compare(present)
    witnessed = ledger.complex_step(present)
    ledger.typed(present, live_cells(path, layout.all_sheets))
    errors = present.homes[total_error()]
    progress("comparing with other inputs")
    others = near(inputs)
    changed = recalculated.changed(_cells_of(others))
    elsewhere = Ledger()
    elsewhere.compare(Comparison(layout, changed, calculator, layout.spec_with(others)), "lucky-formula")
    ledger.learn(elsewhere)
    right = {(sheet, *place): formula for sheet, place, formula in layout.formulas()}
    return Report(
        workbook=str(path),
        engine=calculator.name,
        spec=present.spec,
        layout=layout,
        cells=ledger.cells,
        rounding=ledger.rounding,
        worst=ledger.worst,
        witnessed=witnessed,
        errors=errors,
        mismatches=with_formulas(path, ledger.mismatches.values(), right),
    )


class Ledger(Tally):
    """Keeps, for each cell, the first thing that is wrong with it."""

    def compare(self, comparison: Comparison, kind: str = "wrong-formula") -> None:
        for told in comparison:
            self.count(told.name, told.found, told.trained, told.place)
            wrong = ~agrees(told.found, told.trained)
            root = np.logical_and.reduce([~agrees(told.found, right) for right in told.right])
            for k in np.flatnonzero(wrong | root):
                expected = (told.right[0] if root[k] else told.trained).values[k]
                self._add(told, int(k), kind if root[k] else "inherited", float(expected))

    def _add(self, told: Told, k: int, kind: str, expected: float) -> None:
        place = told.place(k)
        self.mismatches.setdefault(place, Mismatch(*place, told.name, kind, float(told.found[k]), expected))

    def complex_step(self, comparison: Comparison) -> int:
        """Every gradient once more, from the forward pass alone; how many were looked at."""
        witnessed, layout = 0, comparison.layout
        for rate, name, found, derivative, is_denied in comparison.gradients():
            known = np.isfinite(derivative) & np.isfinite(found)
            witnessed += int(known.sum())
            for k in np.flatnonzero(is_denied & known):
                place = (layout.sheets[rate], *layout.at(name, int(k)))
                wrong = Mismatch(*place, name, "wrong-gradient", float(found[k]), float(derivative[k]))
                self.mismatches.setdefault(place, wrong)
        return witnessed

    def typed(self, comparison: Comparison, live: Mapping[str, set[str]]) -> None:
        """Cells that should be calculated and hold a typed number, be it the right one."""
        for told in comparison:
            for k, place in enumerate(told.places):
                if cell_name(*place) not in live[told.sheet]:
                    at, right = told.place(k), float(told.right[0].values[k])
                    self.mismatches[at] = Mismatch(*at, told.name, "typed-constant", float(told.found[k]), right)

    def learn(self, other: Ledger) -> None:
        """Of the same workbook with other inputs; what inherits a mistake there says nothing of these numbers."""
        for place, mismatch in other.mismatches.items():
            earlier = self.mismatches.get(place)
            if mismatch.root and (earlier is None or not earlier.root):
                self.mismatches[place] = mismatch


def _cells_of(inputs: Mapping[Input, float]) -> Inputs:
    return {(OVERVIEW, one.row, one.column): value for one, value in inputs.items()}
