"""A copy of a workbook with its wrong cells marked, or a page about them where a copy would lose something."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from xml.parsers.expat import XMLParserType

from xlbackprop.audit.book import Book, read
from xlbackprop.audit.cells import Cell, read_range
from xlbackprop.audit.formula import Area, Call, FormulaError, Ref, Tree
from xlbackprop.audit.parts import Bounds, Damaged, Parts, local
from xlbackprop.audit.references import Formulas, moved
from xlbackprop.engine.package import opened
from xlbackprop.errors import WorkbookError
from xlbackprop.files import replacing, write
from xlbackprop.sheet.address import in_sheet

_AUTHOR = "xlbackprop"
_LIST = "Mistakes"
_LARGEST = Bounds(megabytes=64, cells=500_000)  # above which a copy takes minutes
_WRONG, _HEAD = "FFC7CE", "D9D9D9"  # fills
_LONGEST = 2000  # characters of a note or a cell of the list
_MOST = 5000  # mistakes that are listed

# What a copy by openpyxl does not keep, by the names of the parts that hold it.
_PARTS = (
    (re.compile(r"/(charts|chartsheets|chartex)/"), "charts"),
    (re.compile(r"/media/"), "pictures"),
    (re.compile(r"/(ctrlprops|activex)/"), "form controls"),
    (re.compile(r"/diagrams/"), "diagrams"),
    (re.compile(r"vbaproject|/macrosheets/|/dialogsheets/"), "macros"),
    (re.compile(r"/(pivottables|pivotcache)/"), "pivot tables"),
    (re.compile(r"/(slicers|slicercaches|timelines|timelinecaches)/"), "slicers"),
    (re.compile(r"/externallinks/"), "external links"),
    (re.compile(r"/(embeddings|richdata|model|connections|querytables|customxml)\b"), "embedded data"),
    (re.compile(r"/threadedcomments/"), "threaded comments"),
    (re.compile(r"^_xmlsignatures/"), "signature"),
)


def annotate(path: Path, report: dict[str, Any], folder: Path) -> str:
    """Mark the mistakes of a report in a copy of the workbook, or list them where a copy would lose something.

    Returns one line: the file that was written and, for a list, why. Raises OutputError.
    """
    reason = _unfit(path) or _copied(path, report, folder)
    if not reason:
        return f"written: {folder / f'{path.stem}-annotated.xlsx'}"
    page = folder / f"{path.stem}-mistakes.md"
    write(page, markdown(report).encode())
    return f"written: {page} ({reason})"


# What a copy would lose.


def _unfit(path: Path) -> str:
    """Why no copy should be made; nothing if one can be."""
    try:
        with opened(path) as package:
            names = [f"/{name.lower()}".replace("\\", "/") for name in package.namelist()]
            lost = [what for pattern, what in _PARTS if any(pattern.search(name) for name in names)]
            if not lost:
                if sum(one.file_size for one in package.infolist()) > _LARGEST.megabytes << 20:
                    return "too large for a copy"
                lost = list(_Features(Parts(path, package, _LARGEST)).lost)
    except (WorkbookError, zipfile.BadZipFile):
        return "copies are made of .xlsx workbooks alone"
    except Damaged:
        return "a part of it cannot be copied"
    return f"a copy would lose its {_and(lost)}" if lost else ""


class _Features:
    """What stands in the parts themselves and is lost. Raises Damaged for XML that could harm its reader."""

    def __init__(self, parts: Parts) -> None:
        self.lost: dict[str, None] = {}
        for name in parts:
            if name.endswith((".xml", ".rels", ".vml")):
                parts.parse(name, partial(self._prepare, name))

    def _prepare(self, name: str, parser: XMLParserType) -> None:
        if "/worksheets/sheet" in name:
            parser.StartElementHandler = self._start
        elif "/drawings/drawing" in name:  # some programs write one without anything in it
            parser.StartElementHandler = self._start_drawing

    def _start_drawing(self, tag: str, _: dict[str, str]) -> None:
        if tag.endswith("Anchor"):
            self.lost["drawings"] = None

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = local(tag)
        if tag == "f" and attributes.get("t") == "dataTable":
            self.lost["data tables"] = None
        elif tag == "c" and "cm" in attributes:
            self.lost["dynamic arrays"] = None
        elif tag == "ext":
            self.lost["sparklines or newer formats"] = None


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


# The copy.


def _copied(path: Path, report: dict[str, Any], folder: Path) -> str:
    """Write the copy; where it cannot be made, or is not the same, why, and nothing is written."""
    import openpyxl

    try:
        before = read(path, _LARGEST)
    except WorkbookError:
        return "too large for a copy"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            workbook = openpyxl.load_workbook(path, rich_text=True)
        except Exception:  # it raises whatever its parsers meet
            return "the library that would make a copy cannot read the file"
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    for mistake in report["mistakes"]:
        if mistake["sheet"] in sheets:
            _mark(sheets[mistake["sheet"]], mistake)
    _list(workbook, report)
    workbook.calculation.fullCalcOnLoad = True
    try:
        with replacing(folder / f"{path.stem}-annotated.xlsx") as temporary:
            _save(workbook, temporary)
            if not _same(before, read(temporary)):
                raise _Changed
    except _Changed:
        return "a copy would not hold all that the file does"
    return ""


def _save(workbook: Any, path: Path) -> None:
    try:
        workbook.save(path)
    except OSError:
        raise
    except Exception as error:  # what its writers cannot express
        raise _Changed from error


class _Changed(Exception):
    """A copy does not hold what the workbook does."""


def _mark(sheet: Any, mistake: dict[str, Any]) -> None:
    """Fill the wrong cells, and tell at the topmost what is wrong."""
    from openpyxl.cell.cell import MergedCell
    from openpyxl.comments import Comment
    from openpyxl.styles import PatternFill

    fill = PatternFill("solid", start_color=_WRONG, end_color=_WRONG)
    for stretch in mistake.get("range", mistake["cell"]).split(","):
        area = read_range(stretch)
        if area is None:
            continue
        for cells in sheet.iter_rows(area[0] + 1, area[2] + 1, area[1] + 1, area[3] + 1):
            for cell in cells:
                cell.fill = fill
    cell = sheet[mistake["cell"]]
    if isinstance(cell, MergedCell):  # it can have no note
        return
    note = "\n".join(filter(None, (cell.comment.text if cell.comment else "", _note(mistake))))
    cell.comment = Comment(_clean(note), _AUTHOR, height=160, width=360)


def _note(mistake: dict[str, Any]) -> str:
    lines = [f"{mistake['quantity']} {mistake['says']}"]
    lines += [f"right: {mistake['fix']}"] if mistake.get("fix") else []
    return "\n".join(lines)


def _list(workbook: Any, report: dict[str, Any]) -> None:
    """The first sheet: all mistakes with links to their cells, then the warnings."""
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.worksheet.hyperlink import Hyperlink

    taken = {title.lower() for title in workbook.sheetnames}
    title = next(name for name in _numbered(_LIST) if name.lower() not in taken)
    sheet = workbook.create_sheet(title, 0)
    workbook.active = 0
    for other in workbook.worksheets[1:]:  # or what is typed goes into all selected sheets
        other.sheet_view.tabSelected = False
    for number, texts in enumerate(_rows(report), 1):
        for place, text in enumerate(texts, 1):
            cell = sheet.cell(number, place)
            _put_text(cell, text)
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if number == 1:
                cell.font, cell.fill = Font(bold=True), PatternFill("solid", start_color=_HEAD, end_color=_HEAD)
    for number, (target, address) in enumerate(_targets(report), 2):
        if target in workbook.sheetnames:
            cell = sheet.cell(number, 1)
            cell.hyperlink = Hyperlink(ref=cell.coordinate, location=in_sheet(target, address))
            cell.font = Font(color="0563C1", underline="single")
    for column, width in zip("ABCDEFG", (22, 16, 60, 50, 50, 18, 18)):
        sheet.column_dimensions[column].width = width
    sheet.freeze_panes = "A2"


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name} {number}"
        number += 1


def _rows(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The list as texts, which all of it is: a formula in it is to be read, not to be calculated."""
    yield "cells", "quantity", "what is wrong", "formula", "right formula", "it holds", "it should hold"
    for one in report["mistakes"][:_MOST]:
        yield (
            _where(one), one["quantity"], one["says"], one.get("formula", ""), one.get("fix", ""),
            _shown(one.get("found")), _shown(one.get("expected")),
        )  # fmt: skip
    for one in report["warnings"][:_MOST]:
        yield _where(one), "warning", one["says"], "", "", "", ""


def _targets(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The sheet and the cell that each row of the list is about."""
    for one in [*report["mistakes"][:_MOST], *report["warnings"][:_MOST]]:
        yield one["sheet"], one["cell"] or "A1"


def _where(one: dict[str, Any]) -> str:
    cells = one.get("range") or one["cell"]
    return in_sheet(one["sheet"], cells) if one["sheet"] and cells else one["sheet"]


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _put_text(cell: Any, text: str) -> None:
    cell.value = _clean(text)
    if cell.value is not None:
        cell.data_type = "s"
        cell.quotePrefix = True


def _clean(text: str) -> str:
    """What XML can hold, and a reader takes in."""
    clean = "".join(one if one.isprintable() or one == "\n" else " " for one in text[: _LONGEST + 1])
    return clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 1]}…"


# Whether the copy is one: each formula as a tree, for a copy may write a shared one in each of its cells.


def _same(before: Book, after: Book) -> bool:
    formulas, copied = Formulas(before), Formulas(after)
    for name, sheet in before.sheets.items():
        copy = after.sheets.get(name)
        if copy is None:
            return False
        if sheet.cells.keys() != copy.cells.keys():
            return False
        for place, cell in sheet.cells.items():
            if not _same_cell(cell, copy.cells[place], place, formulas, copied):
                return False
    return _names(before) == _names(after)


def _names(book: Book) -> dict[str, str]:
    """Without print areas and the like, which nothing is calculated from."""
    return {name: text for name, text in book.names.items() if "_xlnm." not in name}


def _same_cell(one: Cell, other: Cell, place: tuple[int, int], formulas: Formulas, copied: Formulas) -> bool:
    if one.formula is None or other.formula is None:
        return one.formula is other.formula and one.value == other.value
    if one.formula.text == other.formula.text and (one.formula.row, one.formula.column) == place:
        return True
    try:
        trees = (formulas.tree(one.formula), copied.tree(other.formula))
    except FormulaError:
        return False
    return _placed(trees[0], one, place) == _placed(trees[1], other, place)


def _placed(tree: Tree, cell: Cell, place: tuple[int, int]) -> object:
    """The tree with its references as they point from this cell."""
    match tree:
        case Ref(sheet):
            assert cell.formula is not None
            return (sheet, *moved(tree, cell.formula, place), tree.row_fixed, tree.column_fixed, tree.row < 0)
        case Area(first, last):
            return (_placed(first, cell, place), _placed(last, cell, place))
        case Call(name, args):
            return (name, *(_placed(arg, cell, place) for arg in args))
    return tree


# The page.


def markdown(report: dict[str, Any]) -> str:
    """The mistakes and warnings as a page; whatever the workbook's names hold is shown as text."""
    lines = [f"# Mistakes in {_text(Path(report['workbook']).name)}", "", f"Verdict: {report['verdict']}.", ""]
    if report["mistakes"]:
        lines += _table(
            ("cells", "quantity", "what is wrong", "formula", "right formula"),
            (
                (_text(_where(one)), _text(one["quantity"]), _text(one["says"]),
                 _code(one.get("formula", "")), _code(one.get("fix", "")))
                for one in report["mistakes"][:_MOST]
            ),
        )  # fmt: skip
    if report["warnings"]:
        found = ((_text(_where(one)), _text(one["says"])) for one in report["warnings"][:_MOST])
        lines += ["", "## Warnings", "", *_table(("where", "what"), found)]
    return "\n".join(lines) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


# An underscore between letters is one, in every Markdown; a web address would become a link.
_MARKS = re.compile(r"[\\`*\[\]|~#$@]|_(?![^\W_])|(?<![^\W_])_|:(?=//)|(?<=www)\.", re.IGNORECASE)


def _text(text: str) -> str:
    flat = " ".join(_clean(text).split())
    marked = _MARKS.sub(lambda match: "\\" + match[0], flat)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """A formula as code, between more backticks than stand in it."""
    flat = " ".join(_clean(text).splitlines())
    if not flat:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    space = " " if "`" in flat else ""
    return f"{fence}{space}{flat.replace('|', chr(92) + '|')}{space}{fence}"
