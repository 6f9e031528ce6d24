"""A page's text cells: a formula with its numbers plugged in, each number as short text."""

from __future__ import annotations

import math
from collections.abc import Callable

from xlbackprop.graph.expr import Expr
from xlbackprop.graph.program import Cell
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.printers import number, worksheet

TINY = 1e-99  # shown as 0: nobody follows such numbers by hand
UNKNOWN = "?"  # shown for a cell that is yet to be filled


def rounded(value: float) -> str:
    """The text that `rounded_formula` gives in a worksheet, or one that reads as the same number."""
    if not math.isfinite(value):
        return "#NUM!"
    text = "0" if abs(value) < TINY else f"{value:.6g}".upper()
    return f"({text})" if value < 0 else text


def rounded_formula(row: int, *, may_be_empty: bool = False) -> str:
    """The line's number to six digits, as text; brackets round a minus."""
    cell = cell_name(row, Layout.PAGE_VALUE)
    # Some calculators take tiny numbers for 0 when they compare: hence the factor, and SIGN.
    digits = f"ROUND({cell},5-INT(LOG10(ABS({cell}))))"
    number_text = f'IF(ABS({cell})*{number(1 / TINY)}<1,"0",{digits})'
    text = f'IF(SIGN({cell})<0,"(","")&{number_text}&IF(SIGN({cell})<0,")","")'
    return f'IF({cell}="","{UNKNOWN}",{text})' if may_be_empty else text


def plugged(expr: Expr, numbers: Callable[[str], str]) -> str:
    """The formula's text with a number for each quantity; `numbers` gives the text for a name."""
    text = worksheet(expr, lambda ref: numbers(ref.name))
    return "#NUM!" if "#NUM!" in text else text


def plugged_formula(layout: Layout, page: str, cell: Cell) -> str:
    """The formula of the text: its pieces joined with the rounded numbers of the lines that it uses."""
    assert cell.expr is not None
    text = plugged(cell.expr, lambda name: f'"&{layout.page_address(name, page, Layout.PAGE_ROUNDED)}&"')
    return f'"{text}"'.replace('""&', "").replace('&""', "")
