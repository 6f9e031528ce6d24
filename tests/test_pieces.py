"""Long trainings are read, told and compared in pieces; where these end changes nothing of what is found."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from openpyxl import load_workbook

from xlbackprop.engine import Recalculated, Value, engine
from xlbackprop.engine.libreoffice import RecalculatedFile
from xlbackprop.networks import load
from xlbackprop.reference import implied, noise
from xlbackprop.reference.run import train, trainings
from xlbackprop.reference.told import EXACT
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import Sample, Spec, override
from xlbackprop.verification import formulas, read, verify

# Batches of which the last of an epoch is short, in a new order each epoch, and what an optimiser keeps.
BATCHES = "half-moons"


def _in_pieces(patch: pytest.MonkeyPatch, rows: int) -> None:
    patch.setattr(read, "ROWS", rows)
    patch.setattr(noise, "ROWS", rows)
    patch.setattr(implied, "AT_ONCE", rows)
    patch.setattr(formulas, "_PIECE", rows)


def _several(steps: int = 9) -> Spec:
    return override(load(BATCHES), rates=(0.1, 0.3), steps=steps)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of every kind that may stand at the border of a piece: an error, a blank, a text, a truth, a number."""
    folder, spec = tmp_path_factory.mktemp("pieces"), _several()
    layout = Layout(spec)
    book = load_workbook(build(spec, folder / "right.xlsx"))
    names = [name for name in layout.columns if len(layout.table_rows.visits(name)) == spec.batches.visits][-6:]
    once = [name for name in layout.columns if len(layout.table_rows.visits(name)) < spec.batches.visits][-3:]
    held = ["=1/0", None, "text", True, 0.25, "=A6*2"]
    for sheet, shift in zip(layout.sheets, (0, 3)):
        for k, (name, value) in enumerate(zip([*names[:3], *once], held)):
            row = layout.FIRST_ROW + layout.table_rows.visits(name)[k + shift]
            book[sheet][cell_name(row, layout.columns[name])] = value
    path = folder / "broken.xlsx"
    book.save(path)
    return path


@pytest.mark.parametrize("rows", [1, 7, 10])
def test_a_workbook_in_pieces(broken: Path, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = verify(broken).as_json()
    assert whole["verdict"] == "wrong"
    _in_pieces(monkeypatch, rows)
    pieces = verify(broken).as_json()
    assert pieces.pop("rounding") == pytest.approx(whole.pop("rounding"), rel=0.1)  # its roundings are drawn anew
    assert json.dumps(pieces) == json.dumps(whole)


def test_a_right_workbook_in_pieces(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what batches have once, in their last rows, read from the right ones."""
    _in_pieces(monkeypatch, 7)
    report = verify(broken.with_name("right.xlsx"))
    assert report.correct, report.as_text()


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 1000])
def test_a_formula_at_the_border_of_two_pieces_counts_once(
    small: Path, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formulas, "_PIECE", piece)
    with zipfile.ZipFile(small) as package:
        for part in ("xl/worksheets/sheet2.xml", "xl/worksheets/sheet7.xml"):
            xml = package.read(part)
            assert formulas._counted(package, part) == xml.count(b"<f>") + xml.count(b"<f ") > 0


@pytest.mark.parametrize("template", ["half-moons", "mazur-sequential", "dropout", "graddesc-adam", "batchnorm"])
def test_trainings_side_by_side_are_those_alone(template: str) -> None:
    """To the last digit: no training sees another's inputs."""
    spec = load(template)
    spec = override(spec, steps=min(spec.updates, 40))
    other = spec.with_parameters({name: value + 0.125 for name, value, _ in spec.parameters()})
    moved = tuple(
        Sample(tuple(1.1 * x for x in one.inputs), tuple(0.9 * t for t in one.targets)) for one in spec.samples
    )
    other = msgspec.structs.replace(other, samples=moved, rates=tuple(2 * rate for rate in spec.rates))
    for told, alone in zip(trainings((spec, other), EXACT), (train(spec), train(other))):
        assert set(told.values) == set(alone.values) == set(told.noise)
        for name, values in alone.values.items():
            np.testing.assert_array_equal(told.values[name], values, name)
    assert any((told.noise[name] > 0).any() for name in spec.trained)


def test_what_is_not_wanted_changes_nothing_of_what_is() -> None:
    spec = _several(steps=4)
    numbers = train(spec)
    observed = {name: values for name, values in numbers.values.items() if name in Layout(spec).columns}
    observed["η"] = np.tile(np.array(spec.rates)[:, None], spec.batches.visits)
    whole = implied.implied(spec, observed, EXACT)
    some = implied.implied(spec, observed, EXACT, {"E_total"})
    np.testing.assert_array_equal(some.values["E_total"], whole.values["E_total"])
    np.testing.assert_allclose(whole.values["E_total"], numbers.values["E_total"], rtol=1e-13)
    assert len(some.values) < len(whole.values)


def _by_columns(found: Recalculated, sheet: str, rows: int, columns: int) -> list[list[Value]]:
    turned = [found.column(sheet, 0, column, rows) for column in range(columns)]
    return [list(row) for row in zip(*turned)]


def test_rows_are_the_columns_turned(small: Path) -> None:
    found = engine().recalculate(small)
    for sheet in found.sheets:
        assert [found.row(sheet, k, 0, 9) for k in range(14)] == _by_columns(found, sheet, 14, 9)


def test_rows_of_what_libreoffice_saved_end_where_they_end() -> None:
    ragged: list[list[Value]] = [[1.0, 2.0], [3.0], []]
    found = RecalculatedFile(None, Path("x.xlsx"), {"S": ragged})  # type: ignore[arg-type]
    assert [found.row("S", k, 0, 3) for k in range(4)] == _by_columns(found, "S", 4, 3)
    assert found.row("S", 0, 1, 2) == [2.0, None]
