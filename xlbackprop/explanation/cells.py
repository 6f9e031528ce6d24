"""One cell of a workbook as it stands: its formula in the file, and whether it gives what the right one gives."""

from __future__ import annotations

from xlbackprop.audit.references import Formulas
from xlbackprop.audit.values import Values
from xlbackprop.engine import Engine, Value
from xlbackprop.explanation.chain import Scene
from xlbackprop.explanation.report import Explanation, full
from xlbackprop.graph.expr import Expr
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.printers import in_symbols

Place = tuple[str, int, int]  # sheet, row, column


def missing_formula(formula: str, value: Value) -> str:
    """What is wrong with a cell that should be calculated and is not."""
    return "" if formula else f"it is {'blank' if value in (None, '') else 'typed'}; it should be calculated"


def formula_at(values: Values, place: Place) -> str:
    """The formula as it stands in the file, with its `=`; empty where there is none."""
    sheet, row, column = place
    cell = values.book.sheets[sheet].cells.get((row, column))
    if cell is None or cell.formula is None:
        return ""
    return "=" + Formulas(values.book).written(cell.formula, (row, column))


def checked(values: Values, engine: Engine, scene: Scene, written: Expr, place: Place, right: str) -> Explanation:
    """What a calculated cell of ours holds, beside what its right formula gives with the same precedents."""
    found, formula = values.at(*place), formula_at(values, place)
    wrong = missing_formula(formula, found)
    if formula and not scene.agrees(found, written):
        wrong = f"its right formula gives {full(scene.implied(written))}; xlbackprop verify says what else is wrong"
    return Explanation(
        str(values.book.path), engine.name, place[0], cell_name(place[1], place[2]),
        symbols=in_symbols(written), formula=formula, numbers=scene.numbers(written), value=found,
        wrong=wrong, right=f"={right}" if wrong else "",
    )  # fmt: skip
