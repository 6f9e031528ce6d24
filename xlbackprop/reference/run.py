"""Whole trainings and single rows, with how far rounding alone could have moved each number.

How exact a number can be depends on what it is made of: a difference of nearly equal numbers
keeps few digits, whoever calculates it. So each calculation is made several times, once plainly
and then with every intermediate quantity off by some units of its last digit (`epsilon`,
relative), up or down at random; how far the copies spread is the noise that two honest calculators may differ by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from xlbackprop.reference.functions import Array
from xlbackprop.reference.network import Network, Parameters
from xlbackprop.spec import Layer, Names, Spec, updated_name

PERIOD = 32  # steps after which the roundings of a copy repeat; a training learns away what stays the same
COPIES = 4  # with other roundings, beside the plain one
RATE, STEP, SAMPLE, CHANGE = "η", "step", "sample", "ΔE"


class Options(TypedDict):
    """What is known of the calculator whose numbers are compared."""

    epsilon: float  # relative: what its last digit is worth
    exp_overflows: bool  # whether its EXP fails where a double overflows


@dataclass(frozen=True)
class Numbers:
    """Quantities by name, each of one shape, and beside each its noise."""

    values: dict[str, Array]
    noise: dict[str, Array]


def train(spec: Spec, *, epsilon: float = 2.0**-52, exp_overflows: bool = False) -> Numbers:
    """The whole training at every rate, each quantity (n_rates, steps + 1)."""
    network = Network(spec, exp_overflows=exp_overflows)
    n_rates, steps = len(spec.rates), spec.steps
    lanes = n_rates * (1 + COPIES)
    tape = _Tape(steps, n_rates, epsilon)
    rate = np.tile(np.array(spec.rates), 1 + COPIES)
    inputs = np.array([sample.inputs for sample in spec.samples])
    targets = np.array([sample.targets for sample in spec.samples])
    start = {name: np.full(lanes, value) for name, value, _ in spec.parameters()}
    parameters = network.parameters(start)

    def seen(layer: Layer, p: Parameters) -> Parameters:
        weights = tape.see(layer.flat_weight_names, p.weights.reshape(lanes, -1)).reshape(p.weights.shape)
        return Parameters(weights, tape.see(layer.bias_names, p.biases) if layer.bias_names else p.biases)

    with np.errstate(all="ignore"):
        for step in range(steps + 1):
            tape.step = step
            p = step % len(spec.samples)
            x = tape.see(spec.inputs, np.broadcast_to(inputs[p], (lanes, inputs.shape[1])))
            t = tape.see(spec.targets, np.broadcast_to(targets[p], (lanes, targets.shape[1])))
            parameters = [seen(layer, p) for layer, p in zip(spec.layers, parameters)]
            passes = network.forward(x, parameters, tape)
            network.error(t, passes[-1].a, tape)
            parameters = network.backward(t, passes, parameters, rate, tape)
    numbers = tape.numbers()
    counted = np.tile(np.arange(steps + 1.0), (n_rates, 1))
    for name, values in ((STEP, counted), (SAMPLE, counted % len(spec.samples) + 1)):
        numbers.values[name], numbers.noise[name] = values, np.zeros_like(values)
    return numbers


def implied(spec: Spec, observed: Mapping[str, Array], *, epsilon: float, exp_overflows: bool = False) -> Numbers:
    """What each cell of the tables must be by the other cells of its row and of the row above.

    `observed` holds the cells, each quantity (n_rates, steps + 1), the rate included. A quantity
    that has no cells is calculated on the way; what every quantity rests on is taken as observed.
    """
    network = Network(spec, exp_overflows=exp_overflows)
    shape = next(iter(observed.values())).shape
    flat = {name: values.reshape(-1) for name, values in observed.items()}

    def once(copy: int) -> dict[str, Array]:
        row = _Row(flat, epsilon if copy else 0.0, copy)
        x, t = row.see(spec.inputs), row.see(spec.targets)
        parameters = network.parameters({name: row.one(name) for name, _, _ in spec.parameters()})
        passes = network.forward(x, parameters, row)
        network.error(t, passes[-1].a, row)
        network.backward(t, passes, parameters, row.one(RATE), row)
        result = {name: values.reshape(shape) for name, values in row.seen.items()}
        for name, first, trained in spec.parameters():
            after = flat.get(updated_name(name), row.seen.get(updated_name(name), flat[name])).reshape(shape)
            result[name] = np.concatenate([np.full((shape[0], 1), first), after[:, :-1]], axis=1)
            if not trained:
                result[name] = np.full(shape, first)
        return result | _samples(spec, observed, shape)

    return _with_noise(once)


def page(spec: Spec, observed: Mapping[str, float], *, epsilon: float, exp_overflows: bool = False) -> Numbers:
    """One step told in full, each quantity a number, by what the page itself shows.

    `observed` holds the page's cells. Without those that are calculated (everything but rate,
    step, samples and parameters) it is calculated from the start.
    """
    network = Network(spec, exp_overflows=exp_overflows)
    flat = {name: np.array([value]) for name, value in observed.items()}

    def once(copy: int) -> dict[str, Array]:
        row = _Row(flat, epsilon if copy else 0.0, copy)
        x, t = row.see(spec.inputs), row.see(spec.targets)
        parameters = network.parameters({name: row.one(name) for name, _, _ in spec.parameters()})
        passes = network.forward(x, parameters, row)
        before = network.error(t, passes[-1].a, row)
        updated = network.backward(t, passes, parameters, row.one(RATE), row)
        passes_again = network.forward(x, updated, row, again=True)
        after = network.error(t, passes_again[-1].a, row, again=True)
        row.seen[CHANGE] = after - before
        return {name: values[0] for name, values in row.seen.items()}

    return _with_noise(once)


class _Tape:
    """The witness of a training: keeps every quantity of every step, and spreads the copies."""

    def __init__(self, steps: int, n_rates: int, epsilon: float) -> None:
        self.step, self._steps, self._rates, self._epsilon = 0, steps, n_rates, epsilon
        self._kept: dict[Names, Array] = {}
        self._factors: dict[Names, Array] = {}
        self._random = np.random.default_rng(0)

    def see(self, names: Names, values: Array) -> Array:
        if names not in self._kept:
            self._kept[names] = np.empty((self._steps + 1, *values.shape))
            factors = 1 + self._epsilon * _last_digits(self._random, (PERIOD, *values.shape))
            factors[:, : self._rates] = 1
            self._factors[names] = factors
        self._kept[names][self.step] = values
        return np.asarray(values * self._factors[names][self.step % PERIOD])

    def see_factors(self, names: Names, values: Array) -> Array:
        return values

    def numbers(self) -> Numbers:
        result = Numbers({}, {})
        for names, kept in self._kept.items():
            for k, name in enumerate(names):
                copies = kept[:, :, k].T.reshape(1 + COPIES, self._rates, -1)
                distances = [_distance(copies[0], copy) for copy in copies[1:]]
                result.values[name], result.noise[name] = copies[0], np.maximum.reduce(distances)
        return result


class _Row:
    """The witness of single rows: keeps what is implied, and goes on with what is observed."""

    def __init__(self, observed: Mapping[str, Array], epsilon: float, seed: int) -> None:
        self.seen: dict[str, Array] = {}
        self._observed, self._epsilon = observed, epsilon
        self._random = np.random.default_rng(seed)

    def see(self, names: Names, values: Array | None = None) -> Array:
        """Without values: what is observed, as it is where a row begins."""
        columns = []
        for k, name in enumerate(names):
            if values is not None:
                self.seen[name] = values[:, k]
            column = self._observed[name] if name in self._observed or values is None else values[:, k]
            columns.append(column * (1 + self._epsilon * _last_digits(self._random, column.shape)))
        lanes = len(next(iter(self._observed.values())))
        return np.stack(columns, axis=-1) if columns else np.zeros((lanes, 0))

    see_factors = see

    def one(self, name: str) -> Array:
        return self.see((name,))[:, 0]


def _samples(spec: Spec, observed: Mapping[str, Array], shape: tuple[int, ...]) -> dict[str, Array]:
    """The step from the row above, and the sample's numbers from the sample that the row says it is."""
    step, count = observed[STEP], len(spec.samples)
    result = {STEP: np.concatenate([np.zeros((shape[0], 1)), step[:, :-1] + 1], axis=1)}
    sample = np.zeros(shape, dtype=int)
    if SAMPLE in observed:
        result[SAMPLE] = step % count + 1
        said = observed[SAMPLE]
        sample = np.where((said >= 1) & (said <= count), said, 1).astype(int) - 1
    for names, rows in (
        (spec.inputs, [s.inputs for s in spec.samples]),
        (spec.targets, [s.targets for s in spec.samples]),
    ):
        for k, name in enumerate(names):
            result[name] = np.array(rows)[:, k][sample]
    return result


def _with_noise(once: Callable[[int], dict[str, Array]]) -> Numbers:
    with np.errstate(all="ignore"):
        plain = once(0)
        noise = {name: np.zeros_like(values) for name, values in plain.items()}
        for copy in range(1, 1 + COPIES):
            for name, values in once(copy).items():
                np.maximum(noise[name], _distance(plain[name], values), out=noise[name])
    return Numbers(plain, noise)


_UNITS = np.array([*range(-64, 0), *range(1, 65)], dtype=float)


def _last_digits(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """1 to 64 units up or down: so many different ones that two never cancel in a difference in all copies."""
    return _UNITS[random.integers(len(_UNITS), size=shape, dtype=np.uint8)]


def _distance(plain: Array, copy: Array) -> Array:
    """How far a copy is from the plain value; infinite where rounding decides about overflow."""
    with np.errstate(all="ignore"):
        distance = np.abs(copy - plain)
    overflow = np.where(np.isfinite(plain) == np.isfinite(copy), 0.0, np.inf)
    return np.asarray(np.where(np.isfinite(distance), distance, overflow))
