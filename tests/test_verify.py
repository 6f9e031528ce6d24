"""The verifier finds what is wrong in a file, names that cell alone, and believes nothing that the file says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from xlbackprop.engine import engine
from xlbackprop.engine.libreoffice import LibreOffice
from xlbackprop.errors import WorkbookError
from xlbackprop.networks import load
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import override
from xlbackprop.verification import Report, texts, verify

ENGINES = ["embedded", pytest.param("libreoffice", marks=pytest.mark.libreoffice)]
TABLE = "η=0.5"  # of the small workbook; steps 0 to 6 stand in rows 6 to 12

# Each: sheet, cell, what is put there, the kind of mistake, whether anything inherits it.
TAMPERED = [
    # The slip of the course's own sheet: the other neuron's derivative.
    (TABLE, "AA8", "=((S8-B8)*S8*(1-S8)*O8+(U8-C8)*U8*(1-U8)*Q8)*K8*(1-K8)*D8", "wrong-formula", True),
    (TABLE, "AA12", "=((S12-B12)*S12*(1-S12)*O12+(U12-C12)*U12*(1-U12)*Q12)*K12*(1-K12)*D12", "wrong-formula", False),
    (TABLE, "J9", "=F9*D9+G9*D9", "wrong-formula", True),
    (TABLE, "K9", "=1/(1+EXP(J9))", "wrong-formula", True),
    (TABLE, "F10", "=F9-$B$3*Z9", "wrong-formula", True),
    (TABLE, "F10", "=F9+$B$3*Y9", "wrong-formula", True),
    (TABLE, "X7", "=V7+V7", "wrong-formula", True),  # and Compare shows it
    (TABLE, "B3", "=rate_2", "wrong-formula", True),
    (TABLE, "D7", "=in_i2", "wrong-formula", True),
    (TABLE, "A9", "=A8+2", "wrong-formula", True),
    (TABLE, "K9", 0.5, "typed-constant", True),
    (TABLE, "J6", 0.0275, "typed-constant", False),  # the right number, typed
    # Right only because both targets are 0.5.
    (TABLE, "AE8", "=(U8-B8)*U8*(1-U8)*K8", "lucky-formula", False),
    (TABLE, "V8", "=0.5*(C8-S8)^2", "lucky-formula", False),
    ("Compare", "C8", "='η=2.0'!X8", "wrong-formula", False),
    ("Compare", "B4", "=rate_2", "wrong-formula", False),
    ("Overview", "D9", "='η=0.5'!X11", "wrong-formula", False),
    ("Forward", "E17", "=E11*E8+E12*E8", "wrong-formula", True),
    (
        "Forward",
        "E14",
        "=INDEX(CHOOSE(rate_shown,'η=0.5'!$F$6:$F$12,'η=2.0'!$F$6:$F$12),1)",
        "lucky-formula",
        False,
    ),
    ("Backward", "E9", "=Forward!E9-Forward!E35", "wrong-formula", True),
    ("Backward", "F9", '=""&E8', "wrong-formula", True),  # and the lines that plug it in
    ("Backward", "D9", '="0.630481-0.4"', "wrong-formula", False),
    ("Next forward", "E6", "=Forward!E11+Forward!E6*Backward!E47", "wrong-formula", True),
    # Checks: the findings, each band, and what counts them.
    ("Checks", "C12", "=Backward!$E$44", "wrong-formula", True),
    ("Checks", "D11", "=(T11-AF11)/check_epsilon", "wrong-formula", True),
    ("Checks", "D11", "=(T11-Forward!$E$40)/check_epsilon", "wrong-formula", False),  # a forward difference
    ("Checks", "E11", "=ABS(C11-D11)/ABS(D12)", "wrong-formula", False),
    ("Checks", "G11", 1.7e-16, "typed-constant", False),
    ("Checks", "H11", "=MAX(0,SIGN(1E-09*MAX(ABS(C11),ABS(D11))-ABS(C11-D11)))", "lucky-formula", False),
    ("Checks", "H11", 1, "typed-constant", False),
    ("Checks", "J11", "=I11*Forward!$E$11+Forward!$E$15*Forward!$E$11", "wrong-formula", True),
    ("Checks", "W12", "=Forward!$E$21", "wrong-formula", True),
    ("Checks", "AG11", "=B11*Forward!$E$10", "wrong-formula", True),
    ("Checks", "AZ11", "=2*(AL11-Forward!$E$9)*AW11/2", "lucky-formula", False),  # t2 for t1, which are equal
    ("Checks", "AO11", "=(AL11-Forward!$E$8)^2/2", "lucky-formula", False),  # what is lost is 1E-200
    ("Checks", "AS11", "=AR11*AH11", "wrong-formula", True),
    ("Checks", "A3", "=8-SUM(H11:H17)-1", "lucky-formula", False),
    ("Overview", "A4", 0, "typed-constant", False),
]


def _changed(path: Path, target: Path, change: Callable[[dict[str, Worksheet]], None]) -> Path:
    book = load_workbook(path)
    change({sheet.title: sheet for sheet in book})
    book.save(target)
    return target


@pytest.mark.parametrize(("sheet", "cell", "content", "kind", "inherited"), TAMPERED)
def test_one_changed_cell_is_the_only_root(
    small: Path, tmp_path: Path, sheet: str, cell: str, content: object, kind: str, inherited: bool
) -> None:
    def change(sheets: dict[str, Worksheet]) -> None:
        assert sheets[sheet][cell].value != content
        sheets[sheet][cell] = content

    report = verify(_changed(small, tmp_path / "x.xlsx", change))
    assert [(one.sheet, one.cell, one.kind) for one in report.roots] == [(sheet, cell, kind)], report.as_text()
    assert (len(report.mismatches) > 1) == inherited
    root = report.roots[0]
    assert root.formula == (content if str(content).startswith("=") else "")

    def mend(sheets: dict[str, Worksheet]) -> None:
        sheets[sheet][cell] = root.fix

    assert verify(_changed(tmp_path / "x.xlsx", tmp_path / "mended.xlsx", mend)).correct


@pytest.mark.libreoffice
def test_one_changed_cell_in_libreoffice(small: Path, tmp_path: Path) -> None:
    sheet, cell, content, _, _ = TAMPERED[0]
    path = _changed(small, tmp_path / "x.xlsx", lambda sheets: sheets[sheet].__setitem__(cell, content))
    report = verify(path, engine="libreoffice")
    assert [(one.sheet, one.cell) for one in report.roots] == [(sheet, cell)]


def test_the_terminal_shows_the_first_places_and_counts_the_others(small: Path, tmp_path: Path) -> None:
    columns = ["J", "K", "L", "M", "S", "T", "U", "V", "X", "Y", "Z", "AA", "AB", "AC"]

    def change(sheets: dict[str, Worksheet]) -> None:
        for column in columns:
            cell = sheets[TABLE][f"{column}8"]
            cell.value = f"{cell.value}+1"

    lines = verify(_changed(small, tmp_path / "x.xlsx", change)).as_text().split("\n")
    assert lines[1].startswith("  14 cells are wrong by their own formula, ")
    assert sum(line.startswith("    right  ") for line in lines) == 12
    assert lines[-1] == "  and 2 more places; --json lists them all"


def test_a_wrong_column_is_one_mistake(small: Path, tmp_path: Path) -> None:
    def change(sheets: dict[str, Worksheet]) -> None:
        for row in range(6, 13):
            right = sheets[TABLE][f"AA{row}"].value
            sheets[TABLE][f"AA{row}"] = right.replace(f"M{row}", f"K{row}")

    report = verify(_changed(small, tmp_path / "x.xlsx", change))
    (mistake,) = report.as_json()["mistakes"]
    assert (mistake["cell"], mistake["range"], mistake["quantity"]) == ("AA6", "AA6:AA12", "dE/dw3")
    assert mistake["spoils"] == []
    assert f"'{TABLE}'!AA6:AA12 ∂E/∂w3" in report.as_text()


def test_what_a_mistake_spoils_in_its_row(small: Path, tmp_path: Path) -> None:
    path = _changed(small, tmp_path / "x.xlsx", lambda sheets: sheets[TABLE].__setitem__("K6", "=J6"))
    (mistake,) = verify(path).as_json()["mistakes"]
    assert {"o1", "a_o1", "E_total", "dE/dw1", "dE/dw5"} <= set(mistake["spoils"])
    assert not {"h1", "h2", "a_h2", "w1"} & set(mistake["spoils"])


def test_a_lucky_mistake_below_another_is_named_too(small: Path, tmp_path: Path) -> None:
    """Its cell inherits the first mistake as well; that its own formula is wrong, other inputs show."""

    def change(sheets: dict[str, Worksheet]) -> None:
        sheets[TABLE]["F8"] = "=F7+$B$3*Y7"
        sheets[TABLE]["AE10"] = "=(U10-B10)*U10*(1-U10)*K10"  # t1 for t2, which are equal

    report = verify(_changed(small, tmp_path / "x.xlsx", change))
    assert {(one.cell, one.kind) for one in report.roots} == {("F8", "wrong-formula"), ("AE10", "lucky-formula")}


def test_each_inherited_mismatch_is_listed(small: Path, tmp_path: Path) -> None:
    path = _changed(small, tmp_path / "x.xlsx", lambda sheets: sheets[TABLE].__setitem__("F12", "=F11"))
    report = verify(path).as_json()
    (mistake,) = report["mistakes"]
    assert (mistake["cell"], mistake["formula"]) == ("F12", "=F11")
    (h1,) = [one for one in report["inherited"] if one["quantity"] == "h1"]
    assert (h1["sheet"], h1["cell"], h1["formula"]) == (TABLE, "J12", "=F12*D12+G12*E12")
    assert h1["found"] != h1["expected"]


def test_a_file_that_openpyxl_refuses_is_verified_all_the_same(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openpyxl

    path = _changed(small, tmp_path / "x.xlsx", lambda sheets: sheets[TABLE].__setitem__("K9", "=J9"))

    def refuse(*_: object) -> None:
        raise ValueError("Value must be one of")

    monkeypatch.setattr(openpyxl, "load_workbook", refuse)
    (mistake,) = verify(path).as_json()["mistakes"]
    assert (mistake["cell"], mistake["formula"], mistake["fix"]) == ("K9", "", "=1/(1+EXP(-J9))")


def test_cached_values_are_not_believed(small: Path, tmp_path: Path) -> None:
    """openpyxl saves formulas without values; and a file with wrong ones verifies as its formulas do."""
    path = _changed(small, tmp_path / "x.xlsx", lambda sheets: None)
    assert load_workbook(path, data_only=True)[TABLE]["K9"].value is None
    assert verify(path).correct


@pytest.mark.libreoffice
@pytest.mark.parametrize("cell", ["B9", "B13", "B14", "I26", "L26", "B36", "B43"])
def test_changed_inputs_saved_by_libreoffice(small: Path, tmp_path: Path, cell: str) -> None:
    """A rate, the step and rate shown, an input, a target, weights: changed, saved elsewhere, still all correct."""

    def change(sheets: dict[str, Worksheet]) -> None:
        old = sheets["Overview"][cell].value
        assert isinstance(old, (int, float))
        sheets["Overview"][cell] = 2 if cell in ("B13", "B14") else old * 1.37 + 0.01

    path = _changed(small, tmp_path / "changed.xlsx", change)
    assert verify(path).correct
    saved = LibreOffice().convert(path, "xlsx:Calc MS Excel 2007 XML", tmp_path / "saved")
    for name in ("embedded", "libreoffice"):
        report = verify(saved, engine=name)
        assert report.correct, report.as_text()


@pytest.mark.parametrize("name", ENGINES)
def test_overflow_is_equal_on_both_sides(name: str, tmp_path: Path) -> None:
    """Training blows up: errors in the sheet, infinities in numpy. And EXP fails where a sigmoid would be 0."""
    for template, rate in (("simple-mlp", 1e6), ("three-hidden", 1e5), ("era-s6", 1e6)):
        spec = override(load(template), rates=(0.1, rate), steps=30)
        report = verify(build(spec, tmp_path / f"{template}.xlsx"), engine=name)
        assert report.correct, report.as_text()
        assert np.isfinite(report.errors[0]).all()
        assert template == "era-s6" or np.isnan(report.errors[1]).any()


LONG = [
    ("era-s6", {"steps": 1500, "rates": (0.5, 20.0, 100.0), "style": "delta"}),
    ("mazur", {"steps": 1500, "rates": (10.0, 60.0)}),
    ("three-hidden", {"steps": 1500, "rates": (0.5, 2.0)}),
]


@pytest.mark.parametrize(("name", "changes"), LONG)
def test_a_training_that_goes_on_until_rounding_decides(name: str, changes: dict[str, object], tmp_path: Path) -> None:
    """At the end errors are 1e-18 and gradients are last digits; a right workbook stays right."""
    report = verify(build(override(load(name), **changes), tmp_path / "x.xlsx"))
    assert report.correct, report.as_text()
    assert report.rounding > 1000


@pytest.mark.parametrize(
    ("found", "right", "agrees"),
    [
        ("0.5*0/(SQRT(0)+1E-08)", "0.5*2.498E-16/(SQRT(6.24E-32)+1E-08)", True),  # what is rounding alone may be 0
        ("(-1E-15)*2", "0*2", True),
        ("(0)*2", "0*2", True),
        ("0.606478-0.5", "0.606479-0.5", True),
        ("0.606478-0.5", "0.60658-0.5", False),
        ("SQRT(0)", "EXP(0)", False),
        ("1*2", "1+2", False),
        ("", "0", False),
    ],
)
def test_texts_that_read_alike(found: str, right: str, agrees: bool) -> None:
    assert texts.agrees(found, right) is agrees


def test_a_step_long_after_the_divergence(tmp_path: Path) -> None:
    """Weights that are no numbers any more stand beside inputs that are; the page shows both."""
    spec = override(load("simple-mlp"), rates=(1e6,), steps=40)
    step = Layout(spec).selectors[0]
    path = _changed(
        build(spec, tmp_path / "x.xlsx"),
        tmp_path / "shown.xlsx",
        lambda sheets: sheets["Overview"].__setitem__(cell_name(step.row, step.column), 30),
    )
    report = verify(path)
    assert math.isnan(report.errors[0][30])
    assert report.correct, report.as_text()


def test_the_report_as_json(small: Path) -> None:
    report = verify(small).as_json()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert (report["verdict"], report["mistakes"], report["warnings"]) == ("correct", [], [])
    assert [table["sheet"] for table in report["tables"]] == ["η=0.5", "η=2.0"]
    assert report["tables"][0] == {
        "sheet": "η=0.5", "first_row": 6, "last_row": 12, "verdict": "correct",
        "network": "2-2-2 sigmoid, half squared error", "learning_rate": 0.5, "cells": 32 * 7,
    }  # fmt: skip
    assert report["witnesses"]["complex_step"] == 2 * 7 * 8


def test_a_network_given_beside_the_file(small: Path, tmp_path: Path) -> None:
    def drop(sheets: dict[str, Worksheet]) -> None:
        sheets["Network file"].parent.remove(sheets["Network file"])

    path = _changed(small, tmp_path / "x.xlsx", drop)
    with pytest.raises(WorkbookError, match="no sheet 'Network file'"):
        verify(path)
    assert verify(path, network=override(load("era-s6"), rates=(0.5, 2.0), steps=6)).correct


UNREADABLE = {
    "a renamed sheet": (lambda sheets: setattr(sheets["Compare"], "title", "Other"), "'Compare' is missing"),
    "a moved column": (lambda sheets: sheets[TABLE].insert_cols(5), "reads None where 'i2' was written"),
    "an empty input": (lambda sheets: sheets["Overview"].__setitem__("B9", None), r"Overview!B9 \(rate_1\) is empty"),
    "text in an input": (
        lambda sheets: sheets["Overview"].__setitem__("B36", "a"),
        r"\(start_w1\) is 'a'; type a number",
    ),
    "a step that is not there": (lambda sheets: sheets["Overview"].__setitem__("B13", 7), "whole number, 0 to 6"),
    "a broken network file": (lambda sheets: sheets["Network file"].__setitem__("A4", "title ="), "not valid TOML"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_cannot_be_verified_says_why(small: Path, tmp_path: Path, what: str) -> None:
    change, message = UNREADABLE[what]
    with pytest.raises(Exception, match=message) as caught:
        verify(_changed(small, tmp_path / "x.xlsx", change))
    assert "\n" not in str(caught.value)


def test_the_canary_notices_a_calculator_that_does_not_recalculate(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ironcalc

    from xlbackprop.errors import EngineError

    class Lazy:
        """A model whose evaluate does nothing."""

        def __init__(self, model: object) -> None:
            self._model = model

        def __getattr__(self, name: str) -> object:
            return (lambda: None) if name == "evaluate" else getattr(self._model, name)

    load_from_xlsx = ironcalc.load_from_xlsx
    monkeypatch.setattr(ironcalc, "load_from_xlsx", lambda path: Lazy(load_from_xlsx(path)))
    with pytest.raises(EngineError, match="did not recalculate"):
        verify(small)


@pytest.mark.libreoffice
def test_the_canary_notices_a_libreoffice_that_keeps_values(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xlbackprop.engine import libreoffice
    from xlbackprop.errors import EngineError

    mode = "Office.Calc/Formula/Load"
    monkeypatch.setitem(libreoffice._SETTINGS, mode, {"OOXMLRecalcMode": "1"})
    with pytest.raises(EngineError, match="did not recalculate"):
        verify(small, engine="libreoffice")


@pytest.mark.libreoffice
def test_a_libreoffice_that_hangs_is_stopped(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xlbackprop.engine import libreoffice
    from xlbackprop.errors import EngineError

    hanging = tmp_path / "soffice"
    hanging.write_text('#!/bin/sh\n[ "$1" = --version ] && echo LibreOffice 1.0 && exit\nsleep 600\n')
    hanging.chmod(0o755)
    monkeypatch.setattr(libreoffice, "find", lambda: str(hanging))
    with pytest.raises(EngineError, match=r"did not answer in 0\.5 s and was stopped"):
        verify(small, engine=LibreOffice(time_limit=0.5))


def test_a_calculator_that_is_missing(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xlbackprop.engine import libreoffice
    from xlbackprop.errors import EngineError

    monkeypatch.setattr(libreoffice.shutil, "which", lambda name: None)
    monkeypatch.setattr(libreoffice, "_PLACES", ())
    with pytest.raises(EngineError, match="LibreOffice is not installed; install it"):
        verify(small, engine="libreoffice")
    with pytest.raises(EngineError, match="choose one of embedded, libreoffice"):
        engine("abacus")


def test_a_correct_report_reads_in_a_line(small: Path) -> None:
    report: Report = verify(small)
    assert report.as_text().startswith(f"{small}: correct\n  all {report.cells:,} calculated cells agree with numpy")
    assert all(len(line) < 80 for line in report.as_text().splitlines()[1:])
