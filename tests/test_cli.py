"""The command line as people type it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import xlbackprop
from xlbackprop.cli import main


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def complaint(*arguments: object) -> str:
    """The one line that bad input gets, with exit 2 and no traceback."""
    result = invoke(*arguments)
    assert result.exit_code == 2, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    return line


def test_run_says_so_in_five_lines(tmp_path: Path) -> None:
    result = invoke("run", "-o", tmp_path)
    assert result.exit_code == 0
    labels = re.findall(r"^(\w+) ", result.output, re.MULTILINE)
    assert labels == ["workbook", "verified", "pictures", "error", "time"]
    assert max(map(len, result.output.splitlines())) <= 80
    assert "all 21,262 calculated cells agree with numpy" in " ".join(result.output.split())
    assert "falls at every step: η=0.1 to 0.00785" in " ".join(result.output.split())
    pictures = {f"era-s6-error-{rate}.png" for rate in (0.1, 0.2, 0.5, 0.8, 1.0, 2.0)}
    pictures |= {f"era-s6-{what}.{kind}" for what in ("network", "network-backward") for kind in ("png", "svg")}
    assert {path.name for path in tmp_path.iterdir()} == {"era-s6.xlsx", "era-s6-error.png", *pictures}


def test_run_with_options(tmp_path: Path) -> None:
    result = invoke("run", "mazur", "--rates", "0.5,1e6", "--steps", 5, "--style", "delta", "-o", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "new" / "mazur.xlsx").exists()


def test_a_run_that_diverges_says_where(tmp_path: Path) -> None:
    result = invoke("run", "simple-mlp", "--rates", "0.1,1000", "--steps", 60, "-o", tmp_path)
    assert result.exit_code == 0
    assert "diverged at step" in result.output


def test_a_failed_verification_exits_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from xlbackprop.graph.ops import OPS

    monkeypatch.setitem(OPS, "sigmoid", replace(OPS["sigmoid"], worksheet="1/(1+EXP({0}))"))
    result = invoke("run", "--steps", 2, "-o", tmp_path)
    assert result.exit_code == 1
    assert "verified  FAILED" in result.output
    assert "a_h1" in result.output


def test_verify_a_right_and_a_wrong_file(small: Path, tmp_path: Path) -> None:
    from openpyxl import load_workbook

    book = load_workbook(small)
    book["η=0.5"]["K9"] = "=J9"
    book.save(tmp_path / "wrong.xlsx")
    assert invoke("verify", small).exit_code == 0
    wrong = invoke("verify", tmp_path / "wrong.xlsx")
    assert (wrong.exit_code, "wrong.xlsx: WRONG" in wrong.stdout, "'η=0.5'!K9 a_h1" in wrong.stdout) == (1, True, True)
    both = invoke("verify", small, tmp_path / "wrong.xlsx", "--json")
    assert both.exit_code == 1
    assert [report["verdict"] for report in json.loads(both.stdout)] == ["correct", "wrong"]
    three = invoke("verify", small, tmp_path / "none.xlsx", "--json")
    assert three.exit_code == 2
    assert [report["verdict"] for report in json.loads(three.stdout)] == ["correct", "unreadable"]


def test_json_is_nothing_but_json(small: Path) -> None:
    """Native code of the calculator prints to stdout now and then; a program reads ours."""
    done = subprocess.run(
        [sys.executable, "-m", "xlbackprop", "verify", str(small), "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["verdict"] == "correct"
    assert done.stderr == ""


def test_templates_lists_prints_and_copies(tmp_path: Path) -> None:
    listed = invoke("templates").output.splitlines()
    assert [line.split()[0] for line in listed] == sorted(xlbackprop.templates())
    assert len(listed) >= 9
    mine = tmp_path / "mine.toml"
    assert invoke("templates", "mazur", "--copy", mine).exit_code == 0
    assert mine.read_text() == invoke("templates", "mazur").output
    assert invoke("run", mine, "--steps", 2, "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "mine.xlsx").exists()
    assert "exists already; name a new file" in complaint("templates", "mazur", "--copy", mine)
    assert "needs the name of a template" in complaint("templates", "--copy", mine)


def test_ops_prints_the_table() -> None:
    output = invoke("ops").output
    assert re.search(r"sigmoid +activation +1/\(1\+EXP\(-z\)\) +a\*\(1-a\)", output)
    from xlbackprop.graph.ops import OPS

    assert len(output.splitlines()) > len(OPS)
    assert max(map(len, output.splitlines())) <= 80
    for word in ("batch norm", "cross-entropy from logits", "adamw"):
        assert word in output


def test_plot_and_its_details(tmp_path: Path) -> None:
    result = invoke("plot", "mazur", "--steps", 5, "--details", "-o", tmp_path)
    network = ["network.png", "network.svg", "network-backward.png", "network-backward.svg"]
    names = [*network, "error.png", "error-0.5.png", "weights-0.5.png", "gradients-0.5.png"]
    assert result.output.split() == [str(tmp_path / f"mazur-{name}") for name in names]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory: pytest.TempPathFactory, small: Path) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "text.xlsx").write_text("not a zip")
    (folder / "empty.xlsx").write_bytes(b"")
    (folder / "truncated.xlsx").write_bytes(small.read_bytes()[: small.stat().st_size // 2])
    (folder / "protected.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000))
    with zipfile.ZipFile(folder / "zip.xlsx", "w") as package:
        package.writestr("readme.txt", "hello")
    with zipfile.ZipFile(folder / "no-workbook.xlsx", "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
    with zipfile.ZipFile(folder / "bad-xml.xlsx", "w") as package:
        package.writestr("[Content_Types].xml", "<Types")
        package.writestr("_rels/.rels", "<Relationships")
    from openpyxl import Workbook

    Workbook().save(folder / "no-table.xlsx")
    (folder / "nothing").mkdir()
    return folder


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("none.xlsx", r"cannot be read \(No such file or directory\); check the path"),
        ("text.xlsx", "is not an .xlsx workbook; open it"),
        ("empty.xlsx", "is not an .xlsx workbook; open it"),
        ("truncated.xlsx", "is truncated or damaged; copy or download it again"),
        ("protected.xlsx", "is password-protected or an old .xls; save it"),
        ("zip.xlsx", "is a zip file without a workbook in it"),
        ("no-workbook.xlsx", "has a part that cannot be read"),
        ("bad-xml.xlsx", "has a part that cannot be read"),
        ("no-table.xlsx", "has no training table that can be read"),
        ("nothing", "is a folder without a workbook"),
    ],
)
def test_a_workbook_that_cannot_be_read(bad_files: Path, name: str, fact: str) -> None:
    line = complaint("verify", bad_files / name)
    assert line.startswith(f"Error: {bad_files / name}: ")
    assert re.search(fact, line)


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (("run", "era-s7"), "did you mean era-s6?"),
        (("run", "none.toml"), "none.toml: cannot be read"),
        (("run", "--rates", "0.1,x"), "'0.1,x' is not a list of numbers; write them as 0.1,0.2"),
        (("run", "--rates", "0.1,0.1"), "options: rates: 0.1 is given twice"),
        (("run", "--rates", "-1"), "a learning rate is above 0"),
        (("run", "--rates", "nan"), "is nan; give a finite number"),
        (("run", "--steps", "0"), "options: steps: is 0; give at least 1"),
        (("run", "--steps", "9999999"), "a sheet has 1,048,576"),
        (("run", "--engine", "abacus"), "'abacus' is not one of 'embedded', 'libreoffice'"),
        (("build", "-o", "/dev/null/x"), "cannot be written"),
        (("plot", "-o", "/dev/null/x"), "cannot be written"),
        (("templates", "mazr"), "did you mean mazur?"),
        (("verify",), "Missing argument 'WORKBOOKS...'"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], fact: str) -> None:
    assert fact in complaint(*arguments)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.libreoffice] * (name == "screenshot")) for name in sorted(main.commands)],
)
def test_the_example_in_the_help_works(name: str, tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    help_text = invoke(name, "--help").output
    (example,) = re.findall(r"Example: xlbackprop (.+)", help_text)
    words = example.split()
    assert words[0] == name
    monkeypatch.chdir(tmp_path)
    Path("output").mkdir()
    Path("output/era-s6.xlsx").write_bytes(small.read_bytes())
    if name == "from-torch":
        xlbackprop.save_weights(small, Path("weights.npz"))
    result = invoke(*words)
    assert result.exit_code == 0, result.output


def test_the_library_has_the_same_verbs() -> None:
    verbs = {"from-torch": "with_weights", "weights": "save_weights"}  # where a command is a part of a verb
    for name in main.commands:
        assert callable(getattr(xlbackprop, verbs.get(name, name))), name
    assert xlbackprop.ops().startswith("OPERATIONS")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        xlbackprop.nothing  # noqa: B018


def test_python_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "xlbackprop", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"xlbackprop, version {xlbackprop.__version__}\n"


HEAVY = ("numpy", "msgspec", "matplotlib", "PIL", "openpyxl", "xlsxwriter", "ironcalc", "jinja2", "pypdfium2")
LOADED = {
    "--help": [],
    "templates": [],
    "templates era-s6": [],
    "ops": ["msgspec"],
    "verify small.xlsx": [],  # the file is read by a process beside
    "build xor": ["numpy", "msgspec", "matplotlib", "PIL", "xlsxwriter"],
    "run xor --steps 2": ["numpy", "msgspec", "xlsxwriter", "ironcalc"],  # a process beside draws
}


@pytest.mark.parametrize("command", LOADED)
def test_a_command_loads_what_it_uses(command: str, small: Path, tmp_path: Path) -> None:
    words = [str(small) if word == "small.xlsx" else word for word in command.split()]
    code = (
        f"import sys\nfrom xlbackprop.cli import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(xlbackprop.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == str(LOADED[command])


def test_verify_imports_neither_writer_nor_plots(small: Path) -> None:
    code = (
        f"import sys\nfrom xlbackprop import verify\nverify({str(small)!r})\n"
        "print([one for one in 'matplotlib openpyxl xlsxwriter click urllib.request'.split() if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_option_is_explained() -> None:
    for command in main.commands.values():
        assert command.help
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or parameter.help, (command.name, parameter.name)
