"""A cell that is not part of a table: what stands in it, and what its neighbours call it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from xlbackprop.audit.values import Values
from xlbackprop.explanation.cells import Place, formula_at
from xlbackprop.explanation.report import Explanation
from xlbackprop.sheet.address import cell_name, in_sheet

_MOST_LISTED = 3
_LONGEST = 60  # characters of a neighbour's text


def explain_plain(
    values: Values, place: Place, workbook: str, engine: str, says: str = "not part of a training table"
) -> Explanation:
    """What is there, after what `says` of it."""
    sheet, row, column = place
    formula, value = formula_at(values, place), values.at(*place)
    name = next((one for one, text in values.book.names.items() if _is_at(text, place)), "")
    what = "a formula" if formula else "a text" if isinstance(value, str) else "a number"
    if value in (None, "") and not formula:
        what = "blank"
    notes = [("name", f"{name}, {_users(values, name)}" if name else ""), ("left of it", _left(values, place)),
             ("above it", _above(values, place))]  # fmt: skip
    return Explanation(
        workbook, engine, sheet, cell_name(row, column),
        says=f"{says}: {what}", formula=formula, value=value,
        notes=tuple((label, text) for label, text in notes if text),
    )  # fmt: skip


def _left(values: Values, place: Place) -> str:
    sheet, row, column = place
    return _first_text(values, sheet, ((row, k) for k in range(column - 1, -1, -1)))


def _above(values: Values, place: Place) -> str:
    sheet, row, column = place
    return _first_text(values, sheet, ((k, column) for k in range(row - 1, -1, -1)))


def _first_text(values: Values, sheet: str, places: Iterable[tuple[int, int]]) -> str:
    """The nearest text that somebody wrote, and where."""
    cells = values.book.sheets[sheet].cells
    for row, column in places:
        cell = cells.get((row, column))
        if cell is not None and cell.formula is None and isinstance(cell.value, str) and cell.value.strip():
            text = " ".join(cell.value.split())
            cut = text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + " ..."
            return f"{cut} ({cell_name(row, column)})"
    return ""


def _users(values: Values, name: str) -> str:
    return f"used by {users}" if (users := users_of(values, name)) else "used by no formula"


def users_of(values: Values, name: str) -> str:
    """The cells whose formulas have a defined name: the first few, and how many more."""
    word = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.])")
    texts: dict[str, bool] = {}
    found = []
    for sheet in values.book.sheets.values():
        for (row, column), cell in sheet.cells.items():
            if cell.formula is not None and texts.setdefault(cell.formula.text, bool(word.search(cell.formula.text))):
                found.append(in_sheet(sheet.name, cell_name(row, column)))
    more = f" and {len(found) - _MOST_LISTED:,} more" if len(found) > _MOST_LISTED else ""
    return ", ".join(islice(found, _MOST_LISTED)) + more


def _is_at(text: str, place: Place) -> bool:
    sheet, row, column = place
    return text.replace("$", "") == in_sheet(sheet, cell_name(row, column))
