"""The training tables, one for each rate, and Compare, which puts their errors side by side."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from xlbackprop.graph.program import Cell, Role
from xlbackprop.sheet import charts, styles
from xlbackprop.sheet.layout import COMPARE, DRAWN, EPOCH, EPOCH_ERROR, EPOCHS, OVERVIEW, Layout
from xlbackprop.sheet.printers import in_symbols
from xlbackprop.sheet.streamed import ALONE, EMPTY, StreamedColumn
from xlbackprop.sheet.values import carried, input_statistics, table_rows, total
from xlbackprop.sheet.words import BANDS, words
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import RATE, STEP, total_error


def given(layout: Layout, rate: int) -> dict[str, object]:
    """The inputs that a training table is calculated from, by the names its program has for them."""
    values: dict[str, object] = {one.name: one.value for one in layout.parameters}
    for column in layout.samples:
        values[column[0].name] = column[0].value if len(column) == 1 else [one.value for one in column]
    if layout.spec.normalize:
        for name, column in zip(layout.spec.inputs, layout.samples):
            mean, deviation = input_statistics([one.value for one in column])
            values |= {naming.mean_name(name): mean, naming.deviation_name(name): deviation}
    drawn = {naming.drawn_source(name): list(column) for name, column in layout.drawn.items()}
    return {**values, **drawn, RATE: layout.spec.rates[rate]}


def errors(layout: Layout, rate: int) -> tuple[array[float], array[float]]:
    """At that rate, the error after each step, (steps + 1,), and the total error of each row, (visits,)."""
    by_step, by_row = array("d"), array("d")
    total, column = layout.columns[total_error()], layout.columns[layout.error]
    for row in table_rows(layout.table_now, given(layout, rate), layout.batches):
        by_row.append(row[total])
        if len(row) > column:  # a batch's error stands in its last row
            by_step.append(row[column])
    return by_step, by_row


def epoch_errors(layout: Layout, by_row: Sequence[float]) -> array[float]:
    """The average of the total errors over each epoch; none of errors that are yet to be filled in."""
    samples = layout.batches.samples
    if Role.TOTAL_ERROR in layout.left:
        return array("d", [math.nan] * layout.epochs)
    return array("d", (total(by_row[k * samples : (k + 1) * samples]) / samples for k in range(layout.epochs)))


def write_tables(
    book: Any,
    formats: styles.Formats,
    layout: Layout,
    histories: Sequence[Sequence[float]],
    progress: Callable[[str], None],
) -> None:
    """The table of each rate, with its errors by step. What is alike in all is kept once, however many there are."""
    columns, notes = _columns(formats, layout), [_note(layout, cell) for cell in layout.shown]
    for rate, history in enumerate(histories):
        _write_table(book, formats, layout, rate, history, columns, notes, progress)


def _write_table(
    book: Any,
    formats: styles.Formats,
    layout: Layout,
    rate: int,
    history: Sequence[float],
    columns: Sequence[StreamedColumn],
    notes: Sequence[str],
    progress: Callable[[str], None],
) -> None:
    spec, sheet = layout.spec, book.get_worksheet_by_name(layout.sheets[rate])
    row, column = layout.RATE_CELL
    several = layout.batches.several
    what = "sample of a batch" if several else "step"
    sheet.write_string(0, 0, f"Training, a row for each {what}", formats(styles.TITLE))
    about = "Each row runs forward, takes the error and its gradients; the next row's weights follow from them."
    if several:
        about = (
            "Each row is a sample; the rows of a batch have the same weights, and its last row has what they update."
        )
    task = formats({"bold": True} if layout.left else styles.SUBTITLE)
    sheet.write_string(1, 0, f"{layout.task} {about}".strip(), task)
    sheet.write_string(row, column - 1, f"{RATE} =", formats({"bold": True, "align": "right"}))
    rate_format = formats({"bold": True, "align": "left", "bg_color": styles.HEADER_COLOUR[Role.RATE]})
    sheet.write_formula(row, column, f"={layout.rates[rate].name}", rate_format, spec.rates[rate])
    sheet.write_comment(row, column, f"The learning rate of this sheet; change it on {OVERVIEW}.")
    _headers(sheet, formats, layout, notes)
    sheet.stream(
        layout.FIRST_ROW,
        layout.batches.visits,
        columns,
        lambda: _told(table_rows(layout.table_now, given(layout, rate), layout.batches), layout, rate, progress),
        _alike(layout),
    )
    for column, cell in enumerate(layout.shown):
        sheet.set_column(column, column, 8 if cell.role is Role.STEP else styles.WIDTH)
    styles.by_size(sheet, formats, layout.FIRST_ROW, 1, layout.last_row, len(layout.shown) - 1)
    sheet.freeze_panes(layout.FIRST_ROW, 1)
    sheet.print_area(0, 0, layout.last_row, len(layout.shown) - 1)
    styles.print_setup(sheet, layout.HEADER_ROW, len(layout.shown))
    title = f"Error while training at η = {spec.rates[rate]!r}"
    chart = charts.error_by_step(book, title, layout.batches.steps, layout.error)
    steps, shown = layout.table_span(rate, STEP), layout.table_span(rate, layout.error)
    if several:  # in the table other rows stand between
        steps = layout.span(COMPARE, layout.COMPARE_HEADER_ROW + 1, 0, layout.batches.steps + 1)
        shown = layout.compare_span(rate)
    name = layout.at(layout.sheets[rate], layout.HEADER_ROW, layout.columns[layout.error])
    charts.add_series(chart, name, steps, shown, range(layout.batches.steps + 1), history, 0)
    sheet.insert_chart(layout.FIRST_ROW, len(layout.shown) + 1, chart)


def _told(
    rows: Iterator[tuple[float, ...]], layout: Layout, rate: int, progress: Callable[[str], None]
) -> Iterator[tuple[float, ...]]:
    """The rows, telling every thousandth how far the writing is."""
    count = layout.batches.visits
    for k, row in enumerate(rows):
        if k % 1000 == 0:
            done = (rate * count + k) / (len(layout.spec.rates) * count)
            progress(f"building, {done:.0%}")
        yield row


def _headers(sheet: Any, formats: styles.Formats, layout: Layout, notes: Sequence[str]) -> None:
    column = 0
    for role, group in groupby(cell.role for cell in layout.shown):
        for k in range(count := len(list(group))):
            text = BANDS.get(role, role.value) if k == 0 else ""
            sheet.write_string(layout.BAND_ROW, column + k, text, formats(styles.band(role)))
        column += count
    for column, (cell, note) in enumerate(zip(layout.shown, notes)):
        sheet.write_string(layout.HEADER_ROW, column, cell.name, formats(styles.header(cell.role)))
        sheet.write_comment(layout.HEADER_ROW, column, note, {"x_scale": 2, "y_scale": 0.9})


def _note(layout: Layout, cell: Cell) -> str:
    """What a column holds and how it is calculated; of one that is left to be filled, as far as the level tells."""
    assert cell.expr is not None
    lines = [words(cell)]
    if not layout.left_in_table(cell, layout.batches.visits - 1):
        lines.append(f"{cell.name} = {in_symbols(cell.expr)}")
    elif layout.spec.level == "scaffolded":
        lines.append(f"{cell.name}: {layout.chain_in_words(cell)}")
    elif cell.role in (Role.WEIGHT, Role.BIAS):
        lines.append("as the step before updated it")
    if cell.first is not None:
        lines.append(f"first row: {in_symbols(cell.first)}")
    return "\n".join(lines)


def _alike(layout: Layout) -> Callable[[int], Hashable]:
    """Rows whose cells have the same shapes: all but the first, or those at the same place of an epoch."""
    batches = layout.batches
    if not batches.several:
        return lambda visit: visit > 0
    return lambda visit: (batches.step_of(visit) > 0, visit % batches.samples, visit > 0)


def _columns(formats: styles.Formats, layout: Layout) -> list[StreamedColumn]:
    columns, above = [], None
    for cell in layout.shown:
        empty = formats(styles.answer(cell.role)) if cell.role in layout.left else None
        columns.append(_column(formats(styles.body(cell.role, first=cell.role is not above)), empty, layout, cell))
        above = cell.role
    return columns


def _column(format: Any, empty: Any, layout: Layout, cell: Cell) -> StreamedColumn:
    told = layout.table_rows
    last = set(told.last_visits) if cell.once and layout.batches.several else None

    def shape(visit: int) -> Hashable:
        if last is not None and visit not in last:
            return None
        return EMPTY if layout.left_in_table(cell, visit) else told.shape(cell, visit)

    return StreamedColumn(format, lambda visit: told.formula(cell, visit), shape, empty)


def write_compare(book: Any, formats: styles.Formats, layout: Layout, histories: Sequence[Sequence[float]]) -> None:
    sheet, first, steps = book.get_worksheet_by_name(COMPARE), layout.COMPARE_HEADER_ROW + 1, layout.batches.steps
    about = f"{layout.error} of each step, from the training tables."
    _rates_side_by_side(sheet, formats, layout, "The error at every rate, side by side", about, STEP)
    names = [(0, STEP, Role.STEP), *((k, layout.error, Role.TOTAL_ERROR) for k in range(len(layout.rates)))]
    columns = [
        StreamedColumn(
            formats(styles.body(role)),
            partial(layout.compare_formula, rate, name),
            (lambda _: ALONE) if layout.batches.several else bool,
        )
        for rate, name, role in names
    ]
    sheet.stream(first, steps + 1, columns, lambda: zip(map(float, range(steps + 1)), *histories))
    right = len(layout.rates) + 2
    sheet.insert_chart(first, right, errors_chart(book, layout, histories))
    if Role.TOTAL_ERROR not in layout.left:  # powers of ten have no place for the 0 of what is yet to be filled in
        sheet.insert_chart(first + 18, right, errors_chart(book, layout, histories, log=True))
    styles.by_size(sheet, formats, first, 1, first + steps, len(layout.rates))


def _rates_side_by_side(
    sheet: Any, formats: styles.Formats, layout: Layout, title: str, about: str, counted: str
) -> None:
    """The head of a sheet with a column for each rate."""
    header = layout.COMPARE_HEADER_ROW
    sheet.write_string(0, 0, title, formats(styles.TITLE))
    sheet.write_string(1, 0, about, formats(styles.SUBTITLE))
    sheet.write_string(header, 0, counted, formats(styles.header(Role.STEP)))
    number_format = {**styles.header(Role.TOTAL_ERROR), "num_format": '"η = "General'}
    for rate, value in enumerate(layout.spec.rates):
        sheet.write_formula(header, 1 + rate, f"={layout.rates[rate].name}", formats(number_format), value)
    sheet.set_column(0, 0, 8)
    sheet.set_column(1, len(layout.rates), styles.WIDTH)
    sheet.freeze_panes(header + 1, 1)
    styles.print_setup(sheet, header)


def write_epochs(book: Any, formats: styles.Formats, layout: Layout, by_epoch: Sequence[Sequence[float]]) -> None:
    """The average loss over all samples, epoch by epoch."""
    sheet, header = book.get_worksheet_by_name(EPOCHS), layout.COMPARE_HEADER_ROW
    about = (
        f"The average of {total_error()} over the {layout.batches.samples} samples of each pass through all of them."
    )
    _rates_side_by_side(sheet, formats, layout, "Average loss over the set, by epoch", about, EPOCH)
    plain, counted = formats(styles.body(Role.TOTAL_ERROR)), formats(styles.body(Role.STEP))
    for epoch in range(layout.epochs):
        sheet.write_number(header + 1 + epoch, 0, epoch, counted)
        for rate, values in enumerate(by_epoch):
            value = carried(values[epoch])
            sheet.write_formula(header + 1 + epoch, 1 + rate, f"={layout.epoch_formula(rate, epoch)}", plain, value)
    sheet.insert_chart(header + 1, len(layout.rates) + 2, epochs_chart(book, layout, by_epoch))
    styles.by_size(sheet, formats, header + 1, 1, header + layout.epochs, len(layout.rates))


def epochs_chart(book: Any, layout: Layout, by_epoch: Sequence[Sequence[float]]) -> Any:
    """The average loss of each epoch at every rate."""
    header, last = layout.COMPARE_HEADER_ROW, layout.epochs - 1
    chart = charts.error_by_step(book, "Average loss by epoch", last, EPOCH_ERROR, axis=EPOCH, legend=True)
    for rate, values in enumerate(by_epoch):
        charts.add_series(
            chart, layout.at(EPOCHS, header, 1 + rate), layout.span(EPOCHS, header + 1, 0, layout.epochs),
            layout.span(EPOCHS, header + 1, 1 + rate, layout.epochs), range(layout.epochs), values, rate,
        )  # fmt: skip
    return chart


def write_drawn(book: Any, formats: styles.Formats, layout: Layout) -> None:
    """What was drawn at random, a row for each row of the training tables."""
    sheet, header = book.get_worksheet_by_name(DRAWN), layout.COMPARE_HEADER_ROW
    sheet.write_string(0, 0, "Drawn at random, once, when this workbook was made", formats(styles.TITLE))
    about = "The sample of each row and what dropout lets through, from the seeds of the network file."
    sheet.write_string(1, 0, about, formats(styles.SUBTITLE))
    sheet.write_string(header, 0, "row", formats(styles.header(Role.STEP)))
    for k in range(layout.batches.visits):
        sheet.write_number(header + 1 + k, 0, k, formats(styles.SUBTITLE))
    for column, (name, values) in enumerate(layout.drawn.items(), start=1):
        role = Role.STEP if name == naming.SAMPLE else Role.MASK
        sheet.write_string(header, column, name, formats(styles.header(role)))
        for k, value in enumerate(values):
            sheet.write_number(header + 1 + k, column, value, formats(styles.body(role)))
    sheet.set_column(1, len(layout.drawn), 12)
    sheet.freeze_panes(header + 1, 1)
    styles.print_setup(sheet, header)


def errors_chart(book: Any, layout: Layout, histories: Sequence[Sequence[float]], *, log: bool = False) -> Any:
    """The error of each step at every rate."""
    header, first, count = layout.COMPARE_HEADER_ROW, layout.COMPARE_HEADER_ROW + 1, layout.batches.steps + 1
    title = "Error at each learning rate" + (", logarithmic" if log else "")
    chart = charts.error_by_step(book, title, layout.batches.steps, layout.error, log=log, legend=True)
    for rate, history in enumerate(histories):
        charts.add_series(
            chart, layout.at(COMPARE, header, 1 + rate),
            layout.span(COMPARE, first, 0, count), layout.span(COMPARE, first, 1 + rate, count),
            range(count), history, rate,
        )  # fmt: skip
    return chart
