"""The formulas as they stand in the file: which cells have none, and the text of a wrong one."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from xlbackprop.engine.package import CELL, opened, sheet_parts
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.layout import Kind
from xlbackprop.verification.read import Workbook
from xlbackprop.verification.report import Mismatch, Report
from xlbackprop.verification.texts import text_cells

Place = tuple[str, int, int]
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")


def typed_cells(workbook: Workbook) -> list[Place]:
    """The cells that should be calculated and have no formula.

    A sheet with as many formulas as were written is taken to have them all; only another is
    looked through.
    """
    written: Counter[str] = Counter()
    for run in workbook.layout.runs():
        if run.kind is not Kind.DRAWN:
            written[run.sheet] += run.count
    for line in text_cells(workbook.layout):
        written[line.sheet] += 1
    result: list[Place] = []
    with opened(workbook.path) as package:
        parts = sheet_parts(package)
        for sheet, count in written.items():
            xml = package.read(parts[sheet])
            # Counting bytes is what nearly every file needs; the pattern knows prefixes as well.
            plain = xml.count(b"<f>") + xml.count(b"<f ")
            if plain != count and len(_FORMULA.findall(xml)) != count:
                result += _without_formula(workbook, sheet, xml)
    return result


def _without_formula(workbook: Workbook, sheet: str, xml: bytes) -> list[Place]:
    live = {match[1].decode() for match in CELL.finditer(xml) if match[2] and _FORMULA.search(match[2])}
    places = [
        (run.rows[k], run.column)
        for run in workbook.layout.runs()
        if run.sheet == sheet and run.kind is not Kind.DRAWN
        for k in range(run.count)
    ]
    places += [(line.row, line.column) for line in text_cells(workbook.layout) if line.sheet == sheet]
    return [(sheet, row, column) for row, column in places if cell_name(row, column) not in live]


def with_formulas(report: Report, workbook: Workbook) -> Report:
    """The report with the file's own formula beside each wrong cell, and the right one beside each root."""
    if not report.mismatches:
        return report
    layout = workbook.layout
    held = _held_formulas(workbook, {one.sheet for one in report.mismatches})
    right = {(cell.sheet, cell.row, cell.column): cell.formula for cell in text_cells(layout)}
    roots = {(one.sheet, one.row, one.column) for one in report.roots}
    for run in layout.runs():
        for k in range(run.count):
            if (place := (run.sheet, run.rows[k], run.column)) in roots:
                right[place] = layout.run_formula(run, k)

    def complete(one: Mismatch) -> Mismatch:
        place = (one.sheet, one.row, one.column)
        return replace(one, formula=held.get(place, ""), fix=f"={right[place]}" if one.root else "")

    return replace(report, mismatches=[complete(one) for one in report.mismatches])


def _held_formulas(workbook: Workbook, sheets: set[str]) -> dict[Place, str]:
    """The formulas of these sheets as the file has them, shared ones written out."""
    from openpyxl import load_workbook

    try:
        book = load_workbook(workbook.path)
    except Exception:  # openpyxl refuses files that every spreadsheet opens, with errors of every kind
        return {}
    return {
        (sheet, cell.row - 1, cell.column - 1): str(cell.value)
        for sheet in sheets
        for row in book[sheet].iter_rows()
        for cell in row
        if cell.data_type == "f"
    }
