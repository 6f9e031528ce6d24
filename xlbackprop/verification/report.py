"""What a verification found: a ledger of what agrees, and each wrong cell with its formula."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from xlbackprop.engine import Value
from xlbackprop.reference.functions import Array
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.sheet.layout import Layout
from xlbackprop.spec import Spec, canonical

MOST_SHOWN = 12  # places on the terminal
_SAYS = {
    "wrong-formula": "does not give what its precedents imply",
    "wrong-gradient": "is not the derivative of the error (complex step)",
    "typed-constant": "is typed; it should be calculated",
    "lucky-formula": "is right only by the luck of its numbers: with other inputs it is wrong",
    "inherited": "has a right formula and wrong precedents",
}


@dataclass(frozen=True)
class Mismatch:
    """A cell, counted from 0, that does not hold what it should; `root` if its own formula is wrong."""

    sheet: str
    row: int
    column: int
    quantity: str
    kind: str
    found: Value
    expected: Value
    formula: str = ""  # as it stands in the file
    fix: str = ""

    @property
    def root(self) -> bool:
        return self.kind != "inherited"

    @property
    def cell(self) -> str:
        return cell_name(self.row, self.column)

    @property
    def says(self) -> str:
        return _SAYS[self.kind]


@dataclass(frozen=True)
class Worst:
    """The largest relative difference from the reference, and where."""

    relative: float = 0.0
    sheet: str = ""
    cell: str = ""
    quantity: str = ""


@dataclass(frozen=True)
class Report:
    workbook: str
    engine: str
    spec: Spec  # with the numbers that stand in the workbook
    layout: Layout
    cells: int  # compared
    rounding: int  # of them, those that rounding alone may move by more than 1e-12: small differences of larger numbers
    worst: Worst
    witnessed: int  # gradients that the complex step confirmed or denied
    errors: Array  # by step, as the workbook has it, (n_rates, steps + 1); nan after a divergence
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def correct(self) -> bool:
        return not self.mismatches

    @property
    def roots(self) -> list[Mismatch]:
        return [one for one in self.mismatches if one.root]

    def groups(self) -> list[list[Mismatch]]:
        """The roots, those of one kind that stand below each other in a column together."""
        roots = sorted(self.roots, key=lambda one: (one.sheet, one.column, one.kind, one.row))

        def group(numbered: tuple[int, Mismatch]) -> tuple[object, ...]:
            k, one = numbered
            return one.sheet, one.column, one.kind, one.row - k

        return [[one for _, one in members] for _, members in groupby(enumerate(roots), group)]

    def as_json(self) -> dict[str, Any]:
        spoiled: dict[tuple[str, int], list[str]] = {(one.sheet, one.row): [] for one in self.roots}
        for one in self.mismatches:
            if not one.root and (one.sheet, one.row) in spoiled:
                spoiled[one.sheet, one.row].append(canonical(one.quantity))
        wrong = {one.sheet for one in self.mismatches}
        first, last = self.layout.FIRST_ROW + 1, self.layout.last_row + 1
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
                "quantity": canonical(self.worst.quantity),
            },
            "witnesses": {"complex_step": self.witnessed},
            "tables": [
                {
                    "sheet": sheet,
                    "first_row": first,
                    "last_row": last,
                    "verdict": "wrong" if sheet in wrong else "correct",
                    "network": self.spec.summary,
                    "learning_rate": rate,
                    "cells": sum(len(self.layout.table_rows.visits(name)) for name in self.layout.columns),
                }
                for sheet, rate in zip(self.layout.sheets, self.spec.rates)
            ],
            "mistakes": [as_mistake(group, spoiled[group[0].sheet, group[0].row]) for group in self.groups()],
            "inherited": [as_inherited(one) for one in self.mismatches if not one.root],
            "warnings": [],
        }

    def as_text(self) -> str:
        """A few lines for the terminal: the verdict, then each mistake once."""
        if self.correct:
            ledger = textwrap.fill(self.ledger(), 78, initial_indent="  ", subsequent_indent="  ")
            return f"{self.workbook}: correct\n{ledger}"
        inherited = len(self.mismatches) - len(self.roots)
        lines = [
            f"{self.workbook}: WRONG",
            f"  {_count(len(self.roots), 'cell is wrong by its', 'cells are wrong by their')} own formula, "
            f"{inherited:,} inherit it ({self.engine}, {self.cells:,} cells compared)",
        ]
        groups = self.groups()
        for group in groups[:MOST_SHOWN]:
            top = group[0]
            place = top.cell if len(group) == 1 else f"{top.cell}:{group[-1].cell}"
            lines += [
                f"  {in_sheet(top.sheet, place)} {top.quantity} {top.says}",
                f"    {'it gives' if top.kind == 'lucky-formula' else 'it holds'}   {_shown(top.found)}",
                f"    it should  {_shown(top.expected)}",
                f"    formula    {top.formula or 'none'}",
                f"    right      {top.fix}",
            ]
        if len(groups) > MOST_SHOWN:
            lines.append(f"  and {len(groups) - MOST_SHOWN:,} more places; --json lists them all")
        if not self.roots:
            one = self.mismatches[0]
            lines.append(f"  first: {in_sheet(one.sheet, one.cell)} {one.quantity}: {one.found} for {one.expected}")
        return "\n".join(lines)

    def ledger(self) -> str:
        """What was compared, in one sentence."""
        worst = self.worst
        where = f" at {in_sheet(worst.sheet, worst.cell)} ({worst.quantity})" if worst.sheet else ""
        near = f", {self.rounding:,} of them as far as rounding allows" if self.rounding else ""
        return (
            f"all {self.cells:,} calculated cells agree with numpy{near} ({self.engine}); "
            f"worst relative difference {worst.relative:.1e}{where}; "
            f"complex step confirms {self.witnessed:,} gradients; with other inputs all agree too"
        )


def as_mistake(group: list[Mismatch], spoils: list[str]) -> dict[str, Any]:
    top = group[0]
    return {
        "sheet": top.sheet,
        "cell": top.cell,
        "range": top.cell if len(group) == 1 else f"{top.cell}:{group[-1].cell}",
        "quantity": canonical(top.quantity),
        "kind": top.kind,
        "says": top.says,
        "formula": top.formula,
        "fix": top.fix,
        "found": _json_value(top.found),
        "expected": _json_value(top.expected),
        "spoils": spoils,
    }


def as_inherited(one: Mismatch) -> dict[str, Any]:
    return {
        "sheet": one.sheet,
        "cell": one.cell,
        "quantity": canonical(one.quantity),
        "formula": one.formula,
        "found": _json_value(one.found),
        "expected": _json_value(one.expected),
    }


def _json_value(value: Value) -> Value:
    """JSON has no nan; a cell without a number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: Value) -> str:
    if isinstance(value, float):
        return "no number" if math.isnan(value) else f"{value:.15g}"
    return str(value)


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
