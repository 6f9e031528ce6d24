"""Cell addresses as text: what a library does as well, without the 80 ms of importing one to verify a file."""

from __future__ import annotations

import re
from functools import cache


@cache
def column_name(column: int) -> str:
    """A, B, ..., Z, AA, ... for 0, 1, ...."""
    name, column = "", column + 1
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def cell_name(row: int, column: int) -> str:
    """A1 for (0, 0)."""
    return f"{column_name(column)}{row + 1}"


def absolute(row: int, column: int) -> str:
    """$A$1 for (0, 0)."""
    return f"${column_name(column)}${row + 1}"


def in_sheet(sheet: str, address: str) -> str:
    """The address with its sheet, quoted where the sheet's name needs it."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", sheet, re.ASCII) and not re.fullmatch(r"[A-Za-z]{1,3}\d+", sheet)
    return f"{sheet}!{address}" if plain else "'" + sheet.replace("'", "''") + f"'!{address}"
