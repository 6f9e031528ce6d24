"""Numbers at the edge of what a double holds: every side says the same there, and a wrong cell is still wrong.

docs/numerics.md tells the same in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from openpyxl import load_workbook

from xlbackprop.engine import engine
from xlbackprop.engine.libreoffice import LibreOffice, sheet_values
from xlbackprop.engine.package import CANARY_SHEET, copy_with_canary
from xlbackprop.kinds import build, verify
from xlbackprop.reference.run import train
from xlbackprop.sheet.layout import Kind, Layout
from xlbackprop.spec import Spec, loads

Place = tuple[str, int, int]  # sheet, row, column, counted from 1


@dataclass(frozen=True)
class Regime:
    """A network of one sample; ` / ` stands between its layers and `; ` for the end of a line.

    `facts` has of a quantity its value in steps 0, 1, 2 ...; None where there is no number.
    """

    layers: str
    facts: dict[str, tuple[float | None, ...]]
    tampered: str  # the quantity whose cell of step 1 is made wrong
    in_libreoffice: dict[str, tuple[float | None, ...]] = field(default_factory=dict)  # where it says otherwise
    inputs: str = "[1]"
    targets: str = "[1]"
    top: str = ""

    @property
    def spec(self) -> Spec:
        given = {"steps": 2, "rates": [0.5]}
        head = "".join(f"{key} = {value}\n" for key, value in given.items() if f"{key} =" not in self.top)
        layers = "".join(f"[[layers]]\n{layer}\n" for layer in self.layers.split(" / "))
        sample = f"[[samples]]\ninputs = {self.inputs}\ntargets = {self.targets}\n"
        return loads(f"{head}{self.top}\n{layers}{sample}".replace("; ", "\n"))


NONE = (None, None)
REGIMES = {
    "weights of a thousand": Regime(
        'weights = [[1000, -1000], [-1000, 500]]; activation = "sigmoid" / weights = [[1000, -1000]]',
        {"a_h1": (1.0,), "a_h2": (1.3790159402541388e-163,), "δ_h1": (0.0,), "∂E/∂w5": (999.9,)},
        "∂E/∂w5", inputs="[0.5, 0.25]", targets="[0.1]", top='style = "delta"',
    ),
    "a sigmoid at its end": Regime(
        'weights = [[-1000]]; activation = "sigmoid"',
        {"a_o1": (0.0, 0.0), "δ_o1": (0.0,), "∂E/∂w1": (0.0,), "E1": (0.5,)},
        "a_o1", top='style = "delta"',
    ),
    "a rate that diverges": Regime(
        "weights = [[2]]",
        {
            "w1": (2.0, -1.5e61, 1.35e122, -1.215e183, 1.0935e244, -9.8415e304, None, None),
            "E1": (12.5, 1.0125e123, 8.201249999999999e244, None, None, None, None),
            "∂E/∂w1": (15.0, -1.35e62, 1.2149999999999999e123, -1.0935e184, 9.8415e244, -8.85735e305, None, None),
        },
        "w1", inputs="[3]", top="rates = [1e60]; steps = 8",
    ),
    "gradients of 1e-300": Regime(
        "weights = [[1e-200]] / weights = [[1e-100]] / weights = [[1.0]]",
        {"∂E/∂w3": (-1e-300, -5e-201), "∂E/∂w1": (-1e-100,), "a_h2": (1e-300,)},
        "a_h2",
    ),
    "a tiny input times a huge weight": Regime(
        "weights = [[0.5]] / weights = [[1e104]]",
        {"h1": (5e-167,), "∂E/∂w1": (-8.9e-63,)},
        "∂E/∂w1", inputs="[1e-166]", targets="[0.89]",
    ),
    "a gradient whose step is no normal number": Regime(
        'weights = [[0.885, 1.2]]; activation = "sigmoid" / weights = [[0.3]]; activation = "sigmoid"',
        {"h1": (1.2,)},
        "E1", inputs="[6.656219394662826e-219, 1.0]", targets="[0.1]", top='style = "delta"',
    ),
    "tiny all through": Regime(
        "weights = [[1e-150]] / weights = [[1e-150]]",
        {"o1": (1e-300, 2.2500000000000003e-300), "∂E/∂w1": (-1e-150,)},
        "o1",
    ),
    "below the smallest normal number": Regime(
        "weights = [[1e-155]] / weights = [[1e-155]]",
        {"o1": (1e-310,), "E1": (5e-311,), "∂E/∂w1": (-1e-310,), "w1": (1e-155, 1e-155)},
        "w1", targets="[1e-155]",
        in_libreoffice={"E1": NONE},  # a power that comes out below 2.2e-308 is an error there
    ),
    "a softmax at its end, its logarithm in one": Regime(
        'weights = [[1000], [-1000]] / kind = "log-softmax"',
        {"l2_1": (0.0,), "l2_2": (-2000.0, -1999.0), "E_total": (2000.0,), "∂E/∂w1": (1.0,), "∂E/∂w2": (-1.0,)},
        "∂E/∂w2", targets="[0, 1]", top='loss = "nll"',
    ),
    "cross-entropy from large logits": Regime(
        "weights = [[1000], [-1000]]",
        {"lse": (1000.0, 999.5), "E2": (2000.0, 1999.0), "∂E/∂w1": (1.0,)},
        "lse", targets="[0, 1]", top='loss = "cross-entropy from logits"',
    ),
    "the logarithm of a softmax's 0": Regime(
        'weights = [[1000], [-1000]] / kind = "softmax"',
        {"s2_2": (0.0, None), "E1": (0.0, None), "E2": NONE, "∂E/∂s2_2": NONE, "∂E/∂w1": NONE, "w1": (1000.0, None)},
        "E2", targets="[0, 1]", top='loss = "cross-entropy"',
    ),
    "0 times the logarithm of 0": Regime(
        'weights = [[1000], [-1000]] / kind = "softmax"',
        {"E1": (0.0, None), "E2": NONE, "E_total": NONE},
        "E2", targets="[1, 0]", top='loss = "cross-entropy"',
    ),
    "binary cross-entropy of 0": Regime(
        'weights = [[-1000]]; activation = "sigmoid"',
        {"a_o1": (0.0, None), "E1": NONE, "δ_o1": NONE, "w1": (-1000.0, None)},
        "w1", top='loss = "binary cross-entropy"; style = "delta"',
    ),
    "binary cross-entropy of 1": Regime(
        'weights = [[1000]]; activation = "sigmoid"',
        {"a_o1": (1.0, None), "E1": NONE, "δ_o1": NONE},
        "δ_o1", targets="[0]", top='loss = "binary cross-entropy"; style = "delta"',
    ),
    "a ReLU at 0": Regime(
        'weights = [[1, -1]]; activation = "relu" / weights = [[2]]',
        {"h1": (0.0,), "a_h1": (0.0,), "δ_o1": (-1.0,), "δ_h1": (0.0,), "∂E/∂w1": (0.0,), "w1": (1.0, 1.0)},
        "δ_h1", inputs="[0.5, 0.5]",
    ),
    "a leaky ReLU at 0": Regime(
        'weights = [[0.0]]; activation = "leaky relu"',
        {"o1": (0.0, 0.0025), "δ_o1": (-0.005, -0.4975)},
        "δ_o1", targets="[0.5]",
    ),
    "the size of a weight at 0": Regime(
        "weights = [[0.0, 0.5]]",
        {"w1": (0.0, 0.0), "∂E/∂w1": (0.0, 0.0), "w2": (0.5, 0.2)},
        "∂E/∂w1", inputs="[0, 1]", targets="[0]", top="l1 = 0.1",
    ),
    "equal numbers under a maximum": Regime(
        'kind = "pool"; how = "max"; kernel = 2 / kind = "flatten" / weights = [[3]]',
        {"∂E/∂i1": (6.0, 2.0), "∂E/∂i2": (0.0,), "∂E/∂i3": (0.0,), "∂E/∂i4": (0.0,)},
        "∂E/∂i2", inputs="[1, 1, 1, 1]", top="input_shape = [1, 2, 2]; input_gradients = true",
    ),
    "0/0": Regime(
        'kind = "circuit"; cells = [["q", "x1/x2"], ["f", "w*q"]]; outputs = ["f"]; parameters = { w = 2 }',
        {"q": NONE, "f": NONE, "E1": NONE, "∂E/∂w": NONE, "w": (2.0, None)},
        "q", inputs="[0, 0]", top='inputs = ["x1", "x2"]',
    ),
    "e to a large number": Regime(
        'kind = "circuit"; cells = [["q", "exp(w*x1)"]]; outputs = ["q"]; parameters = { w = 800 }',
        {"q": NONE, "E1": NONE, "w": (800.0, None)},
        "q", top='inputs = ["x1"]',
    ),
    "what takes e of the smaller side": Regime(
        'weights = [[1000]]; activation = "softplus"',
        {"a_o1": (1000.0, 500.5), "E1": (499000.5,), "∂E/∂w1": (999.0,)},
        "a_o1", top='style = "delta"',
    ),
    "seventeen digits": Regime(
        "weights = [[0.12345678901234566]]",
        {"w1": (0.12345678901234566, 0.13290123350679012), "i1": (0.30000000000000004,)},
        "o1", inputs="[0.30000000000000004]", targets="[0.1]",
    ),
    "a negative zero": Regime(
        'weights = [[-0.0, -0.5]]; activation = "relu" / weights = [[-0.0]]',
        {"h1": (0.0,), "o1": (0.0,), "∂E/∂w1": (0.0,), "∂E/∂w3": (0.0,), "w1": (0.0, 0.0)},
        "h1", inputs="[0.5, -0.0]", targets="[0]",
    ),
    "numbers that are all alike, normalised": Regime(
        'weights = [[1], [1]] / kind = "layer norm"',
        {"σ²_n2_1": (0.0,), "x̂_n2_1_1": (0.0,), "n2_2": (0.0, 1.4999999992)},
        "x̂_n2_1_1", targets="[0, 1]",
    ),
    "an optimiser without a gradient": Regime(
        "weights = [[0.5]]",
        {"v_w1": (0.0, 0.0), "w1": (0.5, 0.5)},
        "w1", inputs="[0]", top='optimizer = { kind = "adam" }',
    ),
    "squares that are lost": Regime(
        "weights = [[1e-170]]",
        {"E1": (0.0,), "v_w1": (0.0,), "w1": (1e-170, -9.9999999e-163)},
        "w1", targets="[0]", top='rates = [1.0]; optimizer = { kind = "adam" }',
        in_libreoffice={"E1": NONE, "v_w1": NONE, "w1": (1e-170, None)},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("regimes")
    return cache(lambda name: build(REGIMES[name].spec, folder / f"{list(REGIMES).index(name)}.xlsx"))


def _places(spec: Spec, quantity: str) -> Iterator[Place]:
    """Where a quantity of the table stands in each step."""
    (run,) = (run for run in Layout(spec).runs() if run.kind is Kind.TABLE and run.name == quantity)
    yield from ((run.sheet, row + 1, run.column + 1) for row in run.rows)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


@pytest.mark.parametrize("name", REGIMES)
def test_each_side_says_the_same(name: str, built: Callable[[str], Path]) -> None:
    """The reference, what the file carries, and what a calculator finds, step by step."""
    regime, path = REGIMES[name], built(name)
    told, carried, found = train(regime.spec).values, load_workbook(path, data_only=True), engine().recalculate(path)
    for quantity, expected in regime.facts.items():
        for step, (value, place) in enumerate(zip(expected, _places(regime.spec, quantity), strict=False)):
            sheet, row, column = place
            sides = {
                "reference": told[quantity][0, step],
                "carried": carried[sheet].cell(row, column).value,
                "calculated": found.column(sheet, row - 1, column - 1, 1)[0],
            }
            assert {side: _number(one) for side, one in sides.items()} == dict.fromkeys(sides, value), (quantity, step)


@pytest.mark.parametrize("name", REGIMES)
def test_verifies(name: str, built: Callable[[str], Path]) -> None:
    report = verify(built(name), engine="embedded")
    assert report.correct, report.as_text()


@pytest.mark.libreoffice
def test_libreoffice_says_the_same(built: Callable[[str], Path], tmp_path: Path) -> None:
    """All of them opened at once, each with a canary; it keeps 15 digits."""
    copies = [tmp_path / f"{k}.xlsx" for k in range(len(REGIMES))]
    canaries = [copy_with_canary(built(name), copy) for name, copy in zip(REGIMES, copies, strict=True)]
    saved = LibreOffice().convert_all(copies, "xlsx:Calc MS Excel 2007 XML", tmp_path / "saved")
    for (name, regime), canary, path in zip(REGIMES.items(), canaries, saved, strict=True):
        values = sheet_values(path)
        assert values[CANARY_SHEET][0][1] == canary.expected
        for quantity, expected in (regime.facts | regime.in_libreoffice).items():
            for value, (sheet, row, column) in zip(expected, _places(regime.spec, quantity), strict=False):
                found = _number(values[sheet][row - 1][column - 1])
                assert found == (value if value is None else pytest.approx(value, rel=1e-14, abs=0)), (name, quantity)


@pytest.mark.libreoffice
def test_a_divergence_verifies_in_libreoffice(built: Callable[[str], Path]) -> None:
    report = verify(built("a rate that diverges"), engine="libreoffice")
    assert report.correct, report.as_text()


@pytest.mark.parametrize("name", REGIMES)
def test_a_wrong_cell_is_named_there_too(name: str, built: Callable[[str], Path], tmp_path: Path) -> None:
    """By half too large; 1 for a 0, and for what is no number."""
    regime = REGIMES[name]
    sheet, row, column = list(_places(regime.spec, regime.tampered))[1]
    value = _number(load_workbook(built(name), data_only=True)[sheet].cell(row, column).value)
    book = load_workbook(built(name))
    cell = book[sheet].cell(row, column)
    cell.value = f"=({cell.value[1:]})*1.5" if value else "=0+1"
    book.save(tmp_path / "x.xlsx")
    report = verify(tmp_path / "x.xlsx", engine="embedded")
    roots = [(one.sheet, one.row + 1, one.column + 1) for one in report.roots]  # type: ignore[attr-defined]
    assert (sheet, row, column) in roots, report.as_text()


CLOSED = 'weights = [[-1000]]; activation = "sigmoid"'


def test_the_closed_form_of_a_sigmoid_fails_where_excel_s_exp_does(tmp_path: Path) -> None:
    """IronCalc takes EXP(1000) inside a formula for infinite, so only there 1/(1+EXP(1000)) is 0."""
    spec = Regime(CLOSED, {}, "", top='style = "class"').spec
    path = build(spec, tmp_path / "x.xlsx")
    sheet, row, column = next(_places(spec, "a_o1"))
    assert load_workbook(path, data_only=True)[sheet].cell(row, column).value == "#NUM!"
    assert engine().recalculate(path).column(sheet, row - 1, column - 1, 1) == [0.0]
    assert verify(path, engine="embedded").correct


@pytest.mark.libreoffice
def test_and_fails_in_libreoffice(tmp_path: Path) -> None:
    spec = Regime(CLOSED, {}, "", top='style = "class"').spec
    path = build(spec, tmp_path / "x.xlsx")
    sheet, row, column = next(_places(spec, "a_o1"))
    assert engine("libreoffice").recalculate(path).column(sheet, row - 1, column - 1, 1) == [None]
    assert verify(path, engine="libreoffice").correct
