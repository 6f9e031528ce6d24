"""Judge the verifier by mistakes of known kinds in known cells: `python -m benchmarks.mutations --count 60`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.mutations.cases import case, plan
from benchmarks.mutations.judge import Outcome, outcome
from benchmarks.mutations.mistakes import KINDS
from benchmarks.tables import Table
from xlbackprop.terminal import Progress

NAMED = 0.95  # the least part of the mistakes that is to be named; all are to be detected, at the right root
HEADINGS = ("kind", "mutants", "detected", "root cell", "named", "quantity", "fix right")
CHUNK = 4  # cases that a worker takes at a time


def main() -> int:
    options = _options()
    kinds = tuple(options.kinds or KINDS)
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        work = partial(_work, options.seed, options.keep or Path(folder), options.fixes, options.keep is not None)
        with ProcessPoolExecutor(options.workers) as pool, Progress() as progress:
            planned, outcomes = list(plan(options.count, kinds)), []
            for one in pool.map(work, *zip(*planned), chunksize=CHUNK):
                outcomes.append(one)
                progress(f"{len(outcomes)} of {len(planned)}")
    mutants = [one for one in outcomes if one.kind]
    alarms = [one for one in outcomes if one.kind is None]
    rows = [_row(kind, [one for one in mutants if one.kind == kind]) for kind in kinds]
    rows.append(_row("all", mutants))
    lines = [_summary(outcomes, alarms, options.seed), *_missed(mutants, alarms)]
    table = Table("", HEADINGS, rows)
    print(table.as_text(), *lines, *_failures(outcomes, options.failures), sep="\n")
    if options.output:
        options.output.write_text("\n".join(["# Mutations", "", table.as_markdown(), "", *lines, ""]), encoding="utf-8")
    return int(bool(_missed(mutants, alarms)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=1200, help="mutants; every fourth is followed by a right workbook")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, metavar="KIND", help=f"only these of {', '.join(KINDS)}")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the workbooks here")
    parser.add_argument("--fixes", action="store_true", help="apply each fix and verify again")
    parser.add_argument("--failures", type=int, default=2, metavar="N", help="list so many of each kind")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the table as Markdown")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    return options


def _work(seed: int, folder: Path, fixes: bool, keep: bool, k: int, kind: str | None) -> Outcome:
    made = case(seed, k, kind)
    path = made.write(folder / f"{made.name}.xlsx")
    try:
        return outcome(made, path, fixes)
    finally:
        if not keep:
            for one in folder.glob(f"{made.name}*"):
                one.unlink()


def _row(kind: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    def rate(good: Callable[[Outcome], bool | None]) -> str:
        tried = [good(one) for one in outcomes if good(one) is not None]
        return f"{100 * sum(map(bool, tried)) / len(tried):.1f} %" if tried else "-"

    ways: tuple[Callable[[Outcome], bool | None], ...] = (
        lambda one: one.detected,
        lambda one: one.rooted,
        lambda one: one.named,
        lambda one: one.quantity,
        lambda one: one.fixed,
    )
    return kind, str(len(outcomes)), *(rate(way) for way in ways)


def _summary(outcomes: Sequence[Outcome], untouched: Sequence[Outcome], seed: int) -> str:
    seconds = [one.seconds for one in outcomes]
    alarms = sum(one.detected for one in untouched)
    return (
        f"False alarms: {alarms} of {len(untouched)} untouched workbooks. Seconds a file, its process included: "
        f"{median(seconds):.2f} (median), {max(seconds):.2f} (most). Seed {seed}."
    )


def _missed(mutants: Sequence[Outcome], untouched: Sequence[Outcome]) -> list[str]:
    """The targets that are not met, a line each."""
    missed = {
        "not detected": sum(not one.detected for one in mutants),
        "without the right root cell": sum(not one.rooted for one in mutants),
        "with a fix that does not make the sheet right": sum(one.fixed is False for one in mutants),
        "false alarms": sum(one.detected for one in untouched),
    }
    lines = [f"Target missed: {count} {what}." for what, count in missed.items() if count]
    if mutants and (named := sum(one.named for one in mutants) / len(mutants)) <= NAMED:
        lines.append(f"Target missed: {100 * named:.1f} % named, not over {100 * NAMED:.0f} %.")
    return lines


def _failures(outcomes: Sequence[Outcome], most: int) -> list[str]:
    kinds = dict.fromkeys(one.kind for one in outcomes)
    first = [[one for one in outcomes if one.kind == kind and one.failed][:most] for kind in kinds]
    return [f"\n{one.name}.xlsx\n  {one.told}" for some in first for one in some]


if __name__ == "__main__":
    sys.exit(main())
