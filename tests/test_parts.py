"""The package is written straight into its file: what happens when the disk takes no more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import xlbackprop

pytest.importorskip("resource")
FULL = (
    "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    "from xlbackprop.cli import main\nmain(['build', 'era-s6', '-o', 'out'])\n"
)


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(xlbackprop.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == "Error: out/era-s6.xlsx: cannot be written (File too large); choose another folder with -o"
    assert not list(tmp_path.joinpath("out").iterdir())
