"""A job over many files in worker processes with bounds, so that no file stops the others or costs more than stated.

Workers are spawned, on every platform. A fork would copy the locks of threads without the threads
(numpy has some), and the workers of a fork server are not children of this process: their ids may
be another's by the time their group is killed. A spawned worker keeps its id until it is waited
for. It takes about 60 ms to start, once for many files.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Generic, Literal, NoReturn, TypeVar

from xlbackprop.errors import XlbackpropError
from xlbackprop.files import scratch

if sys.platform != "win32":
    import resource

T = TypeVar("T")

START = 60.0  # more seconds for a worker's first file, until it has imported the job
GRACE = 0.5  # seconds for a worker to stop by itself, before it is killed
AHEAD = 32  # files for each worker that may be done before an earlier one is
MOST = 30 if sys.platform == "win32" else 1000  # workers: Windows waits for 63 handles at once, and each has two
_SPAWN = multiprocessing.get_context("spawn")
_OUTPUT = "output"  # what native code and jobs say, which is for no terminal
# The last words of native code that gets no memory: Rust's, C++'s, C's.
_NO_MEMORY = re.compile(r"memory allocation of|bad_alloc|out of memory|cannot allocate memory", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What one file may cost."""

    seconds: float = 60.0
    megabytes: int = 2048  # of address space that a file may add to its worker's; on Linux, elsewhere only time counts


@dataclass(frozen=True)
class Failure:
    """Why a file has no result, in one line; a complaint is an XlbackpropError."""

    says: str
    kind: Literal["complaint", "time", "memory", "crash"]


def each(
    job: Callable[[Path], T],
    paths: Sequence[Path],
    *,
    limits: Limits = Limits(),
    workers: int | None = None,
    known: Callable[[Path], T | None] = lambda path: None,
) -> Iterator[tuple[Path, T | Failure]]:
    """Results in the order of `paths`, as they come. `job` can be pickled, and so can its results.

    An exception of a job, and a worker that dies, hangs or gets no memory, give a Failure for that
    path and no other. `known` is asked once of each path, when a worker is free for it, for a result
    that takes no work. To close the iterator ends the workers.
    """
    most = max(1, min(workers or _processors(), len(paths), MOST))
    crew: list[_Worker[T]] = []
    done: dict[int, T | Failure] = {}
    given = 0
    try:
        for turn, path in enumerate(paths):
            _look(crew, done, patient=False)
            while True:
                # Results that wait for an earlier file are kept, so there is an end to how many.
                while given < min(len(paths), turn + AHEAD * most):
                    idle = next((worker for worker in crew if worker.turn is None), None)
                    if idle is None and len(crew) == most:
                        break
                    if (result := known(paths[given])) is not None:
                        done[given] = result
                        given += 1
                        continue
                    if idle is None:
                        with _deaf():
                            crew.append(idle := _Worker(job, limits))
                    idle.take(given, paths[given])
                    given += 1
                if turn in done:
                    break
                _look(crew, done, patient=True)
            yield path, done.pop(turn)
    finally:
        _end(crew)


class Lone(Generic[T]):
    """One worker for paths that come one by one; `starting` surrounds the start of its process."""

    def __init__(
        self,
        job: Callable[[Path], T],
        limits: Limits,
        *,
        starting: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._job, self._limits, self._starting = job, limits, starting
        self._crew: list[_Worker[T]] = []

    def __call__(self, path: Path) -> T | Failure:
        done: dict[int, T | Failure] = {}
        if not self._crew:
            with _deaf(), self._starting():
                self._crew.append(_Worker(self._job, self._limits))
        self._crew[0].take(0, path)
        while not done:
            _look(self._crew, done, patient=True)
        return done[0]

    def end(self) -> None:
        _end(self._crew)
        self._crew.clear()


def alone(job: Callable[[Path], T], path: Path, *, limits: Limits = Limits()) -> T:
    """The result of a single file. Raises XlbackpropError, in one line, where it has none."""
    ((_, result),) = each(job, [path], limits=limits)
    if isinstance(result, Failure):
        raise XlbackpropError(result.says)
    return result


@contextmanager
def _deaf() -> Iterator[None]:
    """To Ctrl-C, which waits until the new worker can be ended; the worker, which inherits this, never hears it."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # or the first start does that, and lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _processors() -> int:
    """Those that this process may use, which in a container are fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _look(crew: list[_Worker[T]], done: dict[int, T | Failure], *, patient: bool) -> None:
    """Collect what is done, and let go of workers that ended; a patient look waits until something happens."""
    rest = min((one.deadline for one in crew if one.turn is not None), default=0.0) - time.monotonic()
    doors = [door for one in crew for door in (one.connection, one.sentinel)]
    ready = set(wait(doors, max(0.0, rest) if patient else 0.0))
    for worker in crew:
        worker.look(ready, done)
    crew[:] = [worker for worker in crew if not worker.ended]


def _end(crew: Collection[_Worker[T]]) -> None:
    """All of them at once, whatever they do."""
    stop = time.monotonic() + GRACE
    try:
        for worker in crew:
            worker.ask()
        for worker in crew:
            worker.end(stop - time.monotonic() if worker.asked else 0.0)
    finally:  # an impatient user's second Ctrl-C
        for worker in crew:
            worker.end()


class _Worker(Generic[T]):
    """A process with bounds, and the file that it has."""

    def __init__(self, job: Callable[[Path], T], limits: Limits) -> None:
        self._limits = limits
        self._held = ExitStack()
        self._folder = self._held.enter_context(scratch())
        self.connection, theirs = _SPAWN.Pipe()
        with theirs:
            arguments = (theirs, pickle.dumps(job), limits, str(self._folder))
            self._process = _SPAWN.Process(target=_work, args=arguments, daemon=True)
            self._process.start()
        self.sentinel = self._process.sentinel
        self.turn: int | None = None
        self.path = Path()
        self.deadline = 0.0
        self._began = self.asked = self.ended = False
        self._words = ""

    def take(self, turn: int, path: Path) -> None:
        self.turn, self.path = turn, path
        self.deadline = time.monotonic() + self._limits.seconds + (0.0 if self._began else START)
        with suppress(OSError):  # if it died meanwhile, its sentinel tells
            self.connection.send(path)

    def look(self, ready: Collection[object], done: dict[int, T | Failure]) -> None:
        """Where its file is done, or lost, put that among `done`."""
        if self.connection in ready:
            self._hear(done)
        elif self.sentinel in ready or (self.asked and time.monotonic() >= self.deadline):
            self._lose(done)
        elif self.turn is not None and time.monotonic() >= self.deadline:
            self.ask()

    def ask(self) -> None:
        """It to stop: it may have LibreOffice in a session of its own, which it ends when it is told."""
        if self.turn is not None and not self.asked:
            self.asked = True
            self.deadline = time.monotonic() + GRACE
            self._process.terminate()

    def end(self, patience: float = 0.0) -> None:
        """Kill it with what it started. It is waited for last: until then its id cannot be another's."""
        if self.ended:
            return
        wait([self.sentinel], max(0.0, patience))
        if sys.platform != "win32":
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()
        self._process.join()
        self.connection.close()
        self._words = _tail(self._folder / _OUTPUT)
        self._held.close()
        self.ended = True

    def _hear(self, done: dict[int, T | Failure]) -> None:
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self._lose(done)
            return
        if message is None:
            self._began = True
            self.deadline = time.monotonic() + self._limits.seconds
            return
        answer, spent = message
        try:
            outcome = pickle.loads(answer)
        except Exception as error:
            outcome = _failure(self.path, error, self._limits)
        if self.turn is not None:
            done[self.turn] = outcome
        self.turn = None
        if spent or self.asked:
            self.end()

    def _lose(self, done: dict[int, T | Failure]) -> None:
        # Its pipe may close before it has ended.
        self.end(self.deadline - time.monotonic() if self.asked else GRACE)
        if self.turn is not None:
            done[self.turn] = self._post_mortem()

    def _post_mortem(self) -> Failure:
        code = self._process.exitcode or 0
        names = {-one.value: one.name for one in signal.Signals}
        if self.asked or names.get(code) == "SIGALRM":
            return _too_long(self.path, self._limits)
        if _NO_MEMORY.search(self._words):
            return _too_large(self.path, self._limits)
        last = " ".join(self._words.rstrip().rpartition("\n")[2].split())[:200]
        how = ": ".join(filter(None, [names.get(code, f"exit code {code}"), last]))
        return Failure(f"{self.path}: ended the process that worked on it ({how}); please report it", "crash")


def _too_long(path: Path, limits: Limits) -> Failure:
    return Failure(
        f"{path}: took more than {limits.seconds:g} s and was stopped; allow more time if you trust it", "time"
    )


def _too_large(path: Path, limits: Limits) -> Failure:
    return Failure(
        f"{path}: needs more than {limits.megabytes} MB of memory; allow more memory if you trust it", "memory"
    )


def _failure(path: Path, error: BaseException, limits: Limits) -> Failure:
    says = " ".join(str(error).split())
    if isinstance(error, XlbackpropError):
        return Failure(says, "complaint")
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return _too_large(path, limits)
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return Failure(f"{path}: {type(error).__name__}: {says[:200]} ({place}); please report it", "crash")


def _tail(output: Path) -> str:
    """The last of what a worker wrote."""
    with suppress(OSError), output.open("rb") as file:
        file.seek(max(0, output.stat().st_size - 2000))
        return file.read().decode(errors="replace")
    return ""


# What follows runs in the worker.


class _Asked(BaseException):
    """To stop. No job takes it for a mistake of its own, and its `finally` clauses run."""


def _work(connection: Any, job: bytes, limits: Limits, folder: str) -> None:
    """One file after another, until the pipe closes."""
    _settle_in(folder)
    with suppress(_Asked, EOFError, OSError):
        work: Callable[[Path], object] = pickle.loads(job)
        start = _address_space()
        connection.send(None)
        while True:
            path = connection.recv()
            answer, failure = _answer(work, path, limits)
            # What a file leaves behind is not to be the next one's burden.
            spent = failure == "memory" or _address_space() - start > limits.megabytes * 2**20 // 2
            connection.send((answer, spent))


def _settle_in(folder: str) -> None:
    """A session, a terminal and a temporary folder of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Windows; elsewhere it is blocked
    output = os.open(Path(folder, _OUTPUT), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder))
    # There is a worker for each processor; numpy's threads would only take memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    threading.Thread(target=_follow, daemon=True).start()
    if sys.platform != "win32":
        os.setsid()
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _stop(*_: object) -> NoReturn:
    raise _Asked


def _follow() -> None:
    """End as soon as the parent has ended, even if it was killed; nobody waits for the file's result any more."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _answer(work: Callable[[Path], object], path: Path, limits: Limits) -> tuple[bytes, str]:
    """The outcome, pickled, and the kind of failure if it is one."""
    os.ftruncate(2, 0)
    try:
        with _bounded(limits):
            return pickle.dumps(work(path)), ""
    except _Asked:
        raise
    except BaseException as error:  # a panic of native code is no Exception
        failure = _failure(path, error, limits)
        return pickle.dumps(failure), failure.kind


@contextmanager
def _bounded(limits: Limits) -> Iterator[None]:
    """The bounds that hold without the parent: memory, and an alarm in case there is no parent any more."""
    if sys.platform == "linux":
        before = resource.getrlimit(resource.RLIMIT_AS)
        bound, hard = _address_space() + limits.megabytes * 2**20, before[1]
        if hard == resource.RLIM_INFINITY or bound < hard:
            resource.setrlimit(resource.RLIMIT_AS, (bound, hard))
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, limits.seconds + 2 * GRACE)
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.setitimer(signal.ITIMER_REAL, 0)
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, before)


def _address_space() -> int:
    """In bytes, where the platform tells."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    return 0
