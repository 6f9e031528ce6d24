"""The text of a network file, of whichever kind it is, and the TOML tables in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from xlbackprop.errors import NetworkError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def text_of(path: Path) -> str:
    """What the file holds. Raises NetworkError for one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NetworkError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise NetworkError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def parsed(text: str, where: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises NetworkError for one that is none."""
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOML's own, and Python's of a number with thousands of digits
        raise NetworkError(f"{where}: is not valid TOML: {error}") from None
    except RecursionError:
        raise NetworkError(f"{where}: brackets are nested too deep; three levels are enough") from None
