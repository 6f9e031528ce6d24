"""Formulas as people type them: a tree whose leaves are quantities, and its text in a cell.

    expr ::= Num(text) | Ref(name, lag) | Span(first, last) | Op(symbol, expr, ...)

The tree keeps what people choose: the order of factors, `()` where none are needed. `bare` is a
part that has lost the parentheses it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Num:
    text: str


@dataclass(frozen=True)
class Ref:
    """A quantity `lag` steps before; `pinned` to one step with dollars; or `drift` cells off its cell."""

    name: str
    lag: int = 0
    pinned: int | None = None
    drift: int = 0


@dataclass(frozen=True)
class Span:
    """Neighbouring cells of one step, such as E33:F33."""

    first: str
    last: str


@dataclass(frozen=True)
class Op:
    symbol: str  # + - * / ^ > neg () bare, or a function's name
    args: tuple[Expr, ...]


Expr = Num | Ref | Span | Op
LEVELS = {">": 0, "+": 1, "-": 1, "*": 2, "/": 2, "^": 3, "neg": 4}  # unary minus binds tighter than ^
ATOM = 5


@dataclass(frozen=True)
class Spelling:
    """How a hand types: spaces around which operators, and lower-case functions."""

    spaced: str = ""
    lower: bool = False
    lead: str = ""  # after the equals sign

    def text(self, expr: Expr, cell: Callable[[Ref | Span], str]) -> str:
        return self._text(expr, cell)[0]

    def _text(self, expr: Expr, cell: Callable[[Ref | Span], str]) -> tuple[str, int]:
        match expr:
            case Num(text):
                return text, LEVELS["neg"] if text.startswith("-") else ATOM
            case Ref() | Span():
                return cell(expr), ATOM
            case Op("()", (arg,)):
                return f"({self.text(arg, cell)})", ATOM
            case Op("bare", (arg,)):
                return self.text(arg, cell), ATOM
            case Op("neg", (arg,)):
                return "-" + self._operand(arg, LEVELS["neg"] + 1, cell), LEVELS["neg"]
            case Op(symbol, args) if symbol in LEVELS:
                level = LEVELS[symbol]
                strict = level + (symbol in "-/^")  # a-(b-c) needs its parentheses, a+(b-c) does not
                first, *rest = args
                parts = [self._operand(first, level, cell), *(self._operand(arg, strict, cell) for arg in rest)]
                return (f" {symbol} " if symbol in self.spaced else symbol).join(parts), level
            case Op(symbol, args):
                name = symbol.lower() if self.lower else symbol
                return f"{name}({','.join(self.text(arg, cell) for arg in args)})", ATOM
        raise TypeError(expr)

    def _operand(self, expr: Expr, level: int, cell: Callable[[Ref | Span], str]) -> str:
        text, own = self._text(expr, cell)
        return text if own >= level else f"({text})"


def op(symbol: str, *args: Expr) -> Op:
    return Op(symbol, args)


def product(factors: Iterable[Expr]) -> Expr:
    """A flat product; that of one is itself."""
    flat = [part for one in factors for part in (one.args if isinstance(one, Op) and one.symbol == "*" else (one,))]
    return Op("*", tuple(flat)) if len(flat) > 1 else flat[0]


def total(terms: Iterable[Expr]) -> Expr:
    parts = tuple(terms)
    return Op("+", parts) if len(parts) > 1 else parts[0]


def leaves(expr: Expr) -> Iterator[Ref]:
    """Every reference, as often as it stands there."""
    match expr:
        case Ref():
            yield expr
        case Op(_, args):
            for arg in args:
                yield from leaves(arg)


def edits(expr: Expr, change: Callable[[Expr], Iterable[Expr]]) -> Iterator[Expr]:
    """The expression with one of its parts changed, in all ways."""
    yield from change(expr)
    if isinstance(expr, Op):
        for k, arg in enumerate(expr.args):
            for edited in edits(arg, change):
                yield replace(expr, args=(*expr.args[:k], edited, *expr.args[k + 1 :]))


def swapped(expr: Expr, old: Ref, new: Expr) -> Expr:
    """The expression with every `old` replaced."""
    if expr == old:
        return new
    if isinstance(expr, Op):
        return replace(expr, args=tuple(swapped(arg, old, new) for arg in expr.args))
    return expr
