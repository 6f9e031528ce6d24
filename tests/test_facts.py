"""Both tellings give the published numbers: the sheet as recalculated from its file, and the reference."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from facts import FACTS, Fact

from xlbackprop.engine import Recalculated, engine
from xlbackprop.networks import load, template_names
from xlbackprop.reference.run import Numbers, train
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import Dense, Spec, override

# Templates whose source leaves the initial values to the reader: nothing is published of them. Their
# numbers are compared with torch's, in test_random.py.
UNPUBLISHED = {
    "adam-vs-sgd", "attention", "batchnorm", "dropout", "graddesc-adam", "graddesc-momentum", "graddesc-torch",
    "half-moons", "layernorm", "logistic", "modules-add", "modules-duplicate", "modules-linear", "modules-max",
    "modules-relu", "residual", "simple-mlp", "softmax-logistic", "softmax-side-by-side",
    "tdnn", "tdnn-unrolled", "three-hidden",
    "tiny-cnn", "xor",
}  # fmt: skip


def _spec(fact: Fact) -> Spec:
    return override(load(fact.template), **fact.overrides)


@cache
def _reference(template: str, steps: int) -> Numbers:
    return train(override(load(template), steps=steps))


def test_every_template_has_a_source_and_published_numbers() -> None:
    assert set(template_names()) == {fact.template for fact in FACTS} | UNPUBLISHED
    assert all(load(name).source for name in template_names())


@pytest.mark.parametrize("fact", FACTS, ids=lambda f: f"{f.template}-{f.quantity}-{f.rate}-{f.step}")
def test_reference(fact: Fact) -> None:
    spec = _spec(fact)
    values = _reference(fact.template, spec.steps).values[fact.quantity]
    assert values[spec.rates.index(fact.rate), fact.step] == pytest.approx(fact.value, rel=fact.precision, abs=0)


@pytest.fixture(scope="module")
def recalculated(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("facts")

    @cache
    def of(template: str, steps: int) -> tuple[Recalculated, Layout]:
        spec = override(load(template), steps=steps)
        return engine().recalculate(build(spec, folder / f"{template}-{steps}.xlsx")), Layout(spec)

    return of


@pytest.mark.parametrize("fact", FACTS, ids=lambda f: f"{f.template}-{f.quantity}-{f.rate}-{f.step}")
def test_sheet(fact: Fact, recalculated) -> None:
    spec = _spec(fact)
    book, layout = recalculated(fact.template, spec.steps)
    sheet = layout.sheets[spec.rates.index(fact.rate)]
    value = book.column(sheet, layout.FIRST_ROW + fact.step, layout.columns[fact.quantity], 1)[0]
    assert value == pytest.approx(fact.value, rel=fact.precision, abs=0)


def test_nielsen_other_start() -> None:
    """w = 0.6, b = 0.9: 0.817574 at the start, 0.093956 after 300 epochs (same chapter)."""
    spec = load("nielsen-neuron")
    layer = msgspec.structs.replace(spec.layers[0], weights=((0.6,),), bias=0.9)
    output = train(msgspec.structs.replace(spec, layers=(layer,))).values["a_z"][0]
    np.testing.assert_allclose(output[[0, 300]], [0.817574, 0.093956], rtol=6e-6)
    assert isinstance(layer, Dense)


def test_the_unrolled_network_is_the_convolution() -> None:
    """Shared weights in dense layers, and a sliding kernel: the same numbers, gradients and weights of each step."""
    one, other = (train(load(name)).values for name in ("tdnn", "tdnn-unrolled"))
    names = [name for name in one if name in other]
    assert {"∂E/∂w1", "w44", "E_total", "a_c1_4_4"} <= set(names)
    for name in names:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12, atol=1e-15, err_msg=name)


def test_softmax_of_two_classes_is_the_sigmoid_of_the_difference() -> None:
    """At every step and rate, though the one has two rows of weights and moves both by half of what the other moves."""
    softmax, sigmoid = (train(load(name)).values for name in ("softmax-logistic", "logistic"))
    np.testing.assert_allclose(np.exp(softmax["z3_1"][:, :4]), sigmoid["a_z"][:, :4], rtol=1e-14)
    np.testing.assert_allclose(softmax["∂E/∂w1_1"][:, :4], sigmoid["∂E/∂w1"][:, :4], rtol=1e-13)
    np.testing.assert_allclose(softmax["∂E/∂w2_1"][:, :4], -sigmoid["∂E/∂w1"][:, :4], rtol=1e-13)
    np.testing.assert_allclose(softmax["E_total"][:, :4], sigmoid["E_total"][:, :4], rtol=1e-13)


@pytest.mark.parametrize(
    ("row", "likelihoods", "error"),
    [(0, (0.71, 0.26, 0.04), 0.34), (1, (0.02, 0.0, 0.98), 0.02), (2, (0.49, 0.49, 0.02), 0.71)],
)
def test_the_session_s_softmax_table(row: int, likelihoods: tuple[float, ...], error: float) -> None:
    """As printed, before the first update; the errors of the three add up to 1.07."""
    spec = load("softmax-nll")
    values = train(msgspec.structs.replace(spec, rates=(1e-9,))).values
    assert tuple(round(values[name][0, row], 2) for name in ("cat", "dog", "horse")) == likelihoods
    assert round(values["E_total"][0, row], 2) == error
    assert round(values["E_total"][0, :3].sum(), 2) == 1.07


@pytest.mark.libreoffice
def test_the_class_table_in_libreoffice(era: Path) -> None:
    book, layout = engine("libreoffice").recalculate(era), Layout(load("era-s6"))
    facts = [fact for fact in FACTS if fact.template == "era-s6"]
    assert len(facts) > 40
    for fact in facts:
        sheet = layout.sheets[layout.spec.rates.index(fact.rate)]
        value = book.column(sheet, layout.FIRST_ROW + fact.step, layout.columns[fact.quantity], 1)[0]
        assert value == pytest.approx(fact.value, rel=fact.precision, abs=0), fact
