"""Who ran which line: the pytest and coverage plugin whose record benchmarks.coverage and benchmarks.survivors read.

Each line is recorded with the test that ran it, and each shared fixture as a name of its own, so that
what a fixture ran counts for all tests that use it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import coverage
import pytest

TESTS = ".coverage-tests"  # with a line of JSON for each test: its name, seconds of processor time and fixtures
FIXTURE = "fixture "  # before the name of a shared one
_SHARED = ("session", "module", "class")


def coverage_init(registry: object, options: object) -> None:
    """Save before each word of a worker to its parent, which kills it without notice when no file is left."""
    if "--multiprocessing-fork" in sys.orig_argv:
        send = Connection.send

        def saving(connection: Connection, words: Any) -> None:
            if measuring := coverage.Coverage.current():
                measuring.save()
            send(connection, words)

        Connection.send = saving  # type: ignore[method-assign,assignment]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Append the test to the list when it is over; what its fixtures took counts, as it would alone."""
    _switch(item.nodeid)
    before = _processor_time()
    result = yield
    line = {
        "test": item.nodeid,
        "seconds": round(_processor_time() - before, 4),
        "fixtures": sorted(getattr(item, "fixturenames", ())),
    }
    with Path(item.config.rootpath, TESTS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return result


def _processor_time() -> float:
    """Of this process and of those that it waited for: the machine may be busy with others."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Iterator[Any]:
    if fixturedef.scope not in _SHARED:
        return (yield)
    before = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    _switch(FIXTURE + fixturedef.argname)
    try:
        return (yield)
    finally:
        _switch(before)


def _switch(context: str) -> None:
    if measuring := coverage.Coverage.current():
        measuring.switch_context(context)
