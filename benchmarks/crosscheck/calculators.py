"""The calculators that are compared, each as an engine of the verifier's; those that are missing are named.

None of these but the first two is offered by `--engine`: a third opinion about our formulas is
wanted here, not a third way to verify. Each works on a copy with the canary, as the engines do.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from xlbackprop.engine import Engine, Inputs, Value
from xlbackprop.engine.embedded import Embedded
from xlbackprop.engine.libreoffice import LibreOffice, RecalculatedFile, sheet_values
from xlbackprop.engine.package import CANARY_SHEET, copy_with_canary
from xlbackprop.errors import EngineError
from xlbackprop.files import scratch

Values = dict[str, list[list[Value]]]
SECONDS = 300  # the most that one file may take
_SCRIPT = Path(__file__).with_name("hyperformula.cjs")


class Foreign(ABC):
    """A calculator that takes a file and gives all values."""

    name = ""
    epsilon = 2.0**-52
    exp_overflows = True
    erf_error = 1e-15

    @abstractmethod
    def values(self, path: Path) -> Values:
        """Every sheet's values, row by row from the first cell on."""

    def recalculate(self, path: Path, inputs: Inputs | None = None) -> RecalculatedFile:
        """Raises EngineError where the calculator fails, or did not calculate."""
        with scratch() as folder:
            copy = folder / "copy.xlsx"
            canary = copy_with_canary(path, copy, inputs)
            values = self.values(copy)
        if values[CANARY_SHEET][0][1] != canary.expected:
            raise EngineError(f"{self.name} did not recalculate {path.name}")
        return RecalculatedFile(self.recalculate, path, values)


class Formualizer(Foreign):
    """A calculator in Rust, by pip."""

    def __init__(self) -> None:
        self.name = f"formualizer {_version_of('formualizer')}"

    def values(self, path: Path) -> Values:
        import formualizer

        book = formualizer.load_workbook(str(path))
        book.evaluate_all()
        sizes = CalamineWorkbook.from_path(str(path))
        result: Values = {}
        for name in book.sheet_names:
            bottom, right = sizes.get_sheet_by_name(name).end or (0, 0)
            area = formualizer.RangeAddress(name, 1, 1, bottom + 1, right + 1)
            result[name] = [[_plain(value) for value in row] for row in book.sheet(name).get_values(area)]
        return result


class Gnumeric(Foreign):
    """Gnumeric's ssconvert; it saves what it calculated as another file."""

    def __init__(self) -> None:
        self._program = _program("ssconvert", "Gnumeric's ssconvert (Debian: apt-get install gnumeric)")
        told = subprocess.run([self._program, "--version"], capture_output=True, text=True, check=True)
        self.name = f"Gnumeric {_number(told.stdout + told.stderr)}"

    def values(self, path: Path) -> Values:
        target = path.with_name("converted.xlsx")
        _run([self._program, "--recalc", str(path), str(target)], self.name)
        return sheet_values(target)


class HyperFormula(Foreign):
    """A calculator in TypeScript, by npm; it reads no files, so it is given what the cells hold."""

    def __init__(self) -> None:
        self._program = _program("node", "Node.js with HyperFormula (npm install hyperformula, and NODE_PATH)")
        self.name = f"HyperFormula {_run([self._program, str(_SCRIPT), '--version'], 'HyperFormula').strip()}"

    def values(self, path: Path) -> Values:
        book = load_workbook(path)
        # It takes no Greek letters in names, so they get others.
        short = {name: f"name_{k}" for k, name in enumerate(book.defined_names)}
        any_name = re.compile(rf"\b({'|'.join(map(re.escape, short)) or '(?!)'})\b")

        def typed(value: Any) -> Any:
            value = _typed(value)
            is_formula = isinstance(value, str) and value.startswith("=")
            return any_name.sub(lambda match: short[match[0]], value) if is_formula else value

        cells = {sheet.title: [[typed(value) for value in row] for row in sheet.values] for sheet in book}
        names = {short[name]: f"={one.attr_text}" for name, one in book.defined_names.items()}
        answer = _run([self._program, str(_SCRIPT)], self.name, json.dumps({"sheets": cells, "names": names}))
        values: Values = json.loads(answer)
        return values


KNOWN: dict[str, Callable[[], Engine]] = {
    "IronCalc": Embedded,
    "LibreOffice": LibreOffice,
    "formualizer": Formualizer,
    "HyperFormula": HyperFormula,
    "Gnumeric": Gnumeric,
}


def available(names: tuple[str, ...] = tuple(KNOWN)) -> tuple[dict[str, Engine], dict[str, str]]:
    """The calculators of these names, and why the missing ones are missing."""
    found, missing = {}, {}
    for name in names:
        try:
            found[name] = KNOWN[name]()
        except EngineError as error:
            missing[name] = str(error)
    return found, missing


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise EngineError(f"{package} is not installed (pip install {package})") from None


def _program(name: str, words: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise EngineError(f"{words} is not installed")
    return found


def _run(command: list[str], name: str, text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS, check=True)
    except subprocess.TimeoutExpired:
        raise EngineError(f"{name} did not answer in {SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EngineError(f"{name} failed ({last})") from None
    return done.stdout


def _number(text: str) -> str:
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else "of unknown version"


def _plain(value: Any) -> Value:
    """An error is told as a dictionary."""
    return f"#{value['kind']}" if isinstance(value, dict) else value


_EXPONENT = re.compile(r"(?<=\d)E(?=[+-]?\d)")


def _typed(value: Any) -> Any:
    """What stands in a cell, as HyperFormula takes it: a text after an apostrophe, and 1e-300 in a formula."""
    if not isinstance(value, str):
        return value
    if not value.startswith("="):
        return f"'{value}"
    parts = value.split('"')  # every other one is a text
    return '"'.join(part if k % 2 else _EXPONENT.sub("e", part) for k, part in enumerate(parts))
