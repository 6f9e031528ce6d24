"""The error of all samples wherever the weights may be: around the start, and along a training's path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.network import Network
from xlbackprop.reference.samples import inputs_seen, sample_of_visits
from xlbackprop.reference.told import EXACT, Nobody
from xlbackprop.spec import Spec

AT_ONCE = 2_000_000  # numbers that are calculated together: enough for speed, too few to fill memory
WORK = 100_000_000  # numbers that a whole grid may take
FINEST, COARSEST = 61, 15  # points along a side of a grid


def error_at(spec: Spec, values: Mapping[str, Array]) -> Array:
    """E (lanes,) of all samples as one batch, where the parameters in `values` (lanes,) are; the others at their start.

    The mean over the samples, or the sum where the file says so. What is drawn for dropout is, for
    each sample, that of its first visit.
    """
    network = Network(spec)
    lanes = len(next(iter(values.values())))
    x, _ = inputs_seen(spec, EXACT)
    t = np.array([sample.targets for sample in spec.samples]).reshape(len(x), -1)
    drawn = _first_drawn(spec)
    errors = []
    with np.errstate(all="ignore"):
        for part in _parts(lanes, _numbers_a_lane(spec)):
            count = len(range(lanes)[part])
            here = {
                name: values[name][part, None] if name in values else np.full((count, 1), start)
                for name, (start, _, _) in spec.initial.items()
            }
            masks = {name: np.broadcast_to(row, (count, len(x))) for name, row in drawn.items()}
            passed = network.forward(np.broadcast_to(x, (count, *x.shape)), network.parameters(here, masks), Nobody())
            each = network.error(np.broadcast_to(t, (count, *t.shape)), passed, Nobody())
            errors.append(each.mean(axis=1) if spec.reduction == "mean" else each.sum(axis=1))
    return np.concatenate(errors)


def path(spec: Spec, numbers: Mapping[str, Array]) -> tuple[dict[str, Array], Array]:
    """Where a training went: each parameter and the error of all samples, (n_rates, steps + 1).

    `numbers` are the quantities of the training by visit, (n_rates, visits).
    """
    starts = [start for start, _ in spec.batches]
    went = {name: numbers[name][:, starts] for name in spec.initial}
    if not went:
        return went, np.empty((len(spec.rates), 0))
    errors = error_at(spec, {name: values.reshape(-1) for name, values in went.items()})
    return went, errors.reshape(len(spec.rates), -1)


def grid(spec: Spec, sides: Mapping[str, tuple[float, float]]) -> tuple[list[Array], Array]:
    """E over a window of one or two parameters: the points of each side, and E with the last side along the rows."""
    affordable = WORK / _numbers_a_lane(spec)
    points = int(min(FINEST, max(COARSEST, affordable ** (1 / len(sides)))))
    axes = [np.linspace(low, high, points) for low, high in sides.values()]
    lanes = np.meshgrid(*axes, indexing="ij")
    errors = error_at(spec, {name: lane.reshape(-1) for name, lane in zip(sides, lanes)})
    return axes, errors.reshape(lanes[0].shape).T


def _numbers_a_lane(spec: Spec) -> int:
    """About how many numbers a forward pass of all samples takes."""
    units = len(spec.inputs) + sum(len(one.units) for one in spec.placed)
    return len(spec.samples) * (units + len(spec.initial))


def _parts(lanes: int, each: int) -> Iterator[slice]:
    count = max(1, AT_ONCE // each)
    return (slice(start, start + count) for start in range(0, lanes, count))


def _first_drawn(spec: Spec) -> dict[str, Array]:
    """(n_samples,) of everything drawn: that of the sample's first visit, or of the training's if it has none."""
    order = sample_of_visits(spec).tolist()
    visits = [order.index(k) if k in order else 0 for k in range(len(spec.samples))]
    return {name: np.array(values)[visits] for name, values in spec.drawn.items()}
