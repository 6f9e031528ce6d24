"""Softmax over two outputs with cross-entropy, by hand: right however it is written, and its own mistake named."""

from __future__ import annotations

import re
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils import get_column_letter

from xlbackprop.checking import verify

GIVEN = {"t1": 1.0, "t2": 0.0, "i1": 0.05, "i2": 0.1}
WEIGHTS = dict(zip([f"w{k}" for k in range(1, 9)], (0.15, 0.2, 0.25, 0.3, 0.4, 0.45, 0.5, 0.55)))
CALCULATED = {
    "h1": "w1*i1+w2*i2",
    "a_h1": "1/(1+EXP(-h1))",
    "h2": "w3*i1+w4*i2",
    "a_h2": "1/(1+EXP(-h2))",
    "o1": "w5*a_h1+w6*a_h2",
    "o2": "w7*a_h1+w8*a_h2",
    "p1": "EXP(o1)/(EXP(o1)+EXP(o2))",
    "p2": "EXP(o2)/(EXP(o1)+EXP(o2))",
    "E": "-(t1*LN(p1)+t2*LN(p2))",
    "dE/dw1": "((p1-t1)*w5+(p2-t2)*w7)*a_h1*(1-a_h1)*i1",
    "dE/dw2": "((p1-t1)*w5+(p2-t2)*w7)*a_h1*(1-a_h1)*i2",
    "dE/dw3": "((p1-t1)*w6+(p2-t2)*w8)*a_h2*(1-a_h2)*i1",
    "dE/dw4": "((p1-t1)*w6+(p2-t2)*w8)*a_h2*(1-a_h2)*i2",
    "dE/dw5": "(p1-t1)*a_h1",
    "dE/dw6": "(p1-t1)*a_h2",
    "dE/dw7": "(p2-t2)*a_h1",
    "dE/dw8": "(p2-t2)*a_h2",
}


def write(path: Path, **changed: str) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["A1"], sheet["B1"] = "η =", 0.5
    formulas = CALCULATED | {name.replace("_of_", "/d"): text for name, text in changed.items()}
    columns = {name: get_column_letter(k) for k, name in enumerate([*GIVEN, *WEIGHTS, *formulas], 1)}
    for name, column in columns.items():
        sheet[f"{column}2"] = name
    for row in range(3, 20):
        for name, value in GIVEN.items():
            sheet[f"{columns[name]}{row}"] = value
        for name, value in WEIGHTS.items():
            update = f"={columns[name]}{row - 1}-$B$1*{columns[f'dE/d{name}']}{row - 1}"
            sheet[f"{columns[name]}{row}"] = value if row == 3 else update
        for name, text in formulas.items():
            sheet[f"{columns[name]}{row}"] = "=" + _addressed(text, columns, row)
    book.save(path)
    return path


def _addressed(text: str, columns: dict[str, str], row: int) -> str:
    return re.sub(r"[a-zA-Z_]+\d\b", lambda match: f"{columns[match[0]]}{row}", text)


@pytest.mark.parametrize(
    "p1",
    ["EXP(o1)/(EXP(o1)+EXP(o2))", "EXP(o1)/SUM(EXP(o1),EXP(o2))", "1/(1+EXP(o2-o1))"],
)
def test_a_right_one_is_correct(tmp_path: Path, p1: str) -> None:
    found = verify(write(tmp_path / "x.xlsx", p1=p1)).as_json()
    assert found["verdict"] == "correct" and found["mistakes"] == []
    assert found["tables"][0]["network"] == "2-2-2 sigmoid-softmax, cross-entropy"


def test_the_diagonal_alone_is_a_mistake(tmp_path: Path) -> None:
    found = verify(write(tmp_path / "x.xlsx", dE_of_w5="(p1-t1)*p1*(1-p1)*a_h1")).as_json()
    (mistake,) = found["mistakes"]
    assert (mistake["quantity"], mistake["kind"]) == ("dE/dw5", "softmax-diagonal")
    fix = mistake["fix"]
    assert "*(1-" not in fix and fix.count("*") == 1


def test_log_to_base_ten(tmp_path: Path) -> None:
    (mistake,) = verify(write(tmp_path / "x.xlsx", E="-(t1*LOG(p1)+t2*LOG(p2))")).as_json()["mistakes"]
    assert (mistake["quantity"], mistake["kind"]) == ("E_total", "log10")
