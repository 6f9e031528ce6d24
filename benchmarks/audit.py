"""How long the audit of hand-made workbooks takes: `python -m benchmarks.audit`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from benchmarks.course import submissions
from benchmarks.tables import Table
from xlbackprop.checking import verify

HEADINGS = (
    "files", "different", "seconds", "files a second", "CPU s a different file", "parent CPU s", "parent MB",
    "largest worker MB", "correct", "wrong",
)  # fmt: skip
RATES = (0.1, 0.2, 0.5, 0.8, 1.0, 2.0)
ROWS = 68
HEADER = 32
LABELS = "t1 t2 i1 i2 w1 w2 w3 w4 h1 a_h1 h2 a_h2 w5 w6 w7 w8 o1 a_o1 o2 a_o2 E1 E2 E_tot"
GIVEN = dict(zip("ABCDEFGHMNOP", (0.01, 0.99, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.45, 0.5, 0.55), strict=True))
UPDATED = dict(zip("EFGHMNOP", ("X", "Y", "Z", "AA", "AB", "AC", "AD", "AE"), strict=True))
FIRST, SECOND = "(R#-A#)*R#*(1-R#)", "(T#-B#)*T#*(1-T#)"
CALCULATED = {
    "I": "E#*C#+F#*D#",
    "J": "1/(1+EXP(-I#))",
    "K": "G#*C#+H#*D#",
    "L": "1/(1+EXP(-K#))",
    "Q": "M#*J#+N#*L#",
    "R": "1/(1+EXP(-Q#))",
    "S": "O#*J#+P#*L#",
    "T": "1/(1+EXP(-S#))",
    "U": "0.5*(A#-R#)^2",
    "V": "0.5*(B#-T#)^2",
    "W": "U#+V#",
    "X": f"({FIRST}*M#+{SECOND}*O#)*J#*(1-J#)*C#",
    "Y": f"({FIRST}*M#+{SECOND}*O#)*J#*(1-J#)*D#",
    "Z": f"({FIRST}*N#+{SECOND}*P#)*J#*(1-J#)*C#",  # the template's slip: another unit's derivative
    "AA": f"({FIRST}*N#+{SECOND}*P#)*J#*(1-J#)*D#",
    "AB": f"{FIRST}*J#",
    "AC": f"{FIRST}*L#",
    "AD": f"{SECOND}*J#",
    "AE": f"{SECOND}*L#",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="submissions of the course; a tenth is measured first")
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the same as Markdown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xlbackprop-benchmarks-") as folder:
        lines = _measured(Path(folder), options.files)
    text = "\n".join(["# Speed of the audit", "", *lines]) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def _measured(folder: Path, files: int) -> list[str]:
    one = folder / "theirs.xlsx"
    write(one)
    found = verify(one)  # imports, and a first look
    assert len(found.as_json()["mistakes"]) == 2 * len(RATES), "the slip is found in each sheet"
    load = os.getloadavg()[0]
    seconds, cpu = zip(*(_timed(one) for _ in range(9)))
    (course := folder / "course").mkdir()
    expected = submissions(one, course, files, HEADER, ROWS)
    runs = [_course(course, count) for count in (files // 10, files)]
    assert runs[-1]["verdicts"] == {kind: expected[kind] for kind in runs[-1]["verdicts"]}, "each mistake is found"
    cores, each = os.cpu_count() or 1, runs[-1]["workers"] / runs[-1]["different"]
    return [
        f"- {platform.machine()}, {cores} cores, Python {platform.python_version()}, {found.as_json()['engine']}; "
        f"the load average was {load:.0f} before, so seconds are of a machine that "
        f"{'did other work too' if load > cores / 2 else 'did nothing else'}",
        f"- 6 tables of {ROWS} rows, the template's slip in each, named and with its fix: "
        f"{median(cpu):.2f} s of CPU ({min(cpu):.2f} to {max(cpu):.2f}), {median(seconds):.2f} s by the clock, "
        f"without start-up (medians of {len(cpu)})",
        "",
        "## A course's submissions",
        "",
        "Such workbooks, each with weights of its own: right ones, the template's slip, one mistake of ten kinds "
        "in one sheet, and byte-equal copies, which are checked once. Every verdict is as it should be.",
        "",
        Table("", HEADINGS, [_row(one) for one in runs], texts=0).as_markdown(),
        "",
        f"A different file takes {each:.2f} s of CPU, its share of the workers' start included. {cores} cores that do "
        f"nothing else would check {cores / each * files / runs[-1]['different']:.1f} files a second with these "
        f"copies, and 10,000 in {10_000 / files * runs[-1]['workers'] / cores / 60:.0f} minutes"
        f"{'' if files == 10_000 else ' (extrapolated)'}.",
    ]


def _course(folder: Path, count: int) -> dict[str, Any]:
    """The first so many submissions, checked by a process of its own."""
    paths = sorted(folder.iterdir())[:count]
    command = [sys.executable, "-m", "benchmarks.course", str(folder), str(count)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found | {"different": len({sha256(path.read_bytes()).digest() for path in paths})}


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{one['files']:,}", f"{one['different']:,}", f"{one['seconds']:,.0f}", f"{one['files'] / one['seconds']:.1f}",
        f"{one['workers'] / one['different']:.2f}", f"{one['parent']:.1f}", f"{one['parent MB']:.0f}",
        f"{one['worker MB']:.0f}", f"{one['verdicts'].get('correct', 0):,}", f"{one['verdicts'].get('wrong', 0):,}",
    )  # fmt: skip


def _timed(path: Path) -> tuple[float, float]:
    """Seconds by the clock, and of CPU."""
    started, used = perf_counter(), process_time()
    verify(path)
    return perf_counter() - started, process_time() - used


def write(path: Path) -> None:
    """Six sheets of the class table, one for each rate, with the slip of the course's template."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rate in RATES:
        fill(book.create_sheet(f"LR_{rate:g}"), rate)
    book.save(path)


def fill(sheet: Worksheet, rate: float, header: int = HEADER, rows: int = ROWS, **given: float) -> None:
    """The class table with its header in this row and the rate above it; `given` has other numbers for columns."""
    sheet[f"F{header - 1}"], sheet[f"G{header - 1}"] = "η =", rate
    for column, label in enumerate([*LABELS.split(), *(f"∂E/∂w{k}" for k in range(1, 9))], 1):
        sheet.cell(header, column, label)
    for row in range(header + 1, header + 1 + rows):
        for name, value in (GIVEN | given).items():
            is_updated = name in UPDATED and row > header + 1
            update = f"={name}{row - 1}-$G${header - 1}*{UPDATED.get(name)}{row - 1}"
            sheet[f"{name}{row}"] = update if is_updated else value
        for name, formula in CALCULATED.items():
            sheet[f"{name}{row}"] = "=" + formula.replace("#", str(row))


if __name__ == "__main__":
    main()
