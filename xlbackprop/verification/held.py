"""What a workbook of ours holds, of whichever kind it is: its network file, inputs and formulas."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from xlbackprop.engine import Recalculated, Value
from xlbackprop.engine.package import CELL, blank_cells, opened, sheet_parts
from xlbackprop.errors import WorkbookError
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.sheet.places import NETWORK_FILE, NETWORK_FIRST_ROW
from xlbackprop.verification.report import Mismatch

Place = tuple[str, int, int]  # sheet, row, column
FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_CHUNK = 256  # lines of the network file read at once


def network_file(recalculated: Recalculated) -> str:
    """The text that the workbook was made from; the sheet of that name must be there."""
    lines: list[str] = []
    while True:
        values = recalculated.column(NETWORK_FILE, NETWORK_FIRST_ROW + len(lines), 0, _CHUNK)
        if all(value in (None, "") for value in values):
            return "\n".join(lines)
        lines += ["" if value is None else str(value) for value in values]


def check_sheets(path: Path, sheets: Iterable[str], recalculated: Recalculated) -> None:
    """Raises WorkbookError for a sheet that is not there."""
    if missing := sorted(set(sheets) - set(recalculated.sheets)):
        cure = "undo its renaming or deletion, or build an earlier release's workbook anew"
        raise WorkbookError(f"{path}: the sheet {missing[0]!r} is missing; {cure}")


def moved(path: Path, place: Place, found: Value, text: str, *, undo: str = "move") -> WorkbookError:
    """The complaint that another text stands where one was written: what is below it would be taken for another."""
    sheet, row, column = place
    where = in_sheet(sheet, cell_name(row, column))
    return WorkbookError(
        f"{path}: {where} reads {found!r} where {text!r} was written; undo the {undo}, or build it anew"
    )


class InputReader:
    """The numbers that stand in input cells now."""

    def __init__(self, path: Path, recalculated: Recalculated, sheets: Collection[str]) -> None:
        self._path, self._recalculated = path, recalculated
        with opened(path) as package:  # a calculator may read a cell that has a style and nothing in it as 0
            parts = sheet_parts(package)
            self._blank = {sheet: blank_cells(package.read(parts[sheet])) for sheet in sheets}

    def number(self, place: Place, name: str) -> float:
        """Raises WorkbookError for a cell that holds none."""
        sheet, row, column = place
        value, cell = self._recalculated.column(sheet, row, column, 1)[0], cell_name(row, column)
        empty = value is None or cell in self._blank[sheet]
        if isinstance(value, (bool, str)) or value is None or empty or not math.isfinite(value):
            held = "empty" if empty else repr(value)
            raise WorkbookError(f"{self._path}: {in_sheet(sheet, cell)} ({name}) is {held}; type a number")
        return float(value)


def live_cells(path: Path, sheets: Iterable[str]) -> dict[str, set[str]]:
    """For each sheet the addresses of the cells that have a formula."""
    with opened(path) as package:
        parts = sheet_parts(package)
        return {sheet: live_in(package.read(parts[sheet])) for sheet in sheets}


def live_in(xml: bytes) -> set[str]:
    """The same of one worksheet part."""
    return {match[1].decode() for match in CELL.finditer(xml) if match[2] and FORMULA.search(match[2])}


def with_formulas(path: Path, mismatches: Collection[Mismatch], right: Mapping[Place, str]) -> list[Mismatch]:
    """Each with the file's own formula, and each root with the right one, which `right` has without its `=`."""
    held = _formulas(path, {one.sheet for one in mismatches}) if mismatches else {}
    return [
        replace(one, formula=held.get(one.place, ""), fix=f"={right[one.place]}" if one.root else "")
        for one in mismatches
    ]


def _formulas(path: Path, sheets: set[str]) -> dict[Place, str]:
    """The formulas of these sheets as the file has them, shared ones written out."""
    from openpyxl import load_workbook

    try:
        book = load_workbook(path)
    except Exception:  # openpyxl refuses files that every spreadsheet opens, with errors of every kind
        return {}
    return {
        (sheet, cell.row - 1, cell.column - 1): str(cell.value)
        for sheet in sheets
        for row in book[sheet].iter_rows()
        for cell in row
        if cell.data_type == "f"
    }
