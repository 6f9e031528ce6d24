"""What the fuzzers found, each as small as it can be told, and what is said of it now."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from click.testing import CliRunner

from benchmarks import audit
from benchmarks.fuzz import archives
from benchmarks.fuzz.corpus import MIMETYPE
from xlbackprop.audit.book import as_xlsx
from xlbackprop.audit.evaluate import evaluate
from xlbackprop.audit.formula import MOST_LEVELS, FormulaError, parse
from xlbackprop.audit.written import to_text
from xlbackprop.bring.data import samples
from xlbackprop.checking import is_ours
from xlbackprop.cli import main
from xlbackprop.crowd import Limits, alone
from xlbackprop.engine.extent import COLUMNS, ROWS, read_extent, read_texts
from xlbackprop.engine.package import MOST_BYTES, copy_with_canary, opened, sheet_parts
from xlbackprop.errors import NetworkError, WorkbookError, XlbackpropError

Parts = dict[str, bytes]
SHEET = "xl/worksheets/sheet1.xml"

# Formulas that overran the calls that Python allows, when they were parsed or when somebody walked the tree.
DEEP = {
    "percents": "1" + "%" * 2000,
    "sums in brackets": "(" * 90 + "1" + ("+1" * 100 + ")") * 90,
    "products in sums": "(" * 50 + "1" + ("*1" * 60 + "+1" * 60 + ")") * 50,
}


@pytest.mark.parametrize("formula", DEEP.values(), ids=DEEP)
def test_a_tree_of_many_levels(formula: str) -> None:
    with pytest.raises(FormulaError, match="levels"):
        parse(formula)


def test_a_formula_may_be_long_where_it_is_not_deep() -> None:
    text = "SUM(" + ",".join(["A1*B1"] * 2 * MOST_LEVELS) + ")"
    assert to_text(parse(text), lambda leaf: "x") == text.replace("A1", "x").replace("B1", "x")


def test_calls_run_out_where_the_caller_used_them_up() -> None:
    def called(depth: int) -> None:
        if depth:
            called(depth - 1)
        else:
            parse("(" * 95 + "1" + ")" * 95)

    with pytest.raises(FormulaError, match="nested too deep"):
        called(700)


@pytest.mark.parametrize("exponent", [math.nan, math.inf, -math.inf])
def test_a_power_whose_exponent_is_no_number(exponent: float) -> None:
    found = evaluate(parse("x^y"), lambda leaf: np.float64({"x": 0.5, "y": exponent}[leaf.text]))  # type: ignore[union-attr]
    assert not np.isfinite(found) or found == 0


# Workbooks.


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    path = tmp_path_factory.mktemp("theirs") / "theirs.xlsx"
    book = openpyxl.Workbook()
    audit.fill(book.active, 0.5, 3, rows=2)
    book.save(path)
    return archives.parts(path.read_bytes())


def _with(parts: Parts, name: str, old: str, new: str) -> bytes:
    text = parts[name].decode()
    assert re.search(old, text)
    return archives.written({**parts, name: re.sub(old, new, text, count=1).encode()})


def _extents(path: Path) -> None:
    with opened(path) as package:
        for part in sheet_parts(package).values():
            read_extent(package, part, read_texts(package))


def _copied(path: Path) -> None:
    copy_with_canary(path, path.with_name("copy.xlsx"))


ODD_PARTS: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    # what reads it; the part, what stands there, and what the fuzzer put in its place
    "a row that is no number": (_extents, SHEET, r'<row r="\d+"', '<row r="1e999"'),
    "a height that is none": (_extents, SHEET, r'<row r="\d+"', '<row ht="A1:A1" r="1"'),
    "a style before the first": (
        _extents,
        SHEET,
        "</v></c></row>",
        '</v></c><c r="Z2" s="-99" t="str"><v>x</v></c></row>',
    ),
    "an encoding that nobody knows": (is_ours, "xl/workbook.xml", "^<", '<?xml version="1.0" encoding="none"?><'),
    "a sheet with an endless number": (_copied, "xl/workbook.xml", r'sheetId="\d+"', f'sheetId="{"9" * 5000}"'),
}


@pytest.mark.parametrize(("read", "part", "old", "new"), ODD_PARTS.values(), ids=ODD_PARTS)
def test_a_part_that_cannot_be_read(
    read: Callable[[Path], object], part: str, old: str, new: str, parts: Parts, tmp_path: Path
) -> None:
    path = tmp_path / "odd.xlsx"
    path.write_bytes(_with(parts, part, old, new))
    with pytest.raises(WorkbookError, match="has a part that cannot be read"):
        read(path)


def test_an_encrypted_part(parts: Parts, tmp_path: Path) -> None:
    members = [archives.member(name, data) for name, data in parts.items()]
    path = tmp_path / "encrypted.xlsx"
    path.write_bytes(archives.archive([replace(one, flags=one.flags | 1) for one in members]))
    with pytest.raises(WorkbookError, match="encrypted"):
        is_ours(path)


def test_a_workbook_that_states_more_than_memory_holds(parts: Parts, tmp_path: Path) -> None:
    members = [archives.member(name, data) for name, data in parts.items()]
    members[0] = replace(members[0], size=MOST_BYTES)
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(archives.archive(members))
    with pytest.raises(WorkbookError, match="unpacks to more than 1024 MB"):
        is_ours(path)


@pytest.mark.parametrize("encoding", ["gb2312", "none"])
def test_an_open_document_in_an_encoding_that_the_parser_does_not_take(encoding: str, tmp_path: Path) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?><a/>'
    path = tmp_path / "odd.ods"
    path.write_bytes(archives.written({"mimetype": MIMETYPE, "content.xml": content.encode()}))
    with pytest.raises(WorkbookError, match=r"content\.xml is not well-formed XML"), as_xlsx(path):
        pass


_ANCHOR = """<xdr:wsDr xmlns:xdr="x"><xdr:oneCellAnchor>
<xdr:from><xdr:col>{0}</xdr:col><xdr:row>{0}</xdr:row></xdr:from>
<xdr:ext cx="{1}" cy="{1}"/></xdr:oneCellAnchor></xdr:wsDr>"""
_DRAWS = """<Relationships xmlns="r">
<Relationship Id="1" Type="x/drawing" Target="../drawings/drawing1.xml"/></Relationships>"""


@pytest.mark.parametrize(("corner", "size"), [(0, 10**30), (10**30, 1)])
def test_a_drawing_ends_where_the_sheet_does(corner: int, size: int, parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "drawing.xlsx"
    drawing = {"xl/drawings/drawing1.xml": _ANCHOR.format(corner, size).encode()}
    narrow = re.sub(
        "<sheetData>", '<sheetFormatPr defaultColWidth="0" defaultRowHeight="0"/><sheetData>', parts[SHEET].decode()
    )
    relations = {"xl/worksheets/_rels/sheet1.xml.rels": _DRAWS.encode()}
    path.write_bytes(archives.written({**parts, SHEET: narrow.encode(), **relations, **drawing}))
    with opened(path) as package:
        extent = read_extent(package, SHEET, read_texts(package))
    assert (extent.drawings[0].bottom, extent.drawings[0].right) == (ROWS - 1, COLUMNS - 1)


# Complaints.


def test_what_a_file_gives_for_names_stays_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text('"x\n\x1b[31m",' + "y," * 5000 + "y\n1,2\n", encoding="utf-8")
    with pytest.raises(NetworkError) as caught:
        samples(path)
    says = str(caught.value)
    assert says.isprintable()
    assert len(says) < 1000
    assert says.startswith("odd.csv: has no column label")
    assert says.endswith("say with targets which to use")


def test_a_csv_file_of_more_numbers_than_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.csv"
    path.write_text("x,t1\n" + "1,2\n" * 10, encoding="utf-8")
    assert len(samples(path)) == 10
    monkeypatch.setattr("xlbackprop.bring.data.MOST_NUMBERS", 19)
    with pytest.raises(NetworkError, match=r"large\.csv: has more than 19 numbers; give fewer"):
        samples(path)


def _hangs(path: Path) -> None:
    while True:
        pass


def test_a_single_file_has_bounds_as_well(tmp_path: Path) -> None:
    with pytest.raises(XlbackpropError, match=r"took more than 0\.1 s"):
        alone(_hangs, tmp_path, limits=Limits(seconds=0.1))


@pytest.mark.parametrize("words", [("explain", "w1", "{}"), ("weights", "{}", "-o", "w.npz")])
def test_a_command_outlives_what_it_reads(words: tuple[str, ...], small: Path) -> None:
    done = CliRunner().invoke(main, [*(word.format(small) for word in words), "--limit-seconds", "0.001"])
    assert done.exit_code == 2
    assert done.output == f"Error: {small}: took more than 0.001 s and was stopped; allow more time if you trust it\n"
