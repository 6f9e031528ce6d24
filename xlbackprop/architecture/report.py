"""What a verification of an architecture found: its numbers, each wrong cell, and the rules that are broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xlbackprop.architecture.layout import SHEET, Layout
from xlbackprop.architecture.spec import Architecture
from xlbackprop.engine import Value
from xlbackprop.verification.report import Findings, Mismatch


@dataclass(frozen=True, kw_only=True)
class Report(Findings):
    architecture: Architecture  # with the numbers that stand in the workbook
    layout: Layout
    status: str  # of the rules, as the sheet has it
    rules: list[tuple[str, str]]  # for each cell of a broken rule what it says; none of them makes a number wrong

    def groups(self) -> list[list[Mismatch]]:
        """Each by itself: a column's cells are of different layers."""
        return [[one] for one in self.roots]

    def as_json(self) -> dict[str, Any]:
        inherited = [one for one in self.mismatches if not one.root]
        return {
            "workbook": self.workbook,
            "verdict": self.verdict,
            "engine": self.engine,
            "cells": self.cells,
            "tables": [
                {
                    "sheet": SHEET,
                    "first_row": self.layout.image_row + 1,
                    "last_row": self.layout.last_row + 1,
                    "verdict": self.verdict,
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

    def ledger(self) -> str:
        """What was compared, in one sentence."""
        return (
            f"all {self.cells:,} calculated cells agree with the reference ({self.engine}), "
            f"with other inputs too. {self.status}."
        )

    def counted(self) -> str:
        inherited = len(self.mismatches) - len(self.roots)
        return f"{len(self.roots):,} wrong by their own formula, {inherited:,} inherit it"

    def shown(self, value: Value) -> str:
        if value in (None, ""):
            return "nothing"
        return f"{value:,.15g}" if isinstance(value, float) else str(value)


def _of(one: Mismatch) -> dict[str, Any]:
    return {
        "sheet": one.sheet,
        "cell": one.cell,
        "quantity": one.quantity,
        "formula": one.formula,
        "found": one.found,
        "expected": one.expected,
    }
