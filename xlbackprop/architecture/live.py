"""A formula and what it gives, written once: `Live` values calculate as numbers do, and keep the worksheet's text."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# How tightly an operation of the worksheet holds its operands together.
_COMPARED, _JOINED, _SUM, _PRODUCT, _WHOLE = range(5)


@dataclass(frozen=True)
class Live:
    text: str
    value: Any  # int, str or bool; a worksheet knows no types of cells either
    binding: int = _WHOLE

    def __add__(self, other: Operand) -> Live:
        return _binary("+", _SUM, operator.add, self, other)

    def __sub__(self, other: Operand) -> Live:
        return _binary("-", _SUM, operator.sub, self, other)

    def __mul__(self, other: Operand) -> Live:
        return _binary("*", _PRODUCT, operator.mul, self, other)

    def __rmul__(self, other: Operand) -> Live:
        return _binary("*", _PRODUCT, operator.mul, other, self)

    def __floordiv__(self, other: Operand) -> Live:
        by = _live(other)
        return Live(f"INT({_binary('/', _PRODUCT, operator.truediv, self, by).text})", self.value // by.value)

    def __mod__(self, other: Operand) -> Live:
        by = _live(other)
        return Live(f"MOD({self.text},{by.text})", self.value % by.value)

    def __lt__(self, other: Operand) -> Live:
        return _binary("<", _COMPARED, operator.lt, self, other)

    def __ge__(self, other: Operand) -> Live:
        return _binary(">=", _COMPARED, operator.ge, self, other)

    def differs(self, other: Operand) -> Live:
        return _binary("<>", _COMPARED, operator.ne, self, other)

    def __bool__(self) -> bool:
        raise TypeError(f"{self.text} is a formula; decide with when()")


Operand = Live | int | str


def largest(*values: Operand) -> Live:
    lives = [_live(one) for one in values]
    return Live(f"MAX({','.join(one.text for one in lives)})", max(one.value for one in lives))


def either(*conditions: Live) -> Live:
    return Live(f"OR({','.join(one.text for one in conditions)})", any(one.value for one in conditions))


def when(condition: Live, then: Operand, otherwise: Operand = "") -> Live:
    yes, no = _live(then), _live(otherwise)
    return Live(f"IF({condition.text},{yes.text},{no.text})", yes.value if condition.value else no.value)


def joined(*parts: Operand) -> Live:
    """The parts as one text."""
    lives = [_live(one) for one in parts]
    return Live("&".join(_held(one, _JOINED) for one in lives), "".join(str(one.value) for one in lives), _JOINED)


def trimmed(text: Live) -> Live:
    return Live(f"TRIM({text.text})", " ".join(text.value.split()))


def _live(operand: Operand) -> Live:
    if isinstance(operand, Live):
        return operand
    text = '"' + operand.replace('"', '""') + '"' if isinstance(operand, str) else str(operand)
    return Live(text, operand)


def _binary(symbol: str, binding: int, calculate: Callable[[Any, Any], Any], left: Operand, right: Operand) -> Live:
    a, b = _live(left), _live(right)
    # a-(b-c) and a/(b*c) need their brackets, (a-b)-c does not
    text = f"{_held(a, binding)}{symbol}{_held(b, binding + (symbol in '-/'))}"
    return Live(text, calculate(a.value, b.value), binding)


def _held(one: Live, binding: int) -> str:
    return one.text if one.binding >= binding else f"({one.text})"
