"""The formulas of a circuit: what they may contain, as a tree that both tellings read in their own way."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from xlbackprop.errors import NetworkError
from xlbackprop.network_values import check_number

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)


def parsed(text: str) -> ast.expr:
    """The formula's tree. Raises NetworkError for anything but + - * / ^2, brackets, names and functions."""
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NetworkError(f"{text!r} is not a formula; write it like 'sigmoid(w*x + b)'") from None
    _check(tree, text, 0)
    return tree


def names(tree: ast.expr) -> Iterator[str]:
    """The quantities that a formula uses, from left to right."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    yield from (node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions)


def called(tree: ast.expr) -> Iterator[tuple[str, int]]:
    """The functions that a formula uses, each with how many arguments it gives them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id, len(node.args)


def _check(tree: ast.expr, text: str, depth: int) -> None:
    parts: list[ast.expr] = []
    match tree:
        case ast.BinOp(left, ast.Pow(), ast.Constant(value=2)):
            parts = [left]
        case ast.BinOp(left, op, right) if isinstance(op, _OPERATORS):
            parts = [left, right]
        case ast.UnaryOp(ast.USub(), operand):
            parts = [operand]
        case ast.Call(ast.Name(), [_, *_] as arguments, []):
            parts = arguments
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            check_number(repr(text), float(str(value)))  # of its digits, for a whole number may be too large for one
        case ast.Name():
            pass
        case _:
            raise NetworkError(
                f"{text!r}: {ast.unparse(tree)!r} cannot be used; a formula has + - * / ^2, names and functions"
            )
    if depth > 40:
        raise NetworkError(f"{text!r} is nested too deep; split it into several cells")
    for part in parts:
        _check(part, text, depth + 1)
