"""The single factors of the chain rule, ∂made/∂argument of each stage.

By the complex step, without a rule of derivation; of an activation by its rule, which sees the
output, so that it loses the same digits as the worksheet's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.told import Stage
from xlbackprop.spec import Spec
from xlbackprop.spec.names import local_name, over_batch, total_error

H = 1e-100  # relative to what is stepped
LEAST = 1e-200  # step of what is smaller than 1e-100, where only products are
FLOOR = 1e-90  # a factor below this, times a step, may be lost among the smallest doubles


class Plan:
    """Which factors are wanted of each stage of a forward pass, found once for all copies of it."""

    def __init__(self, spec: Spec, stages: Sequence[Stage], wanted: Collection[str]) -> None:
        adjoint = spec.adjoint
        self.adjoints = {name: adjoint(name) for stage in stages for name in (*stage.made, *_arguments(stage))}
        # For each stage and argument: (argument's place, made's place, factor).
        self.places: list[list[list[tuple[int, int, str]]]] = []
        # For each stage: (made, argument, factor).
        self.products: list[list[tuple[str, str, str]]] = []
        for stage in stages:
            known = {
                (made, name): local
                for made in stage.made
                for name in dict.fromkeys(_arguments(stage))
                if (local := local_name(made, name)) in wanted and not stage.over_rows
            }
            self.products.append([(made, name, local) for (made, name), local in known.items()])
            self.places.append(
                [
                    [
                        (j, i, known[made, name])
                        for i, made in enumerate(stage.made)
                        for j, name in enumerate(argument.names)
                        if (made, name) in known
                    ]
                    for argument in stage.arguments
                ]
            )


def _arguments(stage: Stage) -> list[str]:
    return [name for argument in stage.arguments for name in argument.names]


class Factors:
    """The factors of one row's forward pass; `now` are the parameters that the error passes back through."""

    def __init__(
        self, plan: Plan, spec: Spec, stages: Sequence[Stage], observed: Mapping[str, float], now: Mapping[str, Array]
    ) -> None:
        self._plan, self._stages, self._observed = plan, stages, observed
        self._now = now if spec.update == "sequential" else {}
        self.noise: dict[str, float] = {}  # of the factors: what rounding in their own formula may do
        self._instead: dict[str, float] = {}  # adjoints that are a mean over the batch and have no cell of their own

    def told(self, *, by_factors: bool) -> dict[str, float]:
        """Every factor by name; with `by_factors` also every adjoint, as the sum of products of what is observed."""
        result: dict[str, float] = {}
        adjoints: dict[str, float] = {}
        for n in reversed(range(len(self._stages))):
            stage = self._stages[n]
            if stage.over_rows:
                for made, name in zip(stage.made, stage.arguments[0].names, strict=True):
                    mean = self._observed.get(over_batch(self._plan.adjoints[made]))
                    if mean is not None:
                        self._instead[name] = mean
                        self._add(adjoints, name, mean)
                continue
            made_values = stage.values[0, 0].tolist()
            for k, places in enumerate(self._plan.places[n]):
                if places:
                    slopes = self._slopes(stage, k).tolist()
                    for j, i, local in places:  # a name may stand in several places
                        result[local] = result.get(local, 0.0) + slopes[j][i]
                        # Beside an operand that is no number there is none, though the factor may not need it; and
                        # at a pole, as of a logarithm of 0, the step's quotient tells of the step alone.
                        known = math.isfinite(result[local]) and math.isfinite(made_values[i])
                        self.noise[local] = FLOOR if known else math.inf
            self.noise |= {local: size for local, size in _rough(stage).items() if local in result}
            for made, name, local in self._plan.products[n]:
                outer = self._observed_adjoint(made)
                if outer is not None and local in self._observed:
                    self._add(adjoints, name, outer * self._observed[local])
        return result | (adjoints if by_factors else {})

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

    def _add(self, adjoints: dict[str, float], name: str, part: float) -> None:
        key = self._plan.adjoints[name]
        adjoints[key] = adjoints.get(key, 0.0) + part

    def _observed_adjoint(self, made: str) -> float | None:
        if made == total_error():
            return 1.0
        found = self._observed.get(self._plan.adjoints[made])
        if found is None:  # a factor stands for the adjoint of what only the total error uses
            found = self._observed.get(local_name(total_error(), made))
        return self._instead.get(made) if found is None else found


def _rough(stage: Stage) -> dict[str, float]:
    """How far the slopes of an elementwise function may be off."""
    if stage.rough_slope is None:
        return {}
    (argument,) = stage.arguments
    sizes = stage.rough_slope(argument.values)[0, 0]
    return {local_name(a, z): FLOOR + float(size) for a, z, size in zip(stage.made, argument.names, sizes)}
