"""The witness without calculus: Im E(w + ih)/h, exact to rounding and free of any derivative rule.

Squire and Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review
40 (1998). With h = 1e-200 nothing is subtracted, so nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.network import Network
from xlbackprop.spec import Names, Spec, gradient_name

H = 1e-200
# A derivative below this, times H, is lost among the smallest doubles, at the end or on the way.
FLOOR = 1e-90


class _Nobody:
    def see(self, names: Names, values: Array) -> Array:
        return values

    see_factors = see


def gradients(spec: Spec, observed: Mapping[str, Array]) -> dict[str, Array]:
    """∂E/∂w of every trained parameter by the forward pass alone, each (lanes,).

    `observed` holds inputs, targets and parameters, each (lanes,). In the sequential order of
    updates only the last layer's are gradients of the error, so only those are given.
    """
    network = Network(spec)
    layers = spec.layers if spec.update == "simultaneous" else spec.layers[-1:]
    trained = {name for layer in layers for name in (*layer.flat_weight_names, *layer.bias_names)} & set(spec.trained)
    x = np.stack([observed[name] for name in spec.inputs], axis=-1)
    t = np.stack([observed[name] for name in spec.targets], axis=-1)
    plain = {name: observed[name].astype(complex) for name, _, _ in spec.parameters()}
    result = {}
    with np.errstate(all="ignore"):
        for name in spec.trained:
            if name in trained:
                parameters = network.parameters({**plain, name: plain[name] + 1j * H})
                y = network.forward(x, parameters, _Nobody())[-1].a
                result[gradient_name(name)] = network.error(t, y, _Nobody()).imag / H
    return result
