"""Read a workbook of matrices back: its network, whether its blocks stand where they were written, its inputs."""

from __future__ import annotations

from pathlib import Path

from xlbackprop.engine import Recalculated
from xlbackprop.errors import WorkbookError
from xlbackprop.matrix.layout import Layout
from xlbackprop.sheet.places import NETWORK_FILE, OVERVIEW, Input
from xlbackprop.spec import loads
from xlbackprop.verification.held import InputReader, check_sheets, moved, network_file


def read_layout(path: Path, recalculated: Recalculated) -> Layout:
    """The layout of the network file that the workbook carries. Raises WorkbookError where something was moved."""
    if NETWORK_FILE not in recalculated.sheets:
        raise WorkbookError(
            f"{path}: has no matrices that xlbackprop wrote (no sheet {NETWORK_FILE!r}); give a workbook made by build"
        )
    layout = Layout(loads(network_file(recalculated), f"{path}, sheet {NETWORK_FILE!r}"))
    check_sheets(path, layout.all_sheets, recalculated)
    for sheet, (row, column), text in layout.labels():
        found = recalculated.column(sheet, row, column, 1)[0]
        if found != text:
            raise moved(path, (sheet, row, column), found, text)
    return layout


def read_inputs(path: Path, layout: Layout, recalculated: Recalculated) -> dict[Input, float]:
    """The numbers that stand on Overview now."""
    reader = InputReader(path, recalculated, [OVERVIEW])
    return {one: reader.number((OVERVIEW, one.row, one.column), one.name) for one in layout.inputs()}
