"""Build a workbook in the matrix layout: whole or not at all, the same bytes for the same spec."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xlbackprop.graph.program import Role
from xlbackprop.matrix.blocks import FIRST, ROW_NAMES, Block
from xlbackprop.matrix.layout import Given, Layout
from xlbackprop.sheet import charts, styles
from xlbackprop.sheet.address import absolute, in_sheet
from xlbackprop.sheet.book import Picture, Progress, insert_picture, new_book, write_network_file
from xlbackprop.sheet.places import COMPARE, NETWORK_FILE, OVERVIEW
from xlbackprop.sheet.streamed import ExactSheet
from xlbackprop.sheet.values import carried, table_rows
from xlbackprop.sheet.words import BANDS
from xlbackprop.spec import Spec, dumps, total_error
from xlbackprop.spec.names import RATE, STEP

Values = Sequence[dict[str, float]]  # of each step


class _PlainSheet(ExactSheet):
    """A worksheet of formulas that hold no newer functions, which XlsxWriter would look for in each, 29 times."""

    def _prepare_formula(self, formula: str, expand_future_functions: bool = False) -> str:
        return formula.removeprefix("=")


def build(spec: Spec, path: Path, progress: Progress = lambda phase: None, picture: Picture | None = None) -> Path:
    """Write the workbook, with the network's picture on Overview, drawn when all else has been found to fit.

    Raises NetworkError for what the layout does not take, OutputError for an unwritable file.
    """
    layout = Layout(spec)
    _ = layout.templates  # raises before anything is written
    with new_book(path, spec.title) as (book, formats):
        _write(book, formats, layout, progress)
        if picture:
            insert_picture(book.get_worksheet_by_name(OVERVIEW), formats, layout.picture_place, picture())
    return path


def _write(book: Any, formats: styles.Formats, layout: Layout, progress: Progress) -> None:
    writer = _Writer(book, layout, formats)
    for name in layout.all_sheets:
        book.add_worksheet(name, _PlainSheet)
    for name, range_ in layout.defined_names():
        book.define_name(name, f"={range_}")
    told = []
    for rate in range(len(layout.rates)):
        progress(f"building, {rate / len(layout.rates):.0%}")
        values = _values(layout, rate)
        writer.bands(rate, values)
        told.append([{name: row[name] for name in (STEP, total_error())} for row in values])
    writer.overview(told)
    writer.compare(told)
    writer.network_file()
    writer.views(told)


def _values(layout: Layout, rate: int) -> Values:
    """Every quantity of each step, from the formulas run as Python."""
    samples, *tensors = layout.given
    given: dict[str, Any] = {RATE: layout.spec.rates[rate]}
    given |= {one.name: one.value for parameters in tensors for one in parameters.cells}
    for one in samples.cells:
        given.setdefault(one.name, []).append(one.value)
    if len(layout.spec.samples) == 1:
        given |= {one.name: one.value for one in samples.cells}
    names = [cell.name for cell in layout.program if cell.expr is not None]
    return [dict(zip(names, row)) for row in table_rows(layout.program, given, layout.spec.batches)]


class _Writer:
    def __init__(self, book: Any, layout: Layout, formats: styles.Formats) -> None:
        self._book, self._layout, self._formats = book, layout, formats
        self._spec, self._band = layout.spec, layout.band

    def _sheet(self, name: str) -> Any:
        return self._book.get_worksheet_by_name(name)

    def bands(self, rate: int, values: Values) -> None:
        """A rate's sheet."""
        layout, sheet = self._layout, self._sheet(self._layout.sheets[rate])
        self._titled(sheet, "Training, a band of matrices for each step", _ABOUT_BANDS)
        row, column = layout.RATE_CELL
        sheet.write_string(row, column - 1, f"{RATE} =", self._formats({"bold": True, "align": "right"}))
        band = self._band
        left = {(row, block.column) for block in band.blocks for (row, _), _ in block.cells()}
        cells = [(one, self._formats(styles.body(one.cell.role, first=one.place in left))) for one in layout.templates]
        for step, numbers in enumerate(values):
            top = layout.top(step)
            self._frame(sheet, top)
            for one, style in cells:
                (row, column), value = one.place, numbers[one.cell.name]
                sheet.write_formula(top + row, column, f"={one.formula(step, top)}", style, carried(value))
        sheet.set_column(0, 0, 9)
        longest = max((len(text.text) for text in band.texts if text.column == ROW_NAMES), default=0)
        sheet.set_column(ROW_NAMES, ROW_NAMES, max(9, min(longest + 1, 24)))
        sheet.set_column(FIRST, band.width - 1, styles.WIDTH)
        for gap in (band.backward_column - 1, band.updated_column - 1):
            sheet.set_column(gap, gap, 3)
        last = layout.top(layout.bands) - 1
        styles.by_size(sheet, self._formats, layout.TOP, FIRST, last, band.width - 1)
        sheet.freeze_panes(layout.RATE_CELL[0] + 1, FIRST)
        sheet.print_area(0, 0, last, band.width - 1)
        styles.print_setup(sheet)

    def _frame(self, sheet: Any, top: int) -> None:
        """A band's texts: its headings, and the labels of its blocks."""
        edge = self._formats({"bg_color": styles.HEADER_COLOUR[Role.STEP], "top": 1, "top_color": "#777777"})
        for column in range(self._band.width):
            sheet.write_blank(top, column, None, edge)
        heading, name = self._formats({"bold": True}), self._formats({**styles.SUBTITLE, "align": "right"})
        for text in self._band.texts:
            sheet.write_string(top + text.row, text.column, text.text, heading if text.heading else name)
        for block in self._band.blocks:
            self._label(sheet, top, block)

    def _label(self, sheet: Any, top: int, block: Block) -> None:
        style = self._formats(styles.header(self._role(block)) | {"align": "left"})
        row, column = block.label_place
        for more in range(1, 1 if block.beside else block.width):
            sheet.write_blank(top + row, column + more, None, style)
        sheet.write_string(top + row, column, block.label, style)

    def _role(self, block: Block) -> Role:
        _, name = next(block.cells())
        return self._layout.program[name].role

    def overview(self, told: Sequence[Values]) -> None:
        layout, sheet = self._layout, self._sheet(OVERVIEW)
        spec = self._spec
        self._titled(sheet, spec.title, spec.about or f"A {spec.summary} network.")
        sheet.write_string(2, 0, spec.source and f"Source: {spec.source}", self._formats(styles.SUBTITLE))
        hint = "Change any yellow cell: every number, sheet and chart of this workbook follows."
        sheet.write_string(4, 0, hint, self._formats({"bold": True}))
        sheet.set_column(0, 0, 14)
        sheet.set_column(1, max(9, *(len(given.columns) for given in layout.given)), styles.WIDTH)
        header = self._formats({**styles.COLUMN_HEADER, "text_wrap": False, "align": "right"})
        last = layout.bands - 1
        for column, text in enumerate(("", "η", "E, step 0", f"E, step {last}")):
            sheet.write_string(layout.RATES_ROW - 1, column, text, header)
        for one in layout.rates:
            sheet.write_string(one.row, 0, one.label, self._formats({"align": "right"}))
            self._input(sheet, one.row, one.column, one.value)
            positive = {"validate": "decimal", "criteria": ">", "value": 0, "error_message": "A rate is above 0."}
            sheet.data_validation(one.row, one.column, one.row, one.column, positive)
        styles.by_size(sheet, self._formats, layout.RATES_ROW, 2, layout.rates[-1].row, 3)
        self._chart(sheet, (layout.chart_row, 0), told, log=False)
        self._legend(sheet, layout.RATES_ROW - 1, layout.LEGEND_COLUMN)
        for given in layout.given:
            self._given(sheet, given)
        styles.print_setup(sheet)

    def _given(self, sheet: Any, given: Given) -> None:
        sheet.write_string(given.row, 0, given.title, self._formats(styles.SECTION))
        name = self._formats({**styles.SUBTITLE, "align": "right"})
        for column, text in enumerate(given.columns):
            sheet.write_string(given.row + 1, 1 + column, text, name)
        for row, text in enumerate(given.rows):
            sheet.write_string(given.row + 2 + row, 0, text, name)
        for one in given.cells:
            self._input(sheet, one.row, one.column, one.value)

    def _input(self, sheet: Any, row: int, column: int, value: float) -> None:
        sheet.write_number(row, column, value, self._formats(styles.INPUT))

    def _legend(self, sheet: Any, row: int, column: int) -> None:
        sheet.write_string(row, column, "Colours", self._formats(styles.SECTION))
        roles = dict.fromkeys(map(self._role, self._band.blocks))
        for k, role in enumerate(roles, start=1):
            style = self._formats(styles.header(role) | {"align": "left"})
            sheet.write_string(row + k, column, BANDS.get(role, role.value), style)
            sheet.write_blank(row + k, column + 1, None, style)

    def compare(self, told: Sequence[Values]) -> None:
        layout, sheet = self._layout, self._sheet(COMPARE)
        about = f"{total_error()} of each step, from the sheets of the rates."
        self._titled(sheet, "The error at every rate, side by side", about)
        sheet.write_string(layout.HEADER_ROW, 0, STEP, self._formats(styles.header(Role.STEP)))
        first, right = layout.HEADER_ROW + 1, len(layout.rates) + 2
        for row, log in ((first, False), (first + 18, True)):
            self._chart(sheet, (row, right), told, log=log)
        sheet.set_column(0, 0, 7)
        sheet.set_column(1, len(layout.rates), styles.WIDTH)
        styles.by_size(sheet, self._formats, first, 1, layout.HEADER_ROW + layout.bands, len(layout.rates))
        sheet.freeze_panes(layout.HEADER_ROW + 1, 1)
        styles.print_setup(sheet, layout.HEADER_ROW)

    def _chart(self, sheet: Any, place: tuple[int, int], told: Sequence[Values], *, log: bool) -> None:
        layout = self._layout
        first, last = layout.HEADER_ROW + 1, layout.HEADER_ROW + layout.bands
        title = "Error at each learning rate" + (", logarithmic" if log else "")
        chart = charts.error_by_step(self._book, title, layout.bands - 1, total_error(), log=log, legend=True)

        def column(k: int) -> str:
            return f"{in_sheet(COMPARE, absolute(first, k))}:{absolute(last, k)}"

        for rate, values in enumerate(told):
            name = f"{in_sheet(COMPARE, absolute(layout.HEADER_ROW, 1 + rate))}"
            errors = [row[total_error()] for row in values]
            charts.add_series(chart, name, column(0), column(1 + rate), range(layout.bands), errors, rate)
        sheet.insert_chart(*place, chart)

    def network_file(self) -> None:
        write_network_file(self._sheet(NETWORK_FILE), self._formats, dumps(self._spec), inputs=f"{OVERVIEW} has")

    def views(self, told: Sequence[Values]) -> None:
        """What shows the numbers of the bands, and of inputs, in other places."""
        inputs = {one.name: one.value for one in self._layout.inputs()}
        for one in self._layout.views():
            number = {RATE: self._spec.rates[one.rate], **inputs, **told[one.rate][one.step]}[one.name]
            style = self._formats(self._view_style(one.sheet, one.name))
            self._sheet(one.sheet).write_formula(*one.place, f"={one.formula}", style, carried(number))

    def _view_style(self, sheet: str, name: str) -> dict[str, Any]:
        if name == RATE and sheet == COMPARE:
            return {**styles.header(Role.TOTAL_ERROR), "num_format": '"η = "General'}
        if name == RATE:
            return {"bold": True, "align": "left", "bg_color": styles.HEADER_COLOUR[Role.RATE]}
        if sheet == COMPARE:
            return styles.body(Role.STEP if name == STEP else Role.TOTAL_ERROR)
        return {"num_format": styles.DECIMALS}

    def _titled(self, sheet: Any, title: str, about: str) -> None:
        sheet.write_string(0, 0, title, self._formats(styles.TITLE))
        sheet.write_string(1, 0, about, self._formats(styles.SUBTITLE))


_ABOUT_BANDS = (
    "Forward from left to right, the error back in the mirror, then the updated weights, which the next band takes."
)
