"""The main job: build a network's workbook, verify it from the file, draw its pictures, tell what happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xlbackprop import networks
from xlbackprop.sheet.workbook import build
from xlbackprop.show.plots import diverged, plot
from xlbackprop.spec import Spec
from xlbackprop.verification import Report, verify


@dataclass(frozen=True)
class Summary:
    """What a run made and found."""

    workbook: Path
    sheets: int
    formulas: int
    report: Report
    pictures: list[Path]
    seconds: dict[str, float]  # by phase

    @property
    def results(self) -> str:
        """How the error went, rates with the same manner together: `falls at every step: η=0.1 to 0.00785, ...`."""
        manners: dict[str, list[str]] = {}
        for rate, errors in zip(self.report.spec.rates, self.report.errors.tolist()):
            manner = _manner(errors, self.report.spec.batches.per_epoch)
            end = "" if diverged(errors) is not None else f" to {errors[-1]:.3g}"
            manners.setdefault(manner, []).append(f"η={rate:g}{end}")
        return "; ".join(f"{manner}: {', '.join(rates)}" for manner, rates in manners.items())


def run(
    network: str | Path | Spec = networks.DEFAULT,
    *,
    folder: Path | str = "output",
    engine: str = "embedded",
    progress: Callable[[str], None] = lambda phase: None,
) -> Summary:
    """Build, verify and plot. `network` is a template's name, a network file or a Spec.

    Raises NetworkError, OutputError, EngineError. A verification that fails is in the report.
    """
    spec = network if isinstance(network, Spec) else networks.load(network)
    stem = "network" if isinstance(network, Spec) else networks.stem(network)
    return run_spec(spec, stem, Path(folder), engine, progress)


def run_spec(spec: Spec, stem: str, folder: Path, engine: str, progress: Callable[[str], None]) -> Summary:
    """`run` for a spec whose files are to be named `stem`."""
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(phase: str) -> None:
        nonlocal clock
        seconds[phase], clock = time.perf_counter() - clock, time.perf_counter()

    progress("building")
    path = build(spec, folder / f"{stem}.xlsx", progress)
    lap("build")
    report = verify(path, engine=engine, progress=progress)
    lap("verify")
    progress("drawing")
    pictures = plot(spec, folder, stem)
    lap("plot")
    layout = report.layout
    sheets = {each.sheet for each in layout.runs()}
    return Summary(path, len(sheets) + 1, report.cells, report, pictures, seconds)


def _manner(errors: list[float], per_epoch: int) -> str:
    """How the error of a rate went, each sample, or batch, compared with its own visit before."""
    step = diverged(errors)
    if step is not None:
        return f"diverged at step {step}"
    change = [after - before for before, after in zip(errors, errors[per_epoch:])]
    rises = sum(each > 0 for each in change)
    visits = "steps" if per_epoch == 1 else "visits"
    return f"rose at {rises} of {len(change)} {visits}" if rises else f"falls at every {visits[:-1]}"
