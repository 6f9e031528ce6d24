"""The job of `crowd` on the workers of a Dask cluster, where one machine is not enough.

Each thread of a Dask worker has a process of `crowd` with its bounds, so that a file that hangs,
crashes or takes all memory ends that process and never the Dask worker. Dask itself gives the file
of a worker that is lost to another one.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from xlbackprop import __version__
from xlbackprop.crowd import AHEAD, Failure, Limits, Lone
from xlbackprop.errors import ClusterError

try:
    import distributed
    from distributed.comm import get_address_host_port
except ImportError:
    raise ClusterError("--dask: needs Dask; pip install 'xlbackprop[dask]'") from None

T = TypeVar("T")

PATIENCE = 30.0  # seconds without any worker, before the cluster is given up
_CONNECT = 10.0  # seconds for the scheduler to answer
_QUEUED = 2  # files for each thread: one in work, one that waits
_TRIES = 2  # of a file whose process crashed or hung


def each(
    job: Callable[[Path], T],
    paths: Sequence[Path],
    *,
    address: str,
    limits: Limits,
    known: Callable[[Path], T | None] = lambda path: None,
) -> Iterator[tuple[Path, T | Failure]]:
    """As `crowd.each`, on the workers of the scheduler at this address.

    They need the same release and see the same files under the same paths. Raises ClusterError for a
    cluster that does not answer, has no workers or is lost.
    """
    with _client(address) as client:
        check = partial(_check, partial(_in_folder, job, str(Path.cwd())), limits, __version__)
        working: dict[Any, tuple[int, int]] = {}  # of each future its turn, and which try it is
        done: dict[int, T | Failure] = {}
        given = 0
        try:
            for turn, path in enumerate(paths):
                while turn not in done:
                    threads = max(1, sum(_asked(address, client.nthreads).values()))
                    while given < min(len(paths), turn + AHEAD * threads) and len(working) < _QUEUED * threads:
                        if (result := known(paths[given])) is not None:
                            done[given] = result
                        else:
                            working[client.submit(check, paths[given], pure=False)] = given, 1
                        given += 1
                    if turn in done:
                        break
                    for future in _asked(address, _finished, client, address, list(working)):
                        at, tried = working.pop(future)
                        outcome = _asked(address, _result, future, paths[at], address)
                        if isinstance(outcome, Failure) and outcome.kind in ("crash", "time") and tried < _TRIES:
                            working[client.submit(check, paths[at], pure=False)] = at, tried + 1
                        else:
                            done[at] = outcome
                yield path, done.pop(turn)
        finally:
            with suppress(Exception):  # of a cluster that is lost
                client.cancel(list(working))
                client.run(_dismiss)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is raised
    try:
        get_address_host_port(address)
        client = distributed.Client(address, timeout=_CONNECT)
    except (OSError, ValueError, ImportError) as error:
        says = " ".join(str(error).split())
        raise ClusterError(f"{address}: no Dask scheduler answers ({says}); give one as tcp://host:8786") from None
    try:
        _await_workers(client, address)
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=_CONNECT)


def _asked(address: str, question: Callable[..., Any], *arguments: object) -> Any:
    """What the cluster answers."""
    try:
        return question(*arguments)
    except OSError:
        raise _lost(address) from None


def _lost(address: str) -> ClusterError:
    return ClusterError(f"{address}: the scheduler is lost; start it, and go on with the same --results")


def _await_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except Exception:
        raise ClusterError(f"{address}: has no workers; start some with: dask worker {address}") from None


def _finished(client: Any, address: str, working: list[Any]) -> list[Any]:
    """Those that are, as soon as one is."""
    while True:
        with suppress(TimeoutError, distributed.TimeoutError):
            return list(distributed.wait(working, timeout=PATIENCE, return_when="FIRST_COMPLETED").done)
        _await_workers(client, address)


def _result(future: Any, path: Path, address: str) -> Any:
    """What a file's check returned; of one that ended several workers a Failure."""
    if future.status in ("cancelled", "lost"):
        raise _lost(address)
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, (ClusterError, ImportError)):
        says = " ".join(str(error).split())
        raise ClusterError(f"{address}: a worker cannot check ({says}); install xlbackprop {__version__} there")
    return Failure(f"{path}: ended the workers that had it ({type(error).__name__}); please report it", "crash")


# What follows runs in a Dask worker.

_MEMBERS: dict[int, tuple[bytes, Lone[Any]]] = {}  # of each thread that has no file
_STARTING = threading.Lock()


def _check(job: Callable[[Path], T], limits: Limits, release: str, path: Path) -> T | Failure:
    if release != __version__:
        raise ClusterError(f"it has release {__version__}")
    thread, wanted = threading.get_ident(), pickle.dumps((job, limits))
    held, member = _MEMBERS.pop(thread, (b"", None))
    if member is not None and held != wanted:
        member.end()
        member = None
    if member is None:
        member = Lone(job, limits, starting=_may_have_children)
    try:
        return member(path)
    finally:
        _MEMBERS[thread] = wanted, member


def _in_folder(job: Callable[[Path], T], folder: str, path: Path) -> T:
    """The job where the paths begin, in a process of its own."""
    with suppress(OSError):  # on a machine without it whole paths serve
        os.chdir(folder)
    return job(path)


def _dismiss() -> None:
    while _MEMBERS:
        _MEMBERS.popitem()[1][1].end()


@contextmanager
def _may_have_children() -> Iterator[None]:
    """Dask's workers are daemons, which may start no process; ours ends by itself when its pipe closes."""
    with _STARTING:
        config: dict[str, Any] = vars(multiprocessing.current_process())["_config"]
        before = config.get("daemon")
        config["daemon"] = False
        try:
            yield
        finally:
            config["daemon"] = before
