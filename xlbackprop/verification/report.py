"""What a verification found: a ledger of what agrees, and each wrong cell with its formula."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any, ClassVar

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
    def place(self) -> tuple[str, int, int]:
        return self.sheet, self.row, self.column

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
class Marks:
    """Of the cells that a worksheet leaves to be filled, how many are in which state."""

    right: int = 0
    wrong: int = 0  # by their own formula
    inherited: int = 0  # right by their own formula, with wrong precedents
    empty: int = 0

    @property
    def filled(self) -> int:
        return self.right + self.wrong + self.inherited

    def __add__(self, other: Marks) -> Marks:
        return Marks(
            self.right + other.right,
            self.wrong + other.wrong,
            self.inherited + other.inherited,
            self.empty + other.empty,
        )

    def __str__(self) -> str:
        """For example `8 of 20 cells filled: 5 right, 1 wrong by its own formula, 2 inherit it; 12 are empty`."""
        wrong = _count(self.wrong, "wrong by its own formula", "wrong by their own formula")
        inherited = f"{self.inherited:,} inherit it" if self.inherited else ""
        found = ", ".join(part for part in (f"{self.right:,} right", wrong if self.wrong else "", inherited) if part)
        filled = f"{self.filled:,} of {self.filled + self.empty:,} cells filled"
        return (f"{filled}: {found}" if self.filled else filled) + (f"; {self.empty:,} are empty" if self.empty else "")


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is found of a workbook of any kind."""

    workbook: str
    engine: str
    cells: int  # compared
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def correct(self) -> bool:
        return not self.mismatches

    @property
    def verdict(self) -> str:
        return "correct" if self.correct else "wrong"

    @property
    def formulas(self) -> int:
        """Of the compared cells, those that are calculated."""
        return self.cells

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

    def as_text(self) -> str:
        """A few lines for the terminal: the verdict, then each mistake once."""
        if not self.mismatches:
            ledger = textwrap.fill(self.ledger(), 78, initial_indent="  ", subsequent_indent="  ")
            return "\n".join([f"{self.workbook}: {self.verdict}", ledger, *self._indented_details()])
        lines = [f"{self.workbook}: WRONG", f"  {self.counted()} ({self.engine}, {self.cells:,} cells compared)"]
        lines += self._indented_details()
        groups = self.groups()
        for group in groups[:MOST_SHOWN]:
            top = group[0]
            lines += [
                f"  {in_sheet(top.sheet, range_of(group))} {top.quantity} {top.says}",
                f"    {'it holds' if self.holds(top) else 'it gives'}   {self.shown(top.found)}",
                f"    it should  {self.shown(top.expected)}",
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
        raise NotImplementedError

    def details(self) -> list[str]:
        """More lines for the terminal, below the first."""
        return []

    def _indented_details(self) -> list[str]:
        return [f"    {line}" for line in self.details()]

    def counted(self) -> str:
        """How many cells are wrong, in a few words."""
        inherited = len(self.mismatches) - len(self.roots)
        wrong = _count(len(self.roots), "cell is wrong by its", "cells are wrong by their")
        return f"{wrong} own formula, {inherited:,} inherit it"

    def holds(self, one: Mismatch) -> bool:
        """Whether what was found is what the cell holds, with the numbers that stand in the workbook."""
        return one.kind != "lucky-formula"

    def shown(self, value: Value) -> str:
        """A cell's value, for the terminal."""
        if isinstance(value, float):
            return "no number" if math.isnan(value) else f"{value:.15g}"
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Compared(Findings):
    """What is found where every cell is compared with numpy, and every derivative with the complex step."""

    rounding: int  # of the cells, those that rounding alone may move by more than 1e-12: differences of larger numbers
    worst: Worst
    witnessed: int  # derivatives that the complex step confirmed or denied
    allowance: ClassVar[str] = "rounding allows"
    derivatives: ClassVar[str] = "gradients"

    def ledger(self) -> str:
        worst = self.worst
        where = f" at {in_sheet(worst.sheet, worst.cell)} ({worst.quantity})" if worst.sheet else ""
        near = f", {self.rounding:,} of them as far as {self.allowance}" if self.rounding else ""
        return (
            f"all {self.cells:,} calculated cells agree with numpy{near} ({self.engine}); "
            f"worst relative difference {worst.relative:.1e}{where}; "
            f"complex step confirms {self.witnessed:,} {self.derivatives}; with other inputs all agree too"
        )

    def measures(self) -> dict[str, Any]:
        """What the JSON says of the whole workbook."""
        return {
            "workbook": self.workbook,
            "verdict": self.verdict,
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
        }


@dataclass(frozen=True, kw_only=True)
class Report(Compared):
    spec: Spec  # with the numbers that stand in the workbook
    layout: Layout
    errors: Array  # by step, as the workbook has it, (n_rates, steps + 1); nan after a divergence
    marks: Mapping[str, Marks] | None = None  # of a worksheet, by group of cells
    incomplete: frozenset[str] = frozenset()  # its sheets with empty cells

    @property
    def all_marks(self) -> Marks:
        return sum((self.marks or {}).values(), Marks())

    @property
    def correct(self) -> bool:
        return self.verdict == "correct"

    @property
    def verdict(self) -> str:
        return "wrong" if self.mismatches else "incomplete" if self.all_marks.empty else "correct"

    def holds(self, one: Mismatch) -> bool:
        return super().holds(one) and not self.all_marks.empty

    def counted(self) -> str:
        return super().counted() if self.marks is None else str(self.all_marks)

    def ledger(self) -> str:
        if self.marks is None:
            return super().ledger()
        if self.correct:
            return f"{self.all_marks}; {super().ledger()}"
        held = f"the {self.cells:,} cells that hold something agree with numpy ({self.engine})"
        return f"{self.all_marks}; {held}, with other inputs too"

    def details(self) -> list[str]:
        return [f"{group:9} {marks}" for group, marks in (self.marks or {}).items()]

    @property
    def formulas(self) -> int:
        return self.cells - sum(map(len, self.layout.drawn.values()))

    def as_json(self) -> dict[str, Any]:
        wrong = {one.sheet for one in self.mismatches}
        return {
            **self.measures(),
            **self._json_marks(),
            "tables": [
                {
                    "sheet": sheet,
                    **dict(zip(("first_row", "last_row"), self.rows())),
                    "verdict": "wrong" if sheet in wrong else "incomplete" if sheet in self.incomplete else "correct",
                    "network": self.spec.summary,
                    "learning_rate": rate,
                    "cells": self.cells_a_table(),
                }
                for sheet, rate in zip(self.layout.sheets, self.spec.rates)
            ],
            "mistakes": [as_mistake(group, self.spoils(group[0])) for group in self.groups()],
            "inherited": [as_inherited(one) for one in self.mismatches if not one.root],
            "warnings": [],
        }

    def _json_marks(self) -> dict[str, Any]:
        """How much of a worksheet is filled and right, in all and by group; nothing of a worked workbook."""
        if self.marks is None:
            return {}
        return {**_json_of(self.all_marks), "groups": {group: _json_of(one) for group, one in self.marks.items()}}

    def rows(self) -> tuple[int, int]:
        """The first and last row of each training table, counted from 1."""
        return self.layout.FIRST_ROW + 1, self.layout.last_row + 1

    def cells_a_table(self) -> int:
        return sum(len(self.layout.table_rows.visits(name)) for name in self.layout.columns)

    def together(self, one: Mismatch) -> int:
        """Cells of a sheet for which this is the same are of one step: the row."""
        return one.row

    def spoils(self, root: Mismatch) -> list[str]:
        """The quantities of the same step that inherit the mistake."""
        return self._inheriting.get((root.sheet, self.together(root)), [])

    @cached_property
    def _inheriting(self) -> dict[tuple[str, int], list[str]]:
        result: dict[tuple[str, int], list[str]] = {}
        for one in self.mismatches:
            if not one.root:
                result.setdefault((one.sheet, self.together(one)), []).append(canonical(one.quantity))
        return result


def _json_of(marks: Marks) -> dict[str, int]:
    return {"filled": marks.filled, "empty": marks.empty, "right": marks.right}


def range_of(group: list[Mismatch]) -> str:
    """The cells of a group, one below the other."""
    return group[0].cell if len(group) == 1 else f"{group[0].cell}:{group[-1].cell}"


def as_mistake(group: list[Mismatch], spoils: list[str]) -> dict[str, Any]:
    top = group[0]
    return {
        "sheet": top.sheet,
        "cell": top.cell,
        "range": range_of(group),
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


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
