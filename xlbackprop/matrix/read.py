"""Read a workbook of matrices back: its network, whether its blocks stand where they were written, its inputs."""

from __future__ import annotations

import math
from pathlib import Path

from xlbackprop.engine import Recalculated
from xlbackprop.engine.package import blank_cells, opened, sheet_parts
from xlbackprop.errors import WorkbookError
from xlbackprop.matrix.layout import Layout
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.sheet.places import NETWORK_FILE, OVERVIEW, Input
from xlbackprop.spec import loads

_CHUNK = 256  # lines of the network file read at once


def read_layout(path: Path, recalculated: Recalculated) -> Layout:
    """The layout of the network file that the workbook carries. Raises WorkbookError where something was moved."""
    if NETWORK_FILE not in recalculated.sheets:
        raise WorkbookError(
            f"{path}: has no matrices that xlbackprop wrote (no sheet {NETWORK_FILE!r}); give a workbook made by build"
        )
    lines: list[str] = []
    while True:
        values = recalculated.column(NETWORK_FILE, Layout.NETWORK_FIRST_ROW + len(lines), 0, _CHUNK)
        if all(value is None for value in values):
            break
        lines += ["" if value is None else str(value) for value in values]
    layout = Layout(loads("\n".join(lines), f"{path}, sheet {NETWORK_FILE!r}"))
    if missing := sorted(set(layout.all_sheets) - set(recalculated.sheets)):
        raise WorkbookError(f"{path}: the sheet {missing[0]!r} is missing; undo its renaming or deletion")
    for sheet, (row, column), text in layout.labels():
        found = recalculated.column(sheet, row, column, 1)[0]
        if found != text:
            raise WorkbookError(
                f"{path}: {in_sheet(sheet, cell_name(row, column))} reads {found!r} where {text!r} was written; "
                "undo the move, or build it anew"
            )
    return layout


def read_inputs(path: Path, layout: Layout, recalculated: Recalculated) -> dict[Input, float]:
    """The numbers that stand on Overview now."""
    with opened(path) as package:  # a calculator may read a cell that has a style and nothing in it as 0
        blank = blank_cells(package.read(sheet_parts(package)[OVERVIEW]))

    def number(one: Input) -> float:
        value = recalculated.column(OVERVIEW, one.row, one.column, 1)[0]
        cell = cell_name(one.row, one.column)
        if isinstance(value, (bool, str)) or value is None or cell in blank or not math.isfinite(value):
            found = "empty" if value is None or cell in blank else repr(value)
            raise WorkbookError(f"{path}: {in_sheet(OVERVIEW, cell)} ({one.name}) is {found}; type a number")
        return float(value)

    return {one: number(one) for one in layout.inputs()}
