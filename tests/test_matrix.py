"""The matrix layout: blocks as people draw them, every cell of them verified, every mistake named."""

from __future__ import annotations

import re
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facts import FACTS, Fact
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from xlbackprop.engine import engine
from xlbackprop.errors import NetworkError, WorkbookError, XlbackpropError
from xlbackprop.graph.expr import Expr, Ref, add, mul
from xlbackprop.graph.losses import LOSSES
from xlbackprop.graph.ops import OPS, of_kind
from xlbackprop.matrix import compare as matrix_compare
from xlbackprop.matrix import layout as matrix_layout
from xlbackprop.matrix.layout import Layout
from xlbackprop.matrix.read import read_layout
from xlbackprop.matrix.report import Report
from xlbackprop.matrix.sheet import build
from xlbackprop.matrix.verify import verify
from xlbackprop.networks import load, template_names
from xlbackprop.reference import functions
from xlbackprop.sheet.address import cell_name
from xlbackprop.spec import Spec, dumps, gradient_name, loads, override

ERA = [fact for fact in FACTS if fact.template == "era-s6"]
FUNCTIONS = {
    "ABS",
    "COS",
    "EXP",
    "INDEX",
    "LN",
    "MAX",
    "MIN",
    "MMULT",
    "MOD",
    "SIN",
    "SQRT",
    "SUM",
    "SUMPRODUCT",
    "TANH",
}

SEQUENCE = """
steps = 3
rates = [0.1]
seed = 3
input_shape = [3, 2]
"""
SAMPLE = """
[[samples]]
inputs = [0.1, 0.2, -0.3, 0.4, 0.7, -0.2]
"""
ATTENTION = f"""{SEQUENCE}
loss = "cross-entropy from logits"
[[layers]]
kind = "positional encoding"
[[layers]]
kind = "attention"
size = 4
init = "xavier"
causal = CAUSAL
[[layers]]
size = 2
activation = "none"
init = "xavier"
bias_init = "zeros"
{SAMPLE}
targets = [0, 1]
"""
PROJECTED = f"""{SEQUENCE}
loss = "mean squared error"
[[layers]]
kind = "attention"
query = [[0.5, -0.2], [0.1, 0.4]]
key = [[0.3, 0.6], [-0.4, 0.2]]
value = [[0.7, 0.1], [-0.3, 0.5], [0.2, 0.9]]
output = [[0.6, -0.5, 0.1], [0.2, 0.8, -0.3]]
{SAMPLE}
targets = [0.4, -0.1, 0.3, 0.2, -0.2, 0.5]
"""
SOFTMAX = f"""{SEQUENCE}
loss = "cross-entropy"
[[layers]]
size = 3
activation = "tanh"
init = "xavier"
[[layers]]
kind = "softmax"
{SAMPLE}
label = 1
[[samples]]
inputs = [-0.1, 0.5, 0.3, 0.2, -0.7, 0.6]
label = 0
"""
LOG_SOFTMAX = SOFTMAX.replace('"cross-entropy"', '"nll"').replace('"softmax"', '"log-softmax"')
NETWORKS = {
    "attention": ATTENTION.replace("CAUSAL", "false"),
    "causal": ATTENTION.replace("CAUSAL", "true"),
    "projected": PROJECTED,
    "softmax": SOFTMAX,
    "log-softmax": LOG_SOFTMAX,
    "inputs' gradients": "input_gradients = true\n" + SOFTMAX,
}


def _large(width: int = 30, steps: int = 3) -> Spec:
    """30-20-10 in the first width: 800 weights."""
    inputs = ", ".join(str(round(np.sin(k), 3)) for k in range(width))
    targets = ", ".join(str(round((1 + np.cos(k)) / 2, 3)) for k in range(10))
    return loads(f"""
steps = {steps}
rates = [0.5]
seed = 7
[[layers]]
size = 20
activation = "tanh"
init = "xavier"
bias_init = "zeros"
[[layers]]
size = 10
activation = "sigmoid"
init = "xavier"
bias_init = "zeros"
[[samples]]
inputs = [{inputs}]
targets = [{targets}]
""")


def _dense(activation: str = "tanh", loss: str = "half squared error") -> Spec:
    last = "sigmoid" if LOSSES[loss].needs_positive else "tanh"
    targets = "" if loss == "output" else "targets = [0.3, 0.9]"
    size = 1 if loss == "output" else 2
    return loads(f"""
steps = 3
rates = [0.3]
loss = "{loss}"
[[layers]]
size = 3
activation = "{activation}"
init = "xavier"
[[layers]]
size = {size}
activation = "{last}"
init = "xavier"
bias_init = "zeros"
[[samples]]
inputs = [0.4, -0.8]
{targets}
""")


def _small() -> Spec:
    return override(load("era-s6"), rates=(0.5, 2.0), steps=4)


@pytest.fixture(scope="module")
def era(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(load("era-s6"), tmp_path_factory.mktemp("matrix") / "era.xlsx")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(_small(), tmp_path_factory.mktemp("matrix") / "small.xlsx")


def _verified(spec: Spec, folder: Path) -> Report:
    return verify(build(spec, folder / "x.xlsx"))


# The numbers


def test_published_numbers(era: Path) -> None:
    layout, recalculated = Layout(load("era-s6")), engine().recalculate(era)

    def found(fact: Fact) -> object:
        sheet = layout.sheets[layout.spec.rates.index(fact.rate)]
        return recalculated.column(sheet, *layout.at(fact.quantity, fact.step), 1)[0]

    assert len(ERA) > 40
    for fact in ERA:
        assert found(fact) == pytest.approx(fact.value, rel=fact.precision), fact


def test_the_class_network_verifies(era: Path) -> None:
    report = verify(era)
    assert report.correct, report.as_text()
    assert report.cells == 6 * 101 * 56 + 6 * 2 + 6 * 101 + 101 + 2 * 6  # bands, Compare and its head, Overview, rates
    assert report.witnessed == 6 * 101 * 8
    assert report.as_json()["verdict"] == "correct"
    assert report.errors[4, 100] == pytest.approx(2.2562565141713e-05)


@pytest.mark.parametrize("name", NETWORKS)
def test_verifies(name: str, tmp_path: Path) -> None:
    report = _verified(loads(NETWORKS[name]), tmp_path)
    assert report.correct, report.as_text()
    assert report.witnessed > 20


@pytest.mark.parametrize("activation", of_kind("activation"))
def test_every_activation(activation: str, tmp_path: Path) -> None:
    report = _verified(_dense(activation), tmp_path)
    assert report.correct, report.as_text()


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss: str, tmp_path: Path) -> None:
    report = _verified(_dense(loss=loss), tmp_path)
    assert report.correct, report.as_text()


def test_templates_verify_or_are_refused(tmp_path: Path) -> None:
    taken = set()
    for name in template_names():
        spec = override(load(name), steps=min(2, load(name).updates))
        try:
            report = _verified(spec, tmp_path)
        except NetworkError as error:
            assert str(error).endswith("or use layout rows"), name
        else:
            assert report.correct, report.as_text()
            taken.add(name)
    assert taken >= {"era-s6", "mazur", "mazur-shared", "mazur-trained", "three-hidden"}


def test_a_large_network(tmp_path: Path) -> None:
    report = _verified(_large(), tmp_path)
    assert report.correct, report.as_text()
    assert report.witnessed == 4 * 830


@pytest.mark.libreoffice
@pytest.mark.parametrize("name", ["large", "attention", "projected"])
def test_libreoffice_agrees(name: str, tmp_path: Path) -> None:
    spec = _large(steps=2) if name == "large" else loads(NETWORKS[name])
    report = verify(build(spec, tmp_path / "x.xlsx"), engine="libreoffice")
    assert report.correct, report.as_text()
    assert "LibreOffice" in report.engine


@st.composite
def _networks(draw: st.DrawFn) -> Spec:
    width = draw(st.integers(1, 5))
    layers = [
        f"[[layers]]\nsize = {draw(st.integers(1, 6))}\ninit = 'xavier'\n"
        f"activation = '{draw(st.sampled_from(['none', 'identity', 'sigmoid', 'tanh', 'relu', 'softplus']))}'\n"
        + draw(st.sampled_from(["", "bias_init = 'xavier'\n", "bias = 0.25\n", "bias = 0.5\ntrain_bias = false\n"]))
        for _ in range(draw(st.integers(1, 3)))
    ]
    n_out = int(layers[-1].split("size = ")[1].split("\n")[0])
    number = st.integers(-20, 20).map(lambda n: n / 10)
    samples = [
        f"[[samples]]\ninputs = {draw(st.lists(number, min_size=width, max_size=width))}\n"
        f"targets = {draw(st.lists(number, min_size=n_out, max_size=n_out))}\n"
        for _ in range(draw(st.integers(1, 3)))
    ]
    head = f"steps = {draw(st.integers(1, 4))}\nrates = [0.2]\nseed = {draw(st.integers(0, 99))}\n"
    return loads(head + "\n".join(layers + samples))


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(_networks())
def test_random_dense_networks_verify(spec: Spec) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = _verified(spec, Path(folder))
    assert report.correct, f"{spec}\n{report.as_text()}"


# What stands where


def _formula(layout: Layout, name: str, step: int = 0) -> str:
    place = layout.band.places[name][0]
    return next(one.formula(step, layout.top(step)) for one in layout.templates if one.place == place)


ERA_FORMULAS = {
    "h1": "SUMPRODUCT(C10:D10,C9:D9)",
    "a_h1": "1/(1+EXP(-E10))",
    "E_total": "SUM(E23:E24)",
    "∂E/∂a_o1": "C23-D23",
    "δ_o1": "H17*F17*(1-F17)",
    "∂E/∂w5": "I17*C16",
    "∂E/∂a_h1": "SUMPRODUCT(I17:I18,C17:C18)",
    "w1⁺": "C10-$B$3*J10",
    "w1": "Overview!$B$39",
    "i1": "Overview!$B$35",
}
ATTENTION_FORMULAS = {
    "q_u2_1_1": r"SUMPRODUCT\(E\d+:F\d+,C\d+:D\d+\)",
    "s_u2_1_2": r"SUMPRODUCT\(C(\d+):F\1,G\d+:J\d+\)/SQRT\(4\)",
    "Σe_u2_1": r"SUM\(G\d+:I\d+\)",
    "max_u2_1": r"MAX\(C\d+:E\d+\)",
    "u2_1_1": r"MMULT\(K(\d+):M\1,K\d+:K\d+\)",
    "∂E/∂v_u2_1_1": r"SUMPRODUCT\(R\d+:R\d+,K\d+:K\d+\)",
    "∂E/∂k_u2_1_1": r"SUMPRODUCT\(Y\d+:Y\d+,C\d+:C\d+\)/SQRT\(4\)",
    "∂E/∂q_u2_1_1": r"MMULT\(Y(\d+):AA\1,G\d+:G\d+\)/SQRT\(4\)",
    "o1": r"SUMPRODUCT\(C\d+:N\d+,C\d+:N\d+\)\+O\d+",
}


def test_formulas_of_the_class_network() -> None:
    layout = Layout(load("era-s6"))
    assert {name: _formula(layout, name) for name in ERA_FORMULAS} == ERA_FORMULAS
    assert _formula(layout, "w1", 1) == "M10"  # of the band above
    assert _formula(layout, "h1", 1) == "SUMPRODUCT(C31:D31,C30:D30)"


def test_formulas_of_attention() -> None:
    layout = Layout(loads(NETWORKS["attention"]))
    for name, pattern in ATTENTION_FORMULAS.items():
        assert re.fullmatch(pattern, _formula(layout, name)), (name, _formula(layout, name))


@pytest.mark.parametrize("name", [*NETWORKS, "large"])
def test_every_quantity_stands_once_and_sums_are_short(name: str) -> None:
    layout = Layout(_large() if name == "large" else loads(NETWORKS[name]))
    calculated = {cell.name for cell in layout.program if cell.expr is not None}
    assert set(layout.band.places) == calculated
    cells = [place for block in layout.band.blocks for place, _ in block.cells()]
    assert len(cells) == len(set(cells))
    assert max(len(one.other) for one in layout.templates) < 90


def test_the_error_s_way_back_is_the_mirror() -> None:
    """From left to right W b z a, then the adjoints of a z b W."""
    layout = Layout(_large())
    first = [block for block in layout.band.blocks if block.row == 5]
    assert [block.label for block in sorted(first, key=lambda block: block.column)] == [
        "W", "b", "z", "a", "∂E/∂a", "δ", "∂E/∂b", "∂E/∂W", "W⁺", "b⁺",
    ]  # fmt: skip


def test_carried_values_are_those_of_the_calculator(tmp_path: Path) -> None:
    for name, text in NETWORKS.items():
        path = build(loads(text), tmp_path / "x.xlsx")
        carried, recalculated = load_workbook(path, data_only=True), engine().recalculate(path)
        layout = Layout(loads(text))
        for sheet, place, _ in layout.formulas():
            value = carried[sheet].cell(place[0] + 1, place[1] + 1).value
            found = recalculated.column(sheet, *place, 1)[0]
            assert value == pytest.approx(found, rel=1e-12, abs=1e-16), (name, sheet, cell_name(*place))


def test_only_functions_that_everybody_has(tmp_path: Path) -> None:
    used: set[str] = set()
    for text in NETWORKS.values():
        path = build(loads(text), tmp_path / "x.xlsx")
        with zipfile.ZipFile(path) as package:
            xml = "".join(package.read(name).decode() for name in package.namelist() if "/sheet" in name)
        formulas = re.findall(r"<f[^>]*>([^<]+)</f>", xml)
        assert "<f t=" not in xml  # no array formula
        used |= {function for formula in formulas for function in re.findall(r"([A-Z][A-Z0-9.]*)\(", formula)}
    assert used <= FUNCTIONS
    assert {"SUMPRODUCT", "MMULT"} <= used


def test_the_same_input_gives_the_same_bytes(small: Path, tmp_path: Path) -> None:
    assert build(_small(), tmp_path / "x.xlsx").read_bytes() == small.read_bytes()


@pytest.mark.parametrize("name", ["era-s6", "attention", "softmax"])
def test_schema(name: str, tmp_path: Path) -> None:
    from openxml_audit import OpenXmlValidator

    path = build(loads(NETWORKS[name]) if name in NETWORKS else _small(), tmp_path / "x.xlsx")
    result = OpenXmlValidator().validate(str(path))
    assert result.is_valid, [str(error) for error in result.errors]


def test_a_network_file_longer_than_a_cell(tmp_path: Path) -> None:
    """A cell takes 32,767 characters, of which this network's weights need more."""
    spec = _large(width=90, steps=1)
    path = build(spec, tmp_path / "x.xlsx")
    assert len(dumps(spec)) > 32_767
    assert read_layout(path, engine().recalculate(path)).spec == spec


# What is wrong is named


def _changed(path: Path, copy: Path, sheet: str, place: tuple[int, int], value: object) -> Path:
    book = load_workbook(path)
    book[sheet].cell(place[0] + 1, place[1] + 1).value = value
    book.save(copy)
    return copy


CORRUPTIONS = [
    # quantity, its place's number, step, what is typed (None: the number that stands there), kind
    ("δ_h1", 0, 2, "=H{row}*F{row}", "wrong-formula"),
    ("h2", 0, 1, "=SUMPRODUCT(C{row}:D{row},C{above2}:D{above2})*1.0001", "wrong-formula"),
    ("∂E/∂a_h1", 0, 0, "=0", "wrong-formula"),
    ("∂E/∂a_h1", 1, 3, "=0", "wrong-formula"),
    ("a_h1", 1, 2, "=C{row2}", "wrong-formula"),
    ("w1⁺", 0, 4, "=C{row}", "wrong-formula"),
    ("w3", 0, 2, "=0.3", "wrong-formula"),
    ("step", 0, 2, "=5", "wrong-formula"),
    ("E_total", 0, 1, None, "typed-constant"),
    ("t1", 0, 1, "=0.5", "lucky-formula"),
]


@pytest.mark.parametrize(("name", "which", "step", "text", "kind"), CORRUPTIONS)
def test_a_corrupted_cell_is_named(
    name: str, which: int, step: int, text: str | None, kind: str, small: Path, tmp_path: Path
) -> None:
    layout = Layout(_small())
    row, column = layout.band.places[name][which]
    place = (layout.top(step) + row, column)
    if text is None:
        value: object = load_workbook(small, data_only=True)["η=2.0"].cell(place[0] + 1, column + 1).value
    else:
        value = text.format(row=place[0] + 1, above2=place[0] - 1, row2=place[0] + 2)
    report = verify(_changed(small, tmp_path / "x.xlsx", "η=2.0", place, value))
    assert not report.correct
    assert [(one.sheet, one.cell, one.quantity, one.kind) for one in report.roots] == [
        ("η=2.0", cell_name(*place), name, kind)
    ]
    root = report.roots[0]
    assert root.fix == f"={_formula(layout, name, step)}" if which == 0 else root.fix.startswith("=")
    assert root.formula == (value if text else "")
    assert f"'η=2.0'!{root.cell} {name}" in report.as_text()
    assert report.as_json()["mistakes"][0]["cell"] == root.cell


def test_a_wrong_view_is_named(small: Path, tmp_path: Path) -> None:
    report = verify(_changed(small, tmp_path / "x.xlsx", "Compare", (5, 1), "='η=0.5'!F23"))
    assert [(one.sheet, one.cell, one.quantity) for one in report.mismatches] == [("Compare", "B6", "E_total")]


def test_a_wrong_rule_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "tanh", replace(OPS["tanh"], partials=lambda a, z: (mul(a, a),)))
    report = _verified(_dense("sigmoid"), tmp_path)
    assert {one.quantity for one in report.roots} >= {"δ_o1", "δ_o2"}
    assert all(one.quantity.startswith(("δ_o", "∂E/∂w")) for one in report.roots)


def test_a_wrong_update_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xlbackprop.graph import optimizers

    def wrong(weight: Expr, gradient: Expr, rate: Expr | None = None) -> Expr:
        return add(weight, mul(Ref("η"), gradient))

    monkeypatch.setattr(optimizers, "sgd_step", wrong)
    assert {one.quantity for one in _verified(_small(), tmp_path).roots} == {f"w{k}⁺" for k in range(1, 9)}


def test_the_complex_step_objects_where_both_tellings_are_wrong_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPS, "tanh", replace(OPS["tanh"], partials=lambda a, z: (mul(a, a),)))
    wrong = functions.ACTIVATIONS["tanh"]._replace(slope=lambda z, a: a * a)
    monkeypatch.setitem(functions.ACTIVATIONS, "tanh", wrong)
    spec = _dense("sigmoid")
    report = _verified(spec, tmp_path)
    assert {one.kind for one in report.roots} == {"wrong-gradient"}
    assert {one.quantity for one in report.roots} == {gradient_name(name) for name in spec.trained}


def test_of_very_many_weights_the_complex_step_sees_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_compare, "MOST_WEIGHTS", 7)
    report = _verified(_small(), tmp_path)
    assert report.correct
    assert report.witnessed == 0


def test_changed_inputs_are_read_and_still_verify(small: Path, tmp_path: Path) -> None:
    layout = Layout(_small())
    weight = next(one for one in layout.inputs() if one.label == "w3")
    path = _changed(small, tmp_path / "x.xlsx", "Overview", (weight.row, weight.column), 0.75)
    path = _changed(path, path, "Overview", (layout.rates[1].row, 1), 3.5)
    report = verify(path)
    assert report.correct, report.as_text()
    assert report.spec.initial["w3"][0] == 0.75
    assert report.spec.rates == (0.5, 3.5)
    assert report.errors[1, -1] != pytest.approx(verify(small).errors[1, -1])


SPOILED = [
    ("Overview", (7, 1), "much", r"Overview!B8 \(rate_1\) is 'much'; type a number"),
    ("Overview", (7, 1), None, r"Overview!B8 \(rate_1\) is empty; type a number"),
    ("η=0.5", (8, 5), "b", r"'η=0.5'!F9 reads 'b' where 'a' was written; undo the move"),
    ("Network file", (3, 0), "=", r"sheet 'Network file': is not valid TOML"),
]


@pytest.mark.parametrize(("sheet", "place", "value", "says"), SPOILED)
def test_a_spoiled_workbook(
    sheet: str, place: tuple[int, int], value: object, says: str, small: Path, tmp_path: Path
) -> None:
    if value == "=":
        value = "steps"
    with pytest.raises(XlbackpropError, match=says):
        verify(_changed(small, tmp_path / "x.xlsx", sheet, place, value))


def test_a_workbook_of_somebody_else(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    book.save(tmp_path / "x.xlsx")
    with pytest.raises(WorkbookError, match="has no matrices that xlbackprop wrote"):
        verify(tmp_path / "x.xlsx")


# What it does not take

CONV = "[[layers]]\nkind = 'conv'\nweights = [[[1.0, 2.0]]]\n"
NOT_TAKEN = {
    "a layer": (
        "input_shape = [1, 4]\nloss = 'output'\n" + CONV + "[[layers]]\nkind='global average'\n"
        "[[samples]]\ninputs = [1,2,3,4]",
        r"layers\[0\]: is conv, and the matrix layout takes dense, softmax, .*; use these, or use layout rows",
    ),
    "batches": (
        "batch = 2\nLAYER\n[[samples]]\ninputs=[1]\ntargets=[1]\n[[samples]]\ninputs=[2]\ntargets=[1]",
        "training: the matrix layout takes one sample a step and plain sgd",
    ),
    "adam": ("optimizer = 'adam'\nLAYER\nSAMPLE", "training: the matrix layout takes one sample a step and plain sgd"),
    "decay": ("l2 = 0.1\nLAYER\nSAMPLE", "training: the matrix layout takes one sample a step and plain sgd"),
    "shuffle": ("shuffle = 1\nLAYER\nSAMPLE", "shuffle: the matrix layout takes samples in turn"),
    "the order": ("update = 'sequential'\nLAYER\nSAMPLE", "update: the matrix layout updates all weights together"),
    "rows": (
        "steps = 100_000\nLAYER\nSAMPLE",
        r"steps: 100,000 steps of 12 rows need 1,200,016 rows and a sheet has 1,048,576; give fewer steps",
    ),
}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_refusals(case: str, tmp_path: Path) -> None:
    text, says = NOT_TAKEN[case]
    text = text.replace("LAYER", "[[layers]]\nweights = [[0.5]]").replace(
        "SAMPLE", "[[samples]]\ninputs=[1]\ntargets=[1]"
    )
    head = "rates = [0.1]\n" + ("" if text.startswith("steps") else "steps = 2\n")
    with pytest.raises(NetworkError, match=says):
        build(loads(head + text), tmp_path / "x.xlsx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [
        ("MAX_COLUMNS", 60, "layers: the matrix layout needs 101 columns and a sheet has 60; use fewer units"),
        ("MOST_CHARACTERS", 20, "layers: the formula of h1 has 39 characters and a cell takes 20; use fewer units"),
    ],
)
def test_limits(limit: str, value: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_layout, limit, value)
    with pytest.raises(NetworkError, match=says):
        build(_large(), tmp_path / "x.xlsx")


def test_a_build_tells_its_phases_and_compares_all_rates(small: Path, tmp_path: Path) -> None:
    told: list[str] = []
    build(_small(), tmp_path / "x.xlsx", told.append)
    assert told == ["building, 0%", "building, 50%"]
    sheet = load_workbook(small, data_only=True)["Compare"]
    values = [[cell.value for cell in row[:3]] for row in sheet.iter_rows(min_row=4, max_row=9)]
    assert values[0] == ["step", 0.5, 2.0]
    assert [row[0] for row in values[1:]] == [0, 1, 2, 3, 4]
    assert values[1][1] == values[1][2] == pytest.approx(0.0141813779378917)
    assert len(load_workbook(small)["Compare"]._charts) == 2
