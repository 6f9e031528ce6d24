"""What a verification of matrices found: the report of the other layout, with bands in place of a table's rows."""

from __future__ import annotations

from dataclasses import dataclass

from xlbackprop.matrix.layout import Layout
from xlbackprop.verification import report as tables
from xlbackprop.verification.report import Mismatch


@dataclass(frozen=True, kw_only=True)
class Report(tables.Report):
    layout: Layout  # type: ignore[assignment]  # what is said of tables' rows is said anew below

    @property
    def formulas(self) -> int:
        return self.cells

    def rows(self) -> tuple[int, int]:
        return self.layout.TOP + 1, self.layout.top(self.layout.bands)

    def cells_a_table(self) -> int:
        return len(self.layout.templates) * self.layout.bands

    def together(self, one: Mismatch) -> int:
        """The band."""
        return (one.row - self.layout.TOP) // self.layout.band.height
