"""Right workbooks of hand-calculated training, by seeded random authors, each proved right before use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import openpyxl
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet import table as excel

from benchmarks.mutations.expression import Expr, Num, Ref, op
from benchmarks.mutations.labels import RATES, STEPS, draw_labels
from benchmarks.mutations.layouts import (
    BLOCK,
    Address,
    Single,
    Table,
    a1,
    adjacent,
    block_names,
    draw_slots,
    plain,
)
from benchmarks.mutations.network import RATE, STEP, Network, train
from benchmarks.mutations.recipes import Hand, Recipes, draw_hand
from xlbackprop.engine import Recalculated, engine

POW = re.compile(r"\bPOW\(", re.IGNORECASE)
TOLERANCE = 1e-9  # relative
KINK = 0.01  # how far from 0 ReLU's argument stays, so that its slope is clear
NUDGE = 1e-13  # relative; a training that makes more than STIR of it is chaotic, and no two calculators agree
STIR = 1e-10
SHAPES = [(2, 2, 2)] * 10 + [(1, 1), (2, 1), (3, 2), (2, 3, 1), (2, 2, 2, 2), (1, 1, 1)]
CLASS = {"i1": 0.05, "i2": 0.1, **{f"w{k + 1}": w for k, w in enumerate((15, 20, 25, 30, 40, 45, 50, 55))}}
PLACES = ["one", "one", "one", "one", "form", "across", "sheets", "beside", "stacked"]
Content = str | float


@dataclass(frozen=True)
class Book:
    """Tables that differ in their rate only, and the texts around them."""

    seed: str
    tables: tuple[Table, ...]
    texts: Mapping[Address, Content]

    def contents(self) -> dict[Address, Content]:
        cells = dict(self.texts)
        for table in self.tables:
            for name, single in table.singles.items():
                cells[single.address] = table.network.numbers[name.removeprefix(BLOCK)]
            for name, exprs in table.columns.items():
                cells[table.header(name)] = table.labels[name]
                for step in range(len(exprs)):
                    cells[table.address(name, step)] = table.content(name, step)
        return cells

    def write(self, path: Path, portable: bool = False) -> Path:
        """Write the workbook; a `portable` one has POWER for POW, which IronCalc does not know."""
        book = openpyxl.Workbook()
        book.remove(book.active)
        for (sheet, row, column), content in sorted(self.contents().items(), key=lambda one: one[0]):
            page = book[sheet] if sheet in book.sheetnames else book.create_sheet(sheet)
            page.cell(row, column, POW.sub("POWER(", content) if portable and isinstance(content, str) else content)
        for table in self.tables:
            for single in table.singles.values():
                if single.name:
                    sheet, *_ = single.address
                    place = f"'{sheet}'!{a1(single.address, dollars=True)}"
                    book.defined_names[single.name] = DefinedName(single.name, attr_text=place)
            if table.structured:
                ends = [max(table.slots.values()), min(table.slots.values())]
                last, first = (next(n for n, at in table.slots.items() if at == end) for end in ends)
                area = f"{a1(table.header(first))}:{a1(table.address(last, table.steps - 1))}"
                book[table.sheet].add_table(excel.Table(displayName=table.structured, ref=area))
        book.save(path)
        return path


def prove(book: Book, path: Path, rng: Random) -> None:
    """Raise where a cell differs from the plain loops: with the book's numbers, and with random ones."""
    recalculated = engine().recalculate(book.write(path, portable=True))
    for table in book.tables:
        _compare(book, table, recalculated, {at: number for at, (_, number) in table.typed().items()})
    for table in book.tables:
        numbers = perturbed(table, rng)
        _compare(book, table, recalculated.changed(inputs(numbers)), numbers)


def _compare(book: Book, table: Table, recalculated: Recalculated, numbers: Mapping[Address, float]) -> None:
    told = train(table.network, table.given(numbers))
    for name in table.columns:
        if name == STEP:
            continue
        for step, found in enumerate(values(table, name, recalculated)):
            expected = told[name][step]
            if not isinstance(found, float) or not near(found, expected):
                place = f"{table.sheet}!{a1(table.address(name, step))}"
                raise AssertionError(f"{book.seed}: {place} ({name}, step {step}) is {found!r}, not {expected!r}")


def near(found: float, expected: float) -> bool:
    return abs(found - expected) <= TOLERANCE * max(abs(found), abs(expected)) + 1e-15


def values(table: Table, name: str, recalculated: Recalculated) -> list[object]:
    """What the cells of a quantity hold, step by step; whole numbers too as floats."""
    sheet, row, column = table.address(name)
    if table.across:
        found = [recalculated.column(sheet, row - 1, column - 1 + k, 1)[0] for k in range(table.steps)]
    else:
        found = recalculated.column(sheet, row - 1, column - 1, table.steps)
    return [float(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in found]


def perturbed(table: Table, rng: Random) -> dict[Address, float]:
    """Random numbers for every typed input: no two targets alike, no row like the row before."""

    def number(name: str) -> float:
        if name == RATE:
            return rng.uniform(0.05, 0.2)
        if name[0] == "t":
            return rng.uniform(0.1, 0.9)
        return rng.choice((-1, 1)) * rng.uniform(0.2, 1.0)

    return {address: number(name) for address, (name, _) in table.typed().items()}


def inputs(numbers: Mapping[Address, float]) -> dict[Address, float]:
    """As the engine takes them, counted from 0."""
    return {(sheet, row - 1, column - 1): number for (sheet, row, column), number in numbers.items()}


def draw_network(rng: Random) -> Network:
    """A network whose ReLUs stay away from their kinks, and whose training is stable, at any rate of its book."""
    while True:
        sizes = rng.choice(SHAPES)
        hidden = [rng.choice(["sigmoid"] * 6 + ["tanh", "relu"])] * (len(sizes) - 2)
        out = "linear" if hidden and hidden[0] != "sigmoid" and rng.random() < 0.3 else "sigmoid"
        if rng.random() < 0.1:
            out = "tanh"
        losses = ["half"] * 6 + ["square"] + (["cross-entropy"] * 2 if out == "sigmoid" else [])
        network = Network(
            sizes,
            (*hidden, out),
            rng.choice(losses),
            rng.choice(["none", "none", "none", "trained", "fixed", "shared"]),
            rng.random() < 0.25,
            {},
        )
        network = replace(network, numbers=_draw_numbers(rng, network))
        if all(_calm(network, factor * network.numbers[RATE]) for factor in (1, 1.5, 2)):
            return network


def _calm(network: Network, rate: float) -> bool:
    numbers = {**network.numbers, RATE: rate}
    nudged = {**numbers, **{name: numbers[name] * (1 + NUDGE) for name in network.trained}}
    with np.errstate(all="ignore"):
        told, stirred = (train(network, [one] * 60) for one in (numbers, nudged))
    kinks = [unit for k, f in enumerate(network.activations, 1) if f == "relu" for unit in network.units(k)]
    clear = all(abs(z) > KINK for unit in kinks for z in told[unit])
    return clear and all(abs(a - b) < STIR for name in told for a, b in zip(told[name], stirred[name]))


def _draw_numbers(rng: Random, network: Network) -> dict[str, float]:
    numbers: dict[str, float] = {RATE: rng.choice((0.1, 0.2, 0.5, 0.8, 1.0, 2.0))}
    if "linear" in network.activations or "relu" in network.activations:
        numbers[RATE] = rng.choice((0.01, 0.02, 0.05, 0.1))
    for name, (role, _) in network.roles.items():
        if role == "target":
            numbers[name] = round(rng.uniform(0.1, 0.9), 2)
        elif role in ("input", "weight", "bias"):
            numbers[name] = round(rng.choice((1, 1, 1, -1)) * rng.uniform(0.05, 0.9), 2)
    if network.sizes == (2, 2, 2) and rng.random() < 0.6:
        numbers |= {name: value if value < 1 else value / 100 for name, value in CLASS.items()}
        numbers["t1"], numbers["t2"] = rng.choice(((0.5, 0.5), (0.01, 0.99)))
    return numbers


def draw_book(seed: str) -> Book:
    """The workbook of that seed's author."""
    rng = Random(seed)
    network = draw_network(rng)
    hand, labels, place = draw_hand(rng, network), draw_labels(rng, network), rng.choice(PLACES)
    labels[STEP] = rng.choice(STEPS)
    count = 1 if place in ("one", "form", "across") else rng.choice([2, 2, 3])
    steps = 1 if place == "form" else rng.randint(20, 60)
    author = _Author(rng, hand, labels, place in ("form", "across"), steps)
    if author.across:
        hand = author.hand = replace(hand, inputs=rng.choice(["typed", "literal"]) if steps == 1 else hand.inputs)
    slots = draw_slots(rng, network, hand, steps == 1, gaps=rng.random() < 0.3)
    author.slots = slots
    tables: list[Table] = []
    row = column = 1
    for k in range(count):
        numbered = replace(network, numbers={**network.numbers, RATE: _rate(network, k)})
        sheet = author.sheet(k if place == "sheets" else 0, numbered)
        tables.append(author.table(numbered, sheet, row, column))
        bottom, right = author.end(tables[-1])
        if place == "stacked":
            row = bottom + rng.randint(2, 8)
        elif place == "beside":
            column = right + rng.randint(2, 5)
    texts = dict(author.texts)
    if rng.random() < 0.4:
        texts |= _derivation(rng, tables[0], {**texts, **Book(seed, tuple(tables), {}).contents()})
    return Book(seed, tuple(tables), texts)


def _rate(network: Network, k: int) -> float:
    return round(network.numbers[RATE] * (1 + k / 2), 4)


def _derivation(rng: Random, table: Table, taken: Mapping[Address, Content]) -> Iterator[tuple[Address, str]]:
    """Some of the formulas written out above the table."""
    free = [row for row in range(1, table.top - 1) if not any((table.sheet, row, c) in taken for c in range(1, 60))]
    names = [name for name in table.slots if table.network.role(name) in ("sum", "activation", "gradient", "error")]
    for row, name in zip(free, rng.sample(names, min(len(names), 6))):
        words = table.in_words(table.columns[name][0])
        yield (table.sheet, row, table.left + 6), f"{table.labels[name]} = {words}"


class _Author:
    """Places tables one after the other, all in the same way."""

    def __init__(self, rng: Random, hand: Hand, labels: dict[str, str], across: bool, steps: int) -> None:
        self.rng, self.hand, self.labels, self.across, self.steps = rng, hand, labels, across, steps
        self.slots: dict[str, int] = {}
        self.texts: dict[Address, Content] = {}
        self._rate_label = rng.choice(RATES)
        self._rate_place = rng.choice(["cell", "cell", "cell", "cell", "name", "sheet", "column"])
        self._sheet_names = rng.choice(["Sheet{n}", "LR_{r}", "η = {r}", "lr {r}", "Table {n}", "Training{n}"])
        self._with_step = rng.random() < 0.4
        self._step_style = rng.randrange(2)
        self._first_weights = hand.inputs == "block" and rng.random() < 0.5
        self._structured = not across and rng.random() < 0.12
        self._pinned_copies = rng.random() < 0.3
        self._room, self._shift = rng.randint(1, 12), rng.randint(0, 3)
        self._named_block = rng.random() < 0.3
        self._named = self._sheet_rows = 0  # so far

    def sheet(self, k: int, network: Network) -> str:
        return self._sheet_names.format(n=k + 1, r=network.numbers[RATE])

    def end(self, table: Table) -> tuple[int, int]:
        """The first free row and column after a table."""
        across, along = max(table.slots.values()) + 1, table.steps
        rows, columns = (across, along) if table.across else (along, across)
        return table.top + rows, table.left + columns

    def table(self, network: Network, sheet: str, row: int, column: int) -> Table:
        """A table whose block begins at this row and column."""
        hand, slots = self.hand, dict(self.slots)
        block = list(block_names(network, hand, self._first_weights))
        rate_place = "cell" if self.steps == 1 and self._rate_place == "column" else self._rate_place
        if rate_place == "column":
            slots[RATE] = max(slots.values()) + 1
        elif rate_place != "sheet":
            block.append(RATE)
        if self._with_step and self.steps > 1:
            slots = {STEP: 0, **{name: at + 1 for name, at in slots.items()}}
        column += self._shift
        singles = {}
        for k, name in enumerate(block):
            singles[name] = Single((sheet, row + k, column + 1), self._name(name))
            self._tell(singles[name].address, name)
        if rate_place == "sheet":
            self._sheet_rows += 1
            singles[RATE] = Single(("Parameters", self._sheet_rows, 2))
            self._tell(singles[RATE].address, RATE)
        top = row + len(block) + self._room + 1
        labels = {**self.labels, RATE: self._rate_label}
        structured = self._structured and plain([labels[name] for name in slots]) and _dense(slots)
        self._named += structured
        table = Table(
            network=network,
            hand=hand,
            sheet=sheet,
            top=top,
            left=column + self.across,
            across=self.across,
            slots=slots,
            steps=self.steps,
            singles=singles,
            labels=labels,
            structured=f"Table{self._named}" if structured else "",
            columns={},
        )
        return replace(table, columns=self._columns(table))

    def _name(self, name: str) -> str:
        self._named += 1
        if name == RATE:
            return f"learning_rate_{self._named}" if self._rate_place == "name" else ""
        role = {"t": "target", "i": "input", "b": "bias", "w": "weight"}[name.removeprefix(BLOCK)[0]]
        return f"{role}_{name[-1]}_{self._named}" if self._named_block else ""

    def _tell(self, address: Address, name: str) -> None:
        sheet, row, column = address
        quantity = name.removeprefix(BLOCK)
        self.texts[sheet, row, column - 1] = self._rate_label if quantity == RATE else self.labels[quantity]

    def _columns(self, table: Table) -> dict[str, tuple[Expr, ...]]:
        network, lag = table.network, 0 if table.steps == 1 else 1
        recipes = Recipes(network, self.hand, self.rng, lambda names: adjacent(table.slots, names), lag).all()
        columns: dict[str, tuple[Expr, ...]] = {}
        for name in table.slots:
            role = network.role(name)
            if name in network.trained:
                block = BLOCK + name
                first: Expr = Ref(block) if block in table.singles else Num(repr(network.numbers[name]))
                columns[name] = (first, *[recipes[f"update {name}"]] * (table.steps - 1))
            elif name == STEP:
                later = [op("+", Ref(STEP, 1), Num("1")), None][self._step_style]
                columns[name] = tuple(later if k and later else Num(str(k)) for k in range(table.steps))
            elif role in ("input", "target", "bias", "rate"):
                columns[name] = tuple(self._constant(table, name, k) for k in range(table.steps))
            else:
                columns[name] = (recipes[name],) * table.steps
        return columns

    def _constant(self, table: Table, name: str, step: int) -> Expr:
        number = Num(repr(table.network.numbers[name]))
        if BLOCK + name in table.singles:
            return Ref(BLOCK + name)
        if self.hand.inputs == "literal":
            return op("bare", number)
        if self.hand.inputs == "copied" and step:
            return Ref(name, pinned=0) if self._pinned_copies else Ref(name, 1)
        return number


def _dense(slots: Mapping[str, int]) -> bool:
    return sorted(slots.values()) == list(range(len(slots)))
