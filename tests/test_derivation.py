"""Derivations as people write them: right ones are left alone, wrong ones named, unclear ones passed over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from xlbackprop.audit.cells import Cell, Sheet
from xlbackprop.audit.derivation import CONTRADICTS, WRONG, text_warnings
from xlbackprop.audit.table_audit import TableAudit
from xlbackprop.checking import verify

O1, O2 = "(a_o1-t1)*a_o1*(1-a_o1)", "(a_o2-t2)*a_o2*(1-a_o2)"
D1, D2 = "(R{row}-A{row})*R{row}*(1-R{row})", "(T{row}-B{row})*T{row}*(1-T{row})"  # the same in cells
H1, H2 = f"=({D1}*I{{row}}+{D2}*K{{row}})*N{{row}}", f"=({D1}*J{{row}}+{D2}*L{{row}})*P{{row}}"
# One training step of the class network as formulas of {row}; columns in this order from A.
COLUMNS = {
    "t1": "0.01", "t2": "0.99", "i1": "0.05", "i2": "0.1",
    **{f"w{k}": f"={chr(68 + k)}{{above}}-0.5*{column}{{above}}" for k, column in
       enumerate(("V", "W", "X", "Y", "Z", "AA", "AB", "AC"), 1)},
    "h1": "=E{row}*C{row}+F{row}*D{row}", "a_h1": "=1/(1+EXP(-M{row}))",
    "h2": "=G{row}*C{row}+H{row}*D{row}", "a_h2": "=1/(1+EXP(-O{row}))",
    "o1": "=I{row}*N{row}+J{row}*P{row}", "a_o1": "=1/(1+EXP(-Q{row}))",
    "o2": "=K{row}*N{row}+L{row}*P{row}", "a_o2": "=1/(1+EXP(-S{row}))",
    "E_total": "=(A{row}-R{row})^2/2+(B{row}-T{row})^2/2",
    "dE/dw1": H1 + "*(1-N{row})*C{row}", "dE/dw2": H1 + "*(1-N{row})*D{row}",
    "dE/dw3": H2 + "*(1-P{row})*C{row}", "dE/dw4": H2 + "*(1-P{row})*D{row}",
    "dE/dw5": f"={D1}*N{{row}}", "dE/dw6": f"={D1}*P{{row}}",
    "dE/dw7": f"={D2}*N{{row}}", "dE/dw8": f"={D2}*P{{row}}",
}  # fmt: skip
STARTS = (0.15, 0.2, 0.25, 0.3, 0.4, 0.45, 0.5, 0.55)
FIRST, LAST = 12, 16


def _workbook(path: Path, **other: str) -> Path:
    """`other` has formulas of its own for some columns, by the letters of the column."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for column, (label, formula) in enumerate(COLUMNS.items(), 1):
        head = sheet.cell(FIRST - 1, column, label)
        text = other.get(head.column_letter, formula)
        for row in range(FIRST, LAST + 1):
            typed = label[0] in "ti" or (label[0] == "w" and row == FIRST)
            value: float | str = text.format(row=row, above=row - 1)
            if typed:
                value = STARTS[int(label[1]) - 1] if label[0] == "w" else float(text)
            sheet.cell(row, column, value)
    workbook.save(path)
    return path


def _audited(path: Path, patch: pytest.MonkeyPatch) -> TableAudit:
    run, seen = TableAudit.run, []

    def running(self: TableAudit) -> None:
        run(self)
        seen.append(self)

    patch.setattr(TableAudit, "run", running)
    verify(path)
    (audit,) = seen
    return audit


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> TableAudit:
    audit = _audited(_workbook(tmp_path_factory.mktemp("right") / "right.xlsx"), patch)
    assert not audit.mistakes
    return audit


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> TableAudit:
    """dE/dw3 takes a_h1 for a_h2."""
    formula = COLUMNS["dE/dw3"].replace("P{row}*(1-P{row})", "N{row}*(1-N{row})")
    with pytest.MonkeyPatch.context() as patch:
        audit = _audited(_workbook(tmp_path_factory.mktemp("wrong") / "wrong.xlsx", X=formula), patch)
    assert [one.range for one in audit.mistakes] == [f"X{FIRST}:X{LAST}"]
    return audit


def _sheet(*rows: str | tuple[str | float | None, ...]) -> Sheet:
    cells = {
        (row, column): Cell(text, None)
        for row, texts in enumerate(rows)
        for column, text in enumerate((texts,) if isinstance(texts, str) else texts)
        if text is not None
    }
    return Sheet("Notes", cells, False, (), (), ())


RIGHT = [
    "h1 = w1*i1 + w2*i2",
    "a_h1 = σ(h1) = 1/(1 + exp(-h1))",
    "a_h1 = 𝜎(h1) = e^h1 / (1 + e^h1)",
    "a_h1 = 1/1(1+exp(-h1))",  # 1/(1(1+...)), if that is what it means
    "out_h2 = sigmoid(h2) = 1/(1+e**(-h2))",
    "E1 = ½ * (t1 - a_o1)²",
    "E1 = 1/2(t1-a_o1)^2",
    "E_total = E1 + E2",
    "Et = 0.5(t1 – a_01)² + 0.5(t2 − a_02)²",
    "∂E_total/∂w5 = ∂(E1 + E2)/∂w5 = ∂E1/∂w5",
    "∂E1/∂a_o1 = ∂(½ * (t1 - a_o1)²)/∂a_o1 = -1*(t1 - a_o1) = (a_01 - t1)",
    "∂a_o1/∂o1 = ∂(σ(o1))/∂o1 = σ(o1)(1 - σ(o1)) = a_o1(1-a_o1)",
    "da_o1/do1 = a_o1·(1-a_o1)",
    "∂o1 / ∂w5 = a_h1",
    "∂E/∂w5 = (a_o1 - t1)(a_o1)(1 - a_o1) × a_h1",
    "dE_dw6 = -(t1 - a_o1)*a_o1*(1 - a_o1)*a_h2",
    "∂E/∂w₇ = (a_o2 - t2)*a_o2*(1 - a_o2)*a_h1",
    f"∂E_t/∂w1 = [{O1}*w5 + {O2}*w7] * a_h1*(1-a_h1) * i1",
    "∂E/∂w1 = ∂E/∂a_h1 * ∂a_h1/∂h1 * ∂h1/∂w1",
    "δE/δw1 = δE/δa_h1 * δa_h1/δh1 * δh1/δw1",
    "d(E1+E2)/da_h1 = dE1/da_h1 + dE2/da_h1",
    "∂E1/∂a_h1 = ∂E1/∂a_o1*∂a_o1/∂o1*∂o1/∂a_h1",
    f"∂E2/∂a_h1 = {O2}*w7",
    "new_w5 = w5 - η*∂E/∂w5",
]

UNCLEAR = [
    "h1 = 0.0275",  # a value
    "h1 = 0.05*w1 + 0.1*w2",  # with the values of the inputs
    "h1 = w1*1 + w2*0",
    "∂E1/∂a_o1 = a_o1 - 1",  # a target may be 1
    "∂E/∂w1 = (a_o1-t1)*w5*0.5",
    "w5 = w5 - η*∂E/∂w6",  # the weight, or the next one?
    "w5_new = w5 - 0.5*a_h1",
    "t1 = a_o1",
    "∂E/∂w1 = E_t/a_o1 * a_o1/o1 * o1/a_h1",  # derivatives without their sign
    "∂E/∂w5 = chain rule * a_h1",
    "∂E/∂w5 = C * a_h2",  # C is not defined
    "∂E/∂w5 = f'(o1) * a_h2",
    "a_h1 = log(h1)",
    "a_h1 = swish(h1)",
    "h1 = w1*i1, h2 = w3*i1",
    "h1 = w1*i1 and h2 = w2*i2",
    "h1 = w1 i1",
    "E1 = ½(t1 - y1)²",  # y1 is the output here
    "∂E1/∂w5 = ∂∂E1/∂a_o1",
    "∂²E/∂w5² = a_h2",
    "∂E1/∂w5 = dE1_dw6",
    "E1/∂w5 = a_h2",
    "E1 = 0.5(t1-a_01))²",
    "h1 = w1*i1 +",
    "h1 == w1*i1",
    "h9 = w1*i1",
    "δ_o1 = t1 - a_o1",  # of either sign, and of several meanings
    "a_h1 =",
    "= w1*i1",
    "-----",
    "h1 = " + "(" * 150 + "w1" + ")" * 150,
    "h1 = " + "-" * 350 + "w1",
    "h1 = w1" + "^2" * 190,
]

WRONGS = [
    ("h1 = w1*i1 + w4*i2", "with w2 for its w4 it is right"),
    ("a_h1 = 1/1+exp(-h1)", "right is 1/(1+EXP(-h1))"),
    ("a_o1 = σ(o2)", "with a_o1 for its a_o2 it is right"),
    ("a_h1 = relu(h1)", "which is not what the table calculates"),
    ("E1 = (t1 - a_o1)²", "which is not what the table calculates"),
    ("∂E/∂w5 = (a_o1-t1)*a_o1*(1-a_o1)*a_h2", "with a_h1 for its a_h2 it is right"),
    ("∂E/∂w5 = (a_o1-t1)*a_o1*(1-a_o2)*a_h1", "with a_o1 for its a_o2 it is right"),
    (
        "∂E/∂w7 = (a_o2-t2)*a_o2*(1-a_o1)*a_h1",
        "with a_o2 for its a_o1 it is right; the formulas of its cells are right",
    ),
    ("∂E/∂w5 = (t1-a_o1)*a_o1*(1-a_o1)*a_h1", "right is (a_o1-t1)*a_o1*(1-a_o1)*a_h1"),
    (f"∂E/∂w1 = {O1}*w5 + {O2}*w7*a_h1*(1-a_h1)*i1", "right is (("),
    (f"∂E2/∂a_h1 = {O1}*w7", "which is not the derivative"),
    ("∂E1/∂a_h1 = ∂E1/∂a_o1 + ∂a_o1/∂o1 + ∂o1/∂a_h1", "which is not the derivative"),
    ("∂E/∂w3 = ∂E/∂a_h1 * ∂a_h1/∂h1 * ∂h1/∂w3", "which is not the derivative"),
    ("∂E/∂w1 = ∂E1/∂w1", "which is not the derivative"),
    ("∂o1/∂w5 = ∂(w5*a_h1 + w6*a_h2)/∂w5 = a_h2", "says ∂o1/∂w5 = a_h2"),
    ("h1 = w1*i1" + "+w1" * 120, "which is not what the table calculates"),
    ("w5_new = w5 + η*∂E/∂w5", "which is not what the table calculates"),
]


@pytest.mark.parametrize("text", RIGHT)
def test_right_texts(right: TableAudit, text: str) -> None:
    assert text_warnings(right, _sheet(text)) == []


@pytest.mark.parametrize("text", RIGHT)
def test_right_texts_are_read(right: TableAudit, text: str) -> None:
    """Their sides, one by one, said of another quantity of their kind, are found wrong: none is only passed over."""
    quantity, *sides = text.split("=")
    another = {"h1": "h2", "a_h1": "a_h2", "out_h2": "a_h1", "E1": "E2", "new_w5": "new_w6"}.get(
        quantity.strip(), "∂E2/∂w8"
    )
    for side in sides:
        (warning,) = text_warnings(right, _sheet(f"{another} = {side}"))
        assert (warning.sheet, warning.cell, warning.kind) == ("Notes", "A1", WRONG)


@pytest.mark.parametrize("text", UNCLEAR)
def test_what_is_unclear_is_passed_over(right: TableAudit, text: str) -> None:
    assert text_warnings(right, _sheet(text)) == []


@pytest.mark.parametrize(("text", "says"), WRONGS)
def test_wrong_texts(right: TableAudit, text: str, says: str) -> None:
    (warning,) = text_warnings(right, _sheet(text))
    assert (warning.kind, warning.cell) == (WRONG, "A1")
    assert says in warning.says


HELPERS = [
    ((f"C = {O1}", "∂E/∂w5 = C*a_h1"), []),
    (("∂E/∂w5 = C*a_h2", f"C = {O1}"), ["A1"]),
    (("D1 = a_o1 - t1", "C = D1*a_o1*(1-a_o1)", "∂E/∂w5 = C*a_h1", "∂E/∂w6 = C*a_h1"), ["A4"]),
    (("T1 = a_o1*(1-a_o1)", "∂E/∂w5 = (a_o1-0.01)*T1"), []),  # not the target
    ((f"δ_o1 = {O1}", "∂E/∂w5 = δ_o1*a_h1", "∂E/∂w6 = δ_o1*a_h1"), ["A3"]),
    (("C = a_o1", "C = a_o2", "∂E/∂w5 = C*a_h2"), []),  # which of them?
    (("A = B*a_h1", "B = A*a_h1", "∂E/∂w5 = A"), []),
    (("C = C*a_h1", "∂E/∂w5 = C"), []),
]


@pytest.mark.parametrize(("texts", "cells"), HELPERS)
def test_names_that_other_texts_define(right: TableAudit, texts: tuple[str, ...], cells: list[str]) -> None:
    assert [one.cell for one in text_warnings(right, _sheet(*texts))] == cells


BESIDE = [
    (("∂E/∂w5 =", f"{O1}*a_h2"), ["B1"]),
    (("∂E/∂w5", "=", f"{O1}*a_h2"), ["C1"]),
    (("∂E/∂w5 =", f"{O1}*a_h1"), []),
    (("∂E/∂w5 =", None, None, None, f"{O1}*a_h2"), []),  # too far away
    (("the gradient", f"{O1}*a_h2"), []),
    (("a_h1", "dE/dw5"), []),  # two labels
    (("a_h1 = σ(h1)", f"{O1}*a_h2"), []),  # an equation, and a text
]


@pytest.mark.parametrize(("row", "cells"), BESIDE)
def test_a_label_and_its_expression(right: TableAudit, row: tuple[str | None, ...], cells: list[str]) -> None:
    assert [one.cell for one in text_warnings(right, _sheet(row))] == cells


def test_headers_are_no_equations(right: TableAudit) -> None:
    assert text_warnings(right, _sheet(("net_h1", "a_h1*a_h2"), (0.1, 0.2))) == []
    assert text_warnings(right, _sheet(("net_h1", "a_h1*a_h2"), (None, None)))


def test_a_typed_table_calculates_nothing(right: TableAudit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(right, "live", False)
    assert text_warnings(right, _sheet("a_h1 = relu(h1)")) == []


def test_texts_of_another_network(right: TableAudit) -> None:
    """Where the weights have other numbers, only the sums are said to differ."""
    other = ("h1 = w1*i1 + w3*i2", "h2 = w2*i1 + w4*i2", "∂E/∂w2 = ∂E/∂h2*i1", "∂E/∂w3 = ∂E/∂h1*i2")
    assert [one.cell for one in text_warnings(right, _sheet(*other))] == ["A1", "A2"]


def test_a_right_text_beside_wrong_cells(wrong: TableAudit) -> None:
    chain = "∂E/∂w3 = ∂E/∂a_h2*∂a_h2/∂h2*∂h2/∂w3"
    worked_out = f"∂E/∂w3 = ({O1}*w6 + {O2}*w8)*a_h2*(1-a_h2)*i1"
    (warning,) = text_warnings(wrong, _sheet(chain, worked_out, worked_out, RIGHT[0]))
    assert (warning.kind, warning.cell) == (CONTRADICTS, "A2")
    assert warning.says == "the written derivation of dE/dw3 (A2) is right; the cells X12:X16 do something else"


def test_a_text_as_wrong_as_its_cells(wrong: TableAudit) -> None:
    same = f"∂E/∂w3 = ({O1}*w6 + {O2}*w8)*a_h1*(1-a_h1)*i1"
    (warning,) = text_warnings(wrong, _sheet(same))
    assert warning.kind == WRONG
    assert warning.says.endswith("; its cells X12:X16 are wrong too")


def test_a_sheet_of_many_texts(right: TableAudit) -> None:
    """The first 2,000 are read."""
    sheet = _sheet(*["a_h1 = a_h2"] * 2100)
    assert len(text_warnings(right, sheet)) == 2000


KINDS = {  # of each file the sheet and the kinds of its table's texts
    "01-class-template": ("Sheet1", {CONTRADICTS: 2}),
    "02-seven-tables": ("Neural Network", {}),
    "03-libreoffice": ("Sheet1", {}),
    "04-two-sheets": ("Rohan", {CONTRADICTS: 2}),
    "06-one-table": ("Calculation", {WRONG: 4}),
    "11-other-numbering": ("Sheet1", {WRONG: 2}),  # parentheses of two forward texts
    "13-no-formulas": ("Sheet1", {}),
    "15-helper-columns": ("Sheet1", {}),
    "16-learningrate_0.5": ("Sheet1", {CONTRADICTS: 2}),
}


@pytest.mark.parametrize("name", KINDS)
def test_texts_of_the_wild(wild: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = TableAudit.run, {}

    def running(self: TableAudit) -> None:
        run(self)
        seen[self.table.sheet] = self

    monkeypatch.setattr(TableAudit, "run", running)
    verify(wild / f"{name}.xlsx")
    sheet, kinds = KINDS[name]
    found = text_warnings(seen[sheet], seen[sheet].values.book.sheets[sheet])
    assert {kind: sum(one.kind == kind for one in found) for kind in {one.kind for one in found}} == kinds
