"""Optimisers in vectors: all trained parameters of a network at once, (lanes, n_parameters)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.told import Witness
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec import optimizers as kinds
from xlbackprop.spec.shapes import Names

State = Mapping[str, Array]  # what was kept at the step before, (lanes, n): "m", "v"


@dataclass(frozen=True)
class Told:
    """What an optimiser's rule works with; `see` shows a quantity of each parameter to the witness."""

    optimizer: kinds.Optimizer
    w: Array
    g: Array
    rate: Array  # (lanes, 1)
    n: Array  # updates before this one, (lanes, 1)
    before: State
    see: Callable[..., Array]


Rule = Callable[[Told], Array]


def update(
    spec: Spec, witness: Witness, w: Array, g: Array, rate: Array, n: Array, before: State
) -> tuple[Array, dict[str, Array]]:
    """The parameters after an update, and the state to keep.

    w is (lanes, n_parameters), g (lanes, rows, n_parameters) with the rows of the batch, rate and n
    (lanes,): the rate of the sheet and the number of updates before this one.
    """
    names = spec.trained
    kept: dict[str, Array] = {}

    def see(name: Callable[[str], str], values: Array, rough: Array | None = None) -> Array:
        values = witness.see_once(tuple(map(name, names)), values, rough)
        if name is naming.first_moment:
            kept["m"] = values
        if name is naming.second_moment:
            kept["v"] = values
        return values

    gradient = g[:, 0]
    if spec.batches.several:
        whole = g.mean(axis=1) if spec.reduction == "mean" else g.sum(axis=1)
        gradient = see(naming.batch_gradient, whole)
    gradient = _decayed(spec, see, w, _clipped(spec, witness, see, gradient))
    rate = _scheduled(spec, witness, rate, n)
    told = Told(spec.optimizer, w, gradient, rate[:, None], n[:, None], before, see)
    return OPTIMIZERS[type(spec.optimizer)](told), kept


def _clipped(spec: Spec, witness: Witness, see: Callable[..., Array], g: Array) -> Array:
    if spec.clip_norm is not None:
        groups = [g[:, k : k + 200] for k in range(0, g.shape[1], 200)]
        norms = np.stack([np.sqrt((group**2).sum(axis=1)) for group in groups], axis=1)
        if len(groups) > 1:
            norms = witness.see_once(_numbered(len(groups)), norms)
        norm = np.sqrt((norms**2).sum(axis=1, keepdims=True)) if len(groups) > 1 else norms
        norm = witness.see_once((naming.GRADIENT_NORM,), norm)
        factor = np.minimum(1.0, spec.clip_norm / (norm + 1e-6))
        return see(naming.clipped_gradient, witness.see_once((naming.CLIP_FACTOR,), factor) * g)
    if spec.clip_value is not None:
        return see(naming.clipped_gradient, np.clip(g, -spec.clip_value, spec.clip_value))
    return g


def _numbered(count: int) -> Names:
    return tuple(f"{naming.GRADIENT_NORM}{k + 1}" for k in range(count))


def _decayed(spec: Spec, see: Callable[..., Array], w: Array, g: Array) -> Array:
    """The derivative of ½ λ₂ w² + λ₁ |w| added."""
    if not (spec.l1 or spec.l2):
        return g
    return see(naming.decayed_gradient, g + spec.l2 * w + spec.l1 * np.sign(w))


def _scheduled(spec: Spec, witness: Witness, rate: Array, n: Array) -> Array:
    schedule = spec.schedule
    if schedule == kinds.Schedule():
        return rate
    count = n // spec.batches.per_epoch if schedule.by == "epoch" else n
    now = rate
    if schedule.kind == "step":
        now = rate * schedule.factor ** (count // schedule.every)
    elif schedule.kind == "exponential":
        now = rate * schedule.factor**count
    elif schedule.kind == "cosine":
        done = np.minimum(count, schedule.last) / schedule.last
        now = schedule.least + (rate - schedule.least) * (1 + np.cos(np.pi * done)) / 2
    if schedule.warm_up:
        now = now * np.minimum(1.0, (count + 1) / schedule.warm_up)
    return witness.see_once((naming.RATE_NOW,), now[:, None])[:, 0]


def _sgd(told: Told) -> Array:
    return np.asarray(told.w - told.rate * told.g)


def _momentum(told: Told) -> Array:
    o = told.optimizer
    assert isinstance(o, kinds.Momentum)
    buffer = o.momentum * told.before["m"] + (1 - o.dampening) * told.g
    m = told.see(naming.first_moment, np.where(told.n == 0, told.g, buffer))
    return np.asarray(told.w - told.rate * (told.g + o.momentum * m if o.nesterov else m))


def _averaged(told: Told) -> Array:
    o = told.optimizer
    assert isinstance(o, kinds.AveragedMomentum)
    m = told.see(naming.first_moment, o.beta * told.before["m"] + (1 - o.beta) * told.g)
    return np.asarray(told.w - told.rate * m)


def _rmsprop(told: Told) -> Array:
    o = told.optimizer
    assert isinstance(o, kinds.RmsProp)
    v = told.see(naming.second_moment, o.alpha * told.before["v"] + (1 - o.alpha) * told.g**2)
    return np.asarray(told.w - told.rate * told.g / (np.sqrt(v) + o.epsilon))


def _adam(told: Told) -> Array:
    o = told.optimizer
    assert isinstance(o, kinds.Adam)
    m = told.see(naming.first_moment, o.beta1 * told.before["m"] + (1 - o.beta1) * told.g)
    v = told.see(naming.second_moment, o.beta2 * told.before["v"] + (1 - o.beta2) * told.g**2)
    if o.bias_correction:
        m, v = _corrected(told, naming.first_moment, m, o.beta1), _corrected(told, naming.second_moment, v, o.beta2)
    w = told.w
    if isinstance(o, kinds.AdamW):
        w = w - told.rate * o.weight_decay * w
    return np.asarray(w - told.rate * m / (np.sqrt(v) + o.epsilon))


def _corrected(told: Told, moment: Callable[[str], str], values: Array, beta: float) -> Array:
    left = 1 - beta ** (told.n + 1)
    # 1 - β^n has lost the digits that β^n shares with 1.
    rough = np.abs(values / left**2) * 2.0**-52
    return told.see(lambda weight: naming.corrected(moment(weight)), values / left, rough)


OPTIMIZERS: dict[type[object], Rule] = {
    kinds.Sgd: _sgd,
    kinds.Momentum: _momentum,
    kinds.AveragedMomentum: _averaged,
    kinds.RmsProp: _rmsprop,
    kinds.Adam: _adam,
    kinds.AdamW: _adam,
}
