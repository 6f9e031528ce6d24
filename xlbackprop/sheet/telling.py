"""A formula told in words, for worksheets that leave the formula itself to the reader."""

from __future__ import annotations

from collections.abc import Callable

from xlbackprop.graph.expr import Block, Expr, Number, Op, Prev, Ref, refs
from xlbackprop.graph.ops import ATOM, PRODUCT, SUM
from xlbackprop.graph.program import Program, Role
from xlbackprop.sheet.printers import number

Say = Callable[["Ref | Prev | Block"], str]
MOST = 6  # terms of a sum that are told one by one

# Of the other operations the table's own word is told: "the sigmoid of h1".
_PHRASES = {
    "square": "the square of {0}",
    "sqrt": "the square root of {0}",
    "exp": "e to the power of {0}",
    "ln": "the logarithm of {0}",
    "max": "the largest of {args}",
    "shift": "the largest of {args}",
    "min": "the smallest of {args}",
    "average": "the mean of {args}",
    "positive": "(1 if {0} is above 0, otherwise 0)",
    "norm": "the square root of the sum of the squares of {args}",
    "power": "{0} to the power of {1}",
    "whole": "the whole part of {0}",
    "cos": "the cosine of {0}",
    "relu": "the larger of 0 and {0}",
    "half squared error": "half the square of the difference of {0} and {1}",
    "squared error": "the square of the difference of {0} and {1}",
    "binary cross-entropy": (
        "minus the sum of {0} times the logarithm of {1} and (1 minus {0}) times the logarithm of (1 minus {1})"
    ),
    "cross-entropy from logits": "{0} times ({2} minus {1})",
    "kl divergence": "{0} times the logarithm of ({0} divided by {1})",
    "cross-entropy": "minus {0} times the logarithm of {1}",
    "nll": "minus {0} times {1}",
    "batch mean": "the mean of {0} over the rows of the batch",
    "batch sum": "the sum of {0} over the rows of the batch",
    "stable sigmoid": "the sigmoid of {0}",
    "stable softplus": "the softplus of {0}",
    "stable silu": "the silu of {0}",
    "identity": "{0}",
}


class Teller:
    """Tells expressions over a program's quantities."""

    def __init__(self, program: Program) -> None:
        self._program = program
        # The names whose products are paths from the error.
        self._adjoints = {one.name for one in program if one.role in (Role.LOCAL, Role.UPSTREAM, Role.DELTA)}

    def told(self, expr: Expr, above: str = "") -> str:
        """In words: `how the error moves with a_o1, times how a_o1 moves with o1`; `above`: where `Prev` looks."""

        def say(ref: Ref | Prev | Block) -> str:
            return _named(ref.name, self._program) + (f" {above}" if isinstance(ref, Prev) else "")

        return _Words(say, self._adjoints).of(expr)[0]


class _Words:
    """Tells expressions; `adjoints` are the names whose products are paths from the error."""

    def __init__(self, say: Say, adjoints: set[str]) -> None:
        self._say, self._adjoints = say, adjoints

    def of(self, expr: Expr) -> tuple[str, int]:
        """The text and its precedence."""
        match expr:
            case Number(value):
                return number(value), ATOM
            case Op("+" | "-", _):
                return self._sum(expr), SUM
            case Op("*", _):
                return self._product(expr), PRODUCT
            case Op("/", (left, right)):
                return f"{self._within(left, PRODUCT)} divided by {self._within(right, ATOM)}", SUM
            case Op("neg", (inner,)):
                return f"minus {self._within(inner, PRODUCT)}", SUM
            case Op(symbol, args):
                texts = [self._within(arg, ATOM) for arg in args]
                phrase = _PHRASES.get(symbol) or f"the {symbol} of " + " and ".join(
                    f"{{{k}}}" for k in range(len(args))
                )
                return phrase.format(*texts, args=_listed(texts)), ATOM
        return self._say(expr), ATOM

    def _within(self, expr: Expr, least: int) -> str:
        text, precedence = self.of(expr)
        return text if precedence >= least else f"({text})"

    def _product(self, expr: Expr) -> str:
        factors = [self._within(factor, PRODUCT) for factor in _factors(expr)]
        return (", times " if any(map(_is_clause, factors)) else " times ").join(factors)

    def _sum(self, expr: Expr) -> str:
        signed = _terms(expr)
        texts = [self._within(term, PRODUCT) for _, term in signed]
        signs = ["minus" if minus else "plus" for minus, _ in signed]
        parts = [f"{sign} {text}" for sign, text in zip(signs, texts)]
        if len(parts) > MOST:
            parts = [*parts[:2], f"and so on for all {len(parts)}, the last being {texts[-1]}"]
        pause = "; " if any(map(_is_clause, texts)) else " "
        return self._paths([term for _, term in signed]) + pause.join(parts).removeprefix("plus ")

    def _paths(self, terms: list[Expr]) -> str:
        if not all(self._adjoints & set(refs(term)) for term in terms):
            return ""
        return "over both paths: " if len(terms) == 2 else f"over all {len(terms)} paths: "


def _is_clause(text: str) -> bool:
    return " moves with " in text


def _factors(expr: Expr) -> list[Expr]:
    """The factors of a product, which is read from the left."""
    found: list[Expr] = []
    while isinstance(expr, Op) and expr.symbol == "*":
        expr, last = expr.args
        found.insert(0, last)
    return [expr, *found]


def _terms(expr: Expr) -> list[tuple[bool, Expr]]:
    """The terms of a sum, each with whether it is taken off."""
    found: list[tuple[bool, Expr]] = []
    while isinstance(expr, Op) and expr.symbol in "+-":
        minus = expr.symbol == "-"
        expr, last = expr.args
        found.insert(0, (minus, last))
    match expr:
        case Op("neg", (inner,)):
            return [(True, inner), *found]
    return [(False, expr), *found]


def _listed(texts: list[str]) -> str:
    if len(texts) > MOST:
        return f"{texts[0]}, {texts[1]} and so on to {texts[-1]}, {len(texts)} in all"
    return f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else texts[0]


def _named(name: str, program: Program) -> str:
    role = program[name].role if name in program else None
    top, _, bottom = (part.removeprefix("∂") for part in name.partition("/"))
    match role:
        case Role.RATE:
            return "the learning rate"
        case Role.GRADIENT:
            return f"the gradient by {bottom}"
        case Role.DELTA:
            return f"how the error moves with {name.removeprefix('δ_')} ({name})"
        case Role.UPSTREAM:
            mean = "the mean over the batch of " if name.startswith("mean ") else ""
            return f"{mean}how the error moves with {bottom}"
        case Role.LOCAL:
            return f"how {top} moves with {bottom}"
    return name
