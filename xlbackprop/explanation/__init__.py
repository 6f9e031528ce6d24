"""Explain one number of a workbook: what it is, what it is made of, and the chain of derivatives that leads to it."""

from __future__ import annotations

from pathlib import Path

from xlbackprop.audit.book import read
from xlbackprop.audit.values import Values
from xlbackprop.checking import is_ours
from xlbackprop.engine import Engine
from xlbackprop.engine import engine as engine_named
from xlbackprop.errors import WorkbookError
from xlbackprop.explanation.asked import Asked
from xlbackprop.explanation.matrices import Matrices
from xlbackprop.explanation.ours import Ours
from xlbackprop.explanation.plain import explain_plain
from xlbackprop.explanation.report import Explanation as Explanation
from xlbackprop.explanation.report import Link as Link
from xlbackprop.kinds import kind_of_workbook
from xlbackprop.matrix.read import read_layout
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
    values = Values(read(asked.workbook), recalculated, carries=False)
    match kind_of_workbook(asked.workbook):
        case "training":
            return Ours(Workbook(asked.workbook, recalculated), values, calculator).explain(asked)
        case "matrix":
            return Matrices(read_layout(asked.workbook, recalculated), values, calculator).explain(asked)
        case other:
            return _untrained(asked, values, calculator, other)


def _untrained(asked: Asked, values: Values, engine: Engine, kind: str) -> Explanation:
    """A cell of a workbook that trains nothing."""
    place = asked.cell(values.book.sheets)
    if place is None:
        raise WorkbookError(f"{asked.workbook}: trains nothing, so {asked.text!r} is no quantity of it; name a cell")
    sheet, row, column = place
    what = {"functions": "of a table of functions", "architecture": "of a table of sizes"}[kind]
    return explain_plain(
        values, (sheet or next(iter(values.book.sheets)), row, column), str(asked.workbook), engine.name, what
    )
