"""What a run of the fuzzers found, in a table and, for each kind of failure, with the input that shows it."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.fuzz.one import Outcome
from benchmarks.fuzz.targets import Target
from benchmarks.tables import Table

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


def summary(tallies: Sequence[Tally], seed: int) -> str:
    total = sum((tally.counts for tally in tallies), Counter[str]())
    return (
        f"{total.total():,} inputs with seed {seed}: {total['result']:,} results, {total['refusal']:,} refusals, "
        f"{total['stopped']:,} stopped, {total['failure']:,} failures. "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}."
    )


def table(tallies: Sequence[Tally]) -> Table:
    return Table("", HEADINGS, [_row(tally) for tally in tallies], texts=2)


def _row(tally: Tally) -> tuple[str, ...]:
    counts, limits = tally.counts, tally.target.limits
    return (
        tally.target.name, tally.target.calls, f"{counts.total():,}", f"{counts['result']:,}", f"{counts['refusal']:,}",
        f"{counts['stopped']:,}", f"{counts['failure']:,}", f"{tally.slowest[0]:.2f} s",
        f"{limits.seconds:g} s", f"{tally.megabytes:,.0f} MB", f"+{limits.megabytes:,} MB",
    )  # fmt: skip
