"""One measurement in a process of its own: `python -m benchmarks.case NAME STEPS FOLDER` prints it as JSON.

A case first prepares: it imports what it uses and makes its inputs. Only what it returns is
timed, and its memory is what the process's peak rises by meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.memory import largest_child, own_peak

if TYPE_CHECKING:
    from xlbackprop.engine import Recalculated
    from xlbackprop.engine.libreoffice import LibreOffice
    from xlbackprop.sheet.layout import Layout

TEMPLATE = "era-s6"
XLSX = "xlsx:Calc MS Excel 2007 XML"
_NOTHING = "import sys\nimport click\n\n@click.command()\ndef main():\n    pass\n\nsys.exit(main())\n"
# What each phase of a run loads beside the function of its name, in the order of a run.
_LOADED: Mapping[str, Sequence[str]] = {
    "build": ("xlbackprop.sheet.workbook", "xlbackprop.curves.beside", "xlbackprop.curves.sheet"),
    "verify": ("xlbackprop.engine.embedded", "xlbackprop.curves.together", "numpy.random"),
    "plot": (
        "xlbackprop.reference.run",
        "xlbackprop.show.details",
        "xlbackprop.show.network",
        "xlbackprop.show.powers",
        "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_svg",
        "matplotlib.figure",
        "numpy.random",
        "PIL.PngImagePlugin",
    ),
}
_HEAVY = {"matplotlib", "numpy", "openpyxl", "xlbackprop", "xlsxwriter"}  # what is to be there before the time starts

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """What to measure with, and where files go; `built` is the workbook of that many steps.

    `network` is one of `networks.ABOUT`, with its own steps, in place of the class network.
    """

    steps: int
    folder: Path
    network: str = TEMPLATE

    @property
    def layout(self) -> Layout:
        from benchmarks.networks import network
        from xlbackprop.networks import load
        from xlbackprop.sheet.layout import Layout
        from xlbackprop.spec import override

        if self.network != TEMPLATE:
            return Layout(network(self.network))
        return Layout(override(load(TEMPLATE), steps=self.steps))

    @property
    def built(self) -> Path:
        return self.folder / f"{self.network}-{self.steps}.xlsx"


@dataclass(frozen=True)
class Case:
    """Work that is ready to be timed; it may return further facts."""

    work: Callable[[], Facts | None]
    cells: int = 0
    children: bool = False  # the work is another program's, and so is the memory


def calculated(layout: Layout) -> int:
    """The calculated cells of the whole workbook."""
    return sum(run.count for run in layout.runs())


# The project's own


def build(setting: Setting) -> Case:
    from xlbackprop import build as build_workbook

    _load("build", "plot")  # which draws the network for Overview
    layout = setting.layout

    def work() -> Facts:
        return {"bytes": build_workbook(layout.spec, setting.built).stat().st_size}

    return Case(work, calculated(layout))


def build_at_rates(setting: Setting, count: str) -> Case:
    """The class network at so many rates; what it takes shows whether the memory grows with them."""
    from xlbackprop import build as build_workbook
    from xlbackprop.spec import override

    _load("build", "plot")
    spec = override(setting.layout.spec, rates=tuple(k / 100 for k in range(1, int(count) + 1)))

    def work() -> Facts:
        return {"bytes": build_workbook(spec, setting.folder / f"rates-{count}.xlsx").stat().st_size}

    return Case(work)


def recalculate(setting: Setting, *, twice: bool = False) -> Case:
    from xlbackprop.engine.embedded import Embedded

    runs = list(setting.layout.runs())
    selectors = setting.layout.selectors
    other = {(cell.sheet, cell.row, cell.column): 1.0 for cell in selectors} if twice else {}

    def work() -> None:
        recalculated: Recalculated = Embedded().recalculate(setting.built)
        for turn in range(2 if twice else 1):
            if turn:
                recalculated = recalculated.changed(other)
            for run in runs:
                recalculated.column(run.sheet, run.row, run.column, run.rows[-1] - run.row + 1)

    return Case(work, sum(run.count for run in runs))


def recalculate_twice(setting: Setting) -> Case:
    """What the verifier needs of the engine, and nothing else: every value, and every value with other inputs."""
    return recalculate(setting, twice=True)


def verify(setting: Setting) -> Case:
    _load("verify")
    from xlbackprop import verify as verify_workbook

    def work() -> Facts:
        return {"correct": verify_workbook(setting.built).correct}

    return Case(work, calculated(setting.layout))


def plot(setting: Setting) -> Case:
    _load("plot")
    from xlbackprop import plot as draw

    spec = setting.layout.spec
    return Case(lambda: {"pictures": len(draw(spec, setting.folder, "plot"))})


# LibreOffice


def libreoffice_recalculate(setting: Setting) -> Case:
    import_module("python_calamine")
    office = _office()

    def work() -> None:
        office.recalculate(setting.built)

    return Case(work, calculated(setting.layout), children=True)


def libreoffice_save(setting: Setting) -> Case:
    return open_in_libreoffice(setting, setting.built, XLSX)


def open_in_libreoffice(setting: Setting, path: Path, kind: str) -> Case:
    """Open and save with LibreOffice's own settings, in a profile that has been used before, as a user's has."""
    office = _office()
    profile = setting.folder / "profile"
    if not profile.exists():
        small = setting.folder / "small.csv"
        small.write_text("1\n", encoding="utf-8")
        _convert(office, small, profile, XLSX)

    def work() -> None:
        if not _convert(office, path, profile, kind).exists():
            raise SystemExit(f"{path}: LibreOffice saved nothing")

    return Case(work, calculated(setting.layout), children=True)


def _office() -> LibreOffice:
    from xlbackprop.engine.libreoffice import LibreOffice

    return LibreOffice()


def _convert(office: LibreOffice, path: Path, profile: Path, kind: str) -> Path:
    out = profile.with_name("out")
    # Its own way of starting the program ends all of the program's processes as well.
    quiet = [f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore", "--nolockcheck"]
    office._run([office._program, *quiet, "--convert-to", kind, "--outdir", str(out), str(path)])
    return out / f"{path.stem}.{kind.partition(':')[0]}"


# Whole processes


def whole_run(setting: Setting) -> Case:
    return _process([*_command(), "run", TEMPLATE, "-o", str(setting.folder / "run")])


def whole_help(setting: Setting) -> Case:
    return _process([*_command(), "--help"])


def whole_nothing(setting: Setting) -> Case:
    script = setting.folder / "nothing.py"
    script.write_text(_NOTHING, encoding="utf-8")
    return _process([sys.executable, str(script)])


def _command() -> list[str]:
    script = Path(sys.executable).with_name("xlbackprop")
    return [str(script)] if script.exists() else [sys.executable, "-m", "xlbackprop"]


def _process(command: list[str]) -> Case:
    def work() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return Case(work, children=True)


def phases(setting: Setting) -> Case:
    """The phases of a run, and how long each loads what it uses."""

    def work() -> Facts:
        imports = {phase: _seconds_to_import(phase) for phase in _LOADED}
        from xlbackprop import run

        summary = run(TEMPLATE, folder=setting.folder / "phases")
        return {"imports": imports, "work": summary.seconds}

    return Case(work)


def _seconds_to_import(phase: str) -> float:
    start = time.perf_counter()
    getattr(import_module("xlbackprop"), phase)  # which loads it
    _load(phase)
    return time.perf_counter() - start


def _load(*phases: str) -> None:
    for phase in phases:
        for module in _LOADED[phase]:
            import_module(module)


def _others() -> dict[str, Callable[..., Case]]:
    from benchmarks import formats, writers

    return {
        "openpyxl": writers.openpyxl_normal,
        "openpyxl-write-only": writers.openpyxl_write_only,
        "xlsxwriter": writers.xlsxwriter_as_it_comes,
        "floor": writers.floor,
        "written-out": formats.written_out,
        "write": formats.write,
        "load": formats.load,
        "open": formats.opened,
    }


CASES: dict[str, Callable[..., Case]] = {
    "build": build,
    "rates": build_at_rates,
    "recalculate": recalculate,
    "recalculate-twice": recalculate_twice,
    "verify": verify,
    "plot": plot,
    "libreoffice-recalculate": libreoffice_recalculate,
    "libreoffice-save": libreoffice_save,
    "run": whole_run,
    "help": whole_help,
    "nothing": whole_nothing,
    "phases": phases,
}


def measured(case: Case) -> Facts:
    """Do the work once: its seconds, its bytes of memory, its cells and what else it found."""
    loaded, before, start = set(sys.modules), own_peak(), time.perf_counter()
    facts = case.work() or {}
    seconds = time.perf_counter() - start
    memory = largest_child() if case.children else own_peak() - before
    late = sorted({name.partition(".")[0] for name in set(sys.modules) - loaded} & _HEAVY)
    return {"seconds": seconds, "memory": memory, "cells": case.cells, "late": late, **facts}


def main(name: str, steps: str, folder: str) -> None:
    network, _, what = name.rpartition(":")  # half-moons:verify
    what, *how = what.split("@")  # rates@60
    setting = Setting(int(steps), Path(folder), network or TEMPLATE)
    try:
        case = (CASES.get(what) or _others()[what])(setting, *how)
    except Exception as error:
        # By name, so that a case that times imports starts without the project's.
        if type(error).__name__ != "EngineError":
            raise
        print(json.dumps({"skipped": str(error)}))
    else:
        print(json.dumps(measured(case)))


if __name__ == "__main__":
    main(*sys.argv[1:])
