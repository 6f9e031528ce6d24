"""The pages' text cells: whether each reads the right formula with the right numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xlbackprop.engine import Value
from xlbackprop.graph.expr import Ref
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.plugged import plugged, plugged_formula, rounded_formula

# A number as the pages write it, with the brackets that a negative one has.
_NUMBER = re.compile(r"\((-\d+(?:\.\d+)?(?:E[+-]?\d+)?)\)|(\d+(?:\.\d+)?(?:E[+-]?\d+)?)", re.IGNORECASE)
_ZERO = re.compile(r"(?<![A-Z])\(0\)")  # but not of a function's brackets
_RELATIVE = 2e-5  # the text shows six digits
_ABSOLUTE = 1e-12  # of what is rounding alone, calculators show different digits


@dataclass(frozen=True)
class TextCell:
    layout: Layout
    sheet: str
    row: int
    column: int
    name: str

    @property
    def is_plugged(self) -> bool:
        return self.column == self.layout.PAGE_PLUGGED

    @property
    def formula(self) -> str:
        if self.is_plugged:
            return plugged_formula(self.layout, self.sheet, self.layout.page[self.name])
        return rounded_formula(self.row, may_be_empty=self.layout.left_on_page(self.name))

    def text(self, numbers: Callable[[str], str]) -> str:
        """What the cell should read; `numbers` gives the short text of a quantity."""
        expr = self.layout.page[self.name].expr if self.is_plugged else Ref(self.name)
        assert expr is not None
        return plugged(expr, numbers)


def agrees(found: Value, right: str) -> bool:
    """Whether a cell reads the same formula with the same numbers, to the digits that it shows."""
    if right == "#NUM!":  # an error or, as one calculator's reader has it, a blank
        return found is None or str(found).startswith("#")
    # A number too small to show has its sign's brackets or not, as rounding decides.
    if not isinstance(found, str):
        return False
    found, right = _ZERO.sub("0", found), _ZERO.sub("0", right)
    if _NUMBER.sub("#", found) != _NUMBER.sub("#", right):
        return False
    return all(
        abs(a - b) <= _RELATIVE * max(abs(a), abs(b)) + _ABSOLUTE for a, b in zip(_numbers(found), _numbers(right))
    )


def text_cells(layout: Layout) -> Iterator[TextCell]:
    for name, (sheet, row) in layout.page_cells.items():
        if layout.page[name].expr is not None and not layout.left_on_page(name):
            yield TextCell(layout, sheet, row, layout.PAGE_PLUGGED, name)
        yield TextCell(layout, sheet, row, layout.PAGE_ROUNDED, name)


def _numbers(text: str) -> list[float]:
    return [float(minus or plain) for minus, plain in _NUMBER.findall(text)]
