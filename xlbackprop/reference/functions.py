"""Activations and losses with their derivatives, elementwise, from their definitions.

An activation is f(z), for real and complex arrays; its derivative takes (z, a), with a = f(z).
Where a spreadsheet's plain formula loses digits that this side keeps, `rough` says how large the
number is whose last digits are lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rough = Callable[[Array], Array]

# Above this, e^x is more than a double holds.
EXP_LIMIT = float(np.log(np.finfo(float).max))


def lossless(z: Array) -> Array:
    """`rough` of a formula that keeps its digits."""
    return np.zeros_like(z.real)


class Activation(NamedTuple):
    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    # Of z: how large the number is whose last digits the worksheet's formula loses, and that of the slope.
    rough: Rough = lossless
    rough_slope: Rough = lossless
    uses_erf: bool = False  # then the digits are those of ERF
    rough_turn: Rough | None = None  # and that of a complex value's imaginary part, by its own; None: as the slope's

    def rough_complex(self, z: Array) -> Array | None:
        """`rough`, and of complex z beside it what the imaginary part loses; None for nothing."""
        if self.rough is lossless and not np.iscomplexobj(z):
            return None
        rough = self.rough(z)
        if np.iscomplexobj(z):
            rough = rough + 1j * np.abs(z.imag) * (self.rough_turn or self.rough_slope)(z.real)
        return np.asarray(rough)


class Loss(NamedTuple):
    """(error, ∂error/∂output), each of (target, output); the total is the sum over the outputs, or their mean."""

    value: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], Array]
    mean: bool = False
    rough: Rough = lossless


def sigmoid(z: Array) -> Array:
    """1/(1 + e^-z), with the exponential of -|z| so that it cannot overflow."""
    positive = z.real >= 0
    e = np.exp(np.where(positive, -z, z))
    return np.asarray(np.where(positive, 1, e) / (1 + e))


def softplus(z: Array) -> Array:
    """ln(1 + e^z)."""
    return np.asarray(np.where(z.real > 0, z, 0 * z) + np.log1p(np.exp(np.where(z.real > 0, -z, z))))


def _one(z: Array) -> Array:
    return np.ones_like(z.real)


def erf(z: Array) -> Array:
    """The error function; of a complex number with a tiny imaginary part, by its derivative 2/√π e^-z²."""
    value = np.vectorize(math.erf, otypes=[float])(z.real)
    if np.iscomplexobj(z):
        return np.asarray(value + 1j * z.imag * 2 / math.sqrt(math.pi) * np.exp(-(z.real**2)))
    return np.asarray(value)


def _gelu(z: Array) -> Array:
    return np.asarray(z * (1 + erf(z / math.sqrt(2))) / 2)


def _gelu_slope(z: Array, a: Array) -> Array:
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return np.asarray((1 + erf(z / math.sqrt(2))) / 2 + z * density)


_K = math.sqrt(2 / math.pi)


def _gelu_tanh(z: Array) -> Array:
    return np.asarray(z / 2 * (1 + np.tanh(_K * (z + 0.044715 * z**3))))


def _gelu_tanh_slope(z: Array, a: Array) -> Array:
    h = np.tanh(_K * (z + 0.044715 * z**3))
    return np.asarray((1 + h) / 2 + z / 2 * (1 - h) * (1 + h) * _K * (1 + 3 * 0.044715 * z * z))


def _elu(z: Array) -> Array:
    below = np.where(z.real > 0, 0 * z, z)
    return np.asarray(np.where(z.real > 0, z, np.exp(below) - 1))


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda z: z, lambda z, a: np.ones_like(z)),
    "sigmoid": Activation(sigmoid, lambda z, a: a * (1 - a), rough_turn=_one),
    "tanh": Activation(np.tanh, lambda z, a: (1 - a) * (1 + a), rough_turn=_one),
    "relu": Activation(lambda z: np.where(z.real > 0, z, 0 * z), lambda z, a: np.heaviside(z, 0.0)),
    "leaky relu": Activation(lambda z: np.where(z.real > 0, z, z / 100), lambda z, a: np.where(z > 0, 1.0, 0.01)),
    "elu": Activation(_elu, lambda z, a: np.exp(np.minimum(z, 0)), _one),
    "softplus": Activation(softplus, lambda z, a: sigmoid(z), _one),
    "gelu": Activation(_gelu, _gelu_slope, np.abs, _one, uses_erf=True),
    "gelu tanh": Activation(_gelu_tanh, _gelu_tanh_slope, np.abs, lambda z: 1 + np.abs(z) ** 3),
    "gaussian": Activation(lambda z: np.exp(-z * z), lambda z, a: -2 * a * z),
    "silu": Activation(
        lambda z: z * sigmoid(z), lambda z, a: a + sigmoid(z) * (1 - a), rough_turn=lambda z: 1 + np.abs(z)
    ),
    "sin": Activation(np.sin, lambda z, a: np.cos(z)),
}
# Those whose plain formula has an EXP(-z), or EXP(z), that can overflow.
_OVERFLOWING = {"sigmoid": 1, "silu": 1, "softplus": -1}


def as_in_a_spreadsheet(name: str, *, is_stable: bool, exp_overflows: bool) -> Activation:
    """The activation as far as the worksheet's formula can calculate it."""
    row = Activation(*ACTIVATIONS[name])
    sign = _OVERFLOWING.get(name, 0)
    if is_stable or not exp_overflows or not sign:
        return row

    def value(z: Array) -> Array:
        return np.where(sign * z.real < -EXP_LIMIT, np.nan, row.value(z))

    return row._replace(value=value)


TINY = 1e-300  # stands for a target of 0 under the logarithm, where t ln t is 0


def _kl(t: Array, y: Array) -> Array:
    return np.asarray(t * (np.log(np.maximum(t, TINY)) - np.log(y)))


LOSSES: dict[str, Loss] = {
    "half squared error": Loss(lambda t, y: (y - t) ** 2 / 2, lambda t, y: y - t),
    "squared error": Loss(lambda t, y: (y - t) ** 2, lambda t, y: 2 * (y - t)),
    "mean squared error": Loss(lambda t, y: (y - t) ** 2, lambda t, y: 2 * (y - t), mean=True),
    "binary cross-entropy": Loss(
        lambda t, y: -t * np.log(y) - (1 - t) * np.log(1 - y), lambda t, y: (y - t) / (y * (1 - y)), mean=True
    ),
    "binary cross-entropy from logits": Loss(
        lambda t, y: softplus(y) - t * y, lambda t, y: sigmoid(y) - t, mean=True, rough=lambda y: 1 + np.abs(y)
    ),
    "cross-entropy": Loss(lambda t, y: -t * np.log(y), lambda t, y: -t / y),
    "cross-entropy from logits": Loss(lambda t, y: -t * y, lambda t, y: -t),  # and t ln Σ e^o, in `network`
    "nll": Loss(lambda t, y: -t * y, lambda t, y: -t),
    "kl divergence": Loss(_kl, lambda t, y: -t / y),
    "output": Loss(lambda t, y: y, lambda t, y: np.ones_like(y)),
}
