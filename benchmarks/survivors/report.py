"""What became of the mutants: the file of their fates, the score of each room, and the survivors with their reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

import tomllib

from benchmarks.report import Table
from benchmarks.survivors.mutants import Mutant

REASONS = Path(__file__).with_name("explained.toml")  # why a survivor is no fault of the tests
LIVES = ("survived", "no test")


@dataclass(frozen=True)
class Fate:
    module: str
    within: str
    before: str  # the line
    after: str
    outcome: str  # "killed", "survived", "timed out", or "no test" where none ran the statement
    tests: int = 0  # that it met, or would have

    @property
    def key(self) -> tuple[str, ...]:
        """What stays when lines move."""
        return self.module, self.within, self.before, self.after

    def line(self) -> str:
        return f"{self.outcome:9}  {self.module} {self.within}: {self.before}  =>  {self.after}"


def fate(mutant: Mutant, source: str, outcome: str = "", tests: int = 0) -> Fate:
    lines = zip_longest(source.split("\n"), (mutant.code(source) or "").split("\n"), fillvalue="")
    before, after = next(((old, new) for old, new in lines if old != new), ("", ""))
    return Fate(mutant.module, mutant.within, before.strip(), after.strip(), outcome, tests)


def append(path: Path, one: Fate) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")


def read(path: Path) -> dict[tuple[str, ...], Fate]:
    """The last fate of each mutant."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {one.key: one for one in (Fate(**json.loads(line)) for line in lines)}


def reasons() -> dict[tuple[str, ...], str]:
    told = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("survivor", ())
    return {(one["module"], one["within"], one["before"], one["after"]): one["reason"] for one in told}


def tables(fates: Sequence[Fate], made: Sequence[Mutant]) -> Iterator[Table]:
    """The score of each room of the sample, and its survivors."""
    why = reasons()
    header = ("room", "mutants", "places", "tried", "killed", "timed out", "survived", "explained", "score")
    rooms = dict.fromkeys(one.room for one in made)
    yield Table("Mutants", header, [_row(room, fates, made, why) for room in [*rooms, "all"]])
    rows = [
        (one.module.removeprefix("xlbackprop/"), one.within, f"`{one.before}`", f"`{one.after}`", why.get(one.key, "?"))
        for one in fates
        if one.outcome in LIVES
    ]
    yield Table("Survivors", ("module", "in", "line", "becomes", "why it lives"), rows, texts=5)


def _row(room: str, fates: Sequence[Fate], made: Sequence[Mutant], why: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    """The score is the part of the tried mutants, without those explained, that was noticed."""
    mutants = [one for one in made if room in ("all", one.room)]
    tried = [one for one in fates if room == "all" or one.module.startswith(f"{room}/")]
    lives = [one for one in tried if one.outcome in LIVES]
    explained = [one for one in lives if one.key in why]
    late = sum(one.outcome == "timed out" for one in tried)
    counted = len(tried) - len(explained)
    score = f"{100 * (len(tried) - len(lives)) / counted:.1f} %" if counted else "-"
    numbers = (len(mutants), len({one.site for one in mutants}), len(tried), len(tried) - len(lives) - late, late)
    return room, *map(str, (*numbers, len(lives), len(explained))), score
