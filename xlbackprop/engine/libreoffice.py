"""LibreOffice without a window: the program that users open, as a cross-check.

It runs in a private profile that recalculates every file on load (a file's carried values are
otherwise kept, whatever the file asks for), and its whole process group ends with it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from xlbackprop.engine import Inputs, Value
from xlbackprop.engine.package import CANARY_SHEET, copy_with_canary
from xlbackprop.errors import EngineError

# Without threads: in long columns 7.4 was seen to take AVERAGE of a batch's rows before they were calculated.
_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse">
<value>0</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Formula/Calculation">
<prop oor:name="UseThreadedCalculationForFormulaGroups" oor:op="fuse"><value>false</value></prop></item>
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="MacroSecurityLevel" oor:op="fuse">
<value>3</value></prop></item>
<item oor:path="/org.openoffice.Office.Calc/Content/Update"><prop oor:name="Link" oor:op="fuse">
<value>2</value></prop></item>
</oor:items>
"""
_PLACES = ("/Applications/LibreOffice.app/Contents/MacOS/soffice", "/opt/libreoffice/program/soffice")
TIME_LIMIT = 600.0  # seconds


class LibreOffice:
    epsilon = 5e-15  # it stores 15 digits, and takes differences in the last bits for 0
    exp_overflows = True
    erf_error = 5e-15

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        self._program = find()
        self.name = self._version()

    def recalculate(self, path: Path, inputs: Inputs | None = None) -> RecalculatedFile:
        with tempfile.TemporaryDirectory(prefix="xlbackprop-") as folder:
            copy = Path(folder) / "copy.xlsx"
            canary = copy_with_canary(path, copy, inputs)
            converted = self.convert(copy, "xlsx:Calc MS Excel 2007 XML", Path(folder) / "out")
            values = _read(converted)
        found = values[CANARY_SHEET][0][1]
        if found != canary.expected:
            raise EngineError(f"{self.name} did not recalculate (canary {found!r}, not {canary.expected!r})")
        return RecalculatedFile(self, path, values)

    def convert(self, path: Path, to: str, folder: Path) -> Path:
        """Open a file, recalculate it, and save it in `folder` in another format; the new file's path."""
        with tempfile.TemporaryDirectory(prefix="xlbackprop-profile-") as profile:
            user = Path(profile) / "user"
            user.mkdir()
            (user / "registrymodifications.xcu").write_text(_PROFILE, encoding="utf-8")
            command = [
                self._program, f"-env:UserInstallation={Path(profile).as_uri()}", "--headless", "--norestore",
                "--nolockcheck", "--convert-to", to, "--outdir", str(folder), str(path),
            ]  # fmt: skip
            complaint = self._run(command)
        target = folder / f"{path.stem}.{to.partition(':')[0]}"
        if not target.exists():
            raise EngineError(
                f"{self.name} could not open the workbook ({complaint or 'no reason given'}); try it by hand"
            )
        return target

    def _run(self, command: list[str]) -> str:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            _, complaint = process.communicate(timeout=self._time_limit)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"LibreOffice did not answer in {self._time_limit:g} s and was stopped; it may be too busy, try again"
            ) from None
        finally:
            _end_group(process)
        # It warns of a missing Java, which nothing here needs.
        lines = [line for line in complaint.decode(errors="replace").splitlines() if "java" not in line.lower()]
        return " ".join(lines).strip()

    def _version(self) -> str:
        try:
            answer = subprocess.run(
                [self._program, "--version"], capture_output=True, text=True, timeout=60, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"LibreOffice at {self._program} does not start ({error}); reinstall it") from None
        version = re.search(r"\d+(\.\d+)+", answer)
        return f"LibreOffice {version[0]}" if version else "LibreOffice"


class RecalculatedFile:
    def __init__(self, office: LibreOffice, path: Path, values: dict[str, list[list[Value]]]) -> None:
        self._office, self._path, self._values = office, path, values

    @property
    def sheets(self) -> list[str]:
        return [name for name in self._values if name != CANARY_SHEET]

    def column(self, sheet: str, row: int, column: int, count: int) -> list[Value]:
        rows = self._values[sheet]
        return [rows[k][column] if k < len(rows) and column < len(rows[k]) else None for k in range(row, row + count)]

    def row(self, sheet: str, row: int, column: int, count: int) -> list[Value]:
        rows = self._values[sheet]
        there = rows[row][column : column + count] if row < len(rows) else []
        return [*there, *[None] * (count - len(there))]

    def changed(self, inputs: Inputs) -> RecalculatedFile:
        return self._office.recalculate(self._path, inputs)


def find() -> str:
    """The path of LibreOffice's program. Raises EngineError where it is not installed."""
    for candidate in (shutil.which("soffice"), shutil.which("libreoffice"), *_PLACES):
        if candidate and Path(candidate).exists():
            return candidate
    raise EngineError("LibreOffice is not installed; install it (Debian, Ubuntu: apt-get install libreoffice-calc)")


def _read(path: Path) -> dict[str, list[list[Value]]]:
    """Every sheet's values. An error and a blank both read as None: the reader does not tell them apart."""
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(str(path))
    return {
        name: [
            [value if isinstance(value, (bool, float, int)) else str(value) or None for value in row]
            for row in book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        ]
        for name in book.sheet_names
    }


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
