"""Expressions: what stands in a cell, as frozen values, so that a test of one is an equality.

    expr ::= Number(value) | Ref(name) | Prev(name) | Block(name) | Op(symbol, (expr, ...))

`Ref` is a quantity of the same row, `Prev` the same quantity one row up, `Block` the quantity in
all rows of this row's batch. In a cell that a batch has once, `Prev` is the batch before. Sums and products
are made by `add`, `sub`, `mul` and `neg`, which keep the shape that people write: no factor 1,
no `-(a-b)` for `b-a`, and a product of products without brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Ref:
    name: str


@dataclass(frozen=True, slots=True)
class Prev:
    name: str


@dataclass(frozen=True, slots=True)
class Block:
    name: str


@dataclass(frozen=True, slots=True)
class Op:
    symbol: str
    args: tuple[Expr, ...]


Expr = Number | Ref | Prev | Block | Op

ZERO, ONE, TWO = Number(0), Number(1), Number(2)


def neg(x: Expr) -> Expr:
    match x:
        case Number(value):
            return Number(-value)
        case Op("neg", (inner,)):
            return inner
        case Op("-", (left, right)):
            return Op("-", (right, left))
    return Op("neg", (x,))


def add(x: Expr, y: Expr) -> Expr:
    if x == ZERO:
        return y
    match y:
        case Number(0):
            return x
        case Op("neg", (inner,)):
            return sub(x, inner)
    return Op("+", (x, y))


def sub(x: Expr, y: Expr) -> Expr:
    if y == ZERO:
        return x
    return neg(y) if x == ZERO else Op("-", (x, y))


def mul(x: Expr, y: Expr) -> Expr:
    """x*y, read from the left: a product on the right joins the chain instead of taking brackets."""
    if ZERO in (x, y):
        return ZERO
    match x, y:
        case (Number(1), other) | (other, Number(1)):
            return other
        case (Number(-1), other) | (other, Number(-1)):
            return neg(other)
        case _, Op("*", (left, right)):
            return mul(mul(x, left), right)
        case Op("neg", (inner,)), _:
            return neg(mul(inner, y))
        case _, Op("neg", (inner,)):
            return neg(mul(x, inner))
    return Op("*", (x, y))


def total(terms: list[Expr]) -> Expr:
    """The sum of the terms from the left; 0 of none."""
    result: Expr = ZERO
    for term in terms:
        result = add(result, term)
    return result


def div(x: Expr, y: Expr) -> Expr:
    match x, y:
        case (Number(0), _) | (_, Number(1)):
            return x
        case Op("neg", (inner,)), _:
            return neg(div(inner, y))
    return Op("/", (x, y))


_BUILDERS: dict[str, Callable[..., Expr]] = {"+": add, "-": sub, "*": mul, "/": div, "neg": neg}


def build(symbol: str, *args: Expr) -> Expr:
    """The operation on these arguments, in the shape that people write."""
    return _BUILDERS[symbol](*args) if symbol in _BUILDERS else Op(symbol, args)


def substitute(expr: Expr, by: Mapping[str, Expr]) -> Expr:
    """The expression with each `Ref` named in `by` replaced."""
    match expr:
        case Ref(name):
            return by.get(name, expr)
        case Op(symbol, args):
            return build(symbol, *(substitute(arg, by) for arg in args))
    return expr


def refs(expr: Expr) -> Iterator[str]:
    """The names of the same row or batch that the expression uses, from left to right, repeats included."""
    return (leaf.name for leaf in _leaves(expr) if isinstance(leaf, (Ref, Block)))


def blocks(expr: Expr) -> Iterator[str]:
    """The names that the expression uses in all rows of the batch."""
    return (leaf.name for leaf in _leaves(expr) if isinstance(leaf, Block))


def priors(expr: Expr) -> Iterator[str]:
    """The names that the expression uses one row up."""
    return (leaf.name for leaf in _leaves(expr) if isinstance(leaf, Prev))


def _leaves(expr: Expr) -> Iterator[Number | Ref | Prev | Block]:
    """From left to right. Generators within generators would take a time that grows with the depth, squared."""
    waiting = [expr]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Op):
            waiting.extend(reversed(one.args))
        else:
            yield one


def with_priors(expr: Expr, by: Callable[[str], Expr]) -> Expr:
    """The expression with each `Prev` replaced."""
    match expr:
        case Prev(name):
            return by(name)
        case Op(symbol, args):
            return build(symbol, *(with_priors(arg, by) for arg in args))
    return expr
