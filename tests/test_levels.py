"""Worksheets: what is left empty holds no answer anywhere, and what is filled in is marked."""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from openxml_audit import OpenXmlValidator

from xlbackprop import arguments, cli
from xlbackprop.bring.readback import trained_weights
from xlbackprop.engine import engine
from xlbackprop.engine.libreoffice import LibreOffice
from xlbackprop.engine.package import _with_formulas
from xlbackprop.errors import WorkbookError
from xlbackprop.networks import load, template_names
from xlbackprop.reference.run import train
from xlbackprop.sheet.layout import CHECKS, Kind, Layout
from xlbackprop.sheet.levels import GROUPS
from xlbackprop.sheet.workbook import build
from xlbackprop.show.network import forward_png, forward_values
from xlbackprop.spec import Spec, dumps, loads, override
from xlbackprop.spec.network import Group
from xlbackprop.verification import Report, verify
from xlbackprop.verification.marking import cells_to_fill, empty_cells
from xlbackprop.verification.read import Workbook

LEVELS = ("scaffolded", "blank")
TABLE = "η=0.5"  # of the small worksheet; steps 0 to 6 stand in rows 6 to 12
SHORT = {"era-s6": 8, "mazur": 6, "xor": 6, "softmax-logistic": 4, "tiny-cnn": 2}
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


def _spec(name: str, **changes: object) -> Spec:
    return override(load(name), **{"steps": SHORT.get(name, 3), **changes})


# No answers


def _to_six_digits(numbers: Iterable[float]) -> set[str]:
    """As text, without those that any file may hold: numbers of one or two digits, and what is no number."""
    texts = {f"{abs(x):.5e}" for x in numbers if math.isfinite(x)}
    return {text for text in texts if len(text.split("e")[0].rstrip("0")) > len("1.1")}


def _numbers_in(path: Path) -> set[str]:
    """Every number that is written anywhere in any part of the file."""
    with zipfile.ZipFile(path) as package:
        texts = [package.read(name).decode("utf-8") for name in package.namelist()]
    return _to_six_digits(float(found) for text in texts for found in _NUMBER.findall(text))


def _answers(spec: Spec, worked: Path) -> tuple[set[str], set[str]]:
    """Every number of the training and of the pages that is not given: those that a worked workbook shows, and all."""
    given = _to_six_digits(float(found) for found in _NUMBER.findall(dumps(spec)))
    layout, book = Layout(spec), load_workbook(worked, data_only=True)
    of_pages = [
        book[run.sheet].cell(run.row + 1, run.column + 1).value
        for run in layout.runs()
        if run.kind is Kind.PAGE and layout.page[run.name].expr is not None
    ]
    pages = _to_six_digits(x for x in of_pages if isinstance(x, float))
    kept = {cell.name for cell in layout.shown if not any(cell.role in roles for roles in GROUPS.values())}
    trained = {name: _to_six_digits(map(float, values.flat)) for name, values in train(spec).values.items()}
    shown = set().union(pages, *(trained[name] for name in layout.columns if name not in kept))
    return shown - given, set().union(shown, *(trained[name] for name in trained if name not in kept)) - given


@pytest.mark.parametrize("name", SHORT)
def test_a_worksheet_holds_no_answer(name: str, tmp_path: Path) -> None:
    spec = _spec(name)
    worked = build(spec, tmp_path / "worked.xlsx")
    shown, answers = _answers(spec, worked)
    assert len(answers) > 50
    assert shown <= _numbers_in(worked), "the search finds every answer where it is"
    for level in LEVELS:
        path = build(override(spec, level=level), tmp_path / f"{level}.xlsx")
        assert not answers & _numbers_in(path)


@pytest.mark.parametrize("leave", [("forward",), ("backward",), ("update",), ("forward", "update")])
@pytest.mark.parametrize("name", ["xor", "softmax-logistic", "mazur-sequential"])
def test_carried_values_follow_from_empty_cells(name: str, leave: tuple[str, ...], tmp_path: Path) -> None:
    """What stays is written with the value that a calculator gives while the rest is empty."""
    spec = _spec(name, level="blank", leave=leave)
    path = build(spec, tmp_path / "x.xlsx")
    formulas, values = load_workbook(path), load_workbook(path, data_only=True)
    recalculated = engine().recalculate(path)
    for sheet in formulas:
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"):
            carried = values[sheet.title][cell.coordinate].value
            found = recalculated.column(sheet.title, cell.row - 1, cell.column - 1, 1)[0]
            both_errors = str(carried).startswith("#") and str(found).startswith("#")
            assert both_errors or carried == found or str(carried) == str(found), (sheet.title, cell)
    for run, k in cells_to_fill(Layout(spec)):
        sheet_name, row, column = run.place(k)
        assert formulas[sheet_name].cell(row + 1, column + 1).border.left.style == "thin"


def test_the_picture_of_a_worksheet_tells_what_is_given() -> None:
    spec = _spec("era-s6", level="blank")
    assert set(forward_values(spec)) == {"i1", "i2", "t1", "t2", *spec.initial}
    assert forward_png(spec) != forward_png(override(spec, level="worked"))
    assert "a_h1" in forward_values(override(spec, leave=("backward",)))
    assert forward_png(_spec("tiny-cnn", level="blank"))


# What stands there in place of a formula


@pytest.mark.parametrize("name", template_names())
def test_every_formula_is_told_in_words(name: str) -> None:
    layout = Layout(_spec(name, level="scaffolded")) if load(name).layout == "rows" else Layout(load(name))
    symbols = re.compile(r"[*^{}]|\d[-+/]\d|EXP|SUM|MAX\(")
    told = {cell.name: layout.page_in_words(cell) for cell in layout.page if cell.expr is not None}
    told |= {f"{cell.name} in a table": layout.chain_in_words(cell) for cell in layout.shown}
    assert not {name: text for name, text in told.items() if not text or symbols.search(text)}


TOLD = {
    "h1": "w1 times i1 plus w2 times i2",
    "E1": "half the square of the difference of t1 and a_o1",
    "∂a_o1/∂o1": "a_o1 times (1 minus a_o1)",
    "δ_o1": "how the error moves with a_o1, times how a_o1 moves with o1",
    "∂E/∂a_h1": "over both paths: how the error moves with o1 (δ_o1), times how o1 moves with a_h1; "
    "plus how the error moves with o2 (δ_o2), times how o2 moves with a_h1",
    "∂E/∂w1": "how the error moves with h1 (δ_h1), times how h1 moves with w1",
    "w1⁺": "w1 minus the learning rate times the gradient by w1",
}


def test_the_words_of_the_class_network() -> None:
    layout = Layout(_spec("era-s6", level="scaffolded"))
    assert {name: layout.page_in_words(layout.page[name]) for name in TOLD} == TOLD
    assert layout.chain_in_words(layout.table["∂E/∂w5"]) == (
        "how E_total moves with E1, times how E1 moves with a_o1, times how a_o1 moves with o1, "
        "times how o1 moves with w5"
    )
    assert layout.chain_in_words(layout.table["w1"]) == (
        "w1 of the row above minus the learning rate times the gradient by w1 of the row above"
    )


@pytest.mark.parametrize("level", LEVELS)
def test_only_a_scaffold_tells_the_formulas(level: str, tmp_path: Path) -> None:
    book = load_workbook(build(_spec("era-s6", level=level), tmp_path / "x.xlsx"))
    page, table = book["Backward"], book["η=0.1"]
    cells = [page["C6"], page["C11"]]
    assert [cell.value for cell in cells] == (["1", TOLD["∂a_o1/∂o1"]] if level == "scaffolded" else [None, None])
    note = table["Y5"].comment.text
    assert note.startswith("gradient of the error by w1 (from i1 to h1)")
    assert ("over both paths" in note) == (level == "scaffolded")
    assert "·" not in note
    assert page["E6"].value is None
    assert page["E6"].border.left.style == table["Y6"].border.left.style == "thin"
    assert page["E6"].fill.fgColor.rgb == table["Y6"].fill.fgColor.rgb == "FFFFFFFF"


# Marks

Filled = Callable[[str, str, int], bool]  # of a cell's sheet, quantity and row, counted from 1


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = override(load("era-s6"), rates=(0.5, 2.0), steps=6, level="blank")
    return build(spec, tmp_path_factory.mktemp("blank") / "blank.xlsx")


def _filled(
    blank: Path,
    target: Path,
    which: Filled = lambda sheet, name, row: False,
    change: Callable[[dict[str, Worksheet]], None] = lambda sheets: None,
    level: str = "blank",
) -> Path:
    """The worksheet with the right formulas in some cells, then changed."""
    layout = Layout(override(load("era-s6"), rates=(0.5, 2.0), steps=6, level=level))
    book = load_workbook(blank)
    for run, k in cells_to_fill(layout):
        sheet, row, column = run.place(k)
        if which(sheet, run.name, row + 1):
            book[sheet].cell(row + 1, column + 1).value = "=" + layout.run_formula(run, k)
    change({sheet.title: sheet for sheet in book})
    book.save(target)
    return target


def _counts(report: Report) -> tuple[int, int, int]:
    marks = report.all_marks
    return marks.right, marks.wrong, marks.inherited


TO_FILL = 2 * (7 * (11 + 8) + 6 * 8) + 11 + 36 + 8 + 12  # both tables, and the pages


def test_an_empty_worksheet_is_incomplete(blank: Path) -> None:
    assert OpenXmlValidator().validate(str(blank)).is_valid
    report = verify(blank)
    assert (report.verdict, report.correct, report.mismatches) == ("incomplete", False, [])
    formulas = sum(cell.data_type == "f" for sheet in load_workbook(blank) for row in sheet.iter_rows() for cell in row)
    assert report.cells == formulas
    assert (_counts(report), report.all_marks.empty) == ((0, 0, 0), TO_FILL)
    told = report.as_json()
    assert (told["verdict"], told["filled"], told["empty"], told["right"]) == ("incomplete", 0, TO_FILL, 0)
    assert {table["verdict"] for table in told["tables"]} == {"incomplete"}
    assert f"0 of {TO_FILL} cells filled; {TO_FILL} are empty" in " ".join(report.as_text().split())


@pytest.mark.parametrize("level", LEVELS)
def test_all_filled_in_is_correct(level: str, tmp_path: Path) -> None:
    spec = override(load("era-s6"), rates=(0.5, 2.0), steps=6, level=level)
    made = build(spec, tmp_path / "x.xlsx")
    report = verify(_filled(made, tmp_path / "all.xlsx", lambda sheet, name, row: True, level=level))
    assert report.correct, report.as_text()
    worked = verify(build(override(spec, level="worked"), tmp_path / "worked.xlsx"))
    answers = sum(run.count for run in worked.layout.runs() if run.sheet == CHECKS or run.kind is Kind.CHECK)
    assert report.cells == worked.cells - answers - 67
    assert _counts(report) == (TO_FILL, 0, 0)


PARTS: list[tuple[str, Filled, int]] = [
    ("the first three rows", lambda sheet, name, row: sheet.startswith("η") and row <= 8, 2 * (3 * 19 + 2 * 8)),
    ("a page", lambda sheet, name, row: sheet == "Forward", 11),
    ("gradients over empty activations", lambda sheet, name, row: name.startswith("∂E/∂w"), 2 * 7 * 8 + 8),
    ("one cell", lambda sheet, name, row: (sheet, name, row) == (TABLE, "h1", 9), 1),
]


@pytest.mark.parametrize(("which", "count"), [one[1:] for one in PARTS], ids=[one[0] for one in PARTS])
def test_part_of_it_is_incomplete(blank: Path, tmp_path: Path, which: Filled, count: int) -> None:
    report = verify(_filled(blank, tmp_path / "x.xlsx", which))
    assert report.verdict == "incomplete", report.as_text()
    assert (_counts(report), report.all_marks.empty) == ((count, 0, 0), TO_FILL - count)


# Each: sheet, cell, what is put there, whether all the rest is filled in, the kind of mistake (none: right).
WRITTEN = [
    (TABLE, "J6", "=E6*G6+D6*F6", True, ""),  # another way to write it
    (TABLE, "J6", "=SUMPRODUCT(D6:E6,F6:G6)", False, ""),
    (TABLE, "F7", "=F6-$B$3*Y6", False, ""),
    (TABLE, "F7", "=F6+$B$3*Y6", False, "wrong-formula"),  # while Y6 is empty, as right as the other
    (TABLE, "AE8", "=(U8-B8)*U8*(1-U8)*K8", False, "lucky-formula"),  # t1 for t2, which are equal
    (TABLE, "AE8", "=(U8-B8)*U8*(1-U8)*K8", True, "lucky-formula"),
    (TABLE, "K9", "=1/(1+EXP(J9))", True, "wrong-formula"),
    (TABLE, "K9", "=K9", True, "wrong-formula"),
    (TABLE, "J6", 0.0275, True, "typed-constant"),  # the right number
    (TABLE, "J6", 0.0275, False, "typed-constant"),
    (TABLE, "J6", "w1*i1", False, "typed-constant"),
    (TABLE, "A9", None, False, "typed-constant"),  # what was there is gone
    ("Forward", "E20", "=E15*E11+E14*E10", False, ""),
    ("Forward", "E20", "=E14*E10+E15*E10", False, "wrong-formula"),
    ("Next forward", "E6", "=Forward!E11+Forward!E6*Backward!E47", False, "wrong-formula"),
]


@pytest.mark.parametrize(("sheet", "cell", "content", "whole", "kind"), WRITTEN)
def test_one_cell_is_judged_by_its_own_formula(
    blank: Path, tmp_path: Path, sheet: str, cell: str, content: object, whole: bool, kind: str
) -> None:
    path = _filled(
        blank,
        tmp_path / "x.xlsx",
        lambda sheet, name, row: whole,
        lambda sheets: sheets[sheet].__setitem__(cell, content),
    )
    report = verify(path)
    found = [(one.sheet, one.cell, one.kind) for one in report.roots]
    assert found == ([(sheet, cell, kind)] if kind else []), report.as_text()
    assert report.verdict == ("wrong" if kind else "correct" if whole else "incomplete")
    empty = empty_cells(Workbook(path, engine().recalculate(path)))
    assert not empty & {one.place for one in report.mismatches}, "what is empty inherits nothing"
    if kind:
        right = load_workbook(_filled(blank, tmp_path / "all.xlsx", lambda *_: True))[sheet][cell].value
        assert report.roots[0].fix == right
        assert report.all_marks.wrong == (content is not None)


def test_what_a_wrong_cell_spoils_is_counted(blank: Path, tmp_path: Path) -> None:
    path = _filled(
        blank,
        tmp_path / "x.xlsx",
        lambda sheet, name, row: sheet == TABLE and row < 8,
        lambda sheets: sheets[TABLE].__setitem__("K6", "=J6"),
    )
    report = verify(path)
    right, wrong, inherited = _counts(report)
    assert (wrong, right + wrong + inherited) == (1, 2 * 19 + 8)
    assert inherited > 10
    text = " ".join(report.as_text().split())
    assert f"46 of {TO_FILL} cells filled: {right} right, 1 wrong by its own formula, {inherited} inherit it" in text
    assert "forward 22 of 177 cells filled" in text
    assert "it gives 0.0275" in text
    (mistake,) = report.as_json()["mistakes"]
    assert (mistake["cell"], mistake["fix"]) == ("K6", "=1/(1+EXP(-J6))")


def _without(pattern: bytes, path: Path, target: Path) -> Path:
    """A copy whose sheets have nothing that matches."""
    with zipfile.ZipFile(path) as package, zipfile.ZipFile(target, "w") as other:
        for name in package.namelist():
            text = package.read(name)
            other.writestr(name, re.sub(pattern, b"", text) if name.startswith("xl/worksheets/sheet") else text)
    return target


def test_empty_cells_need_not_be_in_the_file(blank: Path, tmp_path: Path) -> None:
    report = verify(_without(rb"<c [^>]*/>", blank, tmp_path / "x.xlsx"))
    assert (report.verdict, report.all_marks.empty) == ("incomplete", TO_FILL)


def test_a_row_that_was_deleted_with_all_that_it_held(blank: Path, tmp_path: Path) -> None:
    report = verify(_without(rb'<row r="12"><c r="A12" s.*?</row>', blank, tmp_path / "x.xlsx"))
    assert {(one.cell, one.kind) for one in report.roots if one.sheet == TABLE} == {
        (f"{column}12", "typed-constant") for column in "ABCDE"
    }
    assert report.all_marks.empty == TO_FILL


def test_formulas_in_elements_with_a_prefix() -> None:
    sheet = '<x:sheetData><x:row r="2"><x:c r="A2"><x:v>1</x:v></x:c><x:c r="AA2" s="4"/></x:row></x:sheetData>'
    assert _with_formulas(sheet, {(1, 26): "A2<1", (1, 25): "1", (0, 1): "A2"}) == (
        '<x:sheetData><x:row r="1"><x:c r="B1"><x:f>A2</x:f></x:c></x:row>'
        '<x:row r="2"><x:c r="A2"><x:v>1</x:v></x:c>'
        '<x:c r="Z2"><x:f>1</x:f></x:c><x:c r="AA2" s="4"><x:f>A2&lt;1</x:f></x:c></x:row></x:sheetData>'
    )


@pytest.mark.libreoffice
def test_a_worksheet_saved_by_libreoffice(blank: Path, tmp_path: Path) -> None:
    path = _filled(blank, tmp_path / "x.xlsx", PARTS[0][1])
    saved = LibreOffice().convert(path, "xlsx:Calc MS Excel 2007 XML", tmp_path / "saved")
    for name in ("embedded", "libreoffice"):
        report = verify(saved, engine=name)
        assert report.verdict == "incomplete", report.as_text()
        assert _counts(report) == (PARTS[0][2], 0, 0)


@pytest.mark.parametrize("name", template_names())
def test_every_network_as_a_worksheet(name: str, tmp_path: Path) -> None:
    """Its own formulas in its own cells are right, whatever the network."""
    spec = load(name)
    if spec.layout == "rows":
        report = verify(build(override(spec, steps=min(2, spec.updates), level="blank"), tmp_path / "x.xlsx"))
        assert (report.verdict, report.mismatches, report.all_marks.filled) == ("incomplete", [], 0)


# Settings


def test_a_network_file_keeps_its_level() -> None:
    spec = override(load("era-s6"), level="blank", leave=("backward",))
    assert loads(dumps(spec)) == spec
    assert override(spec, level="worked") == load("era-s6")
    assert tuple(GROUPS) == get_args(Group) == arguments.GROUPS


def test_a_worksheet_leaves_out_what_may_tell_results(tmp_path: Path) -> None:
    spec = load("graddesc")
    assert "-1204" in spec.about
    with zipfile.ZipFile(build(override(spec, level="blank"), tmp_path / "x.xlsx")) as package:
        assert not any(b"1204" in package.read(name) for name in package.namelist())


def test_weights_that_are_not_filled_in_are_not_read_as_0(blank: Path) -> None:
    assert trained_weights(blank, step=0)["layers.0.weights"].tolist() == [[0.15, 0.2], [0.25, 0.3]]
    with pytest.raises(WorkbookError, match=r"'η=2.0'!F12 \(w1\) is empty; fill it in"):
        trained_weights(blank)


def _invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, list(arguments))
    return result.exit_code, result.output


def test_the_commands(tmp_path: Path) -> None:
    folder = str(tmp_path)
    code, output = _invoke("run", "xor", "--steps", "4", "--level", "scaffolded", "--leave", "backward", "-o", folder)
    assert code == 0, output
    assert "cells filled" in output
    assert [path.name for path in tmp_path.iterdir()] == ["xor.xlsx"], "a picture would show what is to be found"
    code, output = _invoke("verify", str(tmp_path / "xor.xlsx"), "--json")
    assert (code, json.loads(output)["verdict"]) == (1, "incomplete")
    assert _invoke("build", "era-s6", "--leave", "weights", "-o", folder)[0] == 2
    code, output = _invoke("build", "activations", "--level", "blank", "-o", folder)
    assert code == 2
    assert "--level: activations trains nothing; leave it out" in output
    network = tmp_path / "blank.toml"
    network.write_text(dumps(_spec("mazur", level="blank")), encoding="utf-8")
    code, output = _invoke("readme", str(network), "-o", folder)
    assert (code, "the page would tell its answers" in output) == (2, True)
