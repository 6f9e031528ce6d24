"""Single rows: what each cell must be by the other cells of its row, its batch and the row above."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

import numpy as np

from xlbackprop.reference.factors import Factors, Plan
from xlbackprop.reference.functions import Array
from xlbackprop.reference.network import Network
from xlbackprop.reference.noise import Numbers, Row, with_noise
from xlbackprop.reference.optimizers import State
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


AT_ONCE = 4_096  # lanes of rows that are told together: enough for speed, too few to fill memory


def implied(
    spec: Spec, observed: Mapping[str, Array], calculator: Calculator, wanted: Collection[str] | None = None
) -> Numbers:
    """What each cell of the tables must be by the other cells of its row, its batch and the row above.

    `observed` holds the cells, each quantity (n_rates, visits) or, once a batch, (n_rates, steps + 1),
    the rate included. A quantity that has no cells is calculated on the way; what every quantity
    rests on is taken as observed. Of what is calculated only the `wanted` quantities are kept, or all.
    """
    network, once = Network(spec, calculator), once_names(spec)
    n_rates, visits, steps = len(spec.rates), spec.batches.visits, spec.batches.steps + 1
    updated = set(map(updated_name, spec.trained))
    kept = None if wanted is None else {*wanted, *updated}
    told = Numbers({}, {})
    for group, rows in _parts(spec, n_rates):
        lanes = _lanes(observed, once, group, rows)
        before = {
            key: np.stack([_before(observed, name(weight), n_rates, group) for weight in spec.trained], axis=-1)
            for key, name in (("m", naming.first_moment), ("v", naming.second_moment))
            if spec.trained
        }
        part = with_noise(partial(_told_row, network, lanes, before, np.tile(group.astype(float), n_rates), kept))
        for found, whole in ((part.values, told.values), (part.noise, told.noise)):
            for name, values in found.items():
                count, at = (visits, rows) if values.ndim > 1 else (steps, group)
                if name not in whole:
                    whole[name] = np.full((n_rates, count), np.nan)
                whole[name][:, at] = values.reshape(n_rates, *at.shape)
    rest = _parameters_implied(spec, observed, told)
    samples = samples_implied(spec, observed)
    exact = {name: np.zeros_like(values) for name, values in samples.items()}
    return Numbers(told.values | rest.values | samples, told.noise | rest.noise | exact)


def _parts(spec: Spec, n_rates: int) -> Iterator[tuple[Array, Array]]:
    """`batched`, so many steps at a time as are told together."""
    for group, rows in batched(spec):
        count = max(1, AT_ONCE // (n_rates * rows.shape[1]))
        yield from ((group[k : k + count], rows[k : k + count]) for k in range(0, len(group), count))


def _lanes(observed: Mapping[str, Array], once: Collection[str], group: Array, rows: Array) -> dict[str, Array]:
    """What is observed of these steps: (lanes, rows), or (lanes,) of what a batch has once."""
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


def _told_row(
    network: Network, lanes: Mapping[str, Array], before: State, n: Array, kept: Collection[str] | None, copy: int
) -> dict[str, Array]:
    """The `kept` quantities of the lanes, (lanes, rows), or (lanes,) of what a batch has once."""
    row = Row(lanes, network.calculator.epsilon if copy else 0.0, copy)
    after = _passed(network, row, before, n)
    seen = row.seen | row.seen_once_values | {updated_name(name): values for name, values in after.items()}
    return {name: values for name, values in seen.items() if kept is None or name in kept}


def _passed(network: Network, row: Row, before: State, n: Array) -> dict[str, Array]:
    """Forward, backward and update; the updated parameters (lanes,) by name."""
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
    places = {name: k for k, name in enumerate(spec.initial)}
    w = now[:, -1, [places[name] for name in spec.trained]]
    w, _ = network.updated(w, gradients[..., : len(spec.trained)], rate, n, before, row)
    return {name: w[:, k] for k, name in enumerate(spec.trained)}


def _before(observed: Mapping[str, Array], name: str, n_rates: int, group: Array) -> Array:
    """(lanes,): an optimiser's state at the batch before each of these; 0 before the first."""
    if name not in observed:
        return np.zeros(n_rates * len(group))
    return np.where(group == 0, 0.0, observed[name][:, group - 1]).reshape(-1)


def _parameters_implied(spec: Spec, observed: Mapping[str, Array], told: Numbers) -> Numbers:
    """Every parameter in every row: updated in the first row of a batch, else as in the row above."""
    starts = np.array([start for start, _ in spec.batches])[1:]
    result = Numbers({}, {})
    for name, (first, trained, _) in spec.initial.items():
        values, noise = np.full_like(observed[name], first), np.zeros_like(observed[name])
        if trained:
            values[:, 1:] = observed[name][:, :-1]
            key = updated_name(name)
            if key in observed:
                values[:, starts] = observed[key][:, : len(starts)]
            else:
                values[:, starts], noise[:, starts] = (part[key][:, :-1] for part in (told.values, told.noise))
        result.values[name], result.noise[name] = values, noise
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
