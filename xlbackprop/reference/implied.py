"""Single rows: what each cell must be by the other cells of its row, its batch and the row above."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from xlbackprop.reference.factors import Factors, Plan
from xlbackprop.reference.functions import Array
from xlbackprop.reference.network import Network
from xlbackprop.reference.noise import Numbers, Row, with_noise
from xlbackprop.reference.samples import samples_implied
from xlbackprop.reference.told import Calculator
from xlbackprop.spec import Spec
from xlbackprop.spec import names as naming
from xlbackprop.spec.names import CHANGE, RATE, STEP, updated_name


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
            row = Row(flat, calculator.epsilon if copy else 0.0, copy)
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
        return result | _parameters_implied(spec, observed, result) | samples_implied(spec, observed)

    return with_noise(once)


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


def _told_row(network: Network, row: Row, observed: Mapping[str, Array], group: Array) -> dict[str, Array]:
    """Forward, backward and update of the lanes; the updated parameters (lanes,) by name."""
    spec = network.spec
    x, t = row.observed(spec.inputs), row.observed(spec.targets)
    now = row.observed(tuple(spec.initial))
    parameters = network.parameters_of(now, {name: row.observed((name,))[..., 0] for name in spec.drawn})
    passed = network.forward(x, parameters, row)
    error = network.error(t, passed, row)
    if spec.batches.several:
        whole = error.mean(axis=1) if spec.reduction == "mean" else error.sum(axis=1)
        row.see_once((naming.batch_error(),), whole[:, None])
    rate = row.observed((RATE,))[:, -1, 0]
    if spec.update == "sequential":
        after = network.sequential(t, passed, parameters, rate, row)
        return {name: values[:, 0] for name, values in after.items()}
    gradients = network.backward(t, passed, row)
    if not spec.trained:
        return {}
    names = list(spec.initial)
    w = now[:, -1, [names.index(name) for name in spec.trained]]
    n_rates = len(spec.rates)
    before = {
        key: np.stack([_before(observed, name(weight), n_rates, group) for weight in spec.trained], axis=-1)
        for key, name in (("m", naming.first_moment), ("v", naming.second_moment))
    }
    n = np.tile(group.astype(float), n_rates)
    w, _ = network.updated(w, gradients[..., : len(spec.trained)], rate, n, before, row)
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


def page(
    spec: Spec,
    observed: Mapping[str, float],
    calculator: Calculator,
    wanted: Collection[str],
    noise: Mapping[str, float] | None = None,
    *,
    by_factors: bool = False,
) -> Numbers:
    """One step told in full, each quantity a number, by what the page itself shows.

    `observed` holds the page's cells. Without those that are calculated (everything but rate,
    step, samples and parameters) it is calculated from the start, and moves as far as their `noise`
    moves it. `wanted` are the page's quantities, whose factors are told. `by_factors`: an adjoint
    is the sum of the products of the page's own factors.
    """
    network = Network(spec, calculator)
    kept = once_names(spec)
    flat = {name: np.array([value]) if name in kept else np.array([[value]]) for name, value in observed.items()}
    rough: dict[str, float] = {}
    plans: list[Plan] = []

    def once(copy: int) -> dict[str, Array]:
        row = Row(flat, calculator.epsilon if copy else 0.0, copy, noise)
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
            gradients = network.backward(t, passed, row)
            after = _page_update(network, row, by_name, gradients, rate)
        if not plans:
            plans.append(Plan(spec, passed.stages, wanted))
        factors = Factors(plans[0], spec, passed.stages, row.numbers(), by_name | after)
        told = factors.told(by_factors=by_factors)
        rough.update(factors.noise)
        if not spec.couples:
            passed = network.forward(x, network.parameters(by_name | after, drawn), row, again=True)
            row.seen[CHANGE] = network.error(t, passed, row, again=True) - before
        numbers = {name: values.reshape(-1)[0] for name, values in (row.seen | row.seen_once_values).items()}
        return numbers | {name: np.asarray(value) for name, value in told.items()}

    numbers = with_noise(once)
    for name, size in rough.items():
        numbers.noise[name] = numbers.noise[name] + 2 * size
    return numbers


def _page_update(
    network: Network, row: Row, by_name: Mapping[str, Array], gradients: Array, rate: Array
) -> dict[str, Array]:
    spec = network.spec
    if not spec.trained:
        return {}
    g = gradients[..., : len(spec.trained)]
    w = np.stack([by_name[name][:, -1] for name in spec.trained], axis=-1)
    before = {
        key: row.once(tuple(naming.before_name(name(weight)) for weight in spec.trained))
        for key, name in (("m", naming.first_moment), ("v", naming.second_moment))
    }
    w, _ = network.updated(w, g, rate, row.observed((STEP,))[:, -1, 0], before, row)
    seen = row.see(tuple(map(updated_name, spec.trained)), w[:, None])
    return {name: seen[..., k] for k, name in enumerate(spec.trained)}
