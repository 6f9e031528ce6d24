"""Work that a process of its own does beside this one's: to draw takes as long as all else in a run.

It is no fork, which would copy the locks of threads without the threads, and not multiprocessing's,
which would run a script that calls us without a guard a second time.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

Call = Callable[[], Any]

_START = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from xlbackprop.apart import serve; serve()"


@contextmanager
def apart(*calls: Call) -> Iterator[Sequence[Call]]:
    """For each call, which can be pickled, a function that waits for its result; they are done in this order.

    A result that the process does not bring is made here, which raises its error here, too. The
    process ends with the block.
    """
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        yield calls
        return
    assert process.stdin and process.stdout
    with process, ThreadPoolExecutor(1) as reader:
        try:
            with suppress(OSError):  # it may be dead already
                process.stdin.write(pickle.dumps(sys.path) + pickle.dumps(calls))
            with suppress(OSError):
                process.stdin.close()
            yield [partial(_result, reader.submit(pickle.load, process.stdout), call) for call in calls]
        finally:
            process.kill()


def _result(brought: Future[Any], call: Call) -> Any:
    try:
        return brought.result()
    except (EOFError, pickle.UnpicklingError):
        return call()


def serve() -> None:
    """The other process: what is asked for on its standard input goes to its standard output."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what anything prints is no result
        for call in pickle.load(sys.stdin.buffer):
            pickle.dump(call(), out)
            out.flush()
