"""Right sheets in the layouts that people choose are found whole, read as their network, and called correct."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.table import Table as ListObject
from openpyxl.worksheet.worksheet import Worksheet

from xlbackprop.audit.report import Audit
from xlbackprop.checking import verify

Cell = str | float  # a formula in names, or a number

# What stands for a quantity in a formula: its name, with [-1] of the step before, [0] of step 0, always.
NAME = re.compile(r"(dE/d[wb]\d+|delta_[ho]\d+|a_[ho]\d+|E_total|\brate\b|\b[ihotwbE]\d+\b)(\[[-+]?\d+\])?")
SLOPES = {"sigmoid": "{a}*(1-{a})", "tanh": "(1-{a}^2)", "relu": "IF({z}>0,1,0)"}
ACTIVATIONS = {"sigmoid": "1/(1+EXP(-{z}))", "tanh": "TANH({z})", "relu": "MAX(0,{z})"}
LOSSES = {
    "half squared error": ("0.5*({t}-{a})^2", "({a}-{t})*{slope}"),
    "squared error": ("({t}-{a})^2", "2*({a}-{t})*{slope}"),
    "binary cross-entropy": ("-({t}*LN({a})+(1-{t})*LN(1-{a}))", "({a}-{t})"),
}


@dataclass(frozen=True)
class Net:
    """A fully connected network in the class's names; hidden units and weights are numbered through the layers."""

    shape: tuple[int, ...] = (2, 2, 2)
    hidden: str = "sigmoid"
    output: str = "sigmoid"
    loss: str = "half squared error"
    bias: str = ""  # "", "trained", or "fixed" cells outside the table
    deltas: bool = False  # whether each delta has a column

    @property
    def layers(self) -> list[list[str]]:
        names: list[list[str]] = []
        start = 1
        for size in self.shape[1:-1]:
            names.append([f"h{k}" for k in range(start, start + size)])
            start += size
        return [*names, [f"o{k + 1}" for k in range(self.shape[-1])]]

    @property
    def inputs(self) -> list[str]:
        return [f"i{k + 1}" for k in range(self.shape[0])]

    @property
    def targets(self) -> list[str]:
        return [f"t{k + 1}" for k in range(self.shape[-1])]

    @property
    def joins(self) -> list[tuple[str, str, str]]:
        """(weight, source, unit)."""
        found = []
        below = self.inputs
        for layer in self.layers:
            for unit in layer:
                for source in below:
                    found.append((f"w{len(found) + 1}", source, unit))
            below = layer
        return found

    @property
    def biases(self) -> dict[str, str]:
        units = [unit for layer in self.layers for unit in layer]
        return {unit: f"b{k + 1}" for k, unit in enumerate(units)} if self.bias else {}

    @property
    def trained(self) -> list[str]:
        return [weight for weight, _, _ in self.joins] + (list(self.biases.values()) if self.bias == "trained" else [])

    def signal(self, source: str) -> str:
        return source if source in self.inputs else f"a_{source}"

    def slope(self, unit: str) -> str:
        kind = self.output if unit[0] == "o" else self.hidden
        return SLOPES[kind].format(a=f"a_{unit}", z=unit)

    def delta(self, unit: str) -> str:
        """The delta in closed form, or of the deltas above where these have columns."""
        if unit[0] == "o":
            t, a = f"t{unit[1:]}", f"a_{unit}"
            return LOSSES[self.loss][1].format(t=t, a=a, slope=self.slope(unit))
        above = [f"{self._delta_of(u)}*{w}" for w, source, u in self.joins if source == unit]
        return f"({'+'.join(above)})*{self.slope(unit)}"

    def _delta_of(self, unit: str) -> str:
        return f"delta_{unit}" if self.deltas else self.delta(unit)

    def formulas(self) -> dict[str, str]:
        """Each calculated quantity's formula, in the class's order."""
        found = {}
        for layer in self.layers:
            for unit in layer:
                terms = [f"{w}*{self.signal(source)}" for w, source, u in self.joins if u == unit]
                terms += [self.biases[unit]] if self.bias else []
                found[unit] = "+".join(terms)
                found[f"a_{unit}"] = ACTIVATIONS[self.output if unit[0] == "o" else self.hidden].format(z=unit)
        errors = []
        for k, t in enumerate(self.targets, 1):
            found[f"E{k}"] = LOSSES[self.loss][0].format(t=t, a=f"a_o{k}")
            errors.append(f"E{k}")
        found["E_total"] = "+".join(errors)
        if self.deltas:
            found |= {f"delta_{unit}": self.delta(unit) for layer in reversed(self.layers) for unit in layer}
        for w, source, unit in self.joins:
            found[f"dE/d{w}"] = f"{self._delta_of(unit)}*{self.signal(source)}"
        if self.bias == "trained":
            found |= {f"dE/d{b}": self._delta_of(unit) for unit, b in self.biases.items()}
        return found

    def givens(self) -> dict[str, float]:
        """Inputs, targets and first weights: the class's own for its network, else seeded ones."""
        if self.shape == (2, 2, 2):
            weights = [0.15, 0.2, 0.25, 0.3, 0.4, 0.45, 0.5, 0.55]
            found = {"t1": 0.01, "t2": 0.99, "i1": 0.05, "i2": 0.1}
        else:
            rng = Random(7)
            found = {name: round(rng.uniform(0.1, 0.9), 2) for name in [*self.targets, *self.inputs]}
            weights = [round(rng.uniform(0.1, 0.9), 2) for _ in self.joins]
        found |= {w: weight for (w, _, _), weight in zip(self.joins, weights)}
        return found | {b: round(0.1 + 0.07 * k, 2) for k, b in enumerate(self.biases.values())}


def straight(name: str) -> str:
    return name


@dataclass(frozen=True)
class Layout:
    """Where a table stands, counted from 1, and how its author writes."""

    row: int = 33  # of the first step
    column: int = 2
    steps: int = 12
    order: str = "class"  # or "weights first", "shuffled"
    blanks: tuple[str, ...] = ()  # quantities before which a column stays blank
    step: str = ""  # the header of a step column
    copied: str = ""  # inputs and targets: "" typed, "above" =A33, "block" =$B$5
    rate: str = "above"  # or "sheet", "name", "column", "typed"
    new: bool = False  # whether columns w1_new hold the updated weights
    header: int = 1  # lines between header and first step
    transposed: bool = False
    structured: bool = False
    without: tuple[str, ...] = ()  # quantities without a column: their formulas stand inside those that use them
    label: Callable[[str], str] = straight


@dataclass
class Author:
    """Writes one network's table into a sheet; `mistakes` has other formulas, by name or by (name, step)."""

    book: Workbook
    sheet: Worksheet
    net: Net = Net()
    layout: Layout = Layout()
    learning_rate: float = 0.5
    givens: Mapping[str, float] = field(default_factory=dict)
    mistakes: Mapping[str | tuple[str, int], Cell] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)  # of each quantity, its column
    outside: dict[str, str] = field(default_factory=dict)  # and of what stands outside, its address

    def write(self) -> Author:
        self._place()
        self._write_outside()
        for name in self.lines:
            self._put(self.layout.row - self.layout.header, self.lines[name], self.layout.label(name))
        for step in range(self.layout.steps):
            for name in self.lines:
                value = (
                    self.mistakes.get((name, step), self.mistakes.get(name))
                    if step or name not in self.net.trained
                    else None
                )
                content = self._content(name, step) if value is None else value
                self._put(self.layout.row + step, self.lines[name], self._written(content, step))
        if self.layout.structured:
            self._make_list_object()
        return self

    @property
    def formulas(self) -> dict[str, str]:
        """Those of the network, with what has no column put inside the others."""
        found = self.net.formulas()
        inside = {name: f"({found[name]})" for name in self.layout.without}
        while any(name in inside for one in found.values() for name, _ in NAME.findall(one)):
            found = {k: NAME.sub(lambda match: inside.get(match[1], match[0]), one) for k, one in found.items()}
        return found

    def cell(self, name: str, step: int) -> str:
        row, column = self.layout.row + step, self.lines[name]
        return f"{get_column_letter(row)}{column}" if self.layout.transposed else f"{get_column_letter(column)}{row}"

    def range(self, name: str, first: int = 0, last: int | None = None) -> str:
        last = self.layout.steps - 1 if last is None else last
        return f"{self.cell(name, first)}:{self.cell(name, last)}" if first < last else self.cell(name, first)

    def _put(self, row: int, column: int, value: Cell) -> None:
        self.sheet.cell(*((column, row) if self.layout.transposed else (row, column)), value)

    def _place(self) -> None:
        formulas = list(self.net.formulas())
        given = [*self.net.targets, *self.net.inputs]
        first = len(self.net.joins) - len(self.net.layers[-1]) * len(
            self.net.layers[-2] if len(self.net.layers) > 1 else self.net.inputs
        )
        weights = [w for w, _, _ in self.net.joins]
        biases = list(self.net.biases.values()) if self.net.bias == "trained" else []
        names = [
            *given,
            *weights[:first],
            *formulas[: -len(weights)],
            *weights[first:],
            *biases,
            *formulas[-len(weights) :],
        ]
        if self.layout.order == "weights first":
            names = [*given, *weights, *biases, *formulas]
        names += [f"new {w}" for w in self.net.trained] if self.layout.new else []
        names += ["rate"] if self.layout.rate == "column" else []
        if self.layout.order == "shuffled":
            Random(3).shuffle(names)
        column = self.layout.column
        if self.layout.step:
            names.insert(0, "step")
        for name in [one for one in dict.fromkeys(names) if one not in self.layout.without]:
            column += name in self.layout.blanks
            self.lines[name] = column
            column += 1

    def _write_outside(self) -> None:
        self.givens = {**self.net.givens(), **self.givens}
        if self.layout.rate in ("above", "name"):
            self._put(self.layout.row - 4, self.layout.column + 2, "η =")
            self._put(self.layout.row - 4, self.layout.column + 3, self.learning_rate)
            self.outside["rate"] = self._absolute(self.layout.row - 4, self.layout.column + 3)
        if self.layout.rate == "sheet":
            other = self.book.create_sheet("My settings")
            other["A1"], other["B1"] = "Learning rate", self.learning_rate
            self.outside["rate"] = "'My settings'!$B$1"
        if self.layout.rate == "name":
            where = self.outside["rate"]
            self.book.defined_names["eta"] = DefinedName("eta", attr_text=f"'{self.sheet.title}'!{where}")
            self.outside["rate"] = "eta"
        above = list(self.net.biases.values()) if self.net.bias == "fixed" else []
        above += [*self.net.targets, *self.net.inputs] if self.layout.copied == "block" else []
        for k, name in enumerate(above):
            self._put(2 + k, 2, name)
            self._put(2 + k, 3, self.givens[name])
            self.outside[name] = self._absolute(2 + k, 3)

    def _absolute(self, row: int, column: int) -> str:
        row, column = (column, row) if self.layout.transposed else (row, column)
        return f"${get_column_letter(column)}${row}"

    def _content(self, name: str, step: int) -> Cell:
        if name == "step":
            return "=step[-1]+1" if step else 0
        if name == "rate":
            return self.learning_rate
        if name in (*self.net.targets, *self.net.inputs):
            if self.layout.copied == "block":
                return "=" + self.outside[name]
            return f"={name}[-1]" if self.layout.copied and step else self.givens[name]
        if name in self.net.trained:
            if step == 0:
                return self.givens[name]
            if self.layout.new:
                return f"=new {name}[-1]"
            gradient = f"dE/d{name}"
            if gradient in self.layout.without:
                gradient = f"({self.formulas[gradient]})"
            return f"={name}[-1]-rate[-1]*" + NAME.sub(r"\1[-1]", gradient)
        if name.startswith("new "):
            return f"={name[4:]}-rate*dE/d{name[4:]}"
        return "=" + self.formulas[name]

    def _written(self, content: Cell, step: int) -> Cell:
        if not isinstance(content, str):
            return content
        content = re.sub(r"(step|new \w+)\[-1\]", lambda match: self.cell(match[1], step - 1), content)
        return NAME.sub(lambda match: self._address(match[1], match[2] or "", step), content)

    def _address(self, name: str, where: str, step: int) -> str:
        if name == "rate" and self.layout.rate == "typed":
            return repr(self.learning_rate)
        if name in self.outside and name not in self.lines:
            return self.outside[name]
        if self.layout.structured and not where:
            return f"Training[[#This Row],[{self.layout.label(name)}]]"
        if not where:
            return self.cell(name, step)
        if where[1] in "+-":
            return self.cell(name, step + int(where[1:-1]))
        letters, row = re.fullmatch(r"([A-Z]+)(\d+)", self.cell(name, int(where[1:-1]))).groups()  # type: ignore[union-attr]
        return f"${letters}{row}" if self.layout.transposed else f"{letters}${row}"

    def _make_list_object(self) -> None:
        columns = self.lines.values()
        first, last = get_column_letter(min(columns)), get_column_letter(max(columns))
        top = self.layout.row - 1
        self.sheet.add_table(ListObject(displayName="Training", ref=f"{first}{top}:{last}{top + self.layout.steps}"))


def audited(path: Path, mapping: Mapping[str, str] | None = None) -> Audit:
    report = verify(path, mapping=mapping)
    assert isinstance(report, Audit)
    return report


def said(report: Audit) -> list[tuple[str, ...]]:
    return [(one.sheet, one.range, one.quantity, one.kind, one.formula, one.says) for one in report.mistakes]


def one_sheet() -> tuple[Workbook, Worksheet]:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    return book, sheet


def test_the_writer_writes_the_class_sheet() -> None:
    """The builder itself: its formulas are those of the course."""
    assert Net().formulas()["dE/dw4"] == ("((a_o1-t1)*a_o1*(1-a_o1)*w6+(a_o2-t2)*a_o2*(1-a_o2)*w8)*a_h2*(1-a_h2)*i2")
    author = Author(*one_sheet()).write()
    assert list(author.lines)[:8] == ["t1", "t2", "i1", "i2", "w1", "w2", "w3", "w4"]
    assert author.sheet[author.cell("h1", 3)].value == "=F36*D36+G36*E36"
    assert author.sheet[author.cell("w1", 2)].value == "=F34-$E$29*Y34"


CLASS = "2-2-2 sigmoid, half squared error"
SPELLED: dict[str, Callable[[str], str]] = {
    "out_": lambda name: name.replace("a_", "out_").replace("dE/d", "∂E_total/∂").replace("E_total", "E_Total"),
    "net_": lambda name: ("net_" * (name[0] in "ho") + name).replace("dE/d", "E∂").replace("a_", "act_"),
    "short": lambda name: name.replace("a_", "a").replace("dE/d", "Ed").replace("E_total", "Etot"),
    "zero": lambda name: re.sub(r"^a_o", "a_0", name).replace("dE/d", "𝜕ETotal/ 𝜕"),
    "cyrillic": lambda name: name.replace("a_", "а_").replace("E", "Е").replace("o", "о") if name[:2] != "dE" else name,
    "upper": lambda name: name.upper(),
    "whole formulas": lambda name: f"{name} = " + Net().formulas().get(name, "given") if name != "step" else name,
    "none but weights": lambda name: name if name[0] in "wit" else "",
}  # fmt: skip

# Each: the layout, the network, and the network's summary.
LAYOUTS: dict[str, tuple[Layout, Net, str]] = {
    "class": (Layout(), Net(), CLASS),
    "top left": (Layout(row=6, column=1), Net(), CLASS),
    "far away": (Layout(row=700, column=60), Net(), CLASS),
    "step column": (Layout(step="step"), Net(), CLASS),
    "weights first": (Layout(order="weights first", step="epoch"), Net(), CLASS),
    "shuffled": (Layout(order="shuffled"), Net(), CLASS),
    "shuffled, with steps": (Layout(order="shuffled", step="Iteration"), Net(), CLASS),
    "blank columns": (Layout(blanks=("i1", "w1", "h1", "E1", "w5", "dE/dw1")), Net(), CLASS),
    "blank line below the header": (Layout(header=2), Net(), CLASS),
    "copies of the row above": (Layout(copied="above"), Net(), CLASS),
    "inputs in a block": (Layout(copied="block"), Net(), CLASS),
    "rate in another sheet": (Layout(rate="sheet"), Net(), CLASS),
    "rate with a name": (Layout(rate="name"), Net(), CLASS),
    "rate in a column": (Layout(rate="column"), Net(), CLASS),
    "rate typed": (Layout(rate="typed"), Net(), CLASS),
    "new weights": (Layout(new=True), Net(), CLASS),
    "new weights and biases": (Layout(new=True), Net(bias="trained"), "2-2-2 sigmoid, with biases, half squared error"),
    "transposed": (Layout(transposed=True), Net(), CLASS),
    "transposed, shuffled": (Layout(transposed=True, order="shuffled", row=9, step="step"), Net(), CLASS),
    "structured": (Layout(structured=True), Net(), CLASS),
    "structured, with steps": (Layout(structured=True, step="step", order="weights first"), Net(), CLASS),
    "deltas": (Layout(), Net(deltas=True), CLASS),
    "deltas, shuffled": (Layout(order="shuffled"), Net(deltas=True), CLASS),
    "two steps": (Layout(steps=2), Net(), CLASS),
    "three steps": (Layout(steps=3), Net(), CLASS),
    "fixed biases outside": (Layout(), Net(bias="fixed"), "2-2-2 sigmoid, with biases, half squared error"),
    "trained biases": (Layout(), Net(bias="trained"), "2-2-2 sigmoid, with biases, half squared error"),
    "no half": (Layout(), Net(loss="squared error"), "2-2-2 sigmoid, squared error"),
    "cross-entropy": (Layout(), Net(loss="binary cross-entropy"), "2-2-2 sigmoid, binary cross-entropy"),
    "deeper": (Layout(), Net((2, 2, 2, 2)), "2-2-2-2 sigmoid, half squared error"),
    "deeper, with deltas": (Layout(), Net((2, 3, 2, 1), deltas=True), "2-3-2-1 sigmoid, half squared error"),
    "one neuron": (Layout(), Net((1, 1)), "1-1 sigmoid, half squared error"),
    "one neuron, two inputs": (Layout(), Net((2, 1), bias="trained"), "2-1 sigmoid, with biases, half squared error"),
    "a chain": (Layout(), Net((1, 1, 1)), "1-1-1 sigmoid, half squared error"),
    "no hidden layer": (Layout(), Net((3, 2)), "3-2 sigmoid, half squared error"),
    "wide": (Layout(), Net((3, 4, 2)), "3-4-2 sigmoid, half squared error"),
    "tanh": (Layout(), Net(hidden="tanh", output="tanh"), "2-2-2 tanh, half squared error"),
    "tanh and sigmoid": (Layout(), Net(hidden="tanh"), "2-2-2 tanh-sigmoid, half squared error"),
    "relu and sigmoid": (Layout(), Net(hidden="relu"), "2-2-2 relu-sigmoid, half squared error"),
    "no pre-activations": (Layout(without=("h1", "h2", "o1", "o2")), Net(), CLASS),
    "no pre-activations of deltas": (Layout(without=("h1", "h2", "o1", "o2")), Net(deltas=True), CLASS),
    "no errors of one output": (Layout(without=("E1", "E2")), Net(), CLASS),
    "no total": (Layout(without=("E_total",)), Net(), CLASS),
    "no gradients": (Layout(without=tuple(f"dE/dw{k}" for k in range(1, 9))), Net(), CLASS),
    "no gradients, but deltas": (Layout(without=tuple(f"dE/dw{k}" for k in range(1, 9))), Net(deltas=True), CLASS),
    "activations, total and gradients alone": (Layout(without=("h1", "h2", "o1", "o2", "E1", "E2")), Net(), CLASS),
    "68 steps": (Layout(steps=68), Net(), CLASS),
    **{f"labels: {key}": (Layout(label=label), Net(), CLASS) for key, label in SPELLED.items()},
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_right_sheet_is_correct(tmp_path: Path, name: str) -> None:
    layout, net, summary = LAYOUTS[name]
    book, sheet = one_sheet()
    author = Author(book, sheet, net, layout).write()
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    (table,) = report.tables
    assert table.network == summary
    assert (table.verdict, report.verdict, table.sheet) == ("correct", "correct", sheet.title)
    if not layout.transposed:
        assert (table.first_row, table.last_row) == (layout.row, layout.row + layout.steps - 1)
    assert table.learning_rate == 0.5
    # Each formula is compared; a first weight is a number, and columns of no meaning may be compared or not.
    least = (len(net.formulas()) - len(layout.without)) * layout.steps + len(net.trained) * (layout.steps - 1)
    assert least <= table.cells <= len(author.lines) * layout.steps


@pytest.mark.parametrize(
    "net", [Net(), Net((2, 3, 2), deltas=True), Net((1, 1)), Net(hidden="tanh", bias="trained")], ids=repr
)
@pytest.mark.parametrize(
    "layout", [Layout(order="shuffled", step="n"), Layout(structured=True), Layout(transposed=True, new=True)]
)
def test_layouts_and_networks_go_together(tmp_path: Path, net: Net, layout: Layout) -> None:
    book, sheet = one_sheet()
    Author(book, sheet, net, layout).write()
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert report.tables[0].network.split()[0] == "-".join(map(str, net.shape))


# Several tables.


def test_two_tables_side_by_side_share_their_rows(tmp_path: Path) -> None:
    book, sheet = one_sheet()
    left = Author(book, sheet, layout=Layout(column=1), learning_rate=0.1).write()
    right = Author(book, sheet, layout=Layout(column=max(left.lines.values()) + 3, order="weights first")).write()
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert [(one.first_row, one.last_row, one.learning_rate) for one in report.tables] == [(33, 44, 0.1), (33, 44, 0.5)]
    assert [one.range.split(":")[0] for one in report.tables] == [left.cell("t1", 0), right.cell("t1", 0)]


def test_side_by_side_with_one_table_longer(tmp_path: Path) -> None:
    book, sheet = one_sheet()
    left = Author(book, sheet, layout=Layout(column=1, steps=20), learning_rate=0.1).write()
    Author(book, sheet, layout=Layout(column=max(left.lines.values()) + 2, row=35, steps=7)).write()
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert [(one.first_row, one.last_row) for one in report.tables] == [(33, 52), (35, 41)]


def test_stacked_tables(tmp_path: Path) -> None:
    book, sheet = one_sheet()
    for k, rate in enumerate((0.1, 0.2, 0.5)):
        Author(book, sheet, layout=Layout(row=10 + 25 * k, steps=10), learning_rate=rate).write()
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert [(one.first_row, one.last_row, one.learning_rate) for one in report.tables] == [
        (10, 19, 0.1), (35, 44, 0.2), (60, 69, 0.5),
    ]  # fmt: skip


def test_stacked_tables_without_room_between_them(tmp_path: Path) -> None:
    book, sheet = one_sheet()
    for k, rate in enumerate((0.1, 0.2)):
        Author(book, sheet, layout=Layout(row=10 + 14 * k, steps=10), learning_rate=rate).write()
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert [(one.first_row, one.last_row) for one in report.tables] == [(10, 19), (24, 33)]


def test_a_sheet_for_each_rate_and_a_hidden_one(tmp_path: Path) -> None:
    book, sheet = one_sheet()
    Author(book, sheet).write()
    for rate in (0.1, 2.0):
        other = book.create_sheet(f"η = {rate}")
        Author(book, other, learning_rate=rate).write()
    other.sheet_state = "hidden"
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert [(one.sheet, one.learning_rate) for one in report.tables] == [
        ("Sheet", 0.5),
        ("η = 0.1", 0.1),
        ("η = 2.0", 2.0),
    ]


# What stands around a table.


def titled(sheet: Worksheet, author: Author) -> None:
    sheet.merge_cells(start_row=31, start_column=2, end_row=31, end_column=5)
    sheet.cell(31, 2, "Inputs")
    sheet.merge_cells(start_row=31, start_column=6, end_row=31, end_column=9)
    sheet.cell(31, 6, "Forward pass")


def derived(sheet: Worksheet, author: Author) -> None:
    for k, (name, formula) in enumerate(Net().formulas().items()):
        sheet.cell(2 + k, 3, f"{name} = {formula}".replace("dE/d", "∂E/∂"))


def huge(sheet: Worksheet, author: Author) -> None:
    for row in (5000, 1_048_576):
        sheet.cell(row, 3).font = Font(bold=True)
    sheet.cell(1_048_576, 16_384).font = Font(bold=True)


def noted(sheet: Worksheet, author: Author) -> None:
    sheet.cell(36, 60, "here the loss falls fast")
    sheet.cell(40, 60, 3.5)
    sheet.cell(60, 3, "Total"), sheet.cell(60, 4, "=SUM(D33:D44)")


def summarized(sheet: Worksheet, author: Author) -> None:
    """A copy of the errors for a chart, and their least."""
    for step in range(12):
        sheet.cell(33 + step, 60, "=" + author.cell("E_total", step))
    sheet.cell(46, 60, f"=MIN({author.range('E_total')})")
    sheet.cell(32, 60, "for the chart")


def tailed(sheet: Worksheet, author: Author) -> None:
    """One more row of weights only, as a fill handle leaves it."""
    for w in Net().trained:
        sheet[author.cell(w, 12)] = f"={author.cell(w, 11)}-$E$29*{author.cell(f'dE/d{w}', 11)}"


@pytest.mark.parametrize("around", [titled, derived, huge, noted, summarized, tailed])
def test_what_stands_around_a_table_is_no_mistake(tmp_path: Path, around: Callable[[Worksheet, Author], None]) -> None:
    book, sheet = one_sheet()
    author = Author(book, sheet).write()
    around(sheet, author)
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    (table,) = report.tables
    assert (table.first_row, table.network) == (33, CLASS)
    assert table.last_row in (44, 45)


def sampled(author: Author) -> None:
    """Another sample in every row, as for XOR."""
    for step in range(author.layout.steps):
        for name, value in zip(
            ("i1", "i2", "t1", "t2"), ((0, 0, 0, 1), (0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 1))[step % 4]
        ):
            author.sheet[author.cell(name, step)] = value


def started(author: Author) -> None:
    """First weights that stand in a block of their own."""
    for k, w in enumerate(Net().trained):
        author.sheet.cell(3 + k, 70, f"initial {w}")
        author.sheet.cell(3 + k, 71, author.givens[w])
        author.sheet[author.cell(w, 0)] = f"=$BS${3 + k}"


def counted(author: Author) -> None:
    """Steps that are typed, counted from 1."""
    for step in range(author.layout.steps):
        author.sheet.cell(author.layout.row + step, 1, step + 1)
    author.sheet.cell(author.layout.row - 1, 1, "Epoch")


def remarked(author: Author) -> None:
    """Texts and ratios right beside the table."""
    column = max(author.lines.values()) + 1
    author.sheet.cell(32, column, "E / E before")
    for step in range(1, author.layout.steps):
        author.sheet.cell(33 + step, column, f"={author.cell('E_total', step)}/{author.cell('E_total', step - 1)}")
    author.sheet.cell(36, column + 1, "falls slowly")


def settled(author: Author) -> None:
    """Numbers at which nothing moves: all weights 0 and targets of 0.5, whose gradients are all 0."""
    for name in Net().trained:
        author.sheet[author.cell(name, 0)] = 0
    for step in range(author.layout.steps):
        for name, value in {"i1": 0, "i2": 0, "t1": 0.5, "t2": 0.5}.items():
            author.sheet[author.cell(name, step)] = value


@pytest.mark.parametrize("filled", [sampled, started, counted, remarked, settled])
def test_what_is_filled_in_otherwise_is_no_mistake(tmp_path: Path, filled: Callable[[Author], None]) -> None:
    book, sheet = one_sheet()
    filled(Author(book, sheet).write())
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert [(one.first_row, one.last_row, one.network) for one in report.tables] == [(33, 44, CLASS)]


def test_protected_sheets_and_frozen_panes_and_filters_do_not_matter(tmp_path: Path) -> None:
    book, sheet = one_sheet()
    Author(book, sheet).write()
    sheet.protection.sheet = True
    sheet.freeze_panes = "B33"
    sheet.auto_filter.ref = "B32:AF44"
    sheet.row_dimensions[36].hidden = True
    book.save(tmp_path / "x.xlsx")
    assert audited(tmp_path / "x.xlsx").correct


# The one-page form: a label left, its value right, one step.


def form(sheet: Worksheet, net: Net, wrong: Mapping[str, str] = {}, interleaved: bool = False) -> dict[str, str]:
    """Writes the form and gives the address of each quantity; interleaved, w1_new stands below ∂E/∂w1, and η apart."""
    formulas = net.formulas()
    names = [*net.givens(), "rate", *formulas, *(f"new {w}" for w in net.trained)]
    if interleaved:
        names.sort(
            key=lambda name: (2, name.split()[-1].removeprefix("dE/d"), len(name)) if name[:2] in ("dE", "ne") else (1,)
        )
    where = {name: f"C{k}" for k, name in enumerate(names, 3)}
    if interleaved:
        where["rate"] = "G2"
    for name, cell in where.items():
        sheet[f"{chr(ord(cell[0]) - 1)}{cell[1:]}"] = {"rate": "learning rate"}.get(
            name, re.sub(r"new (\w+)", r"\1_new", name)
        )
        formula = f"{name[4:]}-rate*dE/d{name[4:]}" if name.startswith("new") else formulas.get(name)
        if formula is None:
            sheet[cell] = {**net.givens(), "rate": 0.5}[name]
        else:
            sheet[cell] = "=" + NAME.sub(lambda match: where[match[1]], wrong.get(name, formula))
    return where


@pytest.mark.parametrize(
    "net", [Net(), Net(bias="trained"), Net(deltas=True), Net((3, 2)), Net(hidden="tanh")], ids=repr
)
def test_a_form_is_a_table_of_one_step(tmp_path: Path, net: Net) -> None:
    book, sheet = one_sheet()
    form(sheet, net)
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert [one.verdict for one in report.tables] == ["correct"]
    assert report.tables[0].network.split()[0] == "-".join(map(str, net.shape))


@pytest.mark.parametrize("net", [Net(), Net((1, 1)), Net(bias="trained")], ids=repr)
def test_a_form_with_each_new_weight_below_its_gradient(tmp_path: Path, net: Net) -> None:
    book, sheet = one_sheet()
    where = form(sheet, net, interleaved=True)
    assert int(where["new w1"][1:]) == int(where["dE/dw1"][1:]) + 1
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert report.tables[0].network.split()[0] == "-".join(map(str, net.shape))


def test_a_wrong_form_is_wrong(tmp_path: Path) -> None:
    book, sheet = one_sheet()
    where = form(sheet, Net(), {"dE/dw6": "(a_o1-t1)*a_o1*(1-a_o1)*a_h1"})
    book.save(tmp_path / "x.xlsx")
    assert [(one.cell, one.quantity, one.kind) for one in audited(tmp_path / "x.xlsx").mistakes] == [
        (where["dE/dw6"], "dE/dw6", "wrong-neuron")
    ]


# No labels at all, but the weights' places said.


def test_what_labels_do_not_say_the_mapping_does(tmp_path: Path) -> None:
    book, sheet = one_sheet()
    foreign = {
        name: f"Größe {chr(97 + k % 26)}{chr(97 + k // 26)}"
        for k, name in enumerate([*Net().givens(), *Net().formulas()])
    }
    author = Author(book, sheet, layout=Layout(label=lambda name: foreign[name])).write()
    book.save(tmp_path / "x.xlsx")
    mapping = {name: get_column_letter(line) for name, line in author.lines.items()}
    report = audited(tmp_path / "x.xlsx", mapping)
    assert said(report) == []
    assert report.tables[0].network == CLASS


def test_a_formula_of_many_terms_spoils_nothing(tmp_path: Path) -> None:
    """A sum of 1,500 cells beside the table, and inside it."""
    book, sheet = one_sheet()
    author = Author(book, sheet).write()
    column = max(author.lines.values()) + 1
    sheet.cell(32, column, "checksum")
    for step in range(12):
        sheet.cell(33 + step, column, "=" + "+".join([author.cell("E_total", step)] * 1500))
    book.save(tmp_path / "x.xlsx")
    report = audited(tmp_path / "x.xlsx")
    assert said(report) == []
    assert report.tables[0].network == CLASS


def test_layouts_differ() -> None:
    assert len({repr(one) for one in LAYOUTS.values()}) == len(LAYOUTS)
