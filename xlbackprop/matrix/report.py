"""What a verification of matrices found: the report of the other layouts, with bands in place of tables' rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xlbackprop.matrix.layout import Layout
from xlbackprop.spec import canonical
from xlbackprop.verification import report as tables
from xlbackprop.verification.report import Mismatch


@dataclass(frozen=True)
class Report(tables.Report):
    layout: Layout  # type: ignore[assignment]  # what is said of tables' rows is said anew below

    def as_json(self) -> dict[str, Any]:
        wrong = {one.sheet for one in self.mismatches}
        worst, layout = self.worst, self.layout
        return {
            "workbook": self.workbook,
            "verdict": "correct" if self.correct else "wrong",
            "engine": self.engine,
            "cells": self.cells,
            "rounding": self.rounding,
            "worst": {
                "relative": worst.relative,
                "sheet": worst.sheet,
                "cell": worst.cell,
                "quantity": canonical(worst.quantity),
            },
            "witnesses": {"complex_step": self.witnessed},
            "tables": [
                {
                    "sheet": sheet,
                    "first_row": layout.TOP + 1,
                    "last_row": layout.top(layout.bands),
                    "verdict": "wrong" if sheet in wrong else "correct",
                    "network": self.spec.summary,
                    "learning_rate": rate,
                    "cells": len(layout.templates) * layout.bands,
                }
                for sheet, rate in zip(layout.sheets, self.spec.rates)
            ],
            "mistakes": [tables.as_mistake(group, self._spoils(group[0])) for group in self.groups()],
            "inherited": [tables.as_inherited(one) for one in self.mismatches if not one.root],
            "warnings": [],
        }

    def _spoils(self, root: Mismatch) -> list[str]:
        """The quantities of the same band that inherit the mistake."""
        return [
            canonical(one.quantity)
            for one in self.mismatches
            if not one.root and one.sheet == root.sheet and self._band(one) == self._band(root)
        ]

    def _band(self, one: Mismatch) -> int:
        return (one.row - self.layout.TOP) // self.layout.band.height
