"""Printers: an expression as the text of a worksheet formula, or of a line to read.

Both read the worksheet template of the table of operations; they differ in what they put for
a reference. Brackets follow from the worksheet's precedence alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from xlbackprop.graph.expr import Block, Expr, Number, Op, Prev, Ref
from xlbackprop.graph.ops import ATOM, NEGATION, OPS
from xlbackprop.sheet.address import column_name

_ADDRESS = re.compile(r"([A-Z]{1,3})([1-9]\d*)")
Resolve = Callable[["Ref | Prev | Block"], str]


def number(value: float) -> str:
    """The shortest text that reads back as the same double; whole numbers without a point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value).upper()


def worksheet(expr: Expr, resolve: Resolve) -> str:
    """The formula's text without its `=`; `resolve` says what stands for a reference."""
    return _print(expr, resolve)[0]


def in_symbols(expr: Expr) -> str:
    """The expression in the names of its quantities: `(a_o1-t1)·a_o1·(1-a_o1)·a_h1`."""

    def name(ref: Ref | Prev | Block) -> str:
        return ref.name + {Ref: "", Prev: " above", Block: " of the batch"}[type(ref)]

    return worksheet(expr, name).replace("*", "·")


def _print(expr: Expr, resolve: Resolve) -> tuple[str, int]:
    """The text and its precedence."""
    if isinstance(expr, Number):
        return number(expr.value), ATOM if expr.value >= 0 else NEGATION
    if not isinstance(expr, Op):
        return resolve(expr), ATOM
    row = OPS[expr.symbol]
    texts = []
    slots = row.slots if len(row.slots) > 1 else row.slots * len(expr.args)
    for arg, least in zip(expr.args, slots, strict=True):
        text, precedence = _print(arg, resolve)
        texts.append(text if precedence >= least else f"({text})")
    listed = ",".join(_joined(texts)) if "{args}" in row.worksheet else ""
    return row.worksheet.format(*texts, args=listed), row.precedence


def _joined(texts: list[str]) -> list[str]:
    """The arguments of a function, neighbouring cells of a row as one range."""
    result: list[str] = []
    first = last = ""
    for text in [*texts, ""]:
        if last and _next_cell(last) == text:
            last = text
            continue
        if first:
            result.append(first if first == last else f"{first}:{last}")
        first = last = text
    return result


def _next_cell(address: str) -> str | None:
    """The cell right of an address without a sheet or $, None for other texts."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return None
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return f"{column_name(column)}{match[2]}"
