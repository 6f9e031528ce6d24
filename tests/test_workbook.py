"""The workbook as a file: whole, valid, the same each time, its values right, its functions everybody's."""

from __future__ import annotations

import os
import re
import stat
import zipfile
from pathlib import Path

import pytest
from openpyxl import load_workbook

from xlbackprop.engine import engine
from xlbackprop.errors import OutputError
from xlbackprop.kinds import build
from xlbackprop.networks import load, template_names
from xlbackprop.sheet.layout import CHECKS, NETWORK_FILE, OVERVIEW, PAGES, Layout
from xlbackprop.spec import loads, override

# What Excel 2010, LibreOffice and the embedded calculator all have.
FUNCTIONS = {
    "ABS",
    "ATAN",
    "AVERAGE",
    "CHOOSE",
    "COS",
    "COSH",
    "COUNTIF",
    "ERF",
    "EXP",
    "IF",
    "INDEX",
    "INT",
    "LN",
    "LOG10",
    "MAX",
    "MIN",
    "MOD",
    "PI",
    "ROUND",
    "ROW",
    "SIGN",
    "SIN",
    "SINH",
    "SQRT",
    "STDEVP",
    "SUM",
    "SUMPRODUCT",
    "SUMSQ",
    "TAN",
    "TANH",
}


def _parts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as package:
        return {name: package.read(name).decode(errors="surrogateescape") for name in package.namelist()}


def _to_five_digits(text: object) -> str:
    return re.sub(r"\d+(\.\d+)?(E-?\d+)?", lambda number: f"{float(number[0]):.4E}", str(text).upper())


def _formulas(path: Path) -> list[str]:
    return [formula for part in _parts(path).values() for formula in re.findall(r"<f[^>]*>([^<]+)</f>", part)]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    spec = override(load("three-hidden"), steps=9)
    first, second = build(spec, tmp_path / "a.xlsx"), build(spec, tmp_path / "b.xlsx")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", template_names())
def test_carried_values_are_those_of_the_calculator(name: str, tmp_path: Path) -> None:
    """Previews, pandas and web viewers show what stands beside the formula; it must be its value, to the bit."""
    spec = override(load(name), steps=30)
    path = build(spec, tmp_path / "x.xlsx")
    # A calculator's own AVERAGE and STDEVP add up in an order of their own.
    last_bits = 1e-13 if spec.normalize else 0.0
    formulas, values = load_workbook(path), load_workbook(path, data_only=True)
    recalculated = engine().recalculate(path)
    compared = 0
    for sheet in formulas:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    carried = values[sheet.title][cell.coordinate].value
                    found = recalculated.column(sheet.title, cell.row - 1, cell.column - 1, 1)[0]
                    if isinstance(carried, str):  # calculators write a number inside a text with more or fewer digits
                        assert carried == found or _to_five_digits(carried) == _to_five_digits(found), cell
                    else:  # on Checks, numbers stand in differences of nearly equal errors
                        allowed = last_bits * (1e4 if sheet.title == CHECKS else 1)
                        assert carried == pytest.approx(found, rel=allowed, abs=allowed), cell
                    compared += 1
    assert compared > 300


def test_every_calculated_cell_is_a_formula(small: Path) -> None:
    book, layout = load_workbook(small), Layout(override(load("era-s6"), rates=(0.5, 2.0), steps=6))
    for run in layout.runs():
        for k in range(run.count):
            cell = book[run.sheet].cell(run.rows[k] + 1, run.column + 1)
            assert cell.value == "=" + layout.run_formula(run, k), cell


def test_sheets_in_order(era: Path) -> None:
    book = load_workbook(era)
    tables = [f"η={rate}" for rate in (0.1, 0.2, 0.5, 0.8, 1.0, 2.0)]
    assert book.sheetnames == [OVERVIEW, *PAGES, *tables, "Compare", CHECKS, "Activations", "Losses", NETWORK_FILE]
    for table in tables:
        sheet = book[table]
        assert sheet.freeze_panes == "B6"
        assert all(cell.comment for cell in sheet[5])
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.print_title_rows == "$5:$5"
    assert len(book["Compare"]._charts) == 2
    assert all(len(book[table]._charts) == 1 for table in (*tables, OVERVIEW))


def test_inputs_stand_on_overview_once_with_names(era: Path) -> None:
    book, layout = load_workbook(era), Layout(load("era-s6"))
    names = {name: book.defined_names[name].attr_text for name in book.defined_names}
    assert names == dict(layout.defined_names())
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                # What the curves of functions are drawn for is chosen beside them, and so are the steps of Checks.
                may_be_input = sheet.title in (OVERVIEW, CHECKS, "Activations", "Losses")
                is_input = may_be_input and cell.fill.fgColor.rgb == "FFFFFBE0"
                if isinstance(cell.value, (int, float)) and not is_input:
                    assert (sheet.title, cell.column_letter) == (OVERVIEW, "H")  # the samples' numbers 1, 2, ...
    assert sum(len(validation.sqref.ranges) for validation in book[OVERVIEW].data_validations.dataValidation) == 8


def test_no_defined_name_is_a_cell() -> None:
    """w1 as a defined name is cell W1, and R1C1 a cell too: Excel would call the file damaged."""
    spec = loads((Path(__file__).parent / "networks/valid/names-of-cells.toml").read_text())
    for name, _ in Layout(spec).defined_names():
        assert re.fullmatch(r"[a-z]+_\w+", name)


@pytest.mark.parametrize("name", template_names())
def test_only_functions_that_everybody_has(name: str, tmp_path: Path) -> None:
    formulas = _formulas(build(override(load(name), steps=3), tmp_path / "x.xlsx"))
    used = {function for formula in formulas for function in re.findall(r"([A-Z][A-Z0-9.]*)\(", formula)}
    assert used <= FUNCTIONS
    assert {"INDEX", "ROUND"} <= used
    assert not any("[" in formula or "_xlfn" in formula for formula in formulas)


@pytest.mark.parametrize("name", template_names())
def test_schema(name: str, tmp_path: Path) -> None:
    """What Excel opens without offering to repair."""
    from openxml_audit import OpenXmlValidator

    path = build(override(load(name), steps=5), tmp_path / "x.xlsx")
    result = OpenXmlValidator().validate(str(path))
    assert result.is_valid, [str(error) for error in result.errors]


def test_the_schema_check_can_fail(small: Path, tmp_path: Path) -> None:
    from openxml_audit import OpenXmlValidator

    broken = tmp_path / "x.xlsx"
    with zipfile.ZipFile(broken, "w") as package:
        for name, text in _parts(small).items():
            broken_text = text.replace("<sheetData>", "<sheetData><nonsense/>", 1)
            package.writestr(name, broken_text.encode(errors="surrogateescape"))
    assert not OpenXmlValidator().validate(str(broken)).is_valid


def test_inputs_keep_all_their_digits(tmp_path: Path) -> None:
    """Writers keep 16 digits, which loses the last bit of a quarter of all doubles."""
    rate = 0.1 + 0.2 - 1e-17
    rates = tuple(rate * (1 + k * 2.0**-52) for k in range(8))
    path = build(override(load("era-s6"), rates=rates, steps=1), tmp_path / "x.xlsx")
    sheet = load_workbook(path)[OVERVIEW]
    assert tuple(sheet.cell(9 + k, 2).value for k in range(8)) == rates
    assert any(float(f"{value:.16g}") != value for value in rates)


def test_text_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    text = '=HYPERLINK("http://example.com")'
    spec = override(load("era-s6"), title=text, about="+1+1", source="@SUM(1)", steps=1)
    path = build(spec, tmp_path / "x.xlsx")
    sheet = load_workbook(path)[OVERVIEW]
    assert [sheet.cell(row, 1).data_type for row in (1, 2, 3)] == ["s", "s", "s"]
    assert sheet["A1"].value == text
    assert not any('TargetMode="External"' in part for part in _parts(path).values())


def test_a_failed_build_leaves_the_earlier_file(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xlbackprop.sheet import tables

    target = tmp_path / "x.xlsx"
    target.write_bytes(small.read_bytes())

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "write_compare", fail)
    with pytest.raises(OutputError, match=r"x\.xlsx: cannot be written \(No space left on device\); choose another"):
        build(load("era-s6"), target)
    assert target.read_bytes() == small.read_bytes()
    assert list(tmp_path.iterdir()) == [target]


def test_the_file_has_the_usual_permissions(small: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(small.stat().st_mode) == 0o666 & ~mask


def test_a_folder_in_the_file_s_place(tmp_path: Path) -> None:
    (tmp_path / "x.xlsx").mkdir()
    with pytest.raises(OutputError, match="is a folder; name a file"):
        build(load("era-s6"), tmp_path / "x.xlsx")


def test_the_class_sheet_s_own_formulas(wild: Path) -> None:
    """Ours read like those of the class template, cell for cell, but for its slip in two columns."""
    theirs = load_workbook(wild / "01-class-template.xlsx")["Sheet1"]
    layout = Layout(load("era-s6"))
    names = [str(cell.value).replace("E_tot", "E_total") for cell in theirs[32]]
    ours_at = {name: f"{cell.column_letter}" for name, cell in zip(names, theirs[32])}

    def in_their_cells(formula: str) -> str:
        columns = {column: name for name, column in layout.columns.items()}

        def translate(match: re.Match[str]) -> str:
            letters, row = match[1], int(match[2])
            number = 0
            for letter in letters:
                number = number * 26 + ord(letter) - 64
            return f"{ours_at[columns[number - 1]]}{row + 27}"

        return re.sub(r"(?<![$A-Z])([A-Z]+)(\d+)", translate, formula).replace("$B$3", "$G$31")

    different = set()
    for name in names:
        cell = layout.table[name]
        formula = layout.table_rows.formula(cell, 1) if cell.expr is not None else ""
        their = str(theirs[f"{ours_at[name]}34"].value).removeprefix("=").replace(" ", "")
        if cell.expr is not None and not formula.startswith(("in_", "target_")) and in_their_cells(formula) != their:
            different.add(name)
    assert different == {"∂E/∂w3", "∂E/∂w4"}
