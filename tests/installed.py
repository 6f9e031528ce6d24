"""What an installed package must do in an empty folder: `python tests/installed.py` tries this Python's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

COMMANDS = (
    ("--version",),
    ("templates",),
    ("run", "mazur", "--steps", "3"),  # a network
    ("run", "activations"),  # tables of functions
    ("run", "lenet"),  # a calculator of sizes
    ("readme", "mazur", "--steps", "3", "-o", "page"),
    ("verify", "output/mazur.xlsx", "output/activations.xlsx", "output/lenet.xlsx", "page/mazur.xlsx"),
)


def carry_out(folder: Path, environment: Mapping[str, str]) -> None:
    """Run the commands in `folder`. Raises CalledProcessError at the first that fails."""
    for words in COMMANDS:
        command = [sys.executable, "-m", "xlbackprop", *words]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        where = [sys.executable, "-c", "import xlbackprop; print(xlbackprop.__file__)"]
        subprocess.run(where, cwd=name, check=True)
        carry_out(Path(name), os.environ)
