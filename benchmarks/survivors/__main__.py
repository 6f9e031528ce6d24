"""Mutation testing: `python -m benchmarks.survivors --sample 100 -o docs/tests.md`.

Small changes are made in the code of some rooms, one at a time, and the tests that ran the changed
statement are run against each, the fastest first, until one fails. A survivor is a change that none
of them objects to. The tests have to be recorded before: see docs/tests.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import pages
from benchmarks.survivors import report, trial
from benchmarks.survivors.choice import Choice
from benchmarks.survivors.mutants import Mutant, population, sample

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("xlbackprop/graph", "xlbackprop/verification", "xlbackprop/audit")
ALL = 10**9


def main() -> None:
    options = _options()
    made = population(ROOT, options.rooms)
    chosen = [one for one in sample(made, options.sample, options.seed) if one.code(_source(one)) is not None]
    known = report.read(options.outcomes)
    waiting = [one for one in chosen if _waits(known.get(one), options.again)]
    for fate in _tried(waiting, options):
        report.append(options.outcomes, fate)
        print(fate.line(), flush=True)
    known = report.read(options.outcomes)
    tables = list(report.tables([known[one] for one in chosen], made))
    print("", *(table.as_text() for table in tables), sep="\n\n")
    if options.output:
        pages.write(options.output, "mutants", "\n\n".join(table.as_markdown() for table in tables))


def _tried(mutants: Sequence[Mutant], options: argparse.Namespace) -> Iterator[report.Fate]:
    choice = Choice(ROOT)
    met = {one: choice.tests(one, options.seconds, widely=options.again) for one in mutants}
    with tempfile.TemporaryDirectory(prefix="survivors-") as folder:
        trees = trial.copies(ROOT, Path(folder), options.workers)
        trial.prepare()
        sound = trial.passing(trees[0], list({test: None for tests in met.values() for test in tests}))
        met = {one: [test for test in tests if test.name in sound] for one, tests in met.items()}
        tried = [one for one in mutants if met[one]]
        tasks = ((one.module, one.code(_source(one)) or "", met[one]) for one in tried)
        for turn, outcome in trial.trials(trees, tasks):
            yield report.fate(tried[turn], _source(tried[turn]), outcome, len(met[tried[turn]]))
    for one in mutants:
        if not met[one]:
            yield report.fate(one, _source(one), "no test", 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.survivors", description=__doc__)
    parser.add_argument("--rooms", nargs="*", default=ROOMS, metavar="FOLDER", help=f"as they come: {' '.join(ROOMS)}")
    parser.add_argument("--sample", type=int, default=ALL, metavar="N", help="places of each room; all without it")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests for each mutant, in the recorded times")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--outcomes", type=Path, default=Path(".survivors.jsonl"), help="what is there is not done again"
    )
    parser.add_argument(
        "--again", action="store_true", help="survivors without a reason once more, with all tests of their modules"
    )
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the tables into this page")
    return parser.parse_args()


def _waits(fate: report.Fate | None, again: bool) -> bool:
    return fate is None or (again and fate.outcome in report.LIVES and fate.place not in report.reasons())


def _source(mutant: Mutant) -> str:
    return (ROOT / mutant.module).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
