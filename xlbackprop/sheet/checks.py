"""Checks: where the check of each gradient stands, a row for each parameter, and the formula of every cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

from xlbackprop.graph.checks import BANDS, SUMMARY, checkable, checks, others
from xlbackprop.graph.expr import Block, Prev, Ref, blocks
from xlbackprop.graph.program import Cell, Program
from xlbackprop.sheet.address import absolute, cell_name
from xlbackprop.sheet.printers import worksheet
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming

CHECKS = "Checks"
_HEADINGS = {
    naming.VALUE: "value",
    naming.ANALYTIC: "∂E/∂w, by the backward pass",
    naming.CENTRAL_OFF: "off by",
    naming.COMPLEX_OFF: "off by",
}
_STEPPED = {naming.PLUS: naming.UP, naming.MINUS: naming.DOWN}


class Checks:
    STATUS, LARGEST = (2, 0), (5, 1)
    STEPS_ROW = 3  # of ε, and below it h
    BAND_ROW, HEADER_ROW, FIRST_ROW = 8, 9, 10

    def __init__(self, spec: Spec, program: Program) -> None:
        # In a worksheet to be filled in they would hold the answers.
        self.programs = checks(spec, program) if spec.level == "worked" else {}
        self.names = list(self.programs)
        self.checkable = len(checkable(spec))
        self.rows = others(spec) if self.programs else range(0)  # of the other samples, counted from 1
        self._forward = [cell.name for cell in program]
        # What is taken over the batch stands once for all its samples.
        self.shared = [cell.name for cell in program if cell.expr is not None and any(blocks(cell.expr))]

    @cached_property
    def cells(self) -> dict[str, Cell]:
        """The quantities that have columns, each as one of the parameters has it."""
        return {cell.name: cell for program in self.programs.values() for cell in program if cell.expr is not None}

    @cached_property
    def bands(self) -> dict[str, dict[str, str]]:
        """For each band the quantities of its columns, in order, and their headings; the first is the summary."""
        result = {"": {name: _HEADINGS.get(name, name) for name in SUMMARY if self.names}}
        for band in BANDS:
            samples = [(name, *(naming.other_name(name, k) for k in self.rows)) for name in self._forward]
            stepped = {band.format(name): name for names in samples for name in names}
            first = {w: w for w in [_STEPPED.get(band, "")] if w}
            result[band] = {name: text for name, text in (first | stepped).items() if name in self.cells}
        return result

    @cached_property
    def quantities(self) -> dict[str, str]:
        """For each column but the imaginary parts', what stands for it where a parameter does not move it."""
        return {name: text for band, names in self.bands.items() if band != naming.IM for name, text in names.items()}

    @cached_property
    def columns(self) -> dict[str, int]:
        return {name: 1 + k for k, name in enumerate(name for band in self.bands.values() for name in band)}

    @cached_property
    def others(self) -> list[str]:
        """What the checks use of the batch's other samples as it stands in their rows of the table."""
        used = {cell.name for program in self.programs.values() for cell in program if cell.expr is None}
        return [name for name in self._forward if any(naming.other_name(name, k) in used for k in self.rows)]

    @property
    def others_row(self) -> int:
        """The first of them, below the last parameter; its header is above it."""
        return self.FIRST_ROW + len(self.names) + 3

    @cached_property
    def others_columns(self) -> dict[str, int]:
        return {name: 1 + k for k, name in enumerate((naming.VISIT, *self.others))} if self.others else {}

    def headings(self) -> Iterator[tuple[int, int, str]]:
        """(row, column, text) of what stands beside and above the numbers."""
        for k, name in enumerate(self.names):
            yield self.FIRST_ROW + k, 0, name
        for band in self.bands.values():
            for name, text in band.items():
                yield self.HEADER_ROW, self.columns[name], text
        for name, column in self.others_columns.items():
            yield self.others_row - 1, column, name

    def places(self) -> Iterator[tuple[int, int, str, tuple[int, ...]]]:
        """(row, column, quantity, rows below that which have it) of everything that is calculated."""
        if self.names:
            yield *self.STATUS, naming.DISAGREE, (0,)
            yield *self.LARGEST, naming.LARGEST, (0,)
        for name, column in self.columns.items():
            yield self.FIRST_ROW, column, name, self.rows_of(name)

    def rows_of(self, quantity: str) -> tuple[int, ...]:
        """The parameters that move it, counted from 0."""
        return tuple(self._rows_of.get(quantity, ()))

    @cached_property
    def _rows_of(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for k, program in enumerate(self.programs.values()):
            for cell in program:
                rows.setdefault(cell.name, []).append(k)
        return rows

    def formula(self, quantity: str, k: int, on_page: Callable[[str], str]) -> str:
        """Of its k-th cell; `on_page` gives the address of what the pages show."""
        if quantity == naming.DISAGREE:
            return f"{len(self.names)}-COUNTIF({self._column(naming.AGREES)},1)"
        if quantity == naming.LARGEST:
            gradients = self._column(naming.ANALYTIC)
            return f"MAX(MAX({gradients}),-MIN({gradients}))"
        offset = self.rows_of(quantity)[k]
        program = self.programs[self.names[offset]]
        row, expr = self.FIRST_ROW + offset, program[quantity].expr
        assert expr is not None

        def resolve(ref: Ref | Prev | Block) -> str:
            if program[ref.name].expr is not None:
                return cell_name(row, self.columns[ref.name])
            if ref.name in (naming.EPSILON, naming.H):
                return ref.name
            if ref.name == naming.LARGEST:
                return absolute(*self.LARGEST)
            return self._of_others.get(ref.name) or on_page(ref.name)

        return worksheet(expr, resolve)

    @cached_property
    def _of_others(self) -> dict[str, str]:
        """The address of each number of the other samples."""
        return {
            naming.other_name(name, k): absolute(self.others_row + k - 1, self.others_columns[name])
            for name in self.others
            for k in self.rows
        }

    def _column(self, quantity: str) -> str:
        column = self.columns[quantity]
        return f"{cell_name(self.FIRST_ROW, column)}:{cell_name(self.FIRST_ROW + len(self.names) - 1, column)}"
