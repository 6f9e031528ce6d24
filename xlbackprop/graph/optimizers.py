"""Optimisers: how a row's weights follow from the row above."""

from __future__ import annotations

from xlbackprop.graph.expr import Expr, Prev, Ref, mul, sub
from xlbackprop.spec import gradient_name

RATE = "η"


def sgd_step(weight: Expr, gradient: Expr) -> Expr:
    """w - η ∂E/∂w."""
    return sub(weight, mul(Ref(RATE), gradient))


def sgd_from_above(weight: str) -> Expr:
    """This row's weight from the row above, where all gradients use the weights of that row."""
    return sgd_step(Prev(weight), Prev(gradient_name(weight)))
