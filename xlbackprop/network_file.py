"""The text of a network file, of whichever kind it is, the TOML tables in it, and what its words and numbers may be."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

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


LONGEST_TEXT = 3000  # characters; ten times as many when each is written as an escape, which a cell just holds


def check_texts(value: object, place: str = "") -> None:
    """Raises NetworkError for a text, however deep in a checked struct, that a workbook cannot hold."""
    if isinstance(value, msgspec.Struct):
        for key in value.__struct_fields__:
            check_texts(getattr(value, key), f"{place}.{key}" if place else key)
    elif isinstance(value, tuple) and not (value and isinstance(value[0], float)):  # rows of numbers are long
        for k, one in enumerate(value):
            check_texts(one, f"{place}[{k}]")
    elif isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise NetworkError(f"{place}: has {len(value):,} characters; a text has at most {LONGEST_TEXT:,}")
        if half := re.search("[\ud800-\udfff\ufffe\uffff]", value):
            raise NetworkError(f"{place}: holds U+{ord(half[0]):04X}, which is no character; leave it out")


def check_number(place: str, value: float) -> None:
    """Raises NetworkError for a number that a cell cannot hold in every spreadsheet."""
    if not math.isfinite(value):
        raise NetworkError(f"{place}: is {value}; give a finite number")
    if 0 < abs(value) < sys.float_info.min:
        raise NetworkError(f"{place}: is {value!r}, and Excel takes what is nearer to 0 than 2.3e-308 for 0; give 0")
