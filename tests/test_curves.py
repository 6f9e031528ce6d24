"""Function tables: the session's numbers, a workbook that verifies, and cells that are named when they are wrong."""

from __future__ import annotations

import ast
import math
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from openpyxl import load_workbook

from xlbackprop.curves import reference
from xlbackprop.curves.layout import Layout, layouts
from xlbackprop.curves.sheet import build
from xlbackprop.curves.spec import Functions, dumps, elementwise_losses, load, loads
from xlbackprop.curves.verify import verify
from xlbackprop.engine import engine
from xlbackprop.engine.package import replace_parts, sheet_parts
from xlbackprop.errors import NetworkError, OutputError, WorkbookError
from xlbackprop.graph.expr import Number, mul
from xlbackprop.graph.expr import build as op
from xlbackprop.graph.ops import ATOM, OPS, POWER, Operation, of_kind
from xlbackprop.reference import functions as definitions
from xlbackprop.reference.functions import ACTIVATIONS, Activation
from xlbackprop.reference.told import Calculator

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = {path.stem: path for path in sorted((ROOT / "templates" / "curves").glob("*.toml"))}
SESSION, EVERYTHING = "Input times weight", "All activations"
KL, NLL = "KL over L2", "Negative log-likelihood"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("curves")
    return {name: build(load(path), folder / f"{name}.xlsx") for name, path in TEMPLATES.items()}


def _layout(sheet: str) -> Layout:
    return next(one for path in TEMPLATES.values() for one in layouts(load(path)) if one.sheet == sheet)


def _column(book: Path, sheet: str, name: str) -> list[float]:
    layout = _layout(sheet)
    place = layout.place(layout.column(name))
    values = engine().recalculate(book).column(sheet, layout.first_row, place, layout.table.count)
    return [float(value) for value in values]  # type: ignore[arg-type]


def _changed(book: Path, copy: Path, sheet: str, cell: str, content: str) -> Path:
    """A copy with another content of one cell: `<f>...</f>`, `<v>...</v>` or nothing."""
    copy.write_bytes(book.read_bytes())
    with zipfile.ZipFile(book) as package:
        part = sheet_parts(package)[sheet]
        xml = package.read(part).decode()
    style = re.search(rf'<c r="{cell}"( s="\d+")?', xml)
    assert style, cell
    xml, found = re.subn(rf'<c r="{cell}"[^>]*>.*?</c>', f'<c r="{cell}"{style[1] or ""}>{content}</c>', xml)
    assert found == 1
    replace_parts(copy, {part: xml})
    return copy


# The session's table as printed: input, temp, ReLU, sigmoid, tanh; its inputs have lost digits, so the
# third decimal may be one off. The whole sigmoid column has the sign of temp wrong.
PRINTED = (
    (-0.488, -0.406, 0.000, 0.600, -0.385),
    (0.850, 0.706, 0.706, 0.330, 0.608),
    (-0.506, -0.421, 0.000, 0.604, -0.398),
    (-3.171, -2.635, 0.000, 0.933, -0.990),
    (-7.724, -6.419, 0.000, 0.998, -1.000),
    (2.573, 2.138, 2.138, 0.105, 0.973),
    (-3.305, -2.747, 0.000, 0.940, -0.992),
    (0.205, 0.170, 0.170, 0.458, 0.168),
    (-1.050, -0.873, 0.000, 0.705, -0.703),
    (0.000, 0.000, 0.000, 0.500, 0.000),
)


def test_the_session_s_table(books: dict[str, Path]) -> None:
    names = ("input", "temp", "identity", "relu", "sigmoid", "tanh")
    columns = {name: _column(books["activations"], SESSION, name) for name in names}
    for k, (given, temp, relu, sigmoid, tanh) in enumerate(PRINTED):
        assert columns["input"][k] == given
        assert columns["identity"][k] == columns["temp"][k] == pytest.approx(temp, abs=1e-3)
        assert columns["relu"][k] == pytest.approx(relu, abs=1e-3)
        assert columns["tanh"][k] == pytest.approx(tanh, abs=1e-3)
        assert columns["sigmoid"][k] == pytest.approx(1 - sigmoid, abs=1e-3)
    assert columns["sigmoid"][0] == pytest.approx(0.400, abs=5e-4)  # and not the printed 0.600
    texts = [cell.value for row in load_workbook(books["activations"])[SESSION].iter_rows(max_row=6) for cell in row]
    assert any("sign of temp wrong" in str(text) for text in texts)


@pytest.mark.parametrize(("likelihood", "printed"), [(0.71, 0.34), (0.98, 0.02), (0.49, 0.71)])
def test_the_session_s_unhappiness(likelihood: float, printed: float, books: dict[str, Path]) -> None:
    p = _column(books["losses"], NLL, "p")
    loss = _column(books["losses"], NLL, "cross-entropy d")
    k = int(np.argmin(np.abs(np.array(p) - likelihood)))
    assert p[k] == pytest.approx(likelihood, abs=1e-12)
    assert loss[k] == pytest.approx(printed, abs=5e-3)


def _names(sheet: str) -> list[str]:
    return [column.name for column in _layout(sheet).columns]


def test_nats_and_not_base_10(tmp_path: Path) -> None:
    """A well-known sheet shows .0589 where nats are .1357."""
    text = (
        'kind = "functions"\n[[tables]]\ntitle = "T"\nlosses = ["cross-entropy"]\ntargets = [1]\nnumbers = [0.8731]\n'
    )
    book = build(loads(text), tmp_path / "x.xlsx")
    layout = layouts(loads(text))[0]
    found = engine().recalculate(book).column("T", layout.first_row, 1, 1)[0]
    assert found == pytest.approx(0.1357, abs=5e-5)
    assert found / math.log(10) == pytest.approx(0.0589, abs=5e-5)  # type: ignore[operator]


def test_why_kl_over_l2(books: dict[str, Path]) -> None:
    """Fully wrong: L2 and its derivative have reached their ends, KL's go on."""
    ends = {name: _column(books["losses"], KL, name)[0] for name in _names(KL)}
    assert ends["y"] == 0.01
    assert ends["half squared error d1"] == pytest.approx(0.99**2 / 2)
    assert ends["∂half squared error d1/∂y"] == pytest.approx(-0.99)
    assert ends["binary cross-entropy d1"] == pytest.approx(-math.log(0.01))
    assert ends["∂binary cross-entropy d1/∂y"] == pytest.approx(-100)
    assert ends["binary cross-entropy d2"] == pytest.approx(-math.log(0.99))
    assert ends["∂binary cross-entropy d2/∂y"] == pytest.approx(1 / 0.99)


@pytest.mark.parametrize("calculator", ["embedded", pytest.param("libreoffice", marks=pytest.mark.libreoffice)])
@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_verify(name: str, calculator: str, books: dict[str, Path]) -> None:
    report = verify(books[name], engine=calculator)
    assert report.correct, report.as_text()
    assert report.cells > 1000
    assert report.witnessed > 400
    assert 0 < report.worst.relative < 1e-12
    assert report.as_json()["verdict"] == "correct"
    assert "complex step confirms" in report.as_text()


def test_templates_have_what_was_asked() -> None:
    assert set(TEMPLATES) == {"activations", "losses"}
    assert _layout(EVERYTHING).table.functions == tuple(of_kind("activation"))
    assert _layout(SESSION).inputs[0].value == 0.831
    assert _layout(KL).table.targets == (1, 0)


@pytest.mark.parametrize("name", TEMPLATES)
def test_read_back(name: str) -> None:
    functions = load(TEMPLATES[name])
    assert loads(dumps(functions)) == functions
    odd = replace_table(functions, notes=('a "quoted" \\ line\nand \u2028 another \x7f',), derivatives=False)
    assert loads(dumps(odd)) == odd
    assert len(dumps(odd).splitlines()) == dumps(odd).count("\n")


def replace_table(functions: Functions, **changes: object) -> Functions:
    import msgspec

    first, *rest = functions.tables
    return msgspec.structs.replace(functions, tables=(msgspec.structs.replace(first, **changes), *rest))


# The workbook


@pytest.mark.parametrize("name", TEMPLATES)
def test_same_bytes(name: str, books: dict[str, Path], tmp_path: Path) -> None:
    assert build(load(TEMPLATES[name]), tmp_path / "again.xlsx").read_bytes() == books[name].read_bytes()


@pytest.mark.parametrize("name", TEMPLATES)
def test_schema(name: str, books: dict[str, Path]) -> None:
    from openxml_audit import OpenXmlValidator

    result = OpenXmlValidator().validate(str(books[name]))
    assert result.is_valid, [str(error) for error in result.errors]


@pytest.mark.parametrize("name", TEMPLATES)
def test_carried_values_are_those_of_the_calculator(name: str, books: dict[str, Path]) -> None:
    formulas, values = load_workbook(books[name]), load_workbook(books[name], data_only=True)
    recalculated = engine().recalculate(books[name])
    compared = 0
    for sheet in formulas:
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"):
            carried = values[sheet.title][cell.coordinate].value
            found = recalculated.column(sheet.title, cell.row - 1, cell.column - 1, 1)[0]
            if isinstance(carried, str):
                assert carried == found
            else:  # its ERF is good to 6e-11
                assert carried == pytest.approx(found, rel=1e-13, abs=3e-10 if "ERF" in cell.value else 1e-16)
            compared += 1
    assert compared > 1000


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_sheet_has(name: str, books: dict[str, Path]) -> None:
    book = load_workbook(books[name])
    functions = load(TEMPLATES[name])
    assert book.sheetnames == [*(table.title for table in functions.tables), "Network file"]
    for layout in layouts(functions):
        sheet = book[layout.sheet]
        assert sheet.freeze_panes == f"B{layout.first_row + 1}"
        assert all(cell.comment for cell in sheet[layout.header_row + 1] if cell.value)
        assert len(sheet._charts) == 2
        assert all(chart.title and chart.x_axis.title and chart.y_axis.title for chart in sheet._charts)
        for one in layout.inputs:
            assert sheet.cell(one.row + 1, one.column + 1).fill.fgColor.rgb == "FFFFFBE0"
        for chart in sheet._charts:
            for series in chart.series:
                rows = [int(row) for row in re.findall(r"\$(\d+)", series.yVal.numRef.f)]
                assert rows == [layout.first_row + 1, layout.first_row + layout.table.count]
        typed = [cell for row in sheet.iter_rows() for cell in row if cell.data_type == "n" and cell.value is not None]
        assert len(typed) == len(layout.inputs)  # all other numbers are formulas


def test_only_functions_that_everybody_has(books: dict[str, Path]) -> None:
    used = set()
    for path in books.values():
        for sheet in load_workbook(path):
            for cell in (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"):
                used |= set(re.findall(r"([A-Z][A-Z0-9.]*)\(", cell.value))
    assert used == {"ABS", "COS", "ERF", "EXP", "LN", "MAX", "MIN", "PI", "ROW", "SIGN", "SIN", "SQRT", "TANH"}


def test_a_sheet_of_values_alone(tmp_path: Path) -> None:
    functions = replace_table(load(TEMPLATES["losses"]), derivatives=False, curves=False, notes=())
    book = build(functions, tmp_path / "x.xlsx")
    assert not load_workbook(book)[KL]._charts
    report = verify(book)
    assert report.correct
    assert report.witnessed == 100  # of the other sheet


def test_names_with_quotes(tmp_path: Path) -> None:
    functions = replace_table(load(TEMPLATES["losses"]), title="it's =A1", target='"d"', variable="=1+1")
    book = build(functions, tmp_path / "x.xlsx")
    report = verify(book)
    assert report.correct, report.as_text()
    assert load_workbook(book)["it's =A1"]["A10"].data_type == "s"


@pytest.mark.parametrize("name", elementwise_losses())
def test_every_loss_verifies(name: str, tmp_path: Path) -> None:
    text = f"""kind = "functions"
    [[tables]]
    title = "T"
    variable = "y"
    numbers = [0.001, 0.2, 0.5, 0.999999]
    losses = ["{name}"]
    targets = [0, 1, 0.25]
    """
    report = verify(build(loads(text), tmp_path / "x.xlsx"))
    assert report.correct, report.as_text()
    assert report.witnessed == 12


def test_far_from_zero_nothing_overflows(tmp_path: Path) -> None:
    text = 'kind = "functions"\n[[tables]]\ntitle = "T"\nactivations = "all"\nnumbers = [-800, -40, 1e-300, 40, 800]\n'
    report = verify(build(loads(text), tmp_path / "x.xlsx"))
    assert report.correct, report.as_text()


def test_a_number_without_a_value(tmp_path: Path) -> None:
    functions = replace_table(load(TEMPLATES["losses"]), grid=None, numbers=(0.5, 0.0))
    with pytest.raises(NetworkError, match=r"tables\[0\]: binary cross-entropy d1 has no value at y = 0.0; leave"):
        build(functions, tmp_path / "x.xlsx")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_file_s_place(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder; name a file"):
        build(load(TEMPLATES["losses"]), tmp_path)


# What verify finds


def _first(sheet: str) -> int:
    return _layout(sheet).first_row + 1


# template, sheet, column letter, rows below the first, the cell's new content; what is said of it
WRONG = (
    ("activations", SESSION, "G", 0, "<f>1/(1+EXP(B{row}))</f>", "sigmoid", "wrong-formula"),
    ("activations", SESSION, "G", 9, "<f>1/(1+EXP(B{row}))</f>", "sigmoid", "lucky-formula"),  # at 0 both are 0.5
    ("activations", SESSION, "B", 3, "<f>A{row}*0.831</f>", "temp", "lucky-formula"),
    ("activations", SESSION, "B", 3, "<f>A{row}*0.832</f>", "temp", "wrong-formula"),
    ("activations", SESSION, "H", 5, "<f>G{row}*(1+G{row})</f>", "∂sigmoid/∂temp", "wrong-formula"),
    ("activations", SESSION, "E", 4, "<v>0</v>", "relu", "typed-constant"),
    ("activations", SESSION, "E", 4, "<v>1</v>", "relu", "typed-constant"),
    ("activations", EVERYTHING, "A", 50, "<f>0.125*2</f>", "z", "lucky-formula"),
    ("losses", KL, "B", 7, "<f>0.5*(1-A{row})^2</f>", "half squared error d1", "lucky-formula"),
    ("losses", KL, "C", 7, "<f>$F$9-A{row}</f>", "∂half squared error d1/∂y", "wrong-formula"),
    ("losses", NLL, "B", 20, "<f>-$F$8*LOG10(A{row})</f>", "cross-entropy d", "wrong-formula"),
    ("losses", NLL, "B", 20, "", "cross-entropy d", "typed-constant"),
    ("losses", KL, "B", -1, '<f>"half squared error, d\u00a0=\u00a02"</f>', "header of half squared error d1", ""),
)


@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case[1]}-{case[2]}-{case[5]}-{case[6]}")
def test_a_wrong_cell_is_named(case: tuple[str, ...], books: dict[str, Path], tmp_path: Path) -> None:
    template, sheet, letter, below, content, quantity, kind = case
    cell = f"{letter}{_first(sheet) + below}"  # type: ignore[operator]
    path = _changed(books[template], tmp_path / "x.xlsx", sheet, cell, content.format(row=cell[1:]))
    report = verify(path)
    assert [(one.sheet, one.cell, one.quantity) for one in report.mismatches] == [(sheet, cell, quantity)]
    assert report.mismatches[0].kind == (kind or "wrong-formula")
    (mistake,) = report.as_json()["mistakes"]
    assert mistake["fix"] == "=" + dict(_layout(sheet).formulas())[sheet, int(cell[1:]) - 1, ord(letter) - 65]
    assert mistake["formula"] == (re.sub("</?f>", "", "=" + content.format(row=cell[1:])) if "<f>" in content else "")
    assert report.as_json()["verdict"] == "wrong"
    assert f"!{cell}" in report.as_text()
    assert mistake["fix"] in report.as_text()


def test_what_a_wrong_cell_spoils(books: dict[str, Path], tmp_path: Path) -> None:
    path = _changed(books["activations"], tmp_path / "x.xlsx", SESSION, f"G{_first(SESSION)}", "<f>0.6</f>")
    (mistake,) = verify(path).as_json()["mistakes"]
    assert mistake["spoils"] == ["∂sigmoid/∂temp"]


def test_an_error_is_not_blamed_on_what_uses_it(books: dict[str, Path], tmp_path: Path) -> None:
    path = _changed(books["activations"], tmp_path / "x.xlsx", EVERYTHING, f"A{_first(EVERYTHING)}", "<f>1/0</f>")
    report = verify(path)
    assert [one.quantity for one in report.mismatches] == ["z"]
    assert report.as_json()["mistakes"][0]["found"] is None
    assert "no number" in report.as_text()


@pytest.mark.libreoffice
def test_libreoffice_names_it_too(books: dict[str, Path], tmp_path: Path) -> None:
    cell = f"H{_first(SESSION)}"
    path = _changed(books["activations"], tmp_path / "x.xlsx", SESSION, cell, f"<f>G{cell[1:]}*(1-B{cell[1:]})</f>")
    assert [one.cell for one in verify(path, engine="libreoffice").mismatches] == [cell]


def test_a_wrong_rule_of_the_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "tanh", replace(OPS["tanh"], partials=lambda a, z: (mul(a, a),)))
    report = verify(build(load(TEMPLATES["activations"]), tmp_path / "x.xlsx"))
    assert {one.quantity for one in report.mismatches} == {"∂tanh/∂temp", "∂tanh/∂z"}


def test_the_same_wrong_derivative_told_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the complex step objects."""
    monkeypatch.setitem(OPS, "tanh", replace(OPS["tanh"], partials=lambda a, z: (mul(a, a),)))
    monkeypatch.setitem(ACTIVATIONS, "tanh", ACTIVATIONS["tanh"]._replace(slope=lambda z, a: a * a))
    report = verify(build(load(TEMPLATES["activations"]), tmp_path / "x.xlsx"))
    assert {(one.quantity, one.kind) for one in report.mismatches} == {
        ("∂tanh/∂temp", "wrong-gradient"),
        ("∂tanh/∂z", "wrong-gradient"),
    }


def test_a_wrong_definition_of_the_reference(books: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    loss = definitions.LOSSES["cross-entropy"]
    wrong = loss._replace(value=lambda t, y: loss.value(t, y) * (1 + 1e-11))
    monkeypatch.setitem(definitions.LOSSES, "cross-entropy", wrong)
    report = verify(books["losses"])
    found = {(one.quantity, one.kind, one.row) for one in report.mismatches}
    wrong_values = [row for quantity, kind, row in found if (quantity, kind) == ("cross-entropy d", "wrong-formula")]
    assert len(wrong_values) == 99  # all but that of p = 1, which is 0


@pytest.mark.parametrize("name", of_kind("activation"))
def test_reference_slopes_are_the_complex_step_s(name: str) -> None:
    z = np.linspace(-5, 5, 41)
    a = reference.value(name, z, None, Calculator()).values
    slopes = reference.slope(name, z, a, None, Calculator()).values
    assert np.allclose(slopes, reference.complex_step(name, z, None), rtol=1e-13, atol=1e-13)


def test_inputs_changed_by_hand(books: dict[str, Path], tmp_path: Path) -> None:
    layout = _layout(SESSION)
    weight = layout.settings[0]
    book = load_workbook(books["activations"])
    book[SESSION].cell(weight.row + 1, weight.column + 1).value = -2.5
    book[SESSION].cell(layout.first_row + 1, 1).value = 0.125
    book.save(tmp_path / "x.xlsx")
    report = verify(tmp_path / "x.xlsx")
    assert report.correct, report.as_text()
    temp = engine().recalculate(tmp_path / "x.xlsx").column(SESSION, layout.first_row, 1, 1)[0]
    assert temp == -2.5 * 0.125


def test_an_input_out_of_a_function_s_reach_stays_verifiable(books: dict[str, Path], tmp_path: Path) -> None:
    last = _layout(KL).settings[1]
    cell = f"{chr(65 + last.column)}{last.row + 1}"
    path = _changed(books["losses"], tmp_path / "x.xlsx", KL, cell, "<v>1.5</v>")
    assert verify(path).correct


@pytest.mark.parametrize(
    ("sheet", "place", "content", "complaint"),
    [
        (SESSION, "setting", "", r"'Input times weight'!B6 \(weight\) is empty; type a number"),
        (SESSION, "setting", "<f>1/0</f>", r"'Input times weight'!B6 \(weight\) is '#DIV/0!'; type a number"),
        (SESSION, "header", "<v>7</v>", r"'Input times weight'!G\d+ reads 7.0 where 'sigmoid' was written; undo"),
    ],
)
def test_a_workbook_that_cannot_be_verified(
    sheet: str, place: str, content: str, complaint: str, books: dict[str, Path], tmp_path: Path
) -> None:
    layout = _layout(sheet)
    cell = f"B{layout.inputs_row + 1}" if place == "setting" else f"G{layout.header_row + 1}"
    path = _changed(books["activations"], tmp_path / "x.xlsx", sheet, cell, content)
    with pytest.raises(WorkbookError, match=complaint.replace("B6", f"B{layout.inputs_row + 1}")) as caught:
        verify(path)
    assert "\n" not in str(caught.value)


def test_a_sheet_renamed_and_a_workbook_of_others(books: dict[str, Path], tmp_path: Path, small: Path) -> None:
    book = load_workbook(books["activations"])
    book[SESSION].title = "Mine"
    book.save(tmp_path / "x.xlsx")
    with pytest.raises(WorkbookError, match="the sheet 'Input times weight' is missing; undo its renaming"):
        verify(tmp_path / "x.xlsx")
    with pytest.raises(NetworkError, match=r"sheet 'Network file': kind: is None; a file of functions has kind"):
        verify(small)


def test_an_added_activation_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row here and a function there: its column, its derivative and its checks come by themselves."""
    earlier = build(load(TEMPLATES["activations"]), tmp_path / "earlier.xlsx")
    cubic = Operation(
        "cubic", "activation", "{0}^3", r"{0}^3", "3*z^2", POWER, (ATOM,),
        lambda a, z: (mul(Number(3), op("square", z)),),
    )  # fmt: skip
    monkeypatch.setitem(OPS, "cubic", cubic)
    monkeypatch.setitem(ACTIVATIONS, "cubic", Activation(lambda z: z**3, lambda z, a: 3 * z * z))
    path = build(load(TEMPLATES["activations"]), tmp_path / "x.xlsx")
    header = [cell.value for cell in load_workbook(path)[EVERYTHING][_first(EVERYTHING) - 1]]
    assert header[-2:] == ["cubic", "∂/∂z"]
    report = verify(path)
    assert report.correct
    assert report.witnessed == 10 * 4 + 97 * (len(of_kind("activation")))
    assert verify(earlier).correct  # an earlier workbook keeps its columns


# Files that are wrong

HEAD = 'kind = "functions"\n[[tables]]\ntitle = "T"\n'
GOOD = HEAD + 'numbers = [1.0]\nactivations = ["tanh"]\n'
INVALID = (
    ("kind = 3", "kind: is 3; a file of functions has kind = \"functions\""),
    ('kind = "functions"', "missing key tables"),
    ('kind = "functions"\ntables = []', "tables: expected a list of length >= 1"),
    ('kind = "functions"\ntables = 3', "tables: expected a list, got a whole number"),
    ("kind = ", "is not valid TOML"),
    (GOOD.replace("1.0", "1" + "0" * 5000), "is not valid TOML: Exceeds the limit"),
    ("a = " + "[" * 100_000, "brackets are nested too deep"),
    (GOOD.replace("title", "titel"), "tables[0]: unknown key titel; known are title, about"),
    (GOOD.replace("kind", '"" = 1\nkind', 1), "unknown key ; known are kind, tables, title"),
    (GOOD.replace("kind", "colour = 1\nkind", 1), "unknown key colour; known are kind, tables, title"),
    (GOOD + "grid = { first = 0, last = 1, counts = 3 }", "tables[0].grid: unknown key counts; known are first, last"),
    (GOOD + "factor = { value = 1, nam = 3 }", "tables[0].factor: unknown key nam; known are value, name, product"),
    (GOOD.replace("[1.0]", '["a"]'), "tables[0].numbers[0]: expected a number, got text"),
    (GOOD.replace("[1.0]", "[nan]"), "tables[0].numbers[0]: is nan; give a finite number"),
    (GOOD.replace("[1.0]", "[]"), "tables[0]: needs its rows; give numbers, or a grid"),
    (GOOD + "grid = { first = 0, last = 1, count = 3 }", "tables[0]: needs its rows; give numbers, or a grid"),
    (HEAD + 'activations = "all"\ngrid = { first = 0, last = 1, count = 1 }', "tables[0]: has 1 rows; give 2 to 1,000"),
    (HEAD + 'activations = "all"\ngrid = { first = 0, last = 1, count = 1001 }', "has 1001 rows; give 2 to 1,000"),
    (HEAD + 'activations = "all"\ngrid = { first = 2, last = 2, count = 9 }', "grid: first and last are both"),
    (HEAD + 'activations = "all"\ngrid = { first = 0, last = inf, count = 9 }', "tables[0].grid.last: is inf; give"),
    (GOOD + "factor = { value = inf }", "tables[0].factor.value: is inf; give a finite number"),
    (GOOD + "derivative_range = [1, -1]", "tables[0].derivative_range: 1.0 is not below -1.0; give the lower first"),
    (GOOD.replace("tanh", "tanhh"), "tables[0].activations: unknown value 'tanhh'; known are identity, sigmoid"),
    (GOOD.replace('["tanh"]', '"some"'), "tables[0].activations: unknown value 'some'"),
    (GOOD.replace("activations", "losses"), "tables[0].losses: unknown value 'tanh'; known are half squared error"),
    (GOOD + 'losses = ["nll"]\n', "tables[0]: a table shows activations or losses; give one of them"),
    (HEAD + "numbers = [1.0]", "tables[0]: a table shows activations or losses; give one of them"),
    (HEAD + 'numbers = [1.0]\nlosses = ["nll"]', "tables[0].targets: has 0; a loss needs 1 to 20"),
    (HEAD + 'numbers = [1.0]\nlosses = ["nll"]\ntargets = [nan]', "tables[0].targets[0]: is nan; give a finite"),
    (HEAD + 'numbers = [1.0]\nlosses = ["cross-entropy from logits"]\ntargets = [1]', "'cross-entropy from logits'"),
    (GOOD + "targets = [1]", "tables[0].targets: activations have no targets; leave them out"),
    (GOOD + 'variable = "tanh"', "tables[0]: the name 'tanh' stands for two quantities; rename one of them"),
    (GOOD + 'variable = ""', "tables[0]: '' is no name; give a word of at most 40 characters"),
    (GOOD + f'variable = "{"z" * 41}"', "is no name; give a word of at most 40 characters"),
    (GOOD + f"notes = {['a'] * 11}", "tables[0].notes: has 11 lines; give at most 10"),
    (GOOD.replace("1.0", "1" + "0" * 400), "tables[0].numbers[0]: "),
    (GOOD.replace('["tanh"]', '["tanh", "tanh"]'), "the name 'tanh' stands for two quantities"),
    (GOOD.replace('"T"', '""'), "tables[0].title: '' is no sheet name; give 1 to 31 characters"),
    (GOOD.replace('"T"', f'"{"T" * 32}"'), "is no sheet name; give 1 to 31 characters"),
    (GOOD.replace('"T"', '"a/b"'), "tables[0].title: 'a/b' is no sheet name; leave out"),
    (GOOD.replace('"T"', '"network FILE"'), "tables[0].title: the name 'network FILE' is taken"),
    (GOOD + GOOD[GOOD.index("[[") :], "tables[1].title: the name 'T' is taken; give each sheet another"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "complaint"), INVALID, ids=[complaint[:60] for _, complaint in INVALID])
def test_invalid(text: str, complaint: str) -> None:
    with pytest.raises(NetworkError) as caught:
        loads(text, "x.toml")
    assert str(caught.value).startswith("x.toml: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_valid_one_is_valid(tmp_path: Path) -> None:
    assert verify(build(loads(GOOD), tmp_path / "x.xlsx")).correct


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"none\.toml: cannot be read \(No such file or directory\); check the path"):
        load(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(NetworkError, match=r"x\.toml: is not UTF-8 text \(byte 0\); save it as UTF-8"):
        load(tmp_path / "x.toml")


# The rooms, and the pictures


def _imports(name: str) -> set[str]:
    tree = ast.parse((ROOT / "xlbackprop" / "curves" / f"{name}.py").read_text(encoding="utf-8"))
    return {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("spec", ("sheet", "reference", "engine", "verification", "curves")),
        ("layout", ("reference", "engine", "verification", "curves.reference")),
        ("sheet", ("reference", "engine", "verification", "curves.reference", "curves.verify")),
        ("reference", ("graph", "sheet", "engine", "verification", "curves.layout", "curves.sheet")),
    ],
)
def test_the_two_sides_do_not_know_each_other(module: str, never: tuple[str, ...]) -> None:
    imports = _imports(module)
    assert imports
    rooms = tuple(f"xlbackprop.{room}" for room in never)
    assert not [name for name in imports if name.startswith(rooms)]


def test_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    from xlbackprop.show import curves

    figures = []
    png = curves.png
    monkeypatch.setattr(curves, "png", lambda figure: (figures.append(figure), png(figure))[1])
    functions = load(TEMPLATES["losses"])
    first, second = (dict(curves.drawn(functions, "losses")) for _ in "ab")
    assert list(first) == ["losses-kl-over-l2.png", "losses-negative-log-likelihood.png"]
    assert first == second
    values, slopes = figures[0].axes
    assert [len(values.lines), len(slopes.lines)] == [4, 4]
    assert values.lines[1].get_ydata()[0] == pytest.approx(-math.log(0.01))
    assert slopes.lines[1].get_ydata()[0] == pytest.approx(-100)
    assert slopes.get_ylim() == (-10, 10)
    assert values.get_xlabel() == "y"
    assert len(list(curves.drawn(replace_table(functions, curves=False), "x"))) == 1
