"""The mutation testing itself: what is changed, which tests a change meets, and where the tables go."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the benchmarks are

from benchmarks import pages

MODULE = """\
from functools import cache

LIMIT = 3


def few(count: int | None) -> bool:
    if count is None:
        return False
    return count < LIMIT


@cache
def twice(count: int) -> int:
    return (
        count
        * 2
    )
"""


def test_a_measured_part_is_written_anew_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A\n<!-- measured: a -->\nold\n<!-- end -->\nB\n<!-- measured: b -->\n<!-- end -->\n")
    pages.write(page, "a", "new")
    pages.write(page, "b", r"\1")
    text = "# A\n<!-- measured: a -->\nnew\n<!-- end -->\nB\n<!-- measured: b -->\n\\1\n<!-- end -->\n"
    assert page.read_text() == text
    with pytest.raises(ValueError, match="0 places for 'c'"):
        pages.write(page, "c", "new")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A module, and what coverage recorded of three tests and a fixture."""
    coverage = pytest.importorskip("coverage")
    pytest.importorskip("cosmic_ray")
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "module.py").write_text(MODULE)
    data = coverage.CoverageData(str(tmp_path / ".coverage"))
    ran = {"": [1, 3, 6, 13], "t::slow": [7, 8], "t::fast": [7, 9], "fixture shared": [15]}
    for context, lines in ran.items():
        data.set_context(context)
        data.add_lines({"room/module.py": lines})
    data.write()
    tests = (("t::slow", 5.0, ()), ("t::fast", 1.0, ()), ("t::shares", 2.0, ("shared",)))
    recorded = [json.dumps({"test": name, "seconds": s, "fixtures": used}) for name, s, used in tests]
    (tmp_path / ".coverage-tests").write_text("\n".join(recorded) + "\n")
    return tmp_path


def test_mutants_are_changes_of_what_runs(project: Path) -> None:
    from benchmarks.survivors.mutants import population, sample

    made = population(project, ["room"])
    codes = [one.code(MODULE) for one in made]
    assert "count <= LIMIT" in "".join(filter(None, codes))
    assert all(code != MODULE for code in codes)
    assert not any("int |" not in code for code in codes if code)  # types are never evaluated
    drawn = sample(made, 3, seed=1)
    assert drawn == sample(made, 3, seed=1) != sample(made, 3, seed=2)
    assert len({one.site for one in drawn}) == 3
    assert {one.site for one in sample(made, 10**9, seed=0)} == {one.site for one in made}


@pytest.mark.parametrize(
    ("line", "most", "widely", "names"),
    [
        (7, 99, False, ["t::fast", "t::slow"]),  # the condition
        (8, 99, False, ["t::slow"]),
        (9, 99, False, ["t::fast"]),
        (16, 99, False, ["t::shares"]),  # a statement of several lines, which a fixture ran
        (3, 99, False, ["t::fast", "t::shares", "t::slow"]),  # what runs at import shows anywhere
        (12, 99, False, ["t::fast", "t::shares", "t::slow"]),
        (8, 99, True, ["t::fast", "t::shares", "t::slow"]),
        (3, 3.5, False, ["t::fast", "t::shares"]),
        (8, 0, False, ["t::slow"]),  # one at least
    ],
)
def test_a_mutant_meets_the_tests_of_its_statement(
    project: Path, line: int, most: float, widely: bool, names: list[str]
) -> None:
    from benchmarks.survivors.choice import Choice
    from benchmarks.survivors.mutants import Mutant

    mutant = Mutant("room/module.py", "core/NumberReplacer", 0, line, "")
    assert [one.name for one in Choice(project).tests(mutant, most, widely=widely)] == names


def test_the_score_leaves_out_what_is_explained(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.survivors import report
    from benchmarks.survivors.mutants import population, sample

    made = population(project, ["room"])
    outcomes = ("killed", "killed", "timed out", "survived", "no test")
    fates = [report.fate(one, MODULE, outcome, 1) for one, outcome in zip(sample(made, 5, seed=0), outcomes)]
    for one in fates:
        report.append(project / "outcomes", one)
    assert list(report.read(project / "outcomes").values()) == fates
    monkeypatch.setattr(report, "reasons", lambda: {fates[3].place: "speed only"})
    scores, survivors = report.tables(fates, made)
    assert scores.rows[-1][3:] == ("5", "2", "1", "2", "1", "75.0 %")
    assert [row[-1] for row in survivors.rows] == ["speed only", "open"]
