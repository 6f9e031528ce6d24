"""Charts that do not show what they seem to: rows of the table missing, a header or a first value swallowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from xlbackprop.audit.book import Book, Chart, Series
from xlbackprop.audit.cells import COLUMNS, ROWS, Place, Range, Sheet
from xlbackprop.audit.formula import Area, FormulaError, Ref, parse
from xlbackprop.audit.report import Warning
from xlbackprop.audit.tables import Table
from xlbackprop.sheet.address import absolute, cell_name, in_sheet

Span = tuple[int, int]  # the first and the last of cells in a line

ROWS_KIND, HEADER_KIND, FIRST_KIND = "chart-rows", "chart-header", "chart-first-value"


def chart_warnings(book: Book, tables: list[Table]) -> list[Warning]:
    """What is wrong with the ranges of the charts that show a table's columns."""
    return [warning for chart in book.charts for warning in _chart(book, tables, chart)]


def missing(shown: Span, lane: Span) -> Span:
    """How many cells of a lane a series leaves out at its start and at its end."""
    return max(0, shown[0] - lane[0]), max(0, lane[1] - shown[1])


def area_of(text: str | None, sheet: str) -> tuple[str, Range] | None:
    """The sheet and the ends of a reference; None for what is more than one range, or none."""
    try:
        tree = parse(text or "")
    except (FormulaError, RecursionError):
        return None
    first, last = (tree.first, tree.last) if isinstance(tree, Area) else (tree, tree)
    if not isinstance(first, Ref) or not isinstance(last, Ref):
        return None
    ends = (max(first.row, 0), max(first.column, 0), *_end(last))
    return first.sheet or sheet, ends


def _end(last: Ref) -> Place:
    """A reference to whole columns ends with the sheet."""
    return ROWS - 1 if last.row < 0 else last.row, COLUMNS - 1 if last.column < 0 else last.column


def _chart(book: Book, tables: list[Table], chart: Chart) -> Iterator[Warning]:
    shown = [(series, found) for series in chart.series if (found := _lane(tables, chart, series)) is not None]
    counts = Counter((id(table), lane) for _, (table, lane, _) in shown)
    for series, (table, lane, span) in shown:
        if counts[id(table), lane] == 1:  # else several series share the lane
            for kind, says in _faults(book.sheets[table.sheet], chart, series, table, lane, span):
                at = "" if chart.anchor is None else cell_name(*chart.anchor)
                yield Warning(chart.sheet, at, kind, says)


def _lane(tables: list[Table], chart: Chart, series: Series) -> tuple[Table, int, Span] | None:
    """The one lane whose cells a series shows, and the part of its line that it takes."""
    area = area_of(series.values, chart.sheet)
    if area is None:
        return None
    sheet, (row, column, last_row, last_column) = area
    result = []
    for table in tables:
        if table.sheet != sheet or table.steps < 2:
            continue
        line, end, span = (
            (column, last_column, (row, last_row)) if table.vertical else (row, last_row, (column, last_column))
        )
        for lane, one in enumerate(table.columns):
            first, last = _span(table, lane)
            on_line = one.places[0][1 if table.vertical else 0] == line == end
            if on_line and span[0] <= last and span[1] >= first:
                result.append((table, lane, span))
    return result[0] if len(result) == 1 else None


def _span(table: Table, lane: int) -> Span:
    along = 0 if table.vertical else 1
    places = table.columns[lane].places
    return places[0][along], places[-1][along]


def _faults(
    sheet: Sheet, chart: Chart, series: Series, table: Table, lane: int, span: Span
) -> Iterator[tuple[str, str]]:
    places = table.columns[lane].places
    title = f'"{chart.title}"' if chart.title else "the chart"
    right = f"{absolute(*places[0])}:{absolute(*places[-1])}"
    cure = f"; its values should be {in_sheet(table.sheet, right)}"
    name = area_of(series.name, chart.sheet) if series.name_is_reference else None
    names_value = name == (table.sheet, (*places[0], *places[0]))
    before, after = missing(span, _span(table, lane))
    rows = "rows" if table.vertical else "columns"
    if names_value:
        first = cell_name(*places[0])
        yield FIRST_KIND, f"{title} takes the first value ({first}) for the name of its series{cure}"
    if (header := _header_in(sheet, table, lane, span)) is not None:
        yield HEADER_KIND, f"{title} shows the header ({cell_name(*header)}) as a value{cure}"
    if before and not (names_value and before == 1):
        gone = _cells(places[:before])
        yield ROWS_KIND, f"{title} leaves out the first {_count(before, rows)} of the table ({gone}){cure}"
    if after:
        gone = _cells(places[-after:])
        yield ROWS_KIND, f"{title} leaves out the last {_count(after, rows)} of the table ({gone}){cure}"


def _cells(places: tuple[Place, ...]) -> str:
    first, last = cell_name(*places[0]), cell_name(*places[-1])
    return first if len(places) == 1 else f"{first}:{last}"


def _header_in(sheet: Sheet, table: Table, lane: int, span: Span) -> Place | None:
    """The text before the first step that a series has among its values."""
    row, column = table.columns[lane].places[0]
    start = _span(table, lane)[0]
    for at in range(start - 1, max(span[0], 0) - 1, -1):
        place = (at, column) if table.vertical else (row, at)
        cell = sheet.cells.get(place)
        if cell is not None and isinstance(cell.value, str) and cell.formula is None:
            return place
    return None


def _count(number: int, rows: str) -> str:
    return rows.removesuffix("s") if number == 1 else f"{number} {rows}"
