"""Adding an activation touches one row on each side; what tests every activation tests it too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import test_corruption
import test_graph

from xlbackprop.errors import NetworkError
from xlbackprop.graph import pairs
from xlbackprop.graph.expr import ONE, Expr, div, sub
from xlbackprop.graph.expr import build as op
from xlbackprop.graph.listing import ops
from xlbackprop.graph.ops import ATOM, OPS, PRODUCT, Operation
from xlbackprop.graph.pairs import Pair
from xlbackprop.reference.functions import ACTIVATIONS, Activation
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import loads
from xlbackprop.verification import verify

NETWORK = """
rates = [0.3]
steps = 5
[[layers]]
weights = [[0.5, -0.7], [0.2, 0.9]]
bias = [0.1, -0.2]
activation = "softsign"
[[layers]]
kind = "batch norm"
activation = "softsign"
mode = "evaluation"
[[layers]]
weights = [[0.6, -0.4]]
[[samples]]
inputs = [0.3, 0.8]
targets = [0.4]
"""


def _slope(a: Expr, z: Expr) -> tuple[Expr, ...]:
    """(1 - |a|)²."""
    return (op("square", sub(ONE, op("absolute", a))),)


def _complex(z: Pair) -> Pair:
    """z/(1+|z|), the modulus by the real part's sign."""
    return z / (pairs.number(1) + Pair(op("sign", z.re)) * z)


# The two rows. (`absolute` gets a derivative, which the table has not had a use for.)
ROW = Operation("softsign", "activation", "{0}/(1+ABS({0}))", r"", "(1-|a|)^2", PRODUCT, (ATOM,), _slope, _complex)
ABSOLUTE = replace(OPS["absolute"], partials=lambda a, x: (div(x, a),))
FUNCTION = Activation(
    lambda z: z / (1 + np.where(z.real < 0, -z, z)), lambda z, a: 1 / (1 + np.where(z.real < 0, -z, z)) ** 2
)


def test_it_is_refused_before() -> None:
    with pytest.raises(NetworkError, match="unknown value 'softsign'"):
        loads(NETWORK)


@pytest.fixture
def on_the_sheet_s_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "absolute", ABSOLUTE)
    monkeypatch.setitem(OPS, "softsign", ROW)


@pytest.fixture
def on_both_sides(on_the_sheet_s_side: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIVATIONS, "softsign", FUNCTION)


def test_a_row_on_one_side_alone_is_noticed(on_the_sheet_s_side: None) -> None:
    with pytest.raises(AssertionError):
        test_corruption.test_a_vocabulary_is_told_twice()


def test_a_row_on_each_side_is_all(on_both_sides: None, tmp_path: Path) -> None:
    test_corruption.test_a_vocabulary_is_told_twice()
    test_graph.test_local_derivatives("softsign", (-0.6, 1.3, 0.2))
    assert "softsign" in ops()
    report = verify(build(loads(NETWORK), tmp_path / "x.xlsx"))
    assert report.correct, report.as_text()
    assert report.witnessed == 6 * len(report.spec.trained)
    assert "=softsign" not in report.as_text()
    assert any("ABS" in report.layout.table_rows.formula(cell, 1) for cell in report.layout.shown)


def test_a_wrong_rule_of_the_new_row_is_noticed(
    on_both_sides: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACTIVATIONS, "softsign", FUNCTION._replace(slope=lambda z, a: 1 / (1 + z * z)))
    report = verify(build(loads(NETWORK), tmp_path / "x.xlsx"))
    assert {one.quantity for one in report.roots} >= {"δ_h1", "δ_n2_1"}
    assert "∂E/∂w5" not in {one.quantity for one in report.roots}
