"""The command line under the guard, for a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.fuzz.guard import FORBIDDEN, PICKLES, Guard
from xlbackprop.cli import main as command


def main() -> None:
    sys.dont_write_bytecode = True
    # Its own workers send it pickles; what these read is watched where it is read in one process.
    forbidden = tuple(event for event in FORBIDDEN if event != PICKLES)
    with Guard(forbidden).watching(Path.cwd()):
        command(prog_name="xlbackprop")
