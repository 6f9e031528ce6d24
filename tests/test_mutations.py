"""The mutation benchmark is fair: its right workbooks are right, and its mistakes change numbers where it says."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import openpyxl
import pytest

# The benchmarks are no part of the installed package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.mutations import judge
from benchmarks.mutations.cases import Case, Witness, case, cases, plan
from benchmarks.mutations.expression import Expr, Num, Ref, Spelling, op, swapped
from benchmarks.mutations.mistakes import KINDS, Mutant
from benchmarks.mutations.names import sampled
from benchmarks.mutations.network import RATE, Network, train
from benchmarks.mutations.sheets import CLASS, Book, draw_book, prove

A, B, C, TWO = Ref("a"), Ref("b"), Ref("c"), Num("2")
TEXTS = [
    (op("*", op("-", A, B), C), "(a-b)*c"),
    (op("*", op("bare", op("-", A, B)), C), "a-b*c"),
    (op("-", A, op("-", B, C)), "a-(b-c)"),
    (op("+", A, op("+", B, C)), "a+b+c"),
    (op("/", A, op("*", B, C)), "a/(b*c)"),
    (op("*", op("/", A, B), C), "a/b*c"),
    (op("neg", op("^", A, TWO)), "-(a^2)"),
    (op("neg", op("bare", op("^", A, TWO))), "-a^2"),
    (op("^", op("+", A, B), Num("-1")), "(a+b)^-1"),
    (op("+", A, op("*", op("neg", B), C)), "a+-b*c"),
    (op("IF", op(">", A, Num("0")), op("()", B), C), "IF(a>0,(b),c)"),
]
NUMBERS = {name: value if value < 1 else value / 100 for name, value in CLASS.items()}
# Published: the class sheet at rate 1 with targets 0.5, and Mazur's page with a trained bias for each unit.
TOLD = [
    ("none", {"t1": 0.5, "t2": 0.5, RATE: 1.0}, "dE/dw3", 0, 0.000351776321591, 1e-11),
    ("none", {"t1": 0.5, "t2": 0.5, RATE: 1.0}, "E_total", 50, 0.00059919083095635, 1e-12),
    ("fixed", {"t1": 0.01, "t2": 0.99, RATE: 0.5, "b1": 0.35, "b2": 0.6}, "E_total", 10, 0.220918592054, 1e-11),
    (
        "trained",
        {"t1": 0.01, "t2": 0.99, RATE: 0.5, "b1": 0.35, "b2": 0.35, "b3": 0.6, "b4": 0.6},
        "E_total",
        10,
        0.125527038044,
        1e-11,
    ),
    ("shared", {"t1": 0.01, "t2": 0.99, RATE: 0.5, "b1": 0.35, "b2": 0.6}, "E_total", 1, 0.285750886699, 1e-11),
]


@pytest.mark.parametrize(("expr", "text"), TEXTS)
def test_a_formula_has_the_parentheses_it_needs_and_loses_them_where_it_is_to(expr: Expr, text: str) -> None:
    assert Spelling().text(expr, lambda ref: ref.name if isinstance(ref, Ref) else ref.first) == text


@pytest.mark.parametrize(("biases", "given", "quantity", "step", "value", "precision"), TOLD)
def test_the_loops_give_published_numbers(
    biases: str, given: dict[str, float], quantity: str, step: int, value: float, precision: float
) -> None:
    numbers = NUMBERS | given
    network = Network((2, 2, 2), ("sigmoid", "sigmoid"), "half", biases, False, numbers)
    assert train(network, [numbers] * 51)[quantity][step] == pytest.approx(value, rel=precision)


@pytest.mark.parametrize("seed", range(40))
def test_generated_workbooks_are_right(seed: int, tmp_path: Path) -> None:
    prove(draw_book(f"right {seed}"), tmp_path / "right.xlsx", Random(seed))


def test_the_proof_refuses_a_mistake_that_luck_hides(tmp_path: Path) -> None:
    """The second error has the first target, which is equal."""
    found = (draw_book(f"luck {k}") for k in range(1000))
    book = next(book for book in found if _lucky(book))
    table = book.tables[0]
    columns = {**table.columns, "E2": tuple(swapped(one, Ref("t2"), Ref("t1")) for one in table.columns["E2"])}
    assert columns != table.columns
    wrong = replace(book, tables=(replace(table, columns=columns),))
    with pytest.raises(AssertionError, match=r"is .*, not "):
        prove(wrong, tmp_path / "wrong.xlsx", Random(0))


def _lucky(book: Book) -> bool:
    numbers, table = book.tables[0].network.numbers, book.tables[0]
    return len(book.tables) == 1 and table.hand.inputs == "typed" and numbers["t1"] == numbers.get("t2")


@pytest.mark.parametrize(("k", "kind"), list(enumerate(KINDS)))
def test_each_kind_is_made_and_stands_in_its_cell(k: int, kind: str, tmp_path: Path) -> None:
    made = case(1, k, kind)  # which proves that it changes a number
    truth = made.truth
    assert truth is not None
    assert truth.formula != truth.right
    assert kind == truth.kind
    assert kind in truth.accepted
    assert truth.accepted <= {*KINDS, "missing-term", "wrong-number"}
    sheet = openpyxl.load_workbook(made.write(tmp_path / "wrong.xlsx"))[truth.sheet]
    assert truth.formula in {str(sheet[cell].value) for cell in truth.cells}
    assert len(truth.cells) == 1 or kind == "stopped-formulas"


def test_what_changes_no_number_is_no_mistake() -> None:
    book = draw_book("right 0")
    table = book.tables[0]
    name = next(name for name in table.columns if name.startswith("dE/dw"))

    def mutant(column: tuple[Expr, ...]) -> Mutant:
        columns = {**table.columns, name: column}
        return Mutant(replace(table, columns=columns), "different", frozenset(), name, name, 0, (name,))

    right = table.columns[name]
    shows = Witness(book, 0).shows
    assert not shows(mutant(right))
    assert not shows(mutant(tuple(op("/", op("*", TWO, one), TWO) for one in right)))
    assert shows(mutant(tuple(op("*", one, Num("1.001")) for one in right)))
    # The second step's mistake is not the first's.
    assert not shows(replace(mutant((right[0], *[Num("7")] * (table.steps - 1))), step=0))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (op("*", op("bare", op("-", A, B)), C), op("-", A, op("*", B, C)), True),
        (op("*", op("bare", op("-", A, B)), C), op("*", op("-", A, B), C), False),
        (op("neg", op("bare", op("^", A, TWO))), op("*", A, A), True),
        (op("neg", op("^", A, TWO)), op("*", A, A), False),
        (op("-", A, op("*", A, A)), op("*", A, op("-", Num("1"), A)), True),
        (Ref("w5", 1), Ref("w5"), False),
    ],
)
def test_formulas_of_the_same_numbers_share_their_names(one: Expr, other: Expr, same: bool) -> None:
    assert (sampled(one) == pytest.approx(sampled(other), rel=1e-12)) is same


def test_a_seed_gives_the_same_cases() -> None:
    first, second = ([(one.name, one.truth, one.book.contents()) for one in cases(7, 4)] for _ in range(2))
    assert first == second
    assert [kind for _, kind in plan(5)] == [*list(KINDS)[:4], None, list(KINDS)[4]]


@pytest.fixture(scope="module")
def sign() -> Case:
    return case(1, 0, "sign")


RIGHT = {"verdict": "correct", "mistakes": []}


@pytest.mark.parametrize(
    ("verdict", "cells", "kinds", "expected"),
    [
        ("wrong", ["true"], ["true"], (True, True, True)),
        ("wrong", ["true", "A1"], ["true", "true"], (True, False, True)),  # what inherits it is named too
        ("wrong", ["A1"], ["true"], (True, False, False)),
        ("wrong", ["true"], ["false"], (True, True, False)),
        ("correct", [], [], (False, False, False)),
        ("unreadable", [], [], (False, False, False)),
        ("not live", [], [], (True, False, False)),
    ],
)
def test_what_counts_as_found(
    verdict: str,
    cells: list[str],
    kinds: list[str],
    expected: tuple[bool, bool, bool],
    sign: Case,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truth = sign.truth
    assert truth is not None
    (cell,) = truth.cells
    mistakes = [
        {
            "sheet": truth.sheet,
            "cell": cell if where == "true" else where,
            "kind": "sign" if kind == "true" else kind,
            "quantity": truth.quantity,
            "says": "",
        }
        for where, kind in zip(cells, kinds)
    ]
    monkeypatch.setattr(judge, "judge", lambda path: {"verdict": verdict, "mistakes": mistakes})
    found = judge.outcome(sign, Path("unused.xlsx"), fixes=False)
    assert (found.detected, found.rooted, found.named) == expected
    assert found.failed == (expected != (True, True, True))


@pytest.mark.parametrize(
    ("said", "alarm"), [(RIGHT, False), ({"verdict": "unreadable"}, True), ({"verdict": "wrong"}, True)]
)
def test_an_untouched_workbook_is_to_be_called_right(
    said: dict[str, object], alarm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge, "judge", lambda path: said)
    assert judge.outcome(case(1, 3, None), Path("unused.xlsx"), fixes=False).failed is alarm


@pytest.mark.parametrize("fix", ["right", "wrong"])
def test_a_fix_is_applied_to_its_whole_range(fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The corrected file is judged, and holds the right formula in every row."""
    made = case(1, 5, "sigmoid-sign")
    truth = made.truth
    assert truth is not None
    (cell,) = truth.cells
    path = made.write(tmp_path / "wrong.xlsx")
    formula = truth.right if fix == "right" else truth.formula
    one = {"sheet": truth.sheet, "cell": cell, "range": cell, "quantity": truth.quantity, "kind": "", "says": ""}

    def verifier(asked: Path) -> judge.Said:
        held = openpyxl.load_workbook(asked)[truth.sheet][cell].value
        return RIGHT if held == truth.right else {"verdict": "wrong", "mistakes": [{**one, "fix": formula}]}

    monkeypatch.setattr(judge, "judge", verifier)
    assert judge.outcome(made, path, fixes=True).fixed is (fix == "right")
