"""The columns of a table of functions told again, in numpy, from the definitions on the reference's side.

Each number comes with its noise: how far it moves when what it is made of is off by up to 64 units
of its last digit, and what the worksheet's own formula may lose on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from xlbackprop.curves.spec import Table
from xlbackprop.reference.complex_step import H
from xlbackprop.reference.functions import ACTIVATIONS, LOSSES, Array
from xlbackprop.reference.told import Calculator

UNITS = 64  # of the last digit


class Told(NamedTuple):
    values: Array
    noise: Array


class Curve(NamedTuple):
    function: str
    target: float | None
    values: Array
    slopes: Array


def curves(table: Table) -> tuple[Array, list[Curve]]:
    """What the functions of a table take, and each of them there with its derivative."""
    calculator, z = Calculator(), np.array(table.numbers)
    if table.grid:
        z = grid(table.grid.first, table.grid.last, table.grid.count, calculator).values
    if table.factor:
        z = product(z, table.factor.value, calculator).values
    result = []
    for target in table.targets or (None,):
        for name in table.functions:
            a = value(name, z, target, calculator).values
            result.append(Curve(name, target, a, slope(name, z, a, target, calculator).values))
    return z, result


def grid(first: float, last: float, count: int, calculator: Calculator) -> Told:
    """(count,): equal distances, both ends included."""
    values = np.linspace(first, last, count)
    return Told(values, np.full(count, UNITS * calculator.epsilon * max(abs(first), abs(last))))


def product(numbers: Array, factor: float, calculator: Calculator) -> Told:
    values = numbers * factor
    return Told(values, UNITS * calculator.epsilon * np.abs(values))


def value(name: str, z: Array, target: float | None, calculator: Calculator) -> Told:
    """The activation of that name of z or, with a target, the loss of z against it."""
    digit = UNITS * calculator.epsilon
    if target is None:
        activation = ACTIVATIONS[name]
        lost = activation.rough(z) * (calculator.erf_error if activation.uses_erf else digit)
        return _told(activation.value, [_nearby(z, digit)], lost)
    loss = LOSSES[name]
    t = np.full_like(z, target)
    return _told(lambda y: loss.value(t, y), [_nearby_output(z, digit)], loss.rough(z) * digit)


def slope(name: str, z: Array, a: Array, target: float | None, calculator: Calculator) -> Told:
    """The derivative by z; `a` is the function's value."""
    digit = UNITS * calculator.epsilon
    if target is None:
        activation = ACTIVATIONS[name]
        lost = activation.rough_slope(z) * (calculator.erf_error if activation.uses_erf else digit)
        return _told(activation.slope, [_nearby(z, digit), _nearby(a, digit)], lost)
    t = np.full_like(z, target)
    return _told(lambda y: LOSSES[name].slope(t, y), [_nearby_output(z, digit)], 0 * np.abs(z))


def complex_step(name: str, z: Array, target: float | None) -> Array:
    """The derivative by z without a rule: Im f(z + ih)/h."""
    stepped = z + 1j * H
    with np.errstate(all="ignore"):
        if target is None:
            return np.asarray(ACTIVATIONS[name].value(stepped).imag / H)
        return np.asarray(LOSSES[name].value(np.full_like(z, target), stepped).imag / H)


def _nearby(x: Array, digit: float) -> list[Array]:
    return [x, x * (1 - digit), x * (1 + digit)]


def _nearby_output(y: Array, digit: float) -> list[Array]:
    """Losses are made of y and 1 - y, so that the last digits of 1 count too."""
    step = digit * np.maximum(1, np.abs(y))
    return [y, y - step, y + step]


def _told(function: Callable[..., Array], arguments: list[list[Array]], lost: Array) -> Told:
    """The function of the first of each argument's values, and how far the others move it.

    What is made of no number may be anything: a constant, or an error.
    """
    with np.errstate(all="ignore"):
        plain = np.asarray(function(*(values[0] for values in arguments)))
        noise = np.zeros_like(plain)
        for k, values in enumerate(arguments):
            for other in values[1:]:
                moved = np.abs(function(*(other if j == k else one[0] for j, one in enumerate(arguments))) - plain)
                noise = noise + np.where(np.isfinite(moved), moved, 0)
        unknown = np.isnan(sum(values[0] for values in arguments))
    return Told(plain, np.where(unknown, np.inf, noise + lost))
