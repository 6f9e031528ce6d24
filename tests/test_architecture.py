"""The plan of the house, held by reading its imports and its text."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "xlbackprop"
MODULES = sorted(PACKAGE.rglob("*.py"))
LIBRARIES = {
    "PIL",
    "click",
    "dask",
    "distributed",
    "ironcalc",
    "matplotlib",
    "msgspec",
    "numpy",
    "openpyxl",
    "pypdfium2",
    "python_calamine",
    "tomli",
    "xlsxwriter",
}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def _room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def _top(name: str) -> str:
    return name.partition(".")[0]


# Which libraries a room may import, and which of our rooms it may not.
ALLOWED = {
    "arguments": {"click"},
    "architecture": {"msgspec", "openpyxl", "xlsxwriter"},
    "bring": {"msgspec", "numpy"},
    "curves": {"msgspec", "numpy", "openpyxl", "xlsxwriter"},
    "matrix": {"msgspec", "numpy", "openpyxl", "xlsxwriter"},
    "audit": {"numpy", "openpyxl"},
    "cli": {"click"},
    "cluster": {"distributed"},
    "engine": {"ironcalc", "python_calamine"},
    "reference": {"numpy"},
    "verification": {"numpy", "msgspec", "openpyxl"},
    "sheet": {"xlsxwriter"},
    "show": {"PIL", "matplotlib", "pypdfium2"},
    "network_file": {"tomli"},
    "network_values": {"msgspec"},
    "spec": {"msgspec"},
    "terminal": {"click"},
}
OTHER_KINDS = {"architecture", "bring", "curves", "matrix"}
FORBIDDEN = {
    "graph": {"sheet", "engine", "reference", "verification", "show", "cli", *OTHER_KINDS},
    "sheet": {"engine", "reference", "verification", "show", "cli", *OTHER_KINDS},
    "reference": {"graph", "sheet", "engine", "verification", "show", "cli", *OTHER_KINDS},
    "engine": {"graph", "reference", "verification", "show", "cli", *OTHER_KINDS},
    "verification": {"audit", "show", "cli", *OTHER_KINDS},
    "architecture": {"reference", "audit", "show", "cli"},
    "bring": {"reference", "audit", "show", "cli"},
    "curves": {"audit", "show", "cli"},
    "matrix": {"audit", "show", "cli"},
    "audit": {"verification", "show", "cli"},
    "explanation": {"reference", "show", "cli", "architecture", "bring", "curves"},
    "crowd": {"graph", "sheet", "engine", "reference", "verification", "audit", "show", "cli"},
    "cluster": {"graph", "sheet", "engine", "reference", "verification", "audit", "show", "cli"},
    "results": {"graph", "sheet", "engine", "reference", "verification", "show", "cli"},
    "spec": {"sheet", "engine", "reference", "verification", "show", "cli"},
}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports(path: Path) -> None:
    room, imports = _room(path), _imports(path)
    libraries = {_top(name) for name in imports} & LIBRARIES
    assert libraries <= ALLOWED.get(room, set())
    ours = {name.split(".")[1] for name in imports if name.startswith("xlbackprop.")}
    assert not ours & FORBIDDEN.get(room, set())


# What is filled in while something is read, inferred or drawn; every other dataclass is a value.
FILLED_IN = {
    "audit/binding.py": {"BoundTable"},
    "audit/compare.py": {"Comparison"},
    "audit/network.py": {"Unit", "Output", "Parameter", "Network"},
    "audit/parts.py": {"Node"},
    "audit/report.py": {"Audit"},
    "audit/values.py": {"Values"},
    "reference/network.py": {"Pass"},
    "show/columns.py": {"_Stage"},
}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dataclasses_are_frozen(path: Path) -> None:
    kinds = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]
    decorated = [(kind.name, ast.unparse(one)) for kind in kinds for one in kind.decorator_list]
    open_ones = {name for name, text in decorated if text.startswith("dataclass") and "frozen=True" not in text}
    assert open_ones == FILLED_IN.get(path.relative_to(PACKAGE).as_posix(), set())


def test_the_spec_asks_the_tables_for_their_words_and_nothing_else() -> None:
    """So that a new activation is a row on each side and nothing between; `reference` never gets there."""
    asks = {path.stem for path in MODULES if _room(path) == "spec" and any("graph" in name for name in _imports(path))}
    assert asks == {"checks"}


def test_there_are_modules() -> None:
    assert len(MODULES) > 30
    assert {_room(path) for path in MODULES} >= set(ALLOWED) | set(FORBIDDEN)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_says_why_it_exists_and_stays_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 400
    assert path.stem not in ("utils", "helpers", "common", "misc")


def test_the_package_stays_small() -> None:
    """Its size stands in the README; a change of it is a decision."""
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES)
    stated = re.search(r"about ([\d,]+) lines", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert stated, "README states the size of the package"
    assert abs(lines - int(stated[1].replace(",", ""))) <= 200, lines


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of a machine, no folder beside the project, in what users read."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    files = [ROOT / name for name in listed] or MODULES
    # The words are put together here, or this file would be the first to hold them.
    words = re.compile("|".join(("/" + "work/", "/" + "tmp/[a-z]", r"\.\./" + "shared", "py" + r"pi\.org")))
    for path in files:
        if path.suffix in (".py", ".md", ".toml", ".cfg", ".csv") and path.exists():
            assert not words.search(path.read_text(encoding="utf-8", errors="replace")), path


def test_every_room_is_installed() -> None:
    """A room that setup.cfg forgets works in the source tree alone."""
    listed = set(
        re.findall(r"^    (xlbackprop[.\w]*)$", (ROOT / "setup.cfg").read_text(encoding="utf-8"), re.MULTILINE)
    )
    rooms = {".".join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.rglob("__init__.py")}
    assert listed == rooms | {"xlbackprop.templates"}
