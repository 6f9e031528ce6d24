"""Explain one number of a workbook: what it is, what it is made of, and the chain of derivatives that leads to it."""

from __future__ import annotations

from pathlib import Path

from xlbackprop.audit.book import read
from xlbackprop.audit.values import Values
from xlbackprop.checking import is_ours
from xlbackprop.engine import Engine
from xlbackprop.engine import engine as engine_named
from xlbackprop.explanation.asked import Asked
from xlbackprop.explanation.ours import Ours
from xlbackprop.explanation.plain import explain_plain
from xlbackprop.explanation.report import Explanation as Explanation
from xlbackprop.explanation.report import Link as Link
from xlbackprop.kinds import kind_of_workbook
from xlbackprop.verification.read import Workbook


def explain(
    cell: str,
    workbook: Path | str,
    *,
    step: int | None = None,
    rate: float | None = None,
    engine: str | Engine = "embedded",
) -> Explanation:
    """What a cell of a workbook is, ours or anybody's: `'η=0.5'!AC8`, `AC8`, or a quantity such as `dE/dw5`.

    A quantity is taken at `step` (0 if None) and at the learning rate `rate` (the first if None). The
    numbers are those of a recalculation. Raises WorkbookError for a file that cannot be read and for a
    cell, quantity, step or rate that it does not have, EngineError where the calculator fails.
    """
    asked = Asked(cell, Path(workbook), step, rate)
    calculator = engine_named(engine) if isinstance(engine, str) else engine
    if not is_ours(asked.workbook):
        from xlbackprop.explanation.theirs import explain_theirs

        return explain_theirs(asked, calculator)
    recalculated = calculator.recalculate(asked.workbook)
    values = Values(read(asked.workbook), recalculated)
    if kind_of_workbook(asked.workbook) == "training":
        return Ours(Workbook(asked.workbook, recalculated), values, calculator).explain(asked)
    sheets = values.book.sheets
    place = asked.cell(sheets)
    if place is None:
        raise asked.unknown([])
    sheet, row, column = place
    return explain_plain(values, (sheet or next(iter(sheets)), row, column), str(workbook), calculator.name)
