"""How the weights are updated: the optimiser, its schedule, and what is done to the gradients before."""

from __future__ import annotations

from typing import Literal

import msgspec


class Sgd(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sgd", kw_only=True):
    """w - η g."""


class Momentum(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="momentum", kw_only=True):
    """PyTorch's buffer: m = μ m + (1 - dampening) g from m = g; w - η m, or with Nesterov w - η (g + μ m)."""

    momentum: float = 0.9
    dampening: float = 0.0
    nesterov: bool = False


class AveragedMomentum(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="averaged momentum", kw_only=True
):
    """An exponential average: m = β m + (1 - β) g from 0; w - η m."""

    beta: float = 0.9


class RmsProp(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="rmsprop", kw_only=True):
    """v = α v + (1 - α) g² from 0; w - η g/(√v + ε). Hinton, Coursera lecture 6e, 2012."""

    alpha: float = 0.99
    epsilon: float = 1e-8


class Adam(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="adam", kw_only=True):
    """Running means m of g and v of g², their bias corrected; w - η m̂/(√v̂ + ε). Kingma and Ba, ICLR 2015."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    bias_correction: bool = True


class AdamW(Adam, frozen=True, tag="adamw", kw_only=True):
    """Adam that first takes η λ w off each weight. Loshchilov and Hutter, ICLR 2019."""

    weight_decay: float = 0.01


Optimizer = Sgd | Momentum | AveragedMomentum | RmsProp | Adam | AdamW


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What becomes of the rate η with the number n of updates, or of finished epochs with `by = "epoch"`.

    step: η factor^⌊n / every⌋; exponential: η factor^n; cosine: least + ½ (η - least)(1 + cos(π n / last)),
    and `least` from n = last on; none: η. With `warm_up` the first updates have (n + 1) / warm_up of it.
    """

    kind: Literal["none", "step", "exponential", "cosine"] = "none"
    factor: float = 0.5
    every: int = 10
    last: int = 100
    least: float = 0.0
    warm_up: int = 0
    by: Literal["step", "epoch"] = "step"
