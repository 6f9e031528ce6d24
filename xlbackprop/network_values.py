"""What the words and numbers of a network file may be, of whichever kind it is: what a cell of a workbook can hold."""

from __future__ import annotations

import math
import re
import sys

import msgspec

from xlbackprop.errors import NetworkError

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
