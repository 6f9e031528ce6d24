"""Each mistake of the catalogue, made alone in a right sheet, is found at its cell, named, and cured by its own fix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from openpyxl import load_workbook
from openpyxl.formula.translate import Translator
from openpyxl.utils import range_boundaries
from test_audit_tables import Author, Layout, Net, audited, one_sheet, said

from xlbackprop.audit.mistakes import CATALOGUE, CLUES, MISTAKES
from xlbackprop.audit.report import Audit, MistakeReport

STEPS = 9
CLASS, BIASED, DELTAS = Net(), Net(bias="trained"), Net(deltas=True)
RELU, TANH, ENTROPY = Net(hidden="relu"), Net(hidden="tanh"), Net(loss="binary cross-entropy")

D1, D2 = "(a_o1-t1)*a_o1*(1-a_o1)", "(a_o2-t2)*a_o2*(1-a_o2)"
H1, H2 = f"({D1}*w5+{D2}*w7)*a_h1*(1-a_h1)", f"({D1}*w6+{D2}*w8)*a_h2*(1-a_h2)"

# The kind, the quantity, the wrong formula of its whole column, other kinds that say the same, the network, and the
# first step that it spoils where that is not the first formula.
WRONG: list[tuple[str, str, str, str, Net, int]] = [
    ("wrong-neuron", "dE/dw5", f"{D1}*a_h2", "", CLASS, 0),
    ("wrong-neuron", "dE/dw8", f"{D2}*a_h1", "", CLASS, 0),
    ("wrong-neuron", "dE/dw3", f"({D1}*w6+{D2}*w8)*a_h1*(1-a_h1)*i1", "", CLASS, 0),
    ("wrong-neuron", "dE/dw4", f"({D1}*w6+{D2}*w8)*a_h2*(1-a_h1)*i2", "", CLASS, 0),
    ("wrong-neuron", "dE/dw2", f"({D1}*w5+{D2}*w7)*a_o1*(1-a_o1)*i2", "wrong-output", CLASS, 0),
    ("wrong-neuron", "delta_h1", "(delta_o1*w5+delta_o2*w7)*a_h2*(1-a_h2)", "", DELTAS, 0),
    ("wrong-neuron", "dE/dw7", "delta_o1*a_h1", "wrong-output wrong-reference", DELTAS, 0),
    ("wrong-neuron", "dE/dw3", "delta_h1*i1", "wrong-reference", DELTAS, 0),
    ("wrong-neuron", "delta_h1", "(delta_o1*w5+delta_o1*w7)*a_h1*(1-a_h1)", "wrong-output wrong-reference", DELTAS, 0),
    ("pre-activation", "dE/dw6", f"{D1}*h2", "", CLASS, 0),
    ("pre-activation", "dE/dw1", f"({D1}*w5+{D2}*w7)*h1*(1-h1)*i1", "", CLASS, 0),
    ("pre-activation", "dE/dw7", "(o2-t2)*a_o2*(1-a_o2)*a_h1", "", CLASS, 0),
    ("pre-activation", "E1", "0.5*(t1-o1)^2", "", CLASS, 0),
    ("pre-activation", "o1", "w5*h1+w6*a_h2", "fed-wrong", CLASS, 0),
    ("parentheses", "dE/dw1", f"{D1}*w5+{D2}*w7*a_h1*(1-a_h1)*i1", "", CLASS, 0),
    ("parentheses", "dE/dw4", f"(({D1}*w6)+({D2}*w8)*a_h2*(1-a_h2)*i2)", "", CLASS, 0),
    ("parentheses", "dE/dw5", "a_o1-t1*a_o1*(1-a_o1)*a_h1", "", CLASS, 0),
    ("parentheses", "dE/dw7", "(a_o2-t2)*a_o2*1-a_o2*a_h1", "", CLASS, 0),
    ("parentheses", "a_h1", "1/1+EXP(-h1)", "", CLASS, 0),
    ("parentheses", "E2", "0.5*t2-a_o2^2", "", CLASS, 0),
    ("missing-factor", "dE/dw5", "(a_o1-t1)*a_o1*a_h1", "", CLASS, 0),
    ("missing-factor", "dE/dw7", "(a_o2-t2)*(1-a_o2)*a_h1", "", CLASS, 0),
    ("missing-factor", "dE/dw8", D2, "", CLASS, 0),
    ("missing-factor", "dE/dw6", "(a_o1-t1)*a_h2", "", CLASS, 0),
    ("missing-factor", "dE/dw2", f"({D1}*w5+{D2})*a_h1*(1-a_h1)*i2", "", CLASS, 0),
    ("missing-factor", "dE/dw3", f"({D1}*w6+{D2}*w8)*i1", "", CLASS, 0),
    ("missing-factor", "dE/dw1", f"({D1}*w5+{D2}*w7)*a_h1*(1-a_h1)", "", CLASS, 0),
    ("missing-factor", "update w2", "w2[-1]-dE/dw2[-1]", "", CLASS, 1),
    ("missing-factor", "delta_o1", "(a_o1-t1)*a_o1", "", DELTAS, 0),
    ("extra-factor", "dE/dw5", f"{D1}*a_h1*w5", "", CLASS, 0),
    ("extra-factor", "dE/dw2", f"{H1}*i2*a_h1", "", CLASS, 0),
    ("missing-term", "dE/dw1", f"{D1}*w5*a_h1*(1-a_h1)*i1", "", CLASS, 0),
    ("missing-term", "h2", "w3*i1", "", CLASS, 0),
    ("missing-term", "o1", "w6*a_h2", "", CLASS, 0),
    ("missing-term", "E_total", "E1", "", CLASS, 0),
    ("extra-term", "h1", "w1*i1+w2*i2+i1", "", CLASS, 0),
    ("extra-term", "E_total", "E1+E2+t1", "", CLASS, 0),
    ("sign", "dE/dw5", "(t1-a_o1)*a_o1*(1-a_o1)*a_h1", "", CLASS, 0),
    ("sign", "dE/dw8", "(a_o2-t2)*a_o2*(1+a_o2)*a_h2", "wrong-operator", CLASS, 0),
    ("sign", "dE/dw3", f"({D1}*w6-{D2}*w8)*a_h2*(1-a_h2)*i1", "wrong-operator", CLASS, 0),
    ("sign", "update w5", "w5[-1]+rate*dE/dw5[-1]", "", CLASS, 1),
    ("sign", "h1", "w1*i1-w2*i2", "wrong-operator", CLASS, 0),
    ("sign", "E_total", "E1-E2", "wrong-operator", CLASS, 0),
    ("sigmoid-sign", "a_h2", "1/(1+EXP(h2))", "", CLASS, 0),
    ("sigmoid-sign", "a_o1", "1/(1+EXP(o1))", "", CLASS, 0),
    ("wrong-operator", "dE/dw5", "(a_o1*t1)*a_o1*(1-a_o1)*a_h1", "", CLASS, 0),
    ("wrong-operator", "h1", "w1*i1*w2*i2", "", CLASS, 0),
    ("wrong-operator", "o2", "w7+a_h1+w8*a_h2", "", CLASS, 0),
    ("wrong-target", "E2", "0.5*(t1-a_o2)^2", "", CLASS, 0),
    ("wrong-target", "dE/dw8", "(a_o2-t1)*a_o2*(1-a_o2)*a_h2", "", CLASS, 0),
    ("wrong-output", "E2", "0.5*(t2-a_o1)^2", "", CLASS, 0),
    ("wrong-output", "dE/dw7", "(a_o2-t2)*a_o1*(1-a_o2)*a_h1", "", CLASS, 0),
    ("wrong-output", "E_total", "E1+E1", "", CLASS, 0),
    ("wrong-weight", "h1", "w1*i1+w3*i2", "", CLASS, 0),
    ("wrong-weight", "dE/dw1", f"({D1}*w6+{D2}*w7)*a_h1*(1-a_h1)*i1", "", CLASS, 0),
    ("wrong-weight", "delta_h2", "(delta_o1*w6+delta_o2*w7)*a_h2*(1-a_h2)", "", DELTAS, 0),
    ("wrong-weight", "update w6", "w5[-1]-rate*dE/dw6[-1]", "", CLASS, 1),
    ("wrong-input", "h1", "w1*i1+w2*i1", "", CLASS, 0),
    ("wrong-input", "dE/dw1", f"{H1}*i2", "", CLASS, 0),
    ("wrong-gradient", "update w3", "w3[-1]-rate*dE/dw1[-1]", "", CLASS, 1),
    ("wrong-gradient", "update w8", "w8[-1]-rate*dE/dw7[-1]", "", CLASS, 1),
    ("frozen-reference", "update w4", "w4[-1]-rate*dE/dw4[0]", "", CLASS, 2),
    ("wrong-rate", "update w1", "w1[-1]-t2*dE/dw1[-1]", "", CLASS, 1),
    ("updated-weights", "dE/dw1", f"({D1}*w5[+1]+{D2}*w7[+1])*a_h1*(1-a_h1)*i1", "", CLASS, 0),
    ("updated-weights", "delta_h1", "(delta_o1*w5[+1]+delta_o2*w7[+1])*a_h1*(1-a_h1)", "", DELTAS, 0),
    ("missing-bias", "h1", "w1*i1+w2*i2", "", BIASED, 0),
    ("missing-bias", "o2", "w7*a_h1+w8*a_h2", "", BIASED, 0),
    ("missing-mask", "dE/dw1", f"({D1}*w5+{D2}*w7)*i1", "missing-factor", RELU, 0),
    ("lost-half", "E1", "(t1-a_o1)^2", "", CLASS, 0),
    ("lost-half", "dE/dw5", f"2*{D1}*a_h1", "", CLASS, 0),
    ("lost-half", "dE/dw6", f"0.5*{D1}*a_h2", "", CLASS, 0),
    ("mean-for-sum", "E_total", "(E1+E2)/2", "", CLASS, 0),
    ("mean-for-sum", "E_total", "AVERAGE(E1,E2)", "", CLASS, 0),
    ("log10", "E1", "-(t1*LOG(a_o1)+(1-t1)*LOG(1-a_o1))", "", ENTROPY, 0),
    ("log10", "E2", "-(t2*LOG10(a_o2)+(1-t2)*LOG10(1-a_o2))", "", ENTROPY, 0),
    ("minus-square", "dE/dw2", f"({D1}*w5+{D2}*w7)*(-a_h1^2+1)*i2", "sign", TANH, 0),
    ("missing-square", "E1", "0.5*(t1-a_o1)", "", CLASS, 0),
    ("typed-number", "E1", "0.5*(0.01-a_o1)^2", "", CLASS, 0),
    ("typed-number", "h1", "w1*0.05+w2*i2", "", CLASS, 0),
    ("typed-number", "update w1", "w1[-1]-0.5*dE/dw1[-1]", "", CLASS, 1),
    ("typed-number", "dE/dw8", "(a_o2-0.99)*a_o2*(1-a_o2)*a_h2", "", CLASS, 0),
    ("wrong-number", "E1", "0.05*(t1-a_o1)^2", "lost-half", CLASS, 0),
    ("wrong-number", "dE/dw5", "(a_o1-t1)*a_o1*(3-a_o1)*a_h1", "", CLASS, 0),
    ("row-offset", "a_h1", "1/(1+EXP(-h1[+3]))", "", CLASS, 0),
    ("row-offset", "dE/dw6", f"{D1}*a_h2[+1]", "", CLASS, 0),
    ("row-offset", "E_total", "E1+E2[+1]", "", CLASS, 0),
    ("fed-wrong", "o2", "w7*a_h1+w8*a_h1", "wrong-neuron", CLASS, 0),
    ("fed-wrong", "o1", "w5*a_h1+w6*i2", "wrong-reference wrong-input", CLASS, 0),
    ("fed-wrong", "a_h2", "1/(1+EXP(-h1))", "pre-activation wrong-neuron", CLASS, 0),
    ("wrong-reference", "dE/dw5", f"{D1}*E1", "", CLASS, 0),
    ("wrong-reference", "dE/dw1", f"{H1}*w1", "wrong-input wrong-weight", CLASS, 0),
    ("wrong-function", "a_h1", "TANH(h1)", "different", CLASS, 0),
    ("different", "E_total", "E1*E1", "wrong-operator wrong-output", CLASS, 0),
    ("different", "dE/dw4", "LN(2)+w1^2", "", CLASS, 0),
]  # fmt: skip
IDS = [f"{quantity}: {wrong}" for _, quantity, wrong, *_ in WRONG]

# Kinds that no formula of a whole column shows, and where they are tested instead.
ELSEWHERE = {
    "drifting-rate": "test_a_rate_that_moves",
    "overwritten-cell": "test_a_number_typed_over_one_cell",
    "stopped-formulas": "test_rows_that_stop_being_formulas",
    "typed-constants": "test_a_column_of_numbers",
    "softmax-diagonal": "the class's formulas have no softmax",
}

# Numbers that hide mistakes: equal targets, equal weights, an input of 0.
HIDING = {"t1": 0.5, "t2": 0.5, "i1": 0.0, "i2": 0.05, **{f"w{k}": 0.3 for k in range(1, 9)}}
HIDING |= {f"b{k}": 0.0 for k in range(1, 5)}


def name_of(quantity: str) -> str:
    return quantity.removeprefix("update ")


def author_of(net: Net, mistakes: Mapping[str | tuple[str, int], str | float], **more: object) -> Author:
    return Author(*one_sheet(), net, Layout(steps=STEPS), mistakes=mistakes, **more).write()  # type: ignore[arg-type]


def found_in(author: Author, path: Path) -> Audit:
    author.book.save(path)
    return audited(path)


def apply(path: Path, mistakes: list[MistakeReport]) -> None:
    """Put each fix into the whole range of its mistake, as a fill handle does."""
    book = load_workbook(path)
    for one in mistakes:
        for part in one.range.split(","):
            left, top, right, bottom = range_boundaries(part)
            for cell in [cell for row in book[one.sheet].iter_rows(top, bottom, left, right) for cell in row]:
                fix = Translator(one.fix, one.cell).translate_formula(cell.coordinate)
                cell.value = fix if one.fix.startswith("=") else float(one.fix)
    book.save(path)


@pytest.mark.parametrize(("kind", "quantity", "wrong", "also", "net", "first"), WRONG, ids=IDS)
def test_a_mistake_is_found_named_and_cured(
    tmp_path: Path, kind: str, quantity: str, wrong: str, also: str, net: Net, first: int
) -> None:
    author = author_of(net, {name_of(quantity): f"={wrong}"})
    report = found_in(author, tmp_path / "x.xlsx")
    assert report.verdict == "wrong"
    (mistake,) = report.mistakes
    name = name_of(quantity)
    assert (mistake.sheet, mistake.cell) == (author.sheet.title, author.cell(name, first))
    assert mistake.range == author.range(name, first)
    assert mistake.count == STEPS - first
    assert mistake.quantity == quantity
    assert mistake.kind in {kind, *also.split()}, mistake.says
    assert mistake.kind in CATALOGUE
    assert mistake.formula.startswith("=")
    assert mistake.says
    assert "\n" not in mistake.says
    apply(tmp_path / "x.xlsx", report.mistakes)
    again = audited(tmp_path / "x.xlsx")
    assert said(again) == []
    assert again.tables[0].network == net_summary(net)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("dE/dw4", f"((({D1})*w6)+(({D2})*w8)*a_h2*(1-a_h2)*i2)"),
        ("dE/dw5", "(a_o1*t1)*a_o1*(1-a_o1)*a_h1"),
        ("a_h1", "1/(1+exp(h1))"),
        ("E2", "1/2*(t1 - a_o2)^2"),
        ("E_total", "+E1+E1"),
    ],
)
def test_the_formula_shown_is_the_one_that_stands_in_the_cell(tmp_path: Path, name: str, wrong: str) -> None:
    author = author_of(CLASS, {name: f"={wrong}"})
    (mistake,) = found_in(author, tmp_path / "x.xlsx").mistakes
    assert mistake.formula == author.sheet[mistake.cell].value


def net_summary(net: Net) -> str:
    kinds = net.output if net.hidden == net.output else f"{net.hidden}-{net.output}"
    return f"2-2-2 {kinds}{', with biases' if net.bias else ''}, {net.loss}"


@pytest.mark.parametrize(("kind", "quantity", "wrong", "also", "net", "first"), WRONG, ids=IDS)
def test_numbers_that_hide_a_mistake_do_not_save_it(
    tmp_path: Path, kind: str, quantity: str, wrong: str, also: str, net: Net, first: int
) -> None:
    author = author_of(net, {name_of(quantity): f"={wrong}"}, givens=HIDING)
    report = found_in(author, tmp_path / "x.xlsx")
    name = name_of(quantity)
    assert [(one.range, one.quantity) for one in report.mistakes] == [(author.range(name, first), quantity)], said(
        report
    )
    assert report.mistakes[0].kind in {kind, *also.split()}


@pytest.mark.parametrize("net", [CLASS, BIASED, DELTAS, RELU, TANH, ENTROPY], ids=repr)
def test_numbers_that_hide_mistakes_are_no_mistake_themselves(tmp_path: Path, net: Net) -> None:
    report = found_in(author_of(net, {}, givens=HIDING), tmp_path / "x.xlsx")
    assert (said(report), report.verdict) == ([], "correct")


# Mistakes that are not one formula for a column.


def test_a_rate_that_moves(tmp_path: Path) -> None:
    author = author_of(CLASS, {})
    column, row = re.fullmatch(r"\$([A-Z]+)\$(\d+)", author.outside["rate"]).groups()  # type: ignore[union-attr]
    for step in range(1, STEPS):
        before = [author.cell(name, step - 1) for name in ("w7", "dE/dw7")]
        author.sheet[author.cell("w7", step)] = f"={before[0]}-{column}{int(row) + step - 1}*{before[1]}"
    report = found_in(author, tmp_path / "x.xlsx")
    (mistake,) = report.mistakes
    assert (mistake.range, mistake.quantity, mistake.kind) == (author.range("w7", 2), "update w7", "drifting-rate")
    apply(tmp_path / "x.xlsx", report.mistakes)
    assert said(audited(tmp_path / "x.xlsx")) == []


@pytest.mark.parametrize("name", ["h1", "a_o2", "E1", "E_total", "dE/dw3", "dE/dw8"])
@pytest.mark.parametrize("step", [4, STEPS - 1])
def test_a_number_typed_over_one_cell(tmp_path: Path, name: str, step: int) -> None:
    author = author_of(CLASS, {(name, step): 0.375})
    report = found_in(author, tmp_path / "x.xlsx")
    (mistake,) = report.mistakes
    assert (mistake.range, mistake.quantity, mistake.found) == (author.cell(name, step), name, 0.375)
    assert mistake.kind == "overwritten-cell"
    apply(tmp_path / "x.xlsx", report.mistakes)
    assert said(audited(tmp_path / "x.xlsx")) == []


def test_a_weight_typed_amid_its_column(tmp_path: Path) -> None:
    author = author_of(CLASS, {("w6", 5): 0.45})
    report = found_in(author, tmp_path / "x.xlsx")
    assert [(one.range, one.quantity, one.kind) for one in report.mistakes] == [
        (author.cell("w6", 5), "update w6", "overwritten-cell")
    ]


def test_the_formula_of_another_column_in_one_cell(tmp_path: Path) -> None:
    author = author_of(CLASS, {("h1", 4): "=0.5*(t1-a_o1)^2"})
    report = found_in(author, tmp_path / "x.xlsx")
    (mistake,) = report.mistakes
    assert (mistake.range, mistake.quantity, mistake.kind) == (author.cell("h1", 4), "h1", "overwritten-cell")
    apply(tmp_path / "x.xlsx", report.mistakes)
    assert said(audited(tmp_path / "x.xlsx")) == []


def test_a_blank_amid_a_column(tmp_path: Path) -> None:
    author = author_of(CLASS, {})
    author.sheet[author.cell("a_h2", 3)] = None
    report = found_in(author, tmp_path / "x.xlsx")
    assert [(one.range, one.quantity) for one in report.mistakes] == [(author.cell("a_h2", 3), "a_h2")]


@pytest.mark.parametrize("name", ["h2", "a_o1", "E_total", "dE/dw5", "w5"])
def test_rows_that_stop_being_formulas(tmp_path: Path, name: str) -> None:
    author = author_of(CLASS, {(name, step): 0.375 + step / 100 for step in range(5, STEPS)})
    report = found_in(author, tmp_path / "x.xlsx")
    (mistake,) = report.mistakes
    quantity = f"update {name}" if name[0] == "w" else name
    assert (mistake.range, mistake.quantity, mistake.kind) == (author.range(name, 5), quantity, "stopped-formulas")
    apply(tmp_path / "x.xlsx", report.mistakes)
    assert said(audited(tmp_path / "x.xlsx")) == []


@pytest.mark.parametrize("name", ["h1", "a_o1", "E2", "E_total", "dE/dw1"])
def test_a_column_of_numbers(tmp_path: Path, name: str) -> None:
    author = author_of(CLASS, {(name, step): 0.375 + step / 100 for step in range(STEPS)})
    report = found_in(author, tmp_path / "x.xlsx")
    assert [(one.range, one.quantity, one.kind) for one in report.mistakes] == [
        (author.range(name), name, "typed-constants")
    ], said(report)
    apply(tmp_path / "x.xlsx", report.mistakes)
    assert said(audited(tmp_path / "x.xlsx")) == []


def test_a_sheet_of_numbers_is_not_live(tmp_path: Path) -> None:
    author = author_of(CLASS, {})
    rng = range(STEPS)
    for name in author.lines:
        for step in rng:
            author.sheet[author.cell(name, step)] = 0.1 + 0.01 * author.lines[name] + 0.001 * step
    report = found_in(author, tmp_path / "x.xlsx")
    assert (report.verdict, said(report)) == ("not live", [])


# A mistake from some row on, and several mistakes at once.


@pytest.mark.parametrize(("kind", "quantity", "wrong", "also", "net", "first"), WRONG[::9], ids=IDS[::9])
def test_a_mistake_from_some_row_on_begins_there(
    tmp_path: Path, kind: str, quantity: str, wrong: str, also: str, net: Net, first: int
) -> None:
    name = name_of(quantity)
    author = author_of(net, {(name, step): f"={wrong}" for step in range(4, STEPS)})
    report = found_in(author, tmp_path / "x.xlsx")
    assert [(one.range, one.quantity) for one in report.mistakes] == [(author.range(name, 4), quantity)], said(report)


TWO = [
    (("dE/dw3", f"({D1}*w6+{D2}*w8)*a_h1*(1-a_h1)*i1"), ("dE/dw4", f"({D1}*w6+{D2}*w8)*a_h1*(1-a_h1)*i2")),
    (("E2", "0.5*(t1-a_o2)^2"), ("dE/dw8", f"{D2}*h2")),
    (("a_h2", "1/(1+EXP(h2))"), ("update w5", "w5[-1]+rate*dE/dw5[-1]")),
    (("h1", "w1*i1+w2*i1"), ("dE/dw1", f"{H1}*i2")),
    (("update w1", "w1[-1]-rate*dE/dw2[-1]"), ("update w2", "w2[-1]-rate*dE/dw1[-1]")),
    (("o2", "w7*a_h1+w8*a_h1"), ("E_total", "E1+E1")),
    (("E1", "(t1-a_o1)^2"), ("E2", "(t2-a_o2)^2")),
    (("dE/dw5", f"{D2}*a_h1"), ("dE/dw7", f"{D1}*a_h1")),
]


@pytest.mark.parametrize("pair", TWO, ids=[f"{one[0]} and {two[0]}" for one, two in TWO])
def test_two_mistakes_are_two(tmp_path: Path, pair: tuple[tuple[str, str], tuple[str, str]]) -> None:
    author = author_of(CLASS, {name_of(quantity): f"={wrong}" for quantity, wrong in pair})
    report = found_in(author, tmp_path / "x.xlsx")
    expected = {(author.range(name_of(q), int(q.startswith("update"))), q) for q, _ in pair}
    assert {(one.range, one.quantity) for one in report.mistakes} == expected, said(report)
    assert len(report.mistakes) == 2
    apply(tmp_path / "x.xlsx", report.mistakes)
    assert said(audited(tmp_path / "x.xlsx")) == []


def test_a_derivative_forgotten_everywhere_has_a_cure(tmp_path: Path) -> None:
    """Which formulas are to blame may be argued, gradients or errors; that each has its right formula may not."""
    forgotten = {
        f"dE/dw{k}": "=" + re.sub(r"\*(a_o\d)\*\(1-\1\)", "", CLASS.formulas()[f"dE/dw{k}"]) for k in range(1, 9)
    }
    report = found_in(author_of(CLASS, forgotten), tmp_path / "x.xlsx")
    assert report.mistakes
    assert [one.quantity for one in report.mistakes if not one.fix] == []
    apply(tmp_path / "x.xlsx", report.mistakes)
    assert said(audited(tmp_path / "x.xlsx")) == []


HELPERS = [
    ("delta_o1", "(t1-a_o1)*a_o1*(1-a_o1)", "sign"),
    ("delta_o2", "(a_o2-t1)*a_o2*(1-a_o2)", "wrong-target"),
    ("delta_h2", "(delta_o1*w6+delta_o2*w8)*a_h1*(1-a_h1)", "wrong-neuron"),
]


@pytest.mark.parametrize(("helper", "wrong", "kind"), HELPERS)
def test_a_wrong_helper_is_the_root_and_what_uses_it_is_spoiled(
    tmp_path: Path, helper: str, wrong: str, kind: str
) -> None:
    author = author_of(DELTAS, {helper: f"={wrong}"})
    report = found_in(author, tmp_path / "x.xlsx")
    (mistake,) = report.mistakes
    assert (mistake.range, mistake.quantity, mistake.kind) == (author.range(helper), helper, kind)
    own = {f"dE/d{w}" for w, _, unit in DELTAS.joins if unit == helper.removeprefix("delta_")}
    assert set(mistake.spoils) >= own
    assert not set(mistake.spoils) & {"E_total", "E1", "E2"}


def test_what_inherits_a_mistake_is_not_named(tmp_path: Path) -> None:
    """All that is calculated after h1 has other numbers, and right formulas."""
    report = found_in(author_of(CLASS, {"h1": "=w1*i1+w2*i1"}), tmp_path / "x.xlsx")
    assert [one.quantity for one in report.mistakes] == ["h1"]


# The same in other layouts and networks: each network, layout, quantity, wrong formula, kinds.
DEEP, ONE, PAIR, WIDE = Net((2, 2, 2, 2), deltas=True), Net((1, 1)), Net((3, 2)), Net((3, 4, 2), deltas=True)
OTHER_SHEETS = [
    (CLASS, Layout(order="shuffled", steps=STEPS), "dE/dw7", f"{D2}*a_h2", "wrong-neuron"),
    (CLASS, Layout(order="shuffled", steps=STEPS), "h2", "w3*i1+w4*i1", "wrong-input"),
    (CLASS, Layout(order="shuffled", steps=STEPS), "h1", "w1*i1+w2*i1", "wrong-input"),
    (CLASS, Layout(transposed=True, steps=STEPS), "dE/dw3", f"{H1}*i1", "wrong-neuron different wrong-weight"),
    (CLASS, Layout(transposed=True, steps=STEPS), "E2", "0.5*(t1-a_o2)^2", "wrong-target"),
    (CLASS, Layout(structured=True, steps=STEPS), "dE/dw8", "(a_o2-t2)*a_o2*a_h2", "missing-factor"),
    (CLASS, Layout(structured=True, steps=STEPS), "a_o2", "1/(1+EXP(o2))", "sigmoid-sign"),
    (CLASS, Layout(copied="above", rate="sheet", steps=STEPS), "dE/dw1", f"{H1}*i2", "wrong-input"),
    (CLASS, Layout(copied="block", rate="name", steps=STEPS), "dE/dw1", f"{H1}*i2", "wrong-input"),
    (CLASS, Layout(copied="block", steps=STEPS), "E2", "0.5*(t1-a_o2)^2", "wrong-target"),
    (CLASS, Layout(new=True, steps=STEPS), "new w2", "w2-rate*dE/dw3", "wrong-gradient"),
    (CLASS, Layout(new=True, steps=STEPS), "new w5", "w5+rate*dE/dw5", "sign"),
    (
        CLASS,
        Layout(without=("h1", "h2", "o1", "o2"), steps=STEPS),
        "a_o1",
        "1/(1+EXP(w5*a_h1+w6*a_h2))",
        "sigmoid-sign",
    ),
    (CLASS, Layout(without=("E1", "E2"), steps=STEPS), "E_total", "0.5*(t1-a_o1)^2+0.5*(t1-a_o2)^2", "wrong-target"),
    (CLASS, Layout(rate="column", steps=STEPS), "dE/dw6", f"{D1}*h2", "pre-activation"),
    (CLASS, Layout(steps=2), "dE/dw6", f"{D1}*h2", "pre-activation"),
    (BIASED, Layout(steps=STEPS), "dE/db3", f"{D1}*a_h1", "extra-factor"),
    (BIASED, Layout(steps=STEPS), "dE/db1", H2, "different wrong-neuron wrong-weight"),
    (TANH, Layout(steps=STEPS), "dE/dw1", f"({D1}*w5+{D2}*w7)*(1-a_h1)*i1", "missing-square missing-factor"),
    (DEEP, Layout(steps=STEPS), "delta_h2", "(delta_h3*w6+delta_h4*w8)*a_h1*(1-a_h2)", "wrong-neuron"),
    (DEEP, Layout(steps=STEPS), "dE/dw6", "delta_h3*a_h1", "wrong-neuron"),
    (DEEP, Layout(steps=STEPS), "dE/dw12", "delta_o1*a_h4", "wrong-neuron wrong-reference"),
    (ONE, Layout(steps=STEPS), "dE/dw1", "(a_o1-t1)*a_o1*i1", "missing-factor"),
    (ONE, Layout(steps=STEPS), "dE/dw1", "(o1-t1)*a_o1*(1-a_o1)*i1", "pre-activation"),
    (ONE, Layout(steps=STEPS), "a_o1", "1/(1+EXP(o1))", "sigmoid-sign"),
    (PAIR, Layout(steps=STEPS), "dE/dw5", f"{D2}*i1", "wrong-input"),
    (PAIR, Layout(steps=STEPS), "o2", "w4*i1+w5*i2+w6*i2", "wrong-input"),
    (WIDE, Layout(steps=STEPS), "dE/dw19", "delta_o2*a_h2", "wrong-neuron"),
    (WIDE, Layout(steps=STEPS), "h3", "w7*i1+w8*i2+w6*i3", "wrong-weight"),
]


@pytest.mark.parametrize(("net", "layout", "name", "wrong", "kinds"), OTHER_SHEETS)
def test_a_mistake_is_found_in_other_sheets(
    tmp_path: Path, net: Net, layout: Layout, name: str, wrong: str, kinds: str
) -> None:
    author = Author(*one_sheet(), net, layout, mistakes={name: f"={wrong}"}).write()
    report = found_in(author, tmp_path / "x.xlsx")
    (mistake,) = report.mistakes
    assert (mistake.range, mistake.quantity) == (author.range(name), name.replace("new", "update")), said(report)
    assert mistake.kind in kinds.split(), said(report)
    if not layout.structured:  # whose cells are Translator's to move, but not to read
        apply(tmp_path / "x.xlsx", report.mistakes)
        assert said(audited(tmp_path / "x.xlsx")) == []


# Sheets that are right in another way.


def swapped(formula: str) -> str:
    """The same with w2 and w3, and w6 and w7, in each other's places."""
    return re.sub(r"w([2367])\b", lambda match: "w" + {"2": "3", "3": "2", "6": "7", "7": "6"}[match[1]], formula)


def test_another_numbering_that_is_consistent_is_no_mistake(tmp_path: Path) -> None:
    formulas = {swapped(name): "=" + swapped(formula) for name, formula in CLASS.formulas().items()}
    author = author_of(CLASS, formulas)
    assert author.sheet[author.cell("h1", 0)].value != author_of(CLASS, {}).sheet[author.cell("h1", 0)].value
    report = found_in(author, tmp_path / "x.xlsx")
    assert (said(report), report.verdict) == ([], "correct")


def test_another_numbering_with_a_mistake_is_wrong(tmp_path: Path) -> None:
    formulas = {swapped(name): "=" + swapped(formula) for name, formula in CLASS.formulas().items()}
    author = author_of(CLASS, formulas | {"dE/dw3": "=" + swapped(H1) + "*i1"})
    report = found_in(author, tmp_path / "x.xlsx")
    assert [(one.range, one.quantity, one.kind) for one in report.mistakes] == [
        (author.range("dE/dw3"), "dE/dw3", "wrong-input")
    ]


# Other ways to write the same.
SAME = [
    ("E1", "0.5*POWER(t1-a_o1,2)"),
    ("E1", "1/2*(a_o1-t1)^2"),
    ("E1", "((t1-a_o1)^2)/2"),
    ("E1", "(t1-a_o1)*(t1-a_o1)*50%"),
    ("E1", "0.5*-(t1-a_o1)^2"),
    ("E1", "SUMSQ(t1-a_o1)/2"),
    ("E1", "0.5*ABS(t1-a_o1)^2"),
    ("E_total", "SUM(E1,E2)"),
    ("E_total", "SUM(E1:E2)"),
    ("E_total", "E2+E1"),
    ("E_total", "0.5*(t1-a_o1)^2+0.5*(t2-a_o2)^2"),
    ("E_total", "AVERAGE(E1,E2)*2"),
    ("a_h1", "1/(1+exp(-1*h1))"),
    ("a_h1", "EXP(h1)/(EXP(h1)+1)"),
    ("a_h1", "(1+EXP(-h1))^-1"),
    ("a_h1", "0.5+0.5*TANH(h1/2)"),
    ("a_h1", "POWER(1+EXP(-h1),-1)"),
    ("a_h1", "1/(1+EXP(-(w1*i1+w2*i2)))"),
    ("h1", "i1*w1+i2*w2"),
    ("h1", "SUM(w1*i1,w2*i2)"),
    ("h1", "SUMPRODUCT(i1:i2,w1:w2)"),
    ("h1", "( w1 * i1 ) + ( w2 * i2 )"),
    ("dE/dw5", "-(t1-a_o1)*a_o1*(1-a_o1)*a_h1"),
    ("dE/dw5", "a_h1*(a_o1-a_o1^2)*(a_o1-t1)"),
    ("dE/dw5", "PRODUCT(a_o1-t1,a_o1,1-a_o1,a_h1)"),
    ("dE/dw1", f"{D1}*w5*a_h1*(1-a_h1)*i1+{D2}*w7*a_h1*(1-a_h1)*i1"),
    ("dE/dw2", f"{H1}*i2"),
    ("dE/dw3", f"{H2}*i1"),
    ("dE/dw7", "dE/dw8/a_h2*a_h1"),
    ("w1", "w1[-1]-dE/dw1[-1]*rate"),
    ("w1", "-rate*dE/dw1[-1]+w1[-1]"),
    ("w1", "w1[-1]+(-rate*dE/dw1[-1])"),
]


@pytest.mark.parametrize(("name", "formula"), SAME)
def test_an_equivalent_formula_is_right(tmp_path: Path, name: str, formula: str) -> None:
    report = found_in(author_of(CLASS, {name: f"={formula}"}), tmp_path / "x.xlsx")
    assert (said(report), report.verdict) == ([], "correct")
    assert report.tables[0].network == net_summary(CLASS)


# The catalogue itself.


def test_the_kinds_are_told_apart_and_each_is_documented() -> None:
    assert len(CATALOGUE) == len(MISTAKES)
    for one in MISTAKES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one.kind)
        assert one.title
        assert one.does
        assert one.right
        assert one.wrong
        assert one.right != one.wrong


def test_every_sign_leads_to_a_kind_of_the_catalogue() -> None:
    assert {sign.kind for sign in CLUES} <= set(CATALOGUE)


def test_every_kind_is_made_here() -> None:
    made = {kind for kind, *_ in WRONG}
    assert made | set(ELSEWHERE) == set(CATALOGUE)
    assert not made & set(ELSEWHERE)
    assert {name for name in ELSEWHERE.values() if name.startswith("test_")} <= set(globals())


def test_the_sheets_without_a_mistake_are_right(tmp_path: Path) -> None:
    for k, net in enumerate(dict.fromkeys(net for *_, net, _ in WRONG)):
        assert said(found_in(author_of(net, {}), tmp_path / f"{k}.xlsx")) == []
