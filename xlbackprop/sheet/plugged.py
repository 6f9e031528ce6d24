"""A page's text cells: a formula with its numbers plugged in, each number as short text."""

from __future__ import annotations

import math
from collections.abc import Callable

from xlbackprop.graph.expr import Expr
from xlbackprop.graph.program import Cell
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.printers import worksheet


def rounded(value: float) -> str:
    """The text that `rounded_formula` gives in a worksheet."""
    if not math.isfinite(value):
        return "#NUM!"
    if value == int(value) and abs(value) < 1e5:
        text = str(int(value))
    else:
        text = f"{value:.6f}" if 1e-3 <= abs(value) < 1e5 else f"{value:.5E}"
    return f"({text})" if value < 0 else text


def rounded_formula(row: int) -> str:
    """The line's number as text: six decimals, or six digits where those would hide it; brackets round a minus."""
    cell = cell_name(row, Layout.PAGE_VALUE)
    text = f'TEXT({cell},IF({cell}=INT({cell}),"0",IF(ABS({cell})<0.001,"0.00000E+00","0.000000")))'
    text = f'IF(ABS({cell})<100000,{text},TEXT({cell},"0.00000E+00"))'
    return f'IF({cell}<0,"("&{text}&")",{text})'


def plugged(expr: Expr, numbers: Callable[[str], str]) -> str:
    """The formula's text with a number for each quantity; `numbers` gives the text for a name."""
    text = worksheet(expr, lambda ref: numbers(ref.name))
    return "#NUM!" if "#NUM!" in text else text


def plugged_formula(layout: Layout, page: str, cell: Cell) -> str:
    """The formula of the text: its pieces joined with the rounded numbers of the lines that it uses."""
    assert cell.expr is not None
    text = plugged(cell.expr, lambda name: f'"&{layout.page_address(name, page, Layout.PAGE_ROUNDED)}&"')
    return f'"{text}"'.replace('""&', "").replace('&""', "")
