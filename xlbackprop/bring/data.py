"""Samples from a CSV file: a line of names, then a line of numbers for each sample."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xlbackprop.bring import MOST_NUMBERS, whole
from xlbackprop.errors import NetworkError
from xlbackprop.spec.checks import MAX_ROWS

LABEL = "label"  # the column of class indices
_TARGET = re.compile(r"t[0-9]+")


@dataclass(frozen=True)
class _Columns:
    """Where each number of a sample stands in a line."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...]
    label: int | None


def samples(
    path: Path, inputs: Sequence[str] = (), targets: Sequence[str] = (), *, without_targets: bool = False
) -> list[dict[str, Any]]:
    """The samples as a network file has them.

    `inputs` and `targets` name columns, and other columns are left out. Where they name none, the
    targets are the column `label`, or those named t1, t2, ..., and the inputs are all others, in
    order. Targets that name no column may be the names of the outputs that `label` chooses from.
    Raises NetworkError with the file, the line and the column of what is wrong.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    result: list[dict[str, Any]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        columns = _columns(header, tuple(inputs), tuple(targets), without_targets=without_targets)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise NetworkError(f", line {reader.line_num}: has {len(row)} cells for {len(header)} columns")
            if len(result) == MAX_ROWS:
                raise NetworkError(f": has more than {MAX_ROWS:,} samples, as many as a sheet has rows; give fewer")
            if (len(result) + 1) * len(header) > MOST_NUMBERS:
                raise NetworkError(f": has more than {MOST_NUMBERS:,} numbers; give fewer")
            result.append(_sample(columns, header, row, reader.line_num))
    except csv.Error as error:
        raise NetworkError(f"{path.name}, line {reader.line_num}: is not CSV ({error}); save it as CSV") from None
    except NetworkError as error:
        raise NetworkError(f"{path.name}{error}") from None
    if not result:
        raise NetworkError(f"{path.name}: has no samples; give a line of numbers for each, below the names")
    return result


def _text(path: Path) -> str:
    data = whole(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NetworkError(
            f"{path.name}, line {line}: is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None


def _columns(
    header: list[str], inputs: tuple[str, ...], targets: tuple[str, ...], *, without_targets: bool
) -> _Columns:
    """Which column is what."""
    if not header:
        raise NetworkError(": has no line of names; give one, then a line for each sample")

    def at(name: str) -> int:
        if header.count(name) != 1:
            how = "two columns" if name in header else "no column"
            raise NetworkError(f": has {how} {name!r}; its columns are {', '.join(header)}")
        return header.index(name)

    labelled = LABEL in header and LABEL not in inputs and not set(targets) & set(header)
    aims = targets or tuple(name for name in header if _TARGET.fullmatch(name) and name not in inputs)
    if labelled and targets:  # these are the names of the outputs
        aims = ()
    if labelled and aims:
        raise NetworkError(f": has a column {LABEL} and targets {', '.join(aims)}; give one of them")
    if not labelled and not aims and not without_targets:
        raise NetworkError(
            f": has no column {LABEL} and none named t1, t2, ...; its columns are {', '.join(header)}; "
            "say with targets which to use"
        )
    taken = {*aims, *([LABEL] if labelled else [])}
    chosen = inputs or tuple(name for name in header if name not in taken)
    if not chosen:
        raise NetworkError(": has no columns for the inputs; add some")
    if "" in chosen:
        raise NetworkError(f": column {header.index('') + 1} has no name; name it, or say with inputs which to use")
    return _Columns(tuple(map(at, chosen)), tuple(map(at, aims)), at(LABEL) if labelled else None)


def _sample(columns: _Columns, header: list[str], row: list[str], line: int) -> dict[str, Any]:
    def number(k: int) -> float:
        return _number(row[k], f", line {line}, column {header[k]}")

    sample: dict[str, Any] = {"inputs": [number(k) for k in columns.inputs]}
    if columns.targets:
        sample["targets"] = [number(k) for k in columns.targets]
    if columns.label is not None:
        label = number(columns.label)
        if label < 0 or not label.is_integer():
            raise NetworkError(
                f", line {line}, column {LABEL}: is {row[columns.label].strip()}; give a class, a whole number from 0"
            )
        sample["label"] = int(label)
    return sample


def _number(text: str, place: str) -> float:
    text = text.strip()
    if not text:
        raise NetworkError(f"{place}: is empty; give a number")
    try:
        # Python takes 1_000 for a number, spreadsheets do not.
        value = float(text if "_" not in text else "text")
    except ValueError:
        raise NetworkError(f"{place}: is {text[:40]!r}; give a number") from None
    if not math.isfinite(value):
        raise NetworkError(f"{place}: is {text[:40]}; give a finite number")
    return value
