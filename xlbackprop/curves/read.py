"""Read a workbook of function tables back: its file, the present numbers of its inputs, its cells."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from xlbackprop.curves.layout import NETWORK_FIRST_ROW, Input, Layout, Place, layouts
from xlbackprop.curves.spec import Functions, loads
from xlbackprop.engine import Recalculated
from xlbackprop.engine.package import CELL, opened, sheet_parts
from xlbackprop.errors import WorkbookError
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.sheet.layout import NETWORK_FILE

Inputs = Mapping[str, float]  # of one sheet, by name
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")


class Workbook:
    """A workbook of ours: its sheets, their inputs as they are now, and which cells are calculated."""

    def __init__(self, path: Path, recalculated: Recalculated, functions: Functions | None = None) -> None:
        self.path, self._recalculated = path, recalculated
        self.layouts = layouts(functions or loads(self._network_file(), f"{path}, sheet {NETWORK_FILE!r}"))
        for layout in self.layouts:
            self._check_places(layout)
        self._filled: set[Place] = set()
        self._live: set[Place] = set()
        self._look_into_cells()
        self.inputs = [self._inputs(layout) for layout in self.layouts]

    def is_typed(self, place: Place) -> bool:
        """Whether a cell has no formula."""
        return place not in self._live

    def held_formulas(self) -> dict[Place, str]:
        """The formulas as the file has them."""
        from openpyxl import load_workbook

        try:
            book = load_workbook(self.path)
        except Exception:  # openpyxl refuses files that every spreadsheet opens, with errors of every kind
            return {}
        return {
            (sheet.title, cell.row - 1, cell.column - 1): str(cell.value)
            for sheet in book.worksheets
            for row in sheet.iter_rows()
            for cell in row
            if cell.data_type == "f"
        }

    def _network_file(self) -> str:
        if NETWORK_FILE not in self._recalculated.sheets:
            raise WorkbookError(
                f"{self.path}: has no table that xlbackprop wrote (no sheet {NETWORK_FILE!r}); "
                "give a workbook made by build"
            )
        lines: list[str] = []
        while True:
            values = self._recalculated.column(NETWORK_FILE, NETWORK_FIRST_ROW + len(lines), 0, 256)
            lines += ["" if value is None else str(value) for value in values]
            if all(value is None for value in values):
                return "\n".join(lines)

    def _check_places(self, layout: Layout) -> None:
        """Everything stands where it was written; a moved or deleted column would be compared with another."""
        if layout.sheet not in self._recalculated.sheets:
            raise WorkbookError(f"{self.path}: the sheet {layout.sheet!r} is missing; undo its renaming or deletion")
        expected = [(layout.header_row, layout.place(one), one.label, bool(one.target)) for one in layout.columns]
        expected += [(one.row, one.column - 1, f"{one.name} =", False) for one in layout.settings]
        for row, column, text, goes_on in expected:
            found = self._recalculated.column(layout.sheet, row, column, 1)[0]
            if found != text and not (goes_on and str(found).startswith(text)):
                place = in_sheet(layout.sheet, cell_name(row, column))
                raise WorkbookError(
                    f"{self.path}: {place} reads {found!r} where {text!r} was written; undo the move, or build it anew"
                )

    def _look_into_cells(self) -> None:
        """Which cells have anything in them, and which a formula."""
        places = {(cell_name(*place[1:]), place[0]): place for layout in self.layouts for place in layout.places()}
        with opened(self.path) as package:
            parts = sheet_parts(package)
            for layout in self.layouts:
                for match in CELL.finditer(package.read(parts[layout.sheet])):
                    place = places.get((match[1].decode(), layout.sheet))
                    if place and match[2]:
                        self._filled.add(place)
                        if _FORMULA.search(match[2]):
                            self._live.add(place)

    def _inputs(self, layout: Layout) -> dict[str, float]:
        return {one.name: self._number(layout, one) for one in layout.inputs}

    def _number(self, layout: Layout, one: Input) -> float:
        value = self._recalculated.column(layout.sheet, one.row, one.column, 1)[0]
        if value is None or (layout.sheet, one.row, one.column) not in self._filled:  # some read a blank as 0
            held = "empty"
        elif isinstance(value, (bool, str)) or not math.isfinite(value):
            held = repr(value)
        else:
            return float(value)
        place = in_sheet(layout.sheet, cell_name(one.row, one.column))
        raise WorkbookError(f"{self.path}: {place} ({one.name}) is {held}; type a number")
