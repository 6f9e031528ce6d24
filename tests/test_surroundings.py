"""The command in poor surroundings: other encodings, streams that are closed or full, no home, no temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="closes and fills streams with a POSIX shell")


def shell(line: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell in which $X is the command."""
    settings = {"PYTHONPATH": str(ROOT), "X": f"{sys.executable} -m xlbackprop", **environment}
    surroundings = {**os.environ, **settings}
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env=surroundings,
        check=False,
        capture_output=True,
        errors="replace",
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A right workbook with Greek names, and the same under a name that is no UTF-8."""
    folder = tmp_path_factory.mktemp("surroundings")
    assert shell("$X build mazur --steps 2 -o . && cp mazur.xlsx $(printf '\\376.xlsx')", folder, {}).returncode == 0
    return folder


CP1252 = {"PYTHONIOENCODING": "cp1252:strict", "PYTHONUTF8": "0"}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ":strict"}
NO_ROOM = "Error: the system: No space left on device; make room, or set TMPDIR to a folder that can be written\n"


@POSIX
@pytest.mark.parametrize(
    ("line", "environment", "ends", "says", "complains"),
    [
        ("$X templates", CP1252, 0, r"\u2074", ""),
        ("$X ops", CP1252, 0, r"\u03a6", ""),
        ("$X ops", ASCII, 0, "Φ", ""),  # click takes a stream of ASCII for one whose encoding nobody set
        ("$X explain w5 mazur.xlsx", CP1252, 0, r"'\u03b7=0.5'!O6  w5", ""),
        ("$X run mazur --steps 2 -o out", ASCII, 0, "η=0.5 to 0.2", ""),
        ("$X verify $(printf '\\376.xlsx')", {"PYTHONIOENCODING": "utf-8:strict"}, 0, r"\udcfe.xlsx: correct", ""),
        ("$X run --help", {"COLUMNS": "1"}, 0, "Example: xlbackprop run mazur", ""),
        ("$X verify mazur.xlsx mazur.xlsx | true", {}, 0, "", ""),
        ("$X templates mazur | head -n 1", {}, 0, "title", ""),
        ("$X verify mazur.xlsx <&-", {}, 0, "mazur.xlsx: correct", ""),
        ("$X verify mazur.xlsx >&-", {}, 0, "", ""),
        ("$X verify mazur.xlsx 2>&-", {}, 0, "mazur.xlsx: correct", ""),
        ("$X verify mazur.xlsx <&- >&- 2>&-", {}, 0, "", ""),
        ("$X verify none.xlsx 2>&-", {}, 2, "", ""),
        ("$X templates > /dev/full", {}, 2, "", NO_ROOM),
        ("$X --help > /dev/full", {}, 2, "", NO_ROOM),
        ("$X plot mazur --steps 2 -o out", {"HOME": "/dev/null/x", "MPLCONFIGDIR": "/dev/null/x"}, 0, "out/mazur", ""),
        ("$X verify mazur.xlsx", {"TMPDIR": "/dev/null/x"}, 0, "mazur.xlsx: correct", ""),
        ("$X verify mazur.xlsx", {"PYTHONOPTIMIZE": "2"}, 0, "mazur.xlsx: correct", ""),
        ("$X run lenet -o out", {"PYTHONOPTIMIZE": "2"}, 0, "verified", ""),
    ],
)
def test_a_command(folder: Path, line: str, environment: dict[str, str], ends: int, says: str, complains: str) -> None:
    if "/dev/full" in line and not Path("/dev/full").exists():
        pytest.skip("/dev/full is Linux's")
    done = shell(line, folder, environment)
    assert (done.returncode, done.stderr) == (ends, complains)
    assert says in done.stdout


@POSIX
@pytest.mark.parametrize("environment", [CP1252, {"PYTHONIOENCODING": "utf-8:strict"}, {"LC_ALL": "C.UTF-8"}])
@pytest.mark.parametrize("name", ["mazur", "\udcfe"])
def test_json_can_be_read_and_holds_every_letter(folder: Path, name: str, environment: dict[str, str]) -> None:
    done = shell(f"$X verify --json {name}.xlsx", folder, environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["workbook"], found["tables"][0]["sheet"]) == (f"{name}.xlsx", "η=0.5")


@POSIX
def test_without_any_temporary_folder_one_line_says_so(folder: Path) -> None:
    code = (
        "import tempfile\nfrom xlbackprop.cli import main\n"
        "tempfile._candidate_tempdir_list = lambda: ['/dev/null/x']\nmain(['verify', 'mazur.xlsx'])"
    )
    done = shell(f'{sys.executable} -c "$CODE"', folder, {"CODE": code})
    assert done.returncode == 2
    assert done.stderr == (
        "Error: temporary files: cannot be written (No usable temporary directory found in ['/dev/null/x']); "
        "make room, or set TMPDIR\n"
    )


def test_importing_everything_warns_of_nothing() -> None:
    """With bytes compared to text as an error too."""
    code = (
        "import importlib, pkgutil, warnings, xlbackprop\n"
        "warnings.filterwarnings('ignore', module='matplotlib')\n"  # an old one warns of a new pyparsing
        "for found in pkgutil.walk_packages(xlbackprop.__path__, 'xlbackprop.'):\n"
        "    if not found.name.endswith('__main__'): importlib.import_module(found.name)"
    )
    done = subprocess.run(
        [sys.executable, "-bb", "-W", "error", "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
