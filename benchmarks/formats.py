"""The built file written in other ways: what each costs in the file, in writing, and to those who read it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from benchmarks.case import Case, Facts, Setting, open_in_libreoffice

Parts = dict[str, bytes]  # the parts of a package, by their names

_SHEET, _STRINGS = "xl/worksheets/sheet", "xl/sharedStrings.xml"
_SHARED = re.compile(r'(<c r="[A-Z]+(\d+)"[^>]*>)<f t="shared"(?: ref="[^"]*")? si="(\d+)"(?:/>|>([^<]*)</f>)')
# Neither absolute nor a part of a name, and no function such as LOG10( or sheet such as A1!
_RELATIVE = re.compile(r"(?<![\w$.])([A-Z]{1,3})(\d+)(?![\w(!.])")
_STRING = re.compile(r' t="s"><v>(\d+)</v></c>')
_ITEM = re.compile(r"<si>(.*?)</si>", re.DOTALL)


@dataclass(frozen=True)
class Way:
    """How a package is written, beside how we write it."""

    about: str
    rewritten: Callable[[Parts], Parts] = dict
    compression: int = ZIP_DEFLATED
    level: int = 6


def _written_out(parts: Parts) -> Parts:
    """Each shared formula as text in every cell."""
    return {
        name: _SHARED.sub(_unshared(), content.decode()).encode() if name.startswith(_SHEET) else content
        for name, content in parts.items()
    }


def _inline(parts: Parts) -> Parts:
    """Each text in its own cell, none in the table of strings."""
    strings = _ITEM.findall(parts[_STRINGS].decode())

    def text(match: re.Match[str]) -> str:
        return f' t="inlineStr"><is>{strings[int(match[1])]}</is></c>'

    told = {
        name: _STRING.sub(text, content.decode()).encode() for name, content in parts.items() if name.startswith(_SHEET)
    }
    empty = re.sub(rb" count=.*", b' count="0" uniqueCount="0"/>', parts[_STRINGS], flags=re.DOTALL)
    return {**parts, **told, _STRINGS: empty}


def _sheets_last(parts: Parts) -> Parts:
    """What the sheets refer to before the sheets: strings and styles."""
    return dict(sorted(parts.items(), key=lambda part: part[0].startswith(_SHEET)))


WAYS: Mapping[str, Way] = {
    "used": Way("as we write it: shared formulas, shared strings, level 6, sheets first"),
    "written-out": Way("every formula written out", _written_out),
    "inline": Way("texts in their cells", _inline),
    "stored": Way("not compressed", compression=ZIP_STORED),
    "level-1": Way("compression level 1", level=1),
    "level-9": Way("compression level 9", level=9),
    "sheets-last": Way("strings and styles before the sheets", _sheets_last),
}


def write(setting: Setting, way: str) -> Case:
    """The package from parts that are in memory."""
    parts = WAYS[way].rewritten(_parts(setting.built))
    target = _path(setting, way)
    return Case(lambda: {"bytes": _write(parts, target, WAYS[way]).stat().st_size})


def load(setting: Setting, way: str) -> Case:
    """By the embedded engine, without its recalculation."""
    from ironcalc import load_from_xlsx

    path = str(_path(setting, way))

    def work() -> Facts:
        return {"sheets": len(load_from_xlsx(path).get_worksheets_properties())}

    return Case(work)


def opened(setting: Setting, way: str) -> Case:
    """By LibreOffice, which writes the first sheet as text."""
    return open_in_libreoffice(setting, _path(setting, way), "csv")


def _path(setting: Setting, way: str) -> Path:
    return setting.folder / f"way-{way}.xlsx"


def _parts(path: Path) -> Parts:
    with ZipFile(path) as package:
        return {name: package.read(name) for name in package.namelist()}


def _write(parts: Parts, target: Path, way: Way) -> Path:
    with ZipFile(target, "w", way.compression, compresslevel=way.level) as package:
        for name, content in parts.items():
            package.writestr(zipfile.ZipInfo(name), content, way.compression, way.level)
    return target


def written_out(setting: Setting) -> Case:
    """How much the shared formulas save, at any size."""
    target = setting.folder / "written-out.xlsx"

    def work() -> Facts:
        _write(_written_out(_parts(setting.built)), target, WAYS["written-out"])
        return {"bytes": setting.built.stat().st_size, "written_out": target.stat().st_size}

    return Case(work)


@dataclass(frozen=True)
class _Shared:
    """A formula in pieces: texts, and between them how many rows below its own each reference is."""

    texts: list[str]
    offsets: list[int]

    def in_row(self, row: int) -> str:
        rows = [*(str(row + offset) for offset in self.offsets), ""]
        return "".join(text + number for text, number in zip(self.texts, rows))


def _unshared() -> Callable[[re.Match[str]], str]:
    """What puts the formula's text in place of a sheet's shared formulas."""
    known: dict[str, _Shared] = {}

    def replacement(match: re.Match[str]) -> str:
        row = int(match[2])
        if match[4] is not None:
            pieces = _RELATIVE.split(match[4])  # text, column, row, text, column, row, ..., text
            texts = [text + column for text, column in zip(pieces[::3], [*pieces[1::3], ""])]
            known[match[3]] = _Shared(texts, [int(number) - row for number in pieces[2::3]])
        return f"{match[1]}<f>{known[match[3]].in_row(row)}</f>"

    return replacement
