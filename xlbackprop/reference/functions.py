"""Activations and losses with their derivatives, elementwise, from their definitions.

An activation is f(z), for real and complex arrays; its derivative takes (z, a), with a = f(z).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Above this, e^x is more than a double holds.
EXP_LIMIT = float(np.log(np.finfo(float).max))


def sigmoid(z: Array) -> Array:
    """1/(1 + e^-z), with the exponential of -|z| so that it cannot overflow."""
    positive = z.real >= 0
    e = np.exp(np.where(positive, -z, z))
    return np.asarray(np.where(positive, 1, e) / (1 + e))


def spreadsheet_sigmoid(z: Array) -> Array:
    """Sigmoid as far as a plain 1/(1+EXP(-z)) can be calculated; nan where its EXP overflows."""
    return np.where(z.real < -EXP_LIMIT, np.nan, sigmoid(z))


ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "identity": (lambda z: z, lambda z, a: np.ones_like(z)),
    "sigmoid": (sigmoid, lambda z, a: a - a**2),
    "tanh": (np.tanh, lambda z, a: (1 - a) * (1 + a)),
    "relu": (lambda z: np.where(z.real > 0, z, 0 * z), lambda z, a: np.heaviside(z, 0.0)),
}

# (error, ∂error/∂output), each of (target, output).
LOSSES: dict[str, tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]] = {
    "half squared error": (lambda t, y: (y - t) ** 2 / 2, lambda t, y: y - t),
}
