"""An annotated copy marks the wrong cells and is otherwise the same; where it could not be, there is a page."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import LineChart, Reference

from xlbackprop.audit.annotate import annotate, markdown
from xlbackprop.audit.book import read
from xlbackprop.engine.package import replace_parts

FIX = "=A2*2"
MISTAKE = {
    "sheet": "Form 1", "cell": "B2", "range": "B2:B4,B6", "count": 4, "quantity": "dE/dw1", "kind": "wrong-operator",
    "kinds": ["wrong-operator"], "says": "adds where it should multiply", "formula": "=A2+2", "fix": FIX,
    "found": 3.0, "expected": 2.0, "spoils": [],
}  # fmt: skip
WARNING = {"sheet": "Form 1", "cell": "A9", "kind": "chart-rows", "says": "=the chart stops early"}


def _report(path: Path, *mistakes: dict[str, Any]) -> dict[str, Any]:
    return {"workbook": str(path), "verdict": "wrong", "mistakes": list(mistakes or [MISTAKE]), "warnings": [WARNING]}


def _workbook(path: Path) -> Any:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Form 1"
    sheet["A1"], sheet["C1"] = "a header", "=== text ==="
    sheet["C1"].data_type = "s"
    sheet["D1"], sheet["D2"] = True, "#N/A"
    for row in range(2, 8):
        sheet.cell(row, 1, row / 7)
        sheet.cell(row, 2, f"=A{row}+2")
    sheet["E1"] = '=IF(A2>0,"x|y",SUM($A$2:$A$7))'
    workbook.create_sheet("mistakes")["A1"] = "='Form 1'!B2"
    workbook.save(path)
    return workbook


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.xlsx"
    _workbook(path)
    return path


def _copy(path: Path, report: dict[str, Any]) -> Any:
    folder = path.parent / "new" / "folder"
    copy = folder / "theirs-annotated.xlsx"
    assert annotate(path, report, folder) == f"written: {copy}"
    assert [one.name for one in folder.iterdir()] == [copy.name]
    return openpyxl.load_workbook(copy)


def test_wrong_cells_are_filled_and_no_others(path: Path) -> None:
    sheet = _copy(path, _report(path))["Form 1"]
    filled = {cell.coordinate for row in sheet.iter_rows() for cell in row if cell.fill.fill_type == "solid"}
    assert filled == {"B2", "B3", "B4", "B6"}


def test_the_topmost_cell_has_a_note(path: Path) -> None:
    sheet = _copy(path, _report(path))["Form 1"]
    notes = {cell.coordinate: cell.comment.text for row in sheet.iter_rows() for cell in row if cell.comment}
    assert notes == {"B2": f"dE/dw1 adds where it should multiply\nright: {FIX}"}


def test_an_earlier_note_and_a_second_mistake_stay(path: Path) -> None:
    from openpyxl.comments import Comment

    workbook = openpyxl.load_workbook(path)
    workbook["Form 1"]["B2"].comment = Comment("mine", "me")
    workbook.save(path)
    sheet = _copy(path, _report(path, MISTAKE, MISTAKE | {"says": "is late", "fix": ""}))["Form 1"]
    assert sheet["B2"].comment.text.splitlines() == [
        "mine", "dE/dw1 adds where it should multiply", f"right: {FIX}", "dE/dw1 is late"
    ]  # fmt: skip


def test_all_else_is_as_it_was(path: Path) -> None:
    copied = _copy(path, _report(path))
    for sheet in openpyxl.load_workbook(path).worksheets:
        assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
            [cell.value for cell in row] for row in copied[sheet.title].iter_rows()
        ]


def test_the_list_comes_first_with_links(path: Path) -> None:
    copied = _copy(path, _report(path))
    sheet = copied.worksheets[0]
    assert copied.sheetnames == ["Mistakes 2", "Form 1", "mistakes"]  # names differ by more than their case
    assert [cell.value for cell in sheet[2]] == [
        "'Form 1'!B2:B4,B6", "dE/dw1", "adds where it should multiply", "=A2+2", FIX, "3", "2"
    ]  # fmt: skip
    assert [sheet.cell(row, 1).hyperlink.location for row in (2, 3)] == ["'Form 1'!B2", "'Form 1'!A9"]


def test_no_text_becomes_a_formula(path: Path) -> None:
    evil = {name: f"{sign}1+cmd|'x'!A1" for name, sign in zip(("quantity", "says", "formula", "fix"), "=+-@")}
    copied = _copy(path, _report(path, MISTAKE | evil))
    cells = [cell for row in copied.worksheets[0].iter_rows() for cell in row if cell.value]
    assert {(cell.data_type, cell.quotePrefix) for cell in cells} == {("s", True)}
    assert [cell.value for cell in copied.worksheets[0][2]][1:5] == list(evil.values())
    assert (
        read(path.parent / "new" / "folder" / "theirs-annotated.xlsx").sheets["Mistakes 2"].cells[1, 3].formula is None
    )


def test_what_xml_cannot_hold(path: Path) -> None:
    copied = _copy(path, _report(path, MISTAKE | {"says": "is \x00 \x1b wrong" + "!" * 40_000}))
    assert copied.worksheets[0]["C2"].value.startswith("is     wrong!!")
    assert len(copied.worksheets[0]["C2"].value) == 2000


def test_shared_formulas(path: Path) -> None:
    """A copy writes them in each cell: the same formulas, though not the same texts."""
    part = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(path) as package:
        xml = package.read(part).decode()
    for row in range(2, 8):
        shared = "A2+$A$3+B$2" if row == 2 else ""
        ref = ' ref="B2:B7"' if row == 2 else ""
        xml = xml.replace(f"<f>A{row}+2</f>", f'<f t="shared" si="0"{ref}>{shared}</f>')
    replace_parts(path, {part: xml})
    assert _copy(path, _report(path))["Form 1"]["B7"].value == "=A7+$A$3+B$2"


def test_a_copy_that_is_not_the_same_is_not_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the library that copies translated a shared formula wrongly."""
    from openpyxl.workbook import Workbook

    save = Workbook.save

    def changed(self: Any, target: Path) -> None:
        self["Form 1"]["B7"] = "=A6+2"
        save(self, target)

    monkeypatch.setattr(Workbook, "save", changed)
    said = annotate(path, _report(path), path.parent / "new")
    assert said.endswith("theirs-mistakes.md (a copy would not hold all that the file does)")
    assert [one.name for one in (path.parent / "new").iterdir()] == ["theirs-mistakes.md"]


def _with_chart(path: Path) -> None:
    workbook = openpyxl.load_workbook(path)
    chart = LineChart()
    chart.add_data(Reference(workbook["Form 1"], min_col=2, min_row=2, max_row=7))
    workbook["Form 1"].add_chart(chart)
    workbook.save(path)


def _edited(part: str, old: str, new: str) -> Any:
    def edit(path: Path) -> None:
        with zipfile.ZipFile(path) as package:
            xml = package.read(part).decode()
        assert old in xml
        replace_parts(path, {part: xml.replace(old, new, 1)})

    return edit


def _with_part(name: str) -> Any:
    return lambda path: replace_parts(path, {name: "<x/>"})


SHEET = "xl/worksheets/sheet1.xml"
UNFIT = {
    "chart": (_with_chart, "a copy would lose its charts"),
    "picture": (_with_part("xl/media/image1.png"), "pictures"),
    "macro": (_with_part("xl/vbaProject.bin"), "macros"),
    "pivot": (_with_part("xl/pivotTables/pivotTable1.xml"), "pivot tables"),
    "control": (_with_part("xl/ctrlProps/ctrlProp1.xml"), "form controls"),
    "link": (_with_part("xl/externalLinks/externalLink1.xml"), "external links"),
    "two": (lambda path: (_with_chart(path), _with_part("xl/media/i.png")(path)), "its charts and pictures"),
    "drawing": (lambda path: replace_parts(path, {"xl/drawings/drawing1.xml": "<w><xAnchor/></w>"}), "drawings"),
    "data table": (_edited(SHEET, "<f>A3+2</f>", '<f t="dataTable" ref="B3:B4" r1="A3"/>'), "data tables"),
    "dynamic array": (_edited(SHEET, '<c r="B2"', '<c r="B2" cm="1"'), "dynamic arrays"),
    "sparkline": (_edited(SHEET, "</worksheet>", "<extLst><ext uri='x'/></extLst></worksheet>"), "sparklines"),
    "entities": (_edited(SHEET, "<worksheet", "<!DOCTYPE x []><worksheet"), "a part of it cannot be copied"),
    "styles": (_edited("xl/styles.xml", 'patternType="gray125"', 'patternType="perhaps"'), "library"),
    "no xlsx": (lambda path: path.write_bytes(b"PK"), "copies are made of .xlsx workbooks alone"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_page_where_a_copy_would_lose_something(path: Path, case: str) -> None:
    spoil, reason = UNFIT[case]
    spoil(path)
    said = annotate(path, _report(path), path.parent / "new")
    page = path.parent / "new" / "theirs-mistakes.md"
    assert said.startswith(f"written: {page} (")
    assert reason in said
    assert [one.name for one in page.parent.iterdir()] == [page.name]
    assert f"`{FIX}`" in page.read_text(encoding="utf-8")


def test_an_empty_drawing_is_no_loss(path: Path) -> None:
    replace_parts(path, {"xl/drawings/drawing1.xml": "<wsDr/>"})
    _copy(path, _report(path))


ESCAPED = [
    ("a|b", r"a\|b"),
    ("<img src=x onerror=y>", "&lt;img src=x onerror=y&gt;"),
    ("a_h1 and _this_", r"a_h1 and \_this\_"),
    ("**[x](http://y)**", r"\*\*\[x\](http\://y)\*\*"),
    ("`x` & two\nlines", r"\`x\` &amp; two lines"),
]


@pytest.mark.parametrize(("text", "shown"), ESCAPED)
def test_names_appear_as_text(text: str, shown: str) -> None:
    page = markdown(_report(Path("x.xlsx"), MISTAKE | {"quantity": text}))
    assert f" | {shown} | " in page


def test_a_formula_stays_in_its_code() -> None:
    page = markdown(_report(Path("x.xlsx"), MISTAKE | {"fix": '="``|<b>"&A1'}))
    assert '| ``` ="``\\|<b>"&A1 ``` |' in page


def test_every_row_of_the_page_has_all_its_cells() -> None:
    page = markdown(_report(Path("x.xlsx"), MISTAKE | {"fix": "=a|b", "says": "c|d", "sheet": "e|f"}))
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [6, 6, 6, 3, 3, 3]


def test_our_own_reports(small: Path, tmp_path: Path) -> None:
    from xlbackprop.checking import verify

    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(small.read_bytes())
    with zipfile.ZipFile(broken) as package:
        name = next(n for n in package.namelist() if "<f>" in package.read(n).decode(errors="ignore") and "sheet" in n)
        sheet = package.read(name).decode()
    replace_parts(broken, {name: sheet.replace("</f>", "+1</f>", 1)})
    report = verify(broken).as_json()
    assert report["mistakes"]
    said = annotate(broken, report, tmp_path / "out")
    assert said.endswith("-mistakes.md (a copy would lose its charts and pictures)")
    assert report["mistakes"][0]["cell"] in (tmp_path / "out" / "broken-mistakes.md").read_text(encoding="utf-8")
