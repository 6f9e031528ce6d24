"""Evaluate a formula's tree on arrays: one call for all rows that a formula was filled down to.

Values are float64 arrays that broadcast, or complex ones for the complex step; what Excel would
show as an error is nan. Conditions are 1 and 0, as Excel counts them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from xlbackprop.audit.formula import Block, Call, Num, Text, Tree

# float64 or complex128, an array or a number that broadcasts with arrays: numpy's types cannot say that.
Array = Any
Look = Callable[[Tree], Array]


class UnknownFunction(Exception):
    """A function that is not in the table; the message is its name."""


def evaluate(tree: Tree, look: Look) -> Array:
    """The tree's value; `look` gives that of a leaf. Raises UnknownFunction."""
    with np.errstate(all="ignore"):
        return _value(tree, look)


def _value(tree: Tree, look: Look) -> Array:
    if isinstance(tree, Num):
        return np.float64(tree.value)
    if isinstance(tree, Call):
        if (operator := _OPERATORS.get(tree.name)) is not None:
            return operator(*[_value(arg, look) for arg in tree.args])
        return _function(tree, look)
    if isinstance(tree, Block):  # outside a function that takes ranges
        return look(tree) if len(tree.cells) != 1 else _value(tree.cells[0], look)
    if isinstance(tree, Text):
        return np.float64(math.nan)
    return look(tree)


def _function(call: Call, look: Look) -> Array:
    if call.name in _OVER_ALL:
        values = [_value(cell, look) for arg in call.args for cell in _cells(arg)]
        return _OVER_ALL[call.name](values) if values else np.float64(math.nan)
    if call.name == "SUMPRODUCT":
        columns = [[_value(cell, look) for cell in _cells(arg)] for arg in call.args]
        if len({len(column) for column in columns}) != 1:
            return np.float64(math.nan)
        return _total([_product(list(row)) for row in zip(*columns)])
    if (function := FUNCTIONS.get(call.name)) is None:
        raise UnknownFunction(call.name)
    try:
        return function(*[_value(arg, look) for arg in call.args])
    except TypeError:  # more or fewer arguments than it takes
        return np.float64(math.nan)


def _cells(tree: Tree) -> tuple[Tree, ...]:
    return tree.cells if isinstance(tree, Block) else (tree,)


def _total(values: list[Array]) -> Array:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _product(values: list[Array]) -> Array:
    product = values[0]
    for value in values[1:]:
        product = product * value
    return product


def _largest(values: list[Array]) -> Array:
    largest = values[0]
    for value in values[1:]:
        largest = np.where(np.real(value) > np.real(largest), value, largest)
    return largest


def _smallest(values: list[Array]) -> Array:
    return -_largest([-value for value in values])


_OVER_ALL: dict[str, Callable[[list[Array]], Array]] = {
    "SUM": _total,
    "PRODUCT": _product,
    "AVERAGE": lambda values: _total(values) / len(values),
    "MAX": _largest,
    "MIN": _smallest,
    "SUMSQ": lambda values: _total([value * value for value in values]),
    "COUNT": lambda values: np.float64(len(values)),
    "AND": lambda values: _product([_truth(value) for value in values]),
    "OR": lambda values: 1.0 - _product([1.0 - _truth(value) for value in values]),
}


def _truth(value: Array) -> Array:
    return (np.real(value) != 0) * 1.0


def _compare(name: str) -> Callable[[Array, Array], Array]:
    compare = getattr(np, name)

    def compared(x: Array, y: Array) -> Array:
        return compare(np.real(x), np.real(y)) * 1.0

    return compared


def _power(x: Array, y: Array) -> Array:
    exponent = np.real(y)
    if np.ndim(exponent) == 0 and abs(exponent) <= 8 and exponent == round(float(exponent)):
        power = _product([x] * int(abs(exponent))) if exponent else x * 0 + 1.0
        return 1.0 / power if exponent < 0 else power
    return np.power(x, y)


def _errors(value: Array) -> Array:
    """What overflows is an error in a worksheet."""
    return np.where(np.isinf(value), math.nan, value)


def _if(condition: Array, then: Array, otherwise: Array | None = None) -> Array:
    return np.where(np.real(condition) != 0, then, 0.0 if otherwise is None else otherwise)


def _log(x: Array, base: Array | None = None) -> Array:
    return _ln(x) / np.log(10.0 if base is None else base)


def _ln(x: Array) -> Array:
    return np.log(np.where(np.real(x) > 0, x, math.nan))


def _erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[float])(x)


def _round(x: Array, digits: Array | None = None) -> Array:
    scale = 10.0 ** (np.float64(0) if digits is None else digits)
    return np.sign(x) * np.floor(np.abs(x) * scale + 0.5) / scale


_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: _errors(np.divide(x, y)),
    "^": _power,
    "neg": lambda x: -x,
    "%": lambda x: x / 100.0,
    "=": _compare("equal"),
    "<>": _compare("not_equal"),
    "<": _compare("less"),
    ">": _compare("greater"),
    "<=": _compare("less_equal"),
    ">=": _compare("greater_equal"),
}

# What a worksheet function of one cell gives; to add one, add a row. Both spellings of Google
# Sheets and Excel stand here.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "EXP": lambda x: _errors(np.exp(x)),
    "LN": _ln,
    "LOG": _log,
    "LOG10": _log,
    "POWER": _power,
    "POW": _power,
    "SQRT": np.sqrt,
    "ABS": lambda x: np.where(np.real(x) < 0, -x, x),
    "SIGN": lambda x: np.sign(np.real(x)),
    "TANH": np.tanh,
    "SINH": np.sinh,
    "COSH": np.cosh,
    "SIN": np.sin,
    "COS": np.cos,
    "ERF": _erf,
    "ERF.PRECISE": _erf,
    "PI": lambda: np.float64(math.pi),
    "IF": _if,
    "NOT": lambda x: 1.0 - _truth(x),
    "N": lambda x: x,
    "INT": lambda x: np.floor(np.real(x)),
    "MOD": np.mod,
    "ROUND": _round,
    "MULTIPLY": lambda x, y: x * y,
    "ADD": lambda x, y: x + y,
    "MINUS": lambda x, y: x - y,
    "DIVIDE": lambda x, y: _errors(np.divide(x, y)),
    "UMINUS": lambda x: -x,
}
