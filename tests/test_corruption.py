"""Why a check is worth anything: corrupt one rule, and see who objects, and to which cells.

Two tellings that share no code disagree when one of them is wrong; the complex step disagrees when
both are wrong alike in a derivative; the published numbers when both are wrong alike forward.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from facts import FACTS

from xlbackprop.graph import layers, losses, optimizers, pairs, training
from xlbackprop.graph.expr import ONE, Number, Ref, add, mul, sub
from xlbackprop.graph.expr import build as op
from xlbackprop.graph.ops import OPS, of_kind
from xlbackprop.networks import load
from xlbackprop.reference import functions, network
from xlbackprop.reference import optimizers as reference_optimizers
from xlbackprop.reference.run import train
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import Spec, override
from xlbackprop.spec.layers import LayerKind
from xlbackprop.spec.optimizers import Optimizer
from xlbackprop.verification import Report, verify

# A wrong rule of the sheet's side, and what it makes wrong by itself in a class-style table.
HIDDEN = {"∂E/∂w1", "∂E/∂w2", "∂E/∂w3", "∂E/∂w4"}
OUTPUT = {"∂E/∂w5", "∂E/∂w6", "∂E/∂w7", "∂E/∂w8"}
SHEET_RULES = {
    "sigmoid's derivative": ("sigmoid", {"partials": lambda a, z: (mul(a, add(ONE, a)),)}, HIDDEN | OUTPUT),
    "sigmoid": ("sigmoid", {"worksheet": "1/(1+EXP({0}))"}, {"a_h1", "a_h2", "a_o1", "a_o2"}),
    "the loss's derivative": (
        "half squared error",
        {"partials": lambda e, t, a: (sub(t, a), mul(Number(2), sub(a, t)))},
        HIDDEN | OUTPUT,
    ),
    "the loss": ("half squared error", {"worksheet": "0.5*({0}-{1})^2+0.001"}, {"E1", "E2"}),
    "the product's derivative": ("*", {"partials": lambda a, x, y: (x, y)}, HIDDEN | OUTPUT),
}


def _spec(style: str = "class") -> Spec:
    return override(load("era-s6"), rates=(0.5, 2.0), steps=5, style=style)


def _verified(tmp_path: Path, spec: Spec | None = None) -> Report:
    return verify(build(spec or _spec(), tmp_path / "x.xlsx"))


def _roots(report: Report) -> set[str]:
    return {one.quantity for one in report.roots if one.sheet.startswith("η")}


@pytest.mark.parametrize("rule", SHEET_RULES)
def test_a_wrong_rule_of_the_sheet(rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    symbol, wrong, roots = SHEET_RULES[rule]
    monkeypatch.setitem(OPS, symbol, replace(OPS[symbol], **wrong))
    report = _verified(tmp_path)
    assert _roots(report) == roots
    assert {one.row for one in report.roots if one.sheet == "η=0.5"} == set(range(5, 11))  # in every row


def test_a_wrong_update_in_the_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = lambda weight, gradient, rate=None: add(weight, mul(rate or Ref("η"), gradient))  # noqa: E731
    monkeypatch.setattr(optimizers, "sgd_step", wrong)
    report = _verified(tmp_path)
    assert _roots(report) == {f"w{k}" for k in range(1, 9)}
    assert min(one.row for one in report.roots if one.sheet == "η=0.5") == 6  # the first update


def test_a_wrong_delta_is_named_where_deltas_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "stable sigmoid", replace(OPS["stable sigmoid"], partials=lambda a, z: (mul(a, a),)))
    report = _verified(tmp_path, _spec("delta"))
    assert _roots(report) == {"δ_o1", "δ_o2", "δ_h1", "δ_h2"}


@pytest.mark.parametrize("part", [0, 1])
def test_a_wrong_rule_of_the_reference(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sheet is right then, and the disagreement shows all the same."""
    right = functions.ACTIVATIONS["sigmoid"]
    wrong = [lambda z: right[0](z) * (1 + 1e-9), right[1]] if part == 0 else [right[0], lambda z, a: a - a**3]
    monkeypatch.setitem(functions.ACTIVATIONS, "sigmoid", tuple(wrong))
    report = _verified(tmp_path)
    assert _roots(report) == ({"a_h1", "a_h2", "a_o1", "a_o2"} if part == 0 else HIDDEN | OUTPUT)


@pytest.mark.parametrize("style", ["class", "delta"])
def test_the_same_wrong_derivative_told_twice(style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the complex step objects, and to every gradient."""
    for form in ("sigmoid", "stable sigmoid"):
        wrong_sheet = replace(OPS[form], partials=lambda a, z: (mul(a, sub(ONE, op("square", a))),))
        monkeypatch.setitem(OPS, form, wrong_sheet)
    monkeypatch.setitem(functions.ACTIVATIONS, "sigmoid", (functions.sigmoid, lambda z, a: a - a**3))
    report = _verified(tmp_path, _spec(style))
    assert {one.kind for one in report.mismatches} == {"wrong-gradient"}
    assert {one.quantity for one in report.roots} == HIDDEN | OUTPUT


def test_the_same_wrong_forward_told_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both tellings and the complex step agree on another function; the published numbers do not."""
    half = replace(
        OPS["sigmoid"],
        worksheet="1/(1+EXP(-2*{0}))",
        partials=lambda a, z: (mul(mul(Number(2), a), sub(ONE, a)),),
        complex=lambda z: pairs.sigmoid(pairs.Pair(z.re, mul(Number(2), z.im)), "sigmoid"),
    )
    monkeypatch.setitem(OPS, "sigmoid", half)
    wrong = (lambda z: functions.sigmoid(2 * z), lambda z, a: 2 * (a - a**2))
    monkeypatch.setitem(functions.ACTIVATIONS, "sigmoid", wrong)
    assert _verified(tmp_path).correct
    values = train(load("era-s6")).values
    published = {fact.quantity: fact.value for fact in FACTS if fact.template == "era-s6" and fact.step == 0}
    assert not np.isclose(values["E_total"][0, 0], published["E_total"], rtol=1e-3)


def test_a_sum_that_forgets_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xlbackprop.graph import backward

    monkeypatch.setattr(backward, "total", lambda terms: terms[0])
    assert _roots(_verified(tmp_path)) == HIDDEN


def test_a_vocabulary_is_told_twice() -> None:
    """An operation takes a row on the sheet's side and a function on the reference's, on purpose."""
    assert set(of_kind("activation")) == set(functions.ACTIVATIONS)
    assert set(losses.LOSSES) == set(functions.LOSSES)
    assert set(layers.LAYERS) == set(network.LAYERS) == set(get_args(LayerKind))
    assert set(optimizers.OPTIMIZERS) == set(reference_optimizers.OPTIMIZERS) == set(get_args(Optimizer))
    assert set(training.SHOWN) == {"class", "delta"}
