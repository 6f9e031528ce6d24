"""What a run of the fuzzers found, in a table and, for each kind of failure, with the input that shows it."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fuzz.one import Outcome
from benchmarks.fuzz.targets import Target

BEGIN, END = "<!-- python -m benchmarks.fuzz -->", "<!-- end -->"
HEADINGS = (
    "target", "calls", "inputs", "results", "refusals", "stopped", "failures", "slowest", "bound",
    "largest worker", "bound",
)  # fmt: skip
_VARIES = re.compile(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"|[-+]?\d[\d.,e+-]*")


@dataclass
class Tally:
    target: Target
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # alike: number and text of each
    slowest: tuple[float, str] = (0.0, "")  # seconds, and the number of the input
    megabytes: float = 0.0

    def add(self, number: str, outcome: Outcome) -> None:
        self.counts[outcome.kind] += 1
        self.slowest = max(self.slowest, (outcome.seconds, number))
        self.megabytes = max(self.megabytes, outcome.megabytes)
        if outcome.kind in ("failure", "stopped"):
            place = re.search(r"\(\w+\.py:\d+\)", outcome.says)
            self.failures.setdefault(place[0] if place else _VARIES.sub("_", outcome.says)[:40], []).append(
                (number, outcome.says)
            )


def lines(tally: Tally) -> Iterator[str]:
    """What a terminal shows of a target."""
    counts, name = tally.counts, tally.target.name
    yield (
        f"{name}: {counts['result']:,} results, {counts['refusal']:,} refusals, "
        f"{counts['stopped']:,} stopped, {counts['failure']:,} failures; "
        f"slowest {tally.slowest[0]:.2f} s ({tally.slowest[1]}), largest worker {tally.megabytes:,.0f} MB"
    )
    for alike in tally.failures.values():
        number, says = alike[0]
        yield f"  {len(alike)} like --only {name} --number {number}: {says[:400]}"


def text(tallies: Sequence[Tally], seed: int) -> str:
    """The table as Markdown."""
    total = sum((tally.counts for tally in tallies), Counter[str]())
    rows = [HEADINGS, ("---",) * len(HEADINGS), *map(_row, tallies)]
    return "\n".join(
        [
            f"{total.total():,} inputs with seed {seed}: {total['result']:,} results, {total['refusal']:,} refusals, "
            f"{total['stopped']:,} stopped, {total['failure']:,} failures. "
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, "
            f"Python {platform.python_version()}.",
            "",
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
    )


def _row(tally: Tally) -> tuple[str, ...]:
    counts, limits = tally.counts, tally.target.limits
    return (
        tally.target.name, tally.target.calls, f"{counts.total():,}", f"{counts['result']:,}", f"{counts['refusal']:,}",
        f"{counts['stopped']:,}", f"{counts['failure']:,}", f"{tally.slowest[0]:.2f} s",
        f"{limits.seconds:g} s", f"{tally.megabytes:,.0f} MB", f"+{limits.megabytes:,} MB",
    )  # fmt: skip


def write(path: Path, table: str) -> None:
    """Put the table between its marks in a page, and leave the rest."""
    page = path.read_text(encoding="utf-8") if path.exists() else f"# Fuzzing\n\n{BEGIN}\n{END}\n"
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    path.write_text(f"{head}{BEGIN}\n\n{table}\n\n{END}{tail}", encoding="utf-8")
