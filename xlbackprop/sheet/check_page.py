"""Checks as it is written: what agrees on top, then for each parameter its gradient three times."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from xlbackprop.graph.program import Role
from xlbackprop.sheet import styles
from xlbackprop.sheet.checks import CHECKS, Checks
from xlbackprop.sheet.layout import OVERVIEW, RATE_SHOWN, STEP_SHOWN, Layout
from xlbackprop.sheet.pages import write_shown
from xlbackprop.sheet.values import carried, page_values
from xlbackprop.spec import names as naming

_BANDS = {
    "": "the gradient, three times",
    naming.PLUS: "forward with w+ε",
    naming.MINUS: "forward with w-ε",
    naming.RE: "forward with w+ih: real parts",
    naming.IM: "forward with w+ih: imaginary parts",
}
_NOTES = (
    f"{naming.CENTRAL} = (E(w+ε)-E(w-ε))/2ε: good to about ε² and E's last digits over ε; not at a kink",
    f"{naming.COMPLEX} = Im E(w+ih)/h: exact to rounding, without a rule of derivation; it alone decides",
    "agrees: differs from it by at most 1E-9 of the larger, and 1E-12 of this",
)
_BLANK = "On the right, the forward passes that these come from; what does not move with its row's parameter is empty."
_COUPLED = "E is the sum over the batch, and w moves in the sample shown alone: that is what the backward pass shows."
# With a 0 of its own, or calculators show the sign that a 0 may have.
_SCIENTIFIC, _SHORT = "0.00000000E+00;-0.00000000E+00;0", "0.0E+00;-0.0E+00;0"
_HEADER = {"text_wrap": True, "valign": "top"}
_BAND = {"italic": True, "font_size": 9, "bg_color": "#E4E4E4", "align": "left"}
_ROLES = {naming.VALUE: Role.WEIGHT, naming.ANALYTIC: Role.GRADIENT, naming.UP: Role.WEIGHT, naming.DOWN: Role.WEIGHT}
_WIDTHS = {naming.VALUE: 13, naming.AGREES: 10, naming.CENTRAL_OFF: 11, naming.COMPLEX_OFF: 11}
GREEN, AMBER, RED = (
    {"bg_color": colour, "font_color": text}
    for colour, text in (("#D5EBDD", "#00512F"), ("#FFF0C2", "#6B4B00"), ("#F6CDBA", "#8A2300"))
)


def check_values(layout: Layout, shown: Mapping[str, float]) -> list[dict[str, float]]:
    """The values of each row of a new workbook, whose pages show these."""
    steps = {one.name: one.value for one in layout.check_steps}
    checks = layout.checks
    gradients = [abs(shown[naming.gradient_name(name)]) for name in checks.names]
    largest = math.nan if any(map(math.isnan, gradients)) else max(gradients, default=0.0)
    known = {**shown, **steps, naming.LARGEST: largest}
    return [
        page_values(program, {cell.name: known[cell.name] for cell in program if cell.expr is None})
        for program in checks.programs.values()
    ]


def write_checks(
    book: Any,
    formats: styles.Formats,
    layout: Layout,
    shown: Mapping[str, float],
    values: Sequence[Mapping[str, float]],
) -> None:
    checks, sheet = layout.checks, book.get_worksheet_by_name(CHECKS)
    sheet.write_string(0, 0, "Checks: is every gradient the derivative of the error?", formats(styles.TITLE))
    sheet.set_column(0, 0, max(18, *(1.2 * len(name) for name in ("", *checks.names))))
    if not checks.names:
        for k, line in enumerate(why_none(layout)):
            sheet.write_string(2 + k, 0, line, formats({}))
        styles.print_setup(sheet)
        return
    _head(sheet, formats, layout, shown, values)
    write_status(sheet, formats, layout, Checks.STATUS[0], 3, values)
    first, last = Checks.FIRST_ROW, Checks.FIRST_ROW + len(checks.names) - 1
    for k, name in enumerate(checks.names):
        sheet.write_string(first + k, 0, name, formats(styles.header(layout.page[name].role) | {"align": "left"}))
    for band, names in checks.bands.items():
        _band(sheet, formats, layout, band, list(names))
        for name, heading in names.items():
            role = _ROLES.get(name, checks.cells[name].role)
            sheet.write_string(Checks.HEADER_ROW, checks.columns[name], heading, formats(styles.header(role) | _HEADER))
            body = styles.body(role, first=name == next(iter(names))) | {"num_format": _number_format(name, band)}
            _column(sheet, formats(body), layout, name, values)
    _others(sheet, formats, layout, shown)
    for columns in ([naming.VALUE], list(checks.bands[naming.RE])):
        if columns:
            styles.by_size(sheet, formats, first, checks.columns[columns[0]], last, checks.columns[columns[-1]])
    for name, most in ((naming.CENTRAL_OFF, 1e-5), (naming.COMPLEX_OFF, 1e-9)):
        column = checks.columns[name]
        _coloured(sheet, formats, (first, column, last, column), (("<=", most, GREEN), (">", most, AMBER)))
    column = checks.columns[naming.AGREES]
    _coloured(sheet, formats, (first, column, last, column), (("=", 1, GREEN), ("=", 0, RED)))
    sheet.set_row(Checks.HEADER_ROW, 30)
    sheet.freeze_panes(first, 1)
    sheet.print_area(0, 0, last, checks.columns[naming.AGREES])  # the bands are for the screen
    styles.print_setup(sheet, Checks.HEADER_ROW)


def why_none(layout: Layout) -> tuple[str, ...]:
    """Why no gradient is checked in the sheet."""
    if not layout.checks.checkable:
        return ("Nothing is trained here, so there is no gradient to check.",)
    why = "The formulas of a check would be too long, or too many."
    if layout.spec.couples:
        why = "The samples of a batch take part in each other's forward pass, and the last batch has fewer than others."
    return (f"No gradient is checked in this sheet. {why}", "`xlbackprop verify` checks them all, in every row.")


def write_status(
    sheet: Any, formats: styles.Formats, layout: Layout, row: int, last: int, values: Sequence[Mapping[str, float]]
) -> None:
    """How many gradients disagree, in words, in the cells of a row from the first to the last column."""
    count, all_of = len(layout.checks.names), layout.checks.checkable
    some = f"all {count} gradients" if count == all_of else f"{count} gradients looked at, of {all_of},"
    words = f'"✗ "0" of {count} gradients disagree with the complex step";;"✓ {some} agree with the complex step"'
    style = formats({"bold": True, "num_format": words, "align": "left", "border": 1, "border_color": "#999999"})
    sheet.merge_range(row, 0, row, last, "", style)
    formula = layout.check_formula(sheet.get_name(), naming.DISAGREE, 0)
    wrong = len(values) - sum(one[naming.AGREES] == 1 for one in values)
    sheet.write_formula(row, 0, f"={formula}", style, wrong)
    _coloured(sheet, formats, (row, 0, row, last), (("=", 0, GREEN), ("<>", 0, RED)))


def _head(
    sheet: Any,
    formats: styles.Formats,
    layout: Layout,
    shown: Mapping[str, float],
    values: Sequence[Mapping[str, float]],
) -> None:
    label, grey = formats({"bold": True, "align": "right"}), formats({**styles.SUBTITLE, "indent": 1})
    write_shown(sheet, formats, layout, shown)
    hint = f"chosen on {OVERVIEW}: {STEP_SHOWN}, {RATE_SHOWN}"
    sheet.write_string(layout.SHOWN_ROW, 4, hint, grey)
    for one, note in zip(layout.check_steps, _NOTES):
        sheet.write_string(one.row, 0, one.label, label)
        sheet.write_number(one.row, 1, one.value, formats({**styles.INPUT, "num_format": "0E+00"}))
        sheet.write_string(one.row, 2, note, grey)
        positive = {"validate": "decimal", "criteria": ">", "value": 0, "error_message": "A step is above 0."}
        sheet.data_validation(one.row, 1, one.row, 1, positive)
    row, column = Checks.LARGEST
    sheet.write_string(row, 0, "largest |∂E/∂w| =", label)
    largest = max(abs(one[naming.ANALYTIC]) for one in values)
    formula = layout.check_formula(CHECKS, naming.LARGEST, 0)
    sheet.write_formula(row, column, f"={formula}", formats({"num_format": _SHORT}), carried(largest))
    sheet.write_string(row, column + 1, _NOTES[-1], grey)
    for k, text in enumerate((_BLANK, _COUPLED) if layout.checks.rows else (_BLANK,)):
        sheet.write_string(row + 1 + k, 0, text, formats(styles.SUBTITLE))


def _band(sheet: Any, formats: styles.Formats, layout: Layout, band: str, names: list[str]) -> None:
    if names:
        columns = layout.checks.columns[names[0]], layout.checks.columns[names[-1]]
        for column in range(columns[0], columns[1] + 1):
            sheet.write_blank(Checks.BAND_ROW, column, None, formats(_BAND))
        sheet.write_string(Checks.BAND_ROW, columns[0], _BANDS[band], formats(_BAND))


def _others(sheet: Any, formats: styles.Formats, layout: Layout, shown: Mapping[str, float]) -> None:
    """What the checks use of the other samples of the batch, picked from their rows of the table."""
    checks = layout.checks
    if not checks.others:
        return
    top = checks.others_row
    sheet.write_string(top - 2, 0, "The other samples of the batch shown, as the table has them", formats(_BAND))
    for k in checks.rows:
        sheet.write_string(top + k - 1, 0, f"other {k}", formats(styles.header(Role.STEP) | {"align": "left"}))
    for name, column in checks.others_columns.items():
        role = layout.table[name].role
        sheet.write_string(top - 1, column, name, formats(styles.header(role)))
        for k in checks.rows:
            value = float(k) if name == naming.VISIT else shown[naming.other_name(name, k)]
            formula = layout.other_formula(name, k - 1)
            sheet.write_formula(top + k - 1, column, f"={formula}", formats(styles.body(role)), carried(value))
    styles.by_size(sheet, formats, top, 2, top + len(checks.rows) - 1, 1 + len(checks.others))


def _column(sheet: Any, style: Any, layout: Layout, name: str, values: Sequence[Mapping[str, float]]) -> None:
    column = layout.checks.columns[name]
    for k, offset in enumerate(layout.checks.rows_of(name)):
        formula = layout.check_formula(CHECKS, name, k)
        sheet.write_formula(Checks.FIRST_ROW + offset, column, f"={formula}", style, carried(values[offset][name]))
    sheet.set_column(column, column, _WIDTHS.get(name, 16))


def _number_format(name: str, band: str) -> str:
    if name == naming.AGREES:
        return '"✓ yes";;"✗ no"'
    if name in (naming.CENTRAL_OFF, naming.COMPLEX_OFF):
        return _SHORT
    return styles.DECIMALS if name == naming.VALUE or band == naming.RE else _SCIENTIFIC


def _coloured(
    sheet: Any, formats: styles.Formats, cells: tuple[int, int, int, int], rules: tuple[tuple[str, float, Any], ...]
) -> None:
    """Cells by what they hold; an error is red."""
    sheet.conditional_format(*cells, {"type": "errors", "format": formats(RED)})
    for criteria, value, style in rules:
        sheet.conditional_format(
            *cells, {"type": "cell", "criteria": criteria, "value": value, "format": formats(style)}
        )
