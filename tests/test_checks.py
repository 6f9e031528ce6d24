"""The sheet's own checks: right rules on complex numbers, and a status that turns red when it must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from openpyxl import load_workbook

from xlbackprop.engine import engine
from xlbackprop.graph import checks as graph_checks
from xlbackprop.graph.expr import Number
from xlbackprop.graph.ops import OPS, of_kind
from xlbackprop.graph.pairs import Pair, missing, still
from xlbackprop.networks import load
from xlbackprop.reference.functions import ACTIVATIONS, LOSSES
from xlbackprop.sheet.checks import CHECKS
from xlbackprop.sheet.layout import OVERVIEW, Layout
from xlbackprop.sheet.values import _FUNCTIONS, _as_python
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import loads, override
from xlbackprop.verification import verify

ARITHMETIC = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "neg": lambda x: -x,
    "square": lambda x: x * x,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "ln": np.log,
    "max": lambda *xs: max(xs, key=lambda x: x.real),
    "average": lambda *xs: sum(xs) / len(xs),
}
POINTS = [0.4 + 0.03j, 1.3 - 0.02j, 0.07 + 0.01j]


def _number(symbol: str, *args: complex) -> complex:
    """The operation's rule on complex numbers, worked out as a worksheet would."""
    result = OPS[symbol].complex(*(Pair(Number(z.real), Number(z.imag)) for z in args))
    return complex(*(eval(_as_python(part, str), dict(_FUNCTIONS)) for part in (result.re, result.im)))


@pytest.mark.parametrize("symbol", ARITHMETIC)
def test_arithmetic_on_complex_numbers(symbol: str) -> None:
    count = len(OPS[symbol].slots) if symbol not in ("max", "average") else 3
    args = POINTS[:count]
    assert _number(symbol, *args) == pytest.approx(ARITHMETIC[symbol](*args), rel=1e-13)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("symbol", [*of_kind("activation"), "stable sigmoid", "stable softplus", "stable silu"])
def test_activations_on_complex_numbers(symbol: str, sign: int) -> None:
    """Also with large imaginary parts, but for ERF, which is told to first order."""
    f = ACTIVATIONS[symbol.removeprefix("stable ")].value
    for point in POINTS:
        z = complex(sign * point.real, point.imag * (1e-9 if symbol == "gelu" else 1))
        found, right = _number(symbol, z), complex(f(np.array(z)))
        assert found.real == pytest.approx(right.real, rel=1e-13)
        assert found.imag == pytest.approx(right.imag, rel=1e-13)


@pytest.mark.parametrize("symbol", of_kind("loss"))
def test_losses_on_complex_numbers(symbol: str) -> None:
    a, log = 0.3 + 0.02j, 0.9 + 0.01j
    for t in (0.0, 0.25, 1.0):
        extra = (log,) if symbol == "cross-entropy from logits" else ()
        right = t * (log - a) if extra else complex(LOSSES[symbol].value(np.array(t), np.array(a)))
        assert _number(symbol, t + 0j, a, *extra) == pytest.approx(right, rel=1e-13)


def test_every_operation_of_a_forward_pass_has_a_rule() -> None:
    kinds = (*of_kind("arithmetic"), *of_kind("activation"), *of_kind("loss"))
    assert [symbol for symbol in kinds if OPS[symbol].complex is missing] == []
    assert {symbol for symbol in OPS if OPS[symbol].complex is still} == {"positive", "sign", "shift"}


def _status(path: Path) -> tuple[object, object]:
    """On Checks, and repeated on Overview."""
    recalculated = engine().recalculate(path)
    return recalculated.column(CHECKS, 2, 0, 1)[0], recalculated.column(OVERVIEW, 3, 0, 1)[0]


def test_a_wrong_gradient_turns_the_status_red(small: Path, tmp_path: Path) -> None:
    assert _status(small) == (0, 0)
    book = load_workbook(small)
    row = next(row for row in range(1, 80) if book["Backward"].cell(row, 1).value == "∂E/∂w3")
    book["Backward"].cell(row, 5).value += "*1.00001"
    book.save(tmp_path / "x.xlsx")
    assert _status(tmp_path / "x.xlsx") == (1, 1)
    words = book[CHECKS]["A3"].number_format
    assert words == book[OVERVIEW]["A4"].number_format
    assert words.startswith('"✗ "0" of 8 gradients disagree') and "✓ all 8 gradients agree" in words


def test_what_overflows_does_not_agree(tmp_path: Path) -> None:
    spec = override(load("simple-mlp"), rates=(1e6,), steps=30)
    path = build(spec, tmp_path / "x.xlsx")
    book = load_workbook(path)
    cell = Layout(spec).selectors[0]
    book[OVERVIEW].cell(cell.row + 1, 2).value = 30
    book.save(path)
    assert _status(path) == (7, 7)
    assert not [one for one in verify(path).mismatches if one.sheet in (CHECKS, OVERVIEW)]


DEAD = """
rates = [0.5]
steps = 2
[[layers]]
weights = [[-0.5, -0.7], [0.2, 0.9]]
activation = "relu"
[[layers]]
weights = [[0.6, -0.4]]
[[samples]]
inputs = [0.3, 0.8]
targets = [0.4]
"""


def test_gradients_of_zero_agree(tmp_path: Path) -> None:
    path = build(loads(DEAD), tmp_path / "x.xlsx")
    assert _status(path) == (0, 0)
    found = engine().recalculate(path).column(CHECKS, 10, 6, 2)
    assert found == [0, 0]


def test_only_derivatives_of_the_error_are_checked() -> None:
    assert Layout(load("mazur-sequential")).checks.names == ["w5", "w6", "w7", "w8"]


LARGE = """
rates = [0.1]
steps = 1
[[layers]]
size = 60
activation = "tanh"
init = "xavier"
bias_init = "zeros"
[[layers]]
size = 12
activation = "tanh"
init = "xavier"
bias_init = "zeros"
[[layers]]
size = 2
init = "xavier"
bias_init = "zeros"
[[samples]]
inputs = [INPUTS]
targets = [0.1, 0.9]
"""


def test_a_large_network_is_checked_in_parts(tmp_path: Path) -> None:
    """Evenly spread over all tensors, and the sheet says how many."""
    spec = loads(LARGE.replace("INPUTS", ", ".join(str(k / 40) for k in range(40))))
    checked = Layout(spec).checks
    cells = sum(len(checked.rows_of(name)) for name in checked.columns)
    assert graph_checks.MOST_CELLS / 2 < cells <= graph_checks.MOST_CELLS
    share = len(checked.names) / checked.checkable
    for one in spec.placed:
        for tensor in one.tensors:
            shown = len(set(tensor.names) & set(checked.names))
            assert abs(shown - share * len(tensor.names)) <= 2
    path = build(spec, tmp_path / "x.xlsx")
    words = load_workbook(path)[CHECKS]["A3"].number_format
    assert f"✓ {len(checked.names)} gradients looked at, of {60 * 41 + 12 * 61 + 2 * 13}, agree" in words
    assert _status(path) == (0, 0)


@pytest.mark.parametrize(
    ("network", "most", "names"),
    [
        *(("era-s6", 280, 8), ("era-s6", 279, 4), ("era-s6", 100, 2), ("era-s6", 45, 1), ("era-s6", 44, 0)),
        *(("batchnorm", 500, 6), ("batchnorm", 200, 1), ("batchnorm", 100, 0)),
    ],
)
def test_no_more_is_checked_than_there_is_room_for(
    network: str, most: int, names: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_checks, "MOST_CELLS", most)
    checked = Layout(load(network)).checks
    assert len(checked.names) == names
    assert sum(len(checked.rows_of(name)) for name in checked.columns) <= most


@pytest.mark.parametrize(("most", "names"), [(6, 8), (5, 0)])
def test_a_formula_too_long_for_a_cell_has_no_check(most: int, names: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest here has six references: the imaginary part of an activation."""
    monkeypatch.setattr(graph_checks, "MOST_USED", most)
    assert len(Layout(load("era-s6")).checks.names) == names


UNEQUAL = """
rates = [0.5]
steps = 3
batch = 3
[[layers]]
weights = [[0.5, -0.7], [0.2, 0.9]]
[[layers]]
kind = "batch norm"
[[layers]]
weights = [[0.6, -0.4]]
"""


def test_batches_of_different_sizes_say_why_there_is_no_check(tmp_path: Path) -> None:
    samples = "".join(f"[[samples]]\ninputs = [0.{k}, 0.{7 - k}]\ntargets = [0.{k}]\n" for k in range(1, 6))
    path = build(loads(UNEQUAL + samples), tmp_path / "x.xlsx")
    book = load_workbook(path)
    assert "the last batch has fewer" in book[CHECKS]["A3"].value
    assert book[CHECKS]["A4"].value == "`xlbackprop verify` checks them all, in every row."
    assert book[OVERVIEW]["A4"].value is None
    assert verify(path).correct


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_any_sample_of_a_batch_can_be_shown(step: int, tmp_path: Path) -> None:
    spec = override(load("batchnorm"), steps=3)
    path = build(spec, tmp_path / "x.xlsx")
    book = load_workbook(path)
    book[OVERVIEW].cell(Layout(spec).selectors[0].row + 1, 2).value = step
    book.save(path)
    assert _status(path) == (0, 0)
    assert verify(path).correct
