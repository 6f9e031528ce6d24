"""The fuzzers find nothing in some hundred inputs of their first seed, and would tell if there were something."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

import pytest

from benchmarks.fuzz import corpus, one
from benchmarks.fuzz.targets import TARGETS
from xlbackprop.crowd import Failure, Limits, each

# How many inputs of each target, so that all take a few seconds; those that start processes,
# and .pt, which imports torch, are left to the command.
INPUTS = {
    "network-file": 60, "formula": 150, "csv": 100, "npz": 60, "safetensors": 80, "archive": 30, "book": 30,
    "package": 10, "ods": 30, "audit": 5, "verify": 5, "explain": 2, "build": 1,
}  # fmt: skip


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> corpus.Corpus:
    folder = tmp_path_factory.mktemp("corpus")
    corpus.write(folder)
    return corpus.Corpus(folder)


def test_every_input_ends_in_a_result_or_a_line(seeds: corpus.Corpus) -> None:
    paths = [Path(name, str(number)) for name, count in INPUTS.items() for number in range(count)]
    found = {str(path): said for path, said in each(partial(one.judged, seeds, 0), paths, limits=Limits(60.0, 1024))}
    failed = {path: said.says for path, said in found.items() if isinstance(said, Failure) or said.kind == "failure"}
    assert not failed
    assert {said.kind for said in found.values()} == {"result", "refusal"}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", TARGETS)
def test_the_same_number_is_the_same_input(name: str, seeds: corpus.Corpus) -> None:
    target = TARGETS[name]
    first, other = (one.made(seeds, target, 0, 1) for _ in range(2))
    assert first == other
    assert len({one.made(seeds, target, 0, number) for number in range(6)}) > 1


def test_shares_are_of_one_whole() -> None:
    assert sum(target.share for target in TARGETS.values()) == pytest.approx(1)


# What the guard must tell, in a process of its own, because a guard stays.


@pytest.fixture(scope="module")
def process() -> Iterator[Pool]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


def _connects(folder: Path) -> None:
    with socket.socket() as door:
        door.connect(("127.0.0.1", 9))


def _starts(folder: Path) -> None:
    subprocess.run([sys.executable, "--version"], check=False)


def _unpickles(folder: Path) -> None:
    pickle.loads(pickle.dumps(Path("a")))


def _writes(folder: Path) -> None:
    (folder.parent / "escaped").write_text("x", encoding="utf-8")


def _climbs(folder: Path) -> None:
    (folder / ".." / "escaped").write_text("x", encoding="utf-8")


def _removes(folder: Path) -> None:
    (folder.parent / "kept").unlink()


def _renames(folder: Path) -> None:
    (folder / "mine").rename(folder.parent / "escaped")


def _hides(folder: Path) -> None:
    """Code under test that takes any exception for its own learns nothing, and the guard has still seen it."""
    with suppress(BaseException):
        os.system("true")


def _behaves(folder: Path) -> None:
    (folder / "made").mkdir()
    (folder / "made" / "file").write_text((folder.parent / "kept").read_text(encoding="utf-8"), encoding="utf-8")


def _breaches(job: Callable[[Path], None], folder: Path) -> list[str]:
    from benchmarks.fuzz.guard import Breach, Guard

    guard = Guard()
    try:
        with guard.watching(folder):
            job(folder)
    except Breach:
        pass
    return guard.breaches


@pytest.mark.parametrize(
    ("job", "event"),
    [
        (_connects, "socket.connect"), (_starts, "subprocess.Popen"), (_unpickles, "pickle.find_class"), (_writes,
        "open"),
        (_climbs, "open"), (_removes, "os.remove"), (_renames, "os.rename"), (_hides, "os.system"), (_behaves, ""),
    ],
)  # fmt: skip
def test_the_guard(job: Callable[[Path], None], event: str, process: Pool, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (tmp_path / "kept", folder / "mine"):
        path.write_text("x", encoding="utf-8")
    found = process.apply(_breaches, (job, folder))
    assert [one.split()[0] for one in found] == ([event] if event else [])
    assert not (tmp_path / "escaped").exists()
    assert (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("a.toml: has no layers; add one", "refusal"),
        ("two\nlines", "failure"),
        ("red \x1b[31m", "failure"),
        ("", "failure"),
        ("x" * 2000, "failure"),
    ],
)
def test_a_complaint_is_one_line_that_a_terminal_can_show(says: str, kind: str) -> None:
    assert one._complained(says)[0] == kind
