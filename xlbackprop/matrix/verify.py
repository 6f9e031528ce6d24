"""Verify a workbook in the matrix layout: every cell of every block beside the training told again in numpy.

The file is recalculated from disk by a calculator that is not ours. A cell must be as the whole
training has it, and as the other cells of its band imply; gradients also as the complex step has
them; and all of it once more with other inputs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from xlbackprop.engine import Engine, Inputs
from xlbackprop.engine import engine as engine_named
from xlbackprop.engine.package import CELL, opened, sheet_parts
from xlbackprop.matrix.compare import Comparison, Told
from xlbackprop.matrix.layout import Layout
from xlbackprop.matrix.read import read_inputs, read_layout
from xlbackprop.matrix.report import Report
from xlbackprop.reference import complex_step
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.places import OVERVIEW, Input
from xlbackprop.spec import total_error
from xlbackprop.verification.compare import agrees, relative_difference
from xlbackprop.verification.report import Mismatch, Worst


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
    ledger.typed(present, _live_cells(path))
    errors = present.homes[total_error()]
    progress("comparing with other inputs")
    others = _other_inputs(inputs)
    changed = recalculated.changed(_cells_of(others))
    elsewhere = Ledger()
    elsewhere.compare(Comparison(layout, changed, calculator, layout.spec_with(others)), "lucky-formula")
    ledger.learn(elsewhere)
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
        mismatches=_with_formulas(path, layout, list(ledger.mismatches.values())),
    )


class Ledger:
    """Counts what was compared and keeps, for each cell, the first thing that is wrong with it."""

    def __init__(self) -> None:
        self.cells = 0
        self.rounding = 0
        self.worst = Worst()
        self.mismatches: dict[tuple[str, int, int], Mismatch] = {}

    def compare(self, comparison: Comparison, kind: str = "wrong-formula") -> None:
        for told in comparison:
            self.cells += len(told.found)
            relative, rounding = relative_difference(told.found, told.trained)
            self.rounding += int(rounding.sum())
            if relative.max() > self.worst.relative:
                top = int(relative.argmax())
                self.worst = Worst(float(relative[top]), told.sheet, cell_name(*told.places[top]), told.name)
            wrong = ~agrees(told.found, told.trained)
            root = np.logical_and.reduce([~agrees(told.found, right) for right in told.right])
            for k in np.flatnonzero(wrong | root):
                expected = (told.right[0] if root[k] else told.trained).values[k]
                self._add(told, int(k), kind if root[k] else "inherited", float(expected))

    def _add(self, told: Told, k: int, kind: str, expected: float) -> None:
        place = (told.sheet, *told.places[k])
        self.mismatches.setdefault(place, Mismatch(*place, told.name, kind, float(told.found[k]), expected))

    def complex_step(self, comparison: Comparison) -> int:
        """Every gradient once more, from the forward pass alone; how many were looked at."""
        witnessed, layout = 0, comparison.layout
        for rate, name, found, cells in comparison.gradients():
            known = np.isfinite(cells.values) & np.isfinite(found)
            witnessed += int(known.sum())
            for k in np.flatnonzero(~agrees(found, cells, complex_step.FLOOR) & known):
                place = (layout.sheets[rate], *layout.at(name, int(k)))
                wrong = Mismatch(*place, name, "wrong-gradient", float(found[k]), float(cells.values[k]))
                self.mismatches.setdefault(place, wrong)
        return witnessed

    def typed(self, comparison: Comparison, live: Mapping[str, set[str]]) -> None:
        """Cells that should be calculated and hold a typed number, be it the right one."""
        for told in comparison:
            for k, place in enumerate(told.places):
                if cell_name(*place) not in live[told.sheet]:
                    at, right = (told.sheet, *place), float(told.right[0].values[k])
                    self.mismatches[at] = Mismatch(*at, told.name, "typed-constant", float(told.found[k]), right)

    def learn(self, other: Ledger) -> None:
        """Of the same workbook with other inputs; what inherits a mistake there says nothing of these numbers."""
        for place, mismatch in other.mismatches.items():
            earlier = self.mismatches.get(place)
            if mismatch.root and (earlier is None or not earlier.root):
                self.mismatches[place] = mismatch


def _other_inputs(inputs: Mapping[Input, float]) -> dict[Input, float]:
    """Every input changed by its own random factor near 1, so that no two stay equal and none stays 0."""
    chance = random.Random(0)  # the same each time
    return {one: (value or chance.choice((-0.1, 0.1))) * chance.uniform(0.8, 1.25) for one, value in inputs.items()}


def _cells_of(inputs: Mapping[Input, float]) -> Inputs:
    return {(OVERVIEW, one.row, one.column): value for one, value in inputs.items()}


def _live_cells(path: Path) -> dict[str, set[str]]:
    """For each sheet the cells that have a formula."""
    with opened(path) as package:
        return {
            sheet: {match[1].decode() for match in CELL.finditer(package.read(part)) if b"<f" in (match[2] or b"")}
            for sheet, part in sheet_parts(package).items()
        }


def _with_formulas(path: Path, layout: Layout, mismatches: list[Mismatch]) -> list[Mismatch]:
    """With the file's own formula beside each wrong cell, and the right one beside each root."""
    if not mismatches:
        return []
    from openpyxl import load_workbook

    right = {(sheet, *place): formula for sheet, place, formula in layout.formulas()}
    try:
        book: Any = load_workbook(path)
    except Exception:  # openpyxl refuses files that every spreadsheet opens, with errors of every kind
        book = None

    def complete(one: Mismatch) -> Mismatch:
        held = book[one.sheet].cell(one.row + 1, one.column + 1) if book else None
        formula = str(held.value) if held is not None and held.data_type == "f" else ""
        return replace(one, formula=formula, fix=f"={right[one.sheet, one.row, one.column]}" if one.root else "")

    return [complete(one) for one in mismatches]
