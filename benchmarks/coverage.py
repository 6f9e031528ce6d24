"""Line and branch coverage of each room, from what `coverage run` recorded: `python -m benchmarks.coverage`."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from coverage import Coverage

from benchmarks import pages
from benchmarks.tables import Table
from benchmarks.witness import TESTS

ROOT = Path(__file__).resolve().parent.parent
COUNTED = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("-o", dest="output", type=Path, metavar="FILE", help="write the table into this page")
    options = parser.parse_args()
    table, tests = _table(_numbers()), _tests()
    print(table.as_text(), tests, sep="\n\n")
    if options.output:
        pages.write(options.output, "coverage", f"{table.as_markdown()}\n\n{tests}")


def _tests() -> str:
    """How many tests were recorded, and of which files none was."""
    lines = (ROOT / TESTS).read_text(encoding="utf-8").splitlines()
    names = {json.loads(line)["test"] for line in lines}
    files = {name.partition("::")[0] for name in names}
    missing = sorted(path.stem for path in (ROOT / "tests").glob("test_*.py") if f"tests/{path.name}" not in files)
    return f"By {len(names):,} tests" + (f"; without those of {', '.join(missing)}." if missing else ".")


def _numbers() -> dict[str, Counter[str]]:
    """What ran in each room, as coverage counts; modules outside the rooms are taken together."""
    recorded = Coverage(data_file=str(ROOT / ".coverage"), config_file=str(ROOT / "setup.cfg"))
    recorded.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "coverage.json")
        recorded.json_report(outfile=str(report))
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    rooms: dict[str, Counter[str]] = {}
    for path in sorted(files):
        place = Path(path).parts
        room = f"{place[1]}/" if len(place) > 2 else "modules outside the rooms"
        rooms.setdefault(room, Counter()).update({key: files[path]["summary"][key] for key in COUNTED})
    return rooms


def _table(rooms: dict[str, Counter[str]]) -> Table:
    header = ("room", "statements", "run", "lines", "branches", "taken", "branches taken")
    everything: Counter[str] = sum(rooms.values(), Counter())
    return Table("Lines and branches", header, [_row(*one) for one in (*rooms.items(), ("all", everything))])


def _row(room: str, counts: Counter[str]) -> Sequence[str]:
    lines, run, branches, taken = (counts[key] for key in COUNTED)
    return room, str(lines), str(run), _percent(run, lines), str(branches), str(taken), _percent(taken, branches)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


if __name__ == "__main__":
    main()
