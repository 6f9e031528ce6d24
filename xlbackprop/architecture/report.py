"""What a verification of an architecture found: its numbers, each wrong cell, and the rules that are broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xlbackprop.architecture.layout import SHEET, Layout
from xlbackprop.architecture.spec import Architecture
from xlbackprop.sheet.address import in_sheet
from xlbackprop.verification.report import MOST_SHOWN, Mismatch


@dataclass(frozen=True)
class Report:
    workbook: str
    engine: str
    architecture: Architecture  # with the numbers that stand in the workbook
    layout: Layout
    cells: int  # compared
    status: str  # of the rules, as the sheet has it
    rules: list[tuple[str, str]]  # for each cell of a broken rule what it says; none of them makes a number wrong
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def correct(self) -> bool:
        return not self.mismatches

    @property
    def roots(self) -> list[Mismatch]:
        return [one for one in self.mismatches if one.root]

    def as_json(self) -> dict[str, Any]:
        inherited = [one for one in self.mismatches if not one.root]
        verdict = "correct" if self.correct else "wrong"
        return {
            "workbook": self.workbook,
            "verdict": verdict,
            "engine": self.engine,
            "cells": self.cells,
            "tables": [
                {
                    "sheet": SHEET,
                    "first_row": self.layout.image_row + 1,
                    "last_row": self.layout.last_row + 1,
                    "verdict": verdict,
                    "network": self.architecture.title,
                    "cells": self.cells,
                }
            ],
            "mistakes": [
                {
                    **_of(one),
                    "range": one.cell,
                    "kind": one.kind,
                    "says": one.says,
                    "fix": one.fix,
                    "spoils": [other.quantity for other in inherited if other.row == one.row],
                }
                for one in self.roots
            ],
            "inherited": [_of(one) for one in inherited],
            "warnings": [{"sheet": SHEET, "cell": cell, "kind": "rule", "says": says} for cell, says in self.rules],
        }

    def as_text(self) -> str:
        """A few lines for the terminal: the verdict, then each mistake once."""
        if self.correct:
            return f"{self.workbook}: correct\n  {self.ledger()}"
        inherited = len(self.mismatches) - len(self.roots)
        lines = [
            f"{self.workbook}: WRONG",
            f"  {len(self.roots):,} wrong by their own formula, {inherited:,} inherit it "
            f"({self.engine}, {self.cells:,} cells compared)",
        ]
        for one in self.roots[:MOST_SHOWN]:
            lines += [
                f"  {in_sheet(one.sheet, one.cell)} {one.quantity} {one.says}",
                f"    {'it gives' if one.kind == 'lucky-formula' else 'it holds'}   {_shown(one.found)}",
                f"    it should  {_shown(one.expected)}",
                f"    formula    {one.formula or 'none'}",
                f"    right      {one.fix}",
            ]
        if len(self.roots) > MOST_SHOWN:
            lines.append(f"  and {len(self.roots) - MOST_SHOWN:,} more places; --json lists them all")
        return "\n".join(lines)

    def ledger(self) -> str:
        """What was compared, in one sentence."""
        return (
            f"all {self.cells:,} calculated cells agree with the reference ({self.engine}), "
            f"with other inputs too. {self.status}."
        )


def _of(one: Mismatch) -> dict[str, Any]:
    return {
        "sheet": one.sheet,
        "cell": one.cell,
        "quantity": one.quantity,
        "formula": one.formula,
        "found": one.found,
        "expected": one.expected,
    }


def _shown(value: object) -> str:
    if value in (None, ""):
        return "nothing"
    return f"{value:,.15g}" if isinstance(value, float) else str(value)
