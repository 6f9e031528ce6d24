"""What a verification of function tables found: a ledger of what agrees, and each wrong cell with its formula."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from xlbackprop.curves.layout import Layout
from xlbackprop.engine import Value
from xlbackprop.sheet.address import in_sheet
from xlbackprop.verification.report import MOST_SHOWN, Mismatch, Worst


@dataclass(frozen=True)
class Report:
    workbook: str
    engine: str
    layouts: list[Layout]
    cells: int  # compared
    rounding: int  # of them, those that rounding, or the calculator's ERF, alone may move by more than 1e-12
    worst: Worst
    witnessed: int  # derivatives that the complex step confirmed or denied
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def correct(self) -> bool:
        return not self.mismatches

    def groups(self) -> list[list[Mismatch]]:
        """The wrong cells, those of one kind that stand below each other together."""
        cells = sorted(self.mismatches, key=lambda one: (one.sheet, one.column, one.kind, one.row))
        numbered = groupby(enumerate(cells), lambda pair: (*_column(pair[1]), pair[1].row - pair[0]))
        return [[one for _, one in members] for _, members in numbered]

    def as_json(self) -> dict[str, Any]:
        wrong = {one.sheet for one in self.mismatches}
        return {
            "workbook": self.workbook,
            "verdict": "correct" if self.correct else "wrong",
            "engine": self.engine,
            "cells": self.cells,
            "rounding": self.rounding,
            "worst": {
                "relative": self.worst.relative,
                "sheet": self.worst.sheet,
                "cell": self.worst.cell,
                "quantity": self.worst.quantity,
            },
            "witnesses": {"complex_step": self.witnessed},
            "tables": [
                {
                    "sheet": layout.sheet,
                    "first_row": layout.first_row + 1,
                    "last_row": layout.first_row + layout.table.count,
                    "verdict": "wrong" if layout.sheet in wrong else "correct",
                    "functions": list(layout.table.functions),
                    "cells": len(layout.calculated) * layout.table.count,
                }
                for layout in self.layouts
            ],
            "mistakes": [self._mistake(group) for group in self.groups()],
            "warnings": [],
        }

    def _mistake(self, group: list[Mismatch]) -> dict[str, Any]:
        top = group[0]
        layout = next(one for one in self.layouts if one.sheet == top.sheet)
        return {
            "sheet": top.sheet,
            "cell": top.cell,
            "range": _range(group),
            "quantity": top.quantity,
            "kind": top.kind,
            "says": top.says,
            "formula": top.formula,
            "fix": top.fix,
            "found": _json_value(top.found),
            "expected": _json_value(top.expected),
            "spoils": list(layout.spoiled_by(top.quantity)),
        }

    def as_text(self) -> str:
        """A few lines for the terminal: the verdict, then each mistake once."""
        if self.correct:
            ledger = textwrap.fill(self.ledger(), 78, initial_indent="  ", subsequent_indent="  ")
            return f"{self.workbook}: correct\n{ledger}"
        count = len(self.mismatches)
        wrong = "cell is wrong by its" if count == 1 else "cells are wrong by their"
        lines = [
            f"{self.workbook}: WRONG",
            f"  {count:,} {wrong} own formula ({self.engine}, {self.cells:,} cells compared)",
        ]
        groups = self.groups()
        for group in groups[:MOST_SHOWN]:
            top = group[0]
            lines += [
                f"  {in_sheet(top.sheet, _range(group))} {top.quantity} {top.says}",
                f"    {'it gives' if top.kind == 'lucky-formula' else 'it holds'}   {_shown(top.found)}",
                f"    it should  {_shown(top.expected)}",
                f"    formula    {top.formula or 'none'}",
                f"    right      {top.fix}",
            ]
        if len(groups) > MOST_SHOWN:
            lines.append(f"  and {len(groups) - MOST_SHOWN:,} more places; --json lists them all")
        return "\n".join(lines)

    def ledger(self) -> str:
        """What was compared, in one sentence."""
        worst = self.worst
        where = f" at {in_sheet(worst.sheet, worst.cell)} ({worst.quantity})" if worst.sheet else ""
        near = f", {self.rounding:,} of them as far as rounding and ERF allow" if self.rounding else ""
        return (
            f"all {self.cells:,} calculated cells agree with numpy{near} ({self.engine}); "
            f"worst relative difference {worst.relative:.1e}{where}; "
            f"complex step confirms {self.witnessed:,} derivatives; with other inputs all agree too"
        )


def _column(one: Mismatch) -> tuple[object, ...]:
    return one.sheet, one.column, one.kind


def _range(group: list[Mismatch]) -> str:
    return group[0].cell if len(group) == 1 else f"{group[0].cell}:{group[-1].cell}"


def _json_value(value: Value) -> Value:
    """JSON has no nan; a cell without a number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: Value) -> str:
    if isinstance(value, float):
        return "no number" if math.isnan(value) else f"{value:.15g}"
    return str(value)
