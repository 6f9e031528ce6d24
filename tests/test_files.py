"""Every workbook that a command writes, of every template: valid, readable by others, and whole after LibreOffice."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from openxml_audit import OpenXmlValidator
from python_calamine import CalamineWorkbook

from benchmarks.audit import write
from xlbackprop.checking import Options, verify_all
from xlbackprop.engine import Inputs, Recalculated, Value
from xlbackprop.engine.embedded import Embedded
from xlbackprop.engine.libreoffice import LibreOffice, RecalculatedFile
from xlbackprop.kinds import build, verify
from xlbackprop.networks import TRAINING, load_any, template_names, templates
from xlbackprop.spec import override

# The forms of a network that trains, by a template that can have each.
FORMS = {
    "era-s6, matrix": {"layout": "matrix"},
    "attention, matrix": {"layout": "matrix"},
    "era-s6, delta": {"style": "delta"},
    "era-s6, scaffolded": {"level": "scaffolded"},
    "era-s6, blank": {"level": "blank"},
    "tiny-cnn, blank": {"level": "blank"},
}
WORKED = [*templates(), *(name for name in FORMS if "blank" not in name and "scaffolded" not in name)]
EVERY = [*templates(), *FORMS]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("files")

    def made(name: str) -> Path:
        template, _, _ = name.partition(",")
        document: Any = load_any(template)
        if template in template_names(TRAINING):
            document = override(document, steps=3, rates=document.rates[:2], **FORMS.get(name, {}))
        return build(document, folder / f"{name.replace(', ', '-')}.xlsx")

    return cache(made)


# Excel opens it without offering to repair


@pytest.mark.parametrize("name", EVERY)
def test_schema(name: str, built: Callable[[str], Path]) -> None:
    result = OpenXmlValidator().validate(str(built(name)))
    assert result.is_valid, [str(error) for error in result.errors]


def test_schema_of_an_annotated_copy(tmp_path: Path) -> None:
    write(tmp_path / "theirs.xlsx")
    (outcome,) = verify_all([tmp_path / "theirs.xlsx"], Options(annotated=tmp_path / "out"))
    (copy,) = (tmp_path / "out").iterdir()
    assert copy.suffix == ".xlsx", outcome.annotated
    errors = [str(error) for error in OpenXmlValidator().validate(str(copy)).errors]
    # openpyxl's own ways, which Excel opens without repair: the order of a font's parts, and texts in their cells.
    assert [error for error in errors if not re.search("fonts.*Unexpected element|inline-string cell", error)] == []


# What others read of it without calculating


def _openpyxl(path: Path) -> dict[str, list[list[Any]]]:
    return {sheet.title: [list(row) for row in sheet.values] for sheet in load_workbook(path, data_only=True)}


def _calamine(path: Path) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_path(str(path))
    return {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names}


def _pandas(engine: str, path: Path) -> dict[str, list[list[Any]]]:
    pandas = pytest.importorskip("pandas", minversion="2.2")
    frames = pandas.read_excel(path, sheet_name=None, header=None, na_filter=False, engine=engine)
    return {name: frame.to_numpy(dtype=object).tolist() for name, frame in frames.items()}


READERS: dict[str, Callable[[Path], dict[str, list[list[Any]]]]] = {
    "openpyxl": _openpyxl,
    "calamine": _calamine,
    "pandas with openpyxl": lambda path: _pandas("openpyxl", path),
    "pandas with calamine": lambda path: _pandas("calamine", path),
}


class Reading:
    """A reader in the place of a calculator, so that the verifier judges what it reads.

    Other inputs are the calculator's business: what is carried says nothing of them.
    """

    name, epsilon, exp_overflows, erf_error = "reader", Embedded.epsilon, True, Embedded.erf_error

    def __init__(self, read: Callable[[Path], dict[str, list[list[Any]]]]) -> None:
        self._read = read

    def recalculate(self, path: Path, inputs: Inputs | None = None) -> Recalculated:
        if inputs is not None:
            return Embedded().recalculate(path).changed(inputs)
        values: dict[str, list[list[Value]]] = {
            name: [[None if value == "" else value for value in row] for row in rows]
            for name, rows in self._read(path).items()
        }
        return RecalculatedFile(self.recalculate, path, values)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", WORKED)
def test_readers_get_the_right_numbers(name: str, reader: str, built: Callable[[str], Path]) -> None:
    report = verify(built(name), engine=Reading(READERS[reader]))
    assert report.correct, report.as_text()
    assert report.formulas > 50


def test_a_wrong_carried_value_would_be_noticed(built: Callable[[str], Path]) -> None:
    def off(path: Path) -> dict[str, list[list[Any]]]:
        values = _openpyxl(path)
        values["η=0.1"][6][8] *= 1 + 1e-11
        return values

    assert not verify(built("era-s6"), engine=Reading(off)).correct


# What is left of it after LibreOffice opened and saved it


@pytest.mark.libreoffice
def test_libreoffice_loses_no_cell(built: Callable[[str], Path], tmp_path: Path) -> None:
    paths = [built(name) for name in EVERY]
    saved = LibreOffice().convert_all(paths, "xlsx:Calc MS Excel 2007 XML", tmp_path)
    for path, again in zip(paths, saved, strict=True):
        assert _whole(path, again) > 50, path


def _whole(path: Path, again: Path) -> int:
    """How many cells are the same, and that none is lost or another; nor a chart, a note or a name."""
    ours, theirs = (load_workbook(one, data_only=True) for one in (path, again))
    formulas, kept = load_workbook(path), load_workbook(again)
    assert ours.sheetnames == theirs.sheetnames
    assert set(ours.defined_names) <= set(theirs.defined_names)
    count = 0
    for sheet in ours:
        other = theirs[sheet.title]
        assert len(formulas[sheet.title]._charts) == len(kept[sheet.title]._charts)
        for row in sheet.iter_rows():
            for cell in row:
                place = sheet.title, cell.coordinate
                found = other[cell.coordinate]
                assert (cell.comment is None) == (found.comment is None), place
                is_formula = formulas[sheet.title][cell.coordinate].data_type == "f"
                assert is_formula == (kept[sheet.title][cell.coordinate].data_type == "f"), place
                assert _kind(cell.value) == _kind(found.value), place
                if not is_formula and isinstance(cell.value, (int, float)):
                    assert found.value == pytest.approx(cell.value, rel=1e-14, abs=0), place  # it saves 15 digits
                elif not is_formula:
                    assert (cell.value or None) == (found.value or None), place  # an empty line of the network file
                count += cell.value is not None
    return count


def _kind(value: object) -> str:
    """What a cell holds: a number, an error or a text; an empty text is nothing."""
    if isinstance(value, (int, float)):
        return "number" if math.isfinite(value) else "error"
    return "nothing" if not value else "error" if str(value).startswith("#") else "text"
