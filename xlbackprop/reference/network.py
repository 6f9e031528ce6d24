"""Forward, backward and update of a whole network, in matrices, for many independent lanes at once.

A lane is one network at one step: a learning rate, a row of a sheet, a copy with other roundings.
Every array has the lanes in front: x is (lanes, n_in), W (lanes, n_out, n_in), b and z
(lanes, n_out). Quantities are handed to a `Witness` as they appear, by name; what it returns is
what the calculation goes on with.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def see_factors(self, names: Names, values: Array) -> Array:
        """The same for the single factors of the chain rule, which not every witness keeps."""
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


class _Layer:
    """A layer with its functions and the names of its quantities, made once for all steps."""

    def __init__(self, layer: Layer, below: Names, *, exp_overflows: bool) -> None:
        self.spec = layer
        self.activation, self.derivative = ACTIVATIONS[layer.activation]
        if layer.activation == "sigmoid" and exp_overflows:
            self.activation = spreadsheet_sigmoid
        self.trains_bias = layer.bias is not None and layer.train_bias
        units, weights, biases = layer.units, layer.flat_weight_names, layer.bias_names
        self.z, self.a = units, _each(activation_name, units)
        self.z_again, self.a_again = _each(updated_name, self.z), _each(updated_name, self.a)
        self.delta = _each(delta_name, units)
        self.upstream = _each(gradient_name, self.a)
        self.gradient, self.bias_gradient = _each(gradient_name, weights), _each(gradient_name, biases)
        self.updated, self.bias_updated = _each(updated_name, weights), _each(updated_name, biases)
        self.slope = tuple(local_name(a, z) for a, z in zip(self.a, units))
        self.by_weight = tuple(local_name(z, weight) for z, row in zip(units, layer.weight_names) for weight in row)
        self.by_input = tuple(local_name(z, x) for z in units for x in below)
        self.by_bias = tuple(local_name(z, layer.bias_of(j) or "") for j, z in enumerate(units) if self.trains_bias)


class Network:
    """The mathematics of a spec. `exp_overflows`: sigmoid fails where a spreadsheet's EXP does."""

    def __init__(self, spec: Spec, *, exp_overflows: bool = False) -> None:
        self.spec = spec
        self.layers: list[_Layer] = []
        below = spec.inputs
        for layer in spec.layers:
            self.layers.append(_Layer(layer, below, exp_overflows=exp_overflows))
            below = self.layers[-1].a
        self._loss, self._loss_slope = LOSSES[spec.loss]
        self._errors = tuple(error_name(k) for k in range(len(spec.targets)))
        self._total = (total_error(),)
        self._errors_again, self._total_again = _each(updated_name, self._errors), _each(updated_name, self._total)
        self._of_total = tuple(local_name(total_error(), error) for error in self._errors)
        self._of_errors = tuple(local_name(error, a) for error, a in zip(self._errors, below))

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
        for layer, p in zip(self.layers, parameters):
            z = (p.weights @ x[..., None])[..., 0]
            if layer.spec.bias is not None:
                z = z + p.biases  # a shared bias is one column, which goes to every unit
            z = witness.see(layer.z_again if again else layer.z, z)
            a = witness.see(layer.a_again if again else layer.a, layer.activation(z))
            passes.append(Pass(x, z, a))
            x = a
        return passes

    def error(self, t: Array, y: Array, witness: Witness, *, again: bool = False) -> Array:
        """E_total (lanes,) of outputs y against targets t, both (lanes, n_out)."""
        each = witness.see(self._errors_again if again else self._errors, self._loss(t, y))
        total = each.sum(axis=-1, keepdims=True)
        return witness.see(self._total_again if again else self._total, total)[..., 0]

    def backward(
        self, t: Array, passes: list[Pass], parameters: list[Parameters], rate: Array, witness: Witness
    ) -> list[Parameters]:
        """The parameters after one update; the gradients and deltas are the witness's to keep.

        `rate` is (lanes,). In the sequential order the error passes back through the weights of
        a layer that is updated already, as on the page that made that order known.
        """
        result = list(parameters)
        slope = witness.see_factors(self._of_errors, self._loss_slope(t, passes[-1].a))
        upstream = witness.see(
            self.layers[-1].upstream, slope * witness.see_factors(self._of_total, np.ones_like(slope))
        )
        for k in reversed(range(len(self.layers))):
            layer, p, one = self.layers[k], parameters[k], passes[k]
            slope = witness.see_factors(layer.slope, layer.derivative(one.z, one.a))
            delta = witness.see(layer.delta, upstream * slope)
            result[k] = _update(layer, p, _gradient(layer, delta, one.x, witness), rate, witness)
            if k > 0:
                weights = result[k].weights if self.spec.update == "sequential" else p.weights
                weights = witness.see_factors(layer.by_input, _flat(weights)).reshape(weights.shape)
                upstream = (np.swapaxes(weights, -1, -2) @ delta[..., None])[..., 0]
                upstream = witness.see(self.layers[k - 1].upstream, upstream)
        return result


def _gradient(layer: _Layer, delta: Array, x: Array, witness: Witness) -> Parameters:
    """∂E/∂W = δ xᵀ and ∂E/∂b = δ, summed over the units that share a bias."""
    shape = (*delta.shape, x.shape[-1])
    inputs = witness.see_factors(layer.by_weight, _flat(np.broadcast_to(x[..., None, :], shape))).reshape(shape)
    weights = witness.see(layer.gradient, _flat(delta[..., None] * inputs)).reshape(shape)
    biases = np.zeros((len(delta), 0))
    if layer.trains_bias:
        each = delta * witness.see_factors(layer.by_bias, np.ones_like(delta))
        biases = each if isinstance(layer.spec.bias, tuple) else each.sum(axis=-1, keepdims=True)
        biases = witness.see(layer.bias_gradient, biases)
    return Parameters(weights, biases)


def _update(layer: _Layer, p: Parameters, gradient: Parameters, rate: Array, witness: Witness) -> Parameters:
    """W - η ∂E/∂W, and the same for the biases where they are trained."""
    weights = p.weights - rate[:, None, None] * gradient.weights
    result = replace(p, weights=witness.see(layer.updated, _flat(weights)).reshape(weights.shape))
    if layer.trains_bias:
        biases = p.biases - rate[:, None] * gradient.biases
        result = replace(result, biases=witness.see(layer.bias_updated, biases))
    return result


def _flat(matrices: Array) -> Array:
    """(lanes, n_out, n_in) as (lanes, n_out n_in), row by row, as names are listed."""
    return matrices.reshape(len(matrices), -1)


def _each(name: Callable[[str], str], names: Names) -> Names:
    return tuple(map(name, names))


def _stack(values: dict[str, Array], names: Names) -> Array:
    """(lanes, len(names))."""
    lanes = len(next(iter(values.values())))
    return np.stack([values[name] for name in names], axis=-1) if names else np.zeros((lanes, 0))
