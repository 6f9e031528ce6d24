"""How long the audit of hand-made workbooks takes: `python -m benchmarks.audit`."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import tempfile
from pathlib import Path
from time import perf_counter

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from xlbackprop.checking import Options, verify, verify_all

RATES = (0.1, 0.2, 0.5, 0.8, 1.0, 2.0)
ROWS = 68
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
    parser.add_argument("--files", type=int, default=100, help="copies in the folder")
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the same as Markdown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xlbackprop-benchmarks-") as folder:
        lines = _measured(Path(folder), options.files)
    text = "\n".join(["# Speed of the audit", "", *(f"- {line}" for line in lines)]) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def _measured(folder: Path, files: int) -> list[str]:
    one = folder / "theirs.xlsx"
    write(one)
    found = verify(one)  # imports, and a first look
    assert len(found.as_json()["mistakes"]) == 2 * len(RATES), "the slip is found in each sheet"
    seconds = [_timed(one) for _ in range(9)]
    copies = folder / "copies"
    copies.mkdir()
    for k in range(files):
        shutil.copyfile(one, copies / f"{k:04}.xlsx")
    started = perf_counter()
    verdicts = [outcome.verdict for outcome in verify_all(sorted(copies.iterdir()), Options())]
    whole = perf_counter() - started
    assert verdicts == ["wrong"] * files
    return [
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        f"6 tables of {ROWS} rows, the template's slip in each, named and with its fix: "
        f"{statistics.median(seconds):.2f} s of work (median of {len(seconds)}, {min(seconds):.2f} to "
        f"{max(seconds):.2f})",
        f"a folder of {files} such workbooks, in parallel, start-up included: {whole:.1f} s, "
        f"{files / whole:.1f} a second",
    ]


def _timed(path: Path) -> float:
    started = perf_counter()
    verify(path)
    return perf_counter() - started


def write(path: Path) -> None:
    """Six sheets of the class table, one for each rate, with the slip of the course's template."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for rate in RATES:
        fill(book.create_sheet(f"LR_{rate:g}"), rate)
    book.save(path)


def fill(sheet: Worksheet, rate: float, header: int = 32, **given: float) -> None:
    """The class table with its header in this row and the rate above it; `given` has other numbers for columns."""
    sheet[f"F{header - 1}"], sheet[f"G{header - 1}"] = "η =", rate
    for column, label in enumerate([*LABELS.split(), *(f"∂E/∂w{k}" for k in range(1, 9))], 1):
        sheet.cell(header, column, label)
    for row in range(header + 1, header + 1 + ROWS):
        for name, value in (GIVEN | given).items():
            is_updated = name in UPDATED and row > header + 1
            update = f"={name}{row - 1}-$G${header - 1}*{UPDATED.get(name)}{row - 1}"
            sheet[f"{name}{row}"] = update if is_updated else value
        for name, formula in CALCULATED.items():
            sheet[f"{name}{row}"] = "=" + formula.replace("#", str(row))


if __name__ == "__main__":
    main()
