"""The whole training, told again from the inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.network import Network
from xlbackprop.reference.noise import COPIES, Numbers, Tape
from xlbackprop.reference.samples import inputs_seen, sample_of_visits
from xlbackprop.reference.told import EXACT, Calculator
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import SAMPLE, STEP, VISIT


def train(spec: Spec, calculator: Calculator = EXACT) -> Numbers:
    """The whole training at every rate: each quantity (n_rates, visits), once a batch (n_rates, steps + 1)."""
    return trainings((spec,), calculator)[0]


def trainings(specs: Sequence[Spec], calculator: Calculator) -> list[Numbers]:
    """Several trainings side by side, of specs that differ in the numbers of their inputs alone."""
    spec, n_rates = specs[0], len(specs[0].rates)
    network, tape = Network(spec, calculator), Tape(spec.batches, len(specs) * n_rates, calculator.epsilon)

    def in_lanes(values: Sequence[Array]) -> Array:
        """Of each spec one, for its rates and all copies."""
        each = np.repeat(np.stack(values), n_rates, axis=0)
        return np.concatenate([each] * (1 + COPIES))

    rate = np.tile(np.concatenate([one.rates for one in specs]), 1 + COPIES)
    lanes, samples = len(rate), sample_of_visits(spec)
    seen = [inputs_seen(one, calculator) for one in specs]
    inputs = in_lanes([rows for rows, _ in seen])
    off = [rough for _, rough in seen if rough is not None]
    rough = in_lanes(off)[:, None] if off else None
    targets = in_lanes([np.array([sample.targets for sample in one.samples]) for one in specs])
    masks = {name: np.array(values) for name, values in spec.drawn.items()}
    names = tuple(spec.initial)
    now = in_lanes([np.array([[value for value, _, _ in one.initial.values()]]) for one in specs])
    places = [names.index(name) for name in spec.trained]
    before: dict[str, Array] = {key: np.zeros((lanes, len(spec.trained))) for key in "mv"}
    with np.errstate(all="ignore", over="call", divide="call", call=tape.overflow):
        for step, (start, count) in enumerate(spec.batches):
            tape.at(step, start, count)
            visited = samples[start : start + count]
            x = tape.see(spec.inputs, inputs[:, visited], rough)
            t = tape.see(spec.targets, targets[:, visited])
            now = tape.see(names, now)
            parameters = network.parameters_of(now, _drawn(tape, masks, start, (lanes, count)))
            passed = network.forward(x, parameters, tape)
            error = network.error(t, passed, tape)
            if spec.batches.several:
                whole = error.mean(axis=1) if spec.reduction == "mean" else error.sum(axis=1)
                tape.see_once((naming.batch_error(),), whole[:, None])
            now = now.copy()
            if spec.update == "sequential":
                after = network.sequential(t, passed, parameters, rate, tape)
                for name, values in after.items():
                    now[..., names.index(name)] = values
                continue
            gradients = network.backward(t, passed, tape)
            if not spec.trained:
                continue
            g = gradients[..., : len(spec.trained)]
            w, kept = network.updated(now[:, 0, places], g, rate, np.full(lanes, float(step)), before, tape)
            now[:, 0, places] = w
            before |= kept
    return [_counted(spec, tape.numbers(slice(k * n_rates, (k + 1) * n_rates)), samples) for k in range(len(specs))]


def _counted(spec: Spec, numbers: Numbers, samples: Array) -> Numbers:
    """With which visit, step and sample each row is."""
    steps = np.array([spec.batches.step_of(visit) for visit in range(spec.batches.visits)], dtype=float)
    counted = {VISIT: np.arange(float(spec.batches.visits)), STEP: steps, SAMPLE: samples + 1.0}
    for name, values in counted.items():
        numbers.values[name] = np.tile(values, (len(spec.rates), 1))
        numbers.noise[name] = np.zeros_like(numbers.values[name])
    return numbers


def _drawn(tape: Tape, masks: Mapping[str, Array], start: int, shape: tuple[int, int]) -> dict[str, Array]:
    result = {}
    for name, values in masks.items():
        row = np.broadcast_to(values[start : start + shape[1]], shape)
        result[name] = tape.see((name,), row[..., None])[..., 0]
    return result
