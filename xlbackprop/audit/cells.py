"""The cells of a worksheet part, streamed: what each holds, and the formula as it is written."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from xml.parsers.expat import XMLParserType

from xlbackprop.audit.fill import Fill
from xlbackprop.audit.parts import DEPTH, Parts, local, too_deep
from xlbackprop.sheet.address import cell_name, in_sheet

Place = tuple[int, int]
Range = tuple[int, int, int, int]  # first row, first column, last row, last column
Value = float | str | bool | None

ROWS, COLUMNS = 1 << 20, 1 << 14  # of a sheet
_BATCH = 1000  # cells that are counted at once


@dataclass(frozen=True, slots=True)
class Formula:
    text: str  # without "="; cells that share a formula share this object
    row: int  # the cell for which the text is written
    column: int
    above: Formula | None = field(default=None, compare=False, repr=False)  # from which it was filled down

    @property
    def first(self) -> Formula:
        """The formula that says the same for all cells that it was filled down to."""
        return self.above or self


@dataclass(frozen=True, slots=True)
class Cell:
    value: Value  # as the file carries it, typed or calculated; an error and an ISO date as their text
    formula: Formula | None


@dataclass(frozen=True)
class Sheet:
    name: str
    cells: dict[Place, Cell]  # those with a value or a formula
    hidden: bool
    data_tables: tuple[Range, ...]  # what-if tables, whose cells have values and no formulas
    arrays: tuple[Range, ...]  # of several cells, of which the first alone has the formula
    merged: tuple[Range, ...]


def read_sheet(parts: Parts, part: str, name: str, hidden: bool, texts: list[str], notes: list[str]) -> Sheet:
    """Raises Damaged."""
    reader = _Reader(parts, texts)
    parts.parse(part, reader.prepare)
    reader.finish()
    notes += reader.notes(name)
    return Sheet(name, reader.cells, hidden, tuple(reader.data_tables), tuple(reader.arrays), tuple(reader.merged))


def read_texts(parts: Parts, part: str) -> list[str]:
    """The table of shared strings. Raises Damaged."""
    reader = _Texts(parts)
    parts.parse(part, reader.prepare)
    return reader.texts


class _Reader:
    def __init__(self, parts: Parts, texts: list[str]) -> None:
        self.cells: dict[Place, Cell] = {}
        self.data_tables: list[Range] = []
        self.arrays: list[Range] = []
        self.merged: list[Range] = []
        self._parts, self._texts = parts, texts
        self._shared: dict[str, Formula] = {}
        self._fills: dict[int, tuple[Formula, Fill | None]] = {}  # the last of each column
        self._waiting: dict[Place, str] = {}  # cells that share a formula not met so far
        self._remarks: dict[str, tuple[int, Place | None]] = {}  # how many cells, and the first
        self._uncounted = self._depth = 0
        self._text: list[str] = []
        self._at: str | Place | None = (-1, -1)  # the present cell; an address is read only where it is needed
        # Of the present cell:
        self._cell: dict[str, str] = {}
        self._formula: dict[str, str] | None = None
        self._written = ""
        self._carried: str | None = None
        self._inline: list[str] = []
        self._phonetic = False

    def prepare(self, parser: XMLParserType) -> None:
        self._parser = parser
        parser.StartElementHandler, parser.EndElementHandler = self._start_outside, self._end_outside

    def finish(self) -> None:
        for place, group in self._waiting.items():
            cell = self.cells[place]
            if cell.formula is not None:  # the file states the cell a second time
                continue
            if (master := self._shared.get(group)) is not None:
                self.cells[place] = Cell(cell.value, master)
            else:
                self._remark("shares a formula that no cell states, and counts as typed", place)
                if cell.value is None:
                    del self.cells[place]
        self._parts.count_cells(self._uncounted)

    def notes(self, sheet: str) -> list[str]:
        remarks = [
            (what, count, in_sheet(sheet, cell_name(*place)) if place else f"{sheet}, a cell")
            for what, (count, place) in self._remarks.items()
        ]
        if self.arrays:
            first = self.arrays[0]
            area = in_sheet(sheet, f"{cell_name(*first[:2])}:{cell_name(*first[2:])}")
            remarks.append(("is one array formula, which stands in its first cell alone", len(self.arrays), area))
        return [f"{where}{f' and {count - 1} more' if count > 1 else ''}: {what}" for what, count, where in remarks]

    # Outside the cells.

    def _start_outside(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise too_deep()
        tag = local(tag)
        if tag == "sheetData":
            self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end
            self._parser.CharacterDataHandler = self._text.append
        elif tag == "mergeCell" and (area := read_range(attributes.get("ref", ""))):
            self._count()
            self.merged.append(area)

    def _end_outside(self, _: str) -> None:
        self._depth -= 1

    # Inside: these two are called some ten times for each cell.

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise too_deep()
        if ":" in tag:
            tag = local(tag)
        if tag == "c":
            self._begin_cell(attributes)
            if (address := attributes.get("r")) is not None:
                self._at = address
            elif (place := self._place()) is not None:  # it stands right of the one before
                self._at = (place[0], place[1] + 1)
        elif tag in ("v", "t"):
            self._text.clear()
        elif tag == "f":
            self._formula = attributes
            self._text.clear()
        elif tag == "row":
            self._begin_row(attributes.get("r"))
        elif tag == "rPh":
            self._phonetic = True

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if ":" in tag:
            tag = local(tag)
        if tag == "c":
            if self._carried is not None or self._formula is not None or self._inline:
                self._end_cell()
        elif tag == "v":
            self._carried = "".join(self._text)
        elif tag == "f":
            self._written = "".join(self._text)
        elif tag == "t":
            if not self._phonetic:
                self._inline.extend(self._text)
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "sheetData":
            self._parser.StartElementHandler, self._parser.EndElementHandler = self._start_outside, self._end_outside
            self._parser.CharacterDataHandler = None

    def _begin_row(self, number: str | None) -> None:
        place = self._place()
        if number is not None:
            self._at = None if (row := whole(number)) is None else (row - 1, -1)
        elif place is not None:
            self._at = (place[0] + 1, -1)

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        self._cell = attributes
        self._formula = self._carried = None
        self._inline = []
        self._phonetic = False
        self._text.clear()

    def _end_cell(self) -> None:
        self._count()
        place = self._place()
        if place is None or not (0 <= place[0] < ROWS and 0 <= place[1] < COLUMNS):
            self._remark("has an address that no sheet has, and was left out", None)
            return
        value = self._value(place)
        formula = self._formula_at(place)
        if formula is not None or value not in (None, "") or place in self._waiting:
            self.cells[place] = Cell(value, formula)

    def _place(self) -> Place | None:
        if isinstance(self._at, str):
            self._at = read_address(self._at)
        return self._at

    def _value(self, place: Place) -> Value:
        kind, text = self._cell.get("t", "n"), self._carried
        if self._inline and (text is None or kind == "inlineStr"):
            return plain("".join(self._inline))
        if text is None:
            return None
        if kind == "n":
            return number(text)
        if kind == "s":
            if (index := whole(text)) is not None and index < len(self._texts):
                return self._texts[index]
            self._remark("shows a text that the file does not have, and counts as blank", place)
            return None
        if kind == "b":
            return {"1": True, "true": True, "0": False, "false": False}.get(text.strip().lower())
        return plain(text)

    def _formula_at(self, place: Place) -> Formula | None:
        attributes, text = self._formula, self._written.removeprefix("=")
        if attributes is None:
            return None
        if not attributes:
            return self._written_at(place, text) if text.strip() else None
        kind, area = attributes.get("t"), read_range(attributes.get("ref", ""))
        if kind == "dataTable":
            if area is not None:
                self.data_tables.append(area)
            return None
        if kind == "shared":
            return self._shared_at(place, text, attributes.get("si", ""), "ref" in attributes)
        if kind == "array" and area is not None and area[:2] != area[2:]:
            self.arrays.append(area)
        return Formula(text, *place) if text.strip() else None

    def _written_at(self, place: Place, text: str) -> Formula:
        row, column = place
        above, fill = self._fills.get(column, (None, None))
        if fill is not None and fill.at(row) == text:
            return Formula(text, row, column, above)
        formula = Formula(text, row, column)
        try:
            self._fills[column] = formula, Fill(text, row)
        except ValueError:
            self._fills[column] = formula, None
        return formula

    def _shared_at(self, place: Place, text: str, group: str, is_master: bool) -> Formula | None:
        master = self._shared.get(group)
        if text.strip():
            own = Formula(text, *place)
            if is_master or master is None:
                self._shared[group] = own
            return own
        if master is None:
            self._waiting[place] = group
        return master

    def _count(self) -> None:
        self._uncounted += 1
        if self._uncounted >= _BATCH:
            self._parts.count_cells(self._uncounted)
            self._uncounted = 0

    def _remark(self, what: str, place: Place | None) -> None:
        count, first = self._remarks.get(what, (0, place))
        self._remarks[what] = (count + 1, first)


class _Texts:
    def __init__(self, parts: Parts) -> None:
        self.texts: list[str] = []
        self._parts = parts
        self._text: list[str] = []
        self._pieces: list[str] = []
        self._depth = self._phonetic = 0

    def prepare(self, parser: XMLParserType) -> None:
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._text.append

    def _start(self, tag: str, _: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise too_deep()
        self._phonetic += local(tag) == "rPh"
        self._text.clear()

    def _end(self, tag: str) -> None:
        self._depth -= 1
        tag = local(tag)
        if tag == "t" and not self._phonetic:
            self._pieces.append("".join(self._text))
        elif tag == "rPh":
            self._phonetic -= 1
        elif tag == "si":
            self.texts.append(plain("".join(self._pieces)))
            self._pieces.clear()
            if len(self.texts) % _BATCH == 0:
                self._parts.count_cells(_BATCH)


# Small texts.


def read_address(text: str) -> Place | None:
    """B3 is (2, 1), also where it is written $B$3 or b3; None for what is no address."""
    letters = text.rstrip("0123456789")
    column, row = _column(letters), whole(text[len(letters) :])
    return None if column is None or row is None else (row - 1, column)


def read_range(text: str) -> Range | None:
    """The ends of B3:C5; a single cell is a range as well."""
    first, _, last = text.partition(":")
    start, end = read_address(first), read_address(last or first)
    return None if start is None or end is None else (*start, *end)


@lru_cache(maxsize=1 << 14)
def _column(letters: str) -> int | None:
    letters = letters.replace("$", "").upper()
    if len(letters) > 3 or not (letters.isascii() and letters.isalpha()):
        return None
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def whole(text: str) -> int | None:
    """A count as files write it."""
    return int(text) if text.isdigit() and text.isascii() and len(text) < 10 else None


def number(text: str) -> float | None:
    """The number as files write it; None where it is none, or not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and text.isascii() and "_" not in text else None


def plain(text: str) -> str:
    """The text with the characters that XML cannot hold, written as _x000D_, put back."""
    return _ESCAPED.sub(_unescaped, text) if "_x" in text else text


_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def _unescaped(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if character.isprintable() or character in "\t\n\r" else match[0]
