"""Layout: which quantity of a table stands in which cell, and the formula there.

The columns of a table are a program: the variable, its product with the factor, then each function
and its derivative, one row of which is filled down. Rows and columns count from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from xlbackprop.curves.spec import Functions, Table
from xlbackprop.graph.backward import backward
from xlbackprop.graph.expr import ZERO, Block, Expr, Prev, Ref, build, mul, refs
from xlbackprop.graph.losses import LOSSES
from xlbackprop.graph.ops import stable
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.sheet.address import absolute, cell_name
from xlbackprop.sheet.printers import worksheet
from xlbackprop.spec.names import gradient_name, local_name

ABOUT_ROW = 1
FIRST, LAST = "first", "last"  # of a grid


Place = tuple[str, int, int]  # sheet, row, column


@dataclass(frozen=True)
class Input:
    """A number that the user may change or, with a `link`, that this formula brings from another sheet."""

    name: str
    row: int
    column: int
    value: float
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table. `function` is empty for the numbers and their product."""

    cell: Cell
    function: str = ""
    target: str = ""  # the name of the input with which the function compares
    differentiated: bool = False
    label: str = ""

    @property
    def name(self) -> str:
        return self.cell.name


def layouts(functions: Functions) -> list[Layout]:
    return [Layout(table, functions.source) for table in functions.tables]


class Layout:
    """A table's sheet: title, texts, a line of inputs, a header, and a row for each number.

    `links` has, by name, the formulas of settings that stand on another sheet of the workbook.
    """

    def __init__(self, table: Table, source: str = "", links: Mapping[str, str] | None = None) -> None:
        self.table, self.sheet, self._links = table, table.title, links or {}
        self.texts = [text for text in (table.about, *table.notes, source and f"Source: {source}") if text]
        self.hint_row = ABOUT_ROW + len(self.texts)
        self.inputs_row = self.hint_row + 1
        self.settings = self._settings()
        self.header_row = self.inputs_row + (2 if self.settings else 1)
        self.first_row = self.header_row + 1
        self.numbers = [
            Input(f"{table.variable} {k + 1}", self.first_row + k, 0, value) for k, value in enumerate(table.numbers)
        ]
        self.columns = self._columns()
        self._places = {column.name: k for k, column in enumerate(self.columns)}
        self._set = {one.name: absolute(one.row, one.column) for one in self.settings}

    def _settings(self) -> list[Input]:
        table, named = self.table, dict[str, float]()
        if table.grid:
            named = {FIRST: table.grid.first, LAST: table.grid.last}
        if table.factor:
            named[table.factor.name] = table.factor.value
        named |= dict(zip(table.target_names, table.targets))
        return [
            Input(name, self.inputs_row, 2 * k + 1, value, self._links.get(name, ""))
            for k, (name, value) in enumerate(named.items())
        ]

    def _columns(self) -> list[Column]:
        table = self.table
        columns = [Column(Cell(table.variable, Role.INPUT, None), label=table.variable)]
        if factor := table.factor:
            product = mul(Ref(table.variable), Ref(factor.name))
            columns.append(Column(Cell(factor.product, Role.PRE_ACTIVATION, product), label=factor.product))
        for target in table.target_names or ("",):
            for function in table.functions:
                value = _value_cell(function, target, table.argument)
                columns.append(Column(value, function, target, label=function))
                if table.derivatives:
                    derivative = _derivative(value, table.argument)
                    columns.append(Column(derivative, function, target, True, f"∂/∂{table.argument}"))
        return columns

    @cached_property
    def program(self) -> Program:
        """The inputs and columns as cells; single assignment makes their names unique."""
        given = [Cell(one.name, Role.SOURCE, None) for one in self.settings]
        return Program([*given, *(column.cell for column in self.columns)])

    @property
    def inputs(self) -> list[Input]:
        return [*self.settings, *self.numbers]

    @property
    def linked(self) -> list[Input]:
        return [one for one in self.settings if one.link]

    @property
    def calculated(self) -> list[Column]:
        return [column for column in self.columns if column.cell.expr is not None or self.table.grid]

    def place(self, column: Column) -> int:
        return self._places[column.name]

    def column(self, name: str) -> Column:
        return self.columns[self._places[name]]

    def value(self, column: Column) -> Column:
        """The column of the function, for that of its derivative."""
        return self.columns[self.place(column) - 1] if column.differentiated else column

    def formula(self, column: Column, k: int) -> str:
        """The formula of the k-th row, without its `=`."""
        if column.cell.expr is None:
            return self._on_grid()

        def resolve(ref: Ref | Prev | Block) -> str:
            if ref.name in self._set:
                return self._set[ref.name]
            return cell_name(self.first_row + k, self._places[ref.name])

        return worksheet(column.cell.expr, resolve)

    def _on_grid(self) -> str:
        """From the first to the last number, by how far down from the header this row is.

        Not by ROWS(A$8:A9), which would be shorter: with the formula's own cell in it, some calculators take
        that for a circle.
        """
        first, last = self._set[FIRST], self._set[LAST]
        above = f"ROW()-ROW(A${self.header_row + 1})-1"
        return f"{first}+({last}-{first})*({above})/{self.table.count - 1}"

    def row_place(self, column: Column, k: int) -> Place:
        return self.sheet, self.first_row + k, self.place(column)

    def input_place(self, one: Input) -> Place:
        return self.sheet, one.row, one.column

    def header_place(self, column: Column) -> Place:
        return self.sheet, self.header_row, self.place(column)

    def formulas(self) -> Iterator[tuple[Place, str]]:
        """Every calculated cell and its formula, without its `=`."""
        for one in self.linked:
            yield self.input_place(one), one.link
        for column in self.columns:
            if column.target:
                yield self.header_place(column), self.label_formula(column)
        for column in self.calculated:
            for k in range(self.table.count):
                yield self.row_place(column, k), self.formula(column, k)

    def label_formula(self, column: Column) -> str:
        """The header of a column that has a target, which it names as it is now."""
        start = self.label_start(column).replace('"', '""')
        return f'"{start}"&{self._set[column.target]}'

    def label_start(self, column: Column) -> str:
        return f"{column.label}, {self.table.target}\u00a0=\u00a0"  # no line breaks inside

    def spoiled_by(self, name: str) -> Iterator[str]:
        """The columns whose formulas use that one, themselves or through others."""
        wrong = {name}
        for column in self.columns:
            if column.cell.expr is not None and not wrong.isdisjoint(refs(column.cell.expr)):
                wrong.add(column.name)
                yield column.name

    def given(self, inputs: Mapping[str, float], k: int) -> dict[str, float]:
        """What the k-th row is calculated from."""
        settings = {one.name: inputs[one.name] for one in self.settings}
        if self.table.grid:
            first, last = inputs[FIRST], inputs[LAST]
            return {**settings, self.table.variable: first + (last - first) * k / (self.table.count - 1)}
        return {**settings, self.table.variable: inputs[self.numbers[k].name]}


def _value_cell(function: str, target: str, argument: str) -> Cell:
    """The function of a row's argument and, of a loss, of the target."""
    if not target:
        symbol = stable(function, wanted=True)
        return Cell(function, Role.ACTIVATION, build(symbol, Ref(argument)))
    name = f"{function} {target}"
    return Cell(name, Role.ERROR, build(LOSSES[function].symbol, Ref(target), Ref(argument)))


def _derivative(value: Cell, argument: str) -> Cell:
    """∂value/∂argument, from the walk that gives trained networks their gradients."""
    assert value.expr is not None
    program = Program([Cell(name, Role.SOURCE, None) for name in dict.fromkeys(refs(value.expr))])
    program.add(value)
    backward(program, value.name, [argument])
    factors = [cell.name for cell in program if cell.role is Role.LOCAL]
    expr: Expr | None = ZERO  # where nothing passes back
    if gradient_name(argument) in program:
        expr = program.without(factors)[gradient_name(argument)].expr
    role = Role.LOCAL if value.role is Role.ACTIVATION else Role.UPSTREAM
    return replace(value, name=local_name(value.name, argument), role=role, expr=expr)
