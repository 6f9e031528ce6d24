"""Measure everything, print it, and say which targets are met: `python -m benchmarks --quick`."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from benchmarks import networks, report
from benchmarks.formats import WAYS
from benchmarks.measure import Measuring, Results
from benchmarks.tables import Table
from xlbackprop.terminal import Progress

PACKAGES = ("xlbackprop", "ironcalc", "xlsxwriter", "openpyxl", "lxml", "numpy", "matplotlib", "click", "msgspec")
FILES = "written-out"  # its result is a size, the same each time
ONLY_LONG = ("xlsxwriter",)  # ten times slower than the others, which one size shows
ONCE = ("run", "help", "nothing", "phases")  # the default network only
OTHERS = ("build", "recalculate", "verify", "libreoffice-recalculate")  # of the other networks
RATES = (6, 60)
FORMATS = "formats"
CASES = (*report.LABELS, FILES, *ONCE, FORMATS, "rates")
WIDTH = 95
NOTES = """\
Seconds are medians of `times` fresh processes, the cases in turn, imports apart; spread is from
the fastest to the slowest. MB is the process's peak over what it had after imports and inputs;
for LibreOffice and whole processes all of it. Cells: the calculated cells of the workbook; for
openpyxl, XlsxWriter and the floor those of the training tables, all that they write. LibreOffice
recalculates as xlbackprop's cross-check (new profile, values read back); opens and saves with its
own settings, in a used profile. The floor and openpyxl are given their formulas as text.
A further cell: the difference of two sizes over the difference of their cells; what is left at none
is the fixed cost. A run draws in a process beside; imports are those of each phase, loaded in turn.

Verify evaluates a workbook twice, the second time with other inputs; what the engine alone takes
for that is the row `the same twice`. Cells get cheaper with the steps, in the floor's file too: a
training that comes to rest repeats its numbers, which pack faster. For each rate a build keeps the
head, the notes and the chart of its sheet, and for each row the error, which the charts carry.

The other ways: the same parts rewritten, and given to zipfile in memory; written in order of rows
and columns each time, which is the only valid order of cells, so the order of the parts is what is
tried. LibreOffice opens the file and writes its first sheet as text; Excel cannot be had here, so
its opening time is not measured. We use shared formulas, with which the file is smaller and the
engine loads it several times faster; shared strings, as every reader knows them; level 6, beyond
which the file hardly gets smaller; and XlsxWriter's order, as another makes no file smaller."""


def main() -> None:
    options = _options()
    sizes = (100, 1000) if options.quick else (100, 1000, 10_000)
    with tempfile.TemporaryDirectory(prefix="xlbackprop-benchmarks-") as folder:
        most, enough = (3, 10.0) if options.quick else (5, 20.0)
        with Progress() as progress:
            measuring = Measuring(Path(folder), most, enough, progress)
            _measure(measuring, options.cases, sizes)
    tables = list(_tables(measuring.results, sizes))
    doubts, machine = report.doubts(measuring.results, sizes), _machine()
    about = "\n".join(textwrap.fill(line, WIDTH) for line in machine)
    print("\n\n".join([about, *(table.as_text() for table in tables), *doubts, NOTES]))
    if options.output:
        listed = "\n".join(f"- {line}" for line in machine)
        parts = ["# Benchmarks", listed, *(table.as_markdown() for table in tables), *doubts, NOTES]
        options.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 and 1,000 steps only, fewer repetitions")
    parser.add_argument("--cases", type=_cases, default=CASES, help=f"of {','.join(CASES)}; all without it")
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the same as Markdown")
    return parser.parse_args()


def _cases(text: str) -> tuple[str, ...]:
    chosen = text.split(",")
    if unknown := [case for case in chosen if case not in CASES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a case; cases are {', '.join(CASES)}")
    return tuple(case for case in CASES if case in chosen)


def _measure(measuring: Measuring, cases: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    for steps in sizes:
        measuring.prepare("build", steps)
        chosen = [case for case in cases if case in report.LABELS and (case not in ONLY_LONG or steps == report.LONG)]
        if steps == report.DEFAULT:
            chosen += [case for case in cases if case in ONCE]
        measuring.measure(chosen, steps)
        if FILES in cases:
            measuring.measure([FILES], steps, most=1)
    if FORMATS in cases:
        # What is read was written before; in a round all ways come one after the other.
        measuring.measure([f"{case}@{way}" for case in report.FORMAT_CASES for way in WAYS], report.LONG)
    if "rates" in cases:
        measuring.measure([f"rates@{count}" for count in RATES], report.DEFAULT)
    for network in networks.ABOUT:
        measuring.prepare(f"{network}:build", report.DEFAULT)
        measuring.measure([f"{network}:{case}" for case in OTHERS if case in cases], report.DEFAULT)


def _tables(results: Results, sizes: tuple[int, ...]) -> Iterator[Table]:
    tables = [report.size_table(results, steps) for steps in sizes]
    tables += [report.network_table(results, *one) for one in networks.ABOUT.items()]
    tables += [report.growth_table(results, sizes)]
    tables += [report.rates_table(results, RATES)]
    tables += [report.process_table(results), report.file_table(results, sizes)]
    tables += [report.format_table(results, {way: how.about for way, how in WAYS.items()})]
    if phases := report.phase_table(results):
        tables.append(phases)
    yield from (table for table in tables if table.rows)
    yield report.target_table(results, sizes)


def _machine() -> list[str]:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return [
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors ({_processor()}), load {load}",
        f"{platform.python_implementation()} {platform.python_version()}",
        ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name))),
    ]


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "of unknown kind")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
