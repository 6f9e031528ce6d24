"""Build: tables of functions as an .xlsx file, whole or not at all, the same bytes for the same file."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xlbackprop.curves.layout import ABOUT_ROW, Column, Layout, layouts
from xlbackprop.curves.spec import Functions, dumps
from xlbackprop.errors import NetworkError
from xlbackprop.graph.expr import Op
from xlbackprop.graph.ops import OPS
from xlbackprop.sheet import charts, styles
from xlbackprop.sheet.address import absolute, column_name, in_sheet
from xlbackprop.sheet.book import Progress, new_book, write_network_file
from xlbackprop.sheet.layout import NETWORK_FILE
from xlbackprop.sheet.printers import in_symbols, number
from xlbackprop.sheet.streamed import ExactSheet
from xlbackprop.sheet.values import page_values

Values = Mapping[str, Sequence[float]]  # of each column, by row

HINT = "Change any yellow cell: every number and curve of this sheet follows."
_DECIMALS, _TOO_WIDE = "0.000000", 1_000
_WIDTH, _HEADER_LINE = 11, 15  # characters, points
_PAGE = 245  # characters across that are still read when printed
_NUMBER = {"validate": "decimal", "criteria": "between", "minimum": -1e300, "maximum": 1e300}
_NUMBER |= {"error_message": "Type a number."}
_CHART = {"width": 560, "height": 380}  # pixels
_CHART_ACROSS = 82  # characters
_AXIS = {
    "name_font": {"bold": False},
    "major_gridlines": {"visible": True, "line": {"color": "#DDDDDD"}},
    "label_position": "low",
}


def build(functions: Functions, path: Path, progress: Progress = lambda phase: None) -> Path:
    """Write the workbook.

    Raises NetworkError for a number where a function has no value, OutputError where the file
    cannot be written; an earlier file then stays.
    """
    with new_book(path, functions.title) as (book, formats):
        _write(book, formats, functions, progress)
    return path


def _write(book: Any, formats: styles.Formats, functions: Functions, progress: Progress) -> None:
    for k, layout in enumerate(layouts(functions)):
        progress(f"building, sheet {k + 1} of {len(functions.tables)}")
        book.add_worksheet(layout.sheet, ExactSheet)
        title = f"{functions.title}: {layout.table.title}"
        write_sheet(book, formats, layout=layout, title=title, place=f"tables[{k}]")
    file = book.add_worksheet(NETWORK_FILE, ExactSheet)
    write_network_file(file, formats, dumps(functions), inputs="the other sheets have", what="file")


def write_sheet(book: Any, formats: styles.Formats, *, layout: Layout, title: str = "", place: str = "") -> None:
    """A table on the sheet of its name; `place` is where it stands in the file.

    Raises NetworkError for a number where a function has no value.
    """
    sheet, values = book.get_worksheet_by_name(layout.sheet), _values(layout, place)
    sheet.write_string(0, 0, title or layout.table.title, formats(styles.TITLE))
    _write_head(sheet, formats, layout)
    _write_headers(sheet, formats, layout)
    _write_body(sheet, formats, layout, values)
    if layout.table.curves:
        _write_charts(book, sheet, layout, values)


def _values(layout: Layout, place: str) -> Values:
    """The values that the cells carry, so that previews need no recalculation."""
    inputs = {one.name: one.value for one in layout.inputs}
    rows = [page_values(layout.program, layout.given(inputs, k)) for k in range(layout.table.count)]
    for column in layout.columns:
        for row in rows:
            if not math.isfinite(row[column.name]):
                at = f"{layout.table.argument} = {row.get(layout.table.argument, math.nan)!r}"
                raise NetworkError(f"{place}: {column.name} has no value at {at}; leave that number out")
    return {column.name: [row[column.name] + 0.0 for row in rows] for column in layout.columns}  # no -0


def _write_head(sheet: Any, formats: styles.Formats, layout: Layout) -> None:
    """Texts, what to do, and the line of inputs."""
    for k, text in enumerate(layout.texts):
        sheet.write_string(ABOUT_ROW + k, 0, text, formats(styles.SUBTITLE))
    right = f" The curves stand right of the table, from column {column_name(_chart_column(layout))} on."
    hint = HINT + (right if layout.table.curves else "")
    sheet.write_string(layout.hint_row, 0, hint, formats({"bold": True}))
    for one in layout.settings:
        sheet.write_string(one.row, one.column - 1, f"{one.name} =", formats({"align": "right"}))
    for one in layout.inputs:
        if one.link:
            sheet.write_formula(one.row, one.column, f"={one.link}", formats({}), one.value)
            continue
        sheet.write_number(one.row, one.column, one.value, formats(styles.INPUT))
        sheet.data_validation(one.row, one.column, one.row, one.column, _NUMBER)


def _write_headers(sheet: Any, formats: styles.Formats, layout: Layout) -> None:
    row, lines = layout.header_row, 1
    for k, column in enumerate(layout.columns):
        style = formats({**styles.header(column.cell.role), "text_wrap": True, "valign": "top"})
        text = _label(layout, column)
        if column.target:
            sheet.write_formula(row, k, f"={layout.label_formula(column)}", style, text)
        else:
            sheet.write_string(row, k, text, style)
        width = _width(layout, column)
        lines = max(lines, len(textwrap.wrap(text, width - 1)))
        sheet.set_column(k, k, width)
        note = _note(layout, column)
        size = {"x_scale": 2.2, "y_scale": max(0.5, 0.25 * len(textwrap.wrap(note, 45)))}
        sheet.write_comment(row, k, note, size)
    sheet.set_row(row, _HEADER_LINE * lines + 3)
    sheet.freeze_panes(layout.first_row, 1)
    styles.print_setup(sheet, row)
    sheet.fit_to_pages(math.ceil(_across(layout) / _PAGE), 0)
    sheet.repeat_columns(0)


def _across(layout: Layout) -> int:
    """Characters: the table and a chart beside it."""
    return sum(_width(layout, column) for column in layout.columns) + _CHART_ACROSS * layout.table.curves


def _width(layout: Layout, column: Column) -> int:
    """Characters: its label in two lines, no word broken."""
    text = _label(layout, column)
    return max(_WIDTH, len(text) // 2 + 2, max(map(len, text.split())) + 2)


def _label(layout: Layout, column: Column) -> str:
    if not column.target:
        return column.label
    target = dict(zip(layout.table.target_names, layout.table.targets))[column.target]
    return f"{layout.label_start(column)}{number(target)}"


def _note(layout: Layout, column: Column) -> str:
    """What stands in the column, in words and in symbols."""
    table, cell = layout.table, column.cell
    if cell.expr is None:
        return "From the first number to the last, at equal distances." if table.grid else "Numbers to try."
    formula = f"{cell.name} = {in_symbols(cell.expr)}"
    if not column.function:
        return formula
    if column.differentiated:
        return f"By how much {column.function} changes with {table.argument}, its derivative:\n{formula}"
    row = OPS.get(column.function)
    if row and row.stable and isinstance(cell.expr, Op):
        plain = in_symbols(Op(column.function, cell.expr.args))
        return f"{cell.name} = {plain}\nin the cells so that EXP cannot overflow:\n{in_symbols(cell.expr)}"
    return formula


def _write_body(sheet: Any, formats: styles.Formats, layout: Layout, values: Values) -> None:
    for column in layout.calculated:
        place = layout.place(column)
        body = styles.body(column.cell.role, first=bool(column.function) and not column.differentiated)
        style = formats({**body, "num_format": _DECIMALS} if column.cell.expr is not None else body)
        for k, value in enumerate(values[column.name]):
            sheet.write_formula(layout.first_row + k, place, f"={layout.formula(column, k)}", style, value)
    last = layout.first_row + layout.table.count - 1
    limits = {"criteria": "not between", "minimum": -_TOO_WIDE, "maximum": _TOO_WIDE}
    powers = {"type": "cell", **limits, "format": formats({"num_format": "0.000E+00"})}
    sheet.conditional_format(layout.first_row, 0, last, len(layout.columns) - 1, powers)


def _chart_column(layout: Layout) -> int:
    return len(layout.columns) + 1


def _write_charts(book: Any, sheet: Any, layout: Layout, values: Values) -> None:
    """The functions, and their derivatives beside them where that fits a page, else below."""
    table, across = layout.table, _across(layout)
    row, right = layout.first_row, 0
    for differentiated, title in ((False, table.title), (True, f"{table.title}: derivatives")):
        shown = [one for one in layout.columns if one.function and one.differentiated is differentiated]
        if shown:
            chart = _chart(book, layout, values, shown)
            chart.set_title({"name": title, "name_font": {"size": 12}, "overlay": False})
            limits = table.derivative_range if differentiated else None
            part = f", from {limits[0]:g} to {limits[1]:g}" if limits else ""
            name = f"derivative by {table.argument}{part}" if differentiated else "value"
            scale = {"min": limits[0], "max": limits[1]} if limits else {}
            chart.set_y_axis({**_AXIS, "name": name, **scale})
            sheet.insert_chart(row, _chart_column(layout), chart, {"x_offset": right})
            if across + _CHART_ACROSS <= _PAGE:
                right += _CHART["width"] + 20
            else:
                row += _CHART["height"] // 20 + 1


def _chart(book: Any, layout: Layout, values: Values, shown: Sequence[Column]) -> Any:
    """Lines over a grid, points over numbers that stand in no order; each named as its function."""
    is_grid = layout.table.grid is not None
    chart = charts.add_chart(book, "straight" if is_grid else "marker_only")
    chart.set_x_axis({**_AXIS, "name": layout.table.argument})
    chart.set_legend({"position": "bottom"})
    chart.set_size(_CHART)
    argument = layout.column(layout.table.argument)
    for k, column in enumerate(shown):
        colour = styles.LINE_COLOURS[k % len(styles.LINE_COLOURS)]
        dash = charts.DASHES[k // len(styles.LINE_COLOURS) % len(charts.DASHES)]
        name = layout.header_place(layout.value(column))
        marker = {"type": "circle", "size": 6, "fill": {"color": colour}, "border": {"color": colour}}
        line = {"line": {"color": colour, "width": 2, "dash_type": dash}, "marker": {"type": "none"}}
        chart.add_series(
            {
                "name_formula": f"={in_sheet(layout.sheet, absolute(*name[1:]))}",
                "categories": f"={_span(layout, argument)}",
                "values": f"={_span(layout, column)}",
                "categories_data": values[argument.name],
                "values_data": values[column.name],
                **(line if is_grid else {"marker": marker}),
            }
        )
    return chart


def _span(layout: Layout, column: Column) -> str:
    place, last = layout.place(column), layout.first_row + layout.table.count - 1
    return in_sheet(layout.sheet, f"{absolute(layout.first_row, place)}:{absolute(last, place)}")
