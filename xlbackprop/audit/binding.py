"""A table's formulas in its own terms: which lane, how many steps away, or which cell outside.

Cells that were filled down from one formula have one tree, so that they are compared, evaluated
and named once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice

from xlbackprop.audit.book import Book
from xlbackprop.audit.cells import Cell, Formula
from xlbackprop.audit.formula import (
    Area,
    Block,
    Err,
    Field,
    Fixed,
    FormulaError,
    Lane,
    Name,
    Outside,
    Ref,
    Tree,
    column_index,
    leaves,
    replace_leaves,
)
from xlbackprop.audit.references import Formulas, Place, moved
from xlbackprop.audit.tables import Table

MOST_BLOCK = 4096  # cells of a range that a formula of a table may use
_MOST_FOLLOWED = 16  # cells outside the table from one to the next
_MOST_INLINED = 64  # references of a cell outside that stands for its formula

Content = Tree | float | str | None  # a formula; a typed number; text, an error or what cannot be parsed; a blank


@dataclass
class BoundTable:
    """`contents[lane][step]` is what stands there; `unread` says why a formula is only text."""

    table: Table
    contents: list[list[Content]]
    unread: dict[tuple[int, int], str] = field(default_factory=dict)
    _groups: dict[int, dict[Tree, list[int]]] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return self.table.steps

    def groups(self, lane: int) -> dict[Tree, list[int]]:
        """For each formula of a lane the steps that have it; typed numbers, texts and blanks left out."""
        if lane not in self._groups:
            self._groups[lane] = _grouped(self.contents[lane])
        return self._groups[lane]

    def form(self, lane: int) -> Tree | None:
        """The formula that most of a lane's steps have; None where it has few amid typed numbers."""
        groups = self.groups(lane)
        if not groups:
            return None
        form = max(groups, key=lambda one: len(groups[one]))
        numbers = sum(isinstance(one, float) for one in self.contents[lane])
        return None if len(groups[form]) == 1 and self.steps > 2 and numbers > 1 else form


def _grouped(contents: list[Content]) -> dict[Tree, list[int]]:
    same: dict[int, list[int]] = {}  # by the object, since to hash a tree takes its time
    for step, content in enumerate(contents):
        if not (content is None or isinstance(content, (float, str))):
            same.setdefault(id(content), []).append(step)
    found: dict[Tree, list[int]] = {}
    for steps in same.values():
        tree = contents[steps[0]]
        assert not (tree is None or isinstance(tree, (float, str)))
        found.setdefault(tree, []).extend(steps)
    return {tree: sorted(steps) for tree, steps in found.items()}


_CELL = re.compile(r"(\$?)\b([A-Za-z]{1,3})(\$?)(\d{1,7})\b(?![(\w!])")


class Binder:
    def __init__(self, book: Book, formulas: Formulas, table: Table) -> None:
        self.book, self.formulas, self.table = book, formulas, table
        self._cells = book.sheets[table.sheet].cells
        self._bound: dict[tuple[str, int], tuple[Tree, int, int]] = {}  # and how far it reaches up and down
        across = 1 if table.vertical else 0
        self._lines = {column.places[0][across]: lane for lane, column in enumerate(table.columns)}
        self._followed: dict[tuple[str, Place], Tree] = {}
        self._signatures: dict[Formula, str] = {}
        self._moves = False  # whether a reference to outside the table moves with its formula

    def bound(self) -> BoundTable:
        contents: list[list[Content]] = []
        result = BoundTable(self.table, contents)
        for lane, column in enumerate(self.table.columns):
            contents.append([])
            for step, place in enumerate(column.places):
                contents[-1].append(self._content(result, lane, step, self._cells.get(place), place))
        return result

    def _content(self, result: BoundTable, lane: int, step: int, cell: Cell | None, place: Place) -> Content:
        if cell is None:
            return None
        if cell.formula is None:
            return float(cell.value) if isinstance(cell.value, (int, float)) else cell.value
        formula = cell.formula.first
        if (signature := self._signatures.get(formula)) is None:
            signature = self._signatures[formula] = _signature(formula)
        key = (signature, lane)
        if (known := self._bound.get(key)) is not None and -known[1] <= step < self.table.steps - known[2]:
            return known[0]
        self._moves = False
        try:
            tree = self.bind(self.formulas.tree(formula), formula, place, lane, step)
        except FormulaError as error:
            result.unread[lane, step] = str(error)
            return cell.formula.text
        if not self._moves:
            offsets = [leaf.offset for leaf in leaves(tree) if isinstance(leaf, Lane)]
            self._bound.setdefault(key, (tree, min([0, *offsets]), max([0, *offsets])))
        return tree

    def bind(self, tree: Tree, formula: Formula, place: Place, lane: int, step: int, depth: int = 0) -> Tree:
        """The tree with quantities for references. Raises FormulaError where it refers to nothing."""

        def leaf(one: Tree) -> Tree:
            match one:
                case Ref():
                    return self._cell(one, moved(one, formula, place), step, depth)
                case Area(first, last):
                    sheet = first.sheet or last.sheet or self.table.sheet
                    return self._block(sheet, moved(first, formula, place), moved(last, formula, place), one, step)
                case Field():
                    return self._field(one, place, step)
                case Name(text):
                    return self._name(text, place, lane, step, depth)
            return one

        return replace_leaves(tree, leaf)

    def _cell(self, ref: Ref, target: Place, step: int, depth: int) -> Tree:
        sheet = ref.sheet or self.table.sheet
        fixed = ref.row_fixed if self.table.vertical else ref.column_fixed
        if sheet == self.table.sheet and (found := self.table.where.get(target)) is not None:
            return Fixed(*found) if fixed and self.table.steps > 1 else Lane(found[0], found[1] - step)
        if not fixed and sheet == self.table.sheet and (beyond := self._beyond(target, step)) is not None:
            return beyond
        self._moves = self._moves or not fixed
        return self._outside(sheet, target, step, depth)

    def _beyond(self, target: Place, step: int) -> Lane | None:
        """A blank cell below a lane's last step, which the last rows of a formula that looks ahead read."""
        if target in self._cells or self.table.steps < 2:
            return None
        along, across = target if self.table.vertical else target[::-1]
        lane = self._lines.get(across)
        if lane is None:
            return None
        last = self.table.columns[lane].places[-1][0 if self.table.vertical else 1]
        return Lane(lane, self.table.steps - 1 + along - last - step) if along > last else None

    def _outside(self, sheet: str, target: Place, step: int, depth: int) -> Tree:
        """A cell outside the table; one that only passes another on stands for it."""
        sheet = next((name for name in self.book.sheets if name.lower() == sheet.lower()), sheet)
        if sheet not in self.book.sheets:
            return Err("#REF!")
        if (sheet, target) not in self._followed:
            self._followed[sheet, target] = Outside(sheet, *target)  # also where it leads back to itself
            self._followed[sheet, target] = self._follow(sheet, target, step, depth)
        return self._followed[sheet, target]

    def _follow(self, sheet: str, target: Place, step: int, depth: int) -> Tree:
        cell = self.book.sheets[sheet].cells.get(target)
        here = Outside(sheet, *target)
        if cell is None or cell.formula is None or depth >= _MOST_FOLLOWED:
            return here
        elsewhere = _Elsewhere(self, sheet)
        try:
            inner = elsewhere.bind(self.formulas.tree(cell.formula), cell.formula, target, -1, step, depth + 1)
        except FormulaError:
            return here
        found = list(islice(leaves(inner), _MOST_INLINED))
        uses_table = any(isinstance(leaf, (Lane, Fixed)) for leaf in found)
        return inner if isinstance(inner, Outside) or (uses_table and len(found) < _MOST_INLINED) else here

    def _block(self, sheet: str, first: Place, last: Place, area: Area, step: int) -> Tree:
        cells = self.book.sheets[sheet].cells if sheet in self.book.sheets else {}
        rows = [first[0], last[0]] if area.first.row >= 0 else [0, max((r for r, _ in cells), default=0)]
        columns = [first[1], last[1]] if area.first.column >= 0 else [0, max((c for _, c in cells), default=0)]
        rows, columns = sorted(rows), sorted(columns)
        if (rows[1] - rows[0] + 1) * (columns[1] - columns[0] + 1) > MOST_BLOCK:
            raise FormulaError(f"uses a range of more than {MOST_BLOCK:,} cells")
        fixed = Ref(sheet, 0, 0, area.first.row_fixed and area.first.row >= 0, area.first.column_fixed)
        return Block(
            tuple(
                self._cell(fixed, (row, column), step, 0)
                for row in range(rows[0], rows[1] + 1)
                for column in range(columns[0], columns[1] + 1)
                if (row, column) in cells or area.first.row >= 0
            ),
            columns[1] - columns[0] + 1,
        )

    def _field(self, one: Field, place: Place, step: int) -> Tree:
        if one.this_row:
            target = self.formulas.field(one, self.table.sheet, place)
            if target is None:
                raise FormulaError(f"names a column {one.column!r} that is not there")
            return self._cell(Ref(None, 0, 0, False, False), target, step, 0)
        area = self.formulas.field_area(one, self.table.sheet, place)
        if area is None:
            raise FormulaError(f"names a column {one.column!r} that is not there")
        sheet, first, last = area
        ends = Area(Ref(sheet, *first, True, True), Ref(sheet, *last, True, True))
        return self._block(sheet, first, last, ends, step)

    def _name(self, text: str, place: Place, lane: int, step: int, depth: int) -> Tree:
        tree = self.formulas.name(text, self.table.sheet)
        if tree is None or depth >= _MOST_FOLLOWED:
            return Err("#NAME?")
        return self.bind(tree, Formula("", *place), place, lane, step, depth + 1)


class _Elsewhere(Binder):
    """Binds formulas that stand in another sheet or outside the table: their plain references are to that sheet."""

    def __init__(self, binder: Binder, sheet: str) -> None:
        self.book, self.formulas, self.table = binder.book, binder.formulas, binder.table
        self._sheet, self._moves, self._followed = sheet, False, binder._followed

    def _cell(self, ref: Ref, target: Place, step: int, depth: int) -> Tree:
        sheet = ref.sheet or self._sheet
        if sheet == self.table.sheet and (found := self.table.where.get(target)) is not None:
            return Fixed(*found) if self.table.steps > 1 else Lane(found[0])
        return self._outside(sheet, target, step, depth)


def _signature(formula: Formula) -> str:
    """The formula with its relative references as distances, the same for all cells that it was filled to."""

    def distance(match: re.Match[str]) -> str:
        column_fixed, column, row_fixed, row = match.groups()
        across = column if column_fixed else column_index(column) - formula.column
        down = row if row_fixed else int(row) - 1 - formula.row
        return f"{column_fixed}{across}:{row_fixed}{down}!"

    return _CELL.sub(distance, formula.text)
