"""A formula that is the one above, filled down, is read once and means the same as read by itself."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlbackprop.audit.book import read
from xlbackprop.audit.cells import Formula
from xlbackprop.audit.fill import Fill
from xlbackprop.audit.formula import Area, Ref, Tree, parse, replace_leaves
from xlbackprop.audit.parts import BOUNDS
from xlbackprop.audit.references import Formulas, moved

# A formula of row 5, and the same of row 8.
FILLED = [
    ("A5*$B$2+C4", "A8*$B$2+C7"),
    ("$A5*B$5", "$A8*B$5"),
    ("1/(1+EXP(-I5))", "1/(1+EXP(-I8))"),
    ("SUM(A5:C$5)", "SUM(A8:C$5)"),
    ("'a%d A5'!B5%", "'a%d A5'!B8%"),
    ('LOG10(A5)&"A5"', 'LOG10(A8)&"A5"'),
    ("SUM(A:A)+rate", "SUM(A:A)+rate"),
    ("Table1[@w1]*D5", "Table1[@w1]*D8"),
]
# What moves otherwise than these texts, or is no formula.
ALONE = ["SUM(5:5)", "A0+B5", "A9999999", "A5 ¤", "A5" + "+1" * 20_000]

REFERENCES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "$"]),
    st.sampled_from(["A", "AB", "XFD", "e"]),
    st.sampled_from(["", "$"]),
    st.integers(1, 1200),
)
ATOMS = st.one_of(
    REFERENCES,
    st.builds("{}:{}".format, REFERENCES, REFERENCES),
    st.builds("'it''s %s A1'!{}".format, REFERENCES),
    st.sampled_from(['"A1"', "2.5", "1E3", "B:C", "rate", "PI()", "A1.b", "#REF!", "TRUE"]),
)
TEXTS = st.lists(ATOMS, min_size=1, max_size=5).flatmap(
    lambda atoms: st.lists(st.sampled_from(["+", "*", " - ", "^", "&", ">="]), min_size=len(atoms)).map(
        lambda signs: "".join(f"{atom}{sign}" for atom, sign in zip(atoms, signs))[: -len(signs[len(atoms) - 1])]
    )
)


def _there(text: str, formula: Formula, row: int) -> Tree:
    """The tree with the places that its references have from this row."""

    def at(one: Ref) -> Ref:
        return Ref(one.sheet, *moved(one, formula, (row, 3)), True, True) if one.row >= 0 else one

    def leaf(one: Tree) -> Tree:
        if isinstance(one, Area):
            return Area(at(one.first), at(one.last))
        return at(one) if isinstance(one, Ref) else one

    return replace_leaves(parse(text), leaf)


@pytest.mark.parametrize(("text", "below"), FILLED)
def test_a_formula_moves_down(text: str, below: str) -> None:
    assert Fill(text, 4).at(4) == text
    assert Fill(text, 4).at(7) == below


@pytest.mark.parametrize("text", ALONE, ids=lambda text: text[:12])
def test_what_moves_otherwise_stands_for_itself(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|refers)"):
        Fill(text, 4)


@given(TEXTS, st.integers(0, 500), st.integers(0, 500))
def test_the_first_formula_says_what_the_one_below_says(text: str, row: int, down: int) -> None:
    below = Fill(text, row).at(row + down)
    first, own = Formula(text, row, 3), Formula(below, row + down, 3)
    assert _there(text, first, row + down) == _there(below, own, row + down)


def test_a_book_that_writes_each_formula_out(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in range(1, 21):
        book.active[f"B{row}"] = f"=A{row}*2" if row != 7 else "=A7*3"
        book.active[f"C{row}"] = f"=B{row}+$B$1"
    book.save(path := tmp_path / "written-out.xlsx")
    found = read(path, BOUNDS)
    (sheet,) = found.sheets.values()
    formulas = Formulas(found)
    assert {cell.formula.first for cell in sheet.cells.values() if cell.formula} == {
        Formula("A1*2", 0, 1), Formula("A7*3", 6, 1), Formula("A8*2", 7, 1), Formula("B1+$B$1", 0, 2)
    }  # fmt: skip
    assert formulas.near(sheet, (19, 2)) == [(19, 1), (0, 1)]
    last = sheet.cells[19, 2].formula
    assert last is not None
    assert formulas.written(last, (19, 2)) == "B20+$B$1"
