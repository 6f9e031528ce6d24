"""Bring your own: samples from CSV, weights from files, networks from PyTorch, weights back out of a workbook."""

from __future__ import annotations

import stat
from pathlib import Path

from xlbackprop.errors import NetworkError

MOST_BYTES = 100_000_000  # a worksheet has no room for more than a small part of that
MOST_NUMBERS = 10_000_000


def whole(path: Path) -> bytes:
    """The bytes of a file. Raises NetworkError where it cannot be read, is no regular file or is too large."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise NetworkError(f"{path}: is not a regular file; name a file")
        if about.st_size > MOST_BYTES:
            raise NetworkError(f"{path}: has {about.st_size:,} bytes; at most {MOST_BYTES:,} are read")
        return path.read_bytes()
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except ValueError as error:  # such as a NUL in the name
        raise NetworkError(f"{str(path)!r}: cannot be read ({error}); check the path") from None
