"""The formulas as they stand in the file: which cells have none, and the text of a wrong one."""

from __future__ import annotations

import zipfile
from collections import Counter
from dataclasses import replace

from xlbackprop.engine.package import opened, sheet_parts
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.layout import Kind
from xlbackprop.verification import held
from xlbackprop.verification.held import FORMULA, Place, live_in
from xlbackprop.verification.read import Workbook
from xlbackprop.verification.report import Report
from xlbackprop.verification.texts import text_cells

_PIECE = 1 << 20  # bytes of a worksheet part


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
            # Counting bytes is what nearly every file needs; the pattern knows prefixes as well.
            if _counted(package, parts[sheet]) == count:
                continue
            xml = package.read(parts[sheet])
            if len(FORMULA.findall(xml)) != count:
                result += _without_formula(workbook, sheet, xml)
    return result


def _counted(package: zipfile.ZipFile, part: str) -> int:
    """How many formulas a worksheet part without prefixes has; a long table's part is read piece by piece."""
    count, kept = 0, b""
    with package.open(part) as file:
        while piece := file.read(_PIECE):
            piece = kept + piece
            count += piece.count(b"<f>") + piece.count(b"<f ")
            kept = piece[-2:]  # a tag may lie across the border; one of three bytes is not counted twice
    return count


def _without_formula(workbook: Workbook, sheet: str, xml: bytes) -> list[Place]:
    live = live_in(xml)
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
    right = {(cell.sheet, cell.row, cell.column): cell.formula for cell in text_cells(layout)}
    roots = {one.place for one in report.roots}
    for run in layout.runs():
        for k in range(run.count):
            if (place := (run.sheet, run.rows[k], run.column)) in roots:
                right[place] = layout.run_formula(run, k)
    return replace(report, mismatches=held.with_formulas(workbook.path, report.mismatches, right))
