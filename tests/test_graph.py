"""The graph of cells: expressions keep the shape that people write, and one walk gives every gradient."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from xlbackprop.errors import NetworkError
from xlbackprop.graph.backward import backward
from xlbackprop.graph.expr import ONE, ZERO, Number, Op, Prev, Ref, add, build, div, mul, neg, sub, substitute, total
from xlbackprop.graph.listing import _aligned
from xlbackprop.graph.ops import OPS
from xlbackprop.graph.program import Program, Role
from xlbackprop.graph.training import SHOWN, page, table, training
from xlbackprop.networks import load, template_names
from xlbackprop.sheet.layout import CHECKS, Layout
from xlbackprop.sheet.printers import in_symbols, number, worksheet
from xlbackprop.sheet.values import page_values
from xlbackprop.spec import loads, override

x, y, z = Ref("x"), Ref("y"), Ref("z")
LISTINGS = Path(__file__).parent / "listings"


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (mul(ONE, x), "x"),
        (mul(x, Number(-1)), "-x"),
        (mul(ZERO, x), "0"),
        (mul(x, mul(y, z)), "x*y*z"),
        (mul(x, add(y, z)), "x*(y+z)"),
        (mul(neg(x), y), "-(x*y)"),
        (add(x, neg(y)), "x-y"),
        (mul(Number(-1), x), "-x"),
        (mul(x, neg(y)), "-(x*y)"),
        (add(ZERO, x), "x"),
        (add(x, ZERO), "x"),
        (sub(x, ZERO), "x"),
        (sub(ZERO, x), "-x"),
        (div(ZERO, x), "0"),
        (div(x, ONE), "x"),
        (div(neg(x), y), "-(x/y)"),
        (div(x, mul(y, z)), "x/(y*z)"),
        (neg(Number(2)), "-2"),
        (total([]), "0"),
        (total([x, neg(y), z]), "x-y+z"),
        (sub(x, sub(y, z)), "x-(y-z)"),
        (neg(sub(x, y)), "y-x"),
        (neg(neg(x)), "x"),
        (mul(sub(x, y), z), "(x-y)*z"),
        (build("square", neg(x)), "(-x)^2"),  # in a worksheet -x^2 is (-x)^2: nobody should have to know
        (neg(build("square", x)), "-(x^2)"),
        (build("square", Number(-3)), "(-3)^2"),
        (build("sigmoid", add(x, y)), "1/(1+EXP(-(x+y)))"),
        (mul(build("sigmoid", x), y), "1/(1+EXP(-x))*y"),
        (mul(y, build("sigmoid", x)), "y*(1/(1+EXP(-x)))"),
        (build("tanh", add(x, y)), "TANH(x+y)"),
        (build("positive", x), "MAX(0,SIGN(x))"),
        (build("half squared error", x, sub(y, z)), "0.5*(x-(y-z))^2"),
        (substitute(mul(x, y), {"y": mul(y, z)}), "x*y*z"),
    ],
)
def test_shape(made: object, text: str) -> None:
    assert worksheet(made, lambda ref: ref.name) == text


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5"), (1.0, "1"), (1e-7, "1E-07"), (-2.0, "-2"), (1e22, "1E+22")])
def test_numbers_read_back(value: float, text: str) -> None:
    assert number(value) == text
    assert float(text) == value


def _gradients(program: Program, loss: str, given: dict[str, float]) -> dict[str, float]:
    backward(program, loss, tuple(given))
    values = page_values(program, given)
    return {name: values.get(f"∂E/∂{name}", 0.0) for name in given}


def test_circuit_of_cs231n() -> None:
    """f = (x + y) z at (-2, 5, -4): f -12, gradients -4, -4, 3 (CS231n, backpropagation notes)."""
    program = Program()
    for name in "xyz":
        program.given(name, Role.WEIGHT)
    q = program.define("q", Role.PRE_ACTIVATION, add(x, y))
    program.define("f", Role.TOTAL_ERROR, mul(q, z))
    assert _gradients(program, "f", {"x": -2, "y": 5, "z": -4}) == {"x": -4, "y": -4, "z": 3}


def test_sigmoid_neuron_of_cs231n() -> None:
    """w = (2, -3, -3), x = (-1, -2): f .7310585786, dw (-.1966119332, -.3932238665, .1966119332)."""
    program, given = Program(), {"w0": 2.0, "w1": -3.0, "w2": -3.0, "x0": -1.0, "x1": -2.0}
    for name in given:
        program.given(name, Role.WEIGHT)
    products = add(mul(Ref("w0"), Ref("x0")), mul(Ref("w1"), Ref("x1")))
    program.define("z", Role.PRE_ACTIVATION, add(products, Ref("w2")))
    program.define("f", Role.TOTAL_ERROR, build("sigmoid", z))
    expected = {"w0": -0.1966119332, "w1": -0.3932238665, "w2": 0.1966119332, "x0": 0.3932238665, "x1": -0.5898357997}
    assert _gradients(program, "f", given) == pytest.approx(expected, abs=1e-10)


def test_neuron_of_the_micrograd_lecture() -> None:
    """x (2, 0), w (-3, 1), b 6.8813735870195432, tanh: gradients x -1.5, .5, w 1, 0, b .5."""
    program, given = Program(), {"x1": 2.0, "x2": 0.0, "w1": -3.0, "w2": 1.0, "b": 6.8813735870195432}
    for name in given:
        program.given(name, Role.WEIGHT)
    products = add(mul(Ref("x1"), Ref("w1")), mul(Ref("x2"), Ref("w2")))
    program.define("n", Role.PRE_ACTIVATION, add(products, Ref("b")))
    program.define("o", Role.TOTAL_ERROR, build("tanh", Ref("n")))
    expected = {"x1": -1.5, "x2": 0.5, "w1": 1.0, "w2": 0.0, "b": 0.5}
    assert _gradients(program, "o", given) == pytest.approx(expected, abs=1e-12)


def test_a_quantity_used_twice_adds_up() -> None:
    """f = x² y + x at (3, 4): 2 x y + 1 = 25 and x² = 9, through one cell and through two."""
    program = Program()
    program.given("x", Role.WEIGHT)
    program.given("y", Role.WEIGHT)
    program.define("s", Role.PRE_ACTIVATION, mul(build("square", x), y))
    program.define("f", Role.TOTAL_ERROR, add(Ref("s"), x))
    assert _gradients(program, "f", {"x": 3, "y": 4}) == {"x": 25, "y": 9}


# Rows that are not differentiated, on purpose: softmax's shift cancels, and a "form" has constants alone
# or is the slope of another row.
NOT_DERIVED = {"shift", *(s for s, row in OPS.items() if row.kind == "form" and not s.startswith("stable"))}
DERIVED = [s for s, row in OPS.items() if row.kind in ("arithmetic", "activation", "loss", "form")]


@pytest.mark.parametrize("symbol", [s for s in DERIVED if s not in NOT_DERIVED])
@pytest.mark.parametrize("at", [(0.7, 0.4, 1.9), (-0.6, 1.3, 0.2)])
def test_local_derivatives(symbol: str, at: tuple[float, ...]) -> None:
    """Every row of the table against a central difference of its own worksheet text."""
    names = "xyz"[: 3 if "{args}" in OPS[symbol].worksheet else len(OPS[symbol].slots)]
    positive = symbol in ("ln", "sqrt", "kl divergence", "cross-entropy", "binary cross-entropy")
    given = {name: abs(value) / 2 if positive else value for name, value in zip(names, at)}

    def value(**changed: float) -> float:
        program = Program()
        for name in names:
            program.given(name, Role.WEIGHT)
        program.define("f", Role.TOTAL_ERROR, Op(symbol, tuple(map(Ref, names))))
        return page_values(program, {**given, **changed})["f"]

    for name, partial in zip(names, OPS[symbol].partials(Ref("f"), *map(Ref, names))):
        h = 1e-5
        slope = (value(**{name: given[name] + h}) - value(**{name: given[name] - h})) / (2 * h)
        program = Program()
        for other in names:
            program.given(other, Role.WEIGHT)
        program.define("f", Role.TOTAL_ERROR, Op(symbol, tuple(map(Ref, names))))
        program.define("d", Role.LOCAL, partial)
        assert page_values(program, given)["d"] == pytest.approx(slope, abs=1e-8)


def test_the_class_sheet_s_closed_form() -> None:
    program = table(load("era-s6"))
    assert in_symbols(program["∂E/∂w5"].expr) == "(a_o1-t1)·a_o1·(1-a_o1)·a_h1"
    assert in_symbols(program["∂E/∂w3"].expr) == (
        "((a_o1-t1)·a_o1·(1-a_o1)·w6+(a_o2-t2)·a_o2·(1-a_o2)·w8)·a_h2·(1-a_h2)·i1"
    )
    assert program["w5"].expr == sub(Prev("w5"), mul(Ref("η"), Prev("∂E/∂w5")))
    order = (
        "step t1 t2 i1 i2 w1 w2 w3 w4 h1 a_h1 h2 a_h2 w5 w6 w7 w8 o1 a_o1 o2 a_o2 E1 E2 E_total "
        "∂E/∂w1 ∂E/∂w2 ∂E/∂w3 ∂E/∂w4 ∂E/∂w5 ∂E/∂w6 ∂E/∂w7 ∂E/∂w8"
    )
    assert list(Layout(load("era-s6")).columns) == order.split()


def test_deltas_shown() -> None:
    program = table(override(load("era-s6"), style="delta"))
    assert in_symbols(program["δ_h1"].expr) == "(δ_o1·w5+δ_o2·w7)·a_h1·(1-a_h1)"
    assert program["∂E/∂w1"].expr == mul(Ref("δ_h1"), Ref("i1"))


def test_a_sequential_program_goes_back_through_updated_weights() -> None:
    program = table(load("mazur-sequential"))
    assert "w5⁺" in in_symbols(program["∂E/∂w1"].expr)
    assert program["w5"].expr == Prev("w5⁺")
    assert "⁺" not in in_symbols(table(load("mazur"))["∂E/∂w1"].expr)


def test_a_shared_bias_gathers_the_deltas_of_its_units() -> None:
    program = table(override(load("mazur-shared"), style="delta"))
    assert program["∂E/∂b1"].expr == add(Ref("δ_h1"), Ref("δ_h2"))


def test_a_program_is_defined_once_and_before_use() -> None:
    program = Program()
    with pytest.raises(AssertionError, match="before it is defined"):
        program.define("f", Role.ERROR, x)
    program.given("x", Role.INPUT)
    with pytest.raises(NetworkError, match="'x' stands for two quantities"):
        program.given("x", Role.INPUT)


def test_long_formulas_keep_their_deltas_in_columns() -> None:
    """Four layers of six in closed form would pass Excel's 8,192 characters; none of ours may."""
    wide = "[" + ", ".join(["[0.1, 0.2, -0.1, 0.3, 0.05, -0.2]"] * 6) + "]"
    layer = f"[[layers]]\nactivation = 'tanh'\nweights = {wide}\n"
    text = "style = 'class'\nsteps = 999999\nrates = [0.1]\n" + 5 * layer
    spec = loads(text + "[[samples]]\ninputs = [1, 1, 1, 1, 1, 1]\ntargets = [0, 0, 0, 0, 0, 0]\n")
    layout = Layout(spec)
    formulas = [layout.table_rows.formula(cell, 999_999) for cell in layout.shown]
    assert 1000 < max(map(len, formulas)) < 8192
    added = {cell.name for cell in layout.table if cell.role not in (*SHOWN["class"], Role.RATE, Role.SOURCE)}
    assert added == {f"δ_h{k}" for k in range(1, 19)}  # those of three layers, and nothing else


@pytest.mark.parametrize(
    ("network", "name", "note"),
    [
        ("mazur", "w1", "from i1 to h1"),
        ("mazur", "w8", "from a_h2 to o2"),
        ("mazur", "b1", "of h1 and h2, not trained"),
        ("residual", "b1", "of a_1"),
        ("batchnorm", "γ1", "scale of bn"),
        ("layernorm", "β1", "shift of ln"),
        ("attention", "wq1", "query of att"),
        ("tiny-cnn", "w9", "of kernel 1 of conv"),
        ("tiny-cnn", "w10", "of kernel 2 of conv"),
        ("tdnn", "w25", "of kernel 3 of c2"),
    ],
)
def test_a_note_says_what_a_weight_joins(network: str, name: str, note: str) -> None:
    assert training(load(network))[name].note == note


def test_columns_of_a_list_stand_apart() -> None:
    assert _aligned((("a", "bb"), ("ccc", "d"), ("e", "f"))) == "a    bb\nccc  d\ne    f"


def _listing(name: str) -> str:
    """The formulas of a template as a table: sheet, cell, quantity, formula."""
    spec = load(name)
    layout, text = Layout(spec), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for run in layout.runs():
        most = 1 if run.sheet == CHECKS else 2  # there each row is a parameter of its own
        rows = range(min(run.count, most)) if run.rate in (0, None) else ()
        writer.writerows(
            (run.sheet, run.rows[k] + 1, run.column + 1, run.name, layout.run_formula(run, k)) for k in rows
        )
    return text.getvalue()


@pytest.mark.parametrize("name", template_names())
def test_listing(name: str) -> None:
    """The formulas are those of the listing, which a reader can check and a diff shows.

    After a change that is meant: python tests/test_graph.py writes them anew.
    """
    assert _listing(name) == (LISTINGS / f"{name}.csv").read_text(encoding="utf-8")


def test_every_listing_is_of_a_template() -> None:
    assert {path.stem for path in LISTINGS.glob("*.csv")} == set(template_names())


def test_the_page_tells_every_factor() -> None:
    spec = load("era-s6")
    names = {cell.name for cell in page(spec)}
    assert {"∂a_o1/∂o1", "∂o1/∂w5", "∂E1/∂a_o1", "∂E_total/∂E1", "δ_h2", "E_total⁺", "ΔE"} <= names
    assert {cell.name for cell in training(spec) if cell.role is not Role.SOURCE} <= names


if __name__ == "__main__":
    LISTINGS.mkdir(exist_ok=True)
    for each in template_names():
        (LISTINGS / f"{each}.csv").write_text(_listing(each), encoding="utf-8")
