"""Printers: an expression as the text of a worksheet formula, or of a line to read.

Both read the worksheet template of the table of operations; they differ in what they put for
a reference. Brackets follow from the worksheet's precedence alone.
"""

from __future__ import annotations

from collections.abc import Callable

from xlbackprop.graph.expr import Expr, Number, Op, Prev, Ref
from xlbackprop.graph.ops import ATOM, NEGATION, OPS

Resolve = Callable[["Ref | Prev"], str]


def number(value: float) -> str:
    """The shortest text that reads back as the same double; whole numbers without a point."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value).upper()


def worksheet(expr: Expr, resolve: Resolve) -> str:
    """The formula's text without its `=`; `resolve` says what stands for a reference."""
    return _print(expr, resolve)[0]


def in_symbols(expr: Expr) -> str:
    """The expression in the names of its quantities: `(a_o1-t1)·a_o1·(1-a_o1)·a_h1`."""

    def name(ref: Ref | Prev) -> str:
        return ref.name if isinstance(ref, Ref) else f"{ref.name} above"

    return worksheet(expr, name).replace("*", "·")


def _print(expr: Expr, resolve: Resolve) -> tuple[str, int]:
    """The text and its precedence."""
    match expr:
        case Number(value):
            return number(value), ATOM if value >= 0 else NEGATION
        case Op(symbol, args):
            row = OPS[symbol]
            texts = []
            for arg, least in zip(args, row.slots, strict=True):
                text, precedence = _print(arg, resolve)
                texts.append(text if precedence >= least else f"({text})")
            return row.worksheet.format(*texts), row.precedence
    return resolve(expr), ATOM
