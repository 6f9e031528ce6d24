"""The LaTeX of every quantity and formula: readable by a renderer, and with the brackets that mathematics needs."""

from __future__ import annotations

import re

import pytest
from matplotlib.mathtext import MathTextParser

from xlbackprop.graph import training
from xlbackprop.graph.expr import Expr, Number, Op, Ref, add, div, mul, neg, sub
from xlbackprop.graph.expr import build as op
from xlbackprop.graph.ops import OPS
from xlbackprop.networks import load, template_names
from xlbackprop.sheet.latex import latex, latex_name, latex_number, latex_with_numbers

PARSER = MathTextParser("path")
x, y, z = Ref("x"), Ref("y"), Ref("z")

NAMES = {
    "w5": "w_{5}",
    "a_h1": "a_{h_{1}}",
    "δ_o1": r"\delta_{o_{1}}",
    "δ_z2_1": r"\delta_{z_{2,1}}",
    "z2_1": "z_{2,1}",
    "a_bn_1_2": r"a_{\mathrm{bn}_{1,2}}",
    "a_a_1": "a_{a_{1}}",
    "a_1": "a_{1}",
    "g_w1_1": "g_{w_{1,1}}",
    "E_total": r"E_{\mathrm{total}}",
    "∂E/∂w5": r"\frac{\partial E}{\partial w_{5}}",
    "∂a_h1/∂h1": r"\frac{\partial a_{h_{1}}}{\partial h_{1}}",
    "w5⁺": "w_{5}^{+}",
    "σ²_bn_1": r"\sigma^2_{\mathrm{bn},1}",
    "σ²_bn_1⁺": r"{\sigma^2_{\mathrm{bn},1}}^{+}",
    "x̂_bn_1_2": r"\hat{x}_{\mathrm{bn},1,2}",
    "m_w1̂": r"\hat{m}_{w_{1}}",
    "v_w1 before": r"v_{w_{1}}^{\mathrm{old}}",
    "mean ∂E/∂μ_bn_1": r"\overline{\frac{\partial E}{\partial \mu_{\mathrm{bn},1}}}",
    "lnΣe_l2_1": r"\ln \Sigma e_{l_{2},1}",
    "ΔE": r"\Delta E",
    "‖g‖": r"\Vert g \Vert",
    "cat_score": r"\mathrm{cat}_{\mathrm{score}}",
}
# In worksheets a minus binds tighter than a power; on paper it does not.
EXPRESSIONS: list[tuple[Expr, str]] = [
    (sub(x, sub(y, z)), r"x - \left(y - z\right)"),
    (add(x, add(y, z)), r"x + \left(y + z\right)"),
    (mul(sub(x, y), z), r"\left(x - y\right)\,z"),
    (op("square", sub(x, y)), r"\left(x - y\right)^2"),
    (neg(op("square", x)), "-x^2"),
    (op("square", neg(x)), r"\left(-x\right)^2"),
    (op("square", Ref("w1⁺")), r"\left(w_{1}^{+}\right)^2"),
    (op("square", div(x, y)), r"\left(\frac{x}{y}\right)^2"),
    (div(sub(x, y), add(y, z)), r"\frac{x - y}{y + z}"),
    (Op("*", (x, Op("neg", (y,)))), r"x\,\left(-y\right)"),
    (mul(op("sigmoid", x), sub(Number(1), op("sigmoid", x))), r"\sigma(x)\,\left(1 - \sigma(x)\right)"),
    (mul(Number(0.01), x), r"0.01\,x"),
    (op("max", x, y, z), r"\max(x, y, z)"),
]


@pytest.mark.parametrize(("name", "expected"), NAMES.items(), ids=list(NAMES))
def test_names(name: str, expected: str) -> None:
    assert latex_name(name) == expected


@pytest.mark.parametrize(("expr", "expected"), EXPRESSIONS, ids=[text for _, text in EXPRESSIONS])
def test_brackets(expr: Expr, expected: str) -> None:
    assert latex(expr) == expected


def test_numbers_are_never_glued_to_a_sign() -> None:
    values = {"x": -0.5, "y": -1.25e-7, "z": 3.0}
    assert latex_with_numbers(mul(x, y), values.__getitem__) == (
        r"\left(-0.5\right) \cdot \left(-1.25 \cdot 10^{-7}\right)"
    )
    assert latex_with_numbers(sub(z, x), values.__getitem__) == r"3 - \left(-0.5\right)"
    assert latex_with_numbers(op("square", y), values.__getitem__) == r"\left(-1.25 \cdot 10^{-7}\right)^2"
    assert latex_number(float("nan")) == r"\mathrm{undefined}"


def test_long_sums_are_elided() -> None:
    total: Expr = Ref("x1")
    for k in range(2, 40):
        total = add(total, Ref(f"x{k}"))
    assert latex(total) == r"x_{1} + x_{2} + \cdots + x_{39}"


def test_everything_of_every_template_renders() -> None:
    """Each shape once: a renderer does not mind which number an index or a factor is."""
    shapes: dict[str, str] = {}
    for name in template_names():
        for cell in training.page(load(name)):
            texts = [latex_name(cell.name)]
            if cell.expr is not None and len(latex(cell.expr)) < 2_000:
                texts += [latex(cell.expr), latex_with_numbers(cell.expr, lambda _: -1.5e-9)]
            for text in texts:
                shapes.setdefault(re.sub(r"\d+", "1", text), text)
    assert len(shapes) > 500
    for text in shapes.values():
        PARSER.parse(f"${text}$")


def test_every_operation_renders() -> None:
    rows = [row for row in OPS.values() if row.symbol != "pick"]
    assert len(rows) > 30
    for row in rows:
        PARSER.parse(f"${latex(Op(row.symbol, (Ref('a_h1'), Ref('w5⁺'), Ref('E_total'))[: max(2, len(row.slots))]))}$")


def test_a_renderer_that_objects_would_be_heard() -> None:
    with pytest.raises(ValueError, match=r"Double superscript|Expected|Unknown"):
        PARSER.parse(r"$\nosuchcommand{x}^2^2$")
