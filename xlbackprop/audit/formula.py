"""Worksheet formulas as trees: what somebody typed, parsed; `written.py` prints it again in the same language.

    tree ::= Num | Text | Err | leaf | Call(name, (tree, ...))

An operator is a `Call` by its sign (`neg` for the minus before a term), a function one by its
name in capitals. As parsed, the leaves are references (`Ref`, `Area`, `Name`, `Field`); bound to
a table (binding.py) they are its lanes (`Lane`, `Fixed`) and other cells (`Outside`, `Block`).

Precedence is the worksheet's, in Excel and LibreOffice alike: the minus before a term binds
tighter than `^`, and `^` is read from the left.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

MOST_CHARACTERS = 32_768  # Excel takes 8,192
MOST_NESTED = 100  # Excel takes 64
MOST_CHAINED = 250  # terms of a sum; each is a level of the tree
MOST_LEVELS = 300  # of the tree; whoever walks it has a call or two for each


class FormulaError(Exception):
    """A formula that cannot be parsed; the message says where it stops making sense."""


@dataclass(frozen=True, slots=True)
class Num:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Err:
    text: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A cell, as written; row and column count from 0, -1 for the whole column or row."""

    sheet: str | None
    row: int
    column: int
    row_fixed: bool
    column_fixed: bool


@dataclass(frozen=True, slots=True)
class Area:
    first: Ref
    last: Ref


@dataclass(frozen=True, slots=True)
class Name:
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """A structured reference to a column of an Excel table: `Table1[[#This Row],[w1]]`."""

    table: str  # "" inside the table itself
    column: str
    this_row: bool


@dataclass(frozen=True, slots=True)
class Lane:
    """The lane of a table, `offset` steps from the formula's own."""

    lane: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Fixed:
    """The lane of a table at one step, whatever the formula's own: `X$33`."""

    lane: int
    step: int


@dataclass(frozen=True, slots=True)
class Outside:
    """A cell outside the table, such as the learning rate."""

    sheet: str
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Block:
    """A range, row by row."""

    cells: tuple[Tree, ...]
    columns: int


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    args: tuple[Tree, ...]


Tree = Num | Text | Err | Ref | Area | Name | Field | Lane | Fixed | Outside | Block | Call

TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"]|"")*")
    | (?P<error>\#(?:REF!|DIV/0!|N/A|NAME\?|NUM!|VALUE!|NULL!))
    | (?P<sheet>(?:'(?:[^']|'')+'|[^\W\d][\w.]*)!)?
      (?: (?P<cell>\$?[A-Za-z]{1,3}\$?\d{1,7})(?![\w(.\[])
        | (?P<columns>\$?[A-Za-z]{1,3}:\$?[A-Za-z]{1,3})(?![\w(])
        | (?P<rows>\$?\d{1,7}:\$?\d{1,7})(?!\w)
        | (?P<field>(?:[^\W\d][\w.]*)?\[(?:[^\[\]]|\[(?:[^\[\]']|'.)*\])*\])
        | (?P<word>[^\W\d][\w.\\?]*) )
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<sign><=|>=|<>|[-+*/^&=<>(),;:%{}])
    )""",
    re.VERBOSE,
)
_CELL = re.compile(r"(\$?)([A-Za-z]{1,3})(\$?)(\d{1,7})")
_THIS_ROW = re.compile(r"\[\s*#this row\s*\]\s*,?", re.IGNORECASE)

Token = str | Tree  # a sign or "NAME(" as text; all else as its tree


def parse(text: str) -> Tree:
    """The tree of a formula without its `=`. Raises FormulaError."""
    return assemble(tokens(text))


def tokens(text: str) -> list[Token]:
    """The formula's tokens. Raises FormulaError."""
    if len(text) > MOST_CHARACTERS:
        raise FormulaError(f"is longer than {MOST_CHARACTERS:,} characters")
    found: list[Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = TOKEN.match(text, position)
        if match is None or match.end() == position:
            raise FormulaError(f"cannot be read from {text[position : position + 12]!r} on")
        found.append(_token(match, text))
        position = match.end()
    return found


def _token(match: re.Match[str], text: str) -> Token:
    kind = match.lastgroup
    found = match[kind] if kind else ""
    sheet = match["sheet"] and match["sheet"][:-1].strip("'").replace("''", "'")
    match kind:
        case "text":
            return Text(found[1:-1].replace('""', '"'))
        case "error":
            return Err(found)
        case "number":
            if math.isinf(float(found)):
                raise FormulaError("has a number that is too large")
            return Num(float(found))
        case "cell":
            return _cell(found, sheet)
        case "columns" | "rows":
            return _lines(found, sheet, kind == "columns")
        case "field":
            return _field(found)
        case "word":
            return _word(found, sheet, text[match.end() :])
    return found


def _cell(text: str, sheet: str | None) -> Ref:
    match = _CELL.fullmatch(text)
    assert match
    return Ref(sheet, int(match[4]) - 1, column_index(match[2]), bool(match[3]), bool(match[1]))


def _lines(text: str, sheet: str | None, columns: bool) -> Area:
    ends = []
    for part in text.split(":"):
        fixed, line = part.startswith("$"), part.lstrip("$")
        if columns:
            ends.append(Ref(sheet, -1, column_index(line), True, fixed))
        else:
            ends.append(Ref(sheet, int(line) - 1, -1, fixed, True))
    return Area(ends[0], ends[1])


def _field(text: str) -> Tree:
    table, _, inside = text.partition("[")
    inside = inside[:-1]
    this_row = bool(_THIS_ROW.search(inside)) or inside.lstrip().startswith("@")
    column = _THIS_ROW.sub("", inside).strip().lstrip("@").strip()
    if column.startswith("[") and column.endswith("]"):
        column = column[1:-1]
    return Field(table, re.sub(r"'(.)", r"\1", column), this_row)


def _word(found: str, sheet: str | None, rest: str) -> Token:
    if rest.lstrip().startswith("("):
        return found.upper().removeprefix("_XLFN.").removeprefix("_XLWS.") + "("
    if found.upper() in ("TRUE", "FALSE"):
        return Num(float(found.upper() == "TRUE"))
    return Name(f"{sheet}!{found}" if sheet else found)


def column_index(letters: str) -> int:
    """0 for A, 26 for AA."""
    index = 0
    for letter in letters.upper():
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1


LEVELS: tuple[tuple[str, ...], ...] = (("=", "<>", "<", ">", "<=", ">="), ("&",), ("+", "-"), ("*", "/"), ("^",))


def assemble(found: Sequence[Token]) -> Tree:
    """The tree of tokens; a token may be a tree already. Raises FormulaError."""
    parser = _Parser(found)
    try:
        tree = parser.binary(0)
    except RecursionError:  # whoever called may have had few calls left
        raise FormulaError("is nested too deep") from None
    if parser.position < len(found):
        raise FormulaError(f"has {_shown(found[parser.position])} where it should end or go on")
    if len(found) > MOST_LEVELS and not _is_flat(tree):
        raise FormulaError(f"is a tree of more than {MOST_LEVELS} levels")
    return tree


def _is_flat(tree: Tree) -> bool:
    """Whether it has no more than MOST_LEVELS levels."""
    level: list[Tree] = [tree]
    for _ in range(MOST_LEVELS):
        level = [arg for one in level if isinstance(one, Call) for arg in one.args]
        if not level:
            return True
    return False


class _Parser:
    def __init__(self, found: Sequence[Token]) -> None:
        self.found, self.position, self.depth = found, 0, 0

    def _next(self) -> Token | None:
        return self.found[self.position] if self.position < len(self.found) else None

    def _take(self, sign: str) -> None:
        if self._next() != sign:
            raise FormulaError(f"has {_shown(self._next())} where {sign!r} is missing")
        self.position += 1

    def binary(self, level: int) -> Tree:
        if level == len(LEVELS):
            return self.unary()
        tree = self.binary(level + 1)
        length = 0
        while (sign := self._next()).__class__ is str and sign in LEVELS[level]:
            self.position += 1
            length += 1
            if length > MOST_CHAINED:
                raise FormulaError(f"has more than {MOST_CHAINED} operators in a row")
            tree = Call(str(sign), (tree, self.binary(level + 1)))
        return tree

    def unary(self) -> Tree:
        sign = self._next()
        if sign in {"-", "+"}:
            self.position += 1
            self._deeper()
            inner = self.unary()
            self.depth -= 1
            return Call("neg", (inner,)) if sign == "-" else inner
        tree = self._primary()
        while self._next() == "%":
            self.position += 1
            tree = Call("%", (tree,))
        return tree

    def _deeper(self) -> None:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise FormulaError(f"is nested more than {MOST_NESTED} deep")

    def _primary(self) -> Tree:
        token = self._next()
        if token is None:
            raise FormulaError("ends too early")
        self.position += 1
        if not isinstance(token, str):
            if self._next() == ":":
                return self._area(token)
            return token
        self._deeper()
        if token == "(":
            tree = self.binary(0)
            self._take(")")
        elif token.endswith("(") and len(token) > 1:
            self._take("(")
            tree = Call(token[:-1], tuple(self._arguments()))
        else:
            raise FormulaError(f"has {_shown(token)} where a value is missing")
        self.depth -= 1
        return tree

    def _area(self, first: Tree) -> Tree:
        self.position += 1
        last = self._next()
        if not (isinstance(first, Ref) and isinstance(last, Ref)):
            raise FormulaError("has a range whose ends are not cells")
        self.position += 1
        return Area(first, last)

    def _arguments(self) -> Iterator[Tree]:
        if self._next() == ")":
            self.position += 1
            return
        while True:
            yield Text("") if self._next() in (",", ";", ")") else self.binary(0)
            if self._next() == ")":
                self.position += 1
                return
            if self._next() not in (",", ";"):
                self._take(")")
            self.position += 1


def _shown(token: Token | None) -> str:
    return "its end" if token is None else repr(token) if isinstance(token, str) else "a value"


def leaves(tree: Tree) -> Iterator[Tree]:
    """The leaves from left to right, numbers and texts left out, ranges opened."""
    if isinstance(tree, Call):
        for arg in tree.args:
            yield from leaves(arg)
    elif isinstance(tree, Block):
        for cell in tree.cells:
            yield from leaves(cell)
    elif not isinstance(tree, (Num, Text, Err)):
        yield tree


def replace_leaves(tree: Tree, new: Callable[[Tree], Tree]) -> Tree:
    """The tree with each leaf that is not a number or a text replaced."""
    if isinstance(tree, Call):
        return Call(tree.name, tuple(replace_leaves(arg, new) for arg in tree.args))
    if isinstance(tree, Block):
        return Block(tuple(replace_leaves(cell, new) for cell in tree.cells), tree.columns)
    return tree if isinstance(tree, (Num, Text, Err)) else new(tree)
