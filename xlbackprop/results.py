"""What was said of workbooks before: in this run of the same bytes, or by a run that was stopped.

A file of results has a line of JSON for each workbook, written as it is done. A line counts again for
the same path, bytes, release and options; one that a kill left half-written is dropped, and what
could not be read is tried again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from xlbackprop.audit.claimed import claimed
from xlbackprop.errors import OutputError

_BEGINS = b'{"workbook": '  # each line
_COPIES = 256  # different files of which copies are known by their bytes
_LARGEST = 1 << 28  # bytes of a file that is looked through for that
_PIECE = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """What is said of one workbook; verdict as in the JSON: correct, incomplete, wrong, not live or unreadable."""

    path: Path
    verdict: str
    json: dict[str, Any]
    text: str
    annotated: str = ""  # what --annotate wrote, or why it did not


class Results:
    """`asked` says all that an outcome depends on beside its file; `copies`, whether equal bytes are checked once.

    Raises OutputError for a file of results that is none, or cannot be written.
    """

    def __init__(self, asked: str, file: Path | None = None, *, copies: bool = True) -> None:
        self.file, self.earlier = file, 0
        self._asked, self._copies = asked, copies
        self._keys: dict[Path, str] = {}  # of files in work
        self._same: OrderedDict[str, Outcome] = OrderedDict()  # by the key of their bytes
        self._lines: dict[str, int] = {}  # by the key of path and bytes, where the line begins
        if file is not None:
            with _using(file):
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("a+b") as lines:
                    self._lines = _read(lines, file)

    def known(self, path: Path) -> Outcome | None:
        """What was said of this file, or of a copy under another name."""
        if not (key := self._key(path)):
            return None
        if (start := self._lines.get(_of(path, key))) is not None:
            self.earlier += 1
            return self._line(path, start)
        if (same := self._same.get(key)) is not None:
            self._same.move_to_end(key)
            return _renamed(same, path)
        return None

    def keep(self, outcome: Outcome) -> None:
        """Remember it, and write its line unless it is there."""
        key = self._keys.pop(outcome.path, "")
        if self._copies and key and not _is_named(outcome):
            self._same[key] = outcome
            if len(self._same) > _COPIES:
                self._same.popitem(last=False)
        if self.file is not None and (line := _of(outcome.path, key)) not in self._lines:
            self._write(outcome, line)

    def _key(self, path: Path) -> str:
        """Of the bytes, and of what a name alone says; nothing for what is no file, or too large to be read for it."""
        if (self._copies or self.file) and (digest := _digest(path)):
            self._keys[path] = f"{digest} {path.suffix.lower()} {claimed(path.stem)} {self._asked}"
        return self._keys.get(path, "")

    def _line(self, path: Path, start: int) -> Outcome:
        assert self.file is not None
        with _using(self.file), self.file.open("rb") as lines:
            lines.seek(start)
            found = json.loads(lines.readline())
        return Outcome(path, found["verdict"], found["report"], found["text"], found["annotated"])

    def _write(self, outcome: Outcome, key: str) -> None:
        assert self.file is not None
        fields = {
            "workbook": str(outcome.path),
            "verdict": outcome.verdict,
            "text": outcome.text,
            "annotated": outcome.annotated,
            "key": key,
            "report": outcome.json,
        }
        line = json.dumps(fields).encode() + b"\n"
        with _using(self.file), self.file.open("ab", buffering=0) as lines:
            if lines.write(line) != len(line):
                raise OSError(None, "the disk is full")


def _read(lines: BinaryIO, file: Path) -> dict[str, int]:
    """Where each result begins, by its key; a half-written last line is cut off."""
    found: dict[str, int] = {}
    start = 0
    lines.seek(0)
    for number, line in enumerate(lines, 1):
        whole = line.endswith(b"\n")
        try:
            if not line.startswith(_BEGINS[: len(line)]):
                raise ValueError(line)
            if whole and (fields := json.loads(line))["verdict"] != "unreadable":
                found[fields["key"]] = start
        except (ValueError, KeyError, TypeError):
            raise OutputError(f"{file}: line {number} is no result of verify; name another file") from None
        start += len(line) if whole else 0
    lines.truncate(start)
    return found


@contextmanager
def _using(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{file}: cannot be used ({error.strerror or error}); name another file") from error


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return ""
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    except OSError:
        return ""
    return found.hexdigest()


def _of(path: Path, key: str) -> str:
    """The key of a line; nothing where the bytes are not known."""
    return key and hashlib.sha256(os.fsencode(path) + b" " + key.encode()).hexdigest()


def _is_named(outcome: Outcome) -> bool:
    """Whether more is said of a file's name than that it is its name, or nothing of its bytes."""
    rest = json.dumps({key: value for key, value in outcome.json.items() if key != "workbook"}, ensure_ascii=False)
    says = outcome.text.removeprefix(str(outcome.path))
    is_first = says != outcome.text and outcome.json["workbook"] == str(outcome.path)
    return outcome.verdict == "unreadable" or not is_first or outcome.path.name in rest + says


def _renamed(one: Outcome, path: Path) -> Outcome:
    text = str(path) + one.text.removeprefix(str(one.path))
    return replace(one, path=path, json=one.json | {"workbook": str(path)}, text=text)
