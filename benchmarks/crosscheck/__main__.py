"""Recalculates every template with every calculator: `python -m benchmarks.crosscheck -o docs/cross-check.md`.

Exit 1 where a difference is unexplained. See `calculators.py` for what has to be installed.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from pathlib import Path

from benchmarks.crosscheck.books import books
from benchmarks.crosscheck.calculators import KNOWN, available
from benchmarks.crosscheck.compare import Book, outcome
from benchmarks.crosscheck.page import Results, page


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crosscheck", description=__doc__)
    parser.add_argument("templates", nargs="*", help="all if left out")
    parser.add_argument(
        "--calculators", default=",".join(KNOWN), help="names with commas between; default: %(default)s"
    )
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the page there")
    options = parser.parse_args()
    calculators, missing = available(tuple(options.calculators.split(",")))
    results = Results.of({name: one.name for name, one in calculators.items()}, missing)
    with tempfile.TemporaryDirectory(prefix="xlbackprop-crosscheck-") as folder:
        for name, path in books(Path(folder), tuple(options.templates)):
            book, values = Book(path), {}
            for calculator, engine in calculators.items():
                found, values[calculator] = outcome(book, engine)
                results.totals[calculator].add(calculator, name, found)
            results.compare(values)
            print(f"{name}: {len(book.formulas):,} cells", file=sys.stderr)
    machine = [
        f"{platform.system()} {platform.machine()}, {platform.python_implementation()} {platform.python_version()}"
    ]
    text = page(results, "python -m benchmarks.crosscheck -o docs/cross-check.md", machine)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    return 1 if results.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
