"""Where a training table's quantities stand in a sheet, and how its formulas refer to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from openpyxl.utils import get_column_letter, quote_sheetname

from benchmarks.mutations.expression import Expr, Num, Op, Ref, Span
from benchmarks.mutations.network import STEP, Network
from benchmarks.mutations.recipes import Hand, calculated

Address = tuple[str, int, int]  # sheet, row and column, counted from 1
BLOCK = "block "  # before a quantity's name: its cell in the block above the table
CONSTANT = {"input", "target"}  # and biases that are not trained


def a1(address: Address, dollars: bool = False) -> str:
    mark = "$" if dollars else ""
    return f"{mark}{get_column_letter(address[2])}{mark}{address[1]}"


@dataclass(frozen=True)
class Single:
    """One cell outside the table, with its defined name where it has one."""

    address: Address
    name: str = ""


@dataclass(frozen=True)
class Table:
    """A quantity's slot is a column, or a row where the steps go across; `columns` has its formula at each step."""

    network: Network
    hand: Hand
    sheet: str
    top: int  # of the first step
    left: int
    across: bool
    slots: Mapping[str, int]
    steps: int
    singles: Mapping[str, Single]
    labels: Mapping[str, str]
    structured: str  # the Excel table's name, where it is one
    columns: Mapping[str, tuple[Expr, ...]]

    @property
    def form(self) -> bool:
        """One step on a page, label left and value right, with the new weights at its end."""
        return self.across and self.steps == 1

    def address(self, name: str, step: int = 0) -> Address:
        if name in self.singles:
            return self.singles[name].address
        slot = self.slots[name]
        if self.across:
            return self.sheet, self.top + slot, self.left + step
        return self.sheet, self.top + step, self.left + slot

    def header(self, name: str) -> Address:
        sheet, row, column = self.address(name)
        return (sheet, row, column - 1) if self.across else (sheet, row - 1, column)

    def text(self, expr: Expr, step: int) -> str:
        """The formula as it stands in the cell of that step."""
        return "=" + self.hand.spelling.lead + self.hand.spelling.text(expr, lambda ref: self._cell(ref, step))

    def content(self, name: str, step: int) -> str | float:
        match self.columns[name][step]:
            case Num(text):
                return float(text)
            case expr:
                return self.text(expr, step)

    def in_words(self, expr: Expr) -> str:
        """The formula with labels in place of cells."""
        return self.hand.spelling.text(expr, lambda ref: self.labels[ref.name if isinstance(ref, Ref) else ref.first])

    def _cell(self, ref: Ref | Span, step: int) -> str:
        if isinstance(ref, Span):
            return f"{a1(self.address(ref.first, step))}:{a1(self.address(ref.last, step))}"
        if single := self.singles.get(ref.name):
            return self._single(single, ref.drift)
        if ref.pinned is not None:
            return a1(self.address(ref.name, ref.pinned), dollars=True)
        if self.structured and ref.lag == 0:
            return f"{self.structured}[[#This Row],[{self.labels[ref.name]}]]"
        return a1(self.address(ref.name, step - ref.lag))

    def _single(self, single: Single, drift: int) -> str:
        sheet, row, column = single.address
        if drift:
            return a1((sheet, row, column + drift) if self.across else (sheet, row + drift, column))
        if single.name:
            return single.name
        prefix = "" if sheet == self.sheet else f"{quote_sheetname(sheet)}!"
        return prefix + a1(single.address, dollars=True)

    def typed(self) -> dict[Address, tuple[str, float]]:
        """The cells that hold the workbook's inputs, each with its quantity and number."""
        found: dict[Address, tuple[str, float]] = {}
        for name, exprs in self.columns.items():
            for step, expr in enumerate(exprs):
                if name != STEP and (text := typed_text(expr)) is not None:
                    found[self.address(name, step)] = name, float(text)
        for name, single in self.singles.items():
            quantity = name.removeprefix(BLOCK)
            found[single.address] = quantity, self.network.numbers[quantity]
        return found

    def given(self, numbers: Mapping[Address, float]) -> list[dict[str, float]]:
        """What each step starts from, where the typed cells hold these numbers."""
        network = self.network
        names = [n for n, (role, _) in network.roles.items() if role in (*CONSTANT, "weight", "bias", "rate")]

        def value(name: str, step: int) -> float:
            if name in self.singles:
                return numbers[self.singles[name].address]
            match self.columns[name][step]:
                case Ref(other, lag, pinned):
                    return value(other, step - lag if pinned is None else pinned)
            return numbers[self.address(name, step)]

        constant = [name for name in names if name not in network.trained]
        first = {name: value(name, 0) for name in names}
        return [first, *({name: value(name, step) for name in constant} for step in range(1, self.steps))]


def typed_text(expr: Expr) -> str | None:
    """What is typed as a number, or as a formula of a number alone."""
    match expr:
        case Num(text) | Op("bare", (Num(text),)):
            return text
    return None


def in_columns(network: Network, hand: Hand) -> dict[str, list[str]]:
    """The quantities that have slots, by group in the class sheet's order."""
    groups = {"targets": network.targets, "inputs": network.units(0), **calculated(network, hand)}
    if hand.inputs == "only block":
        fixed = [] if network.biases != "fixed" else [n for n in network.roles if network.role(n) == "bias"]
        groups = {group: [n for n in names if n not in fixed] for group, names in groups.items()}
        groups["targets"] = groups["inputs"] = []
    return groups


def draw_slots(rng: Random, network: Network, hand: Hand, form: bool, gaps: bool) -> dict[str, int]:
    """An order of columns, with blanks between the groups where there are to be `gaps`."""
    groups = in_columns(network, hand)
    if form:
        groups["updates"] = [f"update {name}" for name in network.trained]
    order, style = list(groups), rng.choice(["class", "class", "class", "together", "inputs first", "shuffled"])
    if style == "together":
        order.sort(key=lambda group: (not group.startswith(("targets", "inputs")), not group.startswith("weights")))
    elif style == "inputs first":
        order[0], order[1] = order[1], order[0]
    names = [groups[group] for group in order if groups[group]]
    if style == "shuffled":
        flat = [name for group in names for name in group]
        names = [[name] for name in rng.sample(flat, len(flat))]
    slots: dict[str, int] = {}
    at = 0
    for group in names:
        for name in group:
            slots[name], at = at, at + 1
        at += gaps and rng.random() < (0.1 if style == "shuffled" else 0.4)
    return slots


def adjacent(slots: Mapping[str, int], names: Sequence[str]) -> bool:
    places = [slots.get(name, -9 * k) for k, name in enumerate(names, 1)]
    return all(b == a + 1 for a, b in pairwise(places))


def block_names(network: Network, hand: Hand, first_weights: bool) -> Iterator[str]:
    """What the block above the table holds, by its name there."""
    if hand.inputs in ("block", "only block"):
        mark = BLOCK if hand.inputs == "block" else ""
        yield from (mark + name for name in [*network.targets, *network.units(0)])
        if network.biases == "fixed":
            yield from (mark + name for name in network.roles if network.role(name) == "bias")
    if first_weights:
        yield from (BLOCK + name for name in network.trained)


def plain(labels: Sequence[str]) -> bool:
    """Whether these can be the headers of an Excel table without escapes."""
    return all(re.fullmatch(r"[A-Za-zα-ωа-я∂𝜕ð_][\w∂𝜕ð/_ -]*", label) for label in labels)
