"""Verify a training workbook together with its sheets of functions: one recalculation, one report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from xlbackprop import verification
from xlbackprop.curves import beside
from xlbackprop.curves.layout import Place
from xlbackprop.curves.report import Report as FunctionsReport
from xlbackprop.curves.verify import Check
from xlbackprop.engine import Engine, Inputs, Recalculated
from xlbackprop.spec import Spec
from xlbackprop.verification.read import Workbook
from xlbackprop.verification.report import Mismatch
from xlbackprop.verification.report import Report as TrainingReport


@dataclass(frozen=True, kw_only=True)
class Report(TrainingReport):
    """That of the training, its counts and mistakes with those of the sheets of functions."""

    functions: FunctionsReport
    derivatives: ClassVar[str] = "gradients and derivatives"

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "functions": self.functions.as_json()["tables"]}

    def spoils(self, root: Mismatch) -> list[str]:
        own = any(layout.sheet == root.sheet for layout in self.functions.layouts)
        return self.functions.spoils(root) if own else super().spoils(root)


def verify(
    path: Path | str,
    *,
    engine: str | Engine = "embedded",
    network: Spec | None = None,
    progress: Callable[[str], None] = lambda phase: None,
) -> TrainingReport:
    """As `verification.verify`, and the sheets of functions where the network has any."""
    sheets = _Sheets(Path(path))
    training = verification.verify(path, engine=engine, network=network, beside=sheets, progress=progress)
    functions = sheets.check.report()
    if not functions.layouts:
        return training
    return Report(
        **{
            **{field.name: getattr(training, field.name) for field in fields(training)},
            "functions": functions,
            "cells": training.cells + functions.cells,
            "rounding": training.rounding + functions.rounding,
            "worst": max(training.worst, functions.worst, key=lambda worst: worst.relative),
            "witnessed": training.witnessed + functions.witnessed,
            "mismatches": training.mismatches + functions.mismatches,
        }
    )


class _Sheets:
    """The sheets of functions of a training workbook, which tells the numbers that they take from it."""

    check: Check

    def __init__(self, path: Path) -> None:
        self._path = path

    def compare(self, book: Workbook, recalculated: Recalculated, engine: Engine) -> None:
        written = book.layout.spec
        self._layouts, self._targets = beside.layouts(written), beside.targets(written)
        self.check = Check(self._path, recalculated, engine, self._layouts, self._linked(book.spec))

    @property
    def other_inputs(self) -> Inputs:
        return self.check.other_inputs

    def compare_changed(self, changed: Recalculated, spec: Spec) -> None:
        self.check.compare_changed(changed, self._linked(spec))

    def _linked(self, spec: Spec) -> dict[Place, float]:
        """What the settings that stand on Overview must be."""
        return {
            layout.input_place(one): self._targets[one.name].of(spec)
            for layout in self._layouts
            for one in layout.linked
        }
