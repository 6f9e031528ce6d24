"""Layers in matrices: each tells its forward pass and, by hand, how the error comes back through it.

Values are flat in a `Named` and take their layer's shape inside; the adjoint of a quantity x is
∂E/∂x with E summed over the rows of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xlbackprop.reference.functions import Array, as_in_a_spreadsheet, lossless
from xlbackprop.reference.told import Backward, Calculator, Forward, Named
from xlbackprop.reference.windows import patches, scattered
from xlbackprop.spec import Spec, layers
from xlbackprop.spec.shapes import Names, Placed, size

Parameters = Mapping[str, Array]  # (lanes, rows or 1, *shape of the tensor), by key


class Layer:
    """A layer with the names of its quantities, made once for all steps."""

    def __init__(self, one: Placed, spec: Spec) -> None:
        self.one, self.spec = one, spec

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        """The units, and what the way back needs."""
        raise NotImplementedError

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        """From the adjoint of the units, flat, to that of x; hands the gradients of its parameters to `told`."""
        raise NotImplementedError

    def shaped(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], *self.one.shape_in)

    def parameter(self, given: Parameters, key: str) -> Named:
        tensor = self.one.by_key[key]
        return Named(tensor.names, _flat(given[key], len(tensor.shape)))

    def gradient(self, told: Backward, key: str, values: Array) -> None:
        tensor = self.one.by_key[key]
        if tensor.trained:
            told.add_gradients(tensor.names, _flat(values, len(tensor.shape)))

    def view(self, key: str) -> Callable[[Array], Array]:
        """A flat parameter in its shape."""
        shape = self.one.by_key[key].shape
        return lambda flat: flat.reshape(*flat.shape[:2], *shape)


def _flat(values: Array, axes: int) -> Array:
    """(lanes, rows, *shape) as (lanes, rows, n)."""
    return values.reshape(*values.shape[: values.ndim - axes], -1)


class Dense(Layer):
    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        view, w = self.view("weights"), self.parameter(given, "weights")
        biased = [self.parameter(given, "bias")] if "bias" in given else []

        def f(w: Array, x: Array, *bias: Array) -> Array:
            z = (view(w) @ x[..., None])[..., 0]
            return z + bias[0] if bias else z

        return told.stage(self.one.units, f, w, x, *biased), (given["weights"], x.values)

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        w, x = memory
        self.gradient(told, "weights", delta[..., :, None] * x[..., None, :])
        if "bias" in self.one.by_key:
            self.gradient(told, "bias", delta)
        return np.asarray((np.swapaxes(w, -1, -2) @ delta[..., None])[..., 0])


class Conv(Layer):
    def __init__(self, one: Placed, spec: Spec) -> None:
        super().__init__(one, spec)
        assert isinstance(one.layer, layers.Conv)
        self.window = one.layer.window(one.shape_in)

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        view = self.view("weights")
        biased = [self.parameter(given, "bias")] if "bias" in given else []
        axes = len(self.window.length)

        def f(w: Array, x: Array, *bias: Array) -> Array:
            seen = patches(self.shaped(x), self.window)  # (lanes, rows, channels, kernel, *places)
            kernels = view(w)
            kernels = kernels.reshape(*kernels.shape[:4], -1)  # (lanes, rows, out, channels, kernel)
            z = np.einsum("lrock,lrckp->lrop", *_same_rows(kernels, seen.reshape(*seen.shape[:-axes], -1)))
            return _flat(z + bias[0][..., None] if bias else z, 2)

        w = self.parameter(given, "weights")
        return told.stage(self.one.units, f, w, x, *biased), (given["weights"], x.values)

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        w, x = memory
        places = delta.reshape(*delta.shape[:2], self.one.shape[0], -1)
        seen = patches(self.shaped(x), self.window)
        flat = seen.reshape(*seen.shape[:4], -1)
        gradient = np.einsum("lrop,lrckp->lrock", places, flat)
        self.gradient(told, "weights", gradient.reshape(*gradient.shape[:2], *self.one.by_key["weights"].shape))
        if "bias" in self.one.by_key:
            self.gradient(told, "bias", places.sum(axis=-1))
        kernels = w.reshape(*w.shape[:4], -1)
        back = np.einsum("lrock,lrop->lrckp", *_same_rows(kernels, places))
        return _flat(scattered(back.reshape(seen.shape), self.window), 1 + len(self.window.length))


def _same_rows(a: Array, b: Array) -> tuple[Array, Array]:
    """Both with the rows of the one that has more."""
    rows = max(a.shape[1], b.shape[1])
    return (
        np.broadcast_to(a, (a.shape[0], rows, *a.shape[2:])),
        np.broadcast_to(b, (b.shape[0], rows, *b.shape[2:])),
    )


class Pool(Layer):
    def __init__(self, one: Placed, spec: Spec) -> None:
        super().__init__(one, spec)
        assert isinstance(one.layer, layers.Pool)
        self.window, self.largest = one.layer.window(one.shape_in), one.layer.how == "max"
        self.axis = -1 - len(self.window.length)

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        def f(x: Array) -> Array:
            if not self.largest:
                return _flat(patches(self.shaped(x), self.window).mean(axis=self.axis), -self.axis)
            seen = patches(self.shaped(x), self.window, -np.inf)
            first = np.expand_dims(seen.real.argmax(axis=self.axis), self.axis)
            return _flat(np.take_along_axis(seen, first, self.axis), 1 - self.axis)

        return told.stage(self.one.units, f, x), x.values

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        seen = patches(self.shaped(memory), self.window, -np.inf if self.largest else 0.0)
        places = np.expand_dims(delta.reshape(*delta.shape[:2], *self.one.shape), self.axis)
        if self.largest:
            first = np.expand_dims(seen.argmax(axis=self.axis), self.axis)
            share = np.zeros_like(seen)
            np.put_along_axis(share, first, 1.0, self.axis)
        else:
            share = np.full_like(seen, 1 / seen.shape[self.axis])
        return _flat(scattered(share * places, self.window), 1 + len(self.window.length))


class GlobalAverage(Layer):
    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        def f(x: Array) -> Array:
            return np.asarray(x.reshape(*x.shape[:2], self.one.shape[0], -1).mean(axis=-1))

        return told.stage(self.one.units, f, x), None

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        places = size(self.one.shape_in[1:])
        return np.repeat(delta / places, places, axis=-1)


class WhatIsBelow(Layer):
    """Flatten, and an activation function on its own: the units are what is below."""

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        return x, None

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        return delta


class Residual(Layer):
    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        assert skip is not None
        return told.stage(self.one.units, lambda x, s: x + s, x, skip), None

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        told.add(self.one.skip, delta)
        return delta


class Duplicate(Layer):
    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        copies = len(self.one.units) // len(x.names)
        return told.stage(self.one.units, lambda x: np.tile(x, copies), x), None

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        return np.asarray(delta.reshape(*delta.shape[:2], -1, len(self.one.below)).sum(axis=2))


class Add(Layer):
    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        def f(x: Array) -> Array:
            return np.asarray(x.reshape(*x.shape[:2], -1, len(self.one.units)).sum(axis=2))

        return told.stage(self.one.units, f, x), None

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        return np.tile(delta, len(self.one.below) // len(self.one.units))


class Max(Layer):
    def parts(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], -1, len(self.one.units))

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        def f(x: Array) -> Array:
            parts = self.parts(x)
            first = parts.real.argmax(axis=2, keepdims=True)
            return np.take_along_axis(parts, first, 2)[:, :, 0]

        return told.stage(self.one.units, f, x), x.values

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        parts = self.parts(memory)
        result = np.zeros_like(parts)
        np.put_along_axis(result, parts.argmax(axis=2, keepdims=True), delta[:, :, None], 2)
        return _flat(result, 2)


class Dropout(Layer):
    def __init__(self, one: Placed, spec: Spec) -> None:
        super().__init__(one, spec)
        assert isinstance(one.layer, layers.Dropout)
        self.draws, self.kept = one.layer.drawn, 1 - one.layer.p
        self.evaluates = one.layer.mode == "evaluation"

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        if self.evaluates:
            return told.stage(self.one.units, lambda x: x, x), np.ones(1)
        mask = Named(self.masks(), given["drawn"]) if self.draws else self.parameter(given, "mask")
        return told.stage(self.one.units, lambda x, m: x * m / self.kept, x, mask), mask.values / self.kept

    def masks(self) -> Names:
        return self.one.parts("mask", *self.one.shape)

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        return np.asarray(delta * memory)


class Circuit(Layer):
    """Formulas of numbers; the way back is the complex step, cell by cell, without a rule of derivation."""

    def __init__(self, one: Placed, spec: Spec) -> None:
        from xlbackprop.reference.formulas import compiled

        super().__init__(one, spec)
        assert isinstance(one.layer, layers.Circuit)
        self.cells = [(name, *compiled(formula)) for name, formula in one.layer.cells]

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        known = {name: Named((name,), x.values[..., k : k + 1]) for k, name in enumerate(x.names)}
        if "parameters" in given:
            flat = given["parameters"]
            for k, name in enumerate(self.one.by_key["parameters"].names):
                known[name] = Named((name,), flat[..., k : k + 1])
        for name, used, f in self.cells:
            known[name] = told.stage((name,), f, *(known[one] for one in used))
        values = np.concatenate(
            np.broadcast_arrays(*(_rows_of(known[name].values, x.values) for name in self.one.units)), axis=-1
        )
        return Named(self.one.units, values), known

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        adjoint = {name: delta[..., k : k + 1] for k, name in enumerate(self.one.units)}
        for name, used, f in reversed(self.cells):
            if name not in adjoint:
                continue
            outer = adjoint[name] if name in self.one.units else told.see((name,), adjoint[name])
            values = [memory[one].values for one in used]
            for k, one in enumerate(used):
                stepped = [value + 1j * 1e-200 if j == k else value for j, value in enumerate(values)]
                part = outer * (f(*stepped).imag / 1e-200)
                adjoint[one] = adjoint[one] + part if one in adjoint else part
        if "parameters" in self.one.by_key:
            names = self.one.by_key["parameters"].names
            zero = np.zeros_like(delta[..., :1])
            told.add_gradients(names, np.concatenate([adjoint.get(name, zero) + zero for name in names], axis=-1))
        zero = np.zeros_like(delta[..., :1])
        columns = [adjoint.get(name, zero) + zero for name in self.one.below]
        return np.asarray(np.concatenate(columns, axis=-1))


def _rows_of(values: Array, x: Array) -> Array:
    return np.asarray(np.broadcast_to(values, (*x.shape[:2], values.shape[-1])) + 0 * x[..., :1])


class Activated:
    """The activation function of a layer, as far as the worksheet's formula can calculate it."""

    def __init__(self, one: Placed, spec: Spec, calculator: Calculator) -> None:
        assert one.activation is not None
        self.names, self.units = one.outputs, one.units
        self.row = as_in_a_spreadsheet(one.activation, is_stable=spec.is_stable, exp_overflows=calculator.exp_overflows)
        self.digit = calculator.erf_error if self.row.uses_erf else 8 * calculator.epsilon

    def forward(self, told: Forward, units: Named) -> Named:
        rough = self.row.rough_complex(units.values)
        return told.stage(
            self.names, self.row.value, units, rough=None if rough is None else rough * self.digit,
            slope=self.row.slope,
            rough_slope=lambda z: self.row.rough_slope(z) * self.digit,
        )  # fmt: skip

    def back(self, adjoint: Array, z: Array, a: Array) -> Array:
        """From the adjoint of a = f(z) to that of z, which nobody has seen yet."""
        return np.asarray(adjoint * self.row.slope(z, a))

    def rough(self, adjoint: Array, z: Array) -> Array | None:
        """How far the worksheet's slope may be off, in what it hands back."""
        if self.row.rough_slope is lossless:
            return None
        return np.asarray(np.abs(adjoint) * self.row.rough_slope(z) * self.digit)
