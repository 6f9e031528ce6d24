"""Trees of worksheet formulas, printed again in the language that they were typed in."""

from __future__ import annotations

from collections.abc import Callable

from xlbackprop.audit.formula import LEVELS, Call, Err, Num, Text, Token, Tree

_LEVEL = {sign: level for level, signs in enumerate(LEVELS) for sign in signs}
_NEG, _ATOM = len(LEVELS), len(LEVELS) + 1


def to_tokens(tree: Tree) -> list[Token]:
    """The tokens of a tree with no bracket more than it needs; leaves stay trees."""
    return _unparse(tree)[0]


def _unparse(tree: Tree) -> tuple[list[Token], int]:
    """The tokens, and how tightly they bind."""
    if not isinstance(tree, Call):
        return [tree], _NEG if isinstance(tree, Num) and tree.value < 0 else _ATOM
    if tree.name == "neg":
        return ["-", *_within(tree.args[0], _NEG)], _NEG
    if tree.name == "%":
        return [*_within(tree.args[0], _ATOM), "%"], _ATOM
    if tree.name in _LEVEL:
        level = _LEVEL[tree.name]
        left, right = tree.args
        return [*_within(left, level), tree.name, *_within(right, level + 1)], level
    inside: list[Token] = []
    for k, arg in enumerate(tree.args):
        inside += [",", *_unparse(arg)[0]] if k else _unparse(arg)[0]
    return [tree.name + "(", "(", *inside, ")"], _ATOM


def _within(tree: Tree, least: int) -> list[Token]:
    found, level = _unparse(tree)
    return found if level >= least else ["(", *found, ")"]


def to_text(tree: Tree, leaf: Callable[[Tree], str]) -> str:
    """The formula's text without `=`; `leaf` writes what is neither a number nor a text."""
    parts = []
    for token in to_tokens(tree):
        if isinstance(token, str):
            parts.append(token[:-1] if len(token) > 1 and token.endswith("(") else token)
        elif isinstance(token, Num):
            parts.append(_number(token.value))
        elif isinstance(token, Text):
            parts.append('"' + token.value.replace('"', '""') + '"' if token.value else "")
        elif isinstance(token, Err):
            parts.append(token.text)
        else:
            parts.append(leaf(token))
    return "".join(parts)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value).upper()
