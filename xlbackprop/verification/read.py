"""Read one of our workbooks back: its network, the present numbers of its inputs, its cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from xlbackprop.engine import Inputs, Recalculated, Value
from xlbackprop.errors import WorkbookError
from xlbackprop.reference.functions import Array
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.sheet.layout import CHECKS, NETWORK_FILE, OVERVIEW, Input, Kind, Layout, Run
from xlbackprop.spec import Sample, Spec, loads
from xlbackprop.verification.held import InputReader, check_sheets, moved, network_file
from xlbackprop.verification.texts import TextCell, text_cells

ROWS = 256  # of a table that are read together


class Workbook:
    """A workbook of ours. `spec` has the numbers that stand on Overview now."""

    def __init__(self, path: Path, recalculated: Recalculated, network: Spec | None = None) -> None:
        self.path = path
        written = network or self._network_file(recalculated)
        self.layout = Layout(written)
        self._check_places(recalculated)
        inputs = list(self.layout.inputs())
        reader = InputReader(path, recalculated, {one.sheet for one in inputs})
        self.inputs = {one: reader.number((one.sheet, one.row, one.column), one.name) for one in inputs}
        self.spec = self.spec_with(self.inputs)
        self.steps = self.steps_of(self.inputs)
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

    def steps_of(self, inputs: Mapping[Input, float]) -> tuple[float, ...]:
        """The steps of Checks, ε and h; none if it has no checks."""
        return tuple(inputs[one] for one in self.layout.check_steps)

    def input_cells(self, inputs: Mapping[Input, float]) -> Inputs:
        return {(one.sheet, one.row, one.column): value for one, value in inputs.items()}

    def _network_file(self, recalculated: Recalculated) -> Spec:
        if NETWORK_FILE not in recalculated.sheets:
            raise WorkbookError(
                f"{self.path}: has no table that xlbackprop wrote (no sheet {NETWORK_FILE!r}); "
                "give a workbook made by build, or its network with --network"
            )
        return loads(network_file(recalculated), f"{self.path}, sheet {NETWORK_FILE!r}")

    def _check_places(self, recalculated: Recalculated) -> None:
        """Everything stands where it was written; a moved or deleted column would be compared with another."""
        layout = self.layout
        check_sheets(self.path, {run.sheet for run in layout.runs()}, recalculated)
        expected = [
            (sheet, layout.HEADER_ROW, column, name)
            for sheet in layout.sheets
            for name, column in layout.columns.items()
        ]
        expected += [(page, row, 0, name) for name, (page, row) in layout.page_cells.items()]
        labelled = (*layout.rates, *layout.selectors, *layout.parameters, *layout.check_steps)
        expected += [(one.sheet, one.row, 0, one.label) for one in labelled]
        expected += [(CHECKS, *heading) for heading in layout.checks.headings()]
        for sheet, row, column, text in expected:
            found = recalculated.column(sheet, row, column, 1)[0]
            if found != text:
                raise moved(self.path, (sheet, row, column), found, text)

    def _choice(self, one: Input, value: float, least: int, most: int) -> int:
        if value != int(value) or not least <= value <= most:
            place = in_sheet(OVERVIEW, cell_name(one.row, one.column))
            raise WorkbookError(
                f"{self.path}: {place} ({one.name}) is {value:g}; type a whole number, {least} to {most}"
            )
        return int(value)


@dataclass(frozen=True)
class Found:
    """What a calculator gave, read once, so that its model of the workbook can be let go."""

    numbers: dict[Run, Array]  # (count,) each
    tables: dict[str, Array]  # the training tables' cells, each quantity (n_rates, count): the same memory
    texts: dict[TextCell, Value]

    @classmethod
    def read(cls, layout: Layout, recalculated: Recalculated) -> Found:
        """Every calculated cell."""
        tables = _tables(layout, recalculated)
        numbers = {
            run: tables[run.name][run.rate] if run.kind is Kind.TABLE else _numbers(recalculated, run)
            for run in layout.runs()
        }
        texts = {cell: recalculated.column(cell.sheet, cell.row, cell.column, 1)[0] for cell in text_cells(layout)}
        return cls(numbers, tables, texts)


def _tables(layout: Layout, recalculated: Recalculated) -> dict[str, Array]:
    """The training tables' cells, each quantity (n_rates, count), read row by row."""
    visits = {name: np.array(layout.table_rows.visits(name)) for name in layout.columns}
    tables = {name: np.empty((len(layout.sheets), len(of))) for name, of in visits.items()}
    for rate, sheet in enumerate(layout.sheets):
        for start in range(0, layout.batches.visits, ROWS):
            stop = min(start + ROWS, layout.batches.visits)
            rows = [recalculated.row(sheet, layout.FIRST_ROW + k, 0, len(visits)) for k in range(start, stop)]
            for (name, of), values in zip(visits.items(), zip(*rows)):
                first, last = np.searchsorted(of, (start, stop))
                there = values if last - first == len(rows) else [values[k] for k in of[first:last] - start]
                tables[name][rate, first:last] = _floats(there)
    return tables


def _numbers(recalculated: Recalculated, run: Run) -> Array:
    """The run's values, (count,); nan for an error, a blank or text."""
    offsets = run.offsets
    values = recalculated.column(run.sheet, run.row, run.column, run.count if offsets is None else offsets[-1] + 1)
    return _floats(values if offsets is None else [values[offset] for offset in offsets])


def _floats(values: Sequence[Value]) -> Array:
    if set(map(type, values)) == {float}:  # nearly always
        return np.array(values)
    return np.array([float(value) if isinstance(value, (int, float)) else math.nan for value in values])
