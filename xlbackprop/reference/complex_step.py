"""The witness without calculus: Im E(w + ih)/h, exact to rounding and free of any derivative rule.

Squire and Trapp, Using complex variables to estimate derivatives of real functions, SIAM Review
40 (1998). With h = 1e-200 nothing is subtracted, so nothing is lost, but where a factor on the way is
below 1e-108, as a tiny input is: times h it is no double any more. A longer step then says what that
one cannot, and where numbers are so large that it is too long, the short one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.implied import batched
from xlbackprop.reference.network import Network
from xlbackprop.reference.told import Nobody
from xlbackprop.spec import Spec, gradient_name

H, LONGER = 1e-200, 1e-100
# A derivative below this, times H, is lost among the smallest doubles, at the end or on the way.
FLOOR = 1e-90


@dataclass(frozen=True)
class Witness:
    """What `gradients` says with the short step, and with the longer one where it is asked again."""

    spec: Spec
    observed: Mapping[str, Array]
    steps: Array

    @cached_property
    def gradients(self) -> dict[str, Array]:
        return gradients(self.spec, self.observed, self.steps)

    @cached_property
    def again(self) -> dict[str, Array]:
        return gradients(self.spec, self.observed, self.steps, LONGER)


def gradients(spec: Spec, observed: Mapping[str, Array], steps: Array, h: float = H) -> dict[str, Array]:
    """∂E/∂w of every trained parameter (and input, if asked for) by the forward pass alone, each (n_rates, visits).

    E is the sum of the errors of a batch. `observed` holds inputs, targets, masks and parameters,
    each (n_rates, visits); of steps that are not asked for, nan. In the sequential order of
    updates only the last layer's are gradients of the error, so only those are given.
    """
    names = spec.differentiated
    if spec.update == "sequential":
        last = {name for tensor in spec.placed[-1].tensors for name in tensor.names}
        names = tuple(name for name in names if name in last)
    shape = next(iter(observed.values())).shape
    result = {gradient_name(name): np.full(shape, np.nan) for name in names}
    network = Network(spec)
    with np.errstate(all="ignore"):
        for _, rows in batched(spec, steps):
            flat = {name: values[:, rows].reshape(-1, rows.shape[1]) for name, values in observed.items()}
            for name in names:
                found = _derivative(network, flat, name, h).reshape(shape[0], *rows.shape)
                result[gradient_name(name)][:, rows] = found
    return result


def _derivative(network: Network, flat: Mapping[str, Array], name: str, h: float) -> Array:
    """(lanes, rows): of the batch's error by the quantity in each row."""
    value = flat[name].astype(complex)
    if not network.spec.couples:  # then each row's error has nothing to do with the other rows
        return np.asarray(_error(network, {**flat, name: value + 1j * h}).imag / h)
    columns = []
    for row in range(value.shape[1]):
        stepped = value.copy()
        stepped[:, row] += 1j * h
        columns.append(_error(network, {**flat, name: stepped}).sum(axis=1).imag / h)
    return np.stack(columns, axis=1)


def _error(network: Network, flat: Mapping[str, Array]) -> Array:
    spec = network.spec
    rows = next(iter(flat.values())).shape
    x = np.stack([flat[name] for name in spec.inputs], axis=-1)
    t = np.stack([flat[name] for name in spec.targets], axis=-1) if spec.targets else np.zeros((*rows, 0))
    parameters = network.parameters(
        {name: flat[name] for name in spec.initial}, {name: flat[name] for name in spec.drawn}
    )
    return network.error(t, network.forward(x, parameters, Nobody()), Nobody())
