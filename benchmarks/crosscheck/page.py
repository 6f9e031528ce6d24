"""The page about the cross-check: what agrees, and why the rest does not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from benchmarks.crosscheck.compare import Cell, Difference, Outcome
from benchmarks.crosscheck.explained import UNEXPLAINED, why

ABOUT = """\
Every template is built for a few steps, some also in their other style, as matrices and as worksheets to
fill in, and recalculated by each calculator that is installed. None of them reads what the
files carry: each works on a copy with a canary, a formula whose carried value is wrong on purpose. All
calculated cells are compared with the values that the files carry, and the verifier judges each calculator
as it judges `--engine`: within 1e-12 of the reference in numpy and what rounding alone can do, once with the
inputs as they are and once with all of them changed."""
BEGINS = """\
A difference begins in a cell whose precedents are all as carried; the other cells inherit it. Units are those
of the last binary digit of the larger number; "no value" counts cells
that hold no number, or another text. "Outside" counts the cells that the verifier objects to: these would be wrong if
that calculator were your spreadsheet."""


@dataclass
class Total:
    """What a calculator made of all workbooks."""

    books: int = 0
    correct: int = 0
    cells: int = 0
    equal: int = 0
    fifteen: int = 0
    outside: int = 0
    worst: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)
    begins: dict[tuple[tuple[str, ...], str], list[Difference]] = field(default_factory=dict)

    def add(self, calculator: str, book: str, outcome: Outcome) -> None:
        if outcome.failed:
            self.failed[book] = outcome.failed
            return
        self.books += 1
        self.correct += not outcome.outside
        self.cells += outcome.cells
        self.equal += outcome.equal
        self.fifteen += outcome.fifteen
        self.outside += len(outcome.outside)
        self.worst = max(self.worst, outcome.worst)
        for causes, differences in outcome.begins.items():
            for one in differences:
                self.begins.setdefault(why(calculator, causes, one), []).append(one)


@dataclass
class Results:
    """Of all calculators, by their short names."""

    names: dict[str, str]  # with their versions
    missing: dict[str, str]
    totals: dict[str, Total]
    same: dict[tuple[str, str], list[int]]  # of each pair, cells that are equal to the bit, and all

    @classmethod
    def of(cls, names: dict[str, str], missing: dict[str, str]) -> Results:
        return cls(names, missing, {name: Total() for name in names}, {pair: [0, 0] for pair in combinations(names, 2)})

    def compare(self, values: Mapping[str, Mapping[Cell, float | str | None]]) -> None:
        """The calculators among one another, of one workbook."""
        for (first, second), counts in self.same.items():
            cells = values[first].keys() & values[second].keys()
            counts[0] += sum(values[first][cell] == values[second][cell] for cell in cells)
            counts[1] += len(cells)

    @property
    def unexplained(self) -> int:
        """Cells in which a difference begins that nobody explained, and workbooks that a calculator failed at."""
        begins = (
            len(found)
            for total in self.totals.values()
            for (_, words), found in total.begins.items()
            if words == UNEXPLAINED
        )
        return sum(begins) + sum(len(total.failed) for total in self.totals.values())


def page(results: Results, command: str, machine: Sequence[str]) -> str:
    lines = ["# Cross-check", "", f"`{command}` wrote this page.", "", ABOUT, ""]
    lines += [f"- {one}" for one in machine]
    lines += [f"- not here: {reason}" for reason in results.missing.values()]
    lines += ["", "## The calculators", "", *_calculators(results)]
    lines += [
        "",
        "## Among one another",
        "",
        "Of all calculated cells, those that two calculators agree in to the last bit.",
        "",
    ]
    lines += _pairs(results)
    lines += ["", "## Where differences begin, and why", "", BEGINS, "", *_begins(results)]
    return "\n".join(lines) + "\n"


def _calculators(results: Results) -> Iterator[str]:
    heads = "calculator | workbooks | all correct | cells | as carried, to the bit | or to the digits it keeps"
    yield f"| {heads} | largest relative difference, where correct | outside |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, total in results.totals.items():
        exact, fifteen = (_percent(part, total.cells) for part in (total.equal, total.equal + total.fifteen))
        counts = f"{total.books} | {total.correct} | {total.cells:,} | {exact} | {fifteen}"
        yield f"| {results.names[name]} | {counts} | {total.worst:.1e} | {total.outside:,} |"
    for name, total in results.totals.items():
        for book, reason in total.failed.items():
            yield f"\n{results.names[name]} failed at {book}: {reason}"


def _pairs(results: Results) -> Iterator[str]:
    names = list(results.names)
    yield f"| | {' | '.join(names[1:])} |"
    yield "|---|" + "---:|" * (len(names) - 1)
    for k, first in enumerate(names[:-1]):
        shares = [_percent(*results.same[first, second]) for second in names[k + 1 :]]
        yield f"| {' | '.join([first, *[''] * k, *shares])} |"


def _begins(results: Results) -> Iterator[str]:
    yield "| calculator | functions | cells | no value | outside | largest, units | why | for example |"
    yield "|---|---|---:|---:|---:|---:|---|---|"
    for name, total in results.totals.items():
        for (causes, words), found in sorted(total.begins.items()):
            known = [one.units for one in found if math.isfinite(one.units)]
            example = max(found, key=lambda one: (one.outside, one.units if math.isfinite(one.units) else -1.0))
            yield (
                f"| {name} | {_code(' '.join(causes))} | {len(found):,} | {len(found) - len(known):,} "
                f"| {sum(one.outside for one in found):,} | {f'{max(known):.3g}' if known else ''} | {words} "
                f"| {_code('=' + example.formula[1:71])}: {_shown(example.found)}, carried {_shown(example.carried)} |"
            )


def _percent(part: int, whole: int) -> str:
    return f"{math.floor(1000 * part / whole) / 10:.1f} %" if whole else "none"


def _code(text: str) -> str:
    return f"`{text.replace('|', '')}`"


def _shown(value: float | str | None) -> str:
    return "no value" if value is None else _code(value if isinstance(value, str) else repr(value))
