"""Losses: the error of each output, and their total."""

from __future__ import annotations

from xlbackprop.graph.expr import Ref, build, total
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import Loss, error_name, total_error


def summed(program: Program, loss: Loss, targets: tuple[str, ...], outputs: tuple[str, ...]) -> str:
    """E_k for each output and E_total = E1 + E2 + ...; the name of the total."""
    errors = [
        program.define(error_name(k), Role.ERROR, build(loss, Ref(t), Ref(a)), note=f"of {a} against {t}")
        for k, (t, a) in enumerate(zip(targets, outputs))
    ]
    program.define(total_error(), Role.TOTAL_ERROR, total(list(errors)))
    return total_error()
