"""Give hostile input to everything that reads a file: `python -m benchmarks.fuzz --inputs 100000`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks import pages
from benchmarks.fuzz import corpus, one, report
from benchmarks.fuzz.targets import TARGETS, Target
from xlbackprop.crowd import Failure, each
from xlbackprop.terminal import Progress


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="xlbackprop-fuzz-") as folder:
        corpus.write(Path(folder))
        seeds = corpus.Corpus(Path(folder))
        if options.number is not None:
            return _shown(seeds, options)
        tallies = []
        for target in (TARGETS[name] for name in options.only or TARGETS):
            tallies.append(_fuzzed(seeds, target, options))
            print(*report.lines(tallies[-1]), sep="\n", flush=True)
    summary, table = report.summary(tallies, options.seed), report.table(tallies)
    print(summary, table.as_text(), sep="\n\n")
    if options.output:
        pages.write(options.output, "fuzz", f"\n{summary}\n\n{table.as_markdown()}\n")
    return int(any(tally.counts["failure"] for tally in tallies))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000, help="in all; each target has its share, and at least one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=TARGETS, metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--number", type=int, metavar="N", help="this input of the one target alone, without bounds")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="with --number: write the input there, and do no more"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the table into this page")
    options = parser.parse_args()
    if options.number is not None and len(options.only or ()) != 1:
        parser.error("--number needs --only with one target")
    return options


def _fuzzed(seeds: corpus.Corpus, target: Target, options: argparse.Namespace) -> report.Tally:
    tally = report.Tally(target)
    paths = [Path(target.name, str(number)) for number in range(max(1, round(target.share * options.inputs)))]
    judged = partial(one.judged, seeds, options.seed)
    with Progress() as progress:
        for path, found in each(judged, paths, limits=target.limits, workers=options.workers):
            tally.add(path.name, one.ended(target, found) if isinstance(found, Failure) else found)
            progress(str(path))
    return tally


def _shown(seeds: corpus.Corpus, options: argparse.Namespace) -> int:
    target = TARGETS[options.only[0]]
    if options.keep:
        options.keep.write_bytes(one.made(seeds, target, options.seed, options.number))
        return 0
    found = one.judged(seeds, options.seed, Path(target.name, str(options.number)))
    print(f"{found.kind}: {found.says} ({found.seconds:.3f} s)")
    return int(found.kind == "failure")


if __name__ == "__main__":
    sys.exit(main())
