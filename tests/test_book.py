"""Anybody's workbook is read as its maker sees it; what cannot be read costs a bounded time and one line."""

from __future__ import annotations

import io
import random
import re
import tracemalloc
import zipfile
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path

import pytest
import xlsxwriter
from openpyxl import Workbook, load_workbook
from openpyxl.chart import LineChart, Reference, ScatterChart, Series
from openpyxl.formula.translate import Translator
from openpyxl.utils.datetime import to_excel
from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

from xlbackprop.audit.book import Book, Bounds, Chart, Formula, ListObject, as_xlsx, read
from xlbackprop.audit.book import Series as ReadSeries
from xlbackprop.engine.libreoffice import LibreOffice
from xlbackprop.errors import EngineError, WorkbookError, XlbackpropError
from xlbackprop.sheet.address import cell_name

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WILD = [path.name for path in sorted((Path(__file__).resolve().parents[2] / "shared" / "wild").glob("*.xlsx"))]


def relations(*lines: tuple[str, str]) -> str:
    """A list of relations rId1, rId2, ... from (kind, target)."""
    ones = (f'<Relationship Id="rId{k}" Type="{REL}/{kind}" Target="{to}"/>' for k, (kind, to) in enumerate(lines, 1))
    return f"<Relationships>{''.join(ones)}</Relationships>"


def worksheet(rows: str, after: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{after}</worksheet>'


def workbook(inside: str = '<sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets>') -> str:
    return f'<workbook xmlns="{MAIN}" xmlns:r="{REL}">{inside}</workbook>'


SHEET = "xl/worksheets/sheet1.xml"
PARTS = {
    "[Content_Types].xml": "<Types/>",
    "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
    "xl/workbook.xml": workbook(),
    "xl/_rels/workbook.xml.rels": relations(("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "strings.xml")),
    "xl/strings.xml": f'<sst xmlns="{MAIN}"><si><t>w1</t></si><si><r><t>a_</t></r><r><t xml:space="preserve">h1 </t>'
    "</r><rPh><t>not shown</t></rPh></si><si><t>two_x000a_lines</t></si><si/></sst>",
    SHEET: worksheet('<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1"><f>A2*2</f><v>0.5</v></c></row>'),
}


def packed(path: Path, parts: Mapping[str, str | bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in (PARTS if parts is None else parts).items():
            package.writestr(name, text)
    return path


def read_rows(folder: Path, rows: str, after: str = "") -> Book:
    return read(packed(folder / "raw.xlsx", {**PARTS, SHEET: worksheet(rows, after)}))


# One cell B3 each: its attributes and content, its value and the text of its formula; None: no cell is kept.
CELLS = [
    ("", "<v>0.15</v>", 0.15, None),
    ("", "<v> -1.5E-3 </v>", -0.0015, None),
    ('t="n"', "<v>7</v>", 7.0, None),
    ("", "<v>1e999</v>", None, None),
    ("", "<v>1_0</v>", None, None),
    ("", "<v>nan</v>", None, None),
    ("", "<v>\u0661</v>", None, None),
    ("", "<v>seven</v>", None, None),
    ("", "<v/>", None, None),
    ('t="s"', "<v>0</v>", "w1", None),
    ('t="s"', "<v>1</v>", "a_h1 ", None),
    ('t="s"', "<v>2</v>", "two\nlines", None),
    ('t="s"', "<v>3</v>", None, None),
    ('t="s"', "<v>-1</v>", None, None),
    ('t="b"', "<v>1</v>", True, None),
    ('t="b"', "<v>false</v>", False, None),
    ('t="b"', "<v>2</v>", None, None),
    ('t="e"', "<v>#NUM!</v>", "#NUM!", None),
    ('t="d"', "<v>2024-05-01</v>", "2024-05-01", None),
    ('t="inlineStr"', "<is><t>E_total</t></is>", "E_total", None),
    ('t="inlineStr"', "<is><r><t>E</t></r><r><t>1</t></r><rPh><t>no</t></rPh></is>", "E1", None),
    ('t="inlineStr"', "<v>odd</v>", "odd", None),
    ('t="inlineStr"', "<v>hidden</v><is><t>shown</t></is>", "shown", None),
    ('t="str"', "<v>a_x000A_b</v>", "a\nb", None),
    ("", '<f t="shared" si="9"/>', None, None),
    ("", "<is><t>&lt;&amp;&#235;</t></is>", "<&ë", None),
    ('t="str"', "<v>_xD800__x0001_</v>", "_xD800__x0001_", None),  # neither can be shown
    ("", "<f>A1+ b$2</f><v>3</v>", 3.0, "A1+ b$2"),
    ("", "<f>=A1</f><v>3</v>", 3.0, "A1"),
    ("", "<f>+A1</f>", None, "+A1"),
    ("", '<f ca="1">_xlfn.SECH(A1)</f><v>3</v>', 3.0, "_xlfn.SECH(A1)"),
    ("", "<f>A1&amp;&quot;&lt;&quot;</f>", None, 'A1&"<"'),
    ("", "<f><![CDATA[A1<2]]></f>", None, "A1<2"),
    ('t="str"', '<f>""</f><v></v>', "", '""'),
    ('t="e"', "<f>1/0</f><v>#DIV/0!</v>", "#DIV/0!", "1/0"),
    ("", "<f/><v>4</v>", 4.0, None),
    ("", '<f t="array" ref="B3">SUM(A1:A2*2)</f><v>4</v>', 4.0, "SUM(A1:A2*2)"),
    ('s="5"', "", None, None),
]


@pytest.mark.parametrize(("attributes", "content", "value", "formula"), CELLS)
def test_what_a_cell_holds(
    tmp_path: Path, attributes: str, content: str, value: float | str | bool | None, formula: str | None
) -> None:
    book = read_rows(tmp_path, f'<row r="3"><c r="B3" {attributes}>{content}</c></row>')
    cell = book.sheets["S"].cells.get((2, 1))
    if value is None and formula is None:
        assert cell is None
        return
    assert cell is not None
    assert (cell.value, type(cell.value)) == (value, type(value))
    assert cell.formula == (None if formula is None else Formula(formula, 2, 1))


# Rows as odd writers write them, and the addresses of their cells, in order.
PLACES = [
    ('<row r="2"><c r="C2"><v>1</v></c><c><v>1</v></c></row>', "C2 D2"),
    ("<row><c><v>1</v></c><c/><c><v>1</v></c></row><row><c><v>1</v></c></row>", "A1 C1 A2"),
    ('<row r="5"><c><v>1</v></c></row><row><c><v>1</v></c></row>', "A5 A6"),
    ('<row r="5"/><row/><row><c><v>1</v></c></row>', "A7"),
    ('<row><c r="B9"><v>1</v></c></row><row><c><v>1</v></c></row>', "B9 A10"),
    ('<row r="1"><c r="$b$7"><v>1</v></c></row>', "B7"),
    ('<row r="1"><c r="XFD1048576"><v>1</v></c></row>', "XFD1048576"),
    ('<row r="1"><c r="XFE1"><v>1</v></c><c r="A1048577"><v>1</v></c><c r="A0"><v>1</v></c></row>', ""),
    ('<row r="1"><c r="R1C1"><v>1</v></c><c><v>1</v></c><c r="E1"><v>1</v></c></row>', "E1"),
    ('<row r="3"/><row r="x"><c><v>1</v></c></row>', ""),
    (f'<row r="{"9" * 5000}"><c><v>1</v></c><c r="A1"><v>1</v></c></row>', "A1"),
]


@pytest.mark.parametrize(("rows", "addresses"), PLACES)
def test_where_a_cell_stands(tmp_path: Path, rows: str, addresses: str) -> None:
    cells = read_rows(tmp_path, rows).sheets["S"].cells
    assert [cell_name(*place) for place in cells] == addresses.split()


def test_a_cell_takes_nothing_from_the_one_before(tmp_path: Path) -> None:
    full = '<c t="inlineStr"><f>B9</f><v>5</v><is><t>text</t></is></c>'
    cells = (
        read_rows(tmp_path, f"<row>{full}<c><v>6</v></c>{full}<c><f/><is><t>own</t></is></c><c/></row>")
        .sheets["S"]
        .cells
    )
    assert [cell.value for cell in cells.values()] == ["text", 6, "text", "own"]
    assert [cell.formula is None for cell in cells.values()] == [False, True, False, True]


def shared(place: str, group: int, text: str = "", ref: str = "") -> str:
    within = f' ref="{ref}"' if ref else ""
    return f'<c r="{place}"><f t="shared" si="{group}"{within}>{text}</f><v>1</v></c>'


# Cells of shared formulas, and for each address the text and the cell for which it is written.
SHARED = [
    (shared("A1", 0, "B1*2", "A1:A3") + shared("A2", 0) + shared("A3", 0), "A1=B1*2@A1 A2=B1*2@A1 A3=B1*2@A1"),
    (shared("A1", 0) + shared("A2", 0, "B2*2", "A1:A2"), "A1=B2*2@A2 A2=B2*2@A2"),
    (shared("A1", 0, "B1", "A1:A2") + shared("A2", 0, "C2*3") + shared("A3", 0), "A1=B1@A1 A2=C2*3@A2 A3=B1@A1"),
    (shared("A1", 0, "B1") + shared("A2", 0), "A1=B1@A1 A2=B1@A1"),
    (
        shared("A1", 0, "B1", "A1:A2") + shared("A2", 0) + shared("A3", 0, "C3", "A3:A4") + shared("A4", 0),
        "A1=B1@A1 A2=B1@A1 A3=C3@A3 A4=C3@A3",
    ),
    (shared("A1", 0, "B1", "A1:A2") + shared("A2", 7), "A1=B1@A1 A2=typed"),
    (shared("A1", 7) + shared("A1", 0, "B1", "A1:A2") + shared("A3", 7, "C1", "A1:A3"), "A1=B1@A1 A3=C1@A3"),
]


@pytest.mark.parametrize(("cells", "expected"), SHARED)
def test_shared_formulas_keep_the_text_of_their_master(tmp_path: Path, cells: str, expected: str) -> None:
    found = read_rows(tmp_path, f"<row>{cells}</row>").sheets["S"].cells
    said = {
        cell_name(*place): f"{cell.formula.text}@{cell_name(cell.formula.row, cell.formula.column)}"
        if cell.formula
        else "typed"
        for place, cell in found.items()
    }
    assert said == dict(one.split("=", 1) for one in expected.split())


def test_ranges_of_a_sheet(tmp_path: Path) -> None:
    book = read_rows(
        tmp_path,
        '<row r="1"><c r="A1"><f t="array" ref="A1:B2">C1:D2*2</f><v>1</v></c><c r="B1"><v>2</v></c></row>'
        '<row r="2"><c r="H2"><f t="array" ref="H2">SUM(A1:B1*2)</f><v>6</v></c></row>'
        '<row r="3"><c r="A3"><f t="dataTable" ref="A3:B4" dt2D="1" r1="F1" r2="F2"/><v>5</v></c></row>',
        '<mergeCells><mergeCell ref="D1:F2"/><mergeCell ref="nowhere"/></mergeCells>',
    )
    sheet = book.sheets["S"]
    assert sheet.arrays == ((0, 0, 1, 1),)
    assert sheet.data_tables == ((2, 0, 3, 1),)
    assert sheet.merged == ((0, 3, 1, 5),)
    assert sheet.cells[0, 0].formula == Formula("C1:D2*2", 0, 0)
    assert sheet.cells[2, 0].formula is None
    assert sheet.cells[2, 0].value == 5
    assert book.notes == ("S!A1:B2: is one array formula, which stands in its first cell alone",)


# The same workbook as other writers pack it: parts that change.
PACKINGS = {
    "absolute targets": {
        "_rels/.rels": relations(("officeDocument", "/xl/workbook.xml")),
        "xl/_rels/workbook.xml.rels": relations(
            ("worksheet", "/xl/worksheets/sheet1.xml"), ("sharedStrings", "/xl/strings.xml")
        ),
    },
    "relative targets": {
        "xl/_rels/workbook.xml.rels": relations(
            ("worksheet", "./x/../worksheets/sheet1.xml"), ("sharedStrings", "../xl/strings.xml")
        )
    },
    "backslashes": {
        "xl\\worksheets\\sheet1.xml": PARTS[SHEET],
        SHEET: "",
        "xl/_rels/workbook.xml.rels": PARTS["xl/_rels/workbook.xml.rels"].replace("worksheets/", "worksheets\\"),
    },
    "other case": {"xl/Worksheets/Sheet1.XML": PARTS[SHEET], SHEET: ""},
    "a target that is quoted": {
        "xl/worksheets/sheet one.xml": PARTS[SHEET],
        SHEET: "",
        "xl/_rels/workbook.xml.rels": PARTS["xl/_rels/workbook.xml.rels"].replace("sheet1", "sheet%20one"),
    },
    "no relation of the package": {"_rels/.rels": relations()},
    "strict": {
        name: text.replace(REL, "http://purl.oclc.org/ooxml/officeDocument/relationships").replace(
            MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main"
        )
        for name, text in PARTS.items()
    },
    "prefixes": {
        name: text.replace("xmlns=", "xmlns:x=").replace("<", "<x:").replace("<x:/", "</x:")
        for name, text in PARTS.items()
        if "xmlns=" in text
    },
    "UTF-16": {
        SHEET: ('<?xml version="1.0" encoding="UTF-16"?>' + PARTS[SHEET]).encode("utf-16"),
        "xl/workbook.xml": ("\ufeff" + PARTS["xl/workbook.xml"]).encode(),
    },
    "styles that are no XML": {"xl/styles.xml": "<styleSheet><", "xl/pivotCache/pivotCacheDefinition1.xml": "\0"},
    "an earlier part of the same name": {"XL/WORKBOOK.XML": PARTS["xl/workbook.xml"].replace('"S"', '"S"  ')},
    "names that lead out of the package": {"../../outside.xml": "<a/>", "/absolute.xml": "<a/>", "folder/": ""},
}


@pytest.mark.parametrize("changes", PACKINGS.values(), ids=PACKINGS)
def test_other_packings_of_the_same_workbook(tmp_path: Path, changes: dict[str, str | bytes]) -> None:
    parts = {name: text for name, text in {**PARTS, **changes}.items() if text or name not in PARTS}
    assert parts != PARTS
    plain = read(packed(tmp_path / "plain.xlsx")).sheets["S"]
    assert [cell.value for cell in plain.cells.values()] == ["w1", 0.5]
    folder = tmp_path / "alone"
    folder.mkdir()
    book = read(packed(folder / "packed.xlsx", parts))
    assert book.sheets["S"].cells == plain.cells
    assert book.notes == ()
    assert {path.name for path in tmp_path.rglob("*")} == {"plain.xlsx", "alone", "packed.xlsx"}


def test_of_two_parts_of_one_name_the_last_counts(tmp_path: Path) -> None:
    path = packed(tmp_path / "twice.xlsx")
    with zipfile.ZipFile(path, "a") as package, pytest.warns(UserWarning, match="Duplicate name"):
        package.writestr(SHEET, worksheet("<row><c><v>9</v></c></row>"))
    assert [cell.value for cell in read(path).sheets["S"].cells.values()] == [9]


# What makes a workbook unreadable, and what its message says; None takes the part away.
REFUSED = [
    ({"[Content_Types].xml": None}, "is a zip file without a workbook in it"),
    ({"xl/workbook.xml": None}, "xl/workbook.xml is missing"),
    ({"xl/workbook.xml": "<workbook>"}, "xl/workbook.xml is not well-formed XML"),
    ({"xl/workbook.xml": ""}, "xl/workbook.xml is not well-formed XML"),
    ({"xl/workbook.xml": workbook("")}, "has no worksheet that can be read"),
    ({SHEET: None}, "has no worksheet that can be read"),
    ({SHEET: worksheet("<row>")}, "not well-formed XML (mismatched tag"),
    ({SHEET: PARTS[SHEET][:-3]}, "not well-formed XML (unclosed token"),
    ({SHEET: '<?xml version="1.0" encoding="klingon"?><worksheet/>'}, "not well-formed XML (unknown encoding"),
    ({SHEET: "<!DOCTYPE worksheet><worksheet/>"}, "declares a document type"),
    ({SHEET: f'<!DOCTYPE a [<!ENTITY b "{"c" * 999}">]>' + worksheet("<row>&b;&b;</row>")}, "declares a document type"),
    ({"xl/strings.xml": "<!DOCTYPE sst SYSTEM 'file:///etc/passwd'><sst/>"}, "declares a document type"),
    ({"xl/_rels/workbook.xml.rels": "<!DOCTYPE a><a/>"}, "declares a document type"),
    ({SHEET: worksheet("<c>" * 300 + "</c>" * 300)}, "nests elements more than 200 deep"),
    ({"xl/workbook.xml": workbook("<a>" * 300 + "</a>" * 300)}, "nests elements more than 200 deep"),
    ({"xl/strings.xml": "<a>" * 300 + "</a>" * 300}, "nests elements more than 200 deep"),
    ({SHEET: worksheet(f"<!-- {' ' * (5 << 20)} -->")}, "has a tag or a comment of more than 4 MB"),
    ({"xl/workbook.xml": workbook(" " * (33 << 20))}, "is larger than 32 MB, as such a part never is"),
    ({"_rels/.rels": relations(("officeDocument", "xl/workbook.bin")), "xl/workbook.bin": "\0"}, "(.xlsb)"),
]


@pytest.mark.parametrize(("changes", "says"), REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, changes: dict[str, str | None], says: str) -> None:
    parts = {name: text for name, text in {**PARTS, **changes}.items() if text is not None}
    path = packed(tmp_path / "refused.xlsx", parts)
    with pytest.raises(WorkbookError) as error:
        read(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "; " in message  # the cure
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is not an .xlsx"), (b"PK", "damaged"), (b"\xd0\xcf\x11\xe0", "password"), (None, "cannot be read")],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "other.xlsx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WorkbookError, match=says), as_xlsx(path) as same:
        read(same)


def test_unusual_packing_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "packed.xlsx", {name: text for name, text in PARTS.items() if name != SHEET})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as package:
        package.writestr(SHEET, PARTS[SHEET])
    with pytest.raises(WorkbookError, match="packed in a way that spreadsheets do not use"):
        read(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with as_xlsx(path) as same:
        assert same == path


TWO = '<sheets><sheet name="S" sheetId="1" r:id="rId1"/><sheet name="{}" sheetId="2" r:id="{}"/></sheets>'
# What is left out of a workbook, and the notes about it.
NOTED = [
    (
        {"xl/strings.xml": None},
        ["xl/strings.xml: is missing, and with it the texts", "S!A1: shows a text that the file does not have"],
    ),
    ({"xl/workbook.xml": workbook(TWO.format("T", "rId9"))}, ["T: was not read; its part is missing"]),
    ({"xl/workbook.xml": workbook(TWO.format("S", "rId1"))}, ["S: a second sheet of this name was not read"]),
    ({"xl/workbook.xml": workbook(TWO.format("a&#10;&#155;1mb", "rId9"))}, ["a  1mb: was not read"]),
    ({"xl/workbook.xml": workbook(TWO.format("n" * 5000, "rId9"))}, ["n" * 300]),
    (
        {SHEET: worksheet("<row>" + '<c t="s"><v>9</v></c>' * 3 + "</row>")},
        ["S!A1 and 2 more: shows a text that the file does not have"],
    ),
    ({SHEET: worksheet(f"<row>{shared('B1', 4)}</row>")}, ["S!B1: shares a formula that no cell states"]),
    (
        {SHEET: worksheet('<row><c r="?"><v>1</v></c><c><v>1</v></c></row>')},
        ["S, a cell and 1 more: has an address that no sheet has"],
    ),
    ({"xl/worksheets/_rels/sheet1.xml.rels": relations(("drawing", "../none.xml"))}, ["S: a chart or table was not"]),
    ({"xl/worksheets/_rels/sheet1.xml.rels": "<"}, ["S: a chart or table was not read"]),
    (
        {"xl/worksheets/_rels/sheet1.xml.rels": relations(("table", "../t.xml")), "xl/t.xml": '<table name="T"/>'},
        ["S: a chart or table was not read; xl/t.xml names no range"],
    ),
]


@pytest.mark.parametrize(("changes", "notes"), NOTED)
def test_what_is_left_out_is_noted(tmp_path: Path, changes: dict[str, str | None], notes: list[str]) -> None:
    parts = {name: text for name, text in {**PARTS, **changes}.items() if text is not None}
    book = read(packed(tmp_path / "noted.xlsx", parts))
    assert len(book.notes) == len(notes)
    for found, start in zip(book.notes, notes):
        assert found.startswith(start)
        assert "\n" not in found
        assert len(found) <= 300


def test_a_shared_string_without_its_table_leaves_its_neighbours(tmp_path: Path) -> None:
    book = read(packed(tmp_path / "a.xlsx", {name: text for name, text in PARTS.items() if name != "xl/strings.xml"}))
    assert list(book.sheets["S"].cells) == [(0, 1)]


def test_facts_of_the_workbook(tmp_path: Path) -> None:
    inside = (
        '<sheets><sheet name="C" sheetId="3" r:id="rId2"/><sheet name="S" sheetId="1" r:id="rId1"/>'
        '<sheet name="h" sheetId="2" state="veryHidden" r:id="rId1"/></sheets>'
        '<definedNames><definedName name="Rate">S!$B$1</definedName><definedName name="eta" localSheetId="1">=0.5'
        "</definedName></definedNames>"
        '<calcPr fullPrecision="0" iterate="1"/>'
    )
    links = [("worksheet", "worksheets/sheet1.xml"), ("chartsheet", "worksheets/sheet1.xml"), ("externalLink", "e.xml")]
    links += [("vbaProject", "vbaProject.bin")]
    parts = {**PARTS, "xl/workbook.xml": workbook(inside), "xl/_rels/workbook.xml.rels": relations(*links)}
    book = read(packed(tmp_path / "facts.xlsm", parts))
    assert [(sheet.name, sheet.hidden) for sheet in book.sheets.values()] == [("S", False), ("h", True)]
    assert book.names == {"Rate": "S!$B$1", "S!eta": "0.5"}
    assert (book.full_precision, book.iterates, book.external_links, book.macros) == (False, True, True, True)
    plain = read(packed(tmp_path / "plain.xlsx"))
    assert (plain.full_precision, plain.iterates, plain.external_links, plain.macros) == (True, False, False, False)
    assert plain.path == tmp_path / "plain.xlsx"


# Charts and tables, as libraries write them.


def with_charts(path: Path) -> Path:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "My sheet"
    sheet.append(["step", "E"])
    for step in range(5):
        sheet.append([step, 0.1 / (step + 1)])
    line = LineChart()
    line.title = "Error\nby step"
    line.add_data(Reference(sheet, min_col=2, min_row=1, max_row=6), titles_from_data=True)
    line.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=6))
    line.y_axis.title = "not the title"
    sheet.add_chart(line, "D3")
    scatter = ScatterChart()
    scatter.series.append(
        Series(Reference(sheet, min_col=2, min_row=2, max_row=6), Reference(sheet, min_col=1, min_row=2, max_row=6))
    )
    scatter.series[0].tx = None
    sheet.add_chart(scatter, "D30")
    book.save(path)
    return path


def test_charts_of_openpyxl(tmp_path: Path) -> None:
    book = read(with_charts(tmp_path / "charts.xlsx"))
    steps, errors = "'My sheet'!$A$2:$A$6", "'My sheet'!$B$2:$B$6"
    assert book.charts == (
        Chart("My sheet", "Error by step", (ReadSeries("'My sheet'!B1", True, errors, steps),), (2, 3)),
        Chart("My sheet", "", (ReadSeries(None, False, errors, steps),), (29, 3)),
    )
    assert book.notes == ()


def test_a_damaged_chart_leaves_the_others(tmp_path: Path) -> None:
    whole = with_charts(tmp_path / "charts.xlsx")
    with zipfile.ZipFile(whole) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    parts["xl/charts/chart1.xml"] = b"<!DOCTYPE a><a/>"
    book = read(packed(tmp_path / "damaged.xlsx", parts))
    assert [chart.anchor for chart in book.charts] == [(29, 3)]
    assert len(book.notes) == 1
    assert book.notes[0].startswith("My sheet: a chart was not read; xl/charts/chart1.xml declares")
    parts["xl/drawings/drawing1.xml"] = b"<wsDr"
    book = read(packed(tmp_path / "damaged.xlsx", parts))
    assert book.charts == ()
    assert len(book.sheets["My sheet"].cells) == 12
    assert len(book.notes) == 1


def test_charts_and_tables_of_xlsxwriter(tmp_path: Path) -> None:
    path = tmp_path / "written.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("T")
        columns = [{"header": "w1"}, {"header": "two\nlines"}, {"header": "E", "total_function": "sum"}]
        sheet.add_table("B3:D9", {"name": "Train", "columns": columns, "total_row": True})
        sheet.add_table("F1:G4", {"name": "Bare", "header_row": False})
        chart = book.add_chart({"type": "line"})
        chart.add_series(
            {
                "name": "loss",
                "values": "=T!$D$4:$D$8",
                "trendline": {"type": "linear", "name": "trend"},
                "y_error_bars": {"type": "custom", "plus_values": "=T!$A$1:$A$5", "minus_values": "=T!$A$1:$A$5"},
                "data_labels": {"custom": [{"value": "=T!$B$1"}]},
            }
        )
        chart.set_title({"name": "=T!$B$3", "data": ["Loss of T"]})
        sheet.insert_chart("J2", chart)
        sheet.write_formula("A9", "=SUM(Train[E])", None, 0)
    found = read(path)
    assert found.list_objects == {
        "Train": ListObject("Train", "T", 2, 1, 8, 3, 1, 1, ("w1", "two\nlines", "E")),
        "Bare": ListObject("Bare", "T", 0, 5, 3, 6, 0, 0, ("Column1", "Column2")),
    }
    (chart_found,) = found.charts
    assert chart_found.series == (ReadSeries("loss", False, "T!$D$4:$D$8", None),)
    assert chart_found.anchor == (1, 9)
    assert found.sheets["T"].cells[8, 0].formula == Formula("SUM(Train[E])", 8, 0)


# A series with what other parts of a chart say by the same words, before what it says itself.
SERIES = (
    "<extLst><ext><tx><v>no</v></tx><val><f>no</f></val><ser/></ext></extLst>"
    "<dLbls><dLbl><tx><v>no</v></tx></dLbl></dLbls><trendline><tx><v>no</v></tx></trendline>"
    "<errBars><val><f>no</f></val></errBars>"
    "<tx><strRef><f>=S!$A$1</f><strCache><pt><v>w1</v></pt></strCache></strRef></tx>"
    "<cat><multiLvlStrRef><f> S!$A$2:$B$3</f></multiLvlStrRef></cat><val><numRef><f>S!$C$2:$C$3</f></numRef></val>"
)
TITLE = "<title><tx><strRef><f>S!$A$1</f><strCache><pt><v>from a cell</v></pt></strCache></strRef></tx></title>"


def test_a_chart_is_told_from_what_stands_in_it(tmp_path: Path) -> None:
    frame = '<graphicFrame><chart id="{}"/></graphicFrame>'
    shown = f"<from><col>4</col><row>2</row></from><to><col>9</col><row>9</row></to><grpSp>{frame}</grpSp>"
    again = f"<Choice>{frame.format('rId1')}</Choice><Fallback>{frame.format('rId1')}</Fallback>"
    anchors = shown.format("rId1"), again, frame.format("rId2"), frame.format("rId9")
    parts = {
        **PARTS,
        "xl/worksheets/_rels/sheet1.xml.rels": relations(("drawing", "..\\drawings\\drawing1.xml")),
        "xl/drawings/drawing1.xml": f"<a>{''.join(f'<twoCellAnchor>{one}</twoCellAnchor>' for one in anchors)}</a>",
        "xl/drawings/_rels/drawing1.xml.rels": relations(("chart", "../c.xml"), ("chartEx", "../c.xml")),
        "xl/c.xml": f"<chartSpace><chart>{TITLE}<plotArea><lineChart><ser>{SERIES}</ser></lineChart><valAx>"
        "<title><tx><rich><p><t>an axis</t></p></rich></tx></title></valAx></plotArea></chart></chartSpace>",
    }
    book = read(packed(tmp_path / "chart.xlsx", parts))
    series = ReadSeries("S!$A$1", True, "S!$C$2:$C$3", "S!$A$2:$B$3")
    assert book.charts == (Chart("S", "from a cell", (series,), (2, 4)),)
    assert book.notes == ()


# What reading may cost.


@pytest.mark.parametrize("part", [SHEET, "xl/strings.xml", "xl/workbook.xml"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, part: str) -> None:
    bomb = packed(tmp_path / "bomb.xlsx", {**PARTS, part: PARTS[part].replace("</", " " * (3 << 20) + "</", 1)})
    assert bomb.stat().st_size < 20_000
    with pytest.raises(WorkbookError, match="unpacks to more than 2 MB; raise the limit with --limit-megabytes"):
        read(bomb, Bounds(megabytes=2))
    assert list(read(bomb, Bounds(megabytes=4)).sheets) == ["S"]


def test_parts_that_are_read_again_count_again(tmp_path: Path) -> None:
    sheets = "".join(f'<sheet name="S{k}" sheetId="{k}" r:id="rId1"/>' for k in range(1, 9))
    large = worksheet("<row/>" + " " * (1 << 19))
    parts = {**PARTS, "xl/workbook.xml": workbook(f"<sheets>{sheets}</sheets>"), SHEET: large}
    with pytest.raises(WorkbookError, match="unpacks to more than 2 MB"):
        read(packed(tmp_path / "again.xlsx", parts), Bounds(megabytes=2))


def test_the_sizes_that_the_file_states_are_not_believed(tmp_path: Path) -> None:
    path = packed(tmp_path / "lies.xlsx", {**PARTS, SHEET: worksheet(" " * (3 << 20))})
    size = len(worksheet(" " * (3 << 20))).to_bytes(4, "little")
    content = path.read_bytes()
    assert content.count(size) == 2
    for stated in (100, 1 << 30):
        path.write_bytes(content.replace(size, stated.to_bytes(4, "little")))
        with pytest.raises(WorkbookError, match=r"cannot be unpacked|unpacks to more than (2|1024) MB"):
            read(path, Bounds(megabytes=2))


@pytest.mark.parametrize(
    "changes",
    [
        {SHEET: worksheet("".join(f"<row>{'<c><v>1</v></c>' * 60}</row>" for _ in range(50)))},
        {SHEET: worksheet('<row><c r="A1"><v>1</v></c></row>' * 3000)},
        {SHEET: worksheet("", "<mergeCells>" + '<mergeCell ref="A1:B1"/>' * 3000 + "</mergeCells>")},
        {"xl/strings.xml": f"<sst>{'<si/>' * 3000}</sst>"},
    ],
    ids=["cells", "one cell again and again", "merged", "texts"],
)
def test_filled_cells_are_bounded(tmp_path: Path, changes: dict[str, str]) -> None:
    path = packed(tmp_path / "many.xlsx", {**PARTS, **changes})
    with pytest.raises(WorkbookError, match="holds more than 2500 filled cells"):
        read(path, Bounds(cells=2500))
    assert read(path, Bounds(cells=3010)).notes == ()


def test_a_few_cells_are_counted_too(tmp_path: Path) -> None:
    path = packed(tmp_path / "few.xlsx")
    with pytest.raises(WorkbookError, match="holds more than 1 filled cells"):
        read(path, Bounds(cells=1))
    assert len(read(path, Bounds(cells=2)).sheets["S"].cells) == 2


def test_empty_formatted_rows_and_cells_cost_little(tmp_path: Path) -> None:
    rows = "".join(f'<row r="{k}" s="1" customFormat="1"/>' for k in range(1, 100_001))
    empty = '<c s="1"/>' * 100
    cells = "".join(f'<row r="{k}">{empty}</row>' for k in range(100_001, 102_001))
    path = packed(tmp_path / "empty.xlsx", {**PARTS, SHEET: worksheet(rows + cells)})
    tracemalloc.start()
    try:
        assert read(path, Bounds(cells=10)).sheets["S"].cells == {}
        assert tracemalloc.get_traced_memory()[1] < 2 * 2**20  # it is 0.5 MB; the cells would be tens of them
    finally:
        tracemalloc.stop()


# OpenDocument.


def open_document(path: Path, content: str) -> Path:
    return packed(path, {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": content})


@pytest.mark.libreoffice
def test_an_open_document_is_read_through_libreoffice(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "made.xlsx") as book:
        sheet = book.add_worksheet("Train")
        sheet.write_row("A1", ["w1", 0.25])
        sheet.write_formula("C1", "=B1*3")
    path = LibreOffice().convert(tmp_path / "made.xlsx", "ods", tmp_path / "out")
    with as_xlsx(path) as copy:
        assert copy != path
        cells = read(copy).sheets["Train"].cells
    assert not copy.exists()
    assert [cell.value for cell in cells.values()] == ["w1", 0.25, 0.75]
    assert cells[0, 2].formula == Formula("B1*3", 0, 2)


def test_an_open_document_without_libreoffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise EngineError("LibreOffice is not installed")

    monkeypatch.setattr("xlbackprop.engine.libreoffice.find", missing)
    path = open_document(tmp_path / "a.ods", "<a/>")
    with pytest.raises(WorkbookError, match="needs LibreOffice; install that, or save it"), as_xlsx(path):
        pass


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"<a>{' ' * (3 << 20)}</a>", "unpacks to more than 2 MB"),
        ("<!DOCTYPE a><a/>", "declares a document type"),
        ("<a>" * 300 + "</a>" * 300, "nests elements"),
        ("<a>", "not well-formed"),
        ('<image x:href="http://localhost/a.png"/>', "is a link (http://localhost/a.png)"),
        ('<object href=" ./b/../../a.ods "/>', "is a link"),
        ('<b><image href="/a.png"/></b>', "is a link"),
        ('<image href="..\\a.png"/>', "is a link"),
    ],
)
def test_libreoffice_is_not_given_what_could_hurt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, says: str
) -> None:
    monkeypatch.setattr("xlbackprop.engine.libreoffice.LibreOffice", lambda: pytest.fail("LibreOffice was asked"))
    path = open_document(tmp_path / "bad.ods", content)
    with pytest.raises(WorkbookError, match=re.escape(says)), as_xlsx(path, Bounds(megabytes=2)):
        pass


def test_harmless_links_are_no_reason_to_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Office:
        def convert(self, path: Path, to: str, folder: Path) -> Path:
            return folder / path.name

    monkeypatch.setattr("xlbackprop.engine.libreoffice.LibreOffice", Office)
    links = (
        '<a x:href="https://localhost/"/><image href="Pictures/1.png"/><image href="#T.A1"/><image href="./Object 1"/>'
    )
    with as_xlsx(open_document(tmp_path / "a.ods", f"<b>{links}</b>")) as copy:
        assert copy.parent != tmp_path


def test_an_open_document_whose_parts_hide_each_other(tmp_path: Path) -> None:
    path = open_document(tmp_path / "a.ods", "<a/>")
    with zipfile.ZipFile(path, "a") as package:
        package.writestr("Content.xml", "<a/>")
    with pytest.raises(WorkbookError, match="has two parts of one name"), as_xlsx(path):
        pass


def test_a_workbook_is_given_as_it_is(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.xlsx")
    with as_xlsx(path) as same:
        assert same == path


# Whatever the bytes are.


def mutated(content: bytes, chance: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at, other = chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                del data[at:]
            case 1 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                data[at : at + chance.randrange(30)] = chance.randbytes(chance.randrange(10))
            case 3:
                data[at:at] = data[other : other + chance.randrange(200)]
            case 4:
                del data[at : at + chance.randrange(100)]
    return bytes(data)


def outcome(path: Path) -> str:
    """Anything but a book or a complaint of ours is raised."""
    try:
        with as_xlsx(path) as same:
            read(same)
    except XlbackpropError as error:
        assert "\n" not in str(error)
        return "complaint"
    return "book"


@pytest.mark.parametrize("seed", range(3))
def test_no_bytes_raise_anything_but_a_complaint(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    whole = with_charts(tmp_path / "whole.xlsx").read_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as package:
        parts = {name: package.read(name) for name in package.namelist()}
        directory = package.start_dir
    path, outcomes = tmp_path / "mutant.xlsx", set()
    for _ in range(150):
        name = chance.choice(list(parts))
        packed(path, {**parts, name: mutated(parts[name], chance)})
        outcomes.add(outcome(path))
        path.write_bytes(mutated(whole, chance))
        outcomes.add(outcome(path))
        path.write_bytes(whole[:directory] + mutated(whole[directory:], chance))
        outcomes.add(outcome(path))
    assert outcomes == {"book", "complaint"}


# The hand-made workbooks, against another reader.


@pytest.mark.filterwarnings("ignore:DrawingML support")
@pytest.mark.parametrize("name", WILD or ["none"])
def test_wild_workbooks_are_read_as_openpyxl_reads_them(wild: Path, name: str) -> None:
    path = wild / name
    book = read(path)
    formulas, values = load_workbook(path), load_workbook(path, data_only=True)
    assert list(book.sheets) == [sheet.title for sheet in formulas.worksheets]
    assert book.notes == ()
    assert {one for sheet in formulas.worksheets for one in sheet.tables} == set(book.list_objects)
    with zipfile.ZipFile(path) as package:  # openpyxl does not see all charts
        assert len(book.charts) == sum(name.startswith("xl/charts/chart") for name in package.namelist())
    for sheet in book.sheets.values():
        theirs = {
            (cell.row - 1, cell.column - 1): cell
            for row in formulas[sheet.name].iter_rows()
            for cell in row
            if cell.value is not None
        }
        tables = {place for place, cell in theirs.items() if isinstance(cell.value, DataTableFormula)}
        assert set(sheet.cells) | tables == set(theirs)
        assert len(tables) == len(sheet.data_tables)
        for place, cell in sheet.cells.items():
            address = cell_name(*place)
            assert (address, cell.value) == (address, as_number(values[sheet.name][address].value))
            assert (address, expanded(cell.formula, address)) == (address, formula_of(theirs[place].value))


def as_number(value: object) -> object:
    return to_excel(value) if isinstance(value, (date, datetime)) else value


def expanded(formula: Formula | None, address: str) -> str | None:
    if formula is None:
        return None
    origin = cell_name(formula.row, formula.column)
    text = f"={formula.text}"
    return text if origin == address else Translator(text, origin).translate_formula(address)


def formula_of(value: object) -> str | None:
    text = value.text if isinstance(value, ArrayFormula) else value
    return text if isinstance(text, str) and text.startswith("=") else None
