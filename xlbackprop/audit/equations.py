"""The equations that people write beside a table, as trees: `∂E/∂w5 = (a_o1 - t1) * a_o1 * (1 - a_o1) * a_h1`.

    text ::= quantity = side {= side}
    side ::= an expression of mathematics: numbers, quantities, + - * / ^, ∂.../∂quantity, σ, exp, ...

The trees are those of formulas (formula.py), with two more leaves: `Partial`, and a `Name` of the
world (world.py). What can be read in more than one way is not read at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from xlbackprop.audit.cells import Place, Sheet
from xlbackprop.audit.formula import Call, Name, Num, Tree, leaves
from xlbackprop.audit.labels import Kind, read_label
from xlbackprop.audit.network import Network

_MOST_TEXTS, _LONGEST, _DEEPEST = 2000, 400, 30  # texts of a sheet, characters and brackets of one
RATE, NEXT, HELPER = "rate", "next ", "helper "  # names beside those of the world


class Unreadable(Exception):
    """An expression with something in it that is not known, or that can be read in more than one way."""


@dataclass(frozen=True, slots=True)
class Partial:
    """A leaf of a text's tree: ∂of/∂by."""

    of: Tree
    by: Name


# The equations of a sheet.


@dataclass(frozen=True)
class Equation:
    place: Place
    sides: tuple[str, ...]  # the quantity, then what it is said to be


def equations(sheet: Sheet, labels: frozenset[str] = frozenset()) -> Iterator[Equation]:
    """The equations among a sheet's texts, and those of a label with an expression right of it.

    `labels` are those of the table, whose neighbours mean other quantities.
    """
    count = 0
    for place, cell in sorted(sheet.cells.items()):
        text = cell.value
        if cell.formula is not None or not isinstance(text, str) or not 3 <= len(text) <= _LONGEST:
            continue
        count += 1
        if count > _MOST_TEXTS:
            return
        for line in plain(text).splitlines():
            sides = tuple(side.strip() for side in line.split("="))
            if len(sides) == 1 and text not in labels and read_label(text).kind is Kind.OTHER:
                sides = (_label_left_of(sheet, place, labels), *sides)
            if len(sides) > 1 and all(sides) and not _NOT_ONE_EQUATION.search("=".join(sides)):
                yield Equation(place, sides)


def _label_left_of(sheet: Sheet, place: Place, labels: frozenset[str]) -> str:
    """The text left of an expression, unless both head columns."""
    for column in range(place[1] - 1, max(-1, place[1] - 4), -1):
        cell = sheet.cells.get((place[0], column))
        text = "" if cell is None else cell.value
        if cell is None or (cell.formula is None and isinstance(text, str) and text.strip() in ("", "=", ":")):
            continue
        if cell.formula is not None or not isinstance(text, str) or text in labels or len(text) > _LONGEST:
            return ""
        if _heads_numbers(sheet, place) or _heads_numbers(sheet, (place[0], column)):
            return ""
        label = plain(text).strip().rstrip("=:").strip()
        return "" if "=" in label else label
    return ""


def _heads_numbers(sheet: Sheet, place: Place) -> bool:
    below = sheet.cells.get((place[0] + 1, place[1]))
    return below is not None and (below.formula is not None or not isinstance(below.value, str))


# Reading.

_SIGNS = {"½": "(1/2)", "¼": "(1/4)", "²": "^2", "³": "^3", "**": "^", "÷": "/"}
_SIGNS |= dict.fromkeys("×·⋅∙∗•", "*") | dict.fromkeys("−–—", "-") | dict.fromkeys("[{", "(") | dict.fromkeys("]}", ")")
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_NOT_ONE_EQUATION = re.compile(r"[,;:<>≈≠≤≥→⇒|&\"'?!…]|==")
_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*|\.\d+)(?![\w.])|([^\W\d]\w*|0\d)|([-+*/^()∂]))")
_MANY_SIGNS = re.compile(r"([-+]\s*){3}")
_PARTIAL_ERROR = re.compile(r"[dδ]?_?e(?:rr(?:or)?)?_?\d\w*d\w*", re.IGNORECASE)  # dE1_dw5, of which labels say less
_AMBIGUOUS = re.compile(r"[ylcs]\d+", re.IGNORECASE)  # y1: a target or an output? l1: a loss or a layer?
_EULER = Name("e")
_SIGMA = ("σ", "sig", "sigma")


def plain(text: str) -> str:
    """One sign for each meaning."""
    text = re.sub(r"_\{([^{}]*)\}", r"_\1", text)
    text = unicodedata.normalize("NFKC", _SIGN.sub(lambda match: _SIGNS[match[0]], text))
    return _SIGN.sub(lambda match: _SIGNS[match[0]], text.replace("ð", "∂"))


def readings(text: str, names: Names) -> list[Tree]:
    """The trees of an expression: two where `1/2x` may be 1/(2x). Raises Unreadable."""
    if text.count("(") > _DEEPEST or text.count("^") > _DEEPEST or _MANY_SIGNS.search(text):
        raise Unreadable
    loose, tight = (_Reader(text, names, tight=tight).tree() for tight in (False, True))
    return [loose] if loose == tight else [loose, tight]


class _Reader:
    """Mathematics, not a worksheet's formula: -x^2 is -(x^2), and `)(` multiplies."""

    def __init__(self, text: str, names: Names, tight: bool) -> None:
        self.names, self._tight = names, tight
        self.tokens: list[str] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise Unreadable
            self.tokens.append(match[0].strip())
            position = match.end()
        self._at = 0

    def tree(self) -> Tree:
        tree = self._sum()
        if self._at < len(self.tokens):
            raise Unreadable
        return tree

    def _peek(self) -> str:
        return self.tokens[self._at] if self._at < len(self.tokens) else ""

    def _take(self, *wanted: str) -> str:
        token = self._peek()
        if not token or (wanted and token not in wanted):
            raise Unreadable
        self._at += 1
        return token

    def _sum(self) -> Tree:
        tree = self._product()
        while self._peek() in ("+", "-"):
            tree = Call(self._take(), (tree, self._product()))
        return tree

    def _product(self) -> Tree:
        tree = self._factor()
        while (token := self._peek()) in ("*", "/") or self._is_beside():
            sign = self._take() if token in ("*", "/") else "*"
            factor = self._factor()
            if sign == "/" and _is_quantity(tree) and _is_quantity(factor):
                raise Unreadable  # E/a_o1 * a_o1/o1: derivatives without their ∂
            tree = Call(sign, (tree, factor))
        return tree

    def _factor(self) -> Tree:
        tree = self._signed()
        while self._tight and self._is_beside():
            tree = Call("*", (tree, self._signed()))
        return tree

    def _is_beside(self) -> bool:
        """Whether a factor follows without a sign; of two names side by side nobody knows what they mean."""
        token, before = self._peek(), self.tokens[self._at - 1]
        if token in ("(", "∂"):
            return True
        return _is_word(token) and not _is_word(before)

    def _signed(self) -> Tree:
        if self._peek() in ("+", "-"):
            return self._signed() if self._take() == "+" else Call("neg", (self._signed(),))
        tree = self._primary()
        if self._peek() == "^":
            self._take()
            exponent = self._signed()
            return Call("EXP", (exponent,)) if tree == _EULER else Call("^", (tree, exponent))
        return tree

    def _primary(self) -> Tree:
        token = self._take()
        if token == "(":
            tree = self._sum()
            self._take(")")
            return tree
        if token == "∂":
            of = self._primary()
            self._take("/")
            self._take("∂")
            return self._partial(of, self._take())
        if not _is_word(token):
            try:
                return Num(float(token))
            except ValueError:
                raise Unreadable from None
        if token == "e" and self._peek() == "^":
            return _EULER
        return self._with_d(token) or self._word(token)

    def _with_d(self, token: str) -> Tree | None:
        """dE/dw5, δE/δw5 and d(E1 + E2)/dw5; None for a word that only begins with this letter."""
        start, letter = self._at, token[0]
        try:
            if letter not in "dδ":
                return None
            of = self._primary() if token == letter and self._peek() == "(" else self.names.quantity(token[1:])
            self._take("/")
            by = self._take()
            if not by.startswith(letter):
                raise Unreadable
            return self._partial(of, by[1:])
        except Unreadable:
            self._at = start
            return None

    def _partial(self, of: Tree, by: str) -> Tree:
        name = self.names.quantity(by)
        if not isinstance(name, Name) or name.text.startswith((HELPER, NEXT, RATE)):
            raise Unreadable
        if any(isinstance(leaf, Partial) for leaf in leaves(of)):
            raise Unreadable
        return cast(Tree, Partial(of, name))

    def _word(self, token: str) -> Tree:
        if self._peek() != "(" or (function := self.names.function(token)) is None:
            return self.names.quantity(token)
        self._take("(")
        argument = self._sum()
        self._take(")")
        return function(argument)


def _is_word(token: str) -> bool:
    return token[:1].isalpha() or re.fullmatch(r"0\d", token) is not None


def _is_quantity(tree: Tree) -> bool:
    return isinstance(tree, Name)


class Names:
    """What the words of a text mean: quantities of the network by their labels, and what other texts define."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.defined: dict[str, list[Tree]] = {}  # readings of helpers such as A in A = (a_o1 - t1) * ...

    def quantity(self, word: str) -> Tree:
        """Raises Unreadable."""
        if word in self.defined:
            return Name(HELPER + word)
        found = None if _PARTIAL_ERROR.fullmatch(word) or _AMBIGUOUS.fullmatch(word) else self._known(word)
        if found is None:
            raise Unreadable
        return found

    def _known(self, word: str) -> Tree | None:
        network, label = self._network, read_label(word)
        if label.kind in (Kind.ACTIVATION, Kind.PRE_ACTIVATION):
            letter = "a" if label.kind is Kind.ACTIVATION else "z"
            return Name(f"{letter}_{label.of}") if label.of in network.units else None
        if label.kind in (Kind.WEIGHT, Kind.BIAS, Kind.INPUT, Kind.TARGET):
            known = (*network.inputs, *network.parameters, *(one.name for one in network.outputs))
            return Name(label.of) if label.of in known else None
        if label.kind is Kind.ERROR:
            targets = [one.name for one in network.outputs]
            of = f"t{label.of[1:]}"
            return Name(f"E{targets.index(of) + 1}") if of in targets else None
        if label.kind is Kind.TOTAL_ERROR:
            return Name("E_total") if network.outputs else None
        if label.kind is Kind.GRADIENT and network.outputs:
            by = self._known(label.of)
            return cast(Tree, Partial(Name("E_total"), by)) if isinstance(by, Name) else None
        if label.kind is Kind.UPDATED:
            return Name(NEXT + label.of) if label.of in network.parameters else None
        return Name(RATE) if label.kind is Kind.RATE else None

    def is_given(self, word: str) -> bool:
        """Whether a word is unknown, or of a quantity that nothing defines: a text may mean another thing by it."""
        try:
            tree = self._known(word)
        except Unreadable:
            return True
        return tree is None or (isinstance(tree, Name) and not tree.text.startswith(("a_", "z_", "E", NEXT)))

    def function(self, word: str) -> Callable[[Tree], Tree] | None:
        """Makes the tree of a function from that of its argument; None for a word that is none."""
        if word.lower() in _SIGMA:
            return self._activation
        return _FUNCTIONS.get(word.lower())

    def _activation(self, argument: Tree) -> Tree:
        """σ of a pre-activation is its unit's activation, whatever σ is here."""
        if isinstance(argument, Name) and argument.text.startswith("z_"):
            return Name(f"a_{argument.text[2:]}")
        if set(self._network.activations) != {"sigmoid"}:
            raise Unreadable
        return _sigmoid(argument)


def _sigmoid(x: Tree) -> Tree:
    return Call("/", (Num(1.0), Call("+", (Num(1.0), Call("EXP", (Call("neg", (x,)),))))))


_FUNCTIONS: dict[str, Callable[[Tree], Tree]] = {
    "sigmoid": _sigmoid,
    "logistic": _sigmoid,
    "exp": lambda x: Call("EXP", (x,)),
    "tanh": lambda x: Call("TANH", (x,)),
    "ln": lambda x: Call("LN", (x,)),
    "sqrt": lambda x: Call("SQRT", (x,)),
    "relu": lambda x: Call("MAX", (Num(0.0), x)),
}
