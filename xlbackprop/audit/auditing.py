"""Audit somebody else's workbook: which cell is wrong by itself, and what the mistake is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xlbackprop.audit.binding import Binder
from xlbackprop.audit.book import Bounds, as_xlsx, read
from xlbackprop.audit.charts import chart_warnings
from xlbackprop.audit.derivation import text_warnings
from xlbackprop.audit.naming import Named
from xlbackprop.audit.parts import BOUNDS
from xlbackprop.audit.rates import rate_warnings
from xlbackprop.audit.references import Formulas
from xlbackprop.audit.report import Audit, Warning
from xlbackprop.audit.table_audit import TableAudit
from xlbackprop.audit.tables import find_tables
from xlbackprop.audit.values import Values, recalculated
from xlbackprop.audit.warn import book_warnings
from xlbackprop.engine import Engine
from xlbackprop.errors import WorkbookError


@dataclass(frozen=True)
class Audited:
    """A workbook's tables, each audited; `unread` says of others what they lack."""

    values: Values
    tables: list[TableAudit]
    unread: list[str]
    complaint: str  # why nothing could be recalculated

    @property
    def lacking(self) -> str:
        """What to say of a workbook without a table."""
        reason = f"; {self.unread[0]}" if self.unread else ""
        return (
            f'has no training table that can be read{reason}; say where things stand, as in --map "w1=E" --map "a_o1=R"'
        )


def audit(
    path: Path,
    engine: Engine,
    *,
    mapping: Mapping[str, str] | None = None,
    bounds: Bounds = BOUNDS,
    progress: Callable[[str], None] = lambda phase: None,
) -> Audit:
    """Check every training table of a workbook, whoever made it.

    `mapping` says of quantities in which column, or cell, they stand, where the labels do not.
    Raises WorkbookError for a file that cannot be read or has no table that can be understood.
    """
    audited = audit_tables(path, engine, mapping=mapping, bounds=bounds, progress=progress)
    audits, values = audited.tables, audited.values
    if not audits:
        raise WorkbookError(f"{path}: {audited.lacking}")
    result = Audit(str(path), engine.name)
    for one in audits:
        result.tables.append(one.report)
        result.mistakes += one.mistakes
        result.warnings += one.warnings
    result.warnings += _of_texts(audits)
    result.warnings += chart_warnings(values.book, [one.table for one in audits])
    result.warnings += [*rate_warnings(audits, path), *book_warnings(values)]
    result.warnings += [
        Warning(one.partition("!")[0], "", "unread-table", one.partition(": ")[2]) for one in audited.unread
    ]
    if audited.complaint:
        result.warnings.append(
            Warning("", "", "not-recalculated", audited.complaint + "; the values shown are those the file carries")
        )
    return result


def audit_tables(
    path: Path,
    engine: Engine,
    *,
    mapping: Mapping[str, str] | None = None,
    bounds: Bounds = BOUNDS,
    progress: Callable[[str], None] = lambda phase: None,
) -> Audited:
    """The tables alone, none where there is none. Raises WorkbookError for a file that cannot be read."""
    with as_xlsx(path, bounds) as xlsx:
        progress("reading")
        book = read(xlsx, bounds)
        progress("recalculating")
        values, complaint = recalculated(xlsx, book, engine)
    formulas, known = Formulas(book), dict[object, Named]()
    progress("comparing")
    missing: list[str] = []
    audits: list[TableAudit] = []
    for sheet in book.sheets.values():
        for table in find_tables(sheet, formulas):
            auditing = TableAudit(table, Binder(book, formulas, table).bound(), values, mapping or {}, known)
            if lacks := auditing.lacks():
                missing.append(f"{sheet.name}!{auditing.range}: {lacks}")
                continue
            auditing.run()
            audits.append(auditing)
    return Audited(values, audits, missing, complaint)


def _of_texts(audits: list[TableAudit]) -> list[Warning]:
    """What is odd in written derivations: of each sheet by its own tables, of a sheet without one by the first.

    Where tables disagree about a text, it may be about the one that it fits.
    """
    if not audits:
        return []
    found: list[Warning] = []
    for sheet in audits[0].values.book.sheets.values():
        judges = [one for one in audits if one.table.sheet == sheet.name] or audits[:1]
        said = [text_warnings(one, sheet) for one in judges]
        keys = set.intersection(*({(one.cell, one.kind) for one in some} for some in said))
        found += [one for one in said[0] if (one.cell, one.kind) in keys]
    return found
