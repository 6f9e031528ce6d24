"""Calculators behind one protocol: each recalculates a workbook from its file and proves that it did.

Verification never reads the values that a file carries. Every recalculation works on a private
copy with a canary, a formula whose carried value is wrong on purpose; a calculator that returns
that value has not recalculated, and is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from xlbackprop.errors import EngineError

Value = float | str | bool | None  # None: blank; an error is its text, such as #NUM!
Inputs = Mapping[tuple[str, int, int], float]  # (sheet, row, column), counted from 0


class Recalculated(Protocol):
    """A workbook's values after recalculation."""

    @property
    def sheets(self) -> list[str]: ...

    def column(self, sheet: str, row: int, column: int, count: int) -> list[Value]:
        """The values of `count` cells downwards from (row, column), counted from 0."""
        ...

    def row(self, sheet: str, row: int, column: int, count: int) -> list[Value]:
        """The same to the right: a calculator keeps a row's cells together, so that a table is read faster so."""
        ...

    def changed(self, inputs: Inputs) -> Recalculated:
        """The same file recalculated with other numbers in these cells; the file itself stays as it is."""
        ...


class Engine(Protocol):
    name: str  # with its version
    epsilon: float  # relative: what the last digit that it keeps is worth
    exp_overflows: bool  # whether EXP of more than 709.78 is an error, as in Excel, or infinite
    erf_error: float  # absolute: how far its ERF may be off

    def recalculate(self, path: Path) -> Recalculated:
        """Raises WorkbookError for a file that cannot be read, EngineError where the calculator fails."""
        ...


ENGINES = ("embedded", "libreoffice")


def engine(name: str = "embedded") -> Engine:
    """The engine of that name. Raises EngineError where it is unknown or not installed."""
    if name == "embedded":
        from xlbackprop.engine.embedded import Embedded

        return Embedded()
    if name == "libreoffice":
        from xlbackprop.engine.libreoffice import LibreOffice

        try:
            return LibreOffice()
        except EngineError as error:
            raise EngineError(f"{error} or use --engine embedded") from None
    raise EngineError(f"engine {name!r}: is not known; choose one of {', '.join(ENGINES)}")
