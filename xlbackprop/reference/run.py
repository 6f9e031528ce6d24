"""The whole training, told again from the inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.implied import stacked
from xlbackprop.reference.network import Network
from xlbackprop.reference.noise import COPIES, Numbers, Tape
from xlbackprop.reference.samples import inputs_seen, sample_of_visits
from xlbackprop.reference.told import EXACT, Calculator
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import SAMPLE, STEP, VISIT


def train(spec: Spec, calculator: Calculator = EXACT) -> Numbers:
    """The whole training at every rate: each quantity (n_rates, visits), once a batch (n_rates, steps + 1)."""
    network = Network(spec, calculator)
    n_rates = len(spec.rates)
    lanes = n_rates * (1 + COPIES)
    tape = Tape(spec, calculator.epsilon)
    rate = np.tile(np.array(spec.rates), 1 + COPIES)
    samples = sample_of_visits(spec)
    inputs, rough = inputs_seen(spec, calculator)
    targets = np.array([sample.targets for sample in spec.samples])
    masks = {name: np.array(values) for name, values in spec.drawn.items()}
    names = tuple(spec.initial)
    now = np.tile(np.array([value for value, _, _ in spec.initial.values()]), (lanes, 1, 1))
    places = [names.index(name) for name in spec.trained]
    before: dict[str, Array] = {key: np.zeros((lanes, len(spec.trained))) for key in "mv"}
    with np.errstate(all="ignore"):
        for step, (start, count) in enumerate(spec.batches):
            tape.at(step, start, count)
            visited = samples[start : start + count]
            shape = (lanes, count, -1)
            x = tape.see(spec.inputs, np.broadcast_to(inputs[visited], (lanes, *inputs[visited].shape)), rough)
            t = tape.see(spec.targets, np.broadcast_to(targets[visited], (lanes, *targets[visited].shape)))
            now = tape.see(names, now)
            by_name = {name: now[..., k] for k, name in enumerate(names)}
            drawn = _drawn(tape, masks, start, shape)
            parameters = network.parameters(by_name, drawn)
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
            gradients = network.backward(t, passed, parameters, tape)
            if not spec.trained:
                continue
            g = stacked(gradients, spec, (lanes, count))
            w, kept = network.updated(now[:, 0, places], g, rate, np.full(lanes, float(step)), before, tape)
            now[:, 0, places] = w
            before |= kept
    numbers = tape.numbers()
    visits = np.tile(np.arange(float(spec.batches.visits)), (n_rates, 1))
    steps = np.array([spec.batches.step_of(visit) for visit in range(spec.batches.visits)], dtype=float)
    counted = {VISIT: visits, STEP: np.tile(steps, (n_rates, 1)), SAMPLE: np.tile(samples + 1.0, (n_rates, 1))}
    for name, values in counted.items():
        numbers.values[name], numbers.noise[name] = values, np.zeros_like(values)
    return numbers


def _drawn(tape: Tape, masks: Mapping[str, Array], start: int, shape: tuple[int, ...]) -> dict[str, Array]:
    lanes, count, _ = shape
    result = {}
    for name, values in masks.items():
        row = np.broadcast_to(values[start : start + count], (lanes, count))
        result[name] = tape.see((name,), row[..., None])[..., 0]
    return result
