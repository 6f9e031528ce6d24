"""What is odd but not wrong: each warning in a small workbook that deserves it, and in none that does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet
from test_audit_catalogue import CLASS, author_of, found_in
from test_checking import write

from xlbackprop.checking import verify


def _changed(path: Path, change: Callable[[Worksheet], object]) -> dict[str, object]:
    book = openpyxl.load_workbook(write(path))
    change(book.active)
    book.save(path)
    return verify(path).as_json()


def _series(rate: float, steps: int, digits: int) -> list[float]:
    """E before each update of the neuron of test_checking."""
    w, found = 0.6, []
    for _ in range(steps):
        a = 1 / (1 + math.exp(-w))
        found.append(round(0.5 * (0.2 - a) ** 2, digits))
        w -= rate * (a - 0.2) * a * (1 - a)
    return found


def _paste(sheet: Worksheet, rate: float, claimed: str, digits: int = 6) -> None:
    sheet["L2"] = claimed
    for row, error in enumerate(_series(rate, 10, digits), 3):
        sheet[f"L{row}"] = error


def _put(**cells: object) -> Callable[[Worksheet], None]:
    def change(sheet: Worksheet) -> None:
        for address, value in cells.items():
            sheet[address] = value

    return change


def _typed_first_row(sheet: Worksheet) -> None:
    sheet["E3"] = 1 / (1 + math.exp(-0.6))


def _rename(name: str) -> Callable[[Worksheet], None]:
    def change(sheet: Worksheet) -> None:
        sheet.title = name

    return change


def _drift(sheet: Worksheet) -> None:
    for row in range(3, 15):
        sheet[f"B{row}"] = 0.2 - 1e-15 * row


def _displayed(sheet: Worksheet) -> None:
    sheet.parent.calculation.fullPrecision = False


def _stored_change(sheet: Worksheet) -> None:
    """The gradient's column holds what is added, as some people have it."""
    for row in range(3, 15):
        sheet[f"G{row}"] = f"=-(E{row}-B{row})*E{row}*(1-E{row})*A{row}"
        if row > 3:
            sheet[f"C{row}"] = f"=C{row - 1}+$I$1*G{row - 1}"


WARNED = {
    "the sheet's name": (_rename("LR_0.8"), "rate-name", "0.8"),
    "pasted errors of another rate": (lambda sheet: _paste(sheet, 0.2, "LR = 0.5"), "pasted-errors", "0.5"),
    "a drifting target": (_drift, "drifting-constant", "dragged"),
    "a typed first row": (_typed_first_row, "typed-first-row", "its value is right"),
    "precision as displayed": (_displayed, "precision-as-displayed", "rounded"),
    "what is added in the gradient's column": (_stored_change, "convention", "-dE/dw"),
    "a wrong derivation": (_put(K1="∂E1/∂w1 = (a_o1 - t1) * a_o1 * (1 - o1) * i1"), "wrong-derivation", "o1"),
}


@pytest.mark.parametrize("name", WARNED)
def test_a_warning_and_no_mistake(tmp_path: Path, name: str) -> None:
    change, kind, words = WARNED[name]
    found = _changed(tmp_path / "x.xlsx", change)
    assert found["verdict"] == "correct" and found["mistakes"] == []
    (warning,) = found["warnings"]
    assert warning["kind"] == kind
    assert words in warning["says"]


SILENT = {
    "untouched": lambda sheet: None,
    "the sheet's name": _rename("LR_0.5"),
    "a name without a rate": _rename("Week 3"),
    "pasted errors": lambda sheet: _paste(sheet, 0.5, "η = 0.5"),
    "pasted errors, cut to 4 digits": lambda sheet: _paste(sheet, 0.5, "LR 0.5", 4),
    "a right derivation": _put(K1="∂E1/∂w1 = (a_o1 - t1) * a_o1 * (1 - a_o1) * i1"),
    "other numbers beside": _put(L2="LR = 0.5", L3=1, L4=2, L5=3),
    "two samples in turn": lambda sheet: [sheet.__setitem__(f"A{row}", 1 + row % 2) for row in range(3, 15)],
}


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said(tmp_path: Path, name: str) -> None:
    found = _changed(tmp_path / "x.xlsx", SILENT[name])
    assert (found["verdict"], found["mistakes"], found["warnings"]) == ("correct", [], [])


def test_a_circular_reference_is_named_and_the_rest_checked(tmp_path: Path) -> None:
    found = _changed(tmp_path / "x.xlsx", _put(E5="=1/(1+EXP(-D8))"))
    (mistake,) = found["mistakes"]
    assert (mistake["cell"], mistake["quantity"], mistake["fix"]) == ("E5", "a_o1", "=1/(1+EXP(-D5))")


def test_an_unknown_function_is_named_and_the_rest_checked(tmp_path: Path) -> None:
    def change(sheet: Worksheet) -> None:
        sheet["F6"] = "=FROBNICATE(B6,E6)"
        for row in range(3, 15):
            sheet[f"G{row}"] = f"=(E{row}-B{row})*E{row}*A{row}"

    found = _changed(tmp_path / "x.xlsx", change)
    assert [(one["cell"], one["kind"]) for one in found["mistakes"]] == [("G3", "missing-factor")]
    (unknown,) = [one for one in found["warnings"] if one["kind"] == "unknown-function"]
    assert unknown["cell"] == "F6" and "FROBNICATE" in unknown["says"]


def test_typed_tables_say_what_they_hold(tmp_path: Path) -> None:
    def typed(sheet: Worksheet) -> None:
        w = 0.6
        for row in range(3, 15):
            a = 1 / (1 + math.exp(-w))
            gradient = (a - 0.2) * a * (1 - a)
            wrong = (a - 0.2) * a  # a factor is missing
            for column, value in zip("CDEFG", (w, w, a, 0.5 * (0.2 - a) ** 2, wrong)):
                sheet[f"{column}{row}"] = round(value, 6)
            w -= 0.5 * gradient

    found = _changed(tmp_path / "x.xlsx", typed)
    assert found["verdict"] == "not live" and found["mistakes"] == []
    (warning,) = found["warnings"]
    assert warning["kind"] == "not-live"
    assert "rounded to 6 decimals" in warning["says"] and "dE/dw1 do not hold" in warning["says"]


@pytest.mark.parametrize(
    ("one", "other", "first", "second"),
    [
        ("a_h1", "a_h2", "a_h2, but by the formulas it is the activation of h1", "a_h1, but by the formulas it is the"),
        ("E1", "E2", "E2, but by the formulas it is the error of o1", "E1, but by the formulas it is the error of o2"),
        ("t1", "t2", "t2, but by the formulas it is the target of o1", "t1, but by the formulas it is the target of"),
    ],
)
def test_labels_that_are_exchanged(tmp_path: Path, one: str, other: str, first: str, second: str) -> None:
    author = author_of(CLASS, {})
    row = author.layout.row - author.layout.header
    cells = [author.sheet.cell(row, author.lines[name]) for name in (one, other)]
    cells[0].value, cells[1].value = cells[1].value, cells[0].value
    report = found_in(author, tmp_path / "x.xlsx")
    assert report.verdict == "correct"
    assert [(odd.cell, odd.kind) for odd in report.warnings] == [
        (author.cell(name, 0), "label-contradicts-wiring") for name in (one, other)
    ]
    for odd, says in zip(report.warnings, (first, second)):
        assert odd.says.startswith(f"is labelled {says}")


def test_a_wrong_rate_is_told_with_its_number(tmp_path: Path) -> None:
    (mistake,) = found_in(author_of(CLASS, {"w1": "=w1[-1]-t2*dE/dw1[-1]"}), tmp_path / "x.xlsx").mistakes
    assert mistake.says.endswith("; the effective rate is 0.99, not 0.5")
    (mistake,) = found_in(author_of(CLASS, {"h1": "=w1*i1+w3*i2"}), tmp_path / "y.xlsx").mistakes
    assert "rate" not in mistake.says


def test_a_label_of_a_weight_that_is_not_there(tmp_path: Path) -> None:
    author = author_of(CLASS, {})
    author.sheet.cell(author.layout.row - author.layout.header, author.lines["dE/dw1"]).value = "dE/dw9"
    (odd,) = found_in(author, tmp_path / "x.xlsx").warnings
    assert (odd.cell, odd.kind) == (author.cell("dE/dw1", 0), "label-contradicts-wiring")
    assert odd.says == "is labelled dE/dw9, but by the formulas it is the gradient of w1"
