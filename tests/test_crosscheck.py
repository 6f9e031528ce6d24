"""The cross-check of calculators: it finds where a difference begins, and does not explain what nobody explained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.crosscheck.calculators import _typed, available
from benchmarks.crosscheck.compare import Book, Cell, Outcome, outcome
from benchmarks.crosscheck.page import Results, page
from xlbackprop.engine import Inputs, Recalculated, Value
from xlbackprop.engine.embedded import Embedded


class Off:
    """The embedded calculator, but for the numbers of one cell."""

    name, epsilon, exp_overflows, erf_error = "Off 1.0", Embedded.epsilon, False, Embedded.erf_error

    def __init__(self, cell: Cell, factor: float) -> None:
        self.cell, self.factor = cell, factor

    def recalculate(self, path: Path) -> Recalculated:
        return _Off(self, Embedded().recalculate(path))


class _Off:
    def __init__(self, off: Off, right: Recalculated) -> None:
        self._off, self._right = off, right

    @property
    def sheets(self) -> list[str]:
        return self._right.sheets

    def column(self, sheet: str, row: int, column: int, count: int) -> list[Value]:
        return [self._one(sheet, row + k, column) for k in range(count)]

    def row(self, sheet: str, row: int, column: int, count: int) -> list[Value]:
        return [self._one(sheet, row, column + k) for k in range(count)]

    def _one(self, sheet: str, row: int, column: int) -> Value:
        (value,) = self._right.column(sheet, row, column, 1)
        return value * self._off.factor if (sheet, row + 1, column + 1) == self._off.cell else value  # type: ignore[operator]

    def changed(self, inputs: Inputs) -> Recalculated:
        return _Off(self._off, self._right.changed(inputs))


J7 = ("η=0.5", 7, 11)  # a_h1, which is 1/(1+EXP(-J7))


def _results(name: str, found: Outcome) -> Results:
    results = Results.of({name: f"{name} 1.0"}, {})
    results.totals[name].add(name, "small", found)
    return results


def test_our_calculator_is_as_carried(small: Path) -> None:
    found, values = outcome(Book(small), Embedded())
    assert found.cells == found.equal == len(values) > 1000
    results = _results("IronCalc", found)
    results.compare({"IronCalc": values})
    assert results.unexplained == 0
    assert "| IronCalc 1.0 | 1 | 1 |" in page(results, "command", [])


@pytest.mark.parametrize(("factor", "outside"), [(1 + 1e-9, True), (1 + 2.0**-52, False)])
def test_a_difference_begins_where_it_begins_and_is_unexplained(small: Path, factor: float, outside: bool) -> None:
    found, _ = outcome(Book(small), Off(J7, factor))
    (one,) = found.begins["EXP",]
    assert (one.cell, one.outside) == (J7, outside)
    assert found.equal == found.cells - 1
    results = _results("Off", found)
    assert results.unexplained > 0
    assert f"| Off | `EXP` | 1 | 0 | {int(outside)} |" in page(results, "command", [])


def test_what_is_outside_is_not_explained_by_fewer_digits(small: Path) -> None:
    found, _ = outcome(Book(small), Off(J7, 1 + 1e-9))
    assert _results("LibreOffice", found).unexplained > 0
    found, _ = outcome(Book(small), Off(J7, 1 + 2.0**-52))
    assert _results("LibreOffice", found).unexplained == 0


def test_names_and_ranges_are_precedents(small: Path) -> None:
    book = Book(small)
    rises = next(cell for cell, formula in book.formulas.items() if formula.startswith("=SUMPRODUCT("))
    assert {cell[0] for cell in book.precedents(rises)} == {"η=0.5"}
    assert len(set(book.precedents(rises))) == 7
    assert book.causes(rises) == ("SUMPRODUCT",)


def test_a_calculator_that_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found, missing = available(("IronCalc", "Gnumeric", "HyperFormula"))
    assert list(found) == ["IronCalc"]
    assert "ssconvert" in missing["Gnumeric"] and "npm install hyperformula" in missing["HyperFormula"]


def test_what_is_given_to_hyperformula() -> None:
    assert [_typed(value) for value in ("=A1*1E-300", "=E1", "1E-05", 0.5, None)] == [
        "=A1*1e-300", "=E1", "'1E-05", 0.5, None,
    ]  # fmt: skip
