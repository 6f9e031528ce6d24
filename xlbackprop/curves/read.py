"""Read a workbook of function tables back: its file, the present numbers of its inputs, its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xlbackprop.curves.layout import Layout
from xlbackprop.curves.spec import Functions, loads
from xlbackprop.engine import Recalculated
from xlbackprop.errors import WorkbookError
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.places import NETWORK_FILE
from xlbackprop.verification.held import InputReader, Place, check_sheets, live_cells, moved, network_file

Inputs = Mapping[str, float]  # of one sheet, by name


def functions_of(path: Path, recalculated: Recalculated) -> Functions:
    """The file that a workbook of function tables carries. Raises WorkbookError where it has none."""
    if NETWORK_FILE not in recalculated.sheets:
        raise WorkbookError(
            f"{path}: has no table that xlbackprop wrote (no sheet {NETWORK_FILE!r}); give a workbook made by build"
        )
    return loads(network_file(recalculated), f"{path}, sheet {NETWORK_FILE!r}")


class Workbook:
    """A workbook of ours: its sheets, their inputs as they are now, and which cells are calculated."""

    def __init__(self, path: Path, recalculated: Recalculated, layouts: Sequence[Layout]) -> None:
        self.path, self.layouts = path, list(layouts)
        sheets = [layout.sheet for layout in self.layouts]
        check_sheets(path, sheets, recalculated)
        for layout in self.layouts:
            self._check_places(layout, recalculated)
        self._live = live_cells(path, sheets)
        reader = InputReader(path, recalculated, sheets)
        self.inputs = [
            {one.name: reader.number(layout.input_place(one), one.name) for one in layout.inputs}
            for layout in self.layouts
        ]

    def is_typed(self, place: Place) -> bool:
        """Whether a cell has no formula."""
        sheet, row, column = place
        return cell_name(row, column) not in self._live[sheet]

    def _check_places(self, layout: Layout, recalculated: Recalculated) -> None:
        """Everything stands where it was written; a moved or deleted column would be compared with another."""
        expected = [(layout.header_row, layout.place(one), one.label, bool(one.target)) for one in layout.columns]
        expected += [(one.row, one.column - 1, f"{one.name} =", False) for one in layout.settings]
        for row, column, text, goes_on in expected:
            found = recalculated.column(layout.sheet, row, column, 1)[0]
            if found != text and not (goes_on and str(found).startswith(text)):
                raise moved(self.path, (layout.sheet, row, column), found, text)
