"""A cell, or a quantity, of somebody else's workbook: what the audit finds of it, and the chain in its own cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from xlbackprop.audit.auditing import Audited, audit_tables
from xlbackprop.audit.formula import Block, Fixed, Lane, Num, Outside, Tree
from xlbackprop.audit.network import Parameter, Variable
from xlbackprop.audit.right import program_of, variables_of
from xlbackprop.audit.table_audit import TableAudit
from xlbackprop.audit.written import to_text
from xlbackprop.engine import Engine
from xlbackprop.errors import WorkbookError
from xlbackprop.explanation.asked import Asked
from xlbackprop.explanation.cells import Place, formula_at
from xlbackprop.explanation.chain import Scene, chain, scene_of
from xlbackprop.explanation.plain import explain_plain
from xlbackprop.explanation.report import Explanation
from xlbackprop.graph.expr import Ref
from xlbackprop.graph.optimizers import sgd_step
from xlbackprop.graph.program import Cell, Program, Role
from xlbackprop.sheet.address import cell_name, in_sheet
from xlbackprop.sheet.plugged import rounded
from xlbackprop.spec import canonical, gradient_name, updated_name
from xlbackprop.spec.names import RATE

_ABOVE = " above"


def explain_theirs(asked: Asked, engine: Engine) -> Explanation:
    """Raises WorkbookError for a file that cannot be read, and for what is not there."""
    audited, tables = tables_of(asked.workbook, engine)
    values, workbook = audited.values, str(asked.workbook)
    names = list(dict.fromkeys(name for table in tables for name in table.names))
    name = asked.quantity(names)
    if name is not None:
        return _at_rate([table for table in tables if name in table.names], asked).named(name, asked)
    cell = asked.cell(values.book.sheets, names)
    if cell is None:
        raise asked.unknown(names) if tables else WorkbookError(f"{workbook}: {audited.lacking}")
    first = _at_rate(tables, asked).sheet if tables else next(iter(values.book.sheets))
    place = (cell[0] or first, cell[1], cell[2])
    for table in tables:
        step_of = table.audit.table.where.get(place[1:])
        if table.sheet == place[0] and step_of is not None:
            return table.at(*step_of)
    plain = explain_plain(values, place, workbook, engine.name)
    return next((found for table in tables if (found := table.beside(place, plain)) is not None), plain)


def tables_of(path: Path, engine: Engine) -> tuple[Audited, list[_Table]]:
    audited = audit_tables(path, engine)
    return audited, [_Table(one, str(path), engine.name) for one in audited.tables]


def _at_rate(tables: list[_Table], asked: Asked) -> _Table:
    rated = [table for table in tables if table.rate is not None] if asked.rate is not None else tables
    return rated[asked.rate_among([table.rate for table in rated if table.rate is not None])]


@dataclass(frozen=True)
class _Table:
    audit: TableAudit
    workbook: str
    engine: str

    @property
    def sheet(self) -> str:
        return self.audit.table.sheet

    @property
    def rate(self) -> float | None:
        return self.audit.report.learning_rate

    @cached_property
    def _program(self) -> Program:
        return program_of(self.audit.network) or Program()

    @cached_property
    def _variables(self) -> dict[str, Variable]:
        """Where each quantity of the network stands, by its name in the program."""
        network, columns = self.audit.network, self.audit.table.columns
        found = variables_of(network)
        found |= {updated_name(one.name): Lane(one.updated) for one in network.parameters.values() if one.updated}
        plain = {canonical(cell.name): cell.name for cell in self._program}
        for lane in network.helpers:
            meaning = self.audit.comparing.result.means.get(lane) or columns[lane].read.quantity
            name = plain.get(meaning, columns[lane].label.strip())
            if name and name not in found:
                found[name] = Lane(lane)
        return found

    @property
    def names(self) -> list[str]:
        return [*self._variables, *(cell.name for cell in self._program if cell.name not in self._variables)]

    def named(self, name: str, asked: Asked) -> Explanation:
        step = asked.step_among(self.audit.table.steps - 1)
        match self._variables.get(name):
            case Lane(lane):
                return self.at(lane, step)
            case Outside(sheet, row, column):
                place = (sheet, row, column)
                plain = explain_plain(self.audit.values, place, self.workbook, self.engine)
                return self.beside(place, plain) or plain
        scene = self._scene(step)
        return replace(
            self._about(step), quantity=name, says="not in a cell of this table; calculated from those that are",
            value=scene.value(name), chain=chain(scene, name),
        )  # fmt: skip

    def beside(self, place: Place, plain: Explanation) -> Explanation | None:
        """A cell outside the table that the table uses: a rate, a weight, a target."""
        variable, roles = Outside(*place), self.audit.roles
        if not roles.name(variable):
            return None
        says = f"{roles.role(variable)} of {in_sheet(self.sheet, self.audit.range)}"
        return replace(plain, quantity=roles.name(variable), says=says)

    def at(self, lane: int, step: int) -> Explanation:
        """What stands in a cell of the table."""
        audit = self.audit
        row, column = audit.table.columns[lane].places[step]
        place = (self.sheet, row, column)
        name = next((one for one, variable in self._variables.items() if variable == Lane(lane)), "")
        content = audit.bound.contents[lane][step]
        tree = None if content is None or isinstance(content, (float, str)) else content
        symbols = self._written(tree, lambda leaf: self._name(leaf, step))
        scene = self._scene(step)
        mistake, right = audit.mistake_at(lane, step)
        return replace(
            self._about(step),
            cell=cell_name(row, column), quantity=name or audit.roles.quantity(lane), says=self._says(lane),
            symbols=symbols, formula=formula_at(audit.values, place),
            numbers=self._written(tree, lambda leaf: self._number(leaf, lane, step)),
            value=audit.values.at(*place), wrong=mistake, right=right,
            notes=(*self._about(step).notes, *self._checked(lane, tree, mistake), *self._carried(place)),
            chain=chain(scene, name, symbols) if name in scene.program else (),
        )  # fmt: skip

    def _about(self, step: int) -> Explanation:
        report = self.audit.report
        table = f"{report.network}; {report.range}, {report.verdict}"
        return Explanation(
            self.workbook, self.engine, self.sheet, step=step, rate=self.rate, notes=(("network", table),)
        )

    def _says(self, lane: int) -> str:
        label = self.audit.table.columns[lane].label.strip()
        role = self.audit.roles.role(Lane(lane))
        what = {"helper": "a helper column", "output": "activation of an output unit"}
        parameter = next((one for one in self.audit.network.parameters.values() if one.gradient == lane), None)
        said = what.get(role, role) if parameter is None else f"gradient of the error by {parameter.name}"
        variable = Lane(lane) if parameter is None else parameter.variable
        if parameter is not None and self.audit.network.convention != "gradient":
            said += f", as the table has it: {self.audit.network.convention}"
        joins = next((text for one, text in self._joins() if one == variable), "")
        called = f"; the sheet calls it {label!r}" if label else ""
        return said + joins + called

    def _joins(self) -> Iterator[tuple[Variable, str]]:
        """Of each weight, what it joins."""
        network = self.audit.network
        for unit in network.units.values():
            for variable, source in unit.inputs:
                yield variable, f" from {source if source in network.inputs else f'a_{source}'} to {unit.name}"
            if unit.bias is not None:
                yield unit.bias, f" of {unit.name}"

    def _checked(self, lane: int, tree: Tree | None, mistake: str) -> Iterator[tuple[str, str]]:
        if tree is None or mistake or not self.audit.live or lane not in self.audit.comparing.right:
            return
        others = len(self.audit.mistakes)
        mistakes = "1 mistake" if others == 1 else f"{others} mistakes"
        rest = f"; xlbackprop verify names {mistakes} elsewhere" if others else ""
        yield "checked", f"its own formula is right{rest}"

    def _carried(self, place: Place) -> Iterator[tuple[str, str]]:
        values = self.audit.values
        if values.recalculated is None or place in values.carried:
            reason = values.carried.get(place, "nothing")
            yield "carried", f"the value is the file's own; the calculator gives {reason}"

    # Their formulas with names and numbers for addresses.

    def _written(self, tree: Tree | None, leaf: Callable[[Tree], str]) -> str:
        return "" if tree is None else to_text(tree, leaf).replace("*", "·")

    def _name(self, leaf: Tree, step: int) -> str:
        match leaf:
            case Block(cells, _):
                return ",".join(self._name(one, step) for one in cells)
            case Lane(lane, offset) if offset:
                how = {-1: _ABOVE, 1: " below"}.get(offset, f" {abs(offset)} {'below' if offset > 0 else 'above'}")
                return self._name(Lane(lane), step) + how
            case Fixed(lane, at):
                return f"{self._name(Lane(lane), step)} of step {at}"
        if leaf == self.audit.network.rate:
            return RATE
        known = next((one for one, variable in self._variables.items() if variable == leaf), "")
        return known or self.audit.places.leaf(leaf, step)

    def _number(self, leaf: Tree, lane: int, step: int) -> str:
        if isinstance(leaf, Block):
            return ",".join(self._number(one, lane, step) for one in leaf.cells)
        return rounded(self.audit.evaluate(leaf, lane, step))

    # The chain.

    def _scene(self, step: int) -> Scene:
        """The network's quantities at a step; those that have no cell are calculated from those that have."""
        program, values, cells = Program(self._program), dict[str, float](), dict[str, str]()
        known = {**self._variables, **({RATE: self.audit.network.rate} if self.audit.network.rate else {})}
        for name, variable in known.items():
            values[name] = self.audit.evaluate(variable, 0, step)
            cells[name] = "" if isinstance(variable, Num) else self.audit.places.leaf(variable, step)
        if RATE in known:
            program.given(RATE, Role.RATE)
            for parameter in self.audit.network.parameters.values():
                self._add_update(program, values, cells, parameter, step)
        return scene_of(program, values, cells)

    def _add_update(
        self, program: Program, values: dict[str, float], cells: dict[str, str], parameter: Parameter, step: int
    ) -> None:
        """What a weight was before its update, in the step above, and the gradient that it took."""
        name, slope = parameter.name, gradient_name(parameter.name)
        if slope not in program or self.audit.network.convention != "gradient":
            return
        if parameter.updated is not None:
            program.define(updated_name(name), Role.UPDATED, sgd_step(Ref(name), Ref(slope)))
        if step == 0 or not parameter.trained or parameter.gradient is None or parameter.updated is not None:
            return
        for one, variable in ((name, parameter.variable), (slope, Lane(parameter.gradient))):
            assert isinstance(variable, Lane)
            values[one + _ABOVE] = self.audit.evaluate(variable, 0, step - 1)
            cells[one + _ABOVE] = self.audit.places.leaf(variable, step - 1)
            program.given(one + _ABOVE, program[one].role)
        program.cells[name] = Cell(name, Role.WEIGHT, sgd_step(Ref(name + _ABOVE), Ref(slope + _ABOVE)))
