"""What became of the mutants: the file of their fates, the score of each room, and the survivors with their reasons."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from pathlib import Path

from benchmarks.survivors.mutants import Mutant
from benchmarks.tables import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REASONS = Path(__file__).with_name("explained.toml")  # why a survivor is no fault of the tests
LIVES = ("survived", "no test")


@dataclass(frozen=True)
class Fate:
    mutant: Mutant
    before: str  # the line, or lines
    after: str
    outcome: str = ""  # "killed", "survived", "timed out", or "no test" where none ran the statement
    tests: int = 0  # that it met, or would have

    @property
    def place(self) -> tuple[str, ...]:
        """What its reason is kept by: lines may move."""
        return self.mutant.module, self.mutant.within, self.before, self.after

    def line(self) -> str:
        where = f"{self.mutant.module} {self.mutant.within}".strip()
        return f"{self.outcome:9}  {where}: {self.before}  =>  {self.after}"


def fate(mutant: Mutant, source: str, outcome: str, tests: int) -> Fate:
    changed = list(unified_diff(source.splitlines(), (mutant.code(source) or "").splitlines(), n=0, lineterm=""))[3:]
    before, after = (" ".join(line[1:].strip() for line in changed if line[0] == sign).strip() for sign in "-+")
    return Fate(mutant, before, after, outcome, tests)


def append(path: Path, one: Fate) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")


def read(path: Path) -> dict[Mutant, Fate]:
    """The last fate of each mutant."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    fates = (Fate(**{**one, "mutant": Mutant(**one["mutant"])}) for one in map(json.loads, lines))
    return {one.mutant: one for one in fates}


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
        (
            one.mutant.module.removeprefix("xlbackprop/"),
            one.mutant.within,
            _code(one.before),
            _code(one.after),
            str(one.tests),
            why.get(one.place, "open"),
        )
        for one in fates
        if one.outcome in LIVES
    ]
    yield Table("Survivors", ("module", "in", "line", "becomes", "tests met", "why it lives"), rows, texts=4)


def _code(line: str) -> str:
    """As Markdown, where a stroke would begin the next cell."""
    return f"`{line}`".replace("|", r"\|") if line else ""


def _row(room: str, fates: Sequence[Fate], made: Sequence[Mutant], why: dict[tuple[str, ...], str]) -> tuple[str, ...]:
    """The score is the part of the tried mutants, without those explained, that was noticed."""
    mutants = [one for one in made if room in ("all", one.room)]
    tried = [one for one in fates if room in ("all", one.mutant.room)]
    lives = [one for one in tried if one.outcome in LIVES]
    explained = [one for one in lives if one.place in why]
    late = sum(one.outcome == "timed out" for one in tried)
    counted = len(tried) - len(explained)
    score = f"{100 * (len(tried) - len(lives)) / counted:.1f} %" if counted else "-"
    numbers = (len(mutants), len({one.site for one in mutants}), len(tried), len(tried) - len(lives) - late, late)
    return room, *map(str, (*numbers, len(lives), len(explained))), score
