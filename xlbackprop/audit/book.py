"""Anybody's workbook as plain data, read from its XML: what openpyxl refuses is read too, and a bomb is not."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xlbackprop.audit.cells import Cell, Formula, Sheet, plain, read_sheet, read_texts
from xlbackprop.audit.drawings import Chart, ListObject, Series, read_charts, read_list_object
from xlbackprop.audit.opendocument import as_xlsx
from xlbackprop.audit.parts import BOUNDS, Bounds, Damaged, Node, Parts, Relation, one_line
from xlbackprop.engine.package import opened
from xlbackprop.errors import WorkbookError

__all__ = [
    "Book", "Bounds", "Cell", "Chart", "Formula", "ListObject", "Series", "Sheet", "as_xlsx", "read",
]  # fmt: skip

# What the zip library raises, beside its own error, for a list of parts that is damaged.
_DAMAGED = (zipfile.BadZipFile, EOFError, NotImplementedError, OSError, OverflowError, ValueError, struct.error)
_WORKBOOK = frozenset(("sheets", "sheet", "definedName", "calcPr"))


@dataclass(frozen=True)
class Book:
    path: Path
    sheets: dict[str, Sheet]  # worksheets in the workbook's order
    names: dict[str, str]  # defined names, those of one sheet as "Sheet!name", and their texts without "="
    list_objects: dict[str, ListObject]
    charts: tuple[Chart, ...]
    full_precision: bool  # False: "precision as displayed"
    iterates: bool  # circular references are calculated round and round
    external_links: bool
    macros: bool
    notes: tuple[str, ...]  # what could not be read, in words


def read(path: Path, bounds: Bounds = BOUNDS) -> Book:
    """The workbook of an .xlsx or .xlsm file. Raises WorkbookError."""
    try:
        with opened(path) as package:
            return _Reading(path, Parts(path, package, bounds)).book()
    except Damaged as error:
        raise WorkbookError(f"{path}: {error}; open it in a spreadsheet and save it again") from None
    except _DAMAGED:
        raise WorkbookError(f"{path}: is truncated or damaged; copy or download it again") from None


class _Reading:
    """One reading of one file. All its methods raise Damaged where nothing can be made of it."""

    def __init__(self, path: Path, parts: Parts) -> None:
        self.path, self.parts = path, parts
        self.notes: list[str] = []
        self.main = next((one.target for one in parts.relations("").values() if one.kind == "officeDocument"), "")
        if self.main not in parts:
            self.main = "xl/workbook.xml"
        if self.main.endswith(".bin"):
            raise WorkbookError(f"{path}: is a binary workbook (.xlsb); save it as .xlsx")
        self.relations = parts.relations(self.main)

    def book(self) -> Book:
        root = self.parts.tree(self.main, _WORKBOOK)
        texts = self._texts()
        sheets: dict[str, Sheet] = {}
        list_objects: dict[str, ListObject] = {}
        charts: list[Chart] = []
        for name, hidden, part in self._worksheets(root):
            sheets[name] = read_sheet(self.parts, part, name, hidden, texts, self.notes)
            with self._noting(name):
                for relation in self.parts.relations(part).values():
                    self._read_beside(relation, name, list_objects, charts)
        if not sheets:
            raise WorkbookError(f"{self.path}: has no worksheet that can be read; save it again in a spreadsheet")
        calculation = next(root.below("calcPr"), root).attributes
        kinds = {relation.kind for relation in self.relations.values()}
        return Book(
            path=self.path,
            sheets=sheets,
            names=_names(root),
            list_objects=list_objects,
            charts=tuple(charts),
            full_precision=calculation.get("fullPrecision") not in ("0", "false"),
            iterates=calculation.get("iterate") in ("1", "true"),
            external_links="externalLink" in kinds,
            macros="vbaProject" in kinds,
            notes=tuple(map(one_line, self.notes)),
        )

    def _texts(self) -> list[str]:
        part = next((one.target for one in self.relations.values() if one.kind == "sharedStrings"), None)
        if part is None:  # a workbook of numbers alone, or of texts that stand in their cells
            return []
        if part not in self.parts:
            self.notes.append(f"{part}: is missing, and with it the texts of the cells")
            return []
        return read_texts(self.parts, part)

    def _worksheets(self, root: Node) -> Iterator[tuple[str, bool, str]]:
        """Name, whether it is hidden, and part of each worksheet that is there."""
        met = set()
        for name, node in _sheets(root):
            relation = self.relations.get(node.attributes.get("id", ""))
            if relation is not None and relation.kind != "worksheet":
                continue  # a sheet that is all chart, dialog or macro
            if relation is None or relation.target not in self.parts:
                self.notes.append(f"{name}: was not read; its part is missing from the file")
            elif name in met:
                self.notes.append(f"{name}: a second sheet of this name was not read")
            else:
                met.add(name)
                yield name, node.attributes.get("state", "visible") != "visible", relation.target

    def _read_beside(
        self, relation: Relation, sheet: str, list_objects: dict[str, ListObject], charts: list[Chart]
    ) -> None:
        with self._noting(sheet):
            if relation.kind == "table":
                found = read_list_object(self.parts, relation.target, sheet)
                list_objects[found.name] = found
            elif relation.kind == "drawing":
                charts += read_charts(self.parts, relation.target, sheet, self.notes)

    @contextmanager
    def _noting(self, sheet: str) -> Iterator[None]:
        """What stands beside the cells never stops the reading."""
        try:
            yield
        except Damaged as error:
            self.notes.append(f"{sheet}: a chart or table was not read; {error}")


def _sheets(root: Node) -> list[tuple[str, Node]]:
    return [(plain(node.attributes.get("name", "")), node) for node in root.below("sheet")]


def _names(root: Node) -> dict[str, str]:
    sheets = {str(index): name for index, (name, _) in enumerate(_sheets(root))}
    result = {}
    for node in root.below("definedName"):
        sheet = sheets.get(node.attributes.get("localSheetId", ""))
        name = plain(node.attributes.get("name", ""))
        result[name if sheet is None else f"{sheet}!{name}"] = node.text.strip().removeprefix("=")
    return result
