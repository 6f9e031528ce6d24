"""What an audit found: tables, mistakes and warnings, for the terminal and for programs."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from typing import Any

from xlbackprop.sheet.address import in_sheet

Value = float | str | bool | None

MOST_SHOWN = 20  # mistakes on the terminal
_WIDTH = 80


@dataclass(frozen=True)
class TableReport:
    sheet: str
    range: str
    first_row: int
    last_row: int
    verdict: str  # "correct", "wrong" or "not live"
    network: str
    learning_rate: float | None
    cells: int  # formulas that were compared

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class MistakeReport:
    sheet: str
    cell: str
    range: str
    count: int
    quantity: str
    kind: str
    kinds: tuple[str, ...]  # where one formula has more than one mistake
    says: str
    formula: str
    fix: str
    found: Value
    expected: Value
    spoils: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        json = dict(vars(self))
        json |= {"kinds": list(self.kinds), "spoils": list(self.spoils)}
        json |= {"found": _plain(self.found), "expected": _plain(self.expected)}
        return json


@dataclass(frozen=True)
class Warning:
    sheet: str
    cell: str
    kind: str
    says: str

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass
class Audit:
    workbook: str
    engine: str
    tables: list[TableReport] = field(default_factory=list)
    mistakes: list[MistakeReport] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        verdicts = {table.verdict for table in self.tables}
        return next((one for one in ("wrong", "not live") if one in verdicts), "correct")

    @property
    def correct(self) -> bool:
        return self.verdict == "correct"

    def as_json(self) -> dict[str, Any]:
        return {
            "workbook": self.workbook,
            "verdict": self.verdict,
            "engine": self.engine,
            "tables": [table.as_json() for table in self.tables],
            "mistakes": [mistake.as_json() for mistake in self.mistakes],
            "warnings": [warning.as_json() for warning in self.warnings],
        }

    def as_text(self) -> str:
        """The verdict, each mistake once with its cure, then the warnings; at most 80 columns but for formulas."""
        lines = [f"{self.workbook}: {self.verdict.upper() if not self.correct else 'correct'}", *self._summary()]
        for mistake in self.mistakes[:MOST_SHOWN]:
            lines += _mistake_lines(mistake)
        if len(self.mistakes) > MOST_SHOWN:
            lines.append(f"  and {len(self.mistakes) - MOST_SHOWN:,} more; --json lists them all")
        alike: dict[str, list[str]] = {}
        for warning in self.warnings:
            place = in_sheet(warning.sheet, warning.cell) if warning.cell else warning.sheet
            alike.setdefault(warning.says, []).append(place)
        lines += [_folded(f"warning: {_listed(places)}{says}") for says, places in alike.items()]
        return "\n".join(lines)

    def _summary(self) -> list[str]:
        """The tables, those that are alike in one line."""
        alike: dict[tuple[str, str], list[TableReport]] = {}
        for table in self.tables:
            alike.setdefault((table.verdict, table.network), []).append(table)
        lines = []
        for (verdict, network), tables in alike.items():
            cells = sum(table.cells for table in tables)
            if len(tables) == 1:
                one = tables[0]
                rate = "" if one.learning_rate is None else f", learning rate {one.learning_rate:g}"
                what = f"{in_sheet(one.sheet, one.range)}: {network}{rate}"
            else:
                what = f"{len(tables)} tables ({', '.join(table.sheet for table in tables)}): {network}"
            lines.append(_folded(f"{what}; {verdict}, {cells:,} formulas compared ({self.engine})"))
        return lines


def _mistake_lines(mistake: MistakeReport) -> list[str]:
    rows = f" ({mistake.count} cells)" if mistake.count > 1 else ""
    lines = [_folded(f"{in_sheet(mistake.sheet, mistake.range)}{rows}: {mistake.quantity} {mistake.says}")]
    if mistake.formula:
        lines.append(f"    formula   {mistake.formula}")
    if mistake.fix:
        lines.append(f"    right     {mistake.fix}")
    lines.append(f"    it holds  {_shown(mistake.found)}, it should hold {_shown(mistake.expected)}")
    if mistake.spoils:
        lines.append(_folded(f"spoils {', '.join(mistake.spoils)}, whose own formulas are right", "    "))
    return lines


def _listed(places: list[str]) -> str:
    """Up to three places, and how many more."""
    shown = [place for place in places if place]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"{', '.join(shown[:3])}{more}: " if shown else ""


def _folded(text: str, indent: str = "  ") -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _plain(value: Value) -> Value:
    """JSON has no nan; a cell without a number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: Value) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return "no number" if math.isnan(value) else f"{value:.12g}"
    return str(value)
