"""Verify a workbook of an architecture: where the live cells and the reference meet.

The file is recalculated from disk by a calculator that is not ours. Every calculated cell is
compared with the numbers told again in plain Python from what the yellow cells hold now, and once
more with other numbers in all of them, because equal sizes and zeros hide mistakes.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from xlbackprop.architecture import layout as at
from xlbackprop.architecture.formulas import formulas
from xlbackprop.architecture.layout import SHEET, TOTALS, Input, Layout, Quantity
from xlbackprop.architecture.reference import tell
from xlbackprop.architecture.report import Report
from xlbackprop.architecture.spec import Architecture
from xlbackprop.architecture.toml import loads
from xlbackprop.engine import Engine, Recalculated, Value
from xlbackprop.engine import engine as engine_named
from xlbackprop.errors import WorkbookError
from xlbackprop.sheet.address import in_sheet
from xlbackprop.sheet.places import NETWORK_FILE
from xlbackprop.verification.held import live_cells, moved, network_file, with_formulas
from xlbackprop.verification.report import Mismatch

_ENOUGH = 1_000_000  # rows of an image that strides of 2 do not use up


def verify(
    path: Path | str,
    *,
    engine: str | Engine = "embedded",
    progress: Callable[[str], None] = lambda phase: None,
) -> Report:
    """Recalculate and check a workbook that `build` wrote, as it stands now.

    Raises WorkbookError for a file that cannot be read or has no architecture of ours, EngineError
    where the calculator fails.
    """
    path = Path(path)
    calculator = engine_named(engine) if isinstance(engine, str) else engine
    progress("recalculating")
    recalculated = calculator.recalculate(path)
    layout = Layout(_network_file(path, recalculated))
    _check_places(path, layout, recalculated)
    inputs = {one: _number(path, one, recalculated) for one in layout.inputs}
    progress("comparing")
    found = _found(layout, recalculated)
    present = layout.with_inputs(inputs)
    mismatches = _compare(layout, present, found)
    expected = tell(present)
    for place in _typed(path, layout):
        mismatches[place] = _mismatch(layout, place, "typed-constant", found[place], expected[place])
    progress("comparing with other inputs")
    other = _other_inputs(layout)
    changed = recalculated.changed({(SHEET, *one.place): float(value) for one, value in other.items()})
    for place, one in _compare(layout, layout.with_inputs(other), _found(layout, changed)).items():
        # What inherits something there says nothing of the numbers that stand here.
        if one.root and (place not in mismatches or not mismatches[place].root):
            mismatches[place] = replace(one, kind="lucky-formula")
    right = {(SHEET, *layout.place(*place)): formula.text for place, formula in formulas(layout).items()}
    return Report(
        workbook=str(path),
        engine=calculator.name,
        architecture=present,
        layout=layout,
        cells=len(found),
        status=str(found[TOTALS, at.STATUS]),
        rules=[(layout.cell(row, key), str(says)) for (row, key), says in found.items() if key == at.RULE and says],
        mismatches=with_formulas(path, mismatches.values(), right),
    )


def _network_file(path: Path, recalculated: Recalculated) -> Architecture:
    if not {SHEET, NETWORK_FILE} <= set(recalculated.sheets):
        cure = "give a workbook made by build from an architecture's file"
        raise WorkbookError(f"{path}: has no sheets {SHEET!r} and {NETWORK_FILE!r}; {cure}")
    return loads(network_file(recalculated), f"{path}, sheet {NETWORK_FILE!r}")


def _check_places(path: Path, layout: Layout, recalculated: Recalculated) -> None:
    """Everything stands where it was written; a moved row would be compared with another."""
    for (row, column), text in layout.texts().items():
        found = recalculated.column(SHEET, row, column, 1)[0]
        if found != text:
            raise moved(path, (SHEET, row, column), found, text, undo="change")


def _number(path: Path, one: Input, recalculated: Recalculated) -> int:
    """What stands in a yellow cell; an empty one counts as 0, as in every formula."""
    value = recalculated.column(SHEET, *one.place, 1)[0] or 0.0
    if not isinstance(value, float | int) or value != value // 1 or not one.least <= value <= one.most:
        place, found = in_sheet(SHEET, one.cell), repr(value) if isinstance(value, str) else f"{value:g}"
        raise WorkbookError(
            f"{path}: {place} ({one.key}) is {found}; type a whole number from {one.least} to {one.most}"
        )
    return int(value)


def _found(layout: Layout, recalculated: Recalculated) -> dict[Quantity, Value]:
    """What the calculated cells hold; an empty text, which some calculators keep as a blank, is one."""
    columns = {
        key: recalculated.column(SHEET, layout.image_row, at.COLUMNS.index(key), layout.last_row - layout.image_row + 1)
        for key in at.QUANTITIES
    }
    totals = {key: recalculated.column(SHEET, *layout.place(TOTALS, key), 1)[0] for key in at.ALL_TOTALS}
    values = {(row, key): totals[key] if row == TOTALS else columns[key][row] for row, key in layout.calculated()}
    return {place: "" if value is None and place[1] == at.RULE else value for place, value in values.items()}


def _compare(layout: Layout, architecture: Architecture, found: dict[Quantity, Value]) -> dict[Quantity, Mismatch]:
    expected, implied = tell(architecture), tell(architecture, found)
    mismatches = {}
    for place, value in found.items():
        root = place in implied and not _agrees(value, implied[place])
        if root or not _agrees(value, expected[place]):
            kind = "wrong-formula" if root else "inherited"
            right = implied[place] if root else expected[place]
            mismatches[place] = _mismatch(layout, place, kind, value, right)
    return mismatches


def _agrees(found: Value, expected: int | str) -> bool:
    if isinstance(expected, str) or isinstance(found, bool) or not isinstance(found, (int, float)):
        return found == expected
    # Exact below 1e14; above it calculators that keep 15 digits round whole numbers too.
    return math.isclose(found, expected, rel_tol=1e-14)


def _mismatch(layout: Layout, place: Quantity, kind: str, found: Value, expected: int | str) -> Mismatch:
    row, key = place
    named = key if row == TOTALS else f"{key} of {layout.architecture.layers[row - 1].name if row else 'the image'}"
    right: Value = expected if isinstance(expected, str) else float(expected)
    return Mismatch(SHEET, *layout.place(row, key), named, kind, found, right)


def _other_inputs(layout: Layout) -> dict[Input, int]:
    """Other numbers in every yellow cell, all alike as little as may be, for an image that is large enough for them."""
    chance = random.Random(0)  # the same each time

    def other(one: Input) -> int:
        if one.key in at.IMAGE[1:]:
            return _ENOUGH - chance.randrange(1000)
        if one.key == "bias":
            return 1 - one.value
        if one.key in ("stride", "dilation", "groups"):
            return 3 - one.value if one.value in (1, 2) else 2
        if one.key in ("kernel", "padding"):
            return one.value + chance.randint(1, 3)
        return one.value + chance.randint(1, 9)

    return {one: other(one) for one in layout.inputs}


def _typed(path: Path, layout: Layout) -> list[Quantity]:
    """The calculated cells that have no formula in the file."""
    live = live_cells(path, [SHEET])[SHEET]
    return [place for place in layout.calculated() if layout.cell(*place) not in live]
