"""A circuit's formulas as functions of arrays, real or complex."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial

import numpy as np

from xlbackprop.reference.functions import ACTIVATIONS, Array
from xlbackprop.spec.formulas import names, parsed
from xlbackprop.spec.shapes import Names


def compiled(text: str) -> tuple[Names, Callable[..., Array]]:
    """The quantities that the formula uses, and its value from theirs."""
    tree = parsed(text)
    used = tuple(dict.fromkeys(names(tree)))
    return used, lambda *values: _value(tree, dict(zip(used, values)))


def _larger(x: Array, y: Array) -> Array:
    return np.where(np.real(x) >= np.real(y), x, y)


_OPERATORS: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: lambda x, _: x * x,
}


def _value(tree: ast.expr, known: dict[str, Array]) -> Array:
    again = partial(_value, known=known)
    match tree:
        case ast.Name(name):
            return known[name]
        case ast.Constant(value=float() | int() as number):
            return np.asarray(float(number))
        case ast.UnaryOp(_, operand):
            return -again(operand)
        case ast.BinOp(left, op, right):
            return _OPERATORS[type(op)](again(left), again(right))
        case ast.Call(ast.Name(called), args):
            values = list(map(again, args))
            if called == "max":
                result = values[0]
                for value in values[1:]:
                    result = _larger(result, value)
                return result
            if called in ("exp", "log"):
                return np.asarray(np.exp(values[0]) if called == "exp" else np.log(values[0]))
            return np.asarray(ACTIVATIONS[called.replace("_", " ")][0](values[0]))
    raise AssertionError(f"{ast.dump(tree)} is refused by parsed()")
