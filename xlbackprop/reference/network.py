"""Forward, backward and update of a whole network, in matrices, for many independent lanes at once.

A lane is one network at one step: a learning rate, a row of a sheet, a copy with other roundings.
Every array has the lanes in front: x is (lanes, n_in), W (lanes, n_out, n_in), b and z
(lanes, n_out). Quantities are handed to a `Witness` as they appear, by name; what it returns is
what the calculation goes on with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from xlbackprop.reference.functions import ACTIVATIONS, LOSSES, Array, spreadsheet_sigmoid
from xlbackprop.spec import (
    Layer,
    Names,
    Spec,
    activation_name,
    delta_name,
    error_name,
    gradient_name,
    local_name,
    total_error,
    updated_name,
)


class Witness(Protocol):
    def see(self, names: Names, values: Array) -> Array:
        """Take the values (lanes, len(names)) of these quantities; return those to go on with."""
        ...


@dataclass(frozen=True)
class Parameters:
    """A layer's weights (lanes, n_out, n_in) and biases (lanes, n_biases)."""

    weights: Array
    biases: Array


@dataclass(frozen=True)
class Pass:
    """What the forward pass of one layer leaves for the backward pass."""

    x: Array  # (lanes, n_in)
    z: Array  # (lanes, n_out)
    a: Array  # (lanes, n_out)


class Network:
    """The mathematics of a spec. `exp_overflows`: sigmoid fails where a spreadsheet's EXP does."""

    def __init__(self, spec: Spec, *, exp_overflows: bool = False) -> None:
        self.spec = spec
        self._activations = dict(ACTIVATIONS)
        if exp_overflows:
            self._activations["sigmoid"] = (spreadsheet_sigmoid, ACTIVATIONS["sigmoid"][1])

    def parameters(self, values: dict[str, Array]) -> list[Parameters]:
        """The layers' parameters from arrays (lanes,) by name."""
        return [
            Parameters(
                np.stack([_stack(values, row) for row in layer.weight_names], axis=1), _stack(values, layer.bias_names)
            )
            for layer in self.spec.layers
        ]

    def forward(self, x: Array, parameters: list[Parameters], witness: Witness, *, again: bool = False) -> list[Pass]:
        """z = W x + b and a = f(z), layer by layer; `again`: the pass after the update, under its own names."""
        passes = []
        for layer, p in zip(self.spec.layers, parameters):
            activation, _ = self._activations[layer.activation]
            z = (p.weights @ x[..., None])[..., 0]
            if layer.bias is not None:
                z = z + p.biases  # a shared bias is one column, which goes to every unit
            z = witness.see(_named(layer.units, again), z)
            a = witness.see(_named(map(activation_name, layer.units), again), activation(z))
            passes.append(Pass(x, z, a))
            x = a
        return passes

    def error(self, t: Array, y: Array, witness: Witness, *, again: bool = False) -> Array:
        """E_total (lanes,) of outputs y against targets t, both (lanes, n_out)."""
        error, _ = LOSSES[self.spec.loss]
        names = _named((error_name(k) for k in range(t.shape[-1])), again)
        each = witness.see(names, error(t, y))
        return witness.see(_named((total_error(),), again), each.sum(axis=-1, keepdims=True))[..., 0]

    def backward(
        self, t: Array, passes: list[Pass], parameters: list[Parameters], rate: Array, witness: Witness
    ) -> list[Parameters]:
        """The parameters after one update; the gradients and deltas are the witness's to keep.

        `rate` is (lanes,). In the sequential order the error passes back through the weights of
        a layer that is updated already, as on the page that made that order known.
        """
        spec, result = self.spec, list(parameters)
        _, slope = LOSSES[spec.loss]
        upstream = witness.see(_upstream_names(spec.outputs), slope(t, passes[-1].a))
        for k in reversed(range(len(spec.layers))):
            layer, p, one = spec.layers[k], parameters[k], passes[k]
            _, derivative = self._activations[layer.activation]
            delta = witness.see(tuple(map(delta_name, layer.units)), upstream * derivative(one.z, one.a))
            gradient = self._gradient(layer, delta, one.x, witness)
            result[k] = self._update(layer, p, gradient, rate, witness)
            if k > 0:
                weights = result[k].weights if spec.update == "sequential" else p.weights
                upstream = (np.swapaxes(weights, -1, -2) @ delta[..., None])[..., 0]
                upstream = witness.see(_upstream_names(spec.layers[k - 1].units), upstream)
        return result

    def factors(
        self, t: Array, passes: list[Pass], parameters: list[Parameters], updated: list[Parameters]
    ) -> dict[str, Array]:
        """The factors of the chain rule, each (lanes,), by name: ∂a/∂z, ∂z/∂w, ∂z/∂x, ∂E_k/∂a, ∂E/∂E_k."""
        spec, result = self.spec, {}
        _, slope = LOSSES[spec.loss]
        outer = slope(t, passes[-1].a)
        for k, unit in enumerate(spec.outputs):
            result[local_name(total_error(), error_name(k))] = np.ones(len(t))
            result[local_name(error_name(k), activation_name(unit))] = outer[:, k]
        back = updated if spec.update == "sequential" else parameters
        below: Names = spec.inputs
        for layer, one, p in zip(spec.layers, passes, back):
            _, derivative = self._activations[layer.activation]
            slopes = derivative(one.z, one.a)
            for j, unit in enumerate(layer.units):
                result[local_name(activation_name(unit), unit)] = slopes[:, j]
                for i, (weight, x) in enumerate(zip(layer.weight_names[j], below)):
                    result[local_name(unit, weight)] = one.x[:, i]
                    result[local_name(unit, x)] = p.weights[:, j, i]
                if bias := layer.bias_of(j):
                    result[local_name(unit, bias)] = np.ones(len(t))
            below = tuple(map(activation_name, layer.units))
        return result

    def _gradient(self, layer: Layer, delta: Array, x: Array, witness: Witness) -> Parameters:
        """∂E/∂W = δ xᵀ and ∂E/∂b = δ, summed over the units that share a bias."""
        weights = delta[..., :, None] * x[..., None, :]
        names = tuple(map(gradient_name, layer.flat_weight_names))
        weights = witness.see(names, weights.reshape(len(delta), -1)).reshape(weights.shape)
        biases = np.zeros((len(delta), 0))
        if layer.biases and layer.train_bias:
            biases = delta if isinstance(layer.bias, tuple) else delta.sum(axis=-1, keepdims=True)
            biases = witness.see(tuple(map(gradient_name, layer.bias_names)), biases)
        return Parameters(weights, biases)

    def _update(self, layer: Layer, p: Parameters, gradient: Parameters, rate: Array, witness: Witness) -> Parameters:
        """W - η ∂E/∂W, and the same for the biases where they are trained."""
        weights = p.weights - rate[:, None, None] * gradient.weights
        names = tuple(map(updated_name, layer.flat_weight_names))
        weights = witness.see(names, weights.reshape(len(weights), -1)).reshape(weights.shape)
        if not (layer.biases and layer.train_bias):
            return replace(p, weights=weights)
        biases = p.biases - rate[:, None] * gradient.biases
        return Parameters(weights, witness.see(tuple(map(updated_name, layer.bias_names)), biases))


def _upstream_names(units: Names) -> Names:
    return tuple(gradient_name(activation_name(unit)) for unit in units)


def _stack(values: dict[str, Array], names: Names) -> Array:
    """(lanes, len(names))."""
    lanes = len(next(iter(values.values())))
    return np.stack([values[name] for name in names], axis=-1) if names else np.zeros((lanes, 0))


def _named(names: Iterable[str], again: bool) -> Names:
    return tuple(updated_name(name) for name in names) if again else tuple(names)
