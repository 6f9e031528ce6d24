"""Pictures of sheets: what is shown and what is cut, the copy that is printed, and what LibreOffice draws of it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pytest
import xlsxwriter
from click.testing import CliRunner
from PIL import Image

from xlbackprop.cli import main
from xlbackprop.engine.extent import Area, Extent, parse_area, read_extent, read_texts
from xlbackprop.engine.package import opened, replace_parts
from xlbackprop.engine.printing import Printed, copy_to_print, sheets_of
from xlbackprop.errors import EngineError, WorkbookError, XlbackpropError
from xlbackprop.show.framing import MOST_PIECES, WIDEST, frame
from xlbackprop.show.screenshots import Shot, screenshots

ROOT = Path(__file__).resolve().parent.parent
ERA_S6 = ROOT / "output" / "era-s6.xlsx"


def written(path: Path, fill: Callable[[Any], None]) -> Path:
    with xlsxwriter.Workbook(path) as book:
        fill(book)
    return path


def extents(path: Path) -> dict[str, Extent]:
    with opened(path) as package:
        texts = read_texts(package)
        return {sheet.name: read_extent(package, sheet.part, texts) for sheet in sheets_of(package)}


def cells(rows: range, columns: range, **more: Any) -> Extent:
    """A sheet with something in each of these cells."""
    reach = dict.fromkeys(rows, columns[-1])
    return Extent(dict.fromkeys(rows, tuple(columns)), reach, **{"drawings": (), "widths": {}, "heights": {}, **more})


# What a sheet takes up


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("A1:H20", Area(0, 0, 19, 7)),
        ("c3", Area(2, 2, 2, 2)),
        ("$H$20:$A$1", Area(0, 0, 19, 7)),
        ("XFD1048576", Area(1048575, 16383, 1048575, 16383)),
        *((bad, None) for bad in ("", "A", "A0", "XFE1", "A1048577", "A1:", "A1:B2:C3", "1A", "A１")),
    ],
)
def test_areas(text: str, area: Area | None) -> None:
    assert parse_area(text) == area


def test_the_extent_of_a_sheet(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("A")
        sheet.write("B2", 1)
        sheet.write_blank("Z99", None, book.add_format({"bold": True}))
        sheet.write("C5", "a text that runs on over the blank cells beside it")
        sheet.write(
            "C6", "a text that is wrapped and so stays in its column alone", book.add_format({"text_wrap": True})
        )
        sheet.merge_range("B8:F8", "merged")
        sheet.write("A12", "hidden")
        sheet.set_row(11, None, None, {"hidden": True})
        sheet.set_column("B:B", 20)
        sheet.set_row(1, 30)
        sheet.freeze_panes(2, 1)
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=A!$B$2:$B$3"})
        sheet.insert_chart("B20", chart)
        book.add_worksheet("Empty")

    extent = extents(written(tmp_path / "a.xlsx", fill))
    a = extent["A"]
    assert a.cells == {1: (1,), 4: (2,), 5: (2,), 7: (1,)}
    assert a.reach[1] == 1 and a.reach[5] == 2 and a.reach[7] == 5
    assert 5 <= a.reach[4] <= 9
    assert a.drawings == (Area(19, 1, 33, 7),)  # 480 by 288 pixels, of which B is 145
    assert a.used == Area(1, 1, 33, a.reach[4])
    assert (a.wide(1, 2), a.high(0, 1), a.high(11, 11)) == (pytest.approx(145 + 64, abs=2), 60, 0)
    assert (a.frozen_rows, a.frozen_columns) == (2, 1)
    assert a.empty(Area(0, 0, 0, 30)) and not a.empty(Area(4, 4, 4, 4)) and not a.empty(Area(25, 3, 26, 3))
    assert extent["Empty"].used is None


def test_formulas_that_nobody_calculated_count_and_empty_texts_do_not(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["C3"] = "=1+1"
    book.save(tmp_path / "a.xlsx")
    assert extents(tmp_path / "a.xlsx")["Sheet"].used == Area(2, 2, 2, 2)
    path = written(tmp_path / "b.xlsx", lambda book: book.add_worksheet().write_formula("C3", '=""', None, "x"))
    with zipfile.ZipFile(path) as package:
        xml = package.read("xl/worksheets/sheet1.xml").decode()
    assert extents(path)["Sheet1"].used == Area(2, 2, 2, 2)
    replace_parts(path, {"xl/worksheets/sheet1.xml": xml.replace("<v>x</v>", "<v></v>")})  # as Excel writes it
    assert extents(path)["Sheet1"].used is None


# What of it is shown


def test_a_small_sheet_is_shown_whole() -> None:
    framed = frame(cells(range(20), range(10)))
    assert framed.areas == (Area(0, 0, 19, 9),) and framed.cut == ""


def test_a_long_sheet_ends_with_a_section() -> None:
    rows = {row: (0,) for row in range(200) if row % 12}
    framed = frame(Extent(rows, dict.fromkeys(rows, 3), (), {}, {}))
    assert framed.areas == (Area(1, 0, 47, 3),) and framed.cut == "rows 49 to 200 are left out"


def test_a_long_sheet_ends_with_its_drawings_and_never_within_one() -> None:
    shown = [frame(cells(range(500), range(4), drawings=(Area(3, 6, bottom, 9),))).areas[0] for bottom in (39, 60, 400)]
    assert [area.bottom for area in shown] == [39, 60, 49]  # the last is too large for a picture


def test_a_wide_sheet_comes_in_pieces_with_its_frozen_columns() -> None:
    extent = cells(range(4, 30), range(40), frozen_rows=5, frozen_columns=1)
    extent.cells[0] = (0,)  # type: ignore[index]
    extent.reach[0] = 5  # type: ignore[index]
    framed = frame(extent, rows=12)
    assert framed.repeated == 1 and framed.cut == "rows 18 to 30 are left out"
    assert [str(area) for area in framed.areas] == ["A1:M17", "N5:AA17", "AB5:AN17"]


def test_pieces_do_not_cut_a_drawing() -> None:
    framed = frame(cells(range(9), range(40), drawings=(Area(0, 8, 8, 18), Area(0, 22, 8, 30))))
    for area in framed.areas:
        assert not any(drawing.left < area.left <= drawing.right for drawing in (Area(0, 8, 8, 18), Area(0, 22, 8, 30)))


def test_of_a_very_wide_sheet_the_first_pieces() -> None:
    framed = frame(cells(range(9), range(400)))
    assert len(framed.areas) == MOST_PIECES
    last = framed.areas[-1].right
    assert framed.cut.startswith("columns ") and framed.cut.endswith(" to OJ are left out") and last < 399
    assert all(64 * (area.right - area.left + 1) <= WIDEST for area in framed.areas)


# The copy that is printed


AWKWARD = 'it\'s & "so" <η> {0}'


def awkward(path: Path) -> Path:
    """A workbook with all that would change its pages."""

    def fill(book: Any) -> None:
        first = book.add_worksheet("First")
        first.write("A1", 1)
        first.set_footer("&P")
        sheet = book.add_worksheet(AWKWARD[:31])
        sheet.write("B2", "text")
        sheet.write_comment("B2", "a note")
        sheet.fit_to_pages(1, 1)
        sheet.set_landscape()
        sheet.set_header("&C&A")
        sheet.set_h_pagebreaks([1])
        sheet.print_area("A1:A2")
        sheet.repeat_rows(0)
        sheet.conditional_format("B2", {"type": "data_bar", "data_bar_2010": True})  # its extension list has a namesake
        sheet.insert_image("D4", str(ROOT / "output" / "era-s6-error.png"), {"x_scale": 0.1, "y_scale": 0.1})
        book.add_worksheet("Last").write("A1", 3)
        book.add_chartsheet("Chart").set_chart(chart := book.add_chart({"type": "line"}))
        chart.add_series({"values": "=First!$A$1:$A$2"})

    return written(path, fill)


def test_the_copy_prints_what_is_asked_for_and_nothing_else(tmp_path: Path) -> None:
    path, copy = awkward(tmp_path / "a.xlsx"), tmp_path / "copy.xlsx"
    before = path.read_bytes()
    with opened(path) as package:
        sheet = sheets_of(package)[1]
    copy_to_print(path, copy, [(sheet, Printed((Area(0, 0, 5, 6), Area(1, 3, 4, 5)), repeated=1))])
    assert path.read_bytes() == before
    with zipfile.ZipFile(copy) as package:
        assert package.testzip() is None
        sheets = sheets_of(package)
        book, xml = package.read("xl/workbook.xml").decode(), package.read(sheets[1].part).decode()
        others = {name for name in package.namelist() if "sheet2" not in name and not name.endswith("workbook.xml")}
        with zipfile.ZipFile(path) as original:
            assert set(package.namelist()) == set(original.namelist())
            assert all(package.read(name) == original.read(name) for name in others if not name.endswith(".rels"))
    assert [one.visible for one in sheets] == [False, True, False, False]
    assert [one.is_chart for one in sheets] == [False, False, False, True]
    names = {
        (node.get("name"), node.get("localSheetId")): node.text
        for node in ElementTree.fromstring(book).iter()
        if node.tag.endswith("}definedName")
    }
    quoted = "'" + AWKWARD[:31].replace("'", "''") + "'!"
    assert names == {
        ("_xlnm.Print_Area", "1"): f"{quoted}$A$1:$G$6,{quoted}$D$2:$F$5",
        ("_xlnm.Print_Titles", "1"): f"{quoted}$A:$A",
    }
    assert 'activeTab="1"' in book
    order = [node.tag.partition("}")[2] for node in ElementTree.fromstring(xml)]
    setup = order.index("printOptions")
    assert order[setup - 1 : setup + 5] == [
        "conditionalFormatting", "printOptions", "pageMargins", "pageSetup", "drawing", "legacyDrawing",
    ]  # fmt: skip
    assert not {"headerFooter", "rowBreaks"} & set(order)
    assert "fitToPage" not in xml and 'scale="100"' in xml and "landscape" not in xml


def test_the_copy_of_a_workbook_with_prefixes(tmp_path: Path) -> None:
    """Some writers give every element one; a custom view has a setup of its own."""
    path, copy = written(tmp_path / "a.xlsx", lambda book: book.add_worksheet().write("A1", 1)), tmp_path / "b.xlsx"
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name).decode() for name in package.namelist()}
    view = '<customSheetViews><customSheetView guid="{0}"><pageSetup scale="10"/></customSheetView></customSheetViews>'
    for name in ("xl/workbook.xml", "xl/worksheets/sheet1.xml"):
        xml = (
            parts[name]
            .replace("</sheetData>", f"</sheetData>{view}")
            .replace("<workbookView ", '<workbookView activeTab="7" ')
        )
        parts[name] = re.sub(r"<(/?)(?=[a-zA-Z])", r"<\1x:", xml).replace('xmlns="', 'xmlns:x="', 1)
    with zipfile.ZipFile(path, "w") as package:
        for name, text in parts.items():
            package.writestr(name, text)
    with opened(path) as package:
        copy_to_print(path, copy, [(sheets_of(package)[0], Printed((Area(0, 0, 0, 0),)))])
    with zipfile.ZipFile(copy) as package:
        book, sheet = (
            ElementTree.fromstring(package.read(name)) for name in ("xl/workbook.xml", "xl/worksheets/sheet1.xml")
        )
    main_names = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    assert [node.text for node in book.iter(f"{main_names}definedName")] == ["'Sheet1'!$A$1:$A$1"]
    assert [node.get("activeTab") for node in book.iter(f"{main_names}workbookView")] == ["0"]
    assert [node.get("scale") for node in sheet.iter(f"{main_names}pageSetup")] == ["100"]


# What is refused


@pytest.mark.parametrize(
    ("sheets", "ranges", "says"),
    [
        (["Nope"], [], "has no sheet 'Nope'; it has First, "),
        (["Chart"], [], "sheet 'Chart' has no cells"),
        ([], ["First!"], "'First!': is not a range of cells"),
        ([], ["A1:B2"], "'A1:B2': is not a range"),
        ([], ["First!A0"], "is not a range"),
        ([], ["Nope!A1"], "has no sheet 'Nope'"),
        ([], ["First!C3:D4"], "nothing stands there; its cells are A1:A1"),
        ([], ["First!A1:A9999"], "is too large"),
    ],
)
def test_what_cannot_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sheets: list[str], ranges: list[str], says: str
) -> None:
    monkeypatch.setattr("xlbackprop.show.screenshots.LibreOffice", lambda: pytest.fail("LibreOffice was asked"))
    with pytest.raises(WorkbookError, match=re.escape(says)):
        screenshots(awkward(tmp_path / "a.xlsx"), tmp_path / "out", sheets=sheets, ranges=ranges)
    assert not (tmp_path / "out").exists()


def test_workbooks_that_cannot_be_shown(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.xlsx", lambda book: book.add_worksheet())
    with pytest.raises(WorkbookError, match="empty or hidden"):
        screenshots(empty, tmp_path)
    with pytest.raises(WorkbookError, match="sheet 'Sheet1' is empty"):
        screenshots(empty, tmp_path, sheets=["Sheet1"])
    broken = tmp_path / "broken.xlsx"
    with zipfile.ZipFile(awkward(tmp_path / "a.xlsx")) as package, zipfile.ZipFile(broken, "w") as copy:
        for name in package.namelist():
            xml = package.read(name)
            copy.writestr(name, xml.replace(b' r="1"', b' r="one"') if name.endswith("sheet1.xml") else xml)
    for name, content in (
        ("short.xlsx", ERA_S6.read_bytes()[:9000]),
        ("old.xls", b"\xd0\xcf\x11\xe0"),
        ("a.txt", b"a"),
    ):
        (tmp_path / name).write_bytes(content)
    for name in ("broken.xlsx", "short.xlsx", "old.xls", "a.txt", "absent.xlsx"):
        with pytest.raises(WorkbookError, match=name) as caught:
            screenshots(tmp_path / name, tmp_path / "out")
        assert "\n" not in str(caught.value)


def test_without_libreoffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise EngineError("LibreOffice is not installed; install it")

    monkeypatch.setattr("xlbackprop.engine.libreoffice.find", missing)
    result = CliRunner().invoke(main, ["screenshot", str(ERA_S6), "-o", str(tmp_path / "out")])
    assert result.exit_code == 2 and "is not installed; install it" in result.output
    assert "--engine" not in result.output and not (tmp_path / "out").exists()


# What LibreOffice draws


def picture(shot: Shot) -> Image.Image:
    with Image.open(shot.path) as image:
        return image.convert("RGB")


def has(image: Image.Image, colour: tuple[int, int, int]) -> bool:
    return any(all(abs(a - b) < 6 for a, b in zip(colour, found)) for _, found in image.getcolors(1 << 24) or [])  # type: ignore[arg-type]


@pytest.mark.libreoffice
def test_the_class_workbook(tmp_path: Path) -> None:
    before = ERA_S6.read_bytes()
    result = CliRunner().invoke(main, ["screenshot", str(ERA_S6), "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    names = [Path(line.partition(":")[0]).name for line in result.output.splitlines()]
    pages = ["overview", "forward", "backward", "next-forward"]
    tables = [f"eta-0.5-{piece}" for piece in (1, 2, 3, 4)]
    assert names == [f"era-s6-{name}.png" for name in (*pages, *tables, "compare")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert "rows 18 to 106 are left out" in result.output
    for name in names:
        with Image.open(tmp_path / name) as image:
            assert 1500 < image.width <= 2000 and 200 < image.height < 2500
            rows = image.convert("L")
        # Headings at the top and something to read at the bottom: nothing is cut off there, and no paper is left.
        for band in ((0, 0, rows.width, 40), (0, rows.height - 60, rows.width, rows.height)):
            assert rows.crop(band).getextrema()[0] < 100
    assert ERA_S6.read_bytes() == before


@pytest.mark.libreoffice
def test_charts_pictures_and_awkward_names(tmp_path: Path) -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("it's & <η>")
        sheet.write_column("A1", [1, 2, 3])
        sheet.set_column("B:D", None, None, {"hidden": True})
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": "='it''s & <η>'!$A$1:$A$3", "fill": {"color": "#CC00CC"}, "gap": 20})
        sheet.insert_chart("F3", chart)
        secret = book.add_worksheet("Secret")
        secret.write("A1", "x", book.add_format({"bg_color": "#00CC00"}))
        secret.very_hidden()
        sheet = book.add_worksheet("η")
        sheet.write_row(3, 0, range(60), book.add_format({"bg_color": "#0000CC"}))
        sheet.write("A4", "frozen", book.add_format({"bg_color": "#CC0000"}))
        sheet.freeze_panes(0, 1)

    path = written(tmp_path / "a.xlsx", fill)
    shots = screenshots(path, tmp_path)
    assert [shot.path.name for shot in shots] == ["a-it-s-eta.png", *(f"a-eta-{piece}.png" for piece in (1, 2, 3, 4))]
    assert [shot.says for shot in shots[:2]] == ["it's & <η>", "η, columns A to O"]
    first = picture(shots[0])
    assert has(first, (0xCC, 0, 0xCC))
    for shot in shots[1:]:
        assert has(picture(shot), (0xCC, 0, 0)) and has(picture(shot), (0, 0, 0xCC))
    # What is asked for is drawn although it is hidden, in the order that is asked for, and always the same.
    asked = screenshots(path, tmp_path, sheets=["Secret"], ranges=["η!E4:F4", "'it''s & <η>'!F3:K10", "η!B4"])
    assert [shot.range for shot in asked] == ["A1:A1", "E4:F4", "F3:K10", "B4:B4"]
    assert has(picture(asked[0]), (0, 0xCC, 0)) and has(picture(asked[2]), (0xCC, 0, 0xCC))
    assert not has(picture(asked[1]), (0xCC, 0, 0)) and picture(asked[1]).width > picture(asked[3]).width
    assert len({shot.path for shot in asked}) == 4
    before = asked[1].path.read_bytes()
    assert screenshots(path, tmp_path, ranges=["η!E4:F4"])[0].path.read_bytes() == before


@pytest.mark.libreoffice
def test_what_cannot_be_drawn_leaves_no_picture(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xlsx", lambda book: book.add_worksheet().write("A1", 1))
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(XlbackpropError, match="cannot be written"):
        screenshots(path, blocked)
    assert blocked.read_text() == "not a folder"
