"""Losses: the error of each output, and their total."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xlbackprop.graph.expr import Expr, Number, Ref, add, build, div, sub, total
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec.names import error_name, total_error
from xlbackprop.spec.shapes import Names

Extra = Callable[[Program, Names], tuple[Expr, ...]]


@dataclass(frozen=True)
class Loss:
    """E_k = symbol(t_k, a_k, extra...), and E_total their sum or mean; without a symbol E_k is the output itself."""

    symbol: str
    mean: bool = False  # over the outputs
    needs_positive: bool = False  # whether the outputs stand under a logarithm
    extra: Extra = lambda program, outputs: ()


def _log_sum(program: Program, outputs: Names) -> tuple[Expr, ...]:
    """ln Σ e^o of all outputs, the largest taken out first."""
    largest = program.define("max_o", Role.PART, build("shift", *map(Ref, outputs)), note="largest of the logits")
    exponentials: list[Expr] = [
        program.define(f"e_{o}", Role.PART, build("exp", sub(Ref(o), largest)), note="exponential") for o in outputs
    ]
    sum_of = program.define("Σe_o", Role.PART, total(exponentials), note="sum of exponentials")
    return (program.define("lse", Role.PART, add(largest, build("ln", sum_of)), note="logarithm of the sum"),)


LOSSES: dict[str, Loss] = {
    "half squared error": Loss("half squared error"),
    "squared error": Loss("squared error"),
    "mean squared error": Loss("squared error", mean=True),
    "binary cross-entropy": Loss("binary cross-entropy", mean=True, needs_positive=True),
    "binary cross-entropy from logits": Loss("binary cross-entropy from logits", mean=True),
    "cross-entropy": Loss("cross-entropy", needs_positive=True),
    "cross-entropy from logits": Loss("cross-entropy from logits", extra=_log_sum),
    "nll": Loss("nll"),
    "kl divergence": Loss("kl divergence", needs_positive=True),
    "output": Loss(""),
}


def add_loss(program: Program, loss: str, targets: Names, outputs: Names) -> str:
    """E_k for each output and E_total = E1 + E2 + ...; the name of the total."""
    row = LOSSES[loss]
    extra = row.extra(program, outputs)
    if row.symbol:
        errors: list[Expr] = [
            program.define(
                error_name(k), Role.ERROR, build(row.symbol, Ref(t), Ref(a), *extra), note=f"of {a} against {t}"
            )
            for k, (t, a) in enumerate(zip(targets, outputs, strict=True))
        ]
    else:
        errors = list(map(Ref, outputs))
    sum_of = total(errors)
    program.define(
        total_error(), Role.TOTAL_ERROR, div(sum_of, Number(len(errors))) if row.mean else sum_of,
        note="mean" if row.mean else "sum",
    )  # fmt: skip
    return total_error()
