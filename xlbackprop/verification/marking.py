"""Mark a worksheet: empty cells are filled in with the right formulas, and what is then wrong is the reader's own.

So a cell is judged as it would stand in a whole workbook, and a mistake cannot hide behind cells
that are still empty and count as 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from xlbackprop.engine.package import CELL, copy_with_formulas, opened, sheet_parts
from xlbackprop.files import scratch
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.layout import Kind, Layout, Run
from xlbackprop.sheet.levels import GROUPS
from xlbackprop.verification.held import Place
from xlbackprop.verification.read import Workbook
from xlbackprop.verification.report import Marks, Report


def cells_to_fill(layout: Layout) -> Iterator[tuple[Run, int]]:
    """Each cell that was left to be filled: its run, and which cell of it."""
    if not layout.left:
        return
    for run in layout.runs():
        if run.kind is Kind.PAGE and layout.left_on_page(run.name):
            yield run, 0
        elif run.kind is Kind.TABLE:
            cell, visits = layout.table[run.name], layout.table_rows.visits(run.name)
            for k, visit in enumerate(visits):
                if layout.left_in_table(cell, visit):
                    yield run, k


def empty_cells(book: Workbook) -> set[Place]:
    """Of the cells to fill, those that hold nothing."""
    with opened(book.path) as package:
        parts = sheet_parts(package)
        held = {
            sheet: {match[1].decode() for match in CELL.finditer(package.read(parts[sheet])) if match[2]}
            for sheet in {run.sheet for run, _ in cells_to_fill(book.layout)}
        }
    places = (run.place(k) for run, k in cells_to_fill(book.layout))
    return {place for place in places if cell_name(*place[1:]) not in held[place[0]]}


@contextmanager
def filled_in(book: Workbook, empty: Collection[Place]) -> Iterator[Path]:
    """A copy of the workbook, for a while, with the right formulas in these cells."""
    formulas: dict[str, dict[tuple[int, int], str]] = {}
    for run, k in cells_to_fill(book.layout):
        sheet, row, column = place = run.place(k)
        if place in empty:
            formulas.setdefault(sheet, {})[row, column] = book.layout.run_formula(run, k)
    with scratch() as folder:
        copy = folder / "whole.xlsx"
        copy_with_formulas(book.path, copy, formulas)
        yield copy


def marked(report: Report, empty: Collection[Place]) -> Report:
    """The report without what our own formulas inherit, with how much is filled and right."""
    mismatches = [one for one in report.mismatches if one.place not in empty]
    kinds = {one.place: one.root for one in mismatches}
    counts: dict[str, Counter[str]] = {group: Counter() for group in report.spec.left}
    groups = {role: group for group, roles in GROUPS.items() for role in roles}
    for run, k in cells_to_fill(report.layout):
        place = run.place(k)
        program = report.layout.page if run.kind is Kind.PAGE else report.layout.table
        state = "empty" if place in empty else {None: "right", True: "wrong", False: "inherited"}[kinds.get(place)]
        counts[groups[program[run.name].role]][state] += 1
    return replace(
        report,
        cells=report.cells - len(empty),
        mismatches=mismatches,
        marks={group: Marks(**states) for group, states in counts.items()},
        incomplete=frozenset(place[0] for place in empty),
    )
