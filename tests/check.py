"""The one command that checks everything: format, lint, types, generated documents, tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    ("ruff", "format", "--check", "."),
    ("ruff", "check", "."),
    ("mypy",),
    ("pytest", "-n", "auto"),
)

failed = [
    command
    for command in COMMANDS
    if subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode
]
sys.exit(f"failed: {', '.join(' '.join(command) for command in failed)}" if failed else 0)
