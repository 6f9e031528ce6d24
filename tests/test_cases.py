"""Cases that no template has, built and verified: clipped and decayed gradients, unlike sizes, a divergence from 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlbackprop.graph import optimizers
from xlbackprop.graph.expr import refs
from xlbackprop.graph.training import training
from xlbackprop.sheet.workbook import build
from xlbackprop.spec import loads
from xlbackprop.verification import verify

DENSE = """
[[layers]]
activation = "tanh"
weights = [[0.5, -0.7], [0.2, 0.9]]
[[layers]]
weights = [[0.6, -0.4]]
bias = [0.1]
[[samples]]
inputs = [1, -2]
targets = [3]
"""
ATTENTION = """
input_shape = [2, 3]
[[layers]]
kind = "attention"
query = [[0.5, -0.2, 0.3]]
key = [[0.3, 0.6, -0.1]]
value = [[0.7, 0.1, 0.2], [-0.3, 0.5, 0.4]]
output = [[0.6, -0.5], [0.2, 0.8], [-0.1, 0.3], [0.4, 0.4]]
[[samples]]
inputs = [0.5, -0.3, 0.2, 0.8, -0.6, 0.1]
targets = [0.4, -0.1, 0.3, 0.2, -0.2, 0.5, 0.1, 0.9]
"""
DIVERGENCE = """
loss = "kl divergence"
[[layers]]
weights = [[0.5, -0.7], [0.2, 0.9]]
[[layers]]
kind = "softmax"
[[samples]]
inputs = [1, -2]
targets = [0, 1]
"""
CASES = {
    "l1": "l1 = 0.3" + DENSE,
    "l2": "l2 = 0.3" + DENSE,
    "both decays of a clipped gradient": "l1 = 0.3\nl2 = 0.2\nclip_norm = 0.5" + DENSE,
    "the largest norm": "clip_norm = 0.5" + DENSE,
    "the largest value": "clip_value = 0.5" + DENSE,
    "a query of 1, values of 2, features of 3, an output of 4": ATTENTION,
    "a divergence from 0, where 0 LN(0) is 0": DIVERGENCE,
}


@pytest.mark.parametrize("case", CASES)
def test_verifies(case: str, tmp_path: Path) -> None:
    report = verify(build(loads("rates = [0.1]\nsteps = 2\n" + CASES[case]), tmp_path / "x.xlsx"))
    assert report.correct, report.as_text()


@pytest.mark.parametrize(("most", "groups"), [(7, []), (6, [6, 1]), (3, [3, 3, 1])])
def test_a_norm_of_many_gradients_is_taken_in_groups(
    most: int, groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 7 here; Excel takes 255 arguments."""
    monkeypatch.setattr(optimizers, "GROUP", most)
    program = training(loads("rates = [0.1]\nsteps = 2\nclip_norm = 0.5" + DENSE))
    norms = [cell for cell in program if cell.note == "norm of a group of gradients"]
    assert [len(list(refs(cell.expr))) for cell in norms] == groups
    assert len(list(refs(program["‖g‖"].expr))) == (len(groups) or 7)
