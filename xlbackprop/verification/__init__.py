"""Verify one of our workbooks: where the sheet's telling and the reference's meet.

The file is recalculated from disk by a calculator that is not ours. Every calculated cell is
compared with the training told again in numpy and with what its own row implies; every gradient
also with the complex step; and all of it once more with other inputs, because equal targets and
round numbers hide mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from xlbackprop.engine import Engine, Inputs, Recalculated, Value
from xlbackprop.engine import engine as engine_named
from xlbackprop.reference import complex_step
from xlbackprop.reference.run import trainings
from xlbackprop.reference.told import Calculator
from xlbackprop.sheet.layout import Input, Kind
from xlbackprop.sheet.plugged import rounded
from xlbackprop.spec import Spec, total_error
from xlbackprop.spec.names import H
from xlbackprop.verification import texts
from xlbackprop.verification.compare import Comparison, agrees, denied
from xlbackprop.verification.formulas import typed_cells, with_formulas
from xlbackprop.verification.marking import empty_cells, filled_in, marked
from xlbackprop.verification.read import Found, Workbook
from xlbackprop.verification.report import Mismatch, Report
from xlbackprop.verification.tally import Tally, near
from xlbackprop.verification.texts import TextCell, text_cells

__all__ = ["Report", "verify"]

# Forward passes of the complex step; of a longer training it takes rows that are evenly spread,
# and the report says how many gradients it saw.
MOST_WITNESSED = 500_000


class Beside(Protocol):
    """Sheets that another room has in the workbook, checked on the way so that it is recalculated for all at once."""

    def compare(self, book: Workbook, recalculated: Recalculated, engine: Engine) -> None: ...

    @property
    def other_inputs(self) -> Inputs: ...

    def compare_changed(self, changed: Recalculated, spec: Spec) -> None:
        """With the other inputs, which `spec` has."""
        ...


def verify(
    path: Path | str,
    *,
    engine: str | Engine = "embedded",
    network: Spec | None = None,
    beside: Beside | None = None,
    progress: Callable[[str], None] = lambda phase: None,
) -> Report:
    """Recalculate and check a workbook that `build` wrote, as it stands now.

    `network` stands in for the network file that the workbook carries. Raises WorkbookError for a
    file that cannot be read or has no table of ours, EngineError where the calculator fails.
    """
    path, calculator = Path(path), engine_named(engine) if isinstance(engine, str) else engine
    progress("recalculating")
    recalculated = calculator.recalculate(path)
    book = Workbook(path, recalculated, network)
    if not book.layout.left:
        readings = _readings(book, recalculated, calculator, beside)
        del recalculated  # its model of the workbook is larger than all that follows
        return _verified(path, readings, calculator, progress)
    with filled_in(book, empty := empty_cells(book)) as whole:
        recalculated = calculator.recalculate(whole)
        readings = _readings(Workbook(whole, recalculated, network), recalculated, calculator, beside)
        del recalculated
        return marked(_verified(path, readings, calculator, progress), empty)


@dataclass(frozen=True)
class _Readings:
    """A workbook, and what its cells give with its own inputs and with others."""

    book: Workbook
    present: Found
    inputs: Mapping[Input, float]  # the others
    changed: Found


def _readings(book: Workbook, recalculated: Recalculated, engine: Engine, beside: Beside | None) -> _Readings:
    present = Found.read(book.layout, recalculated)
    if beside:
        beside.compare(book, recalculated, engine)
    inputs = _other_inputs(book)
    changed = recalculated.changed({**book.input_cells(inputs), **(beside.other_inputs if beside else {})})
    if beside:
        beside.compare_changed(changed, book.spec_with(inputs))
    return _Readings(book, present, inputs, Found.read(book.layout, changed))


def _verified(
    path: Path,
    readings: _Readings,
    engine: Engine,
    progress: Callable[[str], None],
) -> Report:
    """The report of the workbook at `path`."""
    progress("comparing")
    book, layout, inputs = readings.book, readings.book.layout, readings.inputs
    spec, other_spec = book.spec, book.spec_with(inputs)
    # LibreOffice rounds differences too, not only what it keeps, so a whole training has this rounding.
    calculator = Calculator(engine.epsilon, engine.exp_overflows, engine.erf_error)
    trained, other_trained = trainings((spec, other_spec), calculator)
    shown = book.rate_shown, book.step_shown
    present = Comparison(layout, readings.present, spec, trained, shown, book.steps, calculator)
    ledger = _Ledger()
    ledger.compare(present)
    ledger.compare_texts(present, readings.present.texts)
    witnessed = ledger.complex_step(present)
    ledger.typed_cells(book, present)
    errors = present.tables[layout.error].copy()
    del present, trained  # a long training fills memory twice otherwise
    progress("comparing with other inputs")
    step, rate = (int(inputs[one]) for one in layout.selectors)
    steps = book.steps_of(inputs)
    changed = Comparison(layout, readings.changed, other_spec, other_trained, (rate - 1, step), steps, calculator)
    ledger.compare_with_other_inputs(changed)
    return with_formulas(
        Report(
            workbook=str(path),
            engine=engine.name,
            spec=spec,
            layout=layout,
            cells=ledger.cells,
            rounding=ledger.rounding,
            worst=ledger.worst,
            witnessed=witnessed,
            errors=errors,
            mismatches=list(ledger.mismatches.values()),
        ),
        book,
    )


class _Ledger(Tally):
    """Keeps, for each cell, the first thing that is wrong with it."""

    def compare(self, comparison: Comparison, kind: str = "wrong-formula") -> None:
        for run, found, trained, implied in comparison:
            self.count(run.name, found, trained, run.place)
            wrong, root = ~agrees(found, trained), ~agrees(found, implied)
            for k in np.flatnonzero(wrong | root):
                expected = implied if root[k] else trained
                values = float(found[k]), float(expected.values[k])
                self._add(Mismatch(*run.place(int(k)), run.name, kind if root[k] else "inherited", *values))

    def compare_texts(self, comparison: Comparison, cells: Mapping[TextCell, Value]) -> None:
        """The texts of the pages; one with the numbers that stand in its line, or in others, inherits them."""
        right = _short_texts(comparison)
        shown = {
            run.name: rounded(float(values[0])) for run, values in comparison.found.items() if run.kind is Kind.PAGE
        }
        beside = {cell.name: str(found) for cell, found in cells.items() if not cell.is_plugged}
        for cell, found in cells.items():
            self.cells += 1
            if not texts.agrees(found, cell.text(right.__getitem__)):
                precedents = beside if cell.is_plugged else shown
                inherits = texts.agrees(found, cell.text(precedents.__getitem__))
                kind = "inherited" if inherits else "wrong-formula"
                text = cell.text(right.__getitem__)
                self._add(Mismatch(cell.sheet, cell.row, cell.column, cell.name, kind, found, text))

    def complex_step(self, comparison: Comparison) -> int:
        """Every gradient once more, from the forward pass alone; how many were looked at."""
        spec, tables, batches = comparison.spec, comparison.tables, comparison.spec.batches
        passes = batches.size if spec.couples else 1
        stride = 1 + tables[total_error()].size * len(spec.differentiated) * passes // MOST_WITNESSED
        steps = np.arange(0, batches.steps + 1, stride)
        names = (*spec.inputs, *spec.targets, *spec.initial, *spec.drawn)
        witness = complex_step.Witness(spec, {name: tables[name] for name in names}, steps)
        witnessed = 0
        for run, found in comparison.found.items():
            if run.rate is not None and run.kind is Kind.TABLE and run.name in witness.gradients:
                derivative = witness.gradients[run.name][run.rate]
                noise = comparison.from_weights.noise[run.name][run.rate]
                # Next to an overflow the sheet, or the witness, has no number to compare.
                known = np.isfinite(derivative) & np.isfinite(comparison.implied.values[run.name][run.rate])
                witnessed += int(known.sum())
                for k in np.flatnonzero(denied(found, witness, run.name, run.rate, noise) & known):
                    values = float(found[k]), float(derivative[k])
                    self._add(Mismatch(*run.place(int(k)), run.name, "wrong-gradient", *values))
        return witnessed

    def typed_cells(self, book: Workbook, comparison: Comparison) -> None:
        """Cells that should be calculated and hold a typed number, be it the right one."""
        typed = set(typed_cells(book))
        if not typed:
            return
        for run, found, _, implied in comparison:
            for k in range(run.count):
                if run.place(k) in typed:
                    values = float(found[k]), float(implied.values[k])
                    self._add(Mismatch(*run.place(k), run.name, "typed-constant", *values))
        for cell in text_cells(book.layout):
            if (cell.sheet, cell.row, cell.column) in typed:
                text = cell.text(_short_texts(comparison).__getitem__)
                self._add(Mismatch(cell.sheet, cell.row, cell.column, cell.name, "typed-constant", "typed text", text))

    def compare_with_other_inputs(self, comparison: Comparison) -> None:
        other = _Ledger()
        other.compare(comparison, "lucky-formula")
        for mismatch in other.mismatches.values():
            if mismatch.root:  # what inherits it there says nothing of the numbers that stand here
                self._add(mismatch)

    def _add(self, mismatch: Mismatch) -> None:
        """What was said of a cell first stands: the complex step sees its wrong precedents too.

        Only that its own formula is wrong, as other inputs show, says more than that it inherits
        something; and that it is typed is always worth saying.
        """
        earlier = self.mismatches.get(mismatch.place)
        says_more = earlier is not None and earlier.kind == "inherited" and mismatch.kind == "lucky-formula"
        if earlier is None or says_more or mismatch.kind == "typed-constant":
            self.mismatches[mismatch.place] = mismatch


def _short_texts(comparison: Comparison) -> dict[str, str]:
    """For each quantity of the pages, its right value as they write it."""
    return {name: rounded(float(value)) for name, value in comparison.page.values.items()}


def _other_inputs(book: Workbook) -> dict[Input, float]:
    step, rate = book.layout.selectors
    # With a step so large, squares of imaginary parts count too, and gradients do not agree with it.
    h = {one: 0.01 for one in book.layout.check_steps if one.name == H}
    return {**near(book.inputs), **h, step: 1.0, rate: float(len(book.layout.rates))}
