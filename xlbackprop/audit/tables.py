"""Find the training tables of a sheet: by the recurrence of their updates, by their headers, or as a form.

A table is a number of steps, and lanes: a lane is the place of one quantity at each step. Steps
go down the sheet or to the right; a form (label left, value right) is a table of one step. From
here on nobody needs to know which it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from xlbackprop.audit.cells import Cell, Sheet
from xlbackprop.audit.labels import NOTHING, Kind, Label, read_label
from xlbackprop.audit.references import Formulas

Place = tuple[int, int]  # row and column of a cell, from 0

MOST_LANES = 4096
_HEADER_REACH = 6  # lines above the first step in which a header may stand
_GAP = 3  # overwritten cells in a row that do not end a table
_FEWEST_LABELS = 4
_FEWEST_LANES = 3  # a weight, an activation and a gradient
_ENOUGH_LABELS = 8  # known ones with which nobody asks whether the steps go to the right


@dataclass(frozen=True, slots=True)
class Column:
    """One lane as it stands in the sheet."""

    label: str
    places: tuple[Place, ...]

    @property
    def read(self) -> Label:
        return read_label(self.label)


@dataclass(frozen=True)
class Table:
    sheet: str
    columns: tuple[Column, ...]
    steps: int
    vertical: bool = True
    where: dict[Place, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for lane, column in enumerate(self.columns):
            for step, place in enumerate(column.places):
                self.where[place] = (lane, step)

    @property
    def first_row(self) -> int:
        return min(row for column in self.columns for row, _ in column.places)

    @property
    def last_row(self) -> int:
        return max(row for column in self.columns for row, _ in column.places)


class _Grid:
    """A sheet, or the same turned so that its rows are columns; `line` is across the steps."""

    def __init__(self, sheet: Sheet, formulas: Formulas, vertical: bool) -> None:
        self.sheet, self.formulas, self.vertical = sheet, formulas, vertical
        self.cells: dict[Place, Cell] = (
            sheet.cells if vertical else {(column, row): cell for (row, column), cell in sheet.cells.items()}
        )
        self.columns: dict[int, list[int]] = defaultdict(list)
        for row, column in sorted(self.cells):
            self.columns[column].append(row)

    def place(self, row: int, column: int) -> Place:
        return (row, column) if self.vertical else (column, row)

    def refs(self, row: int, column: int) -> list[Place]:
        """The cells of this sheet that a cell's formula refers to, ranges by their ends."""
        if (row, column) not in self.cells:
            return []
        place = self.place(row, column)
        found = self.formulas.near(self.sheet, place)
        return found if self.vertical else [(c, r) for r, c in found]

    def passes_on(self, row: int, column: int) -> bool:
        """Whether a cell is nothing but another: `=$B$5`."""
        formula = self.cells[row, column].formula
        return formula is not None and self.formulas.is_reference(formula)

    def is_label(self, row: int, column: int) -> bool:
        cell = self.cells.get((row, column))
        return cell is not None and cell.formula is None and isinstance(cell.value, str)

    def has_value(self, row: int, column: int) -> bool:
        cell = self.cells.get((row, column))
        return cell is not None and (cell.formula is not None or not isinstance(cell.value, str))


def find_tables(sheet: Sheet, formulas: Formulas) -> list[Table]:
    """The tables of a sheet, from top to bottom and from left to right."""
    down = _Grid(sheet, formulas, vertical=True)
    tables = list(_recurrent(down))
    if _known(tables) < _ENOUGH_LABELS:
        tables = max(tables, list(_recurrent(_Grid(sheet, formulas, vertical=False))), key=_known)
    taken = {place for table in tables for place in table.where}
    tables += _headed(down, taken)
    if not tables:
        tables += _form(down)
    return sorted(tables, key=lambda table: min(table.where))


def _known(tables: list[Table]) -> int:
    """How many different quantities the labels of one of the tables name."""
    names = ({column.read.quantity for column in table.columns if column.read != NOTHING} for table in tables)
    return max(map(len, names), default=0)


# Tables whose weights are updated from the line above.


def _recurrent(grid: _Grid) -> Iterator[Table]:
    runs = list(_runs(grid))
    if not runs or len({column for column, _, _ in runs}) > MOST_LANES:
        return
    taken: set[tuple[int, int]] = set()  # runs that have found their table
    for column, first, last in sorted(runs, key=lambda run: (run[1] - run[2], run[0])):
        if (column, first) in taken:
            continue
        columns = _connected(grid, column, first, last)
        together = [run for run in runs if run[0] in columns and run[1] <= last and run[2] >= first]
        taken.update((run[0], run[1]) for run in together)
        starts = Counter(run[1] for run in together)
        start = min(starts, key=lambda row: (-starts[row], row)) - 1
        end = max(run[2] for run in together)
        if table := _table(grid, columns, start, end):
            yield table


def _runs(grid: _Grid) -> Iterator[tuple[int, int, int]]:
    """(column, first row, last row) of the cells that are updated from the row above."""
    for column, rows in grid.columns.items():
        first = last = -1
        for row in rows:
            if not _is_update(grid, row, column):
                continue
            if first >= 0 and row - last > _GAP + 1:
                yield column, first, last
                first = -1
            first, last = (row if first < 0 else first), row
        if first >= 0:
            yield column, first, last


def _is_update(grid: _Grid, row: int, column: int) -> bool:
    """Whether the cell is made of its own column one row up and of something else of that row or above."""
    cell = grid.cells[row, column]
    if cell.formula is None:
        return False
    refs = grid.refs(row, column)
    if (row - 1, column) in refs:
        others = any(r <= row - 1 and c != column and grid.has_value(r, c) for r, c in refs)
        return others and grid.has_value(row - 1, column)
    if len(refs) == 1 and refs[0][0] == row - 1 and grid.has_value(*refs[0]):
        return (row - 1, column) in grid.refs(*refs[0]) and len(grid.refs(*refs[0])) > 1
    return False


def _connected(grid: _Grid, column: int, first: int, last: int) -> set[int]:
    """The columns that the updates need, and those that are calculated from these in their own rows."""
    found: set[int] = set()
    for row in {first, (first + last) // 2, last}:
        waiting = [(row, column), (row - 1, column)]
        seen: set[Place] = set()
        while waiting:
            place = waiting.pop()
            if place in seen or not grid.has_value(*place):
                continue
            seen.add(place)
            near = [ref for ref in grid.refs(*place) if row - 1 <= ref[0] <= row]
            waiting += near
        columns = {c for _, c in seen}
        while new := _users(grid, row, columns) | _needed(grid, row, columns):
            columns |= new
        found |= columns
    return found


def _users(grid: _Grid, row: int, columns: set[int]) -> set[int]:
    """Other columns with formulas in a row that use one of these, of this row or the one above."""
    return {
        column
        for column in grid.columns
        if column not in columns
        and (cell := grid.cells.get((row, column))) is not None
        and cell.formula is not None
        and any(r in (row, row - 1) and c in columns for r, c in grid.refs(row, column))
    }


def _needed(grid: _Grid, row: int, columns: set[int]) -> set[int]:
    """The columns that these use in a row, and those that these use, and so on."""
    found: set[int] = set()
    waiting = [(row, column) for column in columns]
    while waiting:
        place = waiting.pop()
        if place in grid.cells and grid.cells[place].formula is not None:
            new = {c for r, c in grid.refs(*place) if r == row and grid.has_value(r, c)} - columns - found
            found |= new
            waiting += [(row, column) for column in new]
    return found


def _table(grid: _Grid, columns: set[int], start: int, end: int) -> Table | None:
    header = _header(grid, columns, start)
    if start < 0 or len(columns) > MOST_LANES:
        return None
    labels = {column: _label(grid, header, column) for column in columns}
    for column in _beside(grid, columns, header, start):
        labels.setdefault(column, _label(grid, header, column))
    if grid.has_value(start - 1, min(columns)) and header < start - 1 and header >= 0:
        start = max(header + 1, start - _GAP)
    end = _extended(grid, set(labels), start, end)
    rows = range(start, end + 1)
    for column in list(labels):  # a cell beside the table is no column of it
        if sum((row, column) in grid.cells for row in rows) * 2 < len(rows) > 2:
            del labels[column]
    if len(labels) < _FEWEST_LANES:
        return None
    lanes = tuple(Column(labels[column], tuple(grid.place(row, column) for row in rows)) for column in sorted(labels))
    return Table(grid.sheet.name, lanes, len(rows), grid.vertical)


def _header(grid: _Grid, columns: set[int], start: int) -> int:
    """The row above the first step with the most labels that we know; -1 if there is none."""

    def known(row: int) -> tuple[int, int, int]:
        texts = [grid.cells[row, column].value for column in columns if grid.is_label(row, column)]
        return sum(read_label(str(text)).kind is not Kind.OTHER for text in texts), len(texts), row

    rows = [row for row in range(max(0, start - _HEADER_REACH), start + 1) if known(row)[1]]
    return max(rows, key=known, default=-1)


def _label(grid: _Grid, header: int, column: int) -> str:
    return str(grid.cells[header, column].value) if grid.is_label(header, column) else ""


def _beside(grid: _Grid, columns: set[int], header: int, start: int) -> Iterator[int]:
    """Columns with a label that we know, next to the others: targets of a loss that is calculated elsewhere."""
    known = {_quantity(grid, header, column) for column in columns}
    low, high = min(columns) - 3, max(columns) + 3
    for column in sorted(grid.columns):
        name = _quantity(grid, header, column)
        is_new = column not in columns and name and name not in known
        if is_new and low <= column <= high and any(grid.has_value(row, column) for row in (start, start + 1)):
            yield column


def _quantity(grid: _Grid, header: int, column: int) -> str:
    label = read_label(_label(grid, header, column)) if header >= 0 else read_label("")
    return "" if label.kind is Kind.OTHER else label.quantity


def _extended(grid: _Grid, columns: set[int], start: int, end: int) -> int:
    """The last row: a table whose rows stop being formulas goes on while most of its columns do."""
    last = end
    while sum(grid.has_value(last + 1, column) for column in columns) * 2 > len(columns):
        last += 1
    return last


# Tables that only their header gives away: typed ones, and those of one row.


def _headed(grid: _Grid, taken: set[Place]) -> Iterator[Table]:
    labels: dict[int, dict[int, Label]] = defaultdict(dict)
    for (row, column), cell in grid.cells.items():
        if cell.formula is None and isinstance(cell.value, str):
            label = read_label(cell.value)
            if label.kind not in (Kind.OTHER, Kind.STEP, Kind.RATE):
                labels[row][column] = label
    below: set[int] = set()
    for row in sorted(labels):
        for columns in _segments(labels[row]):
            kinds = {labels[row][column].kind for column in columns}
            if len(columns) < _FEWEST_LABELS or len(kinds) < 3 or row in below:
                continue
            if any((r, c) in taken for c in columns for r in range(row + 1, row + _HEADER_REACH)):
                continue
            start = next((r for r in (row + 1, row + 2) if _filled(grid, columns, r) >= _FEWEST_LABELS), None)
            if start is None:
                continue
            last = start
            while _filled(grid, columns, last + 1) * 2 > _filled(grid, columns, start):
                last += 1
            below.update(range(row, last + 1))
            more = {c for r, c in _helpers(grid, [(start, c) for c in columns]) if r == start}
            together = sorted({*columns, *more})
            places = {c: tuple(grid.place(r, c) for r in range(start, last + 1)) for c in together}
            lanes = tuple(Column(_label(grid, row, c), places[c]) for c in together)
            yield Table(grid.sheet.name, lanes, last - start + 1, True)


def _segments(row: dict[int, Label]) -> Iterator[list[int]]:
    """The columns of a header row, cut where a quantity comes again: the next table begins."""
    names: set[str] = set()
    segment: list[int] = []
    for column in sorted(row):
        if row[column].quantity in names:
            yield segment
            names, segment = set(), []
        names.add(row[column].quantity)
        segment.append(column)
    yield segment


def _filled(grid: _Grid, columns: Iterable[int], row: int) -> int:
    return sum(grid.has_value(row, column) for column in columns)


# A page with a label left of each value.


def _form(grid: _Grid) -> Iterator[Table]:
    pairs: dict[str, tuple[str, Place]] = {}
    for (row, column), cell in sorted(grid.cells.items(), key=lambda item: (item[0][1], item[0][0])):
        if cell.formula is not None or not isinstance(cell.value, str):
            continue
        label = read_label(cell.value)
        if label.kind in (Kind.OTHER, Kind.STEP, Kind.RATE) or label.quantity in pairs:
            continue
        for right in (column + 1, column + 2):
            if grid.has_value(row, right):
                pairs[label.quantity] = (cell.value, (row, right))
                break
            if (row, right) in grid.cells and str(grid.cells[row, right].value).strip() not in ("=", ":", ""):
                break
    formulas = [place for _, place in pairs.values() if grid.cells[place].formula is not None]
    if len(pairs) >= 2 * _FEWEST_LABELS and len(formulas) >= _FEWEST_LABELS:
        labels = {place: label for label, place in pairs.values()}
        for place in _helpers(grid, list(labels)):
            row, column = place
            labels[place] = str(grid.cells[row, column - 1].value) if grid.is_label(row, column - 1) else ""
        lanes = tuple(Column(label, (place,)) for place, label in labels.items())
        yield Table(grid.sheet.name, lanes, 1)


def _helpers(grid: _Grid, places: list[Place]) -> list[Place]:
    """Other cells with formulas that these use, themselves or through others."""
    found: dict[Place, None] = {}
    waiting = list(places)
    while waiting and len(found) < MOST_LANES:
        for ref in grid.refs(*waiting.pop()):
            cell = grid.cells.get(ref)
            if cell is not None and cell.formula is not None and ref not in found and ref not in places:
                found[ref] = None
                waiting.append(ref)
    return [place for place in found if not grid.passes_on(*place)]
