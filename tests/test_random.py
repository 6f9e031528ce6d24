"""Random networks of every depth, width, activation, bias, order and style build, recalculate and verify."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from strategies import networks

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


@settings(max_examples=60, **SLOW)
@given(networks())
def test_agrees_with_torch(spec: Spec) -> None:
    """Another library's automatic differentiation, in float64: errors, gradients and weights of each step."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if spec.update == "sequential":
        return  # torch has no such order; the page that printed it is among the published numbers
    numbers = train(spec)
    for rate in range(len(spec.rates)):
        values = {name: torch.tensor(v, dtype=torch.float64, requires_grad=on) for name, v, on in spec.parameters()}
        for step in range(spec.steps + 1):
            sample = spec.samples[step % len(spec.samples)]
            a = torch.tensor(sample.inputs, dtype=torch.float64)
            for one in spec.placed:
                z = torch.stack([values[n] for n in one.by_key["weights"].names]).reshape(len(one.units), -1) @ a
                if "bias" in one.by_key:
                    z = z + torch.stack([values[name] for name in one.by_key["bias"].names])
                a = {"identity": lambda z: z, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[
                    one.activation
                ](z)
            error = 0.5 * torch.nn.functional.mse_loss(
                a, torch.tensor(sample.targets, dtype=torch.float64), reduction="sum"
            )
            expected = {"E_total": error.item()} | {name: value.item() for name, value in values.items()}
            grads = (
                torch.autograd.grad(error, [values[name] for name in spec.trained], allow_unused=True)
                if spec.trained
                else ()
            )
            for name, grad in zip(spec.trained, grads):
                expected[f"∂E/∂{name}"] = 0.0 if grad is None else grad.item()
                with torch.no_grad():
                    values[name] -= spec.rates[rate] * expected[f"∂E/∂{name}"]
            for name, value in expected.items():
                ours, noise = numbers.values[name][rate, step], numbers.noise[name][rate, step]
                if np.isfinite(ours) and np.isfinite(value):
                    assert abs(ours - value) <= 1e-12 * max(abs(ours), abs(value)) + 0.5 * noise, (name, step)
