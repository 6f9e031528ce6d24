"""What is said of one cell: for the terminal, and for programs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from xlbackprop.engine import Value
from xlbackprop.graph.listing import WIDTH
from xlbackprop.sheet.address import in_sheet
from xlbackprop.spec import canonical

MOST_SHOWN = 40  # links of a chain on the terminal
_LABEL = 14  # columns of the labels
_OPERATOR = re.compile(r"(?<![0-9]E)[ +·,;]")  # not that of 1E+74
_DEEPEST = 10  # levels of a chain that are indented


@dataclass(frozen=True)
class Link:
    """One quantity of a chain; `symbols` is empty where the chain ends."""

    quantity: str
    cell: str
    symbols: str
    numbers: str
    value: Value
    depth: int
    holds: Value = None  # by its cell, where that is something else

    def as_text(self) -> str:
        """`a_h1 (J8) = 1/(1+EXP(-h1)) = 1/(1+EXP(-0.0275)) = 0.506874`, nothing said twice."""
        value = short(self.value)
        numbers = "" if self.numbers.strip("()") == value else self.numbers
        said = dict.fromkeys(part for part in (self.symbols, numbers, value) if part)
        text = " = ".join((self.quantity + (f" ({self.cell})" if self.cell else ""), *said))
        return text if self.holds is None else f"{text}, and its cell holds {short(self.holds)}"

    def as_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "quantity": canonical(self.quantity),
            "value": _plain(self.value),
            "holds": _plain(self.holds),
        }


@dataclass(frozen=True)
class Explanation:
    """A cell, or a quantity that has none; what does not apply is empty or None."""

    workbook: str
    engine: str
    sheet: str = ""
    cell: str = ""
    quantity: str = ""
    step: int | None = None
    rate: float | None = None
    where: str = ""  # beside step and rate: the sample of a batch
    says: str = ""
    symbols: str = ""
    formula: str = ""  # as it stands in the file, with its `=`
    numbers: str = ""
    value: Value = None
    wrong: str = ""
    right: str = ""  # the right formula, where the cell has another or none
    notes: tuple[tuple[str, str], ...] = ()  # label and text
    chain: tuple[Link, ...] = ()

    @property
    def title(self) -> str:
        """`'η=0.5'!AC8  ∂E/∂w5 at step 2, η = 0.5`."""
        when = [] if self.step is None else [f"step {self.step}"]
        when += [self.where] if self.where else []
        when += [] if self.rate is None else [f"η = {self.rate:g}"]
        place = in_sheet(self.sheet, self.cell) if self.cell else ""
        quantity = " at ".join(one for one in (self.quantity, ", ".join(when)) if one)
        return "  ".join(one for one in (place, quantity) if one)

    def as_text(self) -> str:
        """At most 80 columns wide but for formulas, which are one line each."""
        return "\n".join(line.rstrip() for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield from folded(self.title, 2)
        if self.says:
            yield from folded(self.says, 2)
        yield from _labelled("in symbols", self.symbols)
        if self.formula:
            yield f"{'in cells':{_LABEL}}{self.formula}"
        yield from _labelled("with numbers", "" if self.numbers == self.symbols else self.numbers)
        yield from _labelled("value", full(self.value))
        yield from _labelled("WRONG", self.wrong)
        if self.right:
            yield f"{'right':{_LABEL}}{self.right}"
        for label, text in self.notes:
            yield from _labelled(label, text)
        for k, link in enumerate(self.chain[:MOST_SHOWN]):
            indent = _LABEL + 2 * min(link.depth, _DEEPEST)
            yield from folded(f"{'' if k else 'chain':{indent}}{link.as_text()}", indent + 2)
        if len(self.chain) > MOST_SHOWN:
            yield f"{'':{_LABEL}}and {len(self.chain) - MOST_SHOWN:,} more; --json lists them all"

    def as_json(self) -> dict[str, Any]:
        """All fields, quantities in plain ASCII; notes as an object, a number that is none as null."""
        return {
            **vars(self),
            "quantity": canonical(self.quantity),
            "value": _plain(self.value),
            "notes": dict(self.notes),
            "chain": [link.as_json() for link in self.chain],
        }


def full(value: Value) -> str:
    """A cell's value to 15 digits, as a spreadsheet keeps it."""
    if isinstance(value, float):
        return "no number" if math.isnan(value) else f"{value + 0.0:.15g}"  # -0 reads as 0
    return "" if value is None else str(value)


def short(value: Value) -> str:
    """The same to 6 digits, as the pages of a workbook have it."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value + 0.0:.6g}".upper()
    return full(value)


def folded(line: str, indent: int) -> list[str]:
    """The line in pieces of at most WIDTH, cut at a blank, or behind an operator where no blank is near."""
    pieces: list[str] = []
    while len(line) > WIDTH:
        start = indent if pieces else 0
        cut = line.rfind(" ", start, WIDTH + 1)
        if cut < (start + WIDTH) // 2:
            cut = max((found.end() for found in _OPERATOR.finditer(line, start + 1, WIDTH)), default=WIDTH)
        pieces.append(line[:cut].rstrip())
        line = " " * indent + line[cut:].lstrip()
    return [*pieces, line]


def _labelled(label: str, text: str) -> list[str]:
    return folded(f"{label:{_LABEL}}{text}", _LABEL) if text else []


def _plain(value: Value) -> Value:
    """JSON has no nan."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
