"""What a worksheet takes up: which cells have something in them, where drawings stand, how wide and high it all is."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from xlbackprop.engine.package import relations_of, workbook_part
from xlbackprop.sheet.address import cell_name

_WIDTH, _HEIGHT = 64.0, 20.0  # pixels, of a cell that says nothing else
_DIGIT = 7.0  # pixels, of a digit in a cell; columns are as wide as so many of them
_CHARACTER = 0.73  # pixels for each point of its font, of a text's average character
_EMU = 9525  # of a drawing's units in a pixel
ROWS, COLUMNS = 1_048_576, 16_384  # of a sheet
_AREA = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})(?::\$?([A-Z]{1,3})\$?(\d{1,7}))?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Area:
    """Cells from corner to corner, both counted in; rows and columns count from 0."""

    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        return f"{cell_name(self.top, self.left)}:{cell_name(self.bottom, self.right)}"

    def meets(self, other: Area) -> bool:
        return (
            self.top <= other.bottom
            and other.top <= self.bottom
            and self.left <= other.right
            and other.left <= self.right
        )


def parse_area(text: str) -> Area | None:
    """The area of a text such as A1:H20 or C3; None where it is none, or no sheet has it."""
    match = _AREA.fullmatch(text.strip())
    if match is None:
        return None
    rows = sorted((int(match[2]) - 1, int(match[4] or match[2]) - 1))
    columns = sorted((_column(match[1]), _column(match[3] or match[1])))
    if rows[0] < 0 or rows[1] >= ROWS or columns[1] >= COLUMNS:
        return None
    return Area(rows[0], columns[0], rows[1], columns[1])


@dataclass(frozen=True)
class Extent:
    """One worksheet. Sizes are in pixels at 96 to the inch; what is hidden has size 0 and counts as empty."""

    cells: Mapping[int, tuple[int, ...]]  # for each row with something in it, the columns
    reach: Mapping[int, int]  # for each of these rows, the column in which its last text ends
    drawings: tuple[Area, ...]
    widths: Mapping[int, float]  # of columns that are not as wide as the others
    heights: Mapping[int, float]
    width: float = _WIDTH  # of the others
    height: float = _HEIGHT
    frozen_rows: int = 0
    frozen_columns: int = 0

    @property
    def used(self) -> Area | None:
        """The smallest area with all cells and drawings; None for an empty sheet."""
        areas = [Area(row, columns[0], row, self.reach[row]) for row, columns in self.cells.items()]
        areas += self.drawings
        if not areas:
            return None
        return Area(
            min(area.top for area in areas),
            min(area.left for area in areas),
            max(area.bottom for area in areas),
            max(area.right for area in areas),
        )

    def empty(self, area: Area) -> bool:
        """Whether nothing would be drawn there."""
        if any(area.meets(drawing) for drawing in self.drawings):
            return False
        return not any(
            row in self.cells and self.cells[row][0] <= area.right and area.left <= self.reach[row]
            for row in range(area.top, area.bottom + 1)
        )

    def wide(self, left: int, right: int) -> float:
        return sum(self.widths.get(column, self.width) for column in range(left, right + 1))

    def high(self, top: int, bottom: int) -> float:
        return sum(self.heights.get(row, self.height) for row in range(top, bottom + 1))


@dataclass(frozen=True)
class Texts:
    """How long a workbook's texts are, and how each cell format writes them."""

    lengths: tuple[int, ...]  # of the shared texts' longest lines
    points: tuple[float, ...]  # for each cell format its font's size
    wraps: tuple[bool, ...]

    def pixels(self, style: int, length: int) -> float:
        """How far a text runs on to the right; 0 where it wraps."""
        if style < len(self.wraps) and self.wraps[style]:
            return 0.0
        points = self.points[style] if style < len(self.points) else 11.0
        return length * points * _CHARACTER


def read_texts(package: zipfile.ZipFile) -> Texts:
    """Raises KeyError or ParseError for a damaged part."""
    parts = {kind.rpartition("/")[2]: part for part, kind in relations_of(package, workbook_part(package)).values()}
    lengths: list[int] = []
    points: list[float] = []
    wraps: list[bool] = []
    if "sharedStrings" in parts:
        for item in _tree(package, parts["sharedStrings"]):
            lengths.append(_longest_line(item))
    if "styles" in parts:
        root = _tree(package, parts["styles"])
        sizes = [
            float(size.get("val", 11)) if (size := _child(font, "sz")) is not None else 11.0
            for font in _children(_child(root, "fonts"))
        ]
        for form in _children(_child(root, "cellXfs")):
            font = int(form.get("fontId", 0))
            points.append(sizes[font] if font < len(sizes) else 11.0)
            alignment = _child(form, "alignment")
            wraps.append(alignment is not None and _true(alignment.get("wrapText")))
    return Texts(tuple(lengths), tuple(points), tuple(wraps))


def read_extent(package: zipfile.ZipFile, part: str, texts: Texts) -> Extent:
    """Raises KeyError or ParseError for a damaged part."""
    reading = _Reading(texts)
    # Row by row, and each let go: a long table's tree would be large.
    for _, node in ElementTree.iterparse(io.BytesIO(package.read(part))):
        reading.node(node)
    widths, width = reading.widths, reading.width
    drawings = []
    for target, kind in relations_of(package, part).values():
        if kind.endswith("/drawing") and target in package.namelist():
            grid = Extent({}, {}, (), widths, reading.heights, width, reading.height)
            drawings += [_anchored(grid, anchor) for anchor in _tree(package, target) if _is_anchor(anchor)]
    return Extent(
        reading.cells, reading.reach, tuple(drawings), widths, reading.heights, width, reading.height,
        reading.frozen_rows, reading.frozen_columns,
    )  # fmt: skip


class _Reading:
    """What a worksheet's nodes have told so far."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts
        self.cells: dict[int, tuple[int, ...]] = {}
        self.reach: dict[int, int] = {}
        self.widths: dict[int, float] = {}
        self.heights: dict[int, float] = {}
        self.width, self.height = _WIDTH, _HEIGHT
        self.frozen_rows = self.frozen_columns = 0
        self._row = -1

    def node(self, node: Element) -> None:
        match _name(node):
            case "pane" if node.get("state", "").startswith("frozen"):
                self.frozen_rows, self.frozen_columns = (int(float(node.get(key, 0))) for key in ("ySplit", "xSplit"))
            case "sheetFormatPr":
                self.width = float(node.get("defaultColWidth", _WIDTH / _DIGIT)) * _DIGIT
                self.height = float(node.get("defaultRowHeight", 15)) * 4 / 3
            case "col":
                wide = 0.0 if _true(node.get("hidden")) else float(node.get("width", self.width / _DIGIT)) * _DIGIT
                first, last = int(node.get("min", 1)), min(int(node.get("max", 1)), COLUMNS)
                self.widths |= dict.fromkeys(range(first - 1, last), wide)
            case "mergeCell":
                self._merge(parse_area(node.get("ref", "")))
            case "row":
                self._row = int(node.get("r", self._row + 2)) - 1
                if _true(node.get("hidden")):
                    self.heights[self._row] = 0.0
                else:
                    if "ht" in node.attrib:
                        self.heights[self._row] = float(node.attrib["ht"]) * 4 / 3
                    self._fill(node)
                node.clear()

    def _fill(self, row: Element) -> None:
        columns: list[int] = []
        column, last = -1, None
        for cell in row:
            column = _column_of(cell, column + 1)
            if _shows(cell) and self.widths.get(column, self.width):
                columns.append(column)
                last = cell
        if last is not None:
            self.cells[self._row] = tuple(columns)
            self.reach[self._row] = self._end(last, columns[-1])

    def _merge(self, area: Area | None) -> None:
        """The text of a merged cell ends with it."""
        if area is not None and self.cells.get(area.top, (-1,))[-1] == area.left:
            self.reach[area.top] = area.right

    def _end(self, cell: Element, column: int) -> int:
        """The column in which a cell's text ends."""
        left = self.texts.pixels(int(cell.get("s", 0)), self._length(cell))
        while (left := left - self.widths.get(column, self.width)) > 0 and column < COLUMNS - 1:
            column += 1
        return column

    def _length(self, cell: Element) -> int:
        """Of a text in characters; a number never runs on."""
        value = _child(cell, "v")
        text = (value.text if value is not None else "") or ""
        match cell.get("t"):
            case "s" if text.isdigit() and int(text) < len(self.texts.lengths):
                return self.texts.lengths[int(text)]
            case "inlineStr":
                return _longest_line(cell)
            case "str":
                return len(text)
        return 0


def _shows(cell: Element) -> bool:
    """Whether something is seen in a cell: a value, or a formula that no program has calculated yet."""
    value = _child(cell, "v")
    if value is not None and value.text:
        return True
    if cell.get("t") == "str":  # a formula that gives an empty text
        return False
    return _child(cell, "f") is not None or _child(cell, "is") is not None


def _column_of(cell: Element, otherwise: int) -> int:
    letters = re.match("[A-Z]+", cell.get("r", ""))
    return _column(letters[0]) if letters else otherwise


def _column(letters: str) -> int:
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _is_anchor(node: Element) -> bool:
    return _name(node).endswith("Anchor")


def _anchored(grid: Extent, anchor: Element) -> Area:
    """The cells under a drawing."""
    start, end = _child(anchor, "from"), _child(anchor, "to")
    top, left = _corner(start) if start is not None else (0, 0)
    if end is not None:
        bottom, right = _corner(end)
        return Area(top, left, max(top, bottom), max(left, right))
    place, size = _child(anchor, "pos"), _child(anchor, "ext")
    x, y = _pixels(place, "x") + _pixels(size, "cx"), _pixels(place, "y") + _pixels(size, "cy")
    bottom, right = top, left
    while (y := y - grid.high(bottom, bottom)) > 0 and bottom < ROWS - 1:
        bottom += 1
    while (x := x - grid.wide(right, right)) > 0 and right < COLUMNS - 1:
        right += 1
    return Area(top, left, bottom, right)


def _corner(node: Element) -> tuple[int, int]:
    """The cell that a corner stands in, or at whose edge: a drawing's border is seen then."""
    row, column = (int(_text(node, key)) for key in ("row", "col"))
    return max(0, min(row, ROWS - 1)), max(0, min(column, COLUMNS - 1))


def _pixels(node: Element | None, key: str) -> float:
    return 0.0 if node is None else int(node.get(key, 0)) / _EMU


def _tree(package: zipfile.ZipFile, part: str) -> Element:
    return ElementTree.fromstring(package.read(part))


def _name(node: Element) -> str:
    return node.tag.rpartition("}")[2]


def _children(node: Element | None) -> Iterator[Element]:
    return iter(()) if node is None else iter(node)


def _child(node: Element, name: str) -> Element | None:
    return next((child for child in node if _name(child) == name), None)


def _text(node: Element, name: str) -> str:
    child = _child(node, name)
    return (child.text if child is not None else None) or "0"


def _longest_line(item: Element) -> int:
    text = "".join(node.text or "" for node in item.iter() if _name(node) == "t")
    return max(map(len, text.split("\n")))


def _true(text: str | None) -> bool:
    return text in ("1", "true")
