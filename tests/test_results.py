"""A run that was stopped goes on where it was, and equal bytes are checked once: what is said stays the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from test_checking import write

from xlbackprop import checking
from xlbackprop.checking import Options, results, verify_all
from xlbackprop.cli import main
from xlbackprop.crowd import Limits
from xlbackprop.errors import OutputError
from xlbackprop.results import Outcome
from xlbackprop.terminal import Objects

WRONG = "=(E{r}-B{r})*E{r}*(1-D{r})*A{r}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four workbooks that differ, a copy of one, and what is none."""
    course = tmp_path / "course"
    write(course / "a.xlsx")
    write(course / "b.xlsx", WRONG)
    shutil.copyfile(course / "b.xlsx", course / "b, again.xlsx")
    write(course / "c.xlsx", "=(B{r}-E{r})*E{r}*(1-E{r})*A{r}")
    write(course / "d.xlsx", "=(E{r}-B{r})*E{r}*A{r}")
    (course / "e.xlsx").write_bytes(b"PK not a workbook")
    return course


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *(str(one) for one in arguments)])


def _lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_killed_run_goes_on(after: int, folder: Path, tmp_path: Path) -> None:
    whole = invoke(folder, "--json", "--results", tmp_path / "whole.jsonl")
    file = tmp_path / "killed.jsonl"
    command = [sys.executable, "-m", "xlbackprop", "verify", str(folder), "--json", "--results", str(file)]
    (temporary := tmp_path / "temporary").mkdir()
    run = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TMPDIR": str(temporary)}
    )
    while run.poll() is None and (not file.exists() or file.read_bytes().count(b"\n") < after):
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    done = sum(one["verdict"] != "unreadable" for one in _lines(file))
    again = invoke(folder, "--json", "--results", file)
    assert (again.stdout, again.exit_code) == (whole.stdout, whole.exit_code)
    assert f"{done} of 6 workbooks were checked before: {file}" in again.stderr
    assert done >= after
    # What could not be read has a second line, if the run was killed after its first.
    listed = list(dict.fromkeys(one["workbook"] for one in _lines(file)))
    assert listed == [one["workbook"] for one in _lines(tmp_path / "whole.jsonl")]


def test_a_half_written_line_is_dropped(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "marks.jsonl"
    whole = invoke(folder / "a.xlsx", folder / "b.xlsx", "--results", file)
    text = file.read_bytes()
    first = text.index(b"\n") + 1
    for cut in [*range(first, first + 30), *range(first + 30, len(text), 97)]:
        file.write_bytes(text[:cut])
        before = results(Options(limits=Limits(120.0)), file)  # the command's own
        assert before.known(folder / "a.xlsx") is not None, cut
        assert before.known(folder / "b.xlsx") is None, cut
        assert file.read_bytes() == text[:first], cut
    again = invoke(folder / "a.xlsx", folder / "b.xlsx", "--results", file)
    assert again.stdout == whole.stdout
    assert file.read_bytes() == text


def test_a_changed_file_option_or_release_is_checked_anew(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, path = tmp_path / "marks.jsonl", folder / "a.xlsx"
    (outcome,) = verify_all([path], Options(), before=results(Options(), file))
    assert results(Options(), file).known(path) == replace(outcome, json=json.loads(json.dumps(outcome.json)))
    for options in (Options(engine="libreoffice"), Options(mapping={"w1": "C"}), Options(limits=Limits(1.0))):
        assert results(options, file).known(path) is None
    shutil.copyfile(path, folder / "moved.xlsx")
    assert results(Options(), file).known(folder / "moved.xlsx") is None
    with monkeypatch.context() as patch:
        patch.setattr(checking, "__version__", "0")
        assert results(Options(), file).known(path) is None
    write(path, WRONG)
    again = invoke(path, "--results", file)
    assert "WRONG" in again.stdout
    assert "0 of 1 workbooks were checked before" in again.stderr
    assert [one["verdict"] for one in _lines(file)] == ["correct", "wrong"]


def test_what_could_not_be_read_is_tried_again(folder: Path, tmp_path: Path) -> None:
    file, path = tmp_path / "marks.jsonl", folder / "e.xlsx"
    assert invoke(path, "--results", file).exit_code == 2
    assert [one["verdict"] for one in _lines(file)] == ["unreadable"]
    assert "0 of 1 workbooks were checked before" in invoke(path, "--results", file).stderr
    missing = invoke(folder / "none.xlsx", "--results", file)
    assert missing.exit_code == 2
    assert str(_lines(file)[-1]["workbook"]) == str(folder / "none.xlsx")


@pytest.mark.parametrize(
    "text", ["name,mark\nanna,1\n", "{}\n", "half a line", '{"workbook": 1}\n', '{"workbook": nonsense}\n{}\n']
)
def test_another_file_is_left_alone(text: str, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "marks.csv"
    file.write_text(text, encoding="utf-8")
    found = invoke(folder, "--results", file)
    assert found.exit_code == 2
    assert found.stderr == f"Error: {file}: line 1 is no result of verify; name another file\n"
    assert file.read_text(encoding="utf-8") == text


def test_a_folder_is_no_file_of_results(folder: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be used \(.*\); name another file"):
        results(Options(), folder)


# Copies.


def test_a_copy_is_told_as_if_it_were_checked(folder: Path) -> None:
    before, once = results(Options()), [folder / "b.xlsx"]
    (first,) = verify_all(once, Options(), before=before)
    copy = folder / "b, again.xlsx"
    found = before.known(copy)
    (alone,) = verify_all([copy], Options())
    assert first.verdict == "wrong"
    assert found == alone
    assert str(copy) in alone.text.splitlines()[0]


@pytest.mark.parametrize("name", ["learning_rate_0.8.xlsx", "b.xlsm"])
def test_a_copy_whose_name_says_something_is_checked(name: str, folder: Path) -> None:
    before = results(Options())
    list(verify_all([folder / "b.xlsx"], Options(), before=before))
    shutil.copyfile(folder / "b.xlsx", folder / name)
    assert before.known(folder / name) is None


def test_what_names_its_file_is_not_said_of_a_copy(folder: Path) -> None:
    before, path = results(Options()), folder / "b.xlsx"
    json = {"workbook": str(path), "warnings": ["b.xlsx: IronCalc cannot read it"]}
    for outcome in (
        Outcome(path, "wrong", json, f"{path}: WRONG"),
        Outcome(path, "wrong", {"workbook": str(path)}, f"{path}: WRONG\n  b.xlsx"),
        Outcome(path, "unreadable", {"workbook": str(path)}, f"{path}: WRONG"),
        Outcome(path, "wrong", {"workbook": str(path)}, "WRONG"),
    ):
        assert before.known(path) is None
        before.keep(outcome)
        assert before.known(folder / "b, again.xlsx") is None


def test_annotated_copies_are_made_of_each(folder: Path, tmp_path: Path) -> None:
    found = invoke(folder / "b.xlsx", folder / "b, again.xlsx", "--annotate", "-o", tmp_path)
    assert found.stdout.count("written: ") == 2
    assert (tmp_path / "b, again-annotated.xlsx").exists()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_objects_are_printed_as_they_come(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    objects = [{"says": "two\nlines\u2028", "k": k, "none": [], "more": [{"é": None}]} for k in range(count)]
    printed = Objects(count)
    for one in objects:
        printed(one)
    whole = objects if count > 1 else objects[0]
    assert capsys.readouterr().out == json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
