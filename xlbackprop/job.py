"""The main job: build a network's workbook, verify it from the file, draw its pictures, tell what happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xlbackprop import files, kinds, networks
from xlbackprop.apart import apart

if TYPE_CHECKING:
    from xlbackprop.kinds import Document, OurReport


@dataclass(frozen=True)
class Summary:
    """What a run made and found."""

    workbook: Path
    report: OurReport
    pictures: list[Path]
    seconds: dict[str, float]  # by phase

    @property
    def results(self) -> str:
        """How the error went, rates with the same manner together: `falls at every step: η=0.1 to 0.00785, ...`.

        Nothing for a file that trains nothing, nor for a worksheet, whose answer it is.
        """
        from xlbackprop.show.observations import observations
        from xlbackprop.verification.report import Report as TrainingReport

        if not isinstance(self.report, TrainingReport) or self.report.marks is not None:
            return ""
        manners: dict[str, list[str]] = {}
        errors = self.report.errors.tolist()
        for one, series in zip(observations(self.report.spec, errors), errors):
            end = "" if one.diverged is not None else f" to {series[-1]:.3g}"
            manners.setdefault(one.manner, []).append(f"η={one.rate:g}{end}")
        return "; ".join(f"{manner}: {', '.join(rates)}" for manner, rates in manners.items())


def run(
    network: str | Path | Document = networks.DEFAULT,
    *,
    folder: Path | str = "output",
    engine: str = "embedded",
    progress: Callable[[str], None] = lambda phase: None,
) -> Summary:
    """Build, verify and plot. `network` is a template's name, a network file or what was read from one.

    Raises NetworkError, OutputError, EngineError. A verification that fails is in the report.
    """
    return run_document(*networks.named(network), Path(folder), engine, progress)


def run_document(
    document: Document,
    stem: str,
    folder: Path,
    engine: str,
    progress: Callable[[str], None],
    *,
    details: bool = False,
) -> Summary:
    """`run` for a network whose files are to be named `stem`; `details`: with all the pictures there are."""
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(phase: str) -> None:
        nonlocal clock
        seconds[phase], clock = time.perf_counter() - clock, time.perf_counter()

    worked = getattr(document, "level", "worked") == "worked"  # the pictures of a worksheet would show its answers
    more = partial(kinds.pictures, document, stem, details=details, surface=details, animate=details)
    calls = [partial(kinds.forward_picture, document), more if worked else dict]
    with apart(*calls) as (forward, drawn):
        progress("building")
        path = kinds.build(document, folder / f"{stem}.xlsx", progress, forward)
        lap("build")
        report = kinds.verify(path, engine=engine, progress=progress)
        lap("verify")
        progress("drawing")
        pictures = [files.write(folder / name, content) for name, content in drawn().items()]
        lap("plot")
    return Summary(path, report, pictures, seconds)
