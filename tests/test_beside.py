"""The sheets of functions beside a training, the ways between the sheets, and what a cell shows of its number."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from xlbackprop import kinds
from xlbackprop.curves import beside
from xlbackprop.curves.spec import loads as functions
from xlbackprop.engine import engine
from xlbackprop.engine.package import replace_parts, sheet_parts
from xlbackprop.networks import load, template_names
from xlbackprop.sheet.layout import OVERVIEW, PAGES, Layout
from xlbackprop.spec import override

HOSTILE = "=cmd|' /C calc'!A1 & <script> $x$"


def _parts(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as package:
        names = [name for name in package.namelist() if not name.endswith(".png")]
        return {name: package.read(name).decode() for name in names}


def _with_cell(book: Path, sheet: str, cell: str, content: str, path: Path) -> Path:
    """A copy in which a cell has that content and its old style."""
    path.write_bytes(book.read_bytes())
    with zipfile.ZipFile(path) as package:
        part = sheet_parts(package)[sheet]
        xml = package.read(part).decode()
    xml, found = re.subn(rf'<c r="{cell}"( s="\d+")?[^>]*>.*?</c>', rf'<c r="{cell}"\1>{content}</c>', xml)
    assert found == 1
    replace_parts(path, {part: xml})
    return path


@pytest.mark.parametrize("name", template_names())
def test_each_network_has_the_curves_of_its_own_functions(name: str, tmp_path: Path) -> None:
    spec = override(load(name), steps=3)
    path = kinds.build(spec, tmp_path / "x.xlsx")
    layouts = beside.layouts(spec)
    applied = {one.layer.applied for one in spec.placed} - {None, "identity"}
    shown = {column.function for layout in layouts for column in layout.columns}
    assert applied <= shown
    assert not applied or {"sigmoid", "tanh", "relu"} <= shown
    book = load_workbook(path)
    for layout in layouts:
        assert len(book[layout.sheet]._charts) == 2
    report = kinds.verify(path, engine="embedded")
    assert report.correct
    assert [one["sheet"] for one in report.as_json().get("functions", [])] == [layout.sheet for layout in layouts]


@pytest.mark.parametrize(
    ("name", "sheets"),
    [
        ("era-s6", ["Activations", "Losses"]),
        ("graddesc", ["Losses"]),  # no activation
        ("micrograd-neuron", ["Activations"]),  # the error is the output
        ("cs231n-circuits", []),
    ],
)
def test_a_network_without_such_functions_has_no_such_sheets(name: str, sheets: list[str]) -> None:
    assert [layout.sheet for layout in beside.layouts(load(name))] == sheets


def test_cross_entropy_from_logits_is_shown_over_the_probability() -> None:
    spec = override(load("softmax-nll"), loss="cross-entropy from logits")
    (table,) = [layout.table for layout in beside.layouts(spec) if layout.sheet == beside.LOSSES]
    assert table.losses == ("cross-entropy",)
    assert "probability that softmax gives" in table.about


def test_of_many_targets_four_have_a_curve() -> None:
    spec = load("half-moons")
    samples = tuple(type(one)(one.inputs, (k / 39,)) for k, one in enumerate(spec.samples))
    chosen = beside.targets(override(spec, samples=samples))
    assert [target.of(override(spec, samples=samples)) for target in chosen.values()] == [0, 13 / 39, 26 / 39, 1]


def test_the_losses_take_their_targets_from_overview(era: Path) -> None:
    layout = Layout(load("era-s6"))
    target = layout.samples[2][0]
    changed = engine().recalculate(era).changed({(OVERVIEW, target.row, target.column): 0.25})
    losses = beside.layouts(load("era-s6"))[1]
    (link,) = losses.linked
    assert changed.column(*losses.input_place(link), 1) == [0.25]
    zero = losses.table.grid.count // 3 if losses.table.grid else 0  # of the output, from -1 to 2
    assert changed.column(*losses.row_place(losses.columns[1], zero), 1)[0] == pytest.approx(0.25**2 / 2, rel=1e-12)


@pytest.mark.parametrize(
    ("sheet", "cell", "content", "kind"),
    [
        ("Activations", "B9", "<v>0.1</v>", "typed-constant"),
        ("Activations", "B9", "<f>0.5*A9</f>", "wrong-formula"),
        ("Activations", "C9", "<f>B9*(1-B9)*1.001</f>", "wrong-formula"),
        ("Losses", "F5", "<v>0.5</v>", "typed-constant"),
        ("Losses", "F5", "<f>target_t2</f>", "lucky-formula"),  # t1 and t2 are equal
        ("Losses", "F5", "<f>target_t2+0.1</f>", "wrong-formula"),
    ],
)
def test_what_is_wrong_there_is_found(
    sheet: str, cell: str, content: str, kind: str, small: Path, tmp_path: Path
) -> None:
    report = kinds.verify(_with_cell(small, sheet, cell, content, tmp_path / "x.xlsx"), engine="embedded")
    (mistake,) = report.as_json()["mistakes"]
    assert (mistake["sheet"], mistake["cell"], mistake["kind"]) == (sheet, cell, kind)
    assert mistake["fix"].startswith("=")
    tables = {one["sheet"]: one["verdict"] for one in report.as_json()["functions"]}
    assert tables.pop(sheet) == "wrong"
    assert set(tables.values()) == {"correct"}


def test_one_recalculation_and_one_with_other_inputs(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LibreOffice takes seconds for each."""
    from xlbackprop.engine.embedded import Embedded

    seen: list[int] = []
    recalculate = Embedded.recalculate

    def counted(self: Embedded, path: Path) -> object:
        seen.append(1)
        result = recalculate(self, path)
        change = result.changed
        monkeypatch.setattr(result, "changed", lambda inputs: seen.append(2) or change(inputs), raising=False)
        return result

    monkeypatch.setattr(Embedded, "recalculate", counted)
    assert kinds.verify(small, engine="embedded").correct
    assert seen == [1, 2]


@pytest.mark.libreoffice
@pytest.mark.parametrize("name", ["mazur", "softmax-nll"])
def test_libreoffice_agrees(name: str, tmp_path: Path) -> None:
    path = kinds.build(override(load(name), steps=4), tmp_path / "x.xlsx")
    assert kinds.verify(path, engine="libreoffice").correct


def test_the_choice_of_step_and_rate_is_a_list(era: Path) -> None:
    layout = Layout(load("era-s6"))
    validations = {str(one.sqref): one for one in load_workbook(era)[OVERVIEW].data_validations.dataValidation}
    step, rate = (validations[f"B{one.row + 1}"] for one in layout.selectors)
    assert (step.type, step.formula1) == ("list", "'η=0.1'!$A$6:$A$106")
    assert (rate.type, rate.formula1) == ("list", '"1,2,3,4,5,6"')
    assert all(one.showErrorMessage and one.error for one in (step, rate))


def test_more_rates_than_a_list_has_room_for(tmp_path: Path) -> None:
    """Excel calls a file damaged whose list is longer than 255 characters."""
    rates = tuple(0.01 * (k + 1) for k in range(100))
    path = kinds.build(override(load("era-s6"), rates=rates, steps=1), tmp_path / "x.xlsx")
    validations = load_workbook(path)[OVERVIEW].data_validations.dataValidation
    assert {one.type for one in validations} == {"decimal", "list", "whole"}
    assert all(len(one.formula1) <= 255 for one in validations)


@pytest.mark.parametrize("name", ["era-s6", "half-moons", "cs231n-circuits"])
def test_every_sheet_has_a_link_on_overview_and_links_lead_somewhere(name: str, tmp_path: Path) -> None:
    path = kinds.build(override(load(name), steps=3), tmp_path / "x.xlsx")
    book = load_workbook(path)
    links = {
        sheet.title: [cell.hyperlink.location for row in sheet.iter_rows() for cell in row if cell.hyperlink]
        for sheet in book
    }
    led = {location.rpartition("!")[0].strip("'") for location in links[OVERVIEW]}
    assert led == set(book.sheetnames) - {OVERVIEW}
    step = Layout(load(name)).selectors[0]
    assert all(links[page] == [f"{OVERVIEW}!$B${step.row + 1}"] for page in PAGES)
    assert not any('TargetMode="External"' in part for part in _parts(path).values())


def test_texts_that_look_like_formulas_or_markup_stay_texts(tmp_path: Path) -> None:
    spec = override(load("era-s6"), title=HOSTILE, about=HOSTILE, source=HOSTILE, steps=1)
    book = load_workbook(kinds.build(spec, tmp_path / "x.xlsx"))
    assert [book[OVERVIEW][f"A{row}"].value for row in (1, 2, 3)] == [HOSTILE, HOSTILE, f"Source: {HOSTILE}"]
    assert book[OVERVIEW]["A1"].data_type == "s"
    assert book.properties.title == HOSTILE


def test_titles_of_charts_stay_texts(tmp_path: Path) -> None:
    """XlsxWriter makes a reference of a title such as `=a!A1`."""
    title, variable = "=cmd|'C calc'!A1 & <b>", "=x!B2"
    text = f'kind = "functions"\n[[tables]]\ntitle = "{title}"\nvariable = "{variable}"\nactivations = ["tanh"]\n'
    path = kinds.build(functions(text + "grid = { first = 0, last = 1, count = 5 }\n"), tmp_path / "x.xlsx")
    charts = [text for name, text in _parts(path).items() if name.startswith("xl/charts/chart")]
    assert len(charts) == 2
    for chart in charts:
        titles = re.findall(r"<c:title>.*?</c:title>", chart, re.DOTALL)
        assert len(titles) == 3  # of the chart and its axes
        assert all("<c:rich>" in one and "<c:f>" not in one for one in titles)
    assert "<a:t>=cmd|'C calc'!A1 &amp; &lt;b&gt;</a:t>" in charts[0]


def _shown(number: float, sheet: Worksheet, cell: str) -> str:
    """A number as the first rule that holds for the cell shows it, else its own format."""
    how = sheet[cell].number_format
    for area in sheet.conditional_formatting:
        for rule in area.rules if cell in area else ():
            low, high = (*map(float, rule.formula), 0.0)[:2]
            holds = {"equal": number == low, "between": low <= number <= high, "notBetween": not low <= number <= high}
            if holds[rule.operator]:
                return format(number, _PYTHON[rule.dxf.numFmt.formatCode])
    return format(number, _PYTHON[how])


_PYTHON = {"0": ".0f", "0.0###": ".4f", "0.00000000": ".8f", "0.00000E+00": ".5E"}


@pytest.mark.parametrize(
    ("sheet", "cell"), [(OVERVIEW, "C10"), ("Forward", "E20"), ("η=0.1", "AB9"), ("Compare", "C9")]
)
def test_numbers_fit_their_cells_and_do_not_lie(sheet: str, cell: str, era: Path) -> None:
    page = load_workbook(era)[sheet]
    column = page[cell].column
    width = next(one.width for one in page.column_dimensions.values() if one.min <= column <= one.max)
    assert _shown(0.0, page, cell) == "0"
    for power in range(-40, 40):
        for number in (1.23456789 * 10**power, -9.87654321 * 10**power):
            text = _shown(number, page, cell)
            assert float(text) == pytest.approx(number, rel=1e-5), text
            assert len(text) < width - 2  # with air for other fonts
