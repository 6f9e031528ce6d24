"""A mutant's trial: its tests in a forked process, in a copy of the project, until one of them fails.

The libraries are imported before the fork, so that a trial takes as long as its tests and the import
of the project. What it takes is bounded in processor time, because the machine may be busy.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.survivors.choice import Test

LIBRARIES = (
    *("click", "hypothesis", "ironcalc", "jinja2", "matplotlib.figure", "msgspec", "numpy", "openpyxl"),
    *("PIL.Image", "pypdfium2", "python_calamine", "torch", "xlsxwriter"),
)
START, TIMES, WALL = 30.0, 5.0, 10.0  # seconds, and times the tests' own; wall clock for a second of processor time
MEMORY = 6 * 2**30  # bytes of address space
PASSED, SAID = ".passed", ".said"  # in a copy: the list of tests that passed, and what they printed
NEVER = (".git", ".venv", ".coverage*", ".hypothesis", "*_cache", "__pycache__")


@dataclass(frozen=True)
class Running:
    """The trial in one copy of the project."""

    tree: Path
    module: Path
    source: str  # of the module, unchanged
    deadline: float


def copies(root: Path, folder: Path, count: int) -> list[Path]:
    """Copies of the project to change."""
    trees = [folder / str(k) for k in range(count)]
    for tree in trees:
        shutil.copytree(root, tree, ignore=shutil.ignore_patterns(*NEVER))
    return trees


def prepare() -> None:
    """Import once what every trial needs."""
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    sys.dont_write_bytecode = True  # two changes within a second look alike to the cache of bytecode
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def passing(tree: Path, tests: Sequence[Test]) -> set[str]:
    """The names of those that pass without a change; others can tell nothing of one."""
    _, status = os.waitpid(_fork(tree, tests, _allowed(tests)), 0)
    passed = set((tree / PASSED).read_text(encoding="utf-8").splitlines())
    if tests and not passed:
        raise RuntimeError("tests: none of the recorded ones passes; record them again under coverage")
    if os.waitstatus_to_exitcode(status) not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        said = (tree / SAID).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise RuntimeError(f"tests: they did not run to their end without a change: {(said or ['no word'])[-1]}")
    return passed


def trials(trees: Sequence[Path], tasks: Iterable[tuple[str, str, Sequence[Test]]]) -> Iterator[tuple[int, str]]:
    """For each task (module, its new code, tests) its number and outcome, as they come: as many at once as copies.

    An outcome is "killed", "survived" or "timed out".
    """
    free, running = list(trees), dict[int, tuple[int, Running]]()
    for turn, (module, code, tests) in enumerate(tasks):
        if not free:
            yield from _ended(running, free)
        tree = free.pop()
        path = tree / module
        seconds = _allowed(tests)
        trial = Running(tree, path, path.read_text(encoding="utf-8"), time.monotonic() + WALL * seconds)
        path.write_text(code, encoding="utf-8")
        running[_fork(tree, tests, seconds, "-x")] = turn, trial
    while running:
        yield from _ended(running, free)


def _ended(running: dict[int, tuple[int, Running]], free: list[Path]) -> Iterator[tuple[int, str]]:
    """Wait until a trial ends."""
    while True:
        for process, (turn, trial) in list(running.items()):
            late = time.monotonic() > trial.deadline
            if late:
                os.kill(process, signal.SIGKILL)
            done, status = os.waitpid(process, 0 if late else os.WNOHANG)
            if done:
                with suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
                trial.module.write_text(trial.source, encoding="utf-8")
                free.append(trial.tree)
                del running[process]
                yield turn, _outcome(status, late)
                return
        time.sleep(0.05)


def _outcome(status: int, late: bool) -> str:
    if late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return "timed out"
    return "killed" if status else "survived"


def _allowed(tests: Sequence[Test]) -> float:
    """Seconds of processor time."""
    return START + TIMES * sum(one.seconds for one in tests)


def _fork(tree: Path, tests: Sequence[Test], seconds: float, *options: str) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree)
        sys.path[0] = str(tree)
        for name in [name for name in sys.modules if name.partition(".")[0] in ("benchmarks", "tests")]:
            del sys.modules[name]
        said = os.open(tree / SAID, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        files = dict.fromkeys(one.name.partition("::")[0] for one in tests)
        code = pytest.main([*options, "-q", "-p", "no:cacheprovider", *files], plugins=[_Chosen(tests, tree)])
    finally:
        os._exit(int(code))


class _Chosen:
    """The plugin that leaves the chosen tests, in their order, and lists those that passed."""

    def __init__(self, tests: Sequence[Test], tree: Path) -> None:
        self._order = {one.name: k for k, one in enumerate(tests)}
        self._passed = (tree / PASSED).open("w", encoding="utf-8")  # at once: tests change folders and rights

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((one for one in items if one.nodeid in self._order), key=lambda one: self._order[one.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self._passed.write(report.nodeid + "\n")
            self._passed.flush()
