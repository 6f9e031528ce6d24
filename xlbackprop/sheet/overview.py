"""Overview, where all inputs stand, and the network file that a workbook carries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from xlbackprop.graph.program import Role
from xlbackprop.sheet import styles
from xlbackprop.sheet.layout import BATCH_FIRST, DRAWN, OVERVIEW, Input, Layout
from xlbackprop.sheet.tables import insert_comparisons
from xlbackprop.sheet.values import input_statistics
from xlbackprop.sheet.words import BANDS


def write_overview(book: Any, formats: styles.Formats, layout: Layout, histories: Sequence[Sequence[float]]) -> None:
    spec, sheet = layout.spec, book.get_worksheet_by_name(OVERVIEW)
    sheet.write_string(0, 0, spec.title, formats(styles.TITLE))
    for row, text in enumerate((spec.about or f"A {spec.summary} network.", spec.source and f"Source: {spec.source}")):
        sheet.write_string(1 + row, 0, text, formats(styles.SUBTITLE))
    hint = "Change any yellow cell: every number, sheet and chart of this workbook follows."
    sheet.write_string(4, 0, hint, formats({"bold": True}))
    for column, width in enumerate((14, 12, 20, 20, 14, 4, 2, 22)):
        sheet.set_column(column, column, width)
    sheet.set_column(8, 8 + len(layout.samples), 12)
    _rates(sheet, formats, layout, histories)
    _section(sheet, formats, layout.selectors[0].row - 1, "The step that Forward, Backward and Next forward show")
    for one in layout.selectors:
        _input(sheet, formats, one)
    for name, row in layout.shown_batch.items():
        sheet.write_string(row, 0, name.replace("_", " "), formats({"align": "right"}))
        value = 1 if name == BATCH_FIRST else layout.batches.count(0)
        sheet.write_formula(row, 1, f"={layout.batch_formula(name)}", formats({}), value)
    insert_comparisons(book, sheet, layout, histories, (layout.chart_row, 0))
    if layout.parameters:
        _section(sheet, formats, layout.parameters[0].row - 1, "Weights before the first step")
    for one in layout.parameters:
        _input(sheet, formats, one)
    _legend(sheet, formats, layout)
    _samples(sheet, formats, layout)
    step, rate = layout.selectors
    whole = {"validate": "integer", "criteria": "between", "minimum": 0, "maximum": layout.batches.visits - 1}
    message = f"A {step.label} from 0 to {layout.batches.visits - 1}."
    sheet.data_validation(step.row, 1, step.row, 1, {**whole, "error_message": message})
    whole |= {"minimum": 1, "maximum": len(spec.rates)}
    sheet.data_validation(
        rate.row, 1, rate.row, 1, {**whole, "error_message": f"A whole number, 1 to {len(spec.rates)}."}
    )
    styles.print_setup(sheet)


def _rates(sheet: Any, formats: styles.Formats, layout: Layout, histories: Sequence[Sequence[float]]) -> None:
    last = layout.batches.steps
    _section(sheet, formats, layout.RATES_ROW - 2, "Learning rates, and what each did to the error")
    headers = ("", "η", f"{layout.error}, step 0", f"{layout.error}, step {last}", "times it rose")
    for column, text in enumerate(headers):
        sheet.write_string(layout.RATES_ROW - 1, column, text, formats({**styles.COLUMN_HEADER, "align": "right"}))
    for rate, (one, history) in enumerate(zip(layout.rates, histories)):
        _input(sheet, formats, one)
        plain = formats({})
        for column, step in ((2, 0), (3, last)):
            formula = layout.error_formula(rate, step)
            sheet.write_formula(one.row, column, f"={formula}", plain, _cached(history[step]))
        rises = float(sum(after > before for before, after in zip(history, history[layout.batches.per_epoch :])))
        rises = math.nan if any(map(math.isnan, history)) else rises
        sheet.write_formula(one.row, 4, f"={layout.rises_formula(rate)}", plain, _cached(rises))
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
        sheet.write_formula(row, place, f"={layout.statistic_formula(name)}", formats({}), value)


def _section(sheet: Any, formats: styles.Formats, row: int, text: str, column: int = 0) -> None:
    sheet.write_string(row, column, text, formats(styles.SECTION))


def _input(sheet: Any, formats: styles.Formats, one: Input) -> None:
    sheet.write_string(one.row, 0, one.label, formats({"align": "right"}))
    _input_value(sheet, formats, one)
    if one.note:
        sheet.write_string(one.row, 2, one.note, formats({**styles.SUBTITLE, "indent": 1}))


def _input_value(sheet: Any, formats: styles.Formats, one: Input) -> None:
    sheet.write_number(one.row, one.column, one.value, formats(styles.INPUT))


def _cached(value: float) -> float | str:
    return "#NUM!" if math.isnan(value) else value
