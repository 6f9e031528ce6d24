"""Forward, Backward and Next forward: one step told line by line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from xlbackprop.graph.program import Cell
from xlbackprop.sheet import styles
from xlbackprop.sheet.layout import OVERVIEW, STEP_SHOWN, Layout
from xlbackprop.sheet.plugged import UNKNOWN, plugged, plugged_formula, rounded, rounded_formula
from xlbackprop.sheet.printers import in_symbols
from xlbackprop.sheet.values import carried
from xlbackprop.sheet.words import words
from xlbackprop.spec.names import RATE, before_name

_TITLES = {
    "Forward": "Forward: from the inputs to the error",
    "Backward": "Backward: from the error to every gradient, factor by factor",
    "Next forward": "Next forward: the updated weights, and the error they give",
}
_HEADERS = ("symbol", "what it is", "formula", "with its numbers", "value", "rounded")
_WIDTHS = (14, 48, 38, 46, styles.WIDTH, 17)  # characters; all of them fit a screen of 1366 pixels
_NARROW = 16
_FULL = (1.15, 0.85, 0.85)  # how much of a line's width texts and formulas may fill, for fonts differ
_LINE_HEIGHT, _HIGHEST = 15, 409  # points; Excel has no higher rows


def write_page(book: Any, formats: styles.Formats, layout: Layout, page: str, values: Mapping[str, float]) -> None:
    """One page; `values` are those of its lines, by name."""
    sheet = book.get_worksheet_by_name(page)
    sheet.write_string(0, 0, _TITLES[page], formats(styles.TITLE))
    write_shown(sheet, formats, layout, values)
    what = layout.selectors[0].label
    selectors = f"internal:{layout.at(OVERVIEW, layout.selectors[0].row, 1)}"
    hint = f"Another {what} or rate: choose it on {OVERVIEW}, by this link."
    sheet.write_url(layout.SHOWN_ROW + 1, 0, selectors, formats(styles.LINK), hint, f"To the choice on {OVERVIEW}")
    if layout.left:
        sheet.write_string(layout.SHOWN_ROW + 1, 2, layout.task, formats({"bold": True}))
    symbols = [len(line.cell.name) for line in layout.pages[page] if line.cell]
    widths = (min(34, max([_WIDTHS[0], *(1.1 * n for n in symbols)])), *_widths(layout, page)[1:])
    for column, (text, width) in enumerate(zip(_HEADERS, widths)):
        aligned = {"align": "right"} if column == layout.PAGE_VALUE else {"indent": int(column == layout.PAGE_ROUNDED)}
        header = formats({**styles.COLUMN_HEADER, **aligned})
        sheet.write_string(layout.PAGE_FIRST_ROW - 1, column, text, header)
        sheet.set_column(column, column, width)
    for line in layout.pages[page]:
        if line.cell is None:
            sheet.write_string(line.row, 0, line.heading, formats(styles.SECTION))
        else:
            _line(sheet, formats, layout, page, line.row, line.cell, values, widths)
    if lines := layout.pages[page]:  # a network without parameters has nothing on the way back
        styles.by_size(sheet, formats, layout.PAGE_FIRST_ROW, layout.PAGE_VALUE, lines[-1].row, layout.PAGE_VALUE)
    sheet.freeze_panes(layout.PAGE_FIRST_ROW, 1)
    styles.print_setup(sheet, layout.PAGE_FIRST_ROW - 1)


def write_shown(sheet: Any, formats: styles.Formats, layout: Layout, values: Mapping[str, float]) -> None:
    """Which step and rate a sheet shows, as chosen on Overview."""
    label, shown = formats({"bold": True, "align": "right"}), formats({"bold": True, "align": "left", "indent": 1})
    what = layout.selectors[0].label
    for column, name, text, formula in (
        (1, what, f"{what} shown:", STEP_SHOWN),
        (3, RATE, f"at {RATE} =", layout.rate_shown_formula),
    ):
        sheet.write_string(layout.SHOWN_ROW, column - 1, text, label)
        sheet.write_formula(layout.SHOWN_ROW, column, f"={formula}", shown, values[name])


def _line(
    sheet: Any, formats: styles.Formats, layout: Layout, page: str, row: int, cell: Cell,
    values: Mapping[str, float], widths: Sequence[float],
) -> None:  # fmt: skip
    value, left = values[cell.name], layout.left_on_page(cell.name)
    symbol = formats({**styles.header(cell.role), "align": "left", "valign": "top", "bottom": 0})
    mono, grey = formats({**styles.TEXT, **styles.MONOSPACE}), formats({**styles.SUBTITLE, **styles.TEXT})
    sheet.write_string(row, 0, cell.name, symbol)
    sheet.write_string(row, 1, words(cell), formats(styles.TEXT))
    texts = [words(cell)]
    if cell.expr is None:
        picked = f"from {OVERVIEW}" if cell.name == RATE else _origin(cell, layout)
        sheet.write_string(row, 2, picked, grey)
    elif left:
        if layout.spec.level == "scaffolded":
            texts.append(layout.page_in_words(cell))
            sheet.write_string(row, 2, texts[1], formats(styles.TEXT))
    else:
        texts += [in_symbols(cell.expr), plugged(cell.expr, lambda name: _rounded(layout, name, values))]
        sheet.write_string(row, 2, texts[1], mono)
        sheet.write_formula(row, layout.PAGE_PLUGGED, f"={plugged_formula(layout, page, cell)}", mono, texts[2])
    shown = formats({**(styles.answer(cell.role) if left else styles.body(cell.role)), "valign": "top"})
    if left:
        sheet.write_blank(row, layout.PAGE_VALUE, None, shown)
    else:
        formula = layout.page_formula(cell, page)
        sheet.write_formula(row, layout.PAGE_VALUE, f"={formula}", shown, carried(value))
    beside = formats({**styles.SUBTITLE, **styles.TEXT, "align": "left", "indent": 1})
    formula = rounded_formula(row, may_be_empty=left)
    sheet.write_formula(row, layout.PAGE_ROUNDED, f"={formula}", beside, _rounded(layout, cell.name, values))
    # Excel fits a row's height to wrapped text only when somebody edits it.
    shares = (_FULL[0], _FULL[0]) if left else _FULL
    lines = max(math.ceil(len(text) / (share * width)) for text, share, width in zip(texts, shares, widths[1:]))
    if lines > 1:
        sheet.set_row(row, min(lines * _LINE_HEIGHT, _HIGHEST))


def _widths(layout: Layout, page: str) -> tuple[int, ...]:
    """Of the columns: a chain in words takes more room than a formula, and where nothing is told little is needed."""
    symbol, what, formula, numbers, *values = _WIDTHS
    cells = [line.cell for line in layout.pages[page] if line.cell]
    told = [cell for cell in cells if not layout.left_on_page(cell.name)]
    if layout.spec.level == "scaffolded":
        formula = 64
    elif layout.left and not told:
        formula = _NARROW
    if layout.left and all(cell.expr is None for cell in told):
        numbers = _NARROW
    return (symbol, what, formula, numbers, *values)


def _rounded(layout: Layout, name: str, values: Mapping[str, float]) -> str:
    return UNKNOWN if layout.left_on_page(name) else rounded(values[name])


def _origin(cell: Cell, layout: Layout) -> str:
    """In words, where a number that a page does not calculate comes from."""
    if cell.name.endswith(before_name("")):
        return "the batch before, 0 at the first" if layout.batches.several else "the row above, 0 in the first"
    if cell.once and layout.batches.several:
        return "the last row of the batch in its table"
    return f"from the table, at the {layout.selectors[0].label} shown"
