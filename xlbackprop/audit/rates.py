"""Learning rates: what the updates use, against what labels, sheet names and file names say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xlbackprop.audit.cells import Cell
from xlbackprop.audit.claimed import claimed
from xlbackprop.audit.formula import Outside
from xlbackprop.audit.labels import Kind, read_label
from xlbackprop.audit.report import Warning
from xlbackprop.audit.simulate import errors_at
from xlbackprop.audit.typed import decimals
from xlbackprop.sheet.address import cell_name

if TYPE_CHECKING:
    from xlbackprop.audit.table_audit import TableAudit

_ENOUGH = 8  # numbers one below the other that are taken for a series
_FIRST = 1e-4  # relative: how near the first number of a pasted series is to the error that training starts with


def rate_warnings(audits: list[TableAudit], path: Path) -> Iterator[Warning]:
    """Of all tables of a workbook."""
    rates = {audit.report.learning_rate for audit in audits} - {None}
    if len(audits) == 1 and (said := claimed(path.stem)) is not None and said > 0 and rates and said not in rates:
        rate = audits[0].report.learning_rate
        yield Warning(
            audits[0].table.sheet,
            audits[0].rate_cell,
            "rate-name",
            f"the file's name says {said:g}, the live rate is {rate:g}",
        )
    heads = {name: _headers(sheet.cells) for name, sheet in audits[0].values.book.sheets.items()} if audits else {}
    for audit in audits:
        rate = audit.report.learning_rate
        if rate is None:
            continue
        said = claimed(audit.table.sheet, bare=True)
        alone = sum(other.table.sheet == audit.table.sheet for other in audits) == 1
        if said is not None and alone and abs(said - rate) > 1e-9 * rate:
            yield Warning(
                audit.table.sheet,
                audit.rate_cell,
                "rate-name",
                f"the sheet's name says {said:g}, the live rate is {rate:g}",
            )
        yield from _other_cell(audit, rate)
        yield from _pasted(audit, heads)


def _other_cell(audit: TableAudit, rate: float) -> Iterator[Warning]:
    """A cell labelled as the learning rate, above this table, that the updates do not use."""
    cell = audit.network.rate
    if not isinstance(cell, Outside) or audit.lanes.outside(cell).kind is Kind.RATE:
        return
    top = audit.table.first_row
    for (row, column), one in audit.values.book.sheets[audit.table.sheet].cells.items():
        if isinstance(one.value, str) and one.formula is None and row < top and read_label(one.value).kind is Kind.RATE:
            value = audit.values.number(audit.table.sheet, row, column + 1)
            if value > 0 and abs(value - rate) > 1e-9 * abs(rate):
                says = f"is labelled as the learning rate, {value:g}; the updates use {audit.rate_cell}, {rate:g}"
                yield Warning(audit.table.sheet, cell_name(row, column + 1), "rate-label", says)
                return


def _pasted(audit: TableAudit, heads: Mapping[str, list[tuple[int, int, str]]]) -> Iterator[Warning]:
    """Typed error series that claim a rate, against what training with that rate gives."""
    start = errors_at(audit, [], 1)
    if start is None:
        return
    for sheet in audit.values.book.sheets.values():
        for row, column, text in heads[sheet.name]:
            if sheet.name == audit.table.sheet and any((row + 1, column) in one.places for one in audit.table.columns):
                continue
            if any(a <= row + 1 <= c and b <= column <= d for a, b, c, d in sheet.data_tables):
                continue
            series = _series(sheet.cells, row + 1, column)
            if len(series) < _ENOUGH or abs(series[0] - start[0]) > _FIRST * abs(start[0]):
                continue
            rate = claimed(text, bare=True)
            assert rate is not None
            right = errors_at(audit, [rate], len(series))
            if right is None:
                continue
            wrong = [
                k for k, one in enumerate(series) if not abs(one - right[k]) <= _rounding(one) + 1e-9 * abs(right[k])
            ]
            if wrong:
                k = wrong[0]
                says = (
                    f"the typed errors below claim the rate {rate:g}, which gives {right[k]:.9g} after {k} updates, "
                    f"not {series[k]:.9g}"
                )
                yield Warning(sheet.name, cell_name(row + 1 + k, column), "pasted-errors", says)


def _headers(cells: Mapping[tuple[int, int], Cell]) -> list[tuple[int, int, str]]:
    """Cells that claim a rate and have a typed number below them."""
    found = []
    for (row, column), cell in cells.items():
        if not isinstance(cell.value, str) and not _is_series_head(cells, row, column):
            continue
        text = f"{cell.value:g}" if isinstance(cell.value, float) else cell.value
        below = cells.get((row + 1, column))
        if not isinstance(text, str) or below is None or not isinstance(below.value, float):
            continue
        if claimed(text, bare=True):
            found.append((row, column, text))
    return found


def _is_series_head(cells: Mapping[tuple[int, int], Cell], row: int, column: int) -> bool:
    """A number that stands first, above a series and beside another such head."""
    return (row - 1, column) not in cells and any((row, column + side) in cells for side in (-1, 1))


def _series(cells: Mapping[tuple[int, int], Cell], row: int, column: int) -> list[float]:
    """The typed numbers from a cell downwards."""
    found: list[float] = []
    while (cell := cells.get((row + len(found), column))) is not None:
        if cell.formula is not None or not isinstance(cell.value, float):
            break
        found.append(cell.value)
    return found


def _rounding(number: float) -> float:
    """A unit of the last decimal that a number was typed with: people cut digits off, too."""
    return 1.0000001 * 10.0 ** -decimals(number)
