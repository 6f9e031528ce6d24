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


def rounded(value: float) -> str:
    """The text that `rounded_formula` gives in a worksheet."""
    if not math.isfinite(value):
        return "#NUM!"
    size = abs(value)
    if size < TINY or (size == int(size) and size < 1e5):
        text = f"{size:.0f}"
    else:
        text = f"{size:.6f}" if 1e-3 <= size < 1e5 else f"{size:.5E}"
    return f"(-{text})" if value < 0 else text


def rounded_formula(row: int) -> str:
    """The line's number as text: six decimals, or six digits where those would hide it; brackets round a minus.

    Calculators differ in what TEXT makes of a sign and of digits that carry over, so the sign is
    written out and the number is rounded first.
    """
    cell = cell_name(row, Layout.PAGE_VALUE)
    size = f"ABS({cell})"
    digits = f'TEXT(ROUND({size},5-INT(LOG10({size}))),"0.00000E+00")'
    decimals = f'IF({size}<100000,IF({size}=INT({size}),TEXT({size},"0"),TEXT(ROUND({size},6),"0.000000")),{digits})'
    # Some calculators take tiny numbers for 0 when they compare: hence the factor, and SIGN.
    small = f'IF({size}*{number(1 / TINY)}<1,"0",{digits})'
    minus = f"SIGN({cell})<0"
    return f'IF({minus},"(-","")&IF({size}<0.001,{small},{decimals})&IF({minus},")","")'


def plugged(expr: Expr, numbers: Callable[[str], str]) -> str:
    """The formula's text with a number for each quantity; `numbers` gives the text for a name."""
    text = worksheet(expr, lambda ref: numbers(ref.name))
    return "#NUM!" if "#NUM!" in text else text


def plugged_formula(layout: Layout, page: str, cell: Cell) -> str:
    """The formula of the text: its pieces joined with the rounded numbers of the lines that it uses."""
    assert cell.expr is not None
    text = plugged(cell.expr, lambda name: f'"&{layout.page_address(name, page, Layout.PAGE_ROUNDED)}&"')
    return f'"{text}"'.replace('""&', "").replace('&""', "")
