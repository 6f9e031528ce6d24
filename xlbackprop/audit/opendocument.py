"""OpenDocument spreadsheets, as the .xlsx that LibreOffice makes of them; it is given none that could hurt."""

from __future__ import annotations

import posixpath
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.parsers.expat import XMLParserType

from xlbackprop.audit.parts import BOUNDS, DEPTH, Bounds, Damaged, Parts, local, too_deep
from xlbackprop.errors import EngineError, WorkbookError
from xlbackprop.files import scratch

_MIMETYPE = b"application/vnd.oasis.opendocument.spreadsheet"
# LibreOffice loads what they name only when somebody clicks, or never: its profile forbids macros.
_HARMLESS = ("a", "event-listener")


@contextmanager
def as_xlsx(path: Path, bounds: Bounds = BOUNDS) -> Iterator[Path]:
    """The file itself, or a copy of an OpenDocument spreadsheet as .xlsx. Raises WorkbookError, EngineError."""
    if not _is_open_document(path, bounds):
        yield path
        return
    from xlbackprop.engine.libreoffice import LibreOffice

    _check(path, bounds)
    try:
        office = LibreOffice()
    except EngineError:
        raise WorkbookError(
            f"{path}: is an OpenDocument spreadsheet, which needs LibreOffice; install that, or save it as .xlsx"
        ) from None
    with scratch() as folder:
        try:
            copy = office.convert(path.absolute(), "xlsx:Calc MS Excel 2007 XML", folder)
        except EngineError as error:
            raise EngineError(f"{path}: {error}; or save it as .xlsx") from None
        yield copy


def _is_open_document(path: Path, bounds: Bounds) -> bool:
    """What cannot be opened is none; the reader of .xlsx says why it cannot."""
    try:
        with zipfile.ZipFile(path) as package:
            return next(Parts(path, package, bounds).chunks("mimetype"), b"").startswith(_MIMETYPE)
    except (
        Damaged,
        zipfile.BadZipFile,
        EOFError,
        NotImplementedError,
        OSError,
        OverflowError,
        ValueError,
        struct.error,
    ):
        return False


def _check(path: Path, bounds: Bounds) -> None:
    """Unpack and parse, within bounds, what LibreOffice will. Raises WorkbookError."""
    try:
        with zipfile.ZipFile(path) as package:
            parts = Parts(path, package, bounds)
            if len(set(parts)) != len(package.infolist()):
                raise Damaged("has two parts of one name")
            for name in parts:
                if name.endswith(".xml") and not name.startswith("meta-inf/"):
                    parts.parse(name, _Links().prepare)
    except Damaged as error:
        raise WorkbookError(f"{path}: {error}; open it in a spreadsheet and save it as .xlsx") from None


class _Links:
    """Refuses what LibreOffice would load from the network or from beside the file as it opens it."""

    def __init__(self) -> None:
        self._depth = 0

    def prepare(self, parser: XMLParserType) -> None:
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise too_deep()
        for name, value in attributes.items():
            if local(name) == "href" and _leads_out(value) and local(tag) not in _HARMLESS:
                raise Damaged(f"has a picture or another object that is a link ({value})")

    def _end(self, _: str) -> None:
        self._depth -= 1


def _leads_out(link: str) -> bool:
    path = posixpath.normpath(link.strip())
    return ":" in path or "\\" in path or path.startswith(("/", ".."))
