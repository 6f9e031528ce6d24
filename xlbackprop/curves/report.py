"""What a verification of function tables found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from xlbackprop.curves.layout import Layout
from xlbackprop.verification.report import Compared, Mismatch, as_mistake


@dataclass(frozen=True, kw_only=True)
class Report(Compared):
    layouts: list[Layout]
    allowance: ClassVar[str] = "rounding and ERF allow"
    derivatives: ClassVar[str] = "derivatives"

    def counted(self) -> str:
        """No cell inherits here: each is compared with what its row implies."""
        return super().counted().removesuffix(", 0 inherit it")

    def as_json(self) -> dict[str, Any]:
        wrong = {one.sheet for one in self.mismatches}
        return {
            **self.measures(),
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
            "mistakes": [as_mistake(group, self.spoils(group[0])) for group in self.groups()],
            "warnings": [],
        }

    def spoils(self, one: Mismatch) -> list[str]:
        """The columns that inherit the mistake."""
        layout = next(layout for layout in self.layouts if layout.sheet == one.sheet)
        return list(layout.spoiled_by(one.quantity))
