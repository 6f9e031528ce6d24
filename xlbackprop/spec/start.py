"""What weights start from where the network file gives no numbers: seeded, the same on every machine."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist
from typing import Literal

import msgspec

from xlbackprop.spec.shapes import Row, Shape, size


class Start(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """A way to draw the parameters of a layer."""

    def draw(self, shape: Shape, chance: Random) -> Row:
        """Flat values of a tensor of shape (n_out, n_in, ...)."""
        return tuple(self.one(shape, chance) for _ in range(size(shape)))

    def one(self, shape: Shape, chance: Random) -> float:
        raise NotImplementedError


class Constant(Start, tag="constant", frozen=True, kw_only=True):
    value: float = 0.0

    def one(self, shape: Shape, chance: Random) -> float:
        return self.value


class Zeros(Start, tag="zeros", frozen=True, kw_only=True):
    def one(self, shape: Shape, chance: Random) -> float:
        return 0.0


class Uniform(Start, tag="uniform", frozen=True, kw_only=True):
    low: float = -0.5
    high: float = 0.5

    def one(self, shape: Shape, chance: Random) -> float:
        return self.low + (self.high - self.low) * chance.random()


class Normal(Start, tag="normal", frozen=True, kw_only=True):
    mean: float = 0.0
    deviation: float = 0.1

    def one(self, shape: Shape, chance: Random) -> float:
        return self.mean + self.deviation * _normal(chance)


class Xavier(Start, tag="xavier", frozen=True, kw_only=True):
    """Variance 2/(fan_in + fan_out). Glorot and Bengio, AISTATS 2010."""

    distribution: Literal["uniform", "normal"] = "uniform"

    def one(self, shape: Shape, chance: Random) -> float:
        fan_in, fan_out = fans(shape)
        return _scaled(self.distribution, math.sqrt(2 / (fan_in + fan_out)), chance)


class He(Start, tag="he", frozen=True, kw_only=True):
    """Variance 2/fan_in. He et al., ICCV 2015."""

    distribution: Literal["uniform", "normal"] = "normal"

    def one(self, shape: Shape, chance: Random) -> float:
        return _scaled(self.distribution, math.sqrt(2 / fans(shape)[0]), chance)


Init = Constant | Zeros | Uniform | Normal | Xavier | He


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of weights (n_out, n_in, kernel ...)."""
    kernel = size(shape[2:])
    return (shape[1] if len(shape) > 1 else 1) * kernel, shape[0] * kernel


def _scaled(distribution: str, deviation: float, chance: Random) -> float:
    if distribution == "normal":
        return deviation * _normal(chance)
    return deviation * math.sqrt(3) * (2 * chance.random() - 1)


def _normal(chance: Random) -> float:
    # random() alone is promised to give the same numbers in every version of Python.
    return NormalDist().inv_cdf(chance.random() or 0.5)
