"""Every template builds, recalculates in both calculators without an error cell, and verifies."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from xlbackprop import kinds
from xlbackprop.engine import Engine, engine
from xlbackprop.networks import ARCHITECTURES, FUNCTIONS, load, load_any, template_names, templates
from xlbackprop.sheet.layout import Layout
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import Spec, override
from xlbackprop.verification import verify

# Which templates there must be, beside those of the class network and its relatives.
WANTED = {
    "adam-vs-sgd", "attention", "batchnorm", "cs231n-circuits", "dropout", "graddesc", "half-moons", "layernorm",
    "micrograd-neuron", "modules-add", "modules-duplicate", "modules-linear", "modules-logsoftmax", "modules-max",
    "modules-relu", "residual", "softmax-logistic", "softmax-nll", "tdnn", "tdnn-unrolled", "softmax-side-by-side",
    "tiny-cnn", "xor",
    "activations", "losses", "vgg16", "lenet", "resnet18", "mnist-under-20k",
}  # fmt: skip

# Quantities that fail on purpose, in the rows of that sample (counted from 0).
FAILS = {"softmax-side-by-side": ({"plain", "plain_log"}, 1)}


def test_all_are_there() -> None:
    assert set(templates()) >= WANTED


def _checked(name: str, spec: Spec, path: Path, calculator: Engine) -> None:
    build(spec, path)
    recalculated, layout = calculator.recalculate(path), Layout(spec)
    cells = 0
    for run in layout.runs():
        values = recalculated.column(run.sheet, run.row, run.column, run.rows[-1] - run.row + 1)
        held = [values[row - run.row] for row in run.rows]
        errors = {k for k, value in enumerate(held) if not isinstance(value, (int, float)) or math.isnan(value)}
        failing, sample = FAILS.get(name, ((), 0))
        on_purpose = range(sample, len(held), len(spec.samples)) if run.name in failing and run.step == 0 else ()
        assert errors == set(on_purpose), (run, held)
        cells += len(held)
    report = verify(path, engine=calculator)
    assert report.correct, report.as_text()
    assert report.worst.relative <= 1e-12
    assert report.cells > cells  # and the texts of the pages
    if spec.update == "simultaneous":
        assert report.witnessed == len(spec.differentiated) * len(spec.rates) * spec.batches.visits


@pytest.mark.parametrize("name", template_names())
def test_embedded(name: str, tmp_path: Path) -> None:
    _checked(name, load(name), tmp_path / "x.xlsx", engine())


@pytest.mark.libreoffice
@pytest.mark.parametrize("name", template_names())
def test_libreoffice(name: str, tmp_path: Path) -> None:
    spec = load(name)
    _checked(
        name,
        override(spec, steps=min(3, spec.updates), rates=spec.rates[:1]),
        tmp_path / "x.xlsx",
        engine("libreoffice"),
    )


@pytest.mark.parametrize("name", [*template_names(FUNCTIONS), *template_names(ARCHITECTURES)])
def test_other_kinds(name: str, tmp_path: Path) -> None:
    path = kinds.build(load_any(name), tmp_path / "x.xlsx")
    report = kinds.verify(path, engine="embedded")
    assert report.correct, report.as_text()
    assert report.as_json()["verdict"] == "correct"


@pytest.mark.libreoffice
def test_long_batches_in_libreoffice(tmp_path: Path) -> None:
    """Hundreds of averages over batches: where LibreOffice calculates in threads, some come too early."""
    report = verify(build(load("xor"), tmp_path / "xor.xlsx"), engine="libreoffice")
    assert report.correct, report.as_text()
