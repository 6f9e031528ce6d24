"""Read one of our workbooks back: its network, the present numbers of its inputs, its cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from xlbackprop.engine import Inputs, Recalculated
from xlbackprop.engine.package import blank_cells, opened, sheet_parts
from xlbackprop.errors import WorkbookError
from xlbackprop.reference.functions import Array
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.sheet.layout import NETWORK_FILE, OVERVIEW, Input, Layout, Run
from xlbackprop.spec import Sample, Spec, loads


class Workbook:
    """A workbook of ours. `spec` has the numbers that stand on Overview now."""

    def __init__(self, path: Path, recalculated: Recalculated, network: Spec | None = None) -> None:
        self.path = path
        written = network or self._network_file(recalculated)
        self.layout = Layout(written)
        self._check_places(recalculated)
        self.inputs = {one: self._number(recalculated, one) for one in self.layout.inputs()}
        self.spec = self.spec_with(self.inputs)
        step, rate = (self.inputs[one] for one in self.layout.selectors)
        self.step_shown = self._choice(self.layout.selectors[0], step, 0, written.batches.visits - 1)
        self.rate_shown = self._choice(self.layout.selectors[1], rate, 1, len(written.rates)) - 1

    def spec_with(self, inputs: Mapping[Input, float]) -> Spec:
        """The spec with these numbers for its inputs."""
        layout, spec = self.layout, self.layout.spec
        parameters = {name: inputs[one] for one, name in zip(layout.parameters, spec.initial)}
        n_in = len(spec.inputs)
        rows = [tuple(inputs[column[p]] for column in layout.samples) for p in range(len(spec.samples))]
        return msgspec.structs.replace(
            spec.with_parameters(parameters),
            samples=tuple(Sample(row[:n_in], row[n_in:]) for row in rows),
            rates=tuple(inputs[one] for one in layout.rates),
        )

    def input_cells(self, inputs: Mapping[Input, float]) -> Inputs:
        return {(OVERVIEW, one.row, one.column): value for one, value in inputs.items()}

    def _network_file(self, recalculated: Recalculated) -> Spec:
        if NETWORK_FILE not in recalculated.sheets:
            raise WorkbookError(
                f"{self.path}: has no table that xlbackprop wrote (no sheet {NETWORK_FILE!r}); "
                "give a workbook made by build, or its network with --network"
            )
        lines: list[str] = []
        chunk = 256
        while True:
            values = recalculated.column(NETWORK_FILE, Layout.NETWORK_FIRST_ROW + len(lines), 0, chunk)
            lines += ["" if value is None else str(value) for value in values]
            if all(value is None for value in values):
                return loads("\n".join(lines), f"{self.path}, sheet {NETWORK_FILE!r}")

    def _check_places(self, recalculated: Recalculated) -> None:
        """Everything stands where it was written; a moved or deleted column would be compared with another."""
        layout = self.layout
        sheets = {run.sheet for run in layout.runs()}
        if missing := sorted(sheets - set(recalculated.sheets)):
            raise WorkbookError(f"{self.path}: the sheet {missing[0]!r} is missing; undo its renaming or deletion")
        expected = [
            (sheet, layout.HEADER_ROW, column, name)
            for sheet in layout.sheets
            for name, column in layout.columns.items()
        ]
        expected += [(page, row, 0, name) for name, (page, row) in layout.page_cells.items()]
        expected += [
            (OVERVIEW, one.row, 0, one.label) for one in (*layout.rates, *layout.selectors, *layout.parameters)
        ]
        for sheet, row, column, text in expected:
            found = recalculated.column(sheet, row, column, 1)[0]
            if found != text:
                place = in_sheet(sheet, cell_name(row, column))
                raise WorkbookError(
                    f"{self.path}: {place} reads {found!r} where {text!r} was written; undo the move, or build it anew"
                )

    def _number(self, recalculated: Recalculated, one: Input) -> float:
        value = recalculated.column(OVERVIEW, one.row, one.column, 1)[0]
        empty = value is None or (value == 0 and cell_name(one.row, one.column) in self._blank_cells)
        if isinstance(value, (bool, str)) or value is None or empty or not math.isfinite(value):
            place = in_sheet(OVERVIEW, cell_name(one.row, one.column))
            found = "empty" if empty else repr(value)
            raise WorkbookError(f"{self.path}: {place} ({one.name}) is {found}; type a number")
        return float(value)

    @cached_property
    def _blank_cells(self) -> set[str]:
        """Overview's cells that have a style and nothing in them, which a calculator may read as 0."""
        with opened(self.path) as package:
            return blank_cells(package.read(sheet_parts(package)[OVERVIEW]))

    def _choice(self, one: Input, value: float, least: int, most: int) -> int:
        if value != int(value) or not least <= value <= most:
            place = in_sheet(OVERVIEW, cell_name(one.row, one.column))
            raise WorkbookError(
                f"{self.path}: {place} ({one.name}) is {value:g}; type a whole number, {least} to {most}"
            )
        return int(value)


def numbers(recalculated: Recalculated, run: Run) -> Array:
    """The run's values, (count,); nan for an error, a blank or text."""
    offsets = run.offsets
    values = recalculated.column(run.sheet, run.row, run.column, run.count if offsets is None else offsets[-1] + 1)
    if offsets is not None:
        values = [values[offset] for offset in offsets]
    if all(value.__class__ is float for value in values):  # nearly always
        return np.array(values)
    return np.array([float(value) if isinstance(value, (int, float)) else math.nan for value in values])
