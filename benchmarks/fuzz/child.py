"""The command line under the guard, for a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.fuzz.guard import Guard
from xlbackprop.cli import main as command


def main() -> None:
    sys.dont_write_bytecode = True
    with Guard().watching(Path(os.getcwd())):
        command(prog_name="xlbackprop")
