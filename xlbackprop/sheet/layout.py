"""Layout: which quantity stands in which cell of which sheet.

A workbook is vertical runs of cells: a column of a training table, a line of a page and a
result on Overview are all a `Run`, one quantity over consecutive steps. The writer fills the
runs with formulas and verify reads them back; neither knows where anything stands but from here.
Rows and columns count from 0, as in XlsxWriter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from xlbackprop.graph import training
from xlbackprop.graph.expr import Expr, Prev, Ref
from xlbackprop.graph.optimizers import RATE
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.sheet.address import absolute, cell_name, in_sheet
from xlbackprop.sheet.printers import worksheet
from xlbackprop.spec import Spec, total_error

OVERVIEW, COMPARE, NETWORK_FILE = "Overview", "Compare", "Network file"
FORWARD, BACKWARD, NEXT_FORWARD = "Forward", "Backward", "Next forward"
PAGES = (FORWARD, BACKWARD, NEXT_FORWARD)
STEP_SHOWN, RATE_SHOWN = "step_shown", "rate_shown"
RISES = "rises"  # how many visits to a sample found a larger error than the visit before


class Kind(Enum):
    TABLE = "calculated in a training table"
    COPY = "shows a number that stands in a table or in an input"
    PAGE = "calculated on a page, for the step shown"


@dataclass(frozen=True, slots=True)
class Run:
    """`count` cells downwards from (row, column): the quantity from `step` on, at the rate of that index."""

    sheet: str
    row: int
    column: int
    name: str
    kind: Kind
    rate: int | None  # None: the rate shown
    step: int | None  # None: the step shown
    count: int = 1


@dataclass(frozen=True, slots=True)
class Input:
    """A cell that the user may change, with its defined name (or its place in a list of that name)."""

    name: str
    row: int
    column: int
    value: float
    label: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page: a quantity with its formula, or a heading."""

    row: int
    cell: Cell | None
    heading: str = ""


class Layout:
    """Where everything of a spec's workbook stands."""

    # Training tables
    RATE_CELL = (2, 1)
    BAND_ROW, HEADER_ROW, FIRST_ROW = 3, 4, 5
    # Overview
    RATES_ROW = 8
    CHART_ROWS = 17
    RIGHT = 7  # the column where legend and samples begin
    LEGEND_ROW = 7
    # Pages and Compare
    PAGE_FIRST_ROW = 4
    PAGE_PLUGGED, PAGE_VALUE, PAGE_ROUNDED = 3, 4, 5
    SHOWN_ROW = 1
    COMPARE_HEADER_ROW = 3
    NETWORK_FIRST_ROW = 3

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.table: Program = training.table(spec)
        self.page: Program = training.page(spec)
        self.shown = [cell for cell in self.table if cell.expr is not None]
        self.columns = {cell.name: column for column, cell in enumerate(self.shown)}
        self.sheets = [f"η={rate!r}" for rate in spec.rates]

    @property
    def last_row(self) -> int:
        """The row of a training table's last step."""
        return self.FIRST_ROW + self.spec.steps

    # Inputs: all on Overview

    @cached_property
    def rates(self) -> list[Input]:
        return [
            Input(f"rate_{k + 1}", self.RATES_ROW + k, 1, rate, f"rate {k + 1}")
            for k, rate in enumerate(self.spec.rates)
        ]

    @cached_property
    def selectors(self) -> list[Input]:
        row = self.RATES_ROW + len(self.spec.rates) + 2
        last = self.spec.steps
        return [
            Input(STEP_SHOWN, row, 1, 0, "step", f"0 to {last}"),
            Input(RATE_SHOWN, row + 1, 1, 1, "rate number", f"1 to {len(self.spec.rates)}: a line of the table above"),
        ]

    @property
    def chart_row(self) -> int:
        return self.selectors[-1].row + 2

    @cached_property
    def parameters(self) -> list[Input]:
        first = self.chart_row + self.CHART_ROWS + 3
        return [
            Input(training.start(name), first + k, 1, value, name, self.table[name].note)
            for k, (name, value, _) in enumerate(self.spec.parameters())
        ]

    @property
    def samples_row(self) -> int:
        return self.LEGEND_ROW + len(self.roles) + 3

    @cached_property
    def samples(self) -> list[list[Input]]:
        """For each quantity of a sample, its column of values."""
        named = [(name, Role.INPUT) for name in self.spec.inputs] + [(name, Role.TARGET) for name in self.spec.targets]
        rows = [(*sample.inputs, *sample.targets) for sample in self.spec.samples]
        return [
            [
                Input(training.source(name, role), self.samples_row + p, self.RIGHT + 1 + k, row[k], name)
                for p, row in enumerate(rows)
            ]
            for k, (name, role) in enumerate(named)
        ]

    def inputs(self) -> Iterator[Input]:
        yield from self.rates
        yield from self.selectors
        yield from self.parameters
        for column in self.samples:
            yield from column

    def defined_names(self) -> Iterator[tuple[str, str]]:
        """Each input's name and its range; the values of several samples are one range."""
        for one in (*self.rates, *self.selectors, *self.parameters):
            yield one.name, self.at(OVERVIEW, one.row, one.column)
        for column in self.samples:
            yield column[0].name, self.span(OVERVIEW, column[0].row, column[0].column, len(column))

    @property
    def roles(self) -> list[Role]:
        """The roles that have columns, in column order."""
        return list(dict.fromkeys(cell.role for cell in self.shown))

    # Pages

    @cached_property
    def pages(self) -> dict[str, list[Line]]:
        forward = {
            Role.STEP, Role.RATE, Role.TARGET, Role.INPUT, Role.WEIGHT, Role.BIAS,
            Role.PRE_ACTIVATION, Role.ACTIVATION, Role.ERROR, Role.TOTAL_ERROR,
        }  # fmt: skip
        backward = {Role.LOCAL, Role.UPSTREAM, Role.DELTA, Role.GRADIENT}
        members: dict[str, list[Cell]] = {page: [] for page in PAGES}
        for cell in self.page:
            first_pass = cell.name in self.table and cell.role in forward
            members[FORWARD if first_pass else BACKWARD if cell.role in backward else NEXT_FORWARD].append(cell)
        if self.spec.update == "sequential":  # an updated weight takes part in the backward pass
            used = [cell for cell in members[NEXT_FORWARD] if cell.role is Role.UPDATED and cell.name in self.table]
            members[BACKWARD] = [cell for cell in self.page if cell in members[BACKWARD] or cell in used]
            members[NEXT_FORWARD] = [cell for cell in members[NEXT_FORWARD] if cell not in used]
        return {page: self._lines(cells) for page, cells in members.items()}

    def _lines(self, cells: list[Cell]) -> list[Line]:
        lines: list[Line] = []
        row, last = self.PAGE_FIRST_ROW, ""
        for cell in cells:
            if (heading := HEADINGS[cell.role]) != last:
                row += 1 if lines else 0
                lines.append(Line(row, None, heading))
                row, last = row + 1, heading
            lines.append(Line(row, cell))
            row += 1
        return lines

    @cached_property
    def page_cells(self) -> dict[str, tuple[str, int]]:
        """For each quantity on a page, its sheet and row."""
        return {line.cell.name: (page, line.row) for page, lines in self.pages.items() for line in lines if line.cell}

    # Runs: everything that is calculated

    def runs(self) -> Iterator[Run]:
        steps = self.spec.steps + 1
        for rate, sheet in enumerate(self.sheets):
            yield Run(sheet, *self.RATE_CELL, RATE, Kind.COPY, rate, 0)
            for name, column in self.columns.items():
                yield Run(sheet, self.FIRST_ROW, column, name, Kind.TABLE, rate, 0, steps)
        yield Run(COMPARE, self.COMPARE_HEADER_ROW + 1, 0, training.STEP, Kind.COPY, 0, 0, steps)
        for rate, result in enumerate(self.rates):
            yield Run(COMPARE, self.COMPARE_HEADER_ROW, 1 + rate, RATE, Kind.COPY, rate, 0)
            yield Run(COMPARE, self.COMPARE_HEADER_ROW + 1, 1 + rate, total_error(), Kind.COPY, rate, 0, steps)
            yield Run(OVERVIEW, result.row, 2, total_error(), Kind.COPY, rate, 0)
            yield Run(OVERVIEW, result.row, 3, total_error(), Kind.COPY, rate, self.spec.steps)
            yield Run(OVERVIEW, result.row, 4, RISES, Kind.COPY, rate, None)
        for page in PAGES:
            yield Run(page, self.SHOWN_ROW, 1, training.STEP, Kind.COPY, None, None)
            yield Run(page, self.SHOWN_ROW, 3, RATE, Kind.COPY, None, None)
        for name, (page, row) in self.page_cells.items():
            yield Run(page, row, self.PAGE_VALUE, name, Kind.PAGE, None, None)

    # Formulas

    def at(self, sheet: str, row: int, column: int) -> str:
        return in_sheet(sheet, absolute(row, column))

    def span(self, sheet: str, row: int, column: int, count: int) -> str:
        return self.at(sheet, row, column) + (f":{absolute(row + count - 1, column)}" if count > 1 else "")

    def table_span(self, rate: int, name: str, start: int = 0, stop: int | None = None) -> str:
        """The cells of a quantity in a training table, from step `start` to before `stop`."""
        stop = self.spec.steps + 1 if stop is None else stop
        return self.span(self.sheets[rate], self.FIRST_ROW + start, self.columns[name], stop - start)

    def table_formula(self, expr: Expr, row: int) -> str:
        """The formula of a training table's cell in that row, without its `=`."""

        def resolve(ref: Ref | Prev) -> str:
            if ref.name == RATE:
                return absolute(*self.RATE_CELL)
            if ref.name not in self.columns:
                return ref.name
            return cell_name(row - isinstance(ref, Prev), self.columns[ref.name])

        return worksheet(expr, resolve)

    def page_formula(self, cell: Cell, page: str) -> str:
        """The formula of a page's value: what it is calculated from, or picked from the shown table's row."""
        if cell.name == RATE:
            return self.rate_shown_formula
        if cell.expr is None:
            columns = [self.table_span(rate, cell.name) for rate in range(len(self.sheets))]
            return f"INDEX({_choice(columns)},{STEP_SHOWN}+1)"
        return worksheet(cell.expr, lambda ref: self.page_address(ref.name, page))

    def page_address(self, name: str, page: str, column: int = PAGE_VALUE) -> str:
        sheet, row = self.page_cells[name]
        address = cell_name(row, column)
        return address if sheet == page else in_sheet(sheet, address)

    @property
    def rate_shown_formula(self) -> str:
        return _choice([one.name for one in self.rates])

    def error_formula(self, rate: int, step: int) -> str:
        return self.table_span(rate, total_error(), step, step + 1)

    def rises_formula(self, rate: int) -> str:
        """How many visits to a sample found a larger error than the visit before."""
        lag, stop = len(self.spec.samples), self.spec.steps + 1
        if lag >= stop:  # no sample is visited twice
            return "0"
        after, before = self.table_span(rate, total_error(), lag), self.table_span(rate, total_error(), 0, stop - lag)
        return f"SUMPRODUCT(1*(SIGN({after}-{before})>0))"  # SIGN: differences below 1e-15 count too

    def compare_formula(self, rate: int, name: str, step: int) -> str:
        return in_sheet(self.sheets[rate], cell_name(self.FIRST_ROW + step, self.columns[name]))

    def run_formula(self, run: Run, k: int) -> str:
        """The formula, without its `=`, of the k-th cell of a run."""
        if run.kind is Kind.TABLE:
            cell = self.table[run.name]
            expr = cell.first if k == 0 and cell.first is not None else cell.expr
            assert expr is not None
            return self.table_formula(expr, run.row + k)
        if run.kind is Kind.PAGE:
            return self.page_formula(self.page[run.name], run.sheet)
        if run.rate is None:
            return self.rate_shown_formula if run.name == RATE else STEP_SHOWN
        if run.name == RATE:
            return self.rates[run.rate].name
        if run.name == RISES:
            return self.rises_formula(run.rate)
        assert run.step is not None
        if run.sheet == COMPARE:
            return self.compare_formula(run.rate, run.name, run.step + k)
        return self.error_formula(run.rate, run.step)


def _choice(options: list[str]) -> str:
    """The option of the rate shown."""
    return f"CHOOSE({RATE_SHOWN},{','.join(options)})"


HEADINGS = {
    Role.STEP: "What the step starts from",
    Role.RATE: "What the step starts from",
    Role.TARGET: "What the step starts from",
    Role.INPUT: "What the step starts from",
    Role.WEIGHT: "Weights of this step",
    Role.BIAS: "Weights of this step",
    Role.PRE_ACTIVATION: "Units",
    Role.ACTIVATION: "Units",
    Role.ERROR: "Error",
    Role.TOTAL_ERROR: "Error",
    Role.LOCAL: "Chain rule, from the error back",
    Role.UPSTREAM: "Chain rule, from the error back",
    Role.DELTA: "Chain rule, from the error back",
    Role.GRADIENT: "Gradients",
    Role.UPDATED: "Updated weights",
    Role.CHANGE: "What the step did to the error",
}
