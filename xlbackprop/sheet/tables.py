"""The training tables, one for each rate, and Compare, which puts their errors side by side."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from xlbackprop.graph import training
from xlbackprop.graph.optimizers import RATE
from xlbackprop.graph.program import Role
from xlbackprop.sheet import charts, styles
from xlbackprop.sheet.layout import COMPARE, OVERVIEW, Layout
from xlbackprop.sheet.printers import in_symbols
from xlbackprop.sheet.streamed import StreamedColumn
from xlbackprop.sheet.values import table_rows
from xlbackprop.sheet.words import BANDS, words
from xlbackprop.spec import total_error

NARROW, WIDE = 12, 15  # characters: with eight decimals, and for numbers of any size


def given(layout: Layout, rate: int) -> dict[str, object]:
    """The inputs that a training table is calculated from, by the names its program has for them."""
    values: dict[str, object] = {one.name: one.value for one in layout.parameters}
    for column in layout.samples:
        values[column[0].name] = column[0].value if len(column) == 1 else [one.value for one in column]
    return {**values, RATE: layout.spec.rates[rate]}


def errors(layout: Layout, rate: int) -> array[float]:
    """E_total after each step at that rate, (steps + 1,)."""
    column = layout.columns[total_error()]
    result = array("d")
    for row in table_rows(layout.table, given(layout, rate), layout.spec.steps):
        result.append(row[column])
    return result


def write_table(
    book: Any,
    formats: styles.Formats,
    layout: Layout,
    rate: int,
    history: Sequence[float],
    progress: Callable[[str], None],
) -> None:
    spec, sheet = layout.spec, book.get_worksheet_by_name(layout.sheets[rate])
    row, column = layout.RATE_CELL
    sheet.write_string(0, 0, "Training, a row for each step", formats(styles.TITLE))
    about = "Each row runs forward, takes the error and its gradients; the next row's weights follow from them."
    sheet.write_string(1, 0, about, formats(styles.SUBTITLE))
    sheet.write_string(row, column - 1, f"{RATE} =", formats({"bold": True, "align": "right"}))
    rate_format = formats({"bold": True, "align": "left", "bg_color": styles.HEADER_COLOUR[Role.RATE]})
    sheet.write_formula(row, column, f"={layout.rates[rate].name}", rate_format, spec.rates[rate])
    sheet.write_comment(row, column, f"The learning rate of this sheet; change it on {OVERVIEW}.")
    _headers(sheet, formats, layout)
    sheet.stream(
        layout.FIRST_ROW,
        spec.steps + 1,
        _columns(formats, layout),
        lambda: _told(table_rows(layout.table, given(layout, rate), spec.steps), layout, rate, progress),
    )
    for column, cell in enumerate(layout.shown):
        any_size = styles.NUMBER_FORMAT[cell.role] == styles.ANY_SIZE and cell.role not in (Role.TARGET, Role.INPUT)
        width = 7 if cell.role is Role.STEP else WIDE if any_size else NARROW
        sheet.set_column(column, column, width)
    outside = {"type": "cell", "criteria": "not between", "minimum": -styles.TOO_WIDE, "maximum": styles.TOO_WIDE}
    columns = (1, layout.last_row, len(layout.shown) - 1)
    sheet.conditional_format(layout.FIRST_ROW, *columns, {**outside, "format": formats(styles.POWERS)})
    sheet.freeze_panes(layout.FIRST_ROW, 1)
    sheet.print_area(0, 0, layout.last_row, len(layout.shown) - 1)
    styles.print_setup(sheet, layout.HEADER_ROW)
    chart = charts.error_by_step(book, f"Error while training at η = {spec.rates[rate]!r}", spec.steps)
    charts.add_series(
        chart, total_error(), layout.table_span(rate, training.STEP), layout.table_span(rate, total_error()),
        range(spec.steps + 1), history, 0,
    )  # fmt: skip
    sheet.insert_chart(1, len(layout.shown) + 1, chart)


def _told(
    rows: Iterator[tuple[float, ...]], layout: Layout, rate: int, progress: Callable[[str], None]
) -> Iterator[tuple[float, ...]]:
    """The rows, telling every thousandth how far the writing is."""
    count = layout.spec.steps + 1
    for step, row in enumerate(rows):
        if step % 1000 == 0:
            done = (rate * count + step) / (len(layout.spec.rates) * count)
            progress(f"building, {done:.0%}")
        yield row


def _headers(sheet: Any, formats: styles.Formats, layout: Layout) -> None:
    column = 0
    for role, group in groupby(cell.role for cell in layout.shown):
        for k in range(count := len(list(group))):
            text = BANDS.get(role, role.value) if k == 0 else ""
            sheet.write_string(layout.BAND_ROW, column + k, text, formats(styles.band(role)))
        column += count
    for column, cell in enumerate(layout.shown):
        sheet.write_string(layout.HEADER_ROW, column, cell.name, formats(styles.header(cell.role)))
        note = f"{words(cell)}\n{cell.name} = {in_symbols(cell.expr)}" if cell.expr else words(cell)
        if cell.first is not None:
            note += f"\nfirst row: {in_symbols(cell.first)}"
        sheet.write_comment(layout.HEADER_ROW, column, note, {"x_scale": 2, "y_scale": 0.9})


def _columns(formats: styles.Formats, layout: Layout) -> list[StreamedColumn]:
    columns, above = [], None
    for cell in layout.shown:
        assert cell.expr is not None
        first = None if cell.first is None else layout.table_formula(cell.first, layout.FIRST_ROW)
        down = layout.table_formula(cell.expr, layout.FIRST_ROW + (first is not None))
        columns.append(StreamedColumn(formats(styles.body(cell.role, first=cell.role is not above)), first, down))
        above = cell.role
    return columns


def write_compare(book: Any, formats: styles.Formats, layout: Layout, histories: Sequence[Sequence[float]]) -> None:
    spec, sheet = layout.spec, book.get_worksheet_by_name(COMPARE)
    header, first, steps = layout.COMPARE_HEADER_ROW, layout.COMPARE_HEADER_ROW + 1, spec.steps
    sheet.write_string(0, 0, "The error at every rate, side by side", formats(styles.TITLE))
    sheet.write_string(1, 0, f"{total_error()} of each step, from the training tables.", formats(styles.SUBTITLE))
    sheet.write_string(header, 0, training.STEP, formats(styles.header(Role.STEP)))
    number_format = {**styles.header(Role.TOTAL_ERROR), "num_format": '"η = "General'}
    for rate, value in enumerate(spec.rates):
        sheet.write_formula(header, 1 + rate, f"={layout.rates[rate].name}", formats(number_format), value)
    shown = [(0, training.STEP, Role.STEP)]
    shown += [(rate, total_error(), Role.TOTAL_ERROR) for rate in range(len(spec.rates))]
    columns = [
        StreamedColumn(formats(styles.body(role)), None, layout.compare_formula(rate, name, 0))
        for rate, name, role in shown
    ]
    sheet.stream(first, steps + 1, columns, lambda: zip(map(float, range(steps + 1)), *histories))
    sheet.set_column(0, 0, 7)
    sheet.set_column(1, len(spec.rates), WIDE)
    sheet.freeze_panes(first, 1)
    styles.print_setup(sheet, header)
    insert_comparisons(
        book, sheet, layout, histories, (header, len(spec.rates) + 2), (header + 18, len(spec.rates) + 2)
    )


def insert_comparisons(
    book: Any, sheet: Any, layout: Layout, histories: Sequence[Sequence[float]], *places: tuple[int, int]
) -> None:
    """The chart of all rates at the first place, the same with a logarithmic axis at the second, if any."""
    header, first, count = layout.COMPARE_HEADER_ROW, layout.COMPARE_HEADER_ROW + 1, layout.spec.steps + 1
    for place, log in zip(places, (False, True)):
        title = "Error at each learning rate" + (", logarithmic" if log else "")
        chart = charts.error_by_step(book, title, layout.spec.steps, log=log, legend=True)
        if sheet.get_name() == OVERVIEW:
            chart.set_size({"width": 570, "height": 320})  # the legend of colours stands beside it
        for rate, history in enumerate(histories):
            charts.add_series(
                chart, f"={layout.at(COMPARE, header, 1 + rate)}",
                layout.span(COMPARE, first, 0, count), layout.span(COMPARE, first, 1 + rate, count),
                range(count), history, rate,
            )  # fmt: skip
        sheet.insert_chart(*place, chart)
