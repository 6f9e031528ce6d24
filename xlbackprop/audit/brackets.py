"""A formula with one pair of brackets more, less, or moved."""

from __future__ import annotations

from collections.abc import Iterator

from xlbackprop.audit.formula import FormulaError, Token, Tree, assemble

_MOST_TOKENS = 120


def bracketed(tokens: list[Token]) -> Iterator[tuple[Tree, str]]:
    """The formula with one pair of brackets more, less, or moved."""
    if len(tokens) > _MOST_TOKENS:
        return
    yield from _with_pair(tokens, "missing parentheses")
    for first, last in _pairs(tokens):
        inner = [*tokens[:first], *tokens[first + 1 : last], *tokens[last + 1 :]]
        if (tree := _assembled(inner)) is not None:
            yield tree, "extra parentheses"
        yield from _with_pair(inner, "misplaced parentheses")


def _with_pair(tokens: list[Token], how: str) -> Iterator[tuple[Tree, str]]:
    starts = [
        k for k, token in enumerate(tokens) if token in ("(", "-") or not isinstance(token, str) or token[-1] == "("
    ]
    ends = [k for k, token in enumerate(tokens) if token == ")" or not isinstance(token, str)]
    for first in starts:
        for last in ends:
            if last > first + 1 and _balanced(tokens[first : last + 1]):
                tree = _assembled([*tokens[:first], "(", *tokens[first : last + 1], ")", *tokens[last + 1 :]])
                if tree is not None:
                    yield tree, how


def _balanced(tokens: list[Token]) -> bool:
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth < 0:
            return False
    return depth == 0


def _pairs(tokens: list[Token]) -> Iterator[tuple[int, int]]:
    """Where brackets open and close, those of functions left out."""
    waiting: list[int] = []
    for k, token in enumerate(tokens):
        if token == "(":
            waiting.append(k)
        elif token == ")":
            first = waiting.pop()
            before = tokens[first - 1] if first else ""
            if not (isinstance(before, str) and len(before) > 1 and before.endswith("(")):
                yield first, k


def _assembled(tokens: list[Token]) -> Tree | None:
    try:
        return assemble(tokens)
    except FormulaError:
        return None
