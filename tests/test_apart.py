"""A process beside this one: it brings results in their order, and whatever happens to it, none is missing."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import xlbackprop
from xlbackprop.apart import apart
from xlbackprop.networks import load
from xlbackprop.spec import override


def test_results_come_in_their_order_from_another_process() -> None:
    with apart(os.getpid, partial(math.sqrt, 9)) as (process, root):
        assert root() == 3
        assert process() != os.getpid()


def test_what_the_process_does_not_bring_is_made_here() -> None:
    with apart(partial(os._exit, 3), partial(math.sqrt, 9)) as (_, root):
        assert root() == 3


def test_an_error_is_raised_here() -> None:
    with apart(partial(math.sqrt, -1)) as (root,), pytest.raises(ValueError, match="domain"):
        root()


def test_without_another_process_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "no-such-program")
    with apart(os.getpid) as (process,):
        assert process() == os.getpid()


def test_the_process_ends_with_the_block() -> None:
    with pytest.raises(KeyError), apart(os.getpid, partial(time.sleep, 60)) as calls:
        found = calls[0]()
        raise KeyError
    with pytest.raises(ProcessLookupError):
        os.kill(found, 0)


def test_a_script_that_runs_without_a_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import xlbackprop\nprint('once')\nxlbackprop.run('xor', folder='out')\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(xlbackprop.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("once\n", "")


def test_a_run_draws_what_plot_draws(tmp_path: Path) -> None:
    spec = override(load("era-s6"), steps=2, rates=(0.5,))
    drawn = xlbackprop.run(spec, folder=tmp_path / "a").pictures
    again = xlbackprop.plot(spec, tmp_path / "b", drawn[0].name.partition("-network")[0])
    assert {path.name: path.read_bytes() for path in drawn} == {path.name: path.read_bytes() for path in again}
