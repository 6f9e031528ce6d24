"""Layers that normalise: batch, layer and group norm, softmax, log-softmax, attention; and positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlbackprop.reference.functions import EXP_LIMIT, Array
from xlbackprop.reference.layers import Layer, Parameters
from xlbackprop.reference.told import Backward, Forward, Named
from xlbackprop.spec import Spec, layers
from xlbackprop.spec.shapes import Names, Placed, size


class _Affine(Layer):
    """γ x̂ + β on the way out, x̂ = d/σ with σ = √(σ² + ε) on the way in.

    Values are (lanes, rows, groups, members): what is normalised together is a group.
    """

    groups: int
    features: Array  # for each unit the index of its γ and β

    def __init__(self, one: Placed, spec: Spec) -> None:
        super().__init__(one, spec)
        assert isinstance(one.layer, (layers.BatchNorm, layers.LayerNorm, layers.GroupNorm))
        self.epsilon = one.layer.epsilon

    @property
    def members(self) -> int:
        return len(self.one.below) // self.groups

    def grouped(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], self.groups, self.members)

    def of_groups(self, what: str) -> Names:
        return self.one.parts(what, self.groups)

    def distances(self) -> Names:
        return self.one.parts("Δ", self.groups, self.members)

    def hats(self) -> Names:
        return self.one.parts("x̂", self.groups, self.members)

    def scaled(self, told: Forward, d: Named, variance: Named, given: Parameters) -> tuple[Named, Any]:
        sigma = told.stage(self.of_groups("σ"), lambda v: np.sqrt(v + self.epsilon), variance)

        def normalised(d: Array, sigma: Array) -> Array:
            return (self.grouped(d) / sigma[..., None]).reshape(d.shape)

        hat = told.stage(self.hats(), normalised, d, sigma)
        scale, shift = self.parameter(given, "scale"), self.parameter(given, "shift")
        units = told.stage(
            self.one.units, lambda h, g, b: h * g[..., self.features] + b[..., self.features], hat, scale, shift
        )
        return units, (d.values, sigma.values, hat.values, scale.values)

    def unscaled(self, told: Backward, delta: Array, memory: Any) -> tuple[Array, Array]:
        """The adjoints of d, without the variance's part, and of σ²."""
        d, sigma, hat, scale = memory
        count = scale.shape[-1]
        picked = self.features[:, None] == np.arange(count)  # (units, features)
        self.gradient(told, "scale", (delta * hat) @ picked)
        self.gradient(told, "shift", delta @ picked)
        of_hat = told.see(self.hats(), delta * scale[..., self.features])
        of_sigma = told.see(self.of_groups("σ"), -(self.grouped(of_hat) * self.grouped(d)).sum(axis=-1) / sigma**2)
        return self.grouped(of_hat) / sigma[..., None], of_sigma / (2 * sigma)


class BatchNorm(_Affine):
    def __init__(self, one: Placed, spec: Spec) -> None:
        super().__init__(one, spec)
        self.groups = one.shape[0]
        self.features = np.repeat(np.arange(self.groups), size(one.shape[1:]))
        self.couples = one.layer.couples

    def distances(self) -> Names:
        return self.one.parts("Δ", *self.one.shape)

    def hats(self) -> Names:
        return self.one.parts("x̂", *self.one.shape)

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        def away(x: Array, mean: Array) -> Array:
            return (self.grouped(x) - mean[..., None]).reshape(x.shape)

        if not self.couples:
            mean, variance = self.parameter(given, "mean"), self.parameter(given, "variance")
            return self.scaled(told, told.stage(self.distances(), away, x, mean), variance, given)
        row = x
        if self.members > 1:
            row = told.stage(self.of_groups("μrow"), lambda x: self.grouped(x).mean(axis=-1), x)
        d = told.stage(self.distances(), away, x, told.stage(self.of_groups("μ"), _mean, row, over_rows=True))
        squares = told.stage(self.of_groups("σ²row"), lambda d: (self.grouped(d) ** 2).mean(axis=-1), d)
        return self.scaled(told, d, told.stage(self.of_groups("σ²"), _mean, squares, over_rows=True), given)

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        of_d, of_variance = self.unscaled(told, delta, memory)
        if not self.couples:
            return told.see(self.distances(), of_d.reshape(delta.shape))
        names = self.of_groups("σ²")
        of_variance = told.mean(names, told.see(names, of_variance))
        of_d = of_d + self.grouped(memory[0]) * 2 * of_variance[..., None] / self.members
        of_d = self.grouped(told.see(self.distances(), of_d.reshape(delta.shape)))
        names = self.of_groups("μ")
        of_mean = told.mean(names, told.see(names, -of_d.sum(axis=-1)))
        return (of_d + of_mean[..., None] / self.members).reshape(delta.shape)


def _mean(x: Array) -> Array:
    """The mean over the batch, in every row."""
    return np.broadcast_to(x.mean(axis=1, keepdims=True), x.shape)


class RowNorm(_Affine):
    """Layer and group norm: the groups are units of one sample."""

    def __init__(self, one: Placed, spec: Spec) -> None:
        super().__init__(one, spec)
        count = len(one.below)
        if isinstance(one.layer, layers.GroupNorm):
            self.groups = one.layer.groups
            self.features = np.repeat(np.arange(one.shape[0]), size(one.shape[1:]))
        else:
            self.groups = one.shape[0] if len(one.shape) == 2 else 1
            self.features = np.arange(count) % (count // self.groups)

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        mean = told.stage(self.of_groups("μ"), lambda x: self.grouped(x).mean(axis=-1), x)
        d = told.stage(self.distances(), lambda x, m: (self.grouped(x) - m[..., None]).reshape(x.shape), x, mean)
        variance = told.stage(self.of_groups("σ²"), lambda d: (self.grouped(d) ** 2).mean(axis=-1), d)
        return self.scaled(told, d, variance, given)

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        of_d, of_variance = self.unscaled(told, delta, memory)
        of_variance = told.see(self.of_groups("σ²"), of_variance)
        of_d = of_d + self.grouped(memory[0]) * 2 * of_variance[..., None] / self.members
        of_d = self.grouped(told.see(self.distances(), of_d.reshape(delta.shape)))
        of_mean = told.see(self.of_groups("μ"), -of_d.sum(axis=-1))
        return (of_d + of_mean[..., None] / self.members).reshape(delta.shape)


class _Exponentials(Layer):
    """e^(z - m) of each row's members, and their sum; m is the largest, or 0 in the plain form."""

    def __init__(self, one: Placed, spec: Spec, *, exp_overflows: bool = False) -> None:
        super().__init__(one, spec)
        self.exp_overflows = exp_overflows
        wanted = getattr(one.layer, "stable", None)
        self.is_stable = spec.is_stable if wanted is None else wanted
        self.groups = one.shape[0] if len(one.shape) == 2 else 1

    def grouped(self, x: Array) -> Array:
        return x.reshape(*x.shape[:2], self.groups, -1)

    def exponentials(self, told: Forward, z: Named) -> tuple[Named, Named, Named]:
        members = len(z.names) // self.groups
        shift = Named((), np.zeros((*z.values.shape[:2], self.groups)))
        if self.is_stable:
            shift = told.stage(self.one.parts("max", self.groups), lambda z: self.grouped(z).real.max(axis=-1), z)

        def raised(z: Array, m: Array) -> Array:
            return _exp((self.grouped(z) - m[..., None]).reshape(z.shape), fails=self.exp_overflows)

        e = told.stage(self.one.parts("e", self.groups, members), raised, z, shift)
        sums = told.stage(self.one.parts("Σe", self.groups), lambda e: self.grouped(e).sum(axis=-1), e)
        return e, sums, shift


def _exp(x: Array, *, fails: bool) -> Array:
    """e^x; nan where a spreadsheet's EXP fails."""
    return np.where(x.real > EXP_LIMIT, np.nan, np.exp(x)) if fails else np.exp(x)


class Softmax(_Exponentials):
    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        e, sums, _ = self.exponentials(told, x)
        units = told.stage(self.one.units, lambda e, s: (self.grouped(e) / s[..., None]).reshape(e.shape), e, sums)
        return units, (e, sums, units.values)

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        e, sums, p = memory
        of_sum = -(self.grouped(delta) * self.grouped(p)).sum(axis=-1) / sums.values
        of_sum = told.see(sums.names, of_sum)
        of_e = told.see(
            e.names, (self.grouped(delta) / sums.values[..., None] + of_sum[..., None]).reshape(delta.shape)
        )
        return np.asarray(of_e * e.values)


class LogSoftmax(_Exponentials):
    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        e, sums, shift = self.exponentials(told, x)
        log = told.stage(self.one.parts("lnΣe", self.groups), np.log, sums)

        def f(z: Array, m: Array, log: Array) -> Array:
            return (self.grouped(z) - m[..., None] - log[..., None]).reshape(z.shape)

        return told.stage(self.one.units, f, x, shift, log), (e, sums)

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        e, sums = memory
        of_log = told.see(self.one.parts("lnΣe", self.groups), -self.grouped(delta).sum(axis=-1))
        of_sum = told.see(sums.names, of_log / sums.values)
        of_e = told.see(e.names, np.repeat(of_sum, delta.shape[-1] // self.groups, axis=-1))
        return np.asarray(delta + of_e * e.values)


class PositionalEncoding(Layer):
    def __init__(self, one: Placed, spec: Spec) -> None:
        super().__init__(one, spec)
        assert isinstance(one.layer, layers.PositionalEncoding)
        tokens, features = one.shape
        t, k = np.arange(tokens)[:, None], np.arange(features)[None, :]
        angle = t * one.layer.base ** (-(k // 2 * 2) / features)
        self.encoding = np.where(k % 2, np.cos(angle), np.sin(angle)).reshape(-1)

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        encoding = told.stage(
            self.one.parts("pe", *self.one.shape), lambda x: np.broadcast_to(self.encoding, x.shape), x
        )
        return told.stage(self.one.units, lambda x, e: x + e, x, encoding), None

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        return delta


class Attention(Layer):
    """Q = X Wqᵀ, K = X Wkᵀ, V = X Wvᵀ; A = softmax(Q Kᵀ/√d); C = A V; Y = C Woᵀ."""

    def __init__(self, one: Placed, spec: Spec) -> None:
        super().__init__(one, spec)
        assert isinstance(one.layer, layers.Attention)
        self.tokens, self.features = one.shape_in
        self.d = one.by_key["query"].shape[0]
        self.width = one.by_key["value"].shape[0]
        self.sees = np.ones((self.tokens, self.tokens), dtype=bool)
        if one.layer.causal:
            self.sees = np.tril(self.sees)
        self.pairs = [(int(t), int(other)) for t, other in np.argwhere(self.sees)]

    def matrix(self, flat: Array) -> Array:
        """(lanes, rows, tokens, n)."""
        return flat.reshape(*flat.shape[:2], self.tokens, -1)

    def square(self, pairs: Array, fill: float = 0.0) -> Array:
        """(lanes, rows, tokens, tokens) of what is known for each pair that sees the other."""
        result = np.full((*pairs.shape[:2], self.tokens, self.tokens), fill, dtype=pairs.dtype)
        result[..., self.sees] = pairs
        return result

    def of_pairs(self, what: str) -> Names:
        return tuple(self.one.part(what, t, other) for t, other in self.pairs)

    def units(self, told: Forward, x: Named, given: Parameters, skip: Named | None) -> tuple[Named, Any]:
        def projected(key: str, letter: str) -> Named:
            view, w = self.view(key), self.parameter(given, key)
            width = self.one.by_key[key].shape[0]

            def f(x: Array, w: Array) -> Array:
                return _flat2(self.matrix(x) @ np.swapaxes(view(w), -1, -2))

            return told.stage(self.one.parts(letter, self.tokens, width), f, x, w)

        q, k, v = projected("query", "q"), projected("key", "k"), projected("value", "v")

        def scores(q: Array, k: Array) -> Array:
            return np.asarray((self.matrix(q) @ np.swapaxes(self.matrix(k), -1, -2))[..., self.sees] / np.sqrt(self.d))

        s = told.stage(self.of_pairs("s"), scores, q, k)
        largest = told.stage(self.one.parts("max", self.tokens), lambda s: self.square(s.real, -np.inf).max(axis=-1), s)
        e = told.stage(
            self.of_pairs("e"), lambda s, m: np.exp(self.square(s) - m[..., None])[..., self.sees], s, largest
        )
        sums = told.stage(self.one.parts("Σe", self.tokens), lambda e: self.square(e).sum(axis=-1), e)
        a = told.stage(self.of_pairs("α"), lambda e, n: (self.square(e) / n[..., None])[..., self.sees], e, sums)
        projects = "output" in self.one.by_key
        mixed = self.one.parts("c", self.tokens, self.width) if projects else self.one.units
        c = told.stage(mixed, lambda a, v: _flat2(self.square(a) @ self.matrix(v)), a, v)
        memory = (x.values, q.values, k.values, v.values, e.values, sums.values, a.values, c.values, given)
        if not projects:
            return c, memory
        view, w = self.view("output"), self.parameter(given, "output")

        def f(c: Array, w: Array) -> Array:
            return _flat2(self.matrix(c) @ np.swapaxes(view(w), -1, -2))

        return told.stage(self.one.units, f, c, w), memory

    def back(self, told: Backward, delta: Array, memory: Any) -> Array:
        x, q, k, v, e, sums, a, c, given = memory
        of_c = self.matrix(delta)
        if "output" in self.one.by_key:
            self.gradient(told, "output", np.swapaxes(of_c, -1, -2) @ self.matrix(c))
            of_c = of_c @ given["output"]
            of_c = self.matrix(told.see(self.one.parts("c", self.tokens, self.width), _flat2(of_c)))
        of_v = _flat2(np.swapaxes(self.square(a), -1, -2) @ of_c)
        of_v = told.see(self.one.parts("v", self.tokens, self.width), of_v)
        of_a = told.see(self.of_pairs("α"), (of_c @ np.swapaxes(self.matrix(v), -1, -2))[..., self.sees])
        of_sum = -(self.square(of_a) * self.square(a)).sum(axis=-1) / sums
        of_sum = told.see(self.one.parts("Σe", self.tokens), of_sum)
        of_e = (self.square(of_a) / sums[..., None] + of_sum[..., None])[..., self.sees]
        of_s = self.square(told.see(self.of_pairs("s"), told.see(self.of_pairs("e"), of_e) * e)) / np.sqrt(self.d)
        of_q = told.see(self.one.parts("q", self.tokens, self.d), _flat2(of_s @ self.matrix(k)))
        of_k = told.see(self.one.parts("k", self.tokens, self.d), _flat2(np.swapaxes(of_s, -1, -2) @ self.matrix(q)))
        of_x: Array = np.zeros(())
        for key, of in (("query", of_q), ("key", of_k), ("value", of_v)):
            self.gradient(told, key, np.swapaxes(self.matrix(of), -1, -2) @ self.matrix(x))
            of_x = of_x + self.matrix(of) @ given[key]
        return _flat2(of_x)


def _flat2(x: Array) -> Array:
    """(lanes, rows, a, b) as (lanes, rows, a b)."""
    return x.reshape(*x.shape[:2], -1)
