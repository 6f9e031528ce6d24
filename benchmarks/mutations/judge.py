"""What the verifier says of a workbook, and whether its own corrections satisfy it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import openpyxl
from openpyxl.formula.translate import Translator

from benchmarks.mutations.cases import Case

Said = Mapping[str, Any]
TIMEOUT = 120.0  # seconds; a verifier that has not answered by then has failed


def judge(path: Path) -> Said:
    """The verifier's JSON object for one workbook; without one, what it complained of."""
    command = [sys.executable, "-m", "xlbackprop", "verify", str(path), "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        said = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        complaint = "no answer in time" if isinstance(error, subprocess.TimeoutExpired) else done.stderr.strip()
        return {"verdict": "unreadable", "complaint": complaint[-300:]}
    return said[0] if isinstance(said, list) else said  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Outcome:
    """One case, judged. `kind` is None for an untouched workbook, which is right where nothing is said of it."""

    kind: str | None
    name: str
    detected: bool
    rooted: bool
    named: bool
    quantity: bool
    fixed: bool | None  # None: not tried
    seconds: float
    told: str

    @property
    def failed(self) -> bool:
        if self.kind is None:
            return self.detected
        return not (self.detected and self.rooted and self.named and self.fixed is not False)


def outcome(case: Case, path: Path, fixes: bool) -> Outcome:
    started = perf_counter()
    said = judge(path)
    seconds = perf_counter() - started
    verdict, mistakes, truth = said.get("verdict"), said.get("mistakes") or [], case.truth
    if truth is None:
        alarm = verdict != "correct" or bool(mistakes)
        return Outcome(None, case.name, alarm, False, False, False, None, seconds, _told(said, ""))
    found = {(one["sheet"], one["cell"]) for one in mistakes}
    roots = {(truth.sheet, cell) for cell in truth.cells}
    here = [one for one in mistakes if (one["sheet"], one["cell"]) in roots]
    expected = (
        f"{truth.sheet}!{','.join(sorted(truth.cells))} {truth.quantity}: {truth.formula}, for {truth.right}"
        f" ({' or '.join(sorted(truth.accepted))})"
    )
    return Outcome(
        kind=truth.kind,
        name=case.name,
        detected=verdict in ("wrong", "not live"),  # a file that it cannot read is not one that it has judged
        rooted=bool(here) and found <= roots,
        named=any(one["kind"] in truth.accepted for one in here),
        quantity=any(one["quantity"] in (truth.quantity, truth.quantity.removeprefix("update ")) for one in here),
        fixed=_fixed(path, mistakes) if fixes and verdict != "correct" else None,
        seconds=seconds,
        told=_told(said, expected),
    )


def _told(said: Said, expected: str) -> str:
    """The truth, and what was said."""
    mistakes = [
        f"{m['sheet']}!{m['cell']} {m['quantity']} {m['kind']}: {m['says']}" for m in said.get("mistakes") or []
    ]
    spoken = [f"said {said.get('verdict')}", *([said["complaint"]] if "complaint" in said else []), *mistakes[:4]]
    return "; ".join([f"true: {expected}"] * bool(expected) + spoken)


def _fixed(path: Path, mistakes: list[Said]) -> bool:
    """Whether the workbook is right once every mistake's formula stands in all its range."""
    if not mistakes or not all(one.get("fix") for one in mistakes):
        return False
    book = openpyxl.load_workbook(path)
    for one in mistakes:
        for area in one["range"].split(","):
            cells = book[one["sheet"]][area]
            for row in cells if isinstance(cells, tuple) else ((cells,),):
                for cell in row:
                    cell.value = Translator(one["fix"], origin=one["cell"]).translate_formula(cell.coordinate)
    corrected = path.with_name(f"{path.stem}-fixed.xlsx")
    book.save(corrected)
    return judge(corrected).get("verdict") == "correct"
