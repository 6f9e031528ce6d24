"""Samples that are drawn from a seed instead of listed: the two half moons of the lectures."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist
from typing import Any, Literal

import msgspec

from xlbackprop.errors import NetworkError


class Points(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`count` points with targets 0 and 1 in turn, each off its moon by normal noise of that deviation.

    The upper moon is (cos s, sin s), the lower (1 - cos s, 1/2 - sin s), s evenly from 0 to π, as in scikit-learn.
    """

    kind: Literal["half moons"]
    count: int = 200
    noise: float = 0.1
    seed: int = 0

    def samples(self) -> list[dict[str, list[float]]]:
        chance, normal = Random(self.seed), NormalDist()
        each = self.count // 2
        result = []
        for k in range(self.count):
            lower, angle = k % 2, math.pi * (k // 2) / max(1, each - 1)
            x, y = (1 - math.cos(angle), 0.5 - math.sin(angle)) if lower else (math.cos(angle), math.sin(angle))
            # random() alone is promised to give the same numbers in every version of Python.
            off = [self.noise * normal.inv_cdf(chance.random() or 0.5) for _ in range(2)]
            result.append({"inputs": [round(x + off[0], 6), round(y + off[1], 6)], "targets": [float(lower)]})
        return result


def with_points(raw: dict[str, Any]) -> dict[str, Any]:
    """The network file with its drawn points as samples. Raises NetworkError, msgspec.ValidationError."""
    if "points" not in raw:
        return raw
    if "samples" in raw:
        raise NetworkError("points: samples are given as well; give one of them")
    points = msgspec.convert(raw["points"], Points)
    if not 4 <= points.count <= 100_000:
        raise NetworkError(f"points.count: is {points.count}; give 4 to 100,000")
    return {**{key: value for key, value in raw.items() if key != "points"}, "samples": points.samples()}
