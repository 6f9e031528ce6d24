"""`verify` over files and folders of anybody's workbooks: verdicts, exit status, summary, limits, options."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner, Result

import xlbackprop
from xlbackprop.checking import Options, verify, verify_all, workbooks
from xlbackprop.cli import main
from xlbackprop.crowd import Limits
from xlbackprop.errors import WorkbookError

# One sigmoid neuron: x, t, w, z, a, E, the gradient; the updates use the rate in H1.
HEADER = ("i1", "t1", "w1", "o1", "a_o1", "E1", "dE/dw1")
RIGHT = ("1", "0.2", "=C{p}-$I$1*G{p}", "=C{r}*A{r}", "=1/(1+EXP(-D{r}))", "=0.5*(B{r}-E{r})^2")
GRADIENT = "=(E{r}-B{r})*E{r}*(1-E{r})*A{r}"


def write(path: Path, gradient: str = GRADIENT, header: tuple[str, ...] = HEADER) -> Path:
    """A small workbook of somebody's."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["H1"], sheet["I1"] = "LR =", 0.5
    for column, label in enumerate(header, 1):
        sheet.cell(2, column, label)
    for row in range(3, 15):
        for column, formula in enumerate((*RIGHT, gradient), 1):
            text = "0.6" if (column, row) == (3, 3) else formula.format(r=row, p=row - 1)
            sheet.cell(row, column, text if text.startswith("=") else float(text))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of submissions: a right one, a wrong one, a damaged one, one of typed numbers; and what is none."""
    folder = tmp_path_factory.mktemp("course")
    write(folder / "anna" / "right.xlsx")
    write(folder / "ben" / "wrong.xlsx", "=(E{r}-B{r})*E{r}*(1-D{r})*A{r}")
    (folder / "damaged.xlsx").write_bytes(b"PK not a workbook")
    book = openpyxl.load_workbook(folder / "anna" / "right.xlsx")
    sheet = book.active
    for row in sheet.iter_rows(min_row=3, max_col=7):
        for cell in row:
            if isinstance(cell.value, str):
                cell.value = 0.1 * cell.column
    book.save(folder / "typed.xlsx")
    (folder / "notes.txt").write_text("not a workbook")
    (folder / "~$right.xlsx").write_text("a lock file")
    return folder


def test_a_folder_is_its_workbooks(course: Path) -> None:
    names = [path.relative_to(course).as_posix() for path in workbooks([course])]
    assert names == ["anna/right.xlsx", "ben/wrong.xlsx", "damaged.xlsx", "typed.xlsx"]


def test_one_bad_file_never_stops_the_rest(course: Path) -> None:
    result = invoke("verify", course)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == "4 workbooks: 1 correct, 1 not live, 1 unreadable, 1 wrong"
    assert "right.xlsx: correct" in result.output and "wrong.xlsx: WRONG" in result.output


def test_json_is_a_list_in_the_order_of_the_files(course: Path) -> None:
    result = invoke("verify", course, "--json")
    found = json.loads(result.stdout)
    assert [one["verdict"] for one in found] == ["correct", "wrong", "unreadable", "not live"]
    (mistake,) = found[1]["mistakes"]
    assert mistake["cell"] == "G3" and mistake["range"] == "G3:G14"
    assert (mistake["quantity"], mistake["kind"]) == ("dE/dw1", "pre-activation")
    assert mistake["fix"] == "=(E3-B3)*E3*(1-E3)*A3"
    assert mistake["spoils"] == []


@pytest.mark.parametrize(("name", "status"), [("anna/right.xlsx", 0), ("ben/wrong.xlsx", 1), ("typed.xlsx", 1)])
def test_exit_status(course: Path, name: str, status: int) -> None:
    assert invoke("verify", course / name).exit_code == status


def test_found_and_expected_are_the_numbers_of_the_sheet(course: Path) -> None:
    (mistake,) = verify(course / "ben" / "wrong.xlsx").as_json()["mistakes"]
    z = 0.6
    a = 1 / (1 + 2.718281828459045**-z)
    assert mistake["expected"] == pytest.approx((a - 0.2) * a * (1 - a), rel=1e-12)
    assert mistake["found"] == pytest.approx((a - 0.2) * a * (1 - z), rel=1e-12)


def test_the_library_verb_takes_any_workbook(course: Path, small: Path) -> None:
    assert xlbackprop.verify(course / "anna" / "right.xlsx").as_json()["verdict"] == "correct"
    assert xlbackprop.verify(small).as_json()["verdict"] == "correct"


def test_labels_that_say_nothing_are_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "odd.xlsx", header=("alpha1", "beta", "gamma", "delta", "eps", "zeta", "theta"))
    mapped = dict(zip(HEADER, "ABCDEFG"))
    assert verify(path, mapping=mapped).as_json()["verdict"] == "correct"
    options = [word for quantity, column in mapped.items() for word in ("--map", f"{quantity}={column}")]
    assert invoke("verify", path, *options).exit_code == 0


@pytest.mark.parametrize(
    ("value", "fact"),
    [("w1", "is not a quantity and its column"), ("nonsense=E", "is no quantity"), ("w1=?", "is no column or cell")],
)
def test_a_mapping_that_says_nothing(course: Path, value: str, fact: str) -> None:
    result = invoke("verify", course / "anna" / "right.xlsx", "--map", value)
    assert result.exit_code == 2
    assert fact in result.output


def test_a_folder_without_workbooks(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(WorkbookError, match="is a folder without a workbook"):
        workbooks([tmp_path / "empty"])


def test_a_file_that_takes_too_long_is_stopped(course: Path) -> None:
    options = Options(limits=Limits(seconds=0.0))
    (outcome,) = verify_all([course / "anna" / "right.xlsx"], options)
    assert outcome.verdict == "unreadable"
    assert "was stopped" in outcome.text


def test_annotate_writes_a_marked_copy(course: Path, tmp_path: Path) -> None:
    result = invoke("verify", course / "ben" / "wrong.xlsx", "--annotate", "-o", tmp_path)
    copy = tmp_path / "wrong-annotated.xlsx"
    assert f"written: {copy}" in result.output
    sheet = openpyxl.load_workbook(copy)["Sheet"]
    assert "pre-activation" in sheet["G3"].comment.text or "a_o1" in sheet["G3"].comment.text
    assert sheet["G3"].fill.fgColor.rgb != sheet["F3"].fill.fgColor.rgb
    assert sheet["G4"].value == "=(E4-B4)*E4*(1-D4)*A4"


def test_macro_workbooks_are_read_and_nothing_runs(course: Path, tmp_path: Path) -> None:
    path = tmp_path / "macros.xlsm"
    relation = '<Relationship Id="rIdM" Type="urn:x/relationships/vbaProject" Target="vbaProject.bin"/></Relationships>'
    with zipfile.ZipFile(course / "ben" / "wrong.xlsx") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "xl/_rels/workbook.xml.rels":
                content = content.replace(b"</Relationships>", relation.encode())
            new.writestr(name, content)
        new.writestr("xl/vbaProject.bin", b"\xd0\xcf\x11\xe0 not looked at")
    found = verify(path).as_json()
    assert found["verdict"] == "wrong"
    assert "macros" in {one["kind"] for one in found["warnings"]}


def test_a_name_that_claims_another_rate(course: Path, tmp_path: Path) -> None:
    path = tmp_path / "learning_rate_0.8.xlsx"
    shutil.copyfile(course / "anna" / "right.xlsx", path)
    (warning,) = verify(path).as_json()["warnings"]
    assert (warning["kind"], warning["cell"]) == ("rate-name", "I1")
    assert "0.8" in warning["says"] and "0.5" in warning["says"]


@pytest.mark.libreoffice
@pytest.mark.parametrize(("name", "verdict"), [("anna/right.xlsx", "correct"), ("ben/wrong.xlsx", "wrong")])
def test_libreoffice_agrees(course: Path, name: str, verdict: str) -> None:
    found = verify(course / name, engine="libreoffice").as_json()
    assert found["verdict"] == verdict
    assert found["engine"].startswith("LibreOffice")
