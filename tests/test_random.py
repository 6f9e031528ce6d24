"""Random networks of every depth, width, activation, bias, order and style build, recalculate and verify."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from strategies import any_networks, networks

from xlbackprop.networks import load, template_names
from xlbackprop.reference.run import train
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import Spec, dumps, loads
from xlbackprop.verification import verify

# Shrinking rebuilds workbooks for minutes; a failure prints its network, which is small as it is.
SLOW = {
    "deadline": None,
    "phases": [Phase.explicit, Phase.reuse, Phase.generate],
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


@settings(max_examples=60, **SLOW)
@given(networks())
def test_verifies(spec: Spec) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = verify(build(spec, Path(folder) / "x.xlsx"))
    assert report.correct, report.as_text()
    assert report.spec == spec  # every input survives the way through the file


@pytest.mark.libreoffice
@settings(max_examples=3, **SLOW)
@given(networks(least=1e-30))  # LibreOffice reads the smallest doubles (below 2e-308) as errors
def test_verifies_in_libreoffice(spec: Spec) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = verify(build(spec, Path(folder) / "x.xlsx"), engine="libreoffice")
    assert report.correct, report.as_text()


@settings(max_examples=200, **SLOW)
@given(networks())
def test_a_network_file_reads_back(spec: Spec) -> None:
    assert loads(dumps(spec)) == spec


@settings(max_examples=40, **SLOW)
@given(any_networks())
def test_all_layers_losses_and_optimisers_verify(spec: Spec) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = verify(build(spec, Path(folder) / "x.xlsx"))
    assert report.correct, report.as_text()
    assert report.spec == spec


@pytest.mark.libreoffice
@settings(max_examples=4, **SLOW)
@given(any_networks())
def test_all_layers_verify_in_libreoffice(spec: Spec) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = verify(build(spec, Path(folder) / "x.xlsx"), engine="libreoffice")
    assert report.correct, report.as_text()


@settings(max_examples=200, **SLOW)
@given(any_networks())
def test_a_network_file_of_any_layers_reads_back(spec: Spec) -> None:
    assert loads(dumps(spec)) == spec


@settings(max_examples=60, **SLOW)
@given(networks())
def test_agrees_with_torch(spec: Spec) -> None:
    """Another library's automatic differentiation, in float64: errors, gradients and weights of each step."""
    _compared_with_torch(spec)


@settings(max_examples=60, **SLOW)
@given(any_networks())
def test_all_layers_agree_with_torch(spec: Spec) -> None:
    """And its own layers, losses and optimisers."""
    _compared_with_torch(spec)


@pytest.mark.parametrize("name", template_names())
def test_templates_agree_with_torch(name: str) -> None:
    _compared_with_torch(load(name))


def _compared_with_torch(spec: Spec) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from torch_witness import told

    if spec.update == "sequential":
        return  # torch has no such order; the page that printed it is among the published numbers
    numbers, starts = train(spec), [start for start, _ in spec.batches]
    for k, rate in enumerate(spec.rates):
        for name, column in told(spec, rate).items():
            theirs, ours, noise = np.array(column), numbers.values[name][k], numbers.noise[name][k]
            if len(theirs) < len(ours):  # what torch has once a batch, a table has in each of its rows
                ours, noise = ours[starts], noise[starts]
            allowed = 1e-12 * np.maximum(np.abs(ours), np.abs(theirs)) + 0.5 * noise
            finite = np.isfinite(ours) & np.isfinite(theirs)
            assert finite.any() or not np.isfinite(ours).any()
            assert (np.abs(ours - theirs) <= allowed)[finite].all(), name
