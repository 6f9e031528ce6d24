"""What each calculator made of one workbook: which cells are not as carried, and where that begins.

A cell that differs although every cell that it uses is as carried is where a difference begins; all
others inherit it. So a difference is told by the functions of the formulas in which it begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from openpyxl.formula import Tokenizer
from openpyxl.utils.cell import range_boundaries

from xlbackprop import kinds
from xlbackprop.engine import Engine, Recalculated, Value
from xlbackprop.errors import XlbackpropError
from xlbackprop.verification.report import Mismatch

Cell = tuple[str, int, int]  # sheet, row, column, counted from 1
# Functions that give one of their arguments, or a whole number: they make no rounding of their own.
EXACT = {"ABS", "CHOOSE", "COUNTIF", "IF", "INDEX", "INT", "MAX", "MIN", "MOD", "PI", "ROW", "SIGN"}
LOOKUPS = {"CHOOSE", "INDEX"}
OPERATORS = "+-*/"
REFERENCE = "a reference"
EXACT_EPSILON = 2.0**-52  # of a calculator that keeps all digits


class Book:
    """A workbook's formulas, and the value that it carries beside each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._book = load_workbook(path)
        carried = load_workbook(path, data_only=True)
        self.formulas = {
            (sheet.title, cell.row, cell.column): str(cell.value)
            for sheet in self._book
            for row in sheet.iter_rows()
            for cell in row
            if cell.data_type == "f"
        }
        self.carried = {cell: plain(carried[cell[0]].cell(*cell[1:]).value) for cell in self.formulas}

    def precedents(self, cell: Cell) -> Iterator[Cell]:
        """The calculated cells that a formula uses itself."""
        for token in Tokenizer(self.formulas[cell]).items:
            if token.type == "OPERAND" and token.subtype == "RANGE":
                text = self._names.get(token.value, token.value)
                sheet, _, area = text.rpartition("!")
                sheet = sheet.strip("'").replace("''", "'") or cell[0]
                left, top, right, bottom = range_boundaries(area)
                places = ((sheet, row, column) for row in range(top, bottom + 1) for column in range(left, right + 1))
                yield from (place for place in places if place in self.formulas)

    def causes(self, cell: Cell) -> tuple[str, ...]:
        """The functions of a formula that may round in their own way; else its operators."""
        tokens = Tokenizer(self.formulas[cell]).items
        used = {token.value.rstrip("(") for token in tokens if token.type == "FUNC" and token.subtype == "OPEN"}
        if rounding := used - EXACT:
            return tuple(sorted(rounding))
        if used and used <= LOOKUPS:
            return (REFERENCE,)
        operators = {token.value for token in tokens if token.type.startswith("OPERATOR")}
        return ("^",) if "^" in operators else (OPERATORS,) if operators or used else (REFERENCE,)

    @cached_property
    def _names(self) -> dict[str, str]:
        return {name: str(one.attr_text) for name, one in self._book.defined_names.items()}


def plain(value: Value) -> float | str | None:
    """A number, a text that says something, or None: readers do not tell an error from an empty text."""
    if isinstance(value, (bool, int, float)):
        return float(value) if math.isfinite(value) else None
    return None if not value or value.startswith("#") else value


@dataclass
class Outcome:
    """What one calculator made of one workbook. Cells are counted, differences kept."""

    cells: int = 0
    equal: int = 0
    inherited: int = 0
    fifteen: int = 0  # equal to 15 digits, of a calculator that keeps no more
    begins: dict[tuple[str, ...], list[Difference]] = field(default_factory=dict)
    outside: set[Cell] = field(default_factory=set)  # what the verifier objects to
    worst: float = 0.0  # relative, where rounding does not decide, of a workbook that the verifier finds correct
    failed: str = ""


@dataclass(frozen=True)
class Difference:
    cell: Cell
    formula: str
    carried: float | str | None
    found: float | str | None
    outside: bool  # whether the verifier objects

    @property
    def units(self) -> float:
        """Of the last binary digit of the larger number; infinite where one of both is no number."""
        if isinstance(self.carried, float) and isinstance(self.found, float):
            return abs(self.carried - self.found) / math.ulp(max(abs(self.carried), abs(self.found)))
        return math.inf


class Watched:
    """An engine that keeps what the first recalculation gave for the cells of a book."""

    def __init__(self, engine: Engine, book: Book) -> None:
        self._engine, self._book = engine, book
        self.name, self.epsilon = engine.name, engine.epsilon
        self.exp_overflows, self.erf_error = engine.exp_overflows, engine.erf_error
        self.values: dict[Cell, float | str | None] = {}

    def recalculate(self, path: Path) -> Recalculated:
        result = self._engine.recalculate(path)
        self.values = self.values or {
            cell: plain(result.column(cell[0], cell[1] - 1, cell[2] - 1, 1)[0]) for cell in self._book.formulas
        }
        return result


def outcome(book: Book, engine: Engine) -> tuple[Outcome, Mapping[Cell, float | str | None]]:
    """How a calculator does with a workbook, and its values."""
    watched = Watched(engine, book)
    try:
        report: Any = kinds.verify(book.path, engine=watched)
    except XlbackpropError as error:
        return Outcome(failed=str(error).splitlines()[0]), {}
    worst = getattr(report, "worst", None)  # a calculator of sizes has whole numbers alone, and no such thing
    result = Outcome(cells=len(book.formulas), worst=worst.relative if worst and report.correct else 0.0)
    mismatches: list[Mismatch] = report.mismatches
    wrong = {(one.sheet, one.row + 1, one.column + 1): one.root for one in mismatches}
    result.outside = set(wrong)
    different = {cell for cell, value in watched.values.items() if value != book.carried[cell]}
    short = engine.epsilon > EXACT_EPSILON
    saved = {cell for cell in different if short and _to_fifteen(book.carried[cell]) == watched.values[cell]}
    result.equal, result.fifteen = len(book.formulas) - len(different), len(saved)
    others = different - saved
    begins = {cell for cell in others if not any(one in others for one in book.precedents(cell))}
    result.inherited = len(others - begins)
    # With other inputs the verifier objects to some cells that are as carried with these.
    begins |= {cell for cell, is_root in wrong.items() if is_root and cell not in others and cell in book.formulas}
    for cell in sorted(begins):
        found = Difference(cell, book.formulas[cell], book.carried[cell], watched.values[cell], cell in wrong)
        result.begins.setdefault(book.causes(cell), []).append(found)
    return result, watched.values


def _to_fifteen(value: float | str | None) -> float | None:
    return float(f"{value:.15g}") if isinstance(value, float) else None
