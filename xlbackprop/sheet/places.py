"""Places: which quantity stands in which cell of which sheet.

A workbook is vertical runs of cells: a column of a training table, a line of a page and a
result on Overview are all a `Run`, one quantity over consecutive steps. The writer fills the
runs with formulas and verify reads them back; neither knows where anything stands but from here.
Rows and columns count from 0, as in XlsxWriter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from xlbackprop.errors import NetworkError
from xlbackprop.graph import training
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.sheet import levels, rows
from xlbackprop.sheet.address import absolute, in_sheet
from xlbackprop.sheet.checks import CHECKS, Checks
from xlbackprop.sheet.rows import TableRows
from xlbackprop.spec import Spec, total_error
from xlbackprop.spec import names as naming
from xlbackprop.spec.checks import MAX_COLUMNS
from xlbackprop.spec.names import RATE, STEP, VISIT

OVERVIEW, COMPARE, NETWORK_FILE = "Overview", "Compare", "Network file"
NETWORK_FIRST_ROW = 3  # of the sheet of that name: where the lines of the network file begin
DRAWN, EPOCHS = "Drawn", "Epochs"
FORWARD, BACKWARD, NEXT_FORWARD = "Forward", "Backward", "Next forward"
PAGES = (FORWARD, BACKWARD, NEXT_FORWARD)
STEP_SHOWN, RATE_SHOWN = "step_shown", "rate_shown"
BATCH_FIRST, BATCH_LAST = "batch_first", "batch_last"  # rows of the batch shown, counted from 1
RISES = "rises"  # how many visits to a sample found a larger error than the visit before
EPOCH, EPOCH_ERROR = "epoch", "average loss"


class Kind(Enum):
    TABLE = "calculated in a training table"
    DRAWN = "drawn at random when the workbook was made"
    COPY = "shows a number that stands in a table or in an input"
    PAGE = "calculated on a page, for the step shown"
    CHECK = "calculated on Checks, for the step shown"
    OTHER = "of another sample of the batch shown, on Checks"


@dataclass(frozen=True, slots=True)
class Run:
    """Cells below (row, column): the quantity from `step` on (a number of its values), at the rate of that index.

    `offsets` are the rows of the cells below the first place, one after the other if None.
    """

    sheet: str
    row: int
    column: int
    name: str
    kind: Kind
    rate: int | None  # None: the rate shown
    step: int | None  # None: the step shown
    count: int = 1
    offsets: tuple[int, ...] | None = None

    def place(self, k: int) -> tuple[str, int, int]:
        """Sheet, row and column of the k-th cell."""
        return self.sheet, self.rows[k], self.column

    @property
    def rows(self) -> Sequence[int]:
        """The row of each cell."""
        if self.offsets is None:
            return range(self.row, self.row + self.count)
        return [self.row + offset for offset in self.offsets]


@dataclass(frozen=True, slots=True)
class Input:
    """A cell that the user may change, with its defined name (or its place in a list of that name)."""

    name: str
    row: int
    column: int
    value: float
    label: str
    note: str = ""
    sheet: str = OVERVIEW


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page: a quantity with its formula, or a heading."""

    row: int
    cell: Cell | None
    heading: str = ""


class Places:
    """Where everything of a spec's workbook stands."""

    # Training tables
    RATE_CELL = rows.RATE_CELL
    BAND_ROW, HEADER_ROW, FIRST_ROW = 3, 4, rows.FIRST_ROW
    # Overview
    STATUS_ROW = 3
    RATES_ROW = 8
    CHART_ROWS = 17
    RIGHT = 7  # the column where the links to the sheets, the legend and the samples begin
    LINKS_ROW = 7
    LEGEND_ROW = 13
    # Pages and Compare
    PAGE_FIRST_ROW = 4
    PAGE_PLUGGED, PAGE_VALUE, PAGE_ROUNDED = 3, 4, 5
    SHOWN_ROW = 1
    COMPARE_HEADER_ROW = 3

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.table: Program = training.table(spec)
        self.page: Program = training.page(spec)
        self.checks = Checks(spec, training.training(spec))
        self.batches = spec.batches
        self.table_rows = TableRows(self.table, spec.batches)
        self.shown, self.columns = self.table_rows.shown, self.table_rows.columns
        if len(self.shown) > MAX_COLUMNS:
            raise NetworkError(
                f"layers: the table needs {len(self.shown):,} columns and a sheet has {MAX_COLUMNS:,}; "
                "use fewer units, channels or places"
            )
        self.sheets = [f"η={rate!r}" for rate in spec.rates]

    @cached_property
    def left(self) -> frozenset[Role]:
        """The roles whose cells are left to be filled; none in a worked workbook."""
        return levels.left_roles(self.spec)

    @cached_property
    def table_now(self) -> Program:
        """What a new workbook calculates: the table with 0 for what is left to be filled."""
        return levels.while_empty(self.table, self.left) if self.left else self.table

    @cached_property
    def page_now(self) -> Program:
        return levels.while_empty(self.page, self.left) if self.left else self.page

    def left_in_table(self, cell: Cell, visit: int) -> bool:
        return bool(self.left) and levels.is_left(self.left, cell.role, self.table_rows.expr(cell, visit))

    def left_on_page(self, name: str) -> bool:
        return levels.is_left(self.left, self.page[name].role, self.page[name].expr)

    @property
    def all_sheets(self) -> list[str]:
        """From left to right."""
        more = [*([EPOCHS] if self.epochs else []), *([DRAWN] if self.drawn else [])]
        checks = [CHECKS] if self.spec.level == "worked" else []  # they hold the answers
        return [OVERVIEW, *PAGES, *self.sheets, COMPARE, *checks, *more, NETWORK_FILE]

    @property
    def last_row(self) -> int:
        """A training table's last row."""
        return self.FIRST_ROW + self.batches.visits - 1

    @property
    def error(self) -> str:
        """What the training makes small, a number a step: the total error, or that of the batch."""
        return naming.batch_error() if self.batches.several else total_error()

    @property
    def epochs(self) -> int:
        """Whole passes over several samples; none over a single one."""
        return self.batches.visits // self.batches.samples if self.batches.samples > 1 else 0

    # Inputs: all on Overview, but for the steps of Checks

    @cached_property
    def rates(self) -> list[Input]:
        return [
            Input(f"rate_{k + 1}", self.RATES_ROW + k, 1, rate, f"rate {k + 1}")
            for k, rate in enumerate(self.spec.rates)
        ]

    @cached_property
    def selectors(self) -> list[Input]:
        row = self.RATES_ROW + len(self.spec.rates) + 2
        last = self.batches.visits - 1
        what = VISIT if self.batches.several else STEP
        return [
            Input(STEP_SHOWN, row, 1, 0, what, f"0 to {last}"),
            Input(RATE_SHOWN, row + 1, 1, 1, "rate number", f"1 to {len(self.spec.rates)}: a line of the table above"),
        ]

    @cached_property
    def shown_batch(self) -> dict[str, int]:
        """Where the first and last row of the shown row's batch are calculated, if batches have several."""
        row = self.selectors[-1].row
        return {BATCH_FIRST: row + 1, BATCH_LAST: row + 2} if self.batches.several else {}

    @property
    def chart_row(self) -> int:
        return self.selectors[-1].row + 2 + len(self.shown_batch)

    @cached_property
    def parameters(self) -> list[Input]:
        first = self.chart_row + self.CHART_ROWS + 3
        return [
            Input(naming.start_name(name), first + k, 1, value, name, self.table[name].note)
            for k, (name, value, _) in enumerate(self.spec.parameters())
        ]

    @property
    def samples_row(self) -> int:
        return self.LEGEND_ROW + len(self.roles) + (4 if self.left else 3)

    @cached_property
    def samples(self) -> list[list[Input]]:
        """For each quantity of a sample, its column of values."""
        named = [*map(naming.input_source, self.spec.inputs), *map(naming.target_source, self.spec.targets)]
        labels = (*self.spec.inputs, *self.spec.targets)
        values = [(*sample.inputs, *sample.targets) for sample in self.spec.samples]
        return [
            [Input(name, self.samples_row + p, self.RIGHT + 1 + k, row[k], label) for p, row in enumerate(values)]
            for k, (name, label) in enumerate(zip(named, labels))
        ]

    @cached_property
    def statistics(self) -> dict[str, tuple[int, int]]:
        """Where the mean and standard deviation of each input stand, if inputs are normalised."""
        if not self.spec.normalize:
            return {}
        row = self.samples_row + len(self.spec.samples)
        columns = [(name, self.RIGHT + 1 + k) for k, name in enumerate(self.spec.inputs)]
        means = {naming.mean_name(name): (row, column) for name, column in columns}
        return means | {naming.deviation_name(name): (row + 1, column) for name, column in columns}

    @property
    def picture_place(self) -> tuple[int, int]:
        """Where the heading of the network's picture stands: below the samples, and right of all that grows down."""
        return self.samples_row + len(self.spec.samples) + (2 if self.statistics else 0) + 2, self.RIGHT

    @cached_property
    def drawn(self) -> dict[str, tuple[float, ...]]:
        """What was drawn for every visit, in the columns of its sheet."""
        order = self.spec.order
        return ({} if order is None else {naming.SAMPLE: tuple(k + 1.0 for k in order)}) | self.spec.drawn

    @cached_property
    def check_steps(self) -> list[Input]:
        steps = ((naming.EPSILON, 1e-5, "ε ="), (naming.H, 1e-100, "h ="))
        places = [(Checks.STEPS_ROW + k, *step) for k, step in enumerate(steps) if self.checks.programs]
        return [Input(name, row, 1, value, label, "", CHECKS) for row, name, value, label in places]

    def inputs(self) -> Iterator[Input]:
        yield from self.rates
        yield from self.selectors
        yield from self.parameters
        for column in self.samples:
            yield from column
        yield from self.check_steps

    def defined_names(self) -> Iterator[tuple[str, str]]:
        """Each input's name and its range; the values of several samples are one range."""
        for one in (*self.rates, *self.selectors, *self.parameters, *self.check_steps):
            yield one.name, self.at(one.sheet, one.row, one.column)
        for column in self.samples:
            yield column[0].name, self.span(OVERVIEW, column[0].row, column[0].column, len(column))
        for name, (row, column_of) in self.statistics.items():
            yield name, self.at(OVERVIEW, row, column_of)
        for name, row in self.shown_batch.items():
            yield name, self.at(OVERVIEW, row, 1)
        for k, name in enumerate(self.drawn):
            span = self.span(DRAWN, self.COMPARE_HEADER_ROW + 1, 1 + k, self.batches.visits)
            yield naming.drawn_source(name), span

    @property
    def roles(self) -> list[Role]:
        """The roles that have columns, in column order."""
        return list(dict.fromkeys(cell.role for cell in self.shown))

    # Pages

    @cached_property
    def pages(self) -> dict[str, list[Line]]:
        forward = {Role.RATE, *training.TABLE_FORWARD}
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
        for rate, sheet in enumerate(self.sheets):
            yield Run(sheet, *self.RATE_CELL, RATE, Kind.COPY, rate, 0)
            for name, column in self.columns.items():
                visits = self.table_rows.visits(name)
                offsets = None if isinstance(visits, range) else visits
                yield Run(sheet, self.FIRST_ROW, column, name, Kind.TABLE, rate, 0, len(visits), offsets)
        yield from self._comparisons()
        for name, (row, column) in self.statistics.items():
            yield Run(OVERVIEW, row, column, name, Kind.COPY, None, None)
        for name, row in self.shown_batch.items():
            yield Run(OVERVIEW, row, 1, name, Kind.COPY, None, None)
        for k, name in enumerate(self.drawn):
            first = self.COMPARE_HEADER_ROW + 1
            yield Run(DRAWN, first, 1 + k, name, Kind.DRAWN, None, 0, self.batches.visits)
        for page in (*PAGES, *([CHECKS] if self.checks.programs else [])):
            yield Run(page, self.SHOWN_ROW, 1, self.selectors[0].label, Kind.COPY, None, None)
            yield Run(page, self.SHOWN_ROW, 3, RATE, Kind.COPY, None, None)
        for name, (page, row) in self.page_cells.items():
            yield Run(page, row, self.PAGE_VALUE, name, Kind.PAGE, None, None)
        for row, column, name, offsets in self.checks.places():
            yield Run(CHECKS, row, column, name, Kind.CHECK, None, None, len(offsets), offsets)
        for name, column in self.checks.others_columns.items():
            yield Run(CHECKS, self.checks.others_row, column, name, Kind.OTHER, None, None, len(self.checks.rows))
        if self.checks.programs:
            yield Run(OVERVIEW, self.STATUS_ROW, 0, naming.DISAGREE, Kind.CHECK, None, None)

    def _comparisons(self) -> Iterator[Run]:
        header, steps = self.COMPARE_HEADER_ROW, self.batches.steps + 1
        yield Run(COMPARE, header + 1, 0, STEP, Kind.COPY, 0, 0, steps)
        for rate, result in enumerate(self.rates):
            yield Run(COMPARE, header, 1 + rate, RATE, Kind.COPY, rate, 0)
            yield Run(COMPARE, header + 1, 1 + rate, self.error, Kind.COPY, rate, 0, steps)
            yield Run(OVERVIEW, result.row, 2, self.error, Kind.COPY, rate, 0)
            yield Run(OVERVIEW, result.row, 3, self.error, Kind.COPY, rate, self.batches.steps)
            yield Run(OVERVIEW, result.row, 4, RISES, Kind.COPY, rate, None)
            if self.epochs:
                yield Run(EPOCHS, header, 1 + rate, RATE, Kind.COPY, rate, 0)
                yield Run(EPOCHS, header + 1, 1 + rate, EPOCH_ERROR, Kind.COPY, rate, 0, self.epochs)

    def at(self, sheet: str, row: int, column: int) -> str:
        return in_sheet(sheet, absolute(row, column))

    def span(self, sheet: str, row: int, column: int, count: int) -> str:
        return self.at(sheet, row, column) + (f":{absolute(row + count - 1, column)}" if count > 1 else "")


HEADINGS = {
    Role.STEP: "What the step starts from",
    Role.RATE: "What the step starts from",
    Role.TARGET: "What the step starts from",
    Role.INPUT: "What the step starts from",
    Role.WEIGHT: "Weights of this step",
    Role.BIAS: "Weights of this step",
    Role.MASK: "What the step starts from",
    Role.PART: "Units",
    Role.UNIT: "Units",
    Role.PRE_ACTIVATION: "Units",
    Role.ACTIVATION: "Units",
    Role.ERROR: "Error",
    Role.TOTAL_ERROR: "Error",
    Role.LOCAL: "Chain rule, from the error back",
    Role.UPSTREAM: "Chain rule, from the error back",
    Role.DELTA: "Chain rule, from the error back",
    Role.GRADIENT: "Gradients",
    Role.BATCH_ERROR: "Error of the batch",
    Role.BATCH_GRADIENT: "Gradients of the batch",
    Role.STATE: "What the optimiser keeps",
    Role.UPDATED: "Updated weights",
    Role.CHANGE: "What the step did to the error",
}
