"""The benchmark's cases: right workbooks, and mutants that are proved to change a number."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from benchmarks.mutations.layouts import Table, a1
from benchmarks.mutations.mistakes import KINDS, Mutant, inject, sites
from benchmarks.mutations.names import names
from benchmarks.mutations.sheets import TOLERANCE, Book, draw_book, inputs, near, perturbed, prove, values
from xlbackprop.engine import Recalculated, engine

DRAWS = 4  # of random numbers; a ReLU may hide a mistake from some
CLEAR = 1000 * TOLERANCE  # the least relative change that a mistake makes somewhere
TRIES = 6  # sites of one author, before the next is asked
EVERY = 4  # an untouched workbook after so many mutants


@dataclass(frozen=True)
class Truth:
    """What is wrong: the topmost wrong cells (one, or a row that stopped), and the names that fit."""

    kind: str
    accepted: frozenset[str]
    quantity: str
    sheet: str
    cells: frozenset[str]
    formula: str  # what stands in the cell
    right: str  # what should


@dataclass(frozen=True)
class Case:
    """A workbook to be written, its truth (None: nothing is wrong), and where each quantity stands by sheet."""

    name: str
    book: Book
    truth: Truth | None

    def write(self, path: Path) -> Path:
        return self.book.write(path)

    @property
    def ranges(self) -> list[dict[str, str]]:
        """For each table the cells of every quantity."""
        return [{name: _range(table, name) for name in table.columns} for table in self.book.tables]


def _range(table: Table, name: str) -> str:
    ends = a1(table.address(name)), a1(table.address(name, table.steps - 1))
    return f"{table.sheet}!{':'.join(dict.fromkeys(ends))}"


def cases(seed: int, count: int, kinds: tuple[str, ...] = tuple(KINDS)) -> Iterator[Case]:
    """`count` mutants, the kinds in turn, and an untouched workbook after every fourth."""
    for k, kind in plan(count, kinds):
        yield case(seed, k, kind)


def plan(count: int, kinds: tuple[str, ...] = tuple(KINDS)) -> Iterator[tuple[int, str | None]]:
    """The number and kind of each case, from which and the seed it is made; None is an untouched workbook."""
    for k in range(count):
        yield k, kinds[k % len(kinds)]
        if k % EVERY == EVERY - 1:
            yield k, None


def case(seed: int, k: int, kind: str | None) -> Case:
    return untouched(seed, k) if kind is None else mutant(seed, k, kind)


def untouched(seed: int, k: int) -> Case:
    name = f"{seed}-{k:04d}-untouched"
    book = draw_book(name)
    _proved(book)
    return Case(name, book, None)


def mutant(seed: int, k: int, kind: str) -> Case:
    """The first author of this seed in whose sheets the mistake fits and changes a number."""
    attempt = 0
    while True:
        name = f"{seed}-{k:04d}-{kind}"
        book = draw_book(f"{name}-{attempt}")
        rng = Random(f"{name}-{attempt}")
        place = rng.randrange(len(book.tables))
        if found := sites(kind, book.tables[place], rng):
            witness = Witness(book, place)
            for site in rng.sample(found, min(TRIES, len(found))):
                if (made := inject(kind, site, book.tables[place], rng)) and witness.shows(made):
                    _proved(book)
                    fitting = names(kind, site, book.tables[place])
                    return _case(name, book, place, replace(made, accepted=fitting))
        attempt += 1


def _case(name: str, book: Book, place: int, made: Mutant) -> Case:
    table, right = made.table, book.tables[place]
    cells = frozenset(a1(table.address(column, made.step)) for column in made.columns)
    truth = Truth(
        kind=made.kind,
        accepted=made.accepted,
        quantity=made.quantity,
        sheet=table.sheet,
        cells=cells,
        formula=str(table.content(made.column, made.step)),
        right=str(right.content(made.column, made.step)),
    )
    return Case(name, _with(book, place, table), truth)


def _with(book: Book, place: int, table: Table) -> Book:
    return replace(book, tables=(*book.tables[:place], table, *book.tables[place + 1 :]))


def _proved(book: Book) -> None:
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        prove(book, Path(folder) / "right.xlsx", Random(book.seed))


class Witness:
    """What a right table holds under random inputs, to tell which mistakes change it."""

    def __init__(self, book: Book, place: int) -> None:
        self._book, self._place, right = book, place, book.tables[place]
        rng = Random(book.seed)
        self._draws = [inputs(perturbed(right, rng)) for _ in range(DRAWS)]
        with _recalculated(book) as recalculated:
            self._right = [_columns(right, recalculated.changed(draw)) for draw in self._draws]

    def shows(self, made: Mutant) -> bool:
        """Whether each wrong column is wrong at its step, in some draw, and never before it."""
        shown: set[str] = set()
        with _recalculated(_with(self._book, self._place, made.table)) as recalculated:
            for draw, right in zip(self._draws, self._right):
                wrong = _columns(made.table, recalculated.changed(draw), made.columns)
                for column, found in wrong.items():
                    pairs = list(zip(right[column], found))
                    if any(_differ(a, b, TOLERANCE) for a, b in pairs[: made.step]):
                        return False
                    if _differ(*pairs[made.step], CLEAR):
                        shown.add(column)
        return shown == set(made.columns)


@contextmanager
def _recalculated(book: Book) -> Iterator[Recalculated]:
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        yield engine().recalculate(book.write(Path(folder) / "book.xlsx", portable=True))


def _columns(table: Table, recalculated: Recalculated, names: Iterable[str] = ()) -> dict[str, list[object]]:
    return {name: values(table, name, recalculated) for name in names or table.columns}


def _differ(a: object, b: object, tolerance: float) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) > tolerance * max(abs(a), abs(b)) and not near(a, b)
    return a != b
