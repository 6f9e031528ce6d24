"""What is asked for: a cell by its address, or a quantity as people write it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlbackprop.audit.cells import COLUMNS, ROWS
from xlbackprop.audit.formula import column_index
from xlbackprop.audit.labels import NOTHING, read_label
from xlbackprop.errors import WorkbookError
from xlbackprop.spec import canonical

_CELL = re.compile(r"(?:(?P<sheet>.+)!)?\$?(?P<column>[A-Za-z]{1,3})\$?(?P<row>\d{1,7})")
_MOST_NAMED = 6


@dataclass(frozen=True)
class Asked:
    """`text` as it was typed; step and rate say which of a quantity's cells, None the first."""

    text: str
    workbook: Path
    step: int | None = None
    rate: float | None = None

    def cell(self, sheets: Collection[str], names: Collection[str] = ()) -> tuple[str, int, int] | None:
        """Sheet ("" where none is named), row and column from 0, of an address; None of anything else.

        `w9` is no address where w1 is a name; `W9` and `$w$9` are.

        Raises WorkbookError for a sheet that is not there and a cell that no sheet has.
        """
        match = _CELL.fullmatch(self.text.strip())
        if match is None:
            if "!" in self.text:
                raise WorkbookError(f"{self.text}: is no cell; write one such as AC8 or Sheet1!AC8")
            return None
        letters = self.text.rstrip("0123456789")
        if letters.islower() and any(name.rstrip("0123456789") == letters for name in names):
            return None
        row, column = int(match["row"]) - 1, column_index(match["column"])
        if not (0 <= row < ROWS and column < COLUMNS):
            raise WorkbookError(f"{self.text}: no sheet has such a cell; the last is XFD{ROWS}")
        if match["sheet"] is None:
            return "", row, column
        if self.step is not None or self.rate is not None:
            raise WorkbookError(f"{self.text}: is one cell; leave --step and --rate out, or ask for a quantity")
        name = match["sheet"].strip().strip("'").replace("''", "'")
        found = next((one for one in sheets if one.casefold() == name.casefold()), None)
        if found is None:
            raise WorkbookError(f"{self.workbook}: has no sheet {name!r}; {_near(name, sheets, 'its sheets are')}")
        return found, row, column

    def rate_among(self, rates: Sequence[float]) -> int:
        """The index of the learning rate that is meant. Raises WorkbookError for one that is not there."""
        if self.rate is None:
            return 0
        if self.rate not in rates:
            known = ", ".join(f"{one:g}" for one in rates) or "not known"
            raise WorkbookError(f"{self.workbook}: has no rate {self.rate:g}; its rates are {known}")
        return rates.index(self.rate)

    def step_among(self, last: int) -> int:
        """The step that is meant. Raises WorkbookError for one after the last."""
        step = self.step or 0
        if not 0 <= step <= last:
            raise WorkbookError(f"{self.workbook}: has no step {step}; its steps are 0 to {last}")
        return step

    def quantity(self, names: Collection[str]) -> str | None:
        """The one of the names that is meant: as it stands, in plain letters, or as people write it above a column."""
        text = self.text.strip()
        if text in names:
            return text
        read = NOTHING if _CELL.fullmatch(text) else read_label(text)  # W5 is a cell
        spellings = [canonical(text), "" if read == NOTHING else read.quantity]
        plain = {canonical(name): name for name in reversed(list(names))}
        return next((plain[one] for one in spellings if one in plain), None)

    def unknown(self, names: Collection[str]) -> WorkbookError:
        """The complaint about what is neither a cell nor one of these names."""
        near = _near(canonical(self.text), [canonical(name) for name in names], "it has")
        return WorkbookError(f"{self.workbook}: has no cell or quantity {self.text!r}; {near}")


def _near(text: str, known: Collection[str], otherwise: str) -> str:
    letters = text.rstrip("0123456789")
    alike = [one for one in known if one.rstrip("0123456789") == letters][-2:]
    found = difflib.get_close_matches(text, known, n=3) or alike
    if found:
        return f"did you mean {' or '.join(found)}?"
    more = ", ..." if len(known) > _MOST_NAMED else ""
    return f"{otherwise} {', '.join(list(known)[:_MOST_NAMED])}{more}"
