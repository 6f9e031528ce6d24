"""The measurements as tables, and the targets beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.measure import Measurement, Results
from benchmarks.networks import ABOUT
from benchmarks.tables import Table

DEFAULT, LONG = 100, 1000  # steps: the template's own, and those of the comparisons
GROWTH = 0.2  # how much the time a cell may change with the size
FLAT = 1  # bytes for a further cell: of a row of some thirty numbers, one, the error, is kept for the charts

LABELS = {
    "build": "build",
    "recalculate": "recalculate, embedded engine",
    "recalculate-twice": "the same twice, the second time with other inputs",
    "verify": "verify, everything",
    "plot": "plot",
    "openpyxl": "openpyxl, without values",
    "openpyxl-write-only": "openpyxl write-only, without values",
    "xlsxwriter": "XlsxWriter as it comes",
    "floor": "floor: text templates, values given",
    "libreoffice-recalculate": "LibreOffice recalculates",
    "libreoffice-save": "LibreOffice opens and saves",
}
FORMAT_CASES = ("write", "load", "open")
PROCESSES = {
    "run": "xlbackprop run",
    "libreoffice-save": "LibreOffice opens and saves its file",
    "help": "xlbackprop --help",
    "nothing": "a click command that does nothing",
}


def size_table(results: Results, steps: int) -> Table:
    """What each case takes at that size."""
    found = [(label, one) for case, label in LABELS.items() if (one := results.get(case, steps))]
    header = ("", "times", "seconds", "spread", "cells/s", "µs/cell", "MB", "B/cell")
    return Table(f"6 rates x {steps:,} steps", header, [_row(label, one) for label, one in found])


def network_table(results: Results, network: str, about: str) -> Table:
    """What each case takes of another network."""
    cases = ((label, results.get(f"{network}:{case}", DEFAULT)) for case, label in LABELS.items())
    header = ("", "times", "seconds", "spread", "cells/s", "µs/cell", "MB", "B/cell")
    return Table(f"{network}: {about}", header, [_row(label, one) for label, one in cases if one])


def _row(label: str, one: Measurement) -> list[str]:
    row = [label, str(len(one.repetitions)), f"{one.seconds:.3f}", _spread(one)]
    cells, memory = one.cells, one.memory
    if not cells:
        return [*row, "", "", f"{memory / 1e6:.1f}", ""]
    speed = f"{cells / one.seconds:,.0f}", f"{one.seconds / cells * 1e6:.2f}"
    return [*row, *speed, f"{memory / 1e6:.1f}", f"{memory / cells:,.0f}"]


def growth_table(results: Results, sizes: Sequence[int]) -> Table:
    """What a further cell takes, apart from what every workbook takes."""
    rows = []
    for case in ("build", "recalculate", "verify", "floor"):
        for few, many in pairwise(sizes):
            one, other = results.get(case, few), results.get(case, many)
            if one and other:
                cells = other.cells - one.cells
                seconds, memory = (other.seconds - one.seconds) / cells, (other.memory - one.memory) / cells
                fixed = one.seconds - seconds * one.cells
                taken = f"{round(memory, 1) + 0.0:,.1f}"  # + 0.0: no -0.0
                rows.append([LABELS[case], f"{few:,} to {many:,}", f"{seconds * 1e6:.2f}", taken, f"{fixed:.2f}"])
    header = ("", "steps", "µs a further cell", "B a further cell", "fixed s")
    return Table("Growth: what a further cell takes, and what every workbook does", header, rows, texts=2)


def _spread(one: Measurement) -> str:
    return f"{one.spread:.0%}" if len(one.repetitions) > 1 else ""


def process_table(results: Results) -> Table:
    found = [(label, one) for case, label in PROCESSES.items() if (one := results.get(case, DEFAULT))]
    rows = [
        [label, str(len(one.repetitions)), f"{one.seconds:.3f}", _spread(one), f"{one.memory / 1e6:.1f}"]
        for label, one in found
    ]
    return Table(f"Whole processes, {DEFAULT} steps", ("", "times", "seconds", "spread", "MB"), rows)


def phase_table(results: Results) -> Table | None:
    phases = results.get("phases", DEFAULT)
    if phases is None:
        return None
    imports, work = phases["imports"], _work(results, phases)
    rows = [
        [phase, f"{imports[phase]:.3f}", f"{work[phase]:.3f}", f"{_share(imports[phase], work[phase]):.0%}"]
        for phase in imports
    ]
    return Table("Phases of a run: what they load and what they do", ("", "imports s", "work s", "imports"), rows)


def _work(results: Results, phases: Measurement) -> dict[str, float]:
    """Without imports. In a run a process beside draws, so what that does is the case of its name."""
    drawing = results.get("plot", DEFAULT)
    return {**phases["work"], **({"plot": drawing.seconds} if drawing else {})}


def _share(imports: float, work: float) -> float:
    return imports / (imports + work)


def file_table(results: Results, sizes: Sequence[int]) -> Table:
    rows = []
    for steps in sizes:
        if one := results.get("written-out", steps):
            kilobytes = [f"{one[fact] / 1e3:,.0f}" for fact in ("bytes", "written_out")]
            rows.append([f"{steps:,} steps", *kilobytes, f"{one['bytes'] / one['written_out']:.2f}"])
    return Table("File size, KB", ("", "built", "every formula written out", "ratio"), rows)


def format_table(results: Results, ways: Mapping[str, str]) -> Table:
    """What each way to write the same file costs, beside ours, which is the first."""
    rows = []
    for way, about in ways.items():
        found = [results.get(f"{case}@{way}", LONG) for case in FORMAT_CASES]
        if all(found):
            size = found[0]["bytes"] / 1e3 if found[0] else 0.0
            rows.append([about, f"{size:,.0f}", *(f"{one.seconds:.2f}" for one in found if one)])
    header = ("", "KB", "written in s", "engine loads in s", "LibreOffice opens in s")
    return Table(f"The same workbook of {LONG:,} steps, written in other ways", header, rows)


def rates_table(results: Results, counts: Sequence[int]) -> Table:
    """What building takes at few and at many rates."""
    rows = []
    for count in counts:
        if one := results.get(f"rates@{count}", DEFAULT):
            rows.append(
                [f"{count} rates", f"{one.seconds:.3f}", f"{one.memory / 1e6:.1f}", f"{one['bytes'] / 1e3:,.0f}"]
            )
    return Table(f"Building at many rates, {DEFAULT} steps each", ("", "seconds", "MB", "KB of file"), rows)


def doubts(results: Results, sizes: Sequence[int]) -> list[str]:
    """What makes a measurement mean less than it seems."""
    found = [f"{case}: skipped; {why}" for case, why in results.skipped.items()]
    verified = {f"{steps:,} steps": results.get("verify", steps) for steps in sizes}
    verified |= {network: results.get(f"{network}:verify", DEFAULT) for network in ABOUT}
    for what, one in verified.items():
        if one and not all(repetition["correct"] for repetition in one.repetitions):
            found.append(f"verify, {what}: says that the built workbook is wrong, so its time is of a failure.")
    for (case, steps), one in results.measurements.items():
        if case != "phases" and one.repetitions and (late := one.repetitions[0].get("late")):
            found.append(f"{case}, {steps:,} steps: its time has imports of {', '.join(late)} in it.")
    return found


# Targets


@dataclass(frozen=True)
class Target:
    what: str
    limit: str
    measured: float | None
    most: float
    least: float = 0.0
    unit: str = " x"

    def row(self) -> list[str]:
        if self.measured is None:
            return [self.what, self.limit, "", "not measured"]
        verdict = "met" if self.least <= self.measured <= self.most else "NOT MET"
        digits = 1 if abs(self.measured) >= 10 else 2
        return [self.what, self.limit, f"{self.measured:.{digits}f}{self.unit}", verdict]


def target_table(results: Results, sizes: Sequence[int]) -> Table:
    targets = [*_comparisons(results), *_growth(results, sizes), *_small(results, sizes)]
    return Table("Targets", ("", "target", "measured", ""), [one.row() for one in targets], texts=2)


def _comparisons(results: Results) -> list[Target]:
    openpyxl = _fastest(results, ("openpyxl", "openpyxl-write-only"))
    build, verify = _seconds(results, "build", LONG), _seconds(results, "verify", LONG)
    run, saved = _seconds(results, "run", DEFAULT), _seconds(results, "libreoffice-save", DEFAULT)
    office = _seconds(results, "libreoffice-recalculate", LONG)
    at = f"{LONG:,} steps: "
    return [
        Target(f"{at}build / openpyxl's faster mode", "<= 0.5 x", _ratio(build, openpyxl), 0.5),
        Target(f"{at}build / floor", "<= 2.5 x", _ratio(build, _seconds(results, "floor", LONG)), 2.5),
        Target(f"{at}verify / LibreOffice recalculates", "<= 0.15 x", _ratio(verify, office), 0.15),
        Target("run, whole / LibreOffice opens, saves", "<= 0.5 x", _ratio(run, saved), 0.5),
    ]


def _growth(results: Results, sizes: Sequence[int]) -> list[Target]:
    targets = []
    limit = f"{1 - GROWTH:.1f} to {1 + GROWTH:.1f} x"
    for case in ("build", "verify"):
        for small, large in pairwise(sizes):
            what = f"{case}, time a cell, {small:,} to {large:,}"
            grown = _ratio(_microseconds(results, case, large), _microseconds(results, case, small))
            targets.append(Target(f"{what}, all of it", limit, grown, 1 + GROWTH, 1 - GROWTH))
        for small, middle, large in zip(sizes, sizes[1:], sizes[2:]):
            what = f"{case}, time a further cell, {small:,} to {middle:,} and {middle:,} to {large:,}"
            grown = _ratio(_further(results, case, middle, large), _further(results, case, small, middle))
            targets.append(Target(what, limit, grown, 1 + GROWTH, 1 - GROWTH))
    # From LONG on: up to there, buffers grow to their size.
    few, many = results.get("build", LONG), results.get("build", sizes[-1])
    added = (many.memory - few.memory) / (many.cells - few.cells) if few and many and few is not many else None
    what = f"build, memory a further cell, from {LONG:,} steps"
    targets.append(Target(what, f"< {FLAT} B", added, FLAT, least=float("-inf"), unit=" B"))
    for steps in sizes:
        one = results.get("verify", steps)
        taken = one.memory / one.cells if one else None
        targets.append(Target(f"verify, memory a cell, {steps:,} steps", "< 200 B", taken, 200, unit=" B"))
    return targets


def _small(results: Results, sizes: Sequence[int]) -> list[Target]:
    shown, nothing = _seconds(results, "help", DEFAULT), _seconds(results, "nothing", DEFAULT)
    phases = results.get("phases", DEFAULT)
    largest = None
    if phases:
        work = _work(results, phases)
        largest = max(_share(seconds, work[phase]) for phase, seconds in phases["imports"].items())
    targets = [
        Target("run: largest share of imports in a phase", "<= 0.5", largest, 0.5, unit=""),
        Target("--help", "< 0.2 s", shown, 0.2, unit=" s"),
        Target("--help / click command doing nothing", "<= 2 x", _ratio(shown, nothing), 2),
    ]
    for steps in sizes:
        one = results.get("written-out", steps)
        ratio = one["bytes"] / one["written_out"] if one else None
        targets.append(Target(f"{steps:,} steps: file / formulas written out", "<= 0.75 x", ratio, 0.75))
    return targets


def _seconds(results: Results, case: str, steps: int) -> float | None:
    one = results.get(case, steps)
    return one.seconds if one else None


def _microseconds(results: Results, case: str, steps: int) -> float | None:
    one = results.get(case, steps)
    return one.seconds / one.cells * 1e6 if one else None


def _further(results: Results, case: str, few: int, many: int) -> float | None:
    """The seconds of a further cell, apart from what every workbook takes."""
    one, other = results.get(case, few), results.get(case, many)
    return (other.seconds - one.seconds) / (other.cells - one.cells) if one and other else None


def _fastest(results: Results, cases: Sequence[str]) -> float | None:
    """Of both, or of none: the faster of two is not known from one."""
    times = [_seconds(results, case, LONG) for case in cases]
    return None if None in times else min(time for time in times if time is not None)


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours / theirs
