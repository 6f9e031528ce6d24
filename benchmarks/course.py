"""A course's worth of submissions, and what it costs to check them: `python -m benchmarks.course FOLDER`.

A submission is the class workbook with starting weights of its own in one sheet, right, with the
template's slip, or with one of the mistakes below from some row on. Some are byte-equal copies.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import perf_counter
from zipfile import ZipFile

from benchmarks.memory import largest_child, own_peak
from xlbackprop.checking import Options, verify_all
from xlbackprop.engine.package import replace_parts

COPIES = 0.25  # the part of the submissions that are byte-equal to another
RIGHT, SLIP = 0.2, 0.2  # of the others, those without a mistake, and those with the template's slip alone
# A column of benchmarks.audit's sheets, what stands in its formula, and what a hand makes of it.
MISTAKES = (
    ("AB", "R#-A#", "A#-R#"),
    ("AC", "*L#", "*J#"),
    ("AD", "T#*(1-T#)", "T#"),
    ("AE", "(T#-B#)", "(T#-A#)"),
    ("X", "*C#", ""),
    ("Y", "*M#", "*N#"),
    ("Q", "N#*L#", "N#*J#"),
    ("L", "EXP(-K#)", "EXP(K#)"),
    ("U", "0.5*", ""),
    ("W", "U#+V#", "U#-V#"),
)
WEIGHTS = ("E", "F", "G", "H", "M", "N", "O", "P")


def submissions(template: Path, folder: Path, files: int, header: int, rows: int) -> Counter[str]:
    """Write so many, alike for the same number; how many are right, wrong and copies."""
    right = folder / "right.xlsx"
    shutil.copyfile(template, right)
    with ZipFile(template) as package:
        sheets = [name for name in package.namelist() if "worksheets/sheet" in name]
        slipped = {name: package.read(name).decode() for name in sheets}
    cured = {name: _cured(xml) for name, xml in slipped.items()}
    replace_parts(right, cured)
    counted: Counter[str] = Counter()
    made: list[tuple[Path, str]] = []
    for k in range(files):
        chance, path = Random(k), folder / f"student-{k:05}.xlsx"
        if made and chance.random() < COPIES:
            original, verdict = chance.choice(made)
            shutil.copyfile(original, path)
            counted["copies"] += 1
        else:
            kind, sheet = chance.random(), chance.choice(sheets)
            base, parts = (template, slipped) if RIGHT <= kind < RIGHT + SLIP else (right, cured)
            xml = _with_weights(parts[sheet], header + 1, chance)
            if kind >= RIGHT + SLIP:
                xml = _with_mistake(xml, chance, header + 1, header + rows)
            shutil.copyfile(base, path)
            replace_parts(path, {sheet: xml})
            verdict = "correct" if kind < RIGHT else "wrong"
            made.append((path, verdict))
        counted[verdict] += 1
    right.unlink()
    return counted


def _cured(xml: str) -> str:
    def cured(cell: re.Match[str]) -> str:
        first, other = f"*J{cell[3]}*(1-J{cell[3]})*", f"*L{cell[3]}*(1-L{cell[3]})*"
        assert first in cell[4]
        return cell[1] + cell[4].replace(first, other)

    return re.sub(r'(<c r="(Z|AA)(\d+)"[^>]*><f>)([^<]*)', cured, xml)


def _with_weights(xml: str, row: int, chance: Random) -> str:
    for column in WEIGHTS:
        new = round(chance.uniform(0.05, 0.95), 6)
        xml, found = re.subn(rf'(<c r="{column}{row}"[^>]*>)<v>[^<]*</v>', rf"\g<1><v>{new}</v>", xml)
        assert found == 1
    return xml


def _with_mistake(xml: str, chance: Random, first: int, last: int) -> str:
    column, before, after = chance.choice(MISTAKES)
    start = chance.choice((first, chance.randint(first, last)))

    def mistaken(cell: re.Match[str]) -> str:
        row = cell[2]
        assert before.replace("#", row) in cell[3]
        return cell[1] + (
            cell[3] if int(row) < start else cell[3].replace(before.replace("#", row), after.replace("#", row))
        )

    return re.sub(rf'(<c r="{column}(\d+)"[^>]*><f>)([^<]*)', mistaken, xml)


def measured(paths: Sequence[Path]) -> dict[str, object]:
    """Check them as `verify` does; seconds, CPU seconds and peak megabytes of this process and of its workers."""
    started = perf_counter()
    verdicts = Counter(outcome.verdict for outcome in verify_all(paths, Options()))
    seconds = perf_counter() - started
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "files": len(paths),
        "verdicts": verdicts,
        "seconds": seconds,
        "parent": own.ru_utime + own.ru_stime,
        "workers": workers.ru_utime + workers.ru_stime,
        "parent MB": own_peak() / 2**20,
        "worker MB": largest_child() / 2**20,
    }


if __name__ == "__main__":
    everything = sorted(Path(sys.argv[1]).glob("*.xlsx"))
    print(json.dumps(measured(everything[: int(sys.argv[2])])))
