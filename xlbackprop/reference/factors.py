"""The single factors of the chain rule, ∂made/∂argument of each stage.

By the complex step, without a rule of derivation; of an activation by its rule, which sees the
output, so that it loses the same digits as the worksheet's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.told import Stage
from xlbackprop.spec import Spec
from xlbackprop.spec.names import local_name, over_batch, total_error

H = 1e-100  # relative to what is stepped
LEAST = 1e-200  # step of what is smaller than 1e-100, where only products are
FLOOR = 1e-90  # a factor below this, times a step, may be lost among the smallest doubles


class Row(Protocol):
    seen: dict[str, Array]

    def found(self, name: str) -> Array | None: ...


class Factors:
    """The factors of one row's forward pass; `now` are the parameters that the error passes back through."""

    def __init__(self, spec: Spec, stages: Sequence[Stage], row: Row, now: Mapping[str, Array]) -> None:
        self._spec, self._stages, self._row = spec, stages, row
        self._now = now if spec.update == "sequential" else {}
        self.noise: dict[str, float] = {}  # of the factors: what rounding in their own formula may do
        self._instead: dict[str, Array] = {}  # adjoints that are a mean over the batch and have no cell of their own

    def told(self, *, by_factors: bool) -> dict[str, Array]:
        """Every factor by name; with `by_factors` also every adjoint, as the sum of products of what is observed."""
        result: dict[str, Array] = {}
        adjoints: dict[str, Array] = {}
        for stage in reversed(self._stages):
            if stage.over_rows:
                for made, name in zip(stage.made, stage.arguments[0].names, strict=True):
                    mean = self._row.found(over_batch(self._spec.adjoint(made)))
                    self._add(adjoints, name, mean)
                    if mean is not None:
                        self._instead[name] = mean
                continue
            slopes = self._slopes_of(stage)
            result |= slopes
            self.noise |= dict.fromkeys(slopes, FLOOR) | _rough(stage)
            for made in stage.made:
                for name in dict.fromkeys(name for argument in stage.arguments for name in argument.names):
                    self._add(adjoints, name, self._product(made, self._row.found(local_name(made, name))))
        return result | (adjoints if by_factors else {})

    def _slopes_of(self, stage: Stage) -> dict[str, Array]:
        """∂made/∂name for all of both, summed where a name stands in several places."""
        result: dict[str, Array] = {}
        for k, argument in enumerate(stage.arguments):
            slopes = self._slopes(stage, k)
            for j, name in enumerate(argument.names):
                for i, made in enumerate(stage.made):
                    local = local_name(made, name)
                    slope = slopes[j, i].reshape(1, 1)
                    result[local] = result[local] + slope if local in result else slope
        return result

    def _slopes(self, stage: Stage, k: int) -> Array:
        """(arguments of the k-th, made): how much each of what is made moves with each number of one argument."""
        values = [argument.values for argument in stage.arguments]
        if self._now:
            # In the sequential order the error passes back to an input through weights that are updated.
            weights = not any(name in self._now for name in stage.arguments[k].names)
            if weights:
                values = [
                    np.stack(
                        [self._now.get(name, argument.values[..., n]) for n, name in enumerate(argument.names)], -1
                    )
                    for argument in stage.arguments
                ]
        if stage.slope is not None:
            return np.asarray(np.diag(stage.slope(values[k], stage.values)[0, 0]))
        count = values[k].shape[-1]
        if not count:
            return np.zeros((0, len(stage.made)))
        lanes = [np.repeat(value, count, axis=0) for value in values]
        sizes = np.abs(values[k][0, 0])
        steps = np.maximum(H * np.where(np.isfinite(sizes) & (sizes > 0), sizes, 1.0), LEAST)
        lanes[k] = lanes[k] + 1j * np.diag(steps)[:, None, :]
        changes = np.broadcast_to(stage.f(*lanes).imag, (count, 1, len(stage.made)))[:, 0]
        return np.asarray(changes / steps[:, None])

    def _product(self, made: str, local: Array | None) -> Array | None:
        """An adjoint times a factor, both as the page has them; None where it has none, off every path."""
        outer = self._observed_adjoint(made)
        return None if outer is None or local is None else outer * local

    def _add(self, adjoints: dict[str, Array], name: str, part: Array | None) -> None:
        key = self._spec.adjoint(name)
        if part is not None:
            adjoints[key] = adjoints[key] + part if key in adjoints else part

    def _observed_adjoint(self, made: str) -> Array | None:
        if made == total_error():
            return np.ones((1, 1))
        found = self._row.found(self._spec.adjoint(made))
        if found is None:  # a factor stands for the adjoint of what only the total error uses
            found = self._row.found(local_name(total_error(), made))
        return self._instead.get(made) if found is None else found


def _rough(stage: Stage) -> dict[str, float]:
    """How far the slopes of an elementwise function may be off."""
    if stage.rough_slope is None:
        return {}
    (argument,) = stage.arguments
    sizes = stage.rough_slope(argument.values)[0, 0]
    return {local_name(a, z): FLOOR + float(size) for a, z, size in zip(stage.made, argument.names, sizes)}
