"""One file that hangs, crashes, or takes all memory costs no more than its bounds, and no other file anything."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from xlbackprop.crowd import AHEAD, Failure, Limits, each
from xlbackprop.errors import WorkbookError

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and sessions")
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux only")
_LEFT: list[bytearray] = []

# What a worker does with a file stands in the file's suffix: `act` looks it up here.


def _complain(path: Path) -> NoReturn:
    raise WorkbookError(f"{path}: is no workbook; give another")


def _mistake(path: Path) -> NoReturn:
    sys.stderr.write("not for the terminal")
    raise TypeError("two\nlines")


def _panic(path: Path) -> NoReturn:
    class Panic(BaseException):
        pass

    raise Panic("unwrap on None")


def _devour(path: Path) -> str:
    held = [bytearray(b"x") * 2**20 for _ in range(1024)]
    return f"got {len(held)} MB"


def _abort_without_memory(path: Path) -> None:
    os.write(2, b"memory allocation of 17179869184 bytes failed\n")
    os.abort()


def _leave(path: Path) -> int:
    _LEFT.append(bytearray(b"x") * (70 * 2**20))
    return os.getpid()


def _note(path: Path, pid: int) -> None:
    """For the test to read: whole, or not there."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(str(pid))
    part.rename(path)


def _hang(path: Path) -> None:
    tempfile.mkstemp()
    _note(path, os.getpid())
    time.sleep(60)


def _hang_natively(path: Path) -> None:
    """No Python runs, so that nothing but a kill ends it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    _hang(path)


def _hang_in_a_child(path: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = subprocess.Popen(["sleep", "60"])
    _note(path, child.pid)
    child.wait()


def _hang_in_a_session(path: Path) -> None:
    """As the LibreOffice engine does."""
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    _note(path, child.pid)
    try:
        child.wait()
    finally:
        child.kill()


def _await(path: Path) -> str:
    while not path.exists():
        time.sleep(0.01)
    return "answer"


def _count(path: Path) -> int:
    """How many others are begun while this one is not done."""
    stop = time.monotonic() + 10
    while len(list(path.parent.glob("*.mark"))) < 2 * AHEAD - 1 and time.monotonic() < stop:
        time.sleep(0.01)
    time.sleep(0.2)
    return len(list(path.parent.glob("*.mark")))


class _Spoiled:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return int, ("no number",)


ACTS: dict[str, Callable[[Path], object]] = {
    ".ok": lambda path: "answer",
    ".none": lambda path: None,
    ".pid": lambda path: os.getpid(),
    ".long": lambda path: "x" * 10**7,
    ".slow": lambda path: time.sleep(0.3),
    ".mark": lambda path: path.touch(),
    ".complain": _complain,
    ".mistake": _mistake,
    ".panic": _panic,
    ".lambda": lambda path: lambda: None,
    ".spoiled": lambda path: _Spoiled(),
    ".sysexit": lambda path: sys.exit(3),
    ".exit": lambda path: os._exit(7),
    ".exit0": lambda path: os._exit(0),
    ".kill": lambda path: os.kill(os.getpid(), signal.SIGKILL),
    ".abort": lambda path: os.abort(),
    ".devour": _devour,
    ".nomem": _abort_without_memory,
    ".leave": _leave,
    ".hang": _hang,
    ".native": _hang_natively,
    ".child": _hang_in_a_child,
    ".session": _hang_in_a_session,
    ".await": _await,
    ".count": _count,
}


def act(path: Path) -> object:
    return ACTS[path.suffix](path)


def _paths(folder: Path, *names: str) -> list[Path]:
    return [folder / name for name in names]


def _ended(pid: int) -> bool:
    return not _runs(pid)


def _runs(pid: int) -> bool:
    """A process that ended and that nobody has waited for does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        if sys.platform == "linux":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _soon(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    stop = time.monotonic() + seconds
    while not condition() and time.monotonic() < stop:
        time.sleep(0.01)
    return condition()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Whatever a test does, no worker and no temporary file is left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert not multiprocessing.active_children()
    assert not list(folder.iterdir())


# Each: the act, the kind of failure, how its line begins.
FAILURES = [
    (".complain", "complaint", "{path}: is no workbook; give another"),
    (".mistake", "crash", "{path}: TypeError: two lines (test_crowd.py:"),
    (".panic", "crash", "{path}: Panic: unwrap on None (test_crowd.py:"),
    (".lambda", "crash", "{path}: "),
    (".spoiled", "crash", "{path}: ValueError: invalid literal"),
    (".sysexit", "crash", "{path}: SystemExit: 3"),
    (".exit", "crash", "{path}: ended the process that worked on it (exit code 7); please report it"),
    (".exit0", "crash", "{path}: ended the process that worked on it (exit code 0); please report it"),
    (".nomem", "memory", "{path}: needs more than 200 MB of memory; allow"),
]
if sys.platform != "win32":
    FAILURES += [
        (".kill", "crash", "{path}: ended the process that worked on it (SIGKILL); please report it"),
        (".abort", "crash", "{path}: ended the process that worked on it (SIGABRT"),
    ]
if sys.platform == "linux":
    FAILURES += [(".devour", "memory", "{path}: needs more than 200 MB of memory; allow")]


def test_a_failure_is_one_line_for_its_file_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = _paths(tmp_path, *(name for suffix, _, _ in FAILURES for name in (f"bad{suffix}", f"after{suffix}.ok")))
    results = list(each(act, paths, limits=Limits(megabytes=200), workers=2))
    assert results[1::2] == [(path, "answer") for path in paths[1::2]]
    for (path, failure), (_, kind, says) in zip(results[::2], FAILURES):
        assert isinstance(failure, Failure), path
        assert (failure.kind, failure.says[: len(says.format(path=path))]) == (kind, says.format(path=path))
        assert "\n" not in failure.says
    assert capfd.readouterr() == ("", "")


HANGS = (".hang",) if sys.platform == "win32" else (".hang", ".native", ".child", ".session")


def test_what_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    bad, good = _paths(tmp_path, *(f"bad{suffix}" for suffix in HANGS)), _paths(tmp_path, "a.ok", "b.ok")
    start = time.monotonic()
    results = list(each(act, bad + good, limits=Limits(seconds=0.5), workers=len(HANGS)))
    assert 0.5 < time.monotonic() - start < 30
    says = "{}: took more than 0.5 s and was stopped; allow more time if you trust it"
    failures = [(path, Failure(says.format(path), "time")) for path in bad]
    assert results == failures + [(path, "answer") for path in good]
    for path in bad:
        pid = int(path.read_text())
        assert _soon(partial(_ended, pid)), path


def test_order(tmp_path: Path) -> None:
    paths = _paths(tmp_path, "a.slow", "b.ok", "c.long", "d.none", "e.complain", "f.ok")
    results = list(each(act, paths, workers=2))
    assert [path for path, _ in results] == paths
    assert [len(str(result)) for _, result in results if not isinstance(result, Failure)] == [4, 6, 10**7, 4, 6]


def test_what_is_known_is_asked_once_and_takes_no_work(tmp_path: Path) -> None:
    paths, asked = _paths(tmp_path, "a.mark", "b.ok", "c.mark", "d.slow", "e.ok"), list[Path]()

    def known(path: Path) -> object:
        asked.append(path)
        return "known" if path.suffix == ".mark" else None

    results = list(each(act, paths, workers=1, known=known))
    assert results == list(zip(paths, ["known", "answer", "known", None, "answer"]))
    assert asked == paths
    assert not paths[0].exists()


def test_results_come_before_the_last_is_done(tmp_path: Path) -> None:
    paths = _paths(tmp_path, "a.ok", "b.await")
    results = each(act, paths, limits=Limits(seconds=20), workers=2)
    assert next(results) == (paths[0], "answer")
    paths[1].touch()  # what the second waits for
    assert list(results) == [(paths[1], "answer")]


def test_few_results_wait_for_a_slow_file(tmp_path: Path) -> None:
    paths = _paths(tmp_path, "slow.count", *(f"{k}.mark" for k in range(199)))
    results = list(each(act, paths, workers=2))
    assert results == [(paths[0], 2 * AHEAD - 1), *((path, None) for path in paths[1:])]


def test_workers_are_few_and_work_on(tmp_path: Path) -> None:
    paths = _paths(tmp_path, *(f"{k}.pid" for k in range(200)))
    results = list(each(act, paths, workers=2))
    assert [path for path, _ in results] == paths
    assert len({pid for _, pid in results}) <= 2
    assert os.getpid() not in {pid for _, pid in results}
    assert len({pid for _, pid in each(act, paths[:1], workers=8)}) == 1
    assert list(each(act, [])) == []


def test_results_are_not_kept(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        for _, _ in each(act, _paths(tmp_path, *(f"{k}.long" for k in range(12))), workers=1):
            held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 10**7 <= held < 5 * 10**7


@linux
def test_what_a_file_leaves_is_not_the_next_ones_burden(tmp_path: Path) -> None:
    results = list(
        each(act, _paths(tmp_path, "a.leave", "b.leave", "c.leave"), limits=Limits(megabytes=100), workers=1)
    )
    assert len({pid for _, pid in results if isinstance(pid, int)}) == 3, results


@posix
@pytest.mark.parametrize("suffix", [".session", ".native", ".ok"])
def test_closing_ends_the_workers(suffix: str, tmp_path: Path) -> None:
    (hangs,) = _paths(tmp_path, f"b{suffix}")
    results = each(act, [tmp_path / "a.pid", hangs], workers=2)
    _, idle = next(results)
    busy = idle
    if suffix != ".ok":
        assert _soon(hangs.exists)
        busy = int(hangs.read_text())
    assert isinstance(idle, int)
    assert isinstance(busy, int)
    assert _runs(idle)
    assert _runs(busy)
    start = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 10
    assert _ended(idle)
    assert _soon(partial(_ended, busy))


_PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from pathlib import Path
from test_crowd import act
from xlbackprop.crowd import Limits, each
list(each(act, [Path({path!r})] * 4, limits=Limits(seconds={seconds}), workers={workers}))
"""


def _program(path: Path, temporary: Path, seconds: float, workers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM.format(path=str(path), seconds=seconds, workers=workers)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@posix
@pytest.mark.parametrize("begun", [True, False], ids=["at work", "at the start"])
def test_control_c_ends_all_at_once(begun: bool, tmp_path: Path, temporary: Path) -> None:
    path = tmp_path / "a.session"
    program = _program(path, temporary, seconds=60, workers=1 if begun else 4)
    assert _soon(path.exists if begun else lambda: len(list(temporary.iterdir())) == 4, 20)
    time.sleep(0 if begun else 0.03)  # interpreters that start would have their say
    os.killpg(program.pid, signal.SIGINT)
    _, complaint = program.communicate(timeout=20)
    assert program.returncode == -signal.SIGINT
    assert complaint.count("Traceback") == 1, complaint  # the program's own
    assert complaint.rstrip().endswith("KeyboardInterrupt")
    assert not begun or _soon(partial(_ended, int(path.read_text())))


@posix
def test_a_worker_does_not_outlive_a_killed_program_for_long(tmp_path: Path) -> None:
    path = tmp_path / "a.native"
    program = _program(path, tmp_path, seconds=0.2, workers=1)
    assert _soon(path.exists, 20)
    program.kill()
    program.communicate(timeout=20)
    assert _soon(partial(_ended, int(path.read_text())))
