"""A copy of a workbook that prints chosen areas and nothing else, each whole, on one page at its natural size.

The package's XML is edited, and only where printing is set up: a library that reads a workbook
and writes it again loses charts, notes and formats.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import escape

from xlbackprop.engine.extent import Area
from xlbackprop.engine.package import (
    opened,
    relations_of,
    relations_to_read,
    replace_parts,
    workbook_part,
)
from xlbackprop.sheet.address import absolute, column_name

# Paper so large that LibreOffice neither shrinks a sheet to it nor breaks it; people's printers play no part.
_PAPER = 2500  # mm, in both directions
_SETUP = (
    '<{0}printOptions headings="1"/>'
    '<{0}pageMargins left="0.2" right="0.2" top="0.2" bottom="0.2" header="0" footer="0"/>'
    f'<{{0}}pageSetup paperSize="0" paperWidth="{_PAPER}mm" paperHeight="{_PAPER}mm" scale="100"'
    ' orientation="portrait"/>'
)
# What would change the pages. A sheet's custom views hold a second set of it.
_DROPPED = {
    "printOptions", "pageMargins", "pageSetup", "headerFooter", "rowBreaks", "colBreaks", "customSheetViews",
}  # fmt: skip
# What may follow the page's setup in a worksheet.
_AFTER = {
    "customProperties", "cellWatches", "ignoredErrors", "smartTags", "drawing", "legacyDrawing", "legacyDrawingHF",
    "drawingHF", "picture", "oleObjects", "controls", "webPublishItems", "tableParts", "extLst",
}  # fmt: skip
_ROWS = re.compile(rb"<((?:\w+:)?)sheetData\b[^>]*?(?:/>|>.*?</\1sheetData\s*>)", re.DOTALL)
_SHEET = re.compile(r"<(?:\w+:)?sheet\s[^>]*>")
_PRINT_NAMES = re.compile(
    r'<((?:\w+:)?definedName)\s[^>]*name="_xlnm\.Print_(?:Area|Titles)"[^>]*?(?:/>|>[^<]*</\1\s*>)'
)


@dataclass(frozen=True)
class Sheet:
    """A sheet as the workbook lists it."""

    name: str
    index: int  # among all sheets, from 0
    part: str
    visible: bool
    is_chart: bool  # or a dialog, or macros: anything without cells


@dataclass(frozen=True)
class Printed:
    """What to print of a sheet: areas, a page each, and how many first columns stand before those without them."""

    areas: tuple[Area, ...]
    repeated: int = 0


def sheets_of(package: zipfile.ZipFile) -> list[Sheet]:
    """All sheets, in order."""
    book = workbook_part(package)
    relations = relations_of(package, book)
    root = ElementTree.fromstring(package.read(book))
    sheets = []
    for index, node in enumerate(node for node in root.iter() if node.tag.endswith("}sheet")):
        part, kind = relations[next((value for key, value in node.items() if key.endswith("}id")), "")]
        visible = node.get("state", "visible") == "visible"
        sheets.append(Sheet(node.attrib["name"], index, part, visible, not kind.endswith("/worksheet")))
    return sheets


def copy_to_print(path: Path, copy: Path, wanted: Sequence[tuple[Sheet, Printed]]) -> None:
    """Copy the workbook so that it prints these sheets' areas and hides the other sheets.

    The pages come in the order of the sheets in the workbook, and of the areas. Raises WorkbookError.
    """
    with opened(path) as package:
        book = workbook_part(package)
        parts = relations_to_read(package)
        parts[book] = _book(package.read(book).decode(), wanted)
        for sheet, _ in wanted:
            parts[sheet.part] = _worksheet(package.read(sheet.part)).decode()
    shutil.copyfile(path, copy)
    copy.chmod(0o600)  # the file may be read-only, and its copy is written to
    replace_parts(copy, parts)


def _book(xml: str, wanted: Sequence[tuple[Sheet, Printed]]) -> str:
    """The workbook's part: its sheets shown or hidden, and what each prints as defined names."""
    shown = {sheet.index for sheet, _ in wanted}
    index = count()

    def state(match: re.Match[str]) -> str:
        tag = re.sub(r'\sstate="[^"]*"', "", match[0])
        end = "/>" if tag.endswith("/>") else ">"
        return tag if next(index) in shown else f'{tag.removesuffix(end)} state="hidden"{end}'

    xml = _PRINT_NAMES.sub("", _SHEET.sub(state, xml))
    # A hidden sheet that is the active one would be shown after all.
    xml = re.sub(r'\s(?:activeTab|firstSheet)="[^"]*"', "", xml)
    xml = re.sub(r"<((?:\w+:)?workbookView)\b", rf'<\1 activeTab="{min(shown)}"', xml)
    end = re.search(r"</((?:\w+:)?)sheets\s*>", xml)
    if end is None:
        raise KeyError("no list of sheets")
    names = "".join(name for sheet, printed in wanted for name in _names(end[1], sheet, printed))
    tag = f"{end[1]}definedNames"
    if f"<{tag}>" in xml:
        return xml.replace(f"<{tag}>", f"<{tag}>{names}", 1)
    return f"{xml[: end.end()]}<{tag}>{names}</{tag}>{re.sub(f'<{tag} */>', '', xml[end.end() :])}"


def _names(prefix: str, sheet: Sheet, printed: Printed) -> Iterator[str]:
    quoted = "'" + sheet.name.replace("'", "''") + "'!"
    texts = {
        "Area": ",".join(
            f"{quoted}{absolute(area.top, area.left)}:{absolute(area.bottom, area.right)}" for area in printed.areas
        )
    }
    if printed.repeated:
        texts["Titles"] = f"{quoted}$A:${column_name(printed.repeated - 1)}"
    for what, text in texts.items():
        yield (
            f'<{prefix}definedName name="_xlnm.Print_{what}" localSheetId="{sheet.index}">'
            f"{escape(text)}</{prefix}definedName>"
        )


def _worksheet(xml: bytes) -> bytes:
    """A worksheet's part with its pages set up anew."""
    rows = _ROWS.search(xml)
    if rows is None:
        raise KeyError("no rows of cells")
    # Without its rows, which may be millions of cells, the rest is soon parsed.
    shell = xml[: rows.start()] + xml[rows.end() :]
    children = _children(shell)
    setup = _SETUP.format(rows[1].decode()).encode()
    place = next((start for name, start, _ in children if name in _AFTER), shell.rindex(b"</"))
    edits = [(start, end, b"") for name, start, end in children if name in _DROPPED]
    for start, end, text in sorted([*edits, (place, place, setup)], reverse=True):
        shell = shell[:start] + text + shell[end:]
    head, tail = shell[: rows.start()], shell[rows.start() :]  # none of the edits is before the rows
    return re.sub(rb'\sfitToPage="[^"]*"', b"", head) + rows[0] + tail  # it would set the scale aside


def _children(xml: bytes) -> list[tuple[str, int, int]]:
    """For each child of the root its name without a prefix, where it begins, and where the next one does."""
    parser = expat.ParserCreate()
    depth = 0
    found: list[tuple[str, int]] = []

    def start(name: str, _: object) -> None:
        nonlocal depth
        if depth == 1:
            found.append((name.rpartition(":")[2], parser.CurrentByteIndex))
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise ElementTree.ParseError(str(error)) from None
    ends = [*(begin for _, begin in found[1:]), xml.rindex(b"</")]
    return [(name, begin, next_) for (name, begin), next_ in zip(found, ends)]
