"""The most memory that a process has had."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_BYTES = 1 if sys.platform == "darwin" else 1024  # what ru_maxrss counts in


def own_peak() -> int:
    """Bytes of this process; from its status on Linux, where getrusage begins with what its parent had."""
    if _STATUS.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES


def largest_child() -> int:
    """Bytes of the largest process that this one has waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _BYTES
