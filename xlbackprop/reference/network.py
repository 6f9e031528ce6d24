"""Forward, backward and update of a whole network, in matrices, for many independent lanes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from xlbackprop.reference import layers as plain
from xlbackprop.reference import normal
from xlbackprop.reference.functions import LOSSES, Array, Loss, lossless
from xlbackprop.reference.layers import Activated, Layer, Parameters
from xlbackprop.reference.optimizers import State, update
from xlbackprop.reference.told import EXACT, Backward, Calculator, Forward, Named, Stage, Witness
from xlbackprop.spec import Spec, layers
from xlbackprop.spec.names import error_name, gradient_name, total_error, updated_name
from xlbackprop.spec.shapes import Names, Tensor

LAYERS: dict[type[layers.Layer], type[Layer]] = {
    layers.Dense: plain.Dense,
    layers.Conv: plain.Conv,
    layers.Pool: plain.Pool,
    layers.GlobalAverage: plain.GlobalAverage,
    layers.Flatten: plain.WhatIsBelow,
    layers.Activate: plain.WhatIsBelow,
    layers.Residual: plain.Residual,
    layers.Duplicate: plain.Duplicate,
    layers.Add: plain.Add,
    layers.Max: plain.Max,
    layers.Dropout: plain.Dropout,
    layers.Circuit: plain.Circuit,
    layers.BatchNorm: normal.BatchNorm,
    layers.LayerNorm: normal.RowNorm,
    layers.GroupNorm: normal.RowNorm,
    layers.Softmax: normal.Softmax,
    layers.LogSoftmax: normal.LogSoftmax,
    layers.PositionalEncoding: normal.PositionalEncoding,
    layers.Attention: normal.Attention,
}


@dataclass
class Pass:
    """What a forward pass leaves: its stages, what each layer handed on, and what the way back needs."""

    stages: list[Stage]
    units: list[Named]
    outputs: list[Named]
    memories: list[Any]
    loss_memory: Any = None

    @property
    def y(self) -> Named:
        return self.outputs[-1]


class Network:
    """The mathematics of a spec."""

    def __init__(self, spec: Spec, calculator: Calculator = EXACT) -> None:
        self.spec, self.calculator = spec, calculator
        self.layers: list[Layer] = []
        for one in spec.placed:
            kind = LAYERS[type(one.layer)]
            if issubclass(kind, (normal.Softmax, normal.LogSoftmax)):
                self.layers.append(kind(one, spec, exp_overflows=calculator.exp_overflows))
            else:
                self.layers.append(kind(one, spec))
        self._activations = [
            None if one.activation is None else Activated(one, spec, calculator) for one in spec.placed
        ]
        self._loss = Loss(*LOSSES[spec.loss])
        self._errors = tuple(error_name(k) for k in range(len(spec.targets)))
        self._gradients = tuple(map(gradient_name, spec.differentiated))
        places = {name: k for k, name in enumerate(spec.initial)}
        self._places = {tensor.names: _Places.of(tensor.names, places) for tensor in spec.tensors()}
        # Names are made once for all steps.
        self._adjoints = cache(lambda names: tuple(map(spec.adjoint, names)))

    def parameters(self, values: Mapping[str, Array], drawn: Mapping[str, Array]) -> list[Parameters]:
        """Each layer's tensors, and its drawn mask if it has one, from arrays (lanes, rows or 1) by name."""
        result: list[Parameters] = []
        for layer in self.layers:
            given = {tensor.key: _stacked(values, tensor.names, tensor.shape) for tensor in layer.one.tensors}
            result.append(given | self._drawn(layer, drawn))
        return result

    def parameters_of(self, values: Array, drawn: Mapping[str, Array]) -> list[Parameters]:
        """The same from all parameters in the spec's order, (lanes, rows or 1, n)."""
        result: list[Parameters] = []
        for layer in self.layers:
            given = {}
            for tensor in layer.one.tensors:
                picked = self._places[tensor.names].picked(values)
                given[tensor.key] = picked.reshape(*picked.shape[:2], *tensor.shape)
            result.append(given | self._drawn(layer, drawn))
        return result

    def _drawn(self, layer: Layer, drawn: Mapping[str, Array]) -> dict[str, Array]:
        if isinstance(layer, plain.Dropout) and layer.draws:
            return {"drawn": _stacked(drawn, layer.masks(), (len(layer.one.units),))}
        return {}

    def forward(self, x: Array, parameters: list[Parameters], witness: Witness, *, again: bool = False) -> Pass:
        """From inputs (lanes, rows, n_in) through all layers."""
        told = Forward(witness, again=again)
        at = Named(self.spec.inputs, x)
        handed: dict[Names, Named] = {at.names: at}
        result = Pass(told.stages, [], [], [])
        for layer, activation, given in zip(self.layers, self._activations, parameters, strict=True):
            units, memory = layer.units(told, at, given, handed.get(layer.one.skip))
            at = units if activation is None else activation.forward(told, units)
            handed[at.names] = at
            result.units.append(units)
            result.outputs.append(at)
            result.memories.append(memory)
        return result

    def error(self, t: Array, passed: Pass, witness: Witness, *, again: bool = False) -> Array:
        """E_total (lanes, rows) of the outputs against targets t (lanes, rows, n_out)."""
        told = Forward(witness, again=again)
        told.stages = passed.stages
        y, targets, loss = passed.y, Named(self.spec.targets, t), self._loss
        if self.spec.loss == "output":
            total = told.stage((total_error(),), lambda y: y.sum(axis=-1, keepdims=True), y)
            return np.asarray(total.values[..., 0])
        rough = None if loss.rough is lossless else loss.rough(y.values) * 8 * self.calculator.epsilon
        if self.spec.loss == "cross-entropy from logits":
            log, passed.loss_memory = _log_sum(told, y)
            each = told.stage(self._errors, lambda t, y, n: t * (n - y), targets, y, log)
        else:
            each = told.stage(self._errors, loss.value, targets, y, rough=rough)

        def total_of(each: Array) -> Array:
            return np.asarray((each.mean if loss.mean else each.sum)(axis=-1, keepdims=True))

        return np.asarray(told.stage((total_error(),), total_of, each).values[..., 0])

    def backward(self, t: Array, passed: Pass, witness: Witness) -> Array:
        """∂E/∂q of all that is differentiated, (lanes, rows, n), E summed over the rows."""
        told = Backward(witness, self._adjoints)
        told.add(passed.y.names, self._loss_back(told, t, passed))
        for k in reversed(range(len(self.layers))):
            self._layer_back(told, k, passed)
        if self.spec.input_gradients:
            told.add_gradients(self.spec.inputs, told.pending(self.spec.inputs))
        gradients = np.zeros((*passed.y.values.shape[:2], len(self._gradients)))
        for k, name in enumerate(self.spec.differentiated):
            if name in told.gradients:
                gradients[..., k] = told.gradients[name]
        return witness.see(self._gradients, gradients) if self._gradients else gradients

    def _loss_back(self, told: Backward, t: Array, passed: Pass) -> Array:
        y = passed.y.values
        slope = self._loss.slope(t, y)
        if self._loss.mean:
            slope = slope / len(self._errors)
        if self.spec.loss == "cross-entropy from logits":
            e, sums = passed.loss_memory
            of_log = told.see(("lse",), t.sum(axis=-1, keepdims=True))
            of_e = told.see(e.names, told.see(sums.names, of_log / sums.values) * np.ones_like(e.values))
            slope = slope + of_e * e.values
        return slope

    def _layer_back(self, told: Backward, k: int, passed: Pass) -> None:
        layer, one, activation = self.layers[k], self.layers[k].one, self._activations[k]
        delta = self._units_back(told, k, passed)
        rough = None
        if activation is not None and one.units == one.below:  # the layer below shows what this one hands back
            rough = activation.rough(delta, passed.units[k].values)
            delta = activation.back(delta, passed.units[k].values, passed.outputs[k].values)
        told.add(one.below, layer.back(told, delta, passed.memories[k]), rough)

    def _units_back(self, told: Backward, k: int, passed: Pass) -> Array:
        """The adjoint of the units that the layer defines; of one that defines none, of its outputs."""
        one, activation = self.layers[k].one, self._activations[k]
        if one.outputs == one.below:
            return told.pending(one.outputs)
        adjoint = told.taken(one.outputs)
        if activation is None or one.units == one.below:
            return adjoint
        z, a = passed.units[k].values, passed.outputs[k].values
        return told.see(one.units, activation.back(adjoint, z, a), activation.rough(adjoint, z))

    def sequential(
        self, t: Array, passed: Pass, parameters: list[Parameters], rate: Array, witness: Witness
    ) -> dict[str, Array]:
        """The backward pass in which the error passes through weights that are already updated, layer by layer.

        Of dense layers with one sample a step; `rate` is (lanes,). The new values (lanes, 1) by name.
        """
        told = Backward(witness, self._adjoints)
        told.add(passed.y.names, self._loss_back(told, t, passed))
        values: dict[str, Array] = {}
        for k in reversed(range(len(self.layers))):
            layer, one = self.layers[k], self.layers[k].one
            delta = self._units_back(told, k, passed)
            told.gradients.clear()
            layer.back(told, delta, passed.memories[k])
            now = _by_name(one.tensors, parameters[k])
            for name, gradient in told.gradients.items():
                seen = witness.see((gradient_name(name),), gradient[..., None])
                after = now[name][..., None] - rate[:, None, None] * seen
                now[name] = values[name] = witness.see((updated_name(name),), after)[..., 0]
            weights = _stacked(now, one.by_key["weights"].names, one.by_key["weights"].shape)
            told.add(one.below, (np.swapaxes(weights, -1, -2) @ delta[..., None])[..., 0])
        return values

    def updated(
        self, w: Array, g: Array, rate: Array, n: Array, before: State, witness: Witness
    ) -> tuple[Array, dict[str, Array]]:
        """The trained parameters (lanes, n) after an update, and the optimiser's state."""
        return update(self.spec, witness, w, g, rate, n, before)


def _log_sum(told: Forward, y: Named) -> tuple[Named, tuple[Named, Named]]:
    """ln Σ e^o, the largest taken out first."""
    largest = told.stage(("max_o",), lambda y: y.real.max(axis=-1, keepdims=True), y)
    e = told.stage(tuple(f"e_{name}" for name in y.names), lambda y, m: np.exp(y - m), y, largest)
    sums = told.stage(("Σe_o",), lambda e: e.sum(axis=-1, keepdims=True), e)
    return told.stage(("lse",), lambda m, s: m + np.log(s), largest, sums), (e, sums)


@dataclass(frozen=True)
class _Places:
    """Where a tensor's parameters stand among all; one slice where they follow each other."""

    at: slice | Array
    blank: Array | None  # which of them are none

    @staticmethod
    def of(names: Names, places: Mapping[str, int]) -> _Places:
        at = [places.get(name, 0) for name in names]
        if "" in names:
            return _Places(np.array(at), np.array([not name for name in names]))
        first = at[0] if at else 0
        if at == list(range(first, first + len(at))):
            return _Places(slice(first, first + len(at)), None)
        return _Places(np.array(at), None)

    def picked(self, values: Array) -> Array:
        found = values[..., self.at]
        return found if self.blank is None else np.where(self.blank, 0.0, found)


def _stacked(values: Mapping[str, Array], names: Names, shape: tuple[int, ...]) -> Array:
    """(lanes, rows, *shape); 0 where there is no parameter."""
    like = next(iter(values.values()))
    columns = [values[name] if name else np.zeros_like(like) for name in names]
    if not columns:
        return np.zeros((*like.shape, *shape))
    rows = max(column.shape[1] for column in columns)
    stacked = np.stack([_with_rows(column, rows) for column in columns], axis=-1)
    return stacked.reshape(*stacked.shape[:2], *shape)


def _with_rows(column: Array, rows: int) -> Array:
    return column if column.shape[1] == rows else np.broadcast_to(column, (column.shape[0], rows))


def _by_name(tensors: Sequence[Tensor], given: Parameters) -> dict[str, Array]:
    """Each parameter (lanes, rows) by its name."""
    result: dict[str, Array] = {}
    for tensor in tensors:
        values = given[tensor.key]
        flat = values.reshape(*values.shape[:2], -1)
        result |= {name: flat[..., k] for k, name in enumerate(tensor.names) if name}
    return result
