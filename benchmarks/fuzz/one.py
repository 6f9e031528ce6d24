"""One input: made from its number, given to what is under test under a guard, and judged."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Literal

from benchmarks.fuzz.corpus import Corpus
from benchmarks.fuzz.guard import Breach, Guard
from benchmarks.fuzz.targets import TARGETS, Target
from benchmarks.memory import own_peak
from xlbackprop.crowd import Failure
from xlbackprop.errors import XlbackpropError

LONGEST = 1200  # characters of a complaint


@dataclass(frozen=True)
class Outcome:
    kind: Literal["result", "refusal", "stopped", "failure"]
    says: str
    seconds: float = 0.0
    megabytes: float = 0.0  # the largest that its worker has been so far


def made(corpus: Corpus, target: Target, seed: int, number: int) -> bytes:
    """The bytes of an input; the same for the same seed and number."""
    return target.make(corpus, Random(f"{seed} {target.name} {number}"))


def judged(corpus: Corpus, seed: int, path: Path) -> Outcome:
    """The input that is called network-file/17 here is the 17th of that target."""
    target, folder = TARGETS[path.parent.name], _folder()
    file = folder / f"input{target.ending}"
    file.write_bytes(made(corpus, target, seed, int(path.name)))
    started = perf_counter()
    kind, says = _called(target, file, folder)
    seconds = perf_counter() - started
    for one in (folder / "temporary").iterdir():
        kind, says = "failure", f"left {one.name} behind"
    for one in (*folder.iterdir(), *(folder / "temporary").iterdir()):
        if one not in (file, folder / "temporary"):  # to make a folder anew takes longer than most inputs
            shutil.rmtree(one) if one.is_dir() else one.unlink()
    return Outcome(kind, says, seconds, own_peak() / 2**20)


def _called(target: Target, file: Path, folder: Path) -> tuple[Literal["result", "refusal", "failure"], str]:
    guard = _guard()
    kind: Literal["result", "refusal", "failure"] = "result"
    says = ""
    try:
        if target.alone:
            target.run(file)
        else:
            with guard.watching(folder):
                target.run(file)
    except XlbackpropError as error:
        kind, says = _complained(str(error))
    except Breach:
        kind, says = "failure", ""
    except MemoryError:  # which the crowd tells, as it does a panic of native code
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        kind, says = "failure", f"{type(error).__name__}: {' '.join(str(error).split())[:300]} ({place})"
    if guard.breaches:
        kind, says = "failure", f"reached out: {guard.breaches[0]}"
    return kind, says


def _complained(says: str) -> tuple[Literal["refusal", "failure"], str]:
    """A complaint is one line that a terminal can show."""
    if not says.isprintable():
        return "failure", f"a complaint with what no line shows: {says[:300]!a}"
    if len(says) > LONGEST or not says:
        return "failure", f"a complaint of {len(says):,} characters: {says[:300]}"
    return "refusal", says


def ended(target: Target, failure: Failure) -> Outcome:
    """An input that took its worker's time, memory or life; the line that tells it is all that a command shows."""
    bears = target.in_worker and (failure.kind in ("time", "memory") or "ended the process" in failure.says)
    return Outcome("stopped" if bears else "failure", f"{failure.kind}: {failure.says}")


@cache
def _guard() -> Guard:
    return Guard()


@cache
def _folder() -> Path:
    """A worker's own, inside the one that its crowd removes."""
    sys.dont_write_bytecode = True
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=os.environ.get("TMPDIR")))
    tempfile.tempdir = str(folder / "temporary")
    os.environ["TMPDIR"] = tempfile.tempdir
    (folder / "temporary").mkdir()
    return folder
