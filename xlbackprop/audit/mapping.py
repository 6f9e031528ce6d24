"""What labels say of a table's lanes and of the cells around it, and what `--map` says instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from xlbackprop.audit.book import Book
from xlbackprop.audit.formula import Outside, column_index
from xlbackprop.audit.labels import NOTHING, Kind, Label, read_label
from xlbackprop.audit.tables import Table
from xlbackprop.errors import WorkbookError
from xlbackprop.sheet.address import cell_name

_PLACE = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d{1,7})?")
_BESIDE = ((0, -1), (0, -2), (-1, 0), (-2, 0), (0, -3))


def map_labels(table: Table, mapping: Mapping[str, str]) -> list[Label]:
    """The label of each lane, those of `mapping` (quantity: column or cell) in place of what is written."""
    labels = [column.read for column in table.columns]
    for quantity, text in mapping.items():
        label, row, column = _mapped(quantity, text)
        for lane, one in enumerate(table.columns):
            if any(place[1] == column and row in (-1, place[0]) for place in one.places):
                labels[lane] = label
    return _unique(labels)


def _mapped(quantity: str, text: str) -> tuple[Label, int, int]:
    label, place = read_label(quantity), _PLACE.fullmatch(text.strip())
    if label == NOTHING:
        raise WorkbookError(
            f'--map "{quantity}={text}": {quantity!r} is no quantity; write one such as w1, a_h1 or dE/dw1'
        )
    if place is None:
        raise WorkbookError(f'--map "{quantity}={text}": {text!r} is no column or cell; write one such as E or $G$31')
    return label, int(place[2]) - 1 if place[2] else -1, column_index(place[1])


def _unique(labels: list[Label]) -> list[Label]:
    """A quantity that is named twice is the first; the second is a copy of some kind."""
    seen: set[Label] = set()
    result = []
    for label in labels:
        again = label in seen and label.kind not in (Kind.OTHER, Kind.STEP)
        result.append(NOTHING if again else label)
        seen.add(label)
    return result


def outside_labels(book: Book, table: Table, mapping: Mapping[str, str]) -> Callable[[Outside], Label]:
    """For a cell outside the table what the text left of it or above it says."""
    given = {}
    for quantity, text in mapping.items():
        label, row, column = _mapped(quantity, text)
        given[table.sheet, row, column] = label
    names = {text.replace("$", "").replace("'", "").lower(): name for name, text in book.names.items()}

    def label_of(cell: Outside) -> Label:
        if (known := given.get((cell.sheet, cell.row, cell.column))) is not None:
            return known
        if (name := names.get(_address(cell))) is not None and (label := read_label(name)) != NOTHING:
            return label
        cells = book.sheets[cell.sheet].cells
        for down, right in _BESIDE:
            beside = cells.get((cell.row + down, cell.column + right))
            is_text = beside is not None and beside.formula is None and isinstance(beside.value, str)
            if is_text and (label := read_label(str(beside and beside.value))) != NOTHING:
                return label
        return NOTHING

    return label_of


def _address(cell: Outside) -> str:
    return f"{cell.sheet}!{cell_name(cell.row, cell.column)}".lower()
