"""`explain`: what a number is, in symbols, cells and numbers, and a chain whose numbers are those of the reference."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from openpyxl import Workbook as Book
from openpyxl import load_workbook
from strategies import any_networks, networks
from test_audit_tables import Author, Net
from test_audit_tables import Layout as Written
from test_cli import complaint, invoke
from test_random import SLOW

import xlbackprop
from xlbackprop.audit.book import read
from xlbackprop.audit.values import Values
from xlbackprop.engine import engine
from xlbackprop.errors import WorkbookError
from xlbackprop.explanation import Explanation, Link, explain
from xlbackprop.explanation.asked import Asked
from xlbackprop.explanation.chain import BACKWARD
from xlbackprop.explanation.matrices import Matrices
from xlbackprop.explanation.ours import Ours
from xlbackprop.explanation.report import MOST_SHOWN
from xlbackprop.explanation.theirs import tables_of
from xlbackprop.kinds import build
from xlbackprop.matrix.read import read_layout
from xlbackprop.networks import load, load_any
from xlbackprop.reference.noise import Numbers
from xlbackprop.reference.run import train
from xlbackprop.sheet.address import cell_name
from xlbackprop.sheet.layout import Kind
from xlbackprop.spec import Spec, override
from xlbackprop.verification.read import Workbook

EMBEDDED = engine()


def opened(path: Path) -> Ours:
    recalculated = EMBEDDED.recalculate(path)
    return Ours(Workbook(path, recalculated), Values(read(path), recalculated, carries=False), EMBEDDED)


@cache
def template(name: str, layout: str | None = None) -> tuple[Path, Spec, Numbers]:
    """A template's workbook of three steps, its spec, and the same training by the reference."""
    spec = override(load(name), steps=3, layout=layout)
    folder = Path(tempfile.mkdtemp())
    return build(spec, folder / f"{name}.xlsx"), spec, train(spec)


@pytest.fixture(scope="session")
def hand_made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Author]:
    """A table that somebody typed, with columns for deltas and two slips."""
    book = Book()
    sheet = book.active
    assert sheet is not None
    slips = {"dE/dw3": "=delta_h1*i1", ("h2", 4): "=w3*i1-w4*i2"}
    author = Author(book, sheet, Net(deltas=True), Written(step="step"), mistakes=slips).write()
    path = tmp_path_factory.mktemp("hand") / "hand.xlsx"
    book.save(path)
    return path, author


def narrow(found: Explanation) -> None:
    """At most 80 columns, but for formulas."""
    for line in found.as_text().splitlines():
        assert len(line) <= 80 or line.startswith(("in cells", "right")), line
    json.dumps(found.as_json(), allow_nan=False)


def link(found: Explanation, quantity: str) -> Link:
    (one,) = [one for one in found.chain if one.quantity == quantity]
    return one


def test_a_gradient_of_the_class_sheet(era: Path) -> None:
    assert explain("'η=0.5'!AC8", era).as_text().splitlines() == [
        "'η=0.5'!AC8  ∂E/∂w5 at step 2, η = 0.5",
        "gradient of the error by w5 (from a_h1 to o1)",
        "in symbols    (a_o1-t1)·a_o1·(1-a_o1)·a_h1",
        "in cells      =(S8-B8)*S8*(1-S8)*K8",
        "with numbers  (0.603351-0.5)·0.603351·(1-0.603351)·0.506855",
        "value         0.0125364415841013",
        "chain         ∂E/∂w5 (AC8) = δ_o1·∂o1/∂w5 = 0.0247338·0.506855 = 0.0125364",
        "                δ_o1 = ∂E/∂a_o1·∂a_o1/∂o1 = 0.103351·0.239319 = 0.0247338",
        "                  ∂E/∂a_o1 = ∂E_total/∂E1·∂E1/∂a_o1 = 1·0.103351 = 0.103351",
        "                    ∂E_total/∂E1 = 1",
        "                    ∂E1/∂a_o1 = a_o1-t1 = 0.603351-0.5 = 0.103351",
        "                  ∂a_o1/∂o1 = a_o1·(1-a_o1) = 0.603351·(1-0.603351) = 0.239319",
        "                ∂o1/∂w5 = a_h1 = 0.506855",
    ]


# A template, a quantity, a step, what its cell says in symbols, and links of its chain, by quantity their symbols.
QUANTITIES: list[tuple[str, str, int, str, dict[str, str]]] = [
    ("era-s6", "step", 2, "step above+1", {"step above": ""}),
    ("era-s6", "t1", 0, "target_t1", {"target_t1": ""}),
    ("era-s6", "i2", 1, "in_i2", {"in_i2": ""}),
    ("era-s6", "w5", 0, "start_w5", {"start_w5": ""}),
    ("era-s6", "w5", 2, "w5 above-η·∂E/∂w5 above",
     {"w5 above": "", "η": "", "∂E/∂w5 above": "(a_o1 above-t1 above)·a_o1 above·(1-a_o1 above)·a_h1 above"}),
    ("era-s6", "h1", 1, "w1·i1+w2·i2", {"w1": "", "i1": ""}),
    ("era-s6", "a_h1", 1, "1/(1+EXP(-h1))", {"h1": "w1·i1+w2·i2"}),
    ("era-s6", "E1", 1, "0.5·(t1-a_o1)^2", {"a_o1": "1/(1+EXP(-o1))", "o1": "w5·a_h1+w6·a_h2"}),
    ("era-s6", "E_total", 3, "E1+E2", {"E2": "0.5·(t2-a_o2)^2", "w8": ""}),
    ("era-s6", "dE/dw1", 1, "((a_o1-t1)·a_o1·(1-a_o1)·w5+(a_o2-t2)·a_o2·(1-a_o2)·w7)·a_h1·(1-a_h1)·i1",
     {"∂E/∂a_h1": "δ_o1·∂o1/∂a_h1+δ_o2·∂o2/∂a_h1", "∂o2/∂a_h1": "w7", "∂E2/∂a_o2": "a_o2-t2"}),
    ("era-s6", "delta_h2", 1, "((a_o1-t1)·a_o1·(1-a_o1)·w6+(a_o2-t2)·a_o2·(1-a_o2)·w8)·a_h2·(1-a_h2)",
     {"δ_h2": "∂E/∂a_h2·∂a_h2/∂h2"}),
    ("mazur", "b1", 1, "start_b1", {"start_b1": ""}),
    ("mazur-trained", "dE/db1", 1, "((a_o1-t1)·a_o1·(1-a_o1)·w5+(a_o2-t2)·a_o2·(1-a_o2)·w7)·a_h1·(1-a_h1)",
     {"∂h1/∂b1": "1"}),
    ("mazur-sequential", "dE/dw1", 1, "", {"∂o1/∂a_h1": "w5⁺"}),
    ("mazur-sequential", "w5⁺", 1, "w5-η·∂E/∂w5", {"w5": "", "∂E/∂w5": "δ_o1·∂o1/∂w5"}),
    ("softmax-logistic", "E1", 1, "-is_1·z3_1", {"lnΣe_l2_1": "LN(Σe_l2_1)"}),
    ("softmax-logistic", "dE/dw1_1", 1, "", {"∂E2/∂z3_2": "-is_2"}),
    ("tiny-cnn", "dE/dw1", 1, "", {"∂conv_1_4_4/∂w1": "i22"}),  # a sum over the sixteen uses of a shared weight
    ("tiny-cnn", "μ_bn_1", 1, "AVERAGE(μrow_bn_1 of the batch)", {"μrow_bn_1 of the batch": ""}),
    ("tiny-cnn", "σ²row_bn_2", 1, "", {"μ_bn_2": "AVERAGE(μrow_bn_2 of the batch)"}),
    ("xor", "sample", 1, "MOD(visit,4)+1", {"visit": ""}),
    ("xor", "i1", 1, "INDEX(in_i1,sample)", {"in_i1": "", "sample": ""}),
    ("xor", "g_w1", 1, "AVERAGE(∂E/∂w1 of the batch)", {"∂E/∂w1 of the batch": ""}),
    ("xor", "E_batch", 2, "AVERAGE(E_total of the batch)", {"E_total of the batch": ""}),
    ("xor", "w1", 2, "w1 above-η·g_w1 above", {"g_w1 above": "AVERAGE(∂E/∂w1 of the batch above)"}),
    ("graddesc-adam", "m_a", 2, "0.7·m_a above+(1-0.7)·∂E/∂a",
     {"m_a above": "0.7·m_a before that+(1-0.7)·∂E/∂a above", "∂E/∂a": "δ_y·∂y/∂a"}),
    ("graddesc-adam", "a", 3, "a above-η·m_a above/SQRT(v_a above)", {"v_a before that": ""}),
    ("three-hidden", "dE/dw1", 1, "δ_h1·i1",
     {"∂E/∂a_h1": "δ_h4·∂h4/∂a_h1+δ_h5·∂h5/∂a_h1", "∂E/∂a_o1": "∂E_total/∂E1·∂E1/∂a_o1"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "asked", "step", "symbols", "links"), QUANTITIES)
def test_a_quantity(name: str, asked: str, step: int, symbols: str, links: dict[str, str]) -> None:
    path, spec, numbers = template(name)
    rate = len(spec.rates) - 1
    found = explain(asked, path, step=step, rate=spec.rates[rate])
    assert (found.step, found.rate, found.wrong) == (step, spec.rates[rate], "")
    assert found.symbols == (symbols or found.symbols)
    assert {quantity: link(found, quantity).symbols for quantity in links} == links
    narrow(found)
    batches = spec.batches
    agree_with(found, numbers, rate, batches.start(step), step)


def agree_with(found: Explanation, numbers: Numbers, rate: int, visit: int, step: int) -> None:
    """Every number of an explanation that the reference has is that number, to the digits shown."""
    rows = numbers.values["step"].shape[1]
    own = Link(found.quantity, "", "", "", found.value, 0)
    for one in (own, *found.chain):
        values = numbers.values.get(one.quantity)
        if values is not None:
            right = float(values[rate, visit if values.shape[1] == rows else step])
            noise = float(numbers.noise[one.quantity][rate, visit if values.shape[1] == rows else step])
            assert isinstance(one.value, float)
            assert np.isclose(one.value, right, rtol=1e-12, atol=noise), one
            assert float(one.as_text().rpartition(" = ")[2]) == pytest.approx(right, rel=1e-5, abs=noise), one


@pytest.mark.parametrize(
    "name",
    ["era-s6", "mazur", "mazur-sequential", "softmax-logistic", "xor", "batchnorm", "dropout", "graddesc-adam"],
)
def test_a_cell_of_every_run(name: str) -> None:
    path, spec, numbers = template(name)
    ours = opened(path)
    for run in ours.layout.runs():
        for k in {0, run.count - 1} if run.sheet not in ours.layout.sheets[:-1] else ():
            found = ours.at(run.place(k))
            assert not found.wrong, found.as_text()
            assert found.says and found.value is not None and (found.formula or run.kind is Kind.DRAWN)
            narrow(found)
            if run.kind is Kind.TABLE:
                visit = ours.layout.table_rows.visits(run.name)[k]
                assert found.quantity == run.name
                assert run.rate is not None
                agree_with(found, numbers, run.rate, visit, spec.batches.step_of(visit))


def test_inputs_heads_pages_and_the_rest(era: Path) -> None:
    says = {
        "Overview!B44": "an input: change it, and everything that uses it follows",
        "Overview!E9": "how many visits to a sample found a larger error than the visit before",
        "'η=0.5'!B3": "an input: change it, and everything that uses it follows",
        "'η=0.5'!J5": "the head of the column of h1 (pre-activation: the weighted sum into the unit); see J6",
        "Backward!B14": "the words of δ_o1 (delta: gradient of the error by the pre-activation o1); see E14",
        "Backward!E14": "delta: gradient of the error by the pre-activation o1",
        "Forward!E26": "weight from a_h1 to o1",
        "Next forward!E10": "w5 after the update",
        "Compare!D6": "total error: the sum over the outputs",
        "Overview!A1": "not part of a training table: a text",
        "'η=0.5'!AZ99": "not part of a training table: blank",
        "Network file!A9": "not part of a training table: a text",
    }
    ours = opened(era)
    explained = {place: ours.explain(Asked(place, era)) for place in says}
    assert {place: found.says for place, found in explained.items()} == says
    notes = {place: dict(found.notes) for place, found in explained.items()}
    assert notes["Overview!B44"]["used by"] == "'η=0.1'!N6, 'η=0.2'!N6, 'η=0.5'!N6 and 3 more"
    assert notes["Overview!B44"]["name"] == "start_w5"
    assert notes["Compare!D6"]["shows"] == "'η=0.5'!X7, which is =V7+W7"
    assert notes["Forward!E26"]["starts at"] == "0.4 (Overview!B44, start_w5)"
    for found in explained.values():
        narrow(found)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("w5", "N6"), ("W5", "W5"), ("$w$5", "W5"), ("E1", "V6"), ("$E$1", "E1"), ("ac8", "AC8"), ("AC8", "AC8"),
        ("∂E/∂w5", "AC6"), ("dE/dw5", "AC6"), ("∂E_t/∂W5", "AC6"), ("E_tot", "X6"), ("a_h1", "K6"), ("η=0.2!b3", "B3"),
        ("start_w5", "B44"), ("rate", "B3"), ("w5+", "E10"),
    ],
)  # fmt: skip
def test_what_is_asked_for(era: Path, asked: str, place: str) -> None:
    assert explain(asked, era).cell == place


def test_a_changed_input_is_followed(era: Path, tmp_path: Path) -> None:
    """Its numbers are calculated, and not those that the file carries."""
    book = load_workbook(era)
    book["Overview"]["B44"] = 0.9
    book.save(tmp_path / "x.xlsx")
    found = explain("w5", tmp_path / "x.xlsx", step=1)
    assert dict(found.notes)["starts at"] == "0.9 (Overview!B44, start_w5)"
    assert link(explain("o1", tmp_path / "x.xlsx"), "w5").value == 0.9


@pytest.mark.parametrize(
    ("sheet", "cell", "content", "wrong", "right"),
    [
        ("η=0.5", "AA8", "=S8*2", "its right formula gives 0.00033", "=((S8-B8)*S8*(1-S8)*O8+"),
        ("η=0.5", "K9", 0.5, "it is typed; it should be calculated", "=1/(1+EXP(-J9))"),
        ("η=0.5", "D7", "=in_i2", "its right formula gives 0.05", "=in_i1"),
        ("η=0.5", "B3", "=rate_2", "it should show 0.5", "=rate_1"),
        ("Compare", "C8", "='η=2.0'!X8", "it should show", "='η=2.0'!X9"),
        ("Backward", "E9", "=Forward!E9-Forward!E35", "its right formula gives", "=Forward!E35-Forward!E9"),
        ("Overview", "E9", 3, "it is typed; it should be calculated", "=SUMPRODUCT("),
    ],
)
def test_a_wrong_cell_is_told(
    small: Path, tmp_path: Path, sheet: str, cell: str, content: object, wrong: str, right: str
) -> None:
    book = load_workbook(small)
    book[sheet][cell] = content
    book.save(tmp_path / "x.xlsx")
    found = explain(f"'{sheet}'!{cell}", tmp_path / "x.xlsx")
    assert found.wrong.startswith(wrong), found.as_text()
    assert found.right.startswith(right)
    assert found.formula == (content if isinstance(content, str) else "")
    narrow(found)


def test_a_wrong_link_of_a_chain_is_told(small: Path, tmp_path: Path) -> None:
    book = load_workbook(small)
    book["η=0.5"]["J8"] = "=F8*D8-G8*E8"
    book.save(tmp_path / "x.xlsx")
    found = explain("a_h1", tmp_path / "x.xlsx", step=2)
    assert not found.wrong
    assert link(found, "h1").as_text().endswith("= 0.0274219, and its cell holds -0.0124531")


@settings(max_examples=8, **SLOW)
@given(networks())
def test_any_cell_of_any_network(spec: Spec) -> None:
    _all_explained(spec)


@settings(max_examples=8, **SLOW)
@given(any_networks())
def test_any_cell_of_any_layers(spec: Spec) -> None:
    _all_explained(spec)


def _all_explained(spec: Spec) -> None:
    """Cells of all kinds of runs, and quantities by their names; the chain gives what the cell holds."""
    with tempfile.TemporaryDirectory() as folder:
        ours = opened(build(spec, Path(folder) / "x.xlsx"))
        for found in _each(ours):
            narrow(found)
            assert not found.wrong, found.as_text()
            assert all(one.holds is None for one in found.chain), found.as_text()
            first = found.chain[0] if found.chain else None
            if first is not None and first.quantity == found.quantity and isinstance(found.value, float):
                assert isinstance(first.value, float)
                assert np.isclose(first.value, found.value, rtol=1e-9, atol=1e-12, equal_nan=True)


def _each(ours: Ours) -> Iterator[Explanation]:
    """The last cells of a few dozen runs, and a dozen quantities that have no column."""
    runs = [run for run in ours.layout.runs() if run.sheet not in ours.layout.sheets[:-1]]
    for run in runs[:: 1 + len(runs) // 40]:
        yield ours.at(run.place(run.count - 1))
    hidden = [one.name for one in ours.full if one.role in BACKWARD and one.name not in ours.layout.columns]
    for name in hidden[:: 1 + len(hidden) // 12]:
        yield ours.explain(Asked(name, ours.book.path, step=ours.layout.batches.steps))


def test_matrices() -> None:
    path, spec, numbers = template("era-s6", "matrix")
    found = explain("dE/dw1", path, step=1, rate=0.5)
    assert (found.title, found.symbols) == ("'η=0.5'!J31  ∂E/∂w1 at step 1, η = 0.5", "δ_h1·i1")
    assert link(found, "∂E/∂a_h1").symbols == "δ_o1·w5+δ_o2·w7"
    agree_with(found, numbers, spec.rates.index(0.5), 1, 1)
    assert dict(explain("'η=0.5'!C16", path).notes)["copy of"] == "F10"
    recalculated = EMBEDDED.recalculate(path)
    matrices = Matrices(read_layout(path, recalculated), Values(read(path), recalculated, carries=False), EMBEDDED)
    for one in matrices.layout.templates:
        place = cell_name(matrices.layout.top(3) + one.place[0], one.place[1])
        found = matrices.explain(Asked(f"η=2.0!{place}", path))
        assert not found.wrong
        assert found.quantity == one.cell.name
        narrow(found)
        agree_with(found, numbers, spec.rates.index(2.0), 3, 3)


def test_function_tables_and_sizes(tmp_path: Path) -> None:
    path = build(load_any("activations"), tmp_path / "x.xlsx")
    found = explain("A1", path)
    assert found.says == "of a table of functions: a text"
    with pytest.raises(WorkbookError, match="trains nothing, so 'dE/dw1' is no quantity of it; name a cell"):
        explain("dE/dw1", path)


def test_a_hand_made_table(hand_made: tuple[Path, Author]) -> None:
    path, author = hand_made
    found = explain("dE/dw5", path, step=2)
    assert found.cell == author.cell("dE/dw5", 2)
    assert (found.symbols, found.quantity, found.rate, found.wrong) == ("δ_o1·a_h1", "∂E/∂w5", 0.5, "")
    assert found.says == "gradient of the error by w5 from a_h1 to o1; the sheet calls it 'dE/dw5'"
    assert link(found, "δ_o1").cell == author.cell("delta_o1", 2)
    assert link(found, "∂E1/∂a_o1").symbols == "a_o1-t1"
    assert dict(found.notes)["checked"] == "its own formula is right; xlbackprop verify names 2 mistakes elsewhere"
    narrow(found)


def test_a_mistake_of_a_hand_made_table(hand_made: tuple[Path, Author]) -> None:
    path, author = hand_made
    found = explain(author.cell("dE/dw3", 3), path)
    row = author.cell("i1", 3)
    assert found.wrong == (
        f"uses delta_h1 ({author.cell('delta_h1', 3)}); dE/dw3 needs delta_h2 ({author.cell('delta_h2', 3)})"
    )
    assert found.right == f"={author.cell('delta_h2', 3)}*{row}"
    assert link(found, "∂E/∂w3").holds == found.value
    narrow(found)
    slip = explain("h2", path, step=4)
    assert (slip.symbols, slip.right) == ("w3·i1-w4·i2", slip.formula.replace("-", "+"))


def test_every_cell_of_a_hand_made_table(hand_made: tuple[Path, Author]) -> None:
    path, author = hand_made
    _, tables = tables_of(path, EMBEDDED)
    (table,) = tables
    for lane in range(len(author.lines)):
        for step in (0, 5):
            found = table.at(lane, step)
            narrow(found)
            assert found.value is not None
    weight = explain("w5", path, step=1)
    assert weight.symbols == "w5 above-η·∂E/∂w5 above"
    assert [(one.quantity, one.value) for one in weight.chain] == [
        ("w5 above", explain("w5", path).value), ("η", 0.5), ("∂E/∂w5 above", explain("dE/dw5", path).value),
    ]  # fmt: skip
    assert explain("$E$29", path).quantity == "the learning rate"
    assert explain("A1", path).says == "not part of a training table: blank"


def test_a_workbook_without_a_table(tmp_path: Path) -> None:
    book = Book()
    sheet = book.active
    assert sheet is not None
    sheet["A1"], sheet["A2"], sheet["B2"] = "Costs", "rent", 12
    sheet["C2"] = "=B2*2"
    book.save(tmp_path / "x.xlsx")
    found = explain("C2", tmp_path / "x.xlsx")
    assert (found.says, found.formula, found.value) == ("not part of a training table: a formula", "=B2*2", 24.0)
    assert dict(found.notes) == {"left of it": "rent (A2)"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["w9"], "has no cell or quantity 'w9'; did you mean w7 or w8?"),
        (["dE/dw77"], "has no cell or quantity 'dE/dw77'; did you mean dE/dw"),
        (["nosuch"], "has no cell or quantity 'nosuch'; it has rate, step, t1, t2, i1, i2, ..."),
        (["Sheet9!A1"], "has no sheet 'Sheet9'; its sheets are Overview,"),
        (["η=0.4!A1"], "has no sheet 'η=0.4'; did you mean"),
        (["Overview!"], "Overview!: is no cell; write one such as AC8 or Sheet1!AC8"),
        (["XFE1"], "XFE1: no sheet has such a cell"),
        (["A1048577"], "A1048577: no sheet has such a cell"),
        (["w5", "--step", "101"], "has no step 101; its steps are 0 to 100"),
        (["w5", "--rate", "7"], "has no rate 7; its rates are 0.1, 0.2, 0.5, 0.8, 1, 2"),
        (["Overview!A1", "--step", "1"], "Overview!A1: is one cell; leave --step and --rate out"),
        (["w5⁺", "--step", "3"], "w5⁺: stands on Next forward alone, which shows step 0 at η = 0.1"),
    ],
)
def test_complaints(era: Path, arguments: list[str], says: str) -> None:
    assert says in complaint("explain", arguments[0], era, *arguments[1:])


def test_no_workbook(tmp_path: Path) -> None:
    assert "cannot be read" in complaint("explain", "A1", tmp_path / "none.xlsx")


def test_command_and_library_say_the_same(era: Path) -> None:
    result = invoke("explain", "dE/dw5", era, "--step", 2, "--rate", 0.5)
    assert result.exit_code == 0
    found = xlbackprop.explain("dE/dw5", era, step=2, rate=0.5)
    assert isinstance(found, xlbackprop.Explanation)
    assert result.output == found.as_text() + "\n"
    said = json.loads(invoke("explain", "dE/dw5", era, "--step", 2, "--rate", 0.5, "--json").output)
    assert said == found.as_json()
    assert (said["cell"], said["quantity"], said["formula"]) == ("AC8", "dE/dw5", "=(S8-B8)*S8*(1-S8)*K8")
    assert [one["quantity"] for one in said["chain"]][:2] == ["dE/dw5", "delta_o1"]


def test_a_long_chain_is_cut_on_the_terminal() -> None:
    found = explain("dE/dw1", template("tiny-cnn")[0])
    assert len(found.chain) > MOST_SHOWN
    assert found.as_text().endswith(f"and {len(found.chain) - MOST_SHOWN} more; --json lists them all")


@pytest.mark.libreoffice
def test_in_libreoffice(era: Path) -> None:
    found = explain("dE/dw5", era, step=2, rate=0.5, engine="libreoffice")
    assert found.wrong == ""
    assert found.value == pytest.approx(0.0125364415841013, rel=1e-12)
