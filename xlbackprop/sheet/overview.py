"""Overview, where all inputs stand, and the network file that a workbook carries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from xlbackprop.graph.program import Role
from xlbackprop.sheet import styles
from xlbackprop.sheet.address import in_sheet
from xlbackprop.sheet.check_page import write_status
from xlbackprop.sheet.layout import BATCH_FIRST, CHECKS, COMPARE, DRAWN, EPOCHS, OVERVIEW, PAGES, Input, Layout
from xlbackprop.sheet.tables import epochs_chart, errors_chart
from xlbackprop.sheet.values import carried, input_statistics
from xlbackprop.sheet.words import BANDS

_ACROSS = 4  # links in a line
_LONGEST_LIST = 255  # characters of a list of choices; Excel takes no more


def write_overview(
    book: Any,
    formats: styles.Formats,
    layout: Layout,
    histories: Sequence[Sequence[float]],
    by_epochs: Sequence[Sequence[float]],
    checked: Sequence[Mapping[str, float]],
) -> None:
    """The inputs, with the errors of each rate, `histories` by step and `by_epochs` by epoch.

    `checked` are the values of Checks, row by row.
    """
    spec, sheet = layout.spec, book.get_worksheet_by_name(OVERVIEW)
    sheet.write_string(0, 0, spec.title, formats(styles.TITLE))
    for row, text in enumerate((spec.about or f"A {spec.summary} network.", spec.source and f"Source: {spec.source}")):
        sheet.write_string(1 + row, 0, text, formats(styles.SUBTITLE))
    hint = "Change any yellow cell: every number, sheet and chart of this workbook follows."
    sheet.write_string(4, 0, f"{layout.task} {hint}".strip(), formats({"bold": True}))
    if checked:
        write_status(sheet, formats, layout, layout.STATUS_ROW, 3, checked)
        _link(sheet, formats, (layout.STATUS_ROW, 4), CHECKS, f"see {CHECKS}")
    for column, width in enumerate((14, 12, 20, 20, 14, 4, 2, 24)):
        sheet.set_column(column, column, width)
    sheet.set_column(layout.RIGHT + 1, layout.RIGHT + max(_ACROSS, len(layout.samples)), 14)
    _rates(sheet, formats, layout, histories)
    _section(sheet, formats, layout.selectors[0].row - 1, "The step that Forward, Backward and Next forward show")
    for one in layout.selectors:
        _input(sheet, formats, one)
    for name, row in layout.shown_batch.items():
        sheet.write_string(row, 0, name.replace("_", " "), formats({"align": "right"}))
        value = 1 if name == BATCH_FIRST else layout.batches.count(0)
        sheet.write_formula(row, 1, f"={layout.batch_formula(name)}", formats({}), value)
    # Where a step sees some of the samples only, the error goes up and down with them; by epoch it does not.
    by_epoch = layout.epochs > 1 and layout.batches.per_epoch > 1
    chart = epochs_chart(book, layout, by_epochs) if by_epoch else errors_chart(book, layout, histories)
    chart.set_size({"width": 570, "height": 320})  # what is where stands beside it
    sheet.insert_chart(layout.chart_row, 0, chart)
    if layout.parameters:
        _section(sheet, formats, layout.parameters[0].row - 1, "Weights before the first step")
    for one in layout.parameters:
        _input(sheet, formats, one)
    _links(sheet, formats, layout, [one.get_name() for one in book.worksheets()])
    _legend(sheet, formats, layout)
    _samples(sheet, formats, layout)
    _choices(sheet, layout)
    styles.by_size(sheet, formats, layout.rates[0].row, 2, layout.rates[-1].row, 3)
    styles.print_setup(sheet, columns=layout.RIGHT + 1 + len(layout.samples))


def _choices(sheet: Any, layout: Layout) -> None:
    """The step and rate shown, as drop-down lists: the steps of a table, and the numbers of the rates."""
    step, rate = layout.selectors
    steps = {"validate": "list", "source": f"={layout.table_span(0, step.label)}"}
    message = f"A {step.label} from 0 to {layout.batches.visits - 1}."
    sheet.data_validation(step.row, 1, step.row, 1, {**steps, "error_message": message})
    count = len(layout.rates)
    numbers = [str(k + 1) for k in range(count)]
    rates: dict[str, Any] = {"validate": "list", "source": numbers}
    if len(",".join(numbers)) > _LONGEST_LIST:
        rates = {"validate": "integer", "criteria": "between", "minimum": 1, "maximum": count}
    sheet.data_validation(rate.row, 1, rate.row, 1, {**rates, "error_message": f"A whole number, 1 to {count}."})


def _links(sheet: Any, formats: styles.Formats, layout: Layout, names: Sequence[str]) -> None:
    """What stands on which sheet, and the way there."""
    _section(sheet, formats, layout.LINKS_ROW - 1, "What is where", layout.RIGHT)
    every = [layout.sheets[0], COMPARE, *([EPOCHS] if layout.epochs else [])]  # each rate has a link of its own
    functions = [name for name in names if name not in layout.all_sheets]
    others = [name for name in names if name not in (OVERVIEW, *PAGES, *layout.sheets, *every, *functions)]
    groups = {"one step, line by line": PAGES, "every step": every, "its functions": functions, "and": others}
    filled = [(text, group) for text, group in groups.items() if group]
    for row, (text, group) in enumerate(filled, start=layout.LINKS_ROW):
        sheet.write_string(row, layout.RIGHT, text, formats({"align": "right"}))
        for k, name in enumerate(group, start=1):
            _link(sheet, formats, (row, layout.RIGHT + k), name)


def _link(sheet: Any, formats: styles.Formats, place: tuple[int, int], name: str, text: str = "") -> None:
    style = formats({**styles.LINK, "align": "right"} if text else {**styles.LINK, "indent": 1})
    sheet.write_url(*place, f"internal:{in_sheet(name, 'A1')}", style, text or name, f"To the sheet {name}")


def _rates(sheet: Any, formats: styles.Formats, layout: Layout, histories: Sequence[Sequence[float]]) -> None:
    last = layout.batches.steps
    _section(sheet, formats, layout.RATES_ROW - 2, "Learning rates, and what each did to the error")
    headers = ("", "η", f"{layout.error}, step 0", f"{layout.error}, step {last}", "times it rose")
    for column, text in enumerate(headers):
        sheet.write_string(layout.RATES_ROW - 1, column, text, formats({**styles.COLUMN_HEADER, "align": "right"}))
    for rate, (one, history) in enumerate(zip(layout.rates, histories)):
        _input(sheet, formats, one)
        _link(sheet, formats, (one.row, 0), layout.sheets[rate], one.label)
        plain = formats({"num_format": styles.DECIMALS})
        for column, step in ((2, 0), (3, last)):
            formula = layout.error_formula(rate, step)
            sheet.write_formula(one.row, column, f"={formula}", plain, carried(history[step]))
        rises = float(sum(after > before for before, after in zip(history, history[layout.batches.per_epoch :])))
        rises = math.nan if any(map(math.isnan, history)) else rises
        sheet.write_formula(one.row, 4, f"={layout.rises_formula(rate)}", formats({}), carried(rises))
        positive = {"validate": "decimal", "criteria": ">", "value": 0, "error_message": "A rate is above 0."}
        sheet.data_validation(one.row, 1, one.row, 1, positive)


def _legend(sheet: Any, formats: styles.Formats, layout: Layout) -> None:
    row, column = layout.LEGEND_ROW, layout.RIGHT
    _section(sheet, formats, row - 1, "Colours", column)
    for k, role in enumerate(layout.roles):
        sheet.write_string(
            row + k, column, BANDS.get(role, role.value), formats(styles.header(role) | {"align": "left"})
        )
        names = [cell.name for cell in layout.shown if cell.role is role]
        text = ", ".join(names) if len(names) < 9 else f"{', '.join(names[:3])}, ... {names[-1]}"
        sheet.write_string(row + k, column + 1, text, formats({**styles.SUBTITLE, "indent": 1}))
    if layout.left:
        _to_fill(sheet, formats, row + len(layout.roles), column)


def _to_fill(sheet: Any, formats: styles.Formats, row: int, column: int) -> None:
    sheet.write_blank(row, column, None, formats(styles.ANSWER))
    sheet.write_string(row, column + 1, "to be filled with a formula", formats({**styles.SUBTITLE, "indent": 1}))


def _samples(sheet: Any, formats: styles.Formats, layout: Layout) -> None:
    first, count = layout.samples_row, len(layout.spec.samples)
    turn = ", in turn" if layout.spec.order is None else f", in the order of {DRAWN}"
    _section(sheet, formats, first - 2, "The sample" if count == 1 else f"The {count} samples{turn}", layout.RIGHT)
    named = zip(layout.samples, [Role.INPUT] * len(layout.spec.inputs) + [Role.TARGET] * len(layout.spec.targets))
    for p in range(count):
        sheet.write_number(first + p, layout.RIGHT, p + 1, formats(styles.SUBTITLE))
    for column, role in named:
        sheet.write_string(first - 1, column[0].column, column[0].label, formats(styles.header(role)))
        for one in column:
            _input_value(sheet, formats, one)
    for name, (row, place) in layout.statistics.items():
        k = place - layout.RIGHT - 1
        statistic = input_statistics([one.value for one in layout.samples[k]])
        is_mean = row == first + count
        sheet.write_string(row, layout.RIGHT, "mean" if is_mean else "std", formats(styles.SUBTITLE))
        value = statistic[0 if is_mean else 1]
        style = formats({"num_format": styles.DECIMALS})
        sheet.write_formula(row, place, f"={layout.statistic_formula(name)}", style, value)


def _section(sheet: Any, formats: styles.Formats, row: int, text: str, column: int = 0) -> None:
    """A heading with a line below, as wide as what stands there."""
    for k in range(1, _ACROSS + 1):
        sheet.write_blank(row, column + k, None, formats(styles.SECTION))
    sheet.write_string(row, column, text, formats(styles.SECTION))


def _input(sheet: Any, formats: styles.Formats, one: Input) -> None:
    sheet.write_string(one.row, 0, one.label, formats({"align": "right"}))
    _input_value(sheet, formats, one)
    if one.note:
        sheet.write_string(one.row, 2, one.note, formats({**styles.SUBTITLE, "indent": 1}))


def _input_value(sheet: Any, formats: styles.Formats, one: Input) -> None:
    sheet.write_number(one.row, one.column, one.value, formats(styles.INPUT))
