"""Whole trainings and single rows, with how far rounding alone could have moved each number.

How exact a number can be depends on what it is made of: a difference of nearly equal numbers
keeps few digits, whoever calculates it. So each calculation is made several times, once plainly
and then with every intermediate quantity off by some units of its last digit (`epsilon`,
relative), up or down at random; how far the copies spread is the noise that two honest calculators may differ by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from xlbackprop.reference.factors import FLOOR, Factors
from xlbackprop.reference.functions import Array
from xlbackprop.reference.network import Network
from xlbackprop.reference.told import Calculator
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import CHANGE, RATE, SAMPLE, STEP, VISIT, updated_name
from xlbackprop.spec.shapes import Names

PERIOD = 32  # steps after which the roundings of a copy repeat; a training learns away what stays the same
COPIES = 4  # with other roundings, beside the plain one


@dataclass(frozen=True)
class Numbers:
    """Quantities by name, each of one shape, and beside each its noise."""

    values: dict[str, Array]
    noise: dict[str, Array]


def train(spec: Spec, calculator: Calculator = Calculator()) -> Numbers:
    """The whole training at every rate: each quantity (n_rates, visits), once a batch (n_rates, steps + 1)."""
    network = Network(spec, calculator)
    n_rates = len(spec.rates)
    lanes = n_rates * (1 + COPIES)
    tape = _Tape(spec, calculator.epsilon)
    rate = np.tile(np.array(spec.rates), 1 + COPIES)
    samples = sample_of_visits(spec)
    inputs, rough = _inputs(spec, calculator)
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
            else:
                gradients = network.backward(t, passed, parameters, tape)
                g = _stacked(gradients, spec, (lanes, count))
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


def _drawn(tape: _Tape, masks: Mapping[str, Array], start: int, shape: tuple[int, ...]) -> dict[str, Array]:
    lanes, count, _ = shape
    result = {}
    for name, values in masks.items():
        row = np.broadcast_to(values[start : start + count], (lanes, count))
        result[name] = tape.see((name,), row[..., None])[..., 0]
    return result


def _stacked(gradients: Mapping[str, Array], spec: Spec, shape: tuple[int, ...]) -> Array:
    """(*shape, n_parameters)."""
    return np.stack([gradients[name] for name in spec.trained], axis=-1) if spec.trained else np.zeros((*shape, 0))


def sample_of_visits(spec: Spec) -> Array:
    """For every visit its sample, from 0."""
    if spec.order is not None:
        return np.array(spec.order)
    return np.arange(spec.batches.visits) % len(spec.samples)


def input_statistics(spec: Spec) -> tuple[Array, Array]:
    """The mean and the standard deviation of each input over all samples."""
    rows = np.array([sample.inputs for sample in spec.samples])
    return rows.mean(axis=0), np.sqrt(((rows - rows.mean(axis=0)) ** 2).mean(axis=0))


def _inputs(spec: Spec, calculator: Calculator) -> tuple[Array, Array | None]:
    """(n_samples, n_in) as the network sees them, and how far rounding may move them."""
    rows = np.array([sample.inputs for sample in spec.samples]).reshape(len(spec.samples), -1)
    if not spec.normalize:
        return rows, None
    mean, deviation = input_statistics(spec)
    return (rows - mean) / deviation, 8 * calculator.epsilon * np.abs(rows).max(axis=0) / deviation


def batched(spec: Spec, steps: Array | None = None) -> Iterator[tuple[Array, Array]]:
    """The steps whose batches have the same number of rows, and their rows (n_steps, count), group by group."""
    chosen = np.arange(spec.batches.steps + 1) if steps is None else steps
    counts = np.array([spec.batches.count(int(step)) for step in chosen])
    for count in dict.fromkeys(counts.tolist()):
        group = chosen[counts == count]
        starts = np.array([spec.batches.start(int(step)) for step in group])
        yield group, starts[:, None] + np.arange(count)


def implied(spec: Spec, observed: Mapping[str, Array], calculator: Calculator) -> Numbers:
    """What each cell of the tables must be by the other cells of its row, its batch and the row above.

    `observed` holds the cells, each quantity (n_rates, visits) or, once a batch, (n_rates, steps + 1),
    the rate included. A quantity that has no cells is calculated on the way; what every quantity
    rests on is taken as observed.
    """
    network = Network(spec, calculator)
    n_rates, visits, steps = len(spec.rates), spec.batches.visits, spec.batches.steps + 1

    def once(copy: int) -> dict[str, Array]:
        result: dict[str, Array] = {}
        for group, rows in batched(spec):
            flat = _lanes(spec, observed, group, rows)
            row = _Row(flat, calculator.epsilon if copy else 0.0, copy)
            after = _told_row(network, row, observed, group)
            for names, values in row.seen.items():
                shape = (n_rates, *rows.shape)
                result.setdefault(names, np.full((n_rates, visits), np.nan))[:, rows] = values.reshape(shape)
            for names, values in row.seen_once_values.items():
                shape = (n_rates, len(group))
                result.setdefault(names, np.full((n_rates, steps), np.nan))[:, group] = values.reshape(shape)
            for name, values in after.items():
                key = updated_name(name)
                result.setdefault(key, np.full((n_rates, steps), np.nan))[:, group] = values.reshape(n_rates, -1)
        return result | _parameters_implied(spec, observed, result) | _samples(spec, observed)

    return _with_noise(once)


def _lanes(spec: Spec, observed: Mapping[str, Array], group: Array, rows: Array) -> dict[str, Array]:
    """What is observed of these steps: (lanes, rows), or (lanes,) of what a batch has once."""
    once = once_names(spec)
    return {
        name: values[:, group].reshape(-1) if name in once else values[:, rows].reshape(-1, rows.shape[1])
        for name, values in observed.items()
    }


def once_names(spec: Spec) -> frozenset[str]:
    """The quantities that a batch has once."""
    made = [naming.batch_error(), naming.RATE_NOW, naming.GRADIENT_NORM, naming.CLIP_FACTOR]
    made += [f"{naming.GRADIENT_NORM}{k + 1}" for k in range(1 + len(spec.trained) // 200)]
    for weight in spec.trained:
        moments = (naming.first_moment(weight), naming.second_moment(weight))
        made += [naming.batch_gradient(weight), naming.clipped_gradient(weight), naming.decayed_gradient(weight)]
        made += [*moments, *map(naming.corrected, moments)]
    return frozenset(made)


def _told_row(network: Network, row: _Row, observed: Mapping[str, Array], group: Array) -> dict[str, Array]:
    """Forward, backward and update of the lanes; the updated parameters (lanes,) by name."""
    spec = network.spec
    x, t = row.observed(spec.inputs), row.observed(spec.targets)
    by_name = {name: row.observed((name,))[..., 0] for name in spec.initial}
    drawn = {name: row.observed((name,))[..., 0] for name in spec.drawn}
    parameters = network.parameters(by_name, drawn)
    passed = network.forward(x, parameters, row)
    error = network.error(t, passed, row)
    if spec.batches.several:
        whole = error.mean(axis=1) if spec.reduction == "mean" else error.sum(axis=1)
        row.see_once((naming.batch_error(),), whole[:, None])
    rate = row.observed((RATE,))[:, -1, 0]
    if spec.update == "sequential":
        after = network.sequential(t, passed, parameters, rate, row)
        return {name: values[:, 0] for name, values in after.items()}
    gradients = network.backward(t, passed, parameters, row)
    if not spec.trained:
        return {}
    g = _stacked(gradients, spec, error.shape)
    w = np.stack([by_name[name][:, -1] for name in spec.trained], axis=-1)
    n_rates = len(spec.rates)
    before = {
        key: np.stack([_before(observed, name(weight), n_rates, group) for weight in spec.trained], axis=-1)
        for key, name in (("m", naming.first_moment), ("v", naming.second_moment))
    }
    n = np.tile(group.astype(float), n_rates)
    w, _ = network.updated(w, g, rate, n, before, row)
    return {name: w[:, k] for k, name in enumerate(spec.trained)}


def _before(observed: Mapping[str, Array], name: str, n_rates: int, group: Array) -> Array:
    """(lanes,): an optimiser's state at the batch before each of these; 0 before the first."""
    if name not in observed:
        return np.zeros(n_rates * len(group))
    shifted = np.concatenate([np.zeros((n_rates, 1)), observed[name][:, :-1]], axis=1)
    return shifted[:, group].reshape(-1)


def _parameters_implied(spec: Spec, observed: Mapping[str, Array], told: Mapping[str, Array]) -> dict[str, Array]:
    """Every parameter in every row: updated in the first row of a batch, else as in the row above."""
    starts = np.array([start for start, _ in spec.batches])
    result = {}
    for name, (first, trained, _) in spec.initial.items():
        values = np.full_like(observed[name], first)
        if trained:
            values[:, 1:] = observed[name][:, :-1]
            key = updated_name(name)
            after = observed[key] if key in observed else told[key]
            values[:, starts[1:]] = after[:, : len(starts) - 1]
            values[:, 0] = first
        result[name] = values
    return result


def page(spec: Spec, observed: Mapping[str, float], calculator: Calculator, *, by_factors: bool = False) -> Numbers:
    """One step told in full, each quantity a number, by what the page itself shows.

    `observed` holds the page's cells. Without those that are calculated (everything but rate,
    step, samples and parameters) it is calculated from the start. `by_factors`: an adjoint is the
    sum of the products of the page's own factors.
    """
    network = Network(spec, calculator)
    kept = once_names(spec)
    flat = {name: np.array([value]) if name in kept else np.array([[value]]) for name, value in observed.items()}
    factor_names: set[str] = set()

    def once(copy: int) -> dict[str, Array]:
        row = _Row(flat, calculator.epsilon if copy else 0.0, copy)
        x, t = row.observed(spec.inputs), row.observed(spec.targets)
        by_name = {name: row.observed((name,))[..., 0] for name in spec.initial}
        drawn = {name: row.observed((name,))[..., 0] for name in spec.drawn}
        parameters = network.parameters(by_name, drawn)
        passed = network.forward(x, parameters, row)
        before = network.error(t, passed, row)
        rate = row.observed((RATE,))[:, -1, 0]
        if spec.update == "sequential":
            after = network.sequential(t, passed, parameters, rate, row)
        else:
            gradients = network.backward(t, passed, parameters, row)
            after = _page_update(network, row, by_name, gradients, rate)
        factors = Factors(spec, passed.stages, row, by_name | after)
        row.seen |= factors.told(by_factors=by_factors)
        factor_names.update(factors.names)
        if not spec.couples:
            passed = network.forward(x, network.parameters(by_name | after, drawn), row, again=True)
            row.seen[CHANGE] = network.error(t, passed, row, again=True) - before
        return {name: values.reshape(-1)[0] for name, values in (row.seen | row.seen_once_values).items()}

    numbers = _with_noise(once)
    for name in factor_names:
        numbers.noise[name] = numbers.noise[name] + FLOOR
    return numbers


def _page_update(
    network: Network, row: _Row, by_name: Mapping[str, Array], gradients: Mapping[str, Array], rate: Array
) -> dict[str, Array]:
    spec = network.spec
    if not spec.trained:
        return {}
    g = _stacked(gradients, spec, (1, 1))
    w = np.stack([by_name[name][:, -1] for name in spec.trained], axis=-1)
    before = {
        key: np.concatenate([row.once(naming.before_name(name(weight))) for weight in spec.trained], axis=-1)
        for key, name in (("m", naming.first_moment), ("v", naming.second_moment))
    }
    w, _ = network.updated(w, g, rate, row.observed((STEP,))[:, -1, 0], before, row)
    seen = row.see(tuple(map(updated_name, spec.trained)), w[:, None])
    return {name: seen[..., k] for k, name in enumerate(spec.trained)}


class _Tape:
    """The witness of a training: keeps every quantity of every row, and spreads the copies."""

    def __init__(self, spec: Spec, epsilon: float) -> None:
        self._rates, self._epsilon = len(spec.rates), epsilon
        self._visits, self._steps = spec.batches.visits, spec.batches.steps + 1
        self._step, self._start, self._count = 0, 0, 1
        self._kept: dict[Names, Array] = {}
        self._digits: dict[Names, Array] = {}
        self._random = np.random.default_rng(0)

    def at(self, step: int, start: int, count: int) -> None:
        """Go on to a step, whose batch has `count` rows from `start` on."""
        self._step, self._start, self._count = step, start, count

    def see(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        lanes, rows, n = values.shape
        if names not in self._kept:
            self._kept[names] = np.empty((self._visits, lanes, n))
            self._spread(names, lanes, n)
        digits = self._digits[names]
        if rows == 1:
            digits = digits[self._start % PERIOD][:, None]
        else:
            digits = digits[(self._start + np.arange(rows)) % PERIOD].transpose(1, 0, 2)
        if rough is not None:
            values = values + rough * digits / 16
        # What has one row, as parameters have, is the same in all rows of the batch.
        self._kept[names][self._start : self._start + self._count] = values.transpose(1, 0, 2)
        return np.asarray(values * (1 + self._epsilon * digits))

    def see_once(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        if names not in self._kept:
            self._kept[names] = np.empty((self._steps, *values.shape))
            self._spread(names, *values.shape)
        digits = self._digits[names][self._step % PERIOD]
        if rough is not None:
            values = values + rough * digits / 16
        self._kept[names][self._step] = values
        return np.asarray(values * (1 + self._epsilon * digits))

    def _spread(self, names: Names, lanes: int, n: int) -> None:
        digits = _last_digits(self._random, (PERIOD, lanes, n))
        digits[:, : self._rates] = 0
        self._digits[names] = digits

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
        self.seen: dict[str, Array] = {}  # (lanes, rows)
        self.seen_once_values: dict[str, Array] = {}  # (lanes,)
        self._observed, self._epsilon = observed, epsilon
        self._random = np.random.default_rng(seed)

    def see(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        if rough is not None and self._epsilon:
            values = values + rough * _last_digits(self._random, values.shape) / 16
        columns = []
        for k, name in enumerate(names):
            self.seen[name] = values[..., k]
            columns.append(self._spread(self._observed.get(name, values[..., k])))
        return np.stack(np.broadcast_arrays(*columns), axis=-1) if columns else values

    def see_once(self, names: Names, values: Array, rough: Array | None = None) -> Array:
        if rough is not None and self._epsilon:
            values = values + rough * _last_digits(self._random, values.shape) / 16
        columns = []
        for k, name in enumerate(names):
            self.seen_once_values[name] = values[:, k]
            columns.append(self._spread(self._observed.get(name, values[:, k])))
        return np.stack(columns, axis=-1) if columns else values

    def observed(self, names: Names) -> Array:
        """What is observed, as it is where a row begins: (lanes, rows, n)."""
        columns = [self._spread(self._observed[name]) for name in names]
        return np.stack(columns, axis=-1) if columns else np.zeros((*self._observed[RATE].shape, 0))

    def once(self, name: str) -> Array:
        """(lanes, 1) of what a page shows of the step before, 0 if it shows nothing."""
        return self._spread(self._observed.get(name, np.zeros((1, 1))).reshape(-1, 1))

    def found(self, name: str) -> Array | None:
        """What is observed of a quantity, None if it has no cell."""
        values = self._observed.get(name)
        return None if values is None else self._spread(values)

    def _spread(self, values: Array) -> Array:
        return values * (1 + self._epsilon * _last_digits(self._random, values.shape)) if self._epsilon else values


def _samples(spec: Spec, observed: Mapping[str, Array]) -> dict[str, Array]:
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
    inputs, _ = _inputs(spec, Calculator())
    targets = np.array([s.targets for s in spec.samples])
    for names, rows in ((spec.inputs, inputs), (spec.targets, targets)):
        for k, name in enumerate(names):
            result[name] = rows[:, k][sample]
    for name, values in spec.drawn.items():
        at = np.clip(np.nan_to_num(visit), 0, len(values) - 1).astype(int)
        result[name] = np.array(values)[at]
    return result


def _with_noise(once: Callable[[int], dict[str, Array]]) -> Numbers:
    with np.errstate(all="ignore"):
        plain = once(0)
        noise = {name: np.zeros_like(values) for name, values in plain.items()}
        for copy in range(1, 1 + COPIES):
            for name, values in once(copy).items():
                noise[name] = np.maximum(noise[name], _distance(plain[name], values))
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
