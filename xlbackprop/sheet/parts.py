"""The package that a workbook is, whose parts are compressed as they are written.

XlsxWriter writes each part into a temporary file, some eighty of them, or holds all in memory.
Here none is left behind by a process that is killed, and no sheet is ever whole in memory.
"""

from __future__ import annotations

import io
from typing import IO
from zipfile import ZipFile

from xlsxwriter import Workbook
from xlsxwriter.packager import Packager


class Book(Workbook):  # type: ignore[misc]
    """XlsxWriter's workbook, which `close` writes into `package`."""

    def __init__(self, package: ZipFile) -> None:
        super().__init__(_Nowhere(), {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
        self._package = package

    def _get_packager(self) -> _Packager:
        return _Packager(self._package)


class _Nowhere(io.BytesIO):
    """For the empty file that XlsxWriter itself puts together; after a failure it may do so when this is cleared."""

    def close(self) -> None:
        pass


class _Packager(Packager):  # type: ignore[misc]
    """XlsxWriter writes one part after the other; each ends where the next one begins."""

    filenames: list[tuple[io.BytesIO, str, bool]]  # XlsxWriter's: of the parts that are not text, the content and name

    def __init__(self, package: ZipFile) -> None:
        super().__init__()
        self._package = package
        self._part: IO[str] = io.StringIO()

    def _create_package(self) -> list[object]:
        try:
            super()._create_package()
        finally:  # or the package could not be closed
            self._end()
        for content, name, _ in self.filenames:
            with self._package.open(name, "w") as part:
                part.write(content.getvalue())
        return []

    def _filename(self, name: str) -> _Part:
        self._end()
        self._part = io.TextIOWrapper(self._package.open(name, "w"), encoding="utf-8", newline="")
        return _Part(self._part)

    def _end(self) -> None:
        try:
            self._part.close()
        except RuntimeError as error:  # zipfile's, of more than 2 GB
            raise OSError(str(error)) from error


class _Part(io.StringIO):
    """What XlsxWriter takes for a text in memory."""

    def __init__(self, file: IO[str]) -> None:
        super().__init__()
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text)
