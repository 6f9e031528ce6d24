"""The formulas of a workbook as trees, and the cells that they refer to."""

from __future__ import annotations

from collections.abc import Iterator

from xlbackprop.audit.book import Book, ListObject
from xlbackprop.audit.cells import Formula, Sheet
from xlbackprop.audit.formula import Area, Field, FormulaError, Name, Ref, Tree, parse
from xlbackprop.audit.formula import leaves as leaves_of
from xlbackprop.audit.written import to_text
from xlbackprop.sheet.address import column_name, in_sheet

Place = tuple[int, int]


class Formulas:
    """Parses each distinct text once; a shared formula is one text for all its cells."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self._trees: dict[str, Tree | FormulaError] = {}
        self._refs: dict[tuple[str, str], tuple[Ref | Field, ...]] = {}
        self._names = {name.lower(): text for name, text in book.names.items()}
        self._list_objects = {name.lower(): one for name, one in book.list_objects.items()}

    def tree(self, formula: Formula) -> Tree:
        """Raises FormulaError."""
        found = self._trees.get(formula.text)
        if found is None:
            try:
                found = parse(formula.text)
            except (FormulaError, RecursionError) as error:
                found = error if isinstance(error, FormulaError) else FormulaError("is nested too deep")
            self._trees[formula.text] = found
        if isinstance(found, FormulaError):
            raise found
        return found

    def written(self, formula: Formula, place: Place) -> str:
        """The text at `place`, without its `=`; of a formula that cells share, as it would be typed there."""
        if (formula.row, formula.column) == place:
            return formula.text
        try:
            return to_text(self.tree(formula), lambda leaf: _text(leaf, formula, place))
        except FormulaError:
            return formula.text

    def is_reference(self, formula: Formula) -> bool:
        """Whether a formula is one reference and nothing else."""
        try:
            return isinstance(self.tree(formula.first), Ref)
        except FormulaError:
            return False

    def near(self, sheet: Sheet, place: Place) -> list[Place]:
        """The cells of the same sheet that a cell's formula refers to; of a range its ends."""
        formula = sheet.cells[place].formula
        if formula is None:
            return []
        formula = formula.first
        if (refs := self._refs.get((sheet.name, formula.text))) is None:
            try:
                refs = tuple(_near(self.tree(formula), sheet.name))
            except FormulaError:
                refs = ()
            self._refs[sheet.name, formula.text] = refs
        down, across = place[0] - formula.row, place[1] - formula.column
        result = []
        for one in refs:
            if isinstance(one, Ref):  # as `moved` does; this is asked of every cell
                row, column = one.row, one.column
                result.append((row if one.row_fixed else row + down, column if one.column_fixed else column + across))
            elif (found := self.field(one, sheet.name, place)) is not None:
                result.append(found)
        return result

    def name(self, text: str, sheet: str) -> Tree | None:
        """What a defined name stands for: a cell, a range or a number; None if it is not defined."""
        found = self._names.get(f"{sheet}!{text}".lower(), self._names.get(text.lower()))
        if found is None:
            return None
        try:
            return parse(found.removeprefix("="))
        except FormulaError:
            return None

    def field(self, one: Field, sheet: str, place: Place) -> Place | None:
        """The cell in the formula's own row that a structured reference means."""
        table = self._list_objects.get(one.table.lower()) if one.table else self._around(sheet, place)
        if table is None or not one.this_row or table.sheet != sheet:
            return None
        names = [_folded(name) for name in table.columns]
        if _folded(one.column) not in names:
            return None
        return place[0], table.first_column + names.index(_folded(one.column))

    def field_area(self, one: Field, sheet: str, place: Place) -> tuple[str, Place, Place] | None:
        """The whole column that a structured reference means, without header and totals."""
        table = self._list_objects.get(one.table.lower()) if one.table else self._around(sheet, place)
        if table is None:
            return None
        names = [_folded(name) for name in table.columns]
        if _folded(one.column) not in names:
            return None
        column = table.first_column + names.index(_folded(one.column))
        return (
            table.sheet,
            (table.first_row + table.header_rows, column),
            (table.last_row - table.totals_rows, column),
        )

    def _around(self, sheet: str, place: Place) -> ListObject | None:
        for one in self._list_objects.values():
            inside = one.first_row <= place[0] <= one.last_row and one.first_column <= place[1] <= one.last_column
            if one.sheet == sheet and inside:
                return one
        return None


def _near(tree: Tree, sheet: str) -> Iterator[Ref | Field]:
    """What a formula of this sheet may refer to in it."""
    for leaf in leaves_of(tree):
        for one in (leaf.first, leaf.last) if isinstance(leaf, Area) else (leaf,):
            if isinstance(one, Field) or (isinstance(one, Ref) and one.sheet in (None, sheet) and one.row >= 0):
                yield one


def moved(ref: Ref, formula: Formula, place: Place) -> Place:
    """Where a reference points when its formula stands at `place`."""
    row = ref.row if ref.row_fixed else ref.row + place[0] - formula.row
    column = ref.column if ref.column_fixed else ref.column + place[1] - formula.column
    return row, column


def _text(leaf: Tree, formula: Formula, place: Place) -> str:
    """A reference as it is typed at `place`."""
    match leaf:
        case Ref(sheet):
            row, column = moved(leaf, formula, place)
            across = "" if leaf.column < 0 else "$" * leaf.column_fixed + column_name(column)
            down = "" if leaf.row < 0 else "$" * leaf.row_fixed + str(row + 1)
            return across + down if sheet is None else in_sheet(sheet, across + down)
        case Area(first, last):
            return f"{_text(first, formula, place)}:{_text(last, formula, place)}"
        case Field(table, column_of, this_row):
            return f"{table}[{'@' * this_row}{column_of}]"
        case Name(text):
            return text
    return str(leaf)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
