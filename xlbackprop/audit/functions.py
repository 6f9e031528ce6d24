"""The activations and losses that people use, from their definitions, for real and complex arrays.

The names are those of `reference/functions.py` where it has them, and the functions are those too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xlbackprop.reference import functions as reference
from xlbackprop.reference.functions import Array

# Of one unit's z. `softmax`, of a whole layer, stands in `apply`.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": reference.ACTIVATIONS["sigmoid"][0],
    "tanh": reference.ACTIVATIONS["tanh"][0],
    "relu": reference.ACTIVATIONS["relu"][0],
    "identity": reference.ACTIVATIONS["identity"][0],
    "leaky relu": lambda z: np.where(z.real > 0, z, 0.01 * z),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "gaussian": lambda z: np.exp(-z * z),
    "silu": lambda z: z * reference.sigmoid(z),
    "elu": lambda z: np.where(z.real > 0, z, np.exp(np.where(z.real > 0, 0 * z, z)) - 1),
    "sin": np.sin,
}

# Of one output: (target, output).
LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "half squared error": reference.LOSSES["half squared error"][0],
    "squared error": lambda t, y: (t - y) ** 2,
    "binary cross-entropy": lambda t, y: -(t * np.log(y) + (1 - t) * np.log(1 - y)),
    "cross-entropy": lambda t, y: -t * np.log(y),
}


def apply(activation: str, zs: list[Array]) -> list[Array]:
    """The activations of a layer's units."""
    if activation == "softmax":
        exponentials = [np.exp(z) for z in zs]
        total = sum(exponentials[1:], start=exponentials[0])
        return [one / total for one in exponentials]
    return [np.asarray(ACTIVATIONS[activation](z)) for z in zs]
