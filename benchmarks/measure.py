"""Each measurement in a fresh process, the cases in turn, so that a slow minute of the machine hits them all."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# This process loads nothing heavy: on Linux a child's peak memory starts from that of its parent.


@dataclass
class Measurement:
    """All repetitions of a case at one number of steps."""

    repetitions: list[dict[str, Any]] = field(default_factory=list)

    def __getitem__(self, fact: str) -> Any:
        return self.repetitions[-1][fact]

    @property
    def seconds(self) -> float:
        return self._median("seconds")

    @property
    def memory(self) -> float:
        """Bytes over what the process had after its imports; of another program, all of its own."""
        return self._median("memory")

    @property
    def cells(self) -> int:
        return int(self["cells"])

    @property
    def spread(self) -> float:
        """From the fastest to the slowest, relative to the median."""
        times = [one["seconds"] for one in self.repetitions]
        return float(max(times) - min(times)) / self.seconds

    @property
    def spent(self) -> float:
        return float(sum(one["seconds"] for one in self.repetitions))

    def _median(self, fact: str) -> float:
        return float(median(one[fact] for one in self.repetitions))


@dataclass
class Results:
    """The measurements, by case and steps, and why a case was left out."""

    measurements: dict[tuple[str, int], Measurement] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def get(self, case: str, steps: int) -> Measurement | None:
        return self.measurements.get((case, steps))


class Measuring:
    """Measures cases: each `most` times, or until it has used `enough` seconds."""

    def __init__(self, folder: Path, most: int, enough: float, tell: Callable[[str], None]) -> None:
        self.results = Results()
        self._folder, self._most, self._enough, self._tell = folder, most, enough, tell

    def measure(self, cases: Sequence[str], steps: int, most: int | None = None) -> None:
        for k in range(most or self._most):
            for case in cases:
                done = self.results.measurements.setdefault((case, steps), Measurement())
                if case not in self.results.skipped and done.spent < self._enough:
                    self._tell(f"{steps:,} steps, round {k + 1}: {case}")
                    self._once(case, steps, done)
        for case in self.results.skipped:
            self.results.measurements.pop((case, steps), None)

    def prepare(self, case: str, steps: int) -> None:
        """Do a case without counting it: its file is there afterwards, and nothing is read for the first time."""
        self._tell(f"{steps:,} steps: preparing")
        self._child(case, steps)

    def _once(self, case: str, steps: int, done: Measurement) -> None:
        found = self._child(case, steps)
        if "skipped" in found:
            self.results.skipped[case] = found["skipped"]
        else:
            done.repetitions.append(found)

    def _child(self, case: str, steps: int) -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.case", case, str(steps), str(self._folder)]
        child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if child.returncode:
            raise SystemExit(f"{case}, {steps} steps: failed\n{child.stderr}")
        result: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
        return result
