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
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from xlbackprop.engine import Inputs, Recalculated, Value
from xlbackprop.engine.package import CANARY_SHEET, copy_with_canary
from xlbackprop.errors import EngineError
from xlbackprop.files import scratch

# What its settings say, by their paths. No macro runs, no link is followed, and what asks the network all
# the same asks a port of this machine where nobody answers.
_SETTINGS = {
    "Office.Calc/Formula/Load": {"OOXMLRecalcMode": "0"},  # always
    # In long columns 7.4 was seen to take AVERAGE of a batch's rows before they were calculated.
    "Office.Calc/Formula/Calculation": {"UseThreadedCalculationForFormulaGroups": "false"},
    "Office.Calc/Content/Update": {"Link": "2"},  # never
    "Office.Common/Security/Scripting": {
        "MacroSecurityLevel": "3",  # the highest
        "DisableMacrosExecution": "true",
        "BlockUntrustedRefererLinks": "true",
    },
    "Inet/Settings": {
        "ooInetProxyType": "2",  # as follows
        **{f"ooInet{kind}Proxy{key}": value for kind in ("HTTP", "HTTPS") for key, value in
           (("Name", "127.0.0.1"), ("Port", "9"))},
    },
}  # fmt: skip
_PLACES = ("/Applications/LibreOffice.app/Contents/MacOS/soffice", "/opt/libreoffice/program/soffice")
TIME_LIMIT = 600.0  # seconds
MEGABYTES = 4096  # of address space, of which it takes 1,000 to open a small file
_MOST_WORDS = 2000  # bytes of its complaints


class LibreOffice:
    epsilon = 5e-15  # it stores 15 digits, and takes differences in the last bits for 0
    exp_overflows = True
    erf_error = 5e-15

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        self._time_limit = time_limit
        self._program = find()
        self.name = self._version()

    def recalculate(self, path: Path, inputs: Inputs | None = None) -> RecalculatedFile:
        with scratch() as folder:
            copy = folder / "copy.xlsx"
            canary = copy_with_canary(path, copy, inputs)
            converted = self.convert(copy, "xlsx:Calc MS Excel 2007 XML", folder / "out")
            values = sheet_values(converted)
        found = values[CANARY_SHEET][0][1]
        if found != canary.expected:
            raise EngineError(f"{self.name} did not recalculate (canary {found!r}, not {canary.expected!r})")
        return RecalculatedFile(self.recalculate, path, values)

    def convert(self, path: Path, to: str, folder: Path) -> Path:
        """Open a file, recalculate it, and save it in `folder` in another format; the new file's path."""
        (target,) = self.convert_all([path], to, folder)
        return target

    def convert_all(self, paths: Sequence[Path], to: str, folder: Path) -> list[Path]:
        """The same of many files, with one start of the program."""
        with scratch() as profile:
            user = profile / "user"
            user.mkdir()
            (user / "registrymodifications.xcu").write_text(_profile(), encoding="utf-8")
            command = [
                self._program, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore",
                "--nolockcheck", "--convert-to", to, "--outdir", str(folder), *map(str, paths),
            ]  # fmt: skip
            complaint = self._run(command)
        targets = [folder / f"{path.stem}.{to.partition(':')[0]}" for path in paths]
        if not all(target.exists() for target in targets):
            raise EngineError(
                f"{self.name} could not open the workbook ({complaint or 'no reason given'}); try it by hand"
            )
        return targets

    def _run(self, command: list[str]) -> str:
        """Run it to its end, or to that of its time, and return what it says."""
        with tempfile.TemporaryFile() as said, _confined(command, said) as process:
            try:
                process.wait(self._time_limit)
            except subprocess.TimeoutExpired:
                limit = f"{self._time_limit:g} s"
                raise EngineError(
                    f"LibreOffice did not answer in {limit} and was stopped; it may be too busy, try again"
                ) from None
            said.seek(0)
            complaint = said.read(_MOST_WORDS).decode(errors="replace")
        # It warns of a missing Java, which nothing here needs.
        lines = [line for line in complaint.splitlines() if "java" not in line.lower()]
        return " ".join(" ".join(lines).split())[:200]

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
    def __init__(
        self, again: Callable[[Path, Inputs], Recalculated], path: Path, values: dict[str, list[list[Value]]]
    ) -> None:
        self._again, self._path, self._values = again, path, values

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

    def changed(self, inputs: Inputs) -> Recalculated:
        return self._again(self._path, inputs)


def _profile() -> str:
    """The settings as a profile has them."""
    items = "".join(
        f'<item oor:path="/org.openoffice.{path}">'
        f'<prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>\n'
        for path, settings in _SETTINGS.items()
        for name, value in settings.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<oor:items xmlns:oor="http://openoffice.org/2001/registry">\n{items}</oor:items>\n'
    )


def find() -> str:
    """The path of LibreOffice's program. Raises EngineError where it is not installed."""
    for candidate in (shutil.which("soffice"), shutil.which("libreoffice"), *_PLACES):
        if candidate and Path(candidate).exists():
            return candidate
    raise EngineError("LibreOffice is not installed; install it (Debian, Ubuntu: apt-get install libreoffice-calc)")


def sheet_values(path: Path) -> dict[str, list[list[Value]]]:
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


# The shell has our pipe as its input, which ends when we do, even killed: then its whole group goes. A
# bound on memory that it was given stays. LibreOffice takes the shell's place, and so the group's id.
_CONFINED = """
[ "$(ulimit -v)" != unlimited ] || ulimit -v "$1" 2>/dev/null
shift
exec 3<&0 </dev/null
{ read -r _; kill -KILL 0; } <&3 >/dev/null 2>&1 &
exec "$@" 3<&-
"""


@contextmanager
def _confined(command: list[str], said: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, which ends with all that it started when the block ends, or we do."""
    if sys.platform != "win32":
        command = ["/bin/sh", "-c", _CONFINED, "sh", str(MEGABYTES << 10), *command]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said, start_new_session=True)
    try:
        yield process
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
