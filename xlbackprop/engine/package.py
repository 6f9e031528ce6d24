"""The .xlsx file as a package of parts: what of it can be read, and copies of it for the calculators."""

from __future__ import annotations

import posixpath
import random
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from xml.etree import ElementTree

from xlbackprop.engine import Inputs
from xlbackprop.errors import WorkbookError
from xlbackprop.sheet.address import cell_name

_OLE = b"\xd0\xcf\x11\xe0"  # an encrypted .xlsx, and an old .xls, are such files
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPES = "[Content_Types].xml"
CANARY_SHEET = "xlbackprop canary"
MOST_BYTES = 1 << 30  # of all parts, unpacked


@dataclass(frozen=True)
class Canary:
    """What the canary's formula gives when it is calculated; the copy carries another value for it."""

    sheet: str
    expected: float


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The file as a zip with a workbook in it. Raises WorkbookError, with what it is instead."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            if magic == _OLE:
                raise WorkbookError(
                    f"{path}: is password-protected or an old .xls; save it as .xlsx without a password"
                )
            if magic[:2] != b"PK":
                raise WorkbookError(f"{path}: is not an .xlsx workbook; open it in a spreadsheet and save it as .xlsx")
            with zipfile.ZipFile(file) as package:
                if _TYPES not in package.namelist():
                    raise WorkbookError(f"{path}: is a zip file without a workbook in it; give an .xlsx file")
                # No part is read beyond the size that it states, so these bound the memory too.
                if sum(part.file_size for part in package.infolist()) > MOST_BYTES:
                    raise WorkbookError(
                        f"{path}: unpacks to more than {MOST_BYTES >> 20} MB; delete the empty formatted rows"
                    )
                yield package
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, zlib.error, struct.error):
        raise WorkbookError(f"{path}: is truncated or damaged; copy or download it again") from None
    # What stands in a part may be anything; a RuntimeError is an encrypted part, a LookupError an unknown encoding.
    except (ElementTree.ParseError, LookupError, ValueError, OverflowError, RuntimeError) as error:
        raise WorkbookError(
            f"{path}: has a part that cannot be read ({error}); save it again in a spreadsheet"
        ) from None
    except OSError as error:
        raise WorkbookError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None


# A cell of a worksheet part: its address, and what stands in it.
CELL = re.compile(rb'<(?:\w+:)?c r="([A-Z]+[0-9]+)"[^>]*?(?:/>|>(.*?)</(?:\w+:)?c>)', re.DOTALL)
_CELL_TEXT = re.compile(CELL.pattern.decode(), re.DOTALL)


def blank_cells(sheet: bytes) -> set[str]:
    """The addresses of a worksheet part's cells that have nothing in them."""
    return {match[1].decode() for match in CELL.finditer(sheet) if not match[2]}


def workbook_part(package: zipfile.ZipFile) -> str:
    """The path of the workbook's own part."""
    for target, kind in relations_of(package, "").values():
        if kind.endswith("/officeDocument"):
            return target
    raise KeyError("no workbook part")


def sheet_names(path: Path) -> list[str]:
    """The worksheets' names, in order."""
    with opened(path) as package:
        return list(sheet_parts(package))


def sheet_parts(package: zipfile.ZipFile) -> dict[str, str]:
    """For each worksheet's name the path of its part, in order."""
    book = workbook_part(package)
    relations = relations_of(package, book)
    root = ElementTree.fromstring(package.read(book))
    sheets = [element for element in root.iter() if element.tag.endswith("}sheet")]
    return {sheet.attrib["name"]: relations[sheet.attrib[f"{{{_REL}}}id"]][0] for sheet in sheets}


def copy_with_canary(path: Path, copy: Path, inputs: Inputs | None = None) -> Canary:
    """Copy the workbook with a canary sheet added and, where given, other numbers in its input cells."""
    with opened(path) as package:
        book = workbook_part(package)
        relations = _relations_path(book)
        parts = {name: package.read(name).decode() for name in (book, relations, _TYPES)}
        parts |= relations_to_read(package)
        sheets = sheet_parts(package)
        for sheet in {sheet for sheet, _, _ in inputs or {}}:
            numbers = {(row, column): value for (name, row, column), value in (inputs or {}).items() if name == sheet}
            parts[sheets[sheet]] = _with_numbers(package.read(sheets[sheet]).decode(), numbers)
        parts[book] = _add_sheet(parts[book])
    start = random.randrange(1, 1 << 20)  # a number that no file carries by chance
    canary = Canary(CANARY_SHEET, 2.0 * start + 1)
    part = "worksheets/xlbackpropCanary.xml"
    parts[relations] = parts[relations].replace(
        "</Relationships>",
        f'<Relationship Id="rIdXlbackpropCanary" Type="{_REL}/worksheet" Target="{part}"/></Relationships>',
    )
    part = posixpath.join(posixpath.dirname(book), part)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
    parts[_TYPES] = parts[_TYPES].replace("</Types>", f'<Override PartName="/{part}" ContentType="{kind}"/></Types>')
    parts[part] = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet xmlns="{_MAIN}"><sheetData><row r="1">'
        f'<c r="A1"><v>{start}</v></c><c r="B1"><f>A1*2+1</f><v>-1</v></c></row></sheetData></worksheet>'
    )
    shutil.copyfile(path, copy)
    replace_parts(copy, parts)
    return canary


def _add_sheet(book: str) -> str:
    """The workbook part with the canary's sheet at the end of its list."""
    end = re.search(r"</(\w+:)?sheets>", book)
    if end is None:
        raise KeyError("no list of sheets")
    free = 1 + max((int(number) for number in re.findall(r'sheetId="(\d+)"', book)), default=0)
    # Writers declare the prefix in different places, so the element declares its own.
    names = f'name="{CANARY_SHEET}" sheetId="{free}" xmlns:r="{_REL}" r:id="rIdXlbackpropCanary"'
    return f"{book[: end.start()]}<{end[1] or ''}sheet {names}/>{book[end.start() :]}"


def _with_numbers(sheet: str, numbers: Mapping[tuple[int, int], float]) -> str:
    """The worksheet part with these numbers in place of what the cells hold."""
    for (row, column), value in numbers.items():
        cell = rf'(<(?:\w+:)?c r="{cell_name(row, column)}"(?: s="\d+")?)[^>]*>.*?</(?:\w+:)?c>'
        sheet, found = re.subn(cell, rf"\1><v>{value!r}</v></c>", sheet, count=1, flags=re.DOTALL)
        if not found:
            raise KeyError(f"no cell {cell_name(row, column)}")
    return sheet


def copy_with_formulas(path: Path, copy: Path, formulas: Mapping[str, Mapping[tuple[int, int], str]]) -> None:
    """Copy the workbook with formulas in cells that hold nothing: by sheet, by row and column."""
    with opened(path) as package:
        sheets = sheet_parts(package)
        parts = {
            sheets[sheet]: _with_formulas(package.read(sheets[sheet]).decode(), of) for sheet, of in formulas.items()
        }
    shutil.copyfile(path, copy)
    replace_parts(copy, parts)


_ROW = re.compile(r'(<((?:\w+:)?)row [^>]*?\br="(\d+)"[^>]*?)(?:/>|>(.*?)</(?:\w+:)?row>)', re.DOTALL)


def _with_formulas(sheet: str, formulas: Mapping[tuple[int, int], str]) -> str:
    """The worksheet part with these formulas; neither their rows nor their cells need be there."""
    found = list(_ROW.finditer(sheet))
    prefix, texts = found[0][2], {int(row[3]) - 1: row[0] for row in found}
    by_row: dict[int, dict[int, str]] = {}
    for (row, column), formula in formulas.items():
        by_row.setdefault(row, {})[column] = formula
    for row, of in by_row.items():
        match = _ROW.match(texts.get(row, f'<{prefix}row r="{row + 1}"/>'))
        assert match is not None
        cells = {cell[1]: cell[0] for cell in _CELL_TEXT.finditer(match[4] or "")}
        for column, formula in of.items():
            address = cell_name(row, column)
            style = re.search(r' s="\d+"', cells.get(address, ""))
            text = f"<{prefix}f>{escape(formula, quote=False)}</{prefix}f>"
            cells[address] = f'<{prefix}c r="{address}"{style[0] if style else ""}>{text}</{prefix}c>'
        in_order = sorted(cells, key=lambda address: (len(address), address))  # Z1 before AA1
        texts[row] = f"{match[1]}>{''.join(cells[address] for address in in_order)}</{prefix}row>"
    rows = "".join(texts[row] for row in sorted(texts))
    return sheet[: found[0].start()] + rows + sheet[found[-1].end() :]


def replace_parts(path: Path, parts: Mapping[str, str]) -> None:
    """Put new texts in place of parts; all other parts stay as they are, compressed."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            if name in package.NameToInfo:  # the directory at the file's end is written anew, without the old part
                package.filelist.remove(package.NameToInfo.pop(name))
            package.writestr(name, text)


def relations_to_read(package: zipfile.ZipFile) -> dict[str, str]:
    """The lists of relations that a calculator must not have as they are, mended.

    IronCalc looks for the parts that a sheet names beside the sheet, so names from the root
    (openpyxl's) are made relative. LibreOffice fetches linked pictures, so links out of the file
    lead nowhere.
    """
    result = {}
    for name in package.namelist():
        if name.endswith(".rels"):
            xml = package.read(name)
            if b'"/' in xml or b"External" in xml:
                result[name] = _RELATION.sub(partial(_relation_to_read, name), xml.decode())
    return result


_RELATION = re.compile(r"<(?:\w+:)?Relationship\b[^>]*>")


def _relation_to_read(name: str, match: re.Match[str]) -> str:
    folder = posixpath.dirname(posixpath.dirname(name)) or "."

    def relative(target: re.Match[str]) -> str:
        return f'Target="{posixpath.relpath(target[1], folder)}"'

    if 'TargetMode="External"' in match[0]:
        return re.sub(r'\bTarget="[^"]*"', 'Target="about:blank"', match[0])
    return re.sub(r'\bTarget="/([^"]*)"', relative, match[0])


def _relations_path(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def relations_of(package: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """For each relation of a part, by its id, the target's path and the kind; none where the part has no list."""
    path = _relations_path(part)
    if path not in package.namelist():
        return {}
    root = ElementTree.fromstring(package.read(path))
    folder = posixpath.dirname(part)
    return {
        one.attrib["Id"]: (
            posixpath.normpath(posixpath.join("/", folder, one.attrib["Target"])).lstrip("/"),
            one.attrib["Type"],
        )
        for one in root
    }
