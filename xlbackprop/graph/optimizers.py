"""Optimisers: how a row's weights follow from the row above, and what is kept from batch to batch.

The state of an optimiser stands in columns of its own, once a batch, in the batch's last row: the
gradient of the batch, clipped, with the decay's derivative, and its moments. The first row of the
next batch updates the weights from there. To add an optimiser, add its class in
`spec/optimizers.py`, a row here and one on the reference's side.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from xlbackprop.graph.expr import ONE, ZERO, Block, Expr, Number, Prev, Ref, add, build, div, mul, sub
from xlbackprop.graph.program import Program, Role
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec import optimizers as kinds
from xlbackprop.spec.names import RATE, STEP, gradient_name

GROUP = 200  # gradients under one root: Excel takes 255 arguments


@dataclass(frozen=True)
class Rule:
    """`keep` defines the state that the optimiser keeps of one weight, from its gradient; `step` is the new weight."""

    state: str  # as people write it, for `xlbackprop ops`
    update: str
    keep: Callable[[Program, kinds.Optimizer, str, Ref], None]
    step: Callable[[kinds.Optimizer, Expr, Expr, Expr, Callable[[str], Expr]], Expr]


def sgd_step(weight: Expr, gradient: Expr, rate: Expr | None = None) -> Expr:
    """w - η ∂E/∂w."""
    rate = Ref(RATE) if rate is None else rate
    return sub(weight, mul(rate, gradient))


def direction(spec: Spec, weight: str) -> str:
    """The name of the gradient that the optimiser takes: after the batch's mean, clipping and decay."""
    if spec.l1 or spec.l2:
        return naming.decayed_gradient(weight)
    if spec.clip_norm or spec.clip_value:
        return naming.clipped_gradient(weight)
    return naming.batch_gradient(weight) if spec.batches.several else gradient_name(weight)


def rate_name(spec: Spec) -> str:
    return RATE if spec.schedule == kinds.Schedule() else naming.RATE_NOW


def updated(spec: Spec, weight: str, look: Callable[[str], Expr]) -> Expr:
    """The weight after the update, from what `look` says stands for each quantity of the row above."""
    rate = Ref(RATE) if rate_name(spec) == RATE else look(naming.RATE_NOW)
    rule = OPTIMIZERS[type(spec.optimizer)]
    return rule.step(spec.optimizer, look(weight), look(direction(spec, weight)), rate, _of(weight, look))


def _of(weight: str, look: Callable[[str], Expr]) -> Callable[[str], Expr]:
    """What stands for a quantity of this weight, by the function that names it."""
    return lambda which: look(_NAMES[which](weight))


_NAMES: dict[str, Callable[[str], str]] = {
    "m": naming.first_moment,
    "v": naming.second_moment,
    "m̂": lambda weight: naming.corrected(naming.first_moment(weight)),
    "v̂": lambda weight: naming.corrected(naming.second_moment(weight)),
}


def keep_state(program: Program, spec: Spec) -> None:
    """Define what a batch keeps for the next: its rate, gradients and moments."""
    if not spec.trained:
        return
    _schedule(program, spec)
    for weight in spec.trained:
        if spec.batches.several:
            symbol = f"batch {spec.reduction}"
            program.define(
                naming.batch_gradient(weight), Role.BATCH_GRADIENT,
                build(symbol, Block(gradient_name(weight))), note=f"{spec.reduction} over the batch", once=True,
            )  # fmt: skip
    _clip(program, spec)
    for weight in spec.trained:
        _decay(program, spec, weight)
    for weight in spec.trained:
        gradient = Ref(direction(spec, weight))
        OPTIMIZERS[type(spec.optimizer)].keep(program, spec.optimizer, weight, gradient)


def _schedule(program: Program, spec: Spec) -> None:
    schedule = spec.schedule
    if schedule == kinds.Schedule():
        return
    count: Expr = Ref(STEP)
    if schedule.by == "epoch":
        count = build("whole", div(count, Number(spec.batches.per_epoch)))
    rate: Expr = Ref(RATE)
    match schedule.kind:
        case "step":
            finished = build("whole", div(count, Number(schedule.every)))
            rate = mul(rate, build("power", Number(schedule.factor), finished))
        case "exponential":
            rate = mul(rate, build("power", Number(schedule.factor), count))
        case "cosine":
            least, last = Number(schedule.least), Number(schedule.last)
            angle = div(mul(Number(math.pi), build("min", count, last)), last)
            half = div(mul(sub(rate, least), add(ONE, build("cos", angle))), Number(2))
            rate = add(least, half)
    if schedule.warm_up:
        warm = build("min", ONE, div(add(count, ONE), Number(schedule.warm_up)))
        rate = mul(rate, warm)
    program.define(naming.RATE_NOW, Role.STATE, rate, note="learning rate of this step", once=True)


def _clip(program: Program, spec: Spec) -> None:
    before = naming.batch_gradient if spec.batches.several else gradient_name
    if spec.clip_norm is not None:
        gradients = [Ref(before(weight)) for weight in spec.trained]
        groups = [gradients[k : k + GROUP] for k in range(0, len(gradients), GROUP)]
        norms = [build("norm", *group) for group in groups]
        if len(norms) > 1:
            norms = [
                program.define(
                    f"{naming.GRADIENT_NORM}{k + 1}", Role.STATE, norm, note="norm of a group of gradients", once=True
                )
                for k, norm in enumerate(norms)
            ]
        norm = program.define(
            naming.GRADIENT_NORM, Role.STATE, norms[0] if len(norms) == 1 else build("norm", *norms),
            note="norm of all gradients", once=True,
        )  # fmt: skip
        # As PyTorch's clip_grad_norm_ has it, with its 1e-6.
        factor = build("min", ONE, div(Number(spec.clip_norm), add(norm, Number(1e-6))))
        program.define(naming.CLIP_FACTOR, Role.STATE, factor, note="factor that clips the norm", once=True)
    for weight in spec.trained:
        gradient: Expr = Ref(before(weight))
        if spec.clip_norm is not None:
            clipped = mul(Ref(naming.CLIP_FACTOR), gradient)
        elif spec.clip_value is not None:
            clipped = build("max", Number(-spec.clip_value), build("min", Number(spec.clip_value), gradient))
        else:
            return
        program.define(naming.clipped_gradient(weight), Role.STATE, clipped, note="clipped gradient", once=True)


def _decay(program: Program, spec: Spec, weight: str) -> None:
    if not (spec.l1 or spec.l2):
        return
    clipped = spec.clip_norm is not None or spec.clip_value is not None
    before = naming.clipped_gradient if clipped else naming.batch_gradient if spec.batches.several else gradient_name
    gradient: Expr = Ref(before(weight))
    if spec.l2:
        gradient = add(gradient, mul(Number(spec.l2), Ref(weight)))
    if spec.l1:
        gradient = add(gradient, mul(Number(spec.l1), build("sign", Ref(weight))))
    name = naming.decayed_gradient(weight)
    program.define(name, Role.STATE, gradient, note="gradient with the weight decay's", once=True)


def _moment(program: Program, name: str, kept: float, added: Expr, note: str, *, first: Expr | None = None) -> Ref:
    """kept*before + added; `first` (or what is added) where there is no batch before."""
    expr = add(mul(Number(kept), Prev(name)), added)
    return program.define(name, Role.STATE, expr, first=added if first is None else first, note=note, once=True)


def _share(kept: float) -> Expr:
    """1 - kept, as it is written."""
    return sub(ONE, Number(kept))


def _keep_nothing(program: Program, optimizer: kinds.Optimizer, weight: str, gradient: Ref) -> None:
    """Plain gradient descent remembers nothing."""


def _keep_momentum(program: Program, optimizer: kinds.Optimizer, weight: str, gradient: Ref) -> None:
    assert isinstance(optimizer, kinds.Momentum)
    added = mul(_share(optimizer.dampening), gradient) if optimizer.dampening else gradient
    _moment(program, naming.first_moment(weight), optimizer.momentum, added, "momentum", first=gradient)


def _keep_average(program: Program, optimizer: kinds.Optimizer, weight: str, gradient: Ref) -> None:
    assert isinstance(optimizer, kinds.AveragedMomentum)
    added = mul(_share(optimizer.beta), gradient)
    _moment(program, naming.first_moment(weight), optimizer.beta, added, "running mean of gradients")


def _keep_squares(program: Program, optimizer: kinds.Optimizer, weight: str, gradient: Ref) -> None:
    assert isinstance(optimizer, kinds.RmsProp)
    added = mul(_share(optimizer.alpha), build("square", gradient))
    _moment(program, naming.second_moment(weight), optimizer.alpha, added, "running mean of squared gradients")


def _keep_both(program: Program, optimizer: kinds.Optimizer, weight: str, gradient: Ref) -> None:
    assert isinstance(optimizer, kinds.Adam)
    first, second = naming.first_moment(weight), naming.second_moment(weight)
    m = _moment(program, first, optimizer.beta1, mul(_share(optimizer.beta1), gradient), "running mean of gradients")
    squared = mul(_share(optimizer.beta2), build("square", gradient))
    v = _moment(program, second, optimizer.beta2, squared, "running mean of squared gradients")
    if optimizer.bias_correction:
        for moment, beta in ((m, optimizer.beta1), (v, optimizer.beta2)):
            left = sub(ONE, build("power", Number(beta), add(Ref(STEP), ONE)))
            name = naming.corrected(moment.name)
            program.define(
                name, Role.STATE, div(moment, left), note="moment with its start from 0 corrected", once=True
            )


def _step_momentum(
    optimizer: kinds.Optimizer, weight: Expr, gradient: Expr, rate: Expr, of: Callable[[str], Expr]
) -> Expr:
    assert isinstance(optimizer, kinds.Momentum)
    if optimizer.nesterov:
        return sgd_step(weight, add(gradient, mul(Number(optimizer.momentum), of("m"))), rate)
    return sgd_step(weight, of("m"), rate)


def _step_squares(
    optimizer: kinds.Optimizer, weight: Expr, gradient: Expr, rate: Expr, of: Callable[[str], Expr]
) -> Expr:
    assert isinstance(optimizer, kinds.RmsProp)
    return sub(weight, div(mul(rate, gradient), _rooted(of("v"), optimizer.epsilon)))


def _step_adam(optimizer: kinds.Optimizer, weight: Expr, gradient: Expr, rate: Expr, of: Callable[[str], Expr]) -> Expr:
    assert isinstance(optimizer, kinds.Adam)
    m, v = ("m̂", "v̂") if optimizer.bias_correction else ("m", "v")
    if isinstance(optimizer, kinds.AdamW):
        weight = sub(weight, mul(mul(rate, Number(optimizer.weight_decay)), weight))
    return sub(weight, div(mul(rate, of(m)), _rooted(of(v), optimizer.epsilon)))


def _rooted(moment: Expr, epsilon: float) -> Expr:
    return add(build("sqrt", moment), Number(epsilon) if epsilon else ZERO)


OPTIMIZERS: dict[type[object], Rule] = {
    kinds.Sgd: Rule("none", "w - η*g", _keep_nothing, lambda o, weight, g, rate, of: sgd_step(weight, g, rate)),
    kinds.Momentum: Rule(
        "m = μ*m + (1-dampening)*g", "w - η*m; nesterov: w - η*(g + μ*m)", _keep_momentum, _step_momentum
    ),
    kinds.AveragedMomentum: Rule(
        "m = β*m + (1-β)*g", "w - η*m", _keep_average, lambda o, weight, g, rate, of: sgd_step(weight, of("m"), rate)
    ),
    kinds.RmsProp: Rule("v = α*v + (1-α)*g^2", "w - η*g/(√v + ε)", _keep_squares, _step_squares),
    kinds.Adam: Rule(
        "m = β1*m + (1-β1)*g; v = β2*v + (1-β2)*g^2; m̂ = m/(1-β1^n); v̂ = v/(1-β2^n)",
        "w - η*m̂/(√v̂ + ε)", _keep_both, _step_adam,
    ),
    kinds.AdamW: Rule("as adam", "w - η*λ*w - η*m̂/(√v̂ + ε)", _keep_both, _step_adam),
}  # fmt: skip
