"""Which sample each row visits, and what the network sees of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.told import EXACT, Calculator
from xlbackprop.spec import Spec
from xlbackprop.spec.names import SAMPLE, STEP, VISIT


def sample_of_visits(spec: Spec) -> Array:
    """For every visit its sample, from 0."""
    if spec.order is not None:
        return np.array(spec.order)
    return np.arange(spec.batches.visits) % len(spec.samples)


def input_statistics(spec: Spec) -> tuple[Array, Array]:
    """The mean and the standard deviation of each input over all samples."""
    rows = np.array([sample.inputs for sample in spec.samples])
    return rows.mean(axis=0), np.sqrt(((rows - rows.mean(axis=0)) ** 2).mean(axis=0))


def inputs_seen(spec: Spec, calculator: Calculator) -> tuple[Array, Array | None]:
    """(n_samples, n_in) as the network sees them, and how far rounding may move them."""
    rows = np.array([sample.inputs for sample in spec.samples]).reshape(len(spec.samples), -1)
    if not spec.normalize:
        return rows, None
    mean, deviation = input_statistics(spec)
    return (rows - mean) / deviation, 8 * calculator.epsilon * np.abs(rows).max(axis=0) / deviation


def samples_implied(spec: Spec, observed: Mapping[str, Array]) -> dict[str, Array]:
    """The step from the row above, and the sample's numbers from the sample that the row says it is."""
    step, count = observed[STEP], len(spec.samples)
    starts = np.zeros(step.shape[1])
    starts[[start for start, _ in spec.batches]] = 1

    def above(values: Array, more: Array | float) -> Array:
        return np.concatenate([np.zeros((len(values), 1)), values[:, :-1] + more], axis=1)

    result = {STEP: above(step, starts[1:])}
    visit = step
    if VISIT in observed:
        visit = observed[VISIT]
        result[VISIT] = above(visit, 1)
    sample = np.zeros(step.shape, dtype=int)
    if SAMPLE in observed:
        order = sample_of_visits(spec)
        at = np.clip(np.nan_to_num(visit), 0, len(order) - 1).astype(int)
        result[SAMPLE] = order[at] + 1.0 if spec.order is not None else visit % count + 1
        said = observed[SAMPLE]
        sample = np.where((said >= 1) & (said <= count), said, 1).astype(int) - 1
    inputs, _ = inputs_seen(spec, EXACT)
    targets = np.array([s.targets for s in spec.samples])
    for names, rows in ((spec.inputs, inputs), (spec.targets, targets)):
        for k, name in enumerate(names):
            result[name] = rows[:, k][sample]
    for name, values in spec.drawn.items():
        at = np.clip(np.nan_to_num(visit), 0, len(values) - 1).astype(int)
        result[name] = np.array(values)[at]
    return result
