"""The numbers that stand in the sheet now: recalculated from disk, and where they are not, the file's own."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xlbackprop.audit.book import Book
from xlbackprop.engine import Engine, Recalculated
from xlbackprop.engine.package import opened, replace_parts, sheet_parts
from xlbackprop.errors import EngineError, WorkbookError
from xlbackprop.files import scratch

Value = float | str | bool | None


@dataclass
class Values:
    """`carried` lists the cells whose value is the file's, because the calculator has none, with its reason."""

    book: Book
    recalculated: Recalculated | None
    carries: bool = True  # whether the file's value stands in for an error
    carried: dict[tuple[str, int, int], str] = field(default_factory=dict)
    _columns: dict[tuple[str, int], list[Value]] = field(default_factory=dict)
    _rows: dict[str, dict[int, int]] = field(default_factory=dict)

    def at(self, sheet: str, row: int, column: int) -> Value:
        """The value of a cell; an error as its text."""
        cell = self.book.sheets[sheet].cells.get((row, column)) if sheet in self.book.sheets else None
        if cell is None:
            return None
        if cell.formula is None or self.recalculated is None:
            return cell.value
        found = self._column(sheet, column)[row]
        if self.carries and isinstance(found, str) and found.startswith("#") and isinstance(cell.value, float):
            self.carried[sheet, row, column] = found
            return cell.value
        return found

    def number(self, sheet: str, row: int, column: int) -> float:
        """The same as a number: 0 for a blank, nan for a text or an error."""
        value = self.at(sheet, row, column)
        return 0.0 if value is None else float(value) if isinstance(value, (float, int)) else math.nan

    def _column(self, sheet: str, column: int) -> list[Value]:
        key = sheet, column
        if key not in self._columns:
            assert self.recalculated is not None
            self._columns[key] = self.recalculated.column(sheet, 0, column, self._counts(sheet)[column])
        return self._columns[key]

    def _counts(self, sheet: str) -> dict[int, int]:
        """How many rows each column of a sheet has, down to its last cell."""
        if sheet not in self._rows:
            counts = self._rows[sheet] = {}
            for row, column in self.book.sheets[sheet].cells:
                counts[column] = max(row + 1, counts.get(column, 0))
        return self._rows[sheet]


def recalculated(path: Path, book: Book, engine: Engine) -> tuple[Values, str]:
    """The values, and why there are no recalculated ones where the calculator fails."""
    try:
        with _acceptable(path, book) as copy:
            return Values(book, engine.recalculate(copy)), ""
    except (WorkbookError, EngineError) as error:
        return Values(book, None), str(error).replace(str(path), path.name)


_DATA_TABLE = re.compile(rb"<(?:\w+:)?f\b[^>]*t=\"dataTable\"[^>]*?(?:/>|>[^<]*</(?:\w+:)?f>)")
_POW = re.compile(rb"\bPOW(?=\s*\()", re.IGNORECASE)


@contextmanager
def _acceptable(path: Path, book: Book) -> Iterator[Path]:
    """The file, or a copy without what a calculator refuses: what-if tables, and Google's name for POWER."""
    formulas = {cell.formula.text for sheet in book.sheets.values() for cell in sheet.cells.values() if cell.formula}
    spelled = any("pow" in text.lower() for text in formulas)
    if not spelled and not any(sheet.data_tables for sheet in book.sheets.values()):
        yield path
        return
    with scratch() as folder:
        copy = folder / "copy.xlsx"
        with opened(path) as package:
            parts = {
                part: _POW.sub(b"POWER", _DATA_TABLE.sub(b"", package.read(part))).decode()
                for part in sheet_parts(package).values()
            }
        shutil.copyfile(path, copy)
        replace_parts(copy, parts)
        yield copy
