"""A table's lanes and steps as the sheet's own addresses, and its formulas as their text."""

from __future__ import annotations

from itertools import groupby

from xlbackprop.audit.formula import Block, Fixed, Lane, Num, Outside, Tree
from xlbackprop.audit.tables import Table
from xlbackprop.audit.written import to_text
from xlbackprop.sheet.address import absolute, cell_name, column_name, in_sheet


class Places:
    def __init__(self, table: Table) -> None:
        self.table = table

    def cell(self, lane: int, step: int) -> str:
        return cell_name(*self.table.columns[lane].places[step])

    def range(self, lane: int, steps: list[int]) -> str:
        """`Z33:Z100`; a few stretches with commas between them, or from the first to the last cell of many."""
        stretches = []
        for _, members in groupby(enumerate(sorted(steps)), lambda pair: pair[1] - pair[0]):
            run = [step for _, step in members]
            stretches.append(self._stretch(lane, run[0], run[-1]))
        return ",".join(stretches) if len(stretches) <= 4 else self._stretch(lane, min(steps), max(steps))

    def _stretch(self, lane: int, first: int, last: int) -> str:
        return self.cell(lane, first) if first == last else f"{self.cell(lane, first)}:{self.cell(lane, last)}"

    def formula(self, tree: Tree, lane: int, step: int) -> str:
        """The formula as it would be typed into the cell, with its `=`."""
        return "=" + to_text(tree, lambda leaf: self.leaf(leaf, step))

    def leaf(self, leaf: Tree, step: int) -> str:
        """The address of a leaf for a formula of this step; what does not move with it has its $."""
        match leaf:
            case Lane(lane, offset):
                return cell_name(*self._place(lane, step + offset))
            case Fixed(lane, at):
                row, column = self.table.columns[lane].places[at]
                if self.table.vertical:
                    return f"{column_name(column)}${row + 1}"
                return f"${column_name(column)}{row + 1}"
            case Outside(sheet, row, column):
                text = absolute(row, column) if self.table.steps > 1 else cell_name(row, column)
                return text if sheet == self.table.sheet else in_sheet(sheet, text)
            case Block(cells, _):
                return self._block(cells, step)
            case Num(value):
                return f"{value:.15g}"
        return str(leaf)

    def _place(self, lane: int, step: int) -> tuple[int, int]:
        """Where a lane's cell of a step stands, or would stand beyond the table's ends."""
        places = self.table.columns[lane].places
        near = min(max(step, 0), self.table.steps - 1)
        row, column = places[near]
        return (row + step - near, column) if self.table.vertical else (row, column + step - near)

    def _block(self, cells: tuple[Tree, ...], step: int) -> str:
        first, last = self.leaf(cells[0], step), self.leaf(cells[-1], step)
        return first if len(cells) == 1 else f"{first}:{last}"
